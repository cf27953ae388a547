#include "agent/state/folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

namespace jackdaw::agent::state {
namespace {

constexpr std::size_t marker_size = 42; ///< the number, its complement, a newline

std::array<char, marker_size + 1> marker_text(std::uint64_t transaction) noexcept {
    std::array<char, marker_size + 1> text{};
    std::snprintf(text.data(), text.size(), "%020llu %020llu\n",
                  static_cast<unsigned long long>(transaction),
                  static_cast<unsigned long long>(~transaction));
    return text;
}

} // namespace

std::string path_in(const std::string& folder, std::string_view name) {
    return fmt::format("{}/{}", folder, name);
}

Error disk_error(std::string doing, int number) {
    Error error{Errc::unavailable, std::move(doing),
                std::error_code{number, std::generic_category()}};
    if (number == ENOSPC || number == EDQUOT) {
        return std::move(error).with_id(Code::disk_full);
    }
    return error;
}

Error lost_error(std::string_view doing, std::string_view why) {
    return Error{Errc::unavailable,
                 fmt::format("{}: {}; the agent ends, and its next start looks through the state",
                             doing, why)}
        .with_hint("make room on its disk where that is full; the agent starts again by itself");
}

Result<UniqueFd> lock_folder(const std::string& folder) {
    const auto path = path_in(folder, lock_name);
    UniqueFd lock{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!lock) {
        return disk_error(fmt::format("open {}", path), errno);
    }
    std::array<char, 24> holder{};
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return disk_error(fmt::format("lock {}", path), errno);
        }
        long pid = 0;
        if (::pread(lock.get(), holder.data(), holder.size() - 1, 0) > 0) {
            (void)std::sscanf(holder.data(), "%ld", &pid);
        }
        return Error{Code::state_locked,
                     fmt::format("the process with pid {} holds {}", pid, path)};
    }
    // For people only; a full disk leaves an older pid there, and the lock holds all the same.
    const int length =
        std::snprintf(holder.data(), holder.size(), "%-20ld\n", static_cast<long>(::getpid()));
    (void)!::pwrite(lock.get(), holder.data(), static_cast<std::size_t>(length), 0);
    return lock;
}

Result<void> sync_folder(const std::string& folder) {
    const UniqueFd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd || ::fsync(fd.get()) != 0) {
        return disk_error(fmt::format("sync {}", folder), errno);
    }
    return ok();
}

Result<void> rename_durably(const std::string& folder, const char* from, const char* to) {
    if (::rename(path_in(folder, from).c_str(), path_in(folder, to).c_str()) != 0) {
        return disk_error(fmt::format("rename {} to {}", from, to), errno);
    }
    return sync_folder(folder);
}

Result<std::optional<std::uint64_t>> size_of(const std::string& folder, const char* name) {
    struct stat info{};
    if (::lstat(path_in(folder, name).c_str(), &info) == 0) {
        return std::optional{static_cast<std::uint64_t>(info.st_size)};
    }
    if (errno == ENOENT) {
        return std::optional<std::uint64_t>{};
    }
    return disk_error(fmt::format("look at {}", path_in(folder, name)), errno);
}

Result<std::optional<std::uint64_t>> read_marker(const std::string& folder) {
    const auto path = path_in(folder, marker_name);
    const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!fd) {
        if (errno == ENOENT) {
            return std::optional<std::uint64_t>{};
        }
        return disk_error(fmt::format("open {}", path), errno);
    }
    std::array<char, marker_size + 1> text{};
    unsigned long long number = 0;
    unsigned long long complement = 0;
    const auto got = ::pread(fd.get(), text.data(), marker_size, 0);
    const bool sound = got == static_cast<ssize_t>(marker_size) &&
                       std::sscanf(text.data(), "%20llu %20llu", &number, &complement) == 2 &&
                       number == ~complement;
    return std::optional<std::uint64_t>{sound ? number : 0};
}

Result<void> write_marker(const std::string& folder, std::uint64_t transaction) {
    const auto fresh = fmt::format("{}.new", marker_name);
    const auto path = path_in(folder, fresh);
    UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) {
        return disk_error(fmt::format("make {}", path), errno);
    }
    const auto text = marker_text(transaction);
    if (::write(fd.get(), text.data(), marker_size) != static_cast<ssize_t>(marker_size)) {
        return disk_error(fmt::format("write {}", path), errno != 0 ? errno : ENOSPC);
    }
    if (::fsync(fd.get()) != 0) {
        return disk_error(fmt::format("sync {}", path), errno);
    }
    return rename_durably(folder, fresh.c_str(), marker_name);
}

Result<UniqueFd> open_marker(const std::string& folder) {
    const auto path = path_in(folder, marker_name);
    UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!fd) {
        return disk_error(fmt::format("open {}", path), errno);
    }
    return fd;
}

void note_commit(int marker, std::uint64_t transaction) noexcept {
    const auto text = marker_text(transaction);
    (void)!::pwrite(marker, text.data(), marker_size, 0);
}

} // namespace jackdaw::agent::state
