#pragma once
// Reaching into a running machine from the host: its files through its own root, commands in its
// namespaces, and the file systems that a power cut shuts down. The machine's users are hostile: no
// link of theirs is followed.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/cloud/local/machine_power.h"

namespace jackdaw::cloud::local {

/// The machine's file tree, held by a descriptor: paths resolve below it and without links
/// (openat2(2)).
class MachineRoot {
public:
    [[nodiscard]] static Result<MachineRoot> open(const MachinePower& machine);

    /// `path` relative to the root. not_found, or a refusal of a link, as the kernel says it.
    [[nodiscard]] Result<UniqueFd> open_below(const std::string& path, std::uint64_t flags) const;
    /// A folder of root's; made if absent with this owner and mode.
    [[nodiscard]] Result<UniqueFd> make_folder(const std::string& path, mode_t mode,
                                               gid_t group) const;

private:
    explicit MachineRoot(UniqueFd fd) noexcept : fd_{std::move(fd)} {}
    UniqueFd fd_;
};

/// Mode 0600, root's; temporary file, fsync, rename.
[[nodiscard]] Result<void> place_file(int folder, const std::string& name, std::string_view text);

/// A regular file with one link, of this owner, of 1 to `bytes_max` bytes. `conflict` for another
/// kind.
[[nodiscard]] Result<std::string> read_foreign(const MachineRoot& root, const std::string& path,
                                               uid_t owner, std::size_t bytes_max);

/// Shuts the file system on this path down without a flush of its log (FS_IOC_SHUTDOWN), if one is
/// mounted exactly there.
[[nodiscard]] Result<bool> shut_file_system(const MachineRoot& root,
                                            const std::string& mount_point);

/// See LocalProvider::run_inside.
[[nodiscard]] Result<int> run_in_machine(const MachinePower& machine,
                                         const std::vector<std::string>& command);

} // namespace jackdaw::cloud::local
