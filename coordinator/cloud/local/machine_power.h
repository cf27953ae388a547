#pragma once
// One machine's power: is it on, start it, end it. Works on what records say; changes none of them.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/cloud/local/cgroups.h"
#include "coordinator/cloud/local/layout.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/subnet.h"

namespace jackdaw::cloud::local {

class MachinePower {
public:
    MachinePower(Layout layout, const CgroupMounts& mounts, std::string name);

    /// Its lock is held, or a process is in its group: by files alone, never by a pid that may be
    /// another's by now.
    [[nodiscard]] bool is_on() const;
    [[nodiscard]] MachineState state() const;
    [[nodiscard]] const MachineCgroup& cgroup() const noexcept { return cgroup_; }
    /// A pidfd of the first process, checked to be of this machine after it was opened.
    /// E-MACHINE-DOWN.
    [[nodiscard]] Result<UniqueFd> open_first_process(pid_t* pid) const;

    /// Returns once the first process is executed: `root` is the image's root folder, `subnet` the
    /// fleet's. Answers warnings. On a failure nothing of the machine runs or is mounted; its empty
    /// cgroups may stay. On already: no error, nothing done.
    [[nodiscard]] Result<std::vector<std::string>> start(const MachineRecord& record,
                                                         const Path& root, const Prefix& subnet);
    /// Thaws, asks (SIGTERM to the first process), waits, then kills. Off already is no error.
    [[nodiscard]] Result<void> stop(std::chrono::milliseconds budget, const MachineRecord& record);
    /// Kills and waits until its processes, its loop devices' hold on the volume, and its veth are
    /// gone.
    [[nodiscard]] Result<void> kill(const MachineRecord& record);

private:
    [[nodiscard]] Result<void> settle(const MachineRecord& record) const;

    Layout layout_;
    std::string name_;
    MachineCgroup cgroup_;
};

/// What a machine's file systems in memory hold at most. Who writes into one takes the memory from
/// all of its processes, so they are small parts of the machine's; 0: it has no limit of its own.
struct MemoryFolders {
    std::uint64_t tmp_bytes, shm_bytes;
    std::uint64_t run_bytes; ///< of /run, and once more of the database's folder in it
};
[[nodiscard]] MemoryFolders memory_folders(std::uint64_t machine_bytes) noexcept;

/// The folder's root disk: an ext4 of this size in a sparse file; made once, by rename.
[[nodiscard]] Result<void> make_root_disk(const Path& file, std::uint64_t size_bytes);

} // namespace jackdaw::cloud::local
