#pragma once
// A machine's control groups. Version 2, wherever it is mounted, freezes and kills: it needs no
// controllers for that, and a process that version 1 froze ignores SIGKILL. Limits go by whichever
// version has the controller (cgroups(7)).

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/provider.h"

namespace jackdaw::cloud::local {

/// Where this host has them mounted; empty paths: it does not.
struct CgroupMounts {
    Path v2;
    Path v1_cpu;
    Path v1_memory;
};

/// From the text of /proc/self/mountinfo (proc(5)). Pure.
[[nodiscard]] CgroupMounts parse_mounts(std::string_view mountinfo);
[[nodiscard]] Result<CgroupMounts> find_cgroups();
/// Does this group of version 2 have the controller ("cpu" is not "cpuset")?
[[nodiscard]] bool has_controller(const Path& group, std::string_view controller);

/// The groups of one machine, or with an empty name of the whole fleet: MOUNT/FLEET_GROUP/NAME.
class MachineCgroup {
public:
    MachineCgroup(const CgroupMounts& mounts, const std::string& fleet_group,
                  const std::string& machine);

    /// Makes the groups and sets the limits. Answers what could not be limited, and why.
    [[nodiscard]] Result<std::vector<std::string>> make(const Flavor& flavor);
    /// Moves a process into the groups.
    [[nodiscard]] Result<void> adopt(pid_t pid) const;
    /// Every cgroup.procs that a process has to enter to be one of the machine's.
    [[nodiscard]] std::vector<Path> process_files() const;

    [[nodiscard]] bool exists() const;
    [[nodiscard]] bool populated() const;
    [[nodiscard]] bool frozen() const;
    /// The process that is number 1 of the machine's own PID namespace, as this namespace numbers
    /// it.
    [[nodiscard]] std::optional<pid_t> first_process() const;

    /// Waits up to 5 s until it has taken effect; `deadline` then.
    [[nodiscard]] Result<void> freeze(bool on) const;
    /// SIGKILL to all, then up to 10 s until no process is left (exit takes time: file systems are
    /// unmounted).
    [[nodiscard]] Result<void> kill() const;
    /// Removes the groups and those below; `busy` while a process is in one. Absent is no error.
    [[nodiscard]] Result<void> remove() const;

private:
    [[nodiscard]] std::vector<Path> folders() const;

    Path v2_, v1_cpu_, v1_memory_;
};

} // namespace jackdaw::cloud::local
