#pragma once
// From clone3 to exec: the new process builds its machine around itself (mounts, devices,
// addresses) and becomes the machine's first process. System calls only: it is a copy of one thread
// of the coordinator, whose other threads may have held any lock. Everything it needs was therefore
// made before, as plain text.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace jackdaw::cloud::local {

inline constexpr int loop_descriptor = 3;   ///< what the first process finds open
inline constexpr int volume_descriptor = 4; ///< the volume's file, exclusively locked
inline constexpr int lock_descriptor = 5;   ///< the machine's lock

/// Where it failed, for a person. X(identifier, "text")
#define JACKDAW_CHILD_STEPS(X)                                                                     \
    X(cgroup_namespace, "make a cgroup namespace")                                                 \
    X(private_mounts, "make its mounts private")                                                   \
    X(loop, "attach the volume to a loop device")                                                  \
    X(root_disk, "mount the root disk")                                                            \
    X(overlay, "mount the overlay")                                                                \
    X(pivot, "change to the new root")                                                             \
    X(proc, "mount /proc")                                                                         \
    X(sys, "mount /sys")                                                                           \
    X(dev, "mount /dev")                                                                           \
    X(nodes, "make device nodes")                                                                  \
    X(run, "mount /run")                                                                           \
    X(tmp, "mount /tmp")                                                                           \
    X(files, "write the machine's files")                                                          \
    X(agent, "mount the agent's folder")                                                           \
    X(hostname, "set the hostname")                                                                \
    X(address, "give eth0 its address")                                                            \
    X(old_root, "let go of the old root")                                                          \
    X(cgroup, "mount the cgroup tree")                                                             \
    X(descriptors, "arrange its descriptors")                                                      \
    X(exec, "execute the first process")

enum class ChildStep : std::int32_t {
#define X(identifier, text) identifier,
    JACKDAW_CHILD_STEPS(X)
#undef X
};

/// Written to the status pipe on a failure. A success is end-of-file: the pipe closes at exec.
struct ChildFailure {
    ChildStep step{};
    std::int32_t error = 0; ///< errno
};

struct ChildFile {
    std::string path; ///< absolute, inside the machine; the folders above it are made
    std::string text;
    unsigned mode = 0644;
};

struct ChildPlan {
    std::string merged;          ///< mount point of the overlay
    std::string overlay_options; ///< lowerdir=…,upperdir=…,workdir=…
    std::string upper, work;     ///< folders of the overlay, made if absent
    std::string disk;            ///< mount point of the root's own file system; empty: none
    std::string disk_inside;     ///< where that stays reachable: in the machine, for root
    std::string agent_folder;    ///< of the host, bound over /usr/lib/jackdaw; empty: none
    std::string shm_options, run_options, tmp_options; ///< of the file systems in memory
    std::string hostname;
    std::string volume_link; ///< "/dev/disk/by-id/virtio-SERIAL"; empty: no volume
    std::vector<ChildFile> files;
    std::uint32_t address = 0;
    std::uint32_t netmask = 0;
    std::vector<std::string> first_process; ///< argv; [0] is executed
    // Descriptors, -1 for none.
    int go = -1;           ///< one byte: go on; end-of-file: the coordinator died
    int status = -1;       ///< for ChildFailure, close-on-exec
    int loop_control = -1; ///< /dev/loop-control
    int volume = -1;
    int disk_file = -1;
    int lock = -1;
    int null = -1;
    int console = -1;
};

/// Never returns.
[[noreturn]] void become_machine(const ChildPlan& plan) noexcept;

} // namespace jackdaw::cloud::local
