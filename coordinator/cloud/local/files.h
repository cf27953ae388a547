#pragma once
// Files and folders of the provider's state: read with a bound, written so that a crash leaves the
// old or the new one, locked so that two coordinators never change one thing at once.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::cloud::local {

using Path = std::filesystem::path;

inline constexpr std::size_t state_file_bytes_max = std::size_t{256} * 1024;
inline constexpr std::size_t folder_entries_max = 10'000;

/// An Error of what the operating system answered: ENOENT is not_found, EPERM not_allowed, EBUSY
/// busy, EEXIST conflict, ENOSPC and EDQUOT E-DISK-FULL, anything else unavailable.
[[nodiscard]] Error os_error(std::string what, int number);

/// The whole file. `exhausted` when it is longer than `bytes_max`, not_found when there is none.
[[nodiscard]] Result<std::string> read_file(const Path& file,
                                            std::size_t bytes_max = state_file_bytes_max);

/// Temporary file, fsync, rename, fsync of the folder (rename(2), fsync(2)). A failure leaves the
/// old file.
[[nodiscard]] Result<void> write_durable(const Path& file, std::string_view text,
                                         mode_t mode = 0600);

/// A short write into a kernel file (cgroup, sysctl): one write(2), no creation.
[[nodiscard]] Result<void> write_kernel_file(const Path& file, std::string_view text);

/// Makes the folder and those above it; each that is new is durable. One that exists is left as it
/// is.
[[nodiscard]] Result<void> make_folders(const Path& folder, mode_t mode = 0700);

/// Names in the folder, sorted, without "." and ".."; none when it is absent. `exhausted` above
/// folder_entries_max.
[[nodiscard]] Result<std::vector<std::string>> names_in(const Path& folder);

/// Removes the tree without following a link out of it. Absent is no error.
[[nodiscard]] Result<void> remove_tree(const Path& folder);
/// Renames the folder to a hidden name beside it, then removes that: a crash between leaves
/// ".gone-…" for gc.
[[nodiscard]] Result<void> retire_tree(const Path& folder);
/// Is it the name that retire_tree() renames to?
[[nodiscard]] bool is_retired(std::string_view name) noexcept;

/// flock(2) on a file or a folder, freed at destruction (or with the process). Never inherited over
/// exec.
class FileLock {
public:
    /// Waits up to `wait`. `busy` after that; not_found when the path is not there, or was removed
    /// while waiting.
    [[nodiscard]] static Result<FileLock> take(const Path& path, std::chrono::milliseconds wait);

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    explicit FileLock(UniqueFd fd) noexcept : fd_{std::move(fd)} {}
    UniqueFd fd_;
};

/// Is an exclusive flock held on the file, by anybody? An absent file is held by nobody.
[[nodiscard]] bool is_locked(const Path& file);

/// Polls every 2 ms until it is true; false after `wait`.
template <class Condition>
[[nodiscard]] bool wait_until(std::chrono::milliseconds wait, Condition&& condition);

[[nodiscard]] std::int64_t unix_ms();
/// A fresh UUIDv7.
[[nodiscard]] Result<std::string> new_uuid();

/// Keeps whether it worked, and lets the value go.
template <class T>
[[nodiscard]] Result<void> without_value(Result<T> result) {
    if (!result) {
        return std::move(result).error();
    }
    return ok();
}

void pause_for(std::chrono::milliseconds span) noexcept;

template <class Condition>
bool wait_until(std::chrono::milliseconds wait, Condition&& condition) {
    constexpr std::chrono::milliseconds pause{2};
    for (std::chrono::milliseconds waited{0};; waited += pause) {
        if (condition()) {
            return true;
        }
        if (waited >= wait) {
            return false;
        }
        pause_for(pause);
    }
}

} // namespace jackdaw::cloud::local
