// MachinePower::start: the coordinator's half of making a machine run; machine_child.cpp is the
// other.
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/machine_child.h"
#include "coordinator/cloud/local/machine_power.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/run_program.h"
#include "coordinator/cloud/local/user_data.h"
#include "proto/base/ids.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::chrono::milliseconds volume_wait{3'000}; ///< for a machine that just ended to let go
constexpr std::chrono::milliseconds start_time{20'000}; ///< from the go-ahead to exec
constexpr std::chrono::milliseconds mkfs_time{60'000};
constexpr std::size_t mount_options_max = 4'000;  ///< mount(2) takes one page
constexpr std::uint64_t memory_files_max = 8'192; ///< in one file system in memory

std::string_view text_of(ChildStep step) noexcept {
    switch (step) {
#define X(identifier, text)                                                                        \
    case ChildStep::identifier: return text;
        JACKDAW_CHILD_STEPS(X)
#undef X
    }
    return "start";
}

Result<UniqueFd> open_file(const Path& path, int flags, mode_t mode = 0600) {
    UniqueFd fd{::open(path.c_str(), flags | O_CLOEXEC, mode)};
    if (!fd) {
        return os_error("open " + path.string(), errno);
    }
    return fd;
}

/// Opened and exclusively locked: a file attaches, and ext4 mounts, twice without a word.
Result<UniqueFd> lock_volume(const Path& image) {
    JACKDAW_TRY(UniqueFd fd, open_file(image, O_RDWR));
    if (!wait_until(volume_wait, [&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0; })) {
        return Error{Errc::busy, "volume " + image.string() + " is attached to a running machine"};
    }
    return fd;
}

struct Pipe {
    UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return os_error("make a pipe", errno);
    }
    return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

/// The descriptors that a plan's numbers stand for.
struct Held {
    UniqueFd loop_control, volume, disk_file, lock, null, console;
    Pipe go, status;
};

Result<std::string> overlay_options(const Path& lower, const Path& upper, const Path& work) {
    std::string text = fmt::format("lowerdir={},upperdir={},workdir={}", lower.string(),
                                   upper.string(), work.string());
    if (std::string{lower.string() + upper.string()}.find_first_of(",:\\") != std::string::npos ||
        text.size() > mount_options_max) {
        return Error{Errc::invalid,
                     "the paths of image or state folder are too long or have ',', ':' or '\\'"};
    }
    return text;
}

/// A bounded log of the first process: this power-on's and the last one's.
Result<UniqueFd> open_console(const Path& folder) {
    const Path log = folder / "console.log";
    ::rename(log.c_str(), (log.string() + ".1").c_str());
    return open_file(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
}

Result<Held> open_all(const Layout& layout, const MachineRecord& record, UniqueFd lock) {
    const Path folder = layout.machine(record.spec.name);
    Held held;
    held.lock = std::move(lock);
    JACKDAW_TRY(held.loop_control, open_file("/dev/loop-control", O_RDWR));
    JACKDAW_TRY(held.null, open_file("/dev/null", O_RDWR));
    JACKDAW_TRY(held.console, open_console(folder));
    JACKDAW_TRY(held.go, make_pipe());
    JACKDAW_TRY(held.status, make_pipe());
    if (!record.spec.volume_id.empty()) {
        JACKDAW_TRY(held.volume, lock_volume(layout.volume_image(record.spec.volume_id)));
    }
    if (record.spec.root_disk_bytes > 0) {
        JACKDAW_CHECK(make_root_disk(folder / "root-disk.img", record.spec.root_disk_bytes));
        JACKDAW_TRY(held.disk_file, lock_volume(folder / "root-disk.img"));
    }
    return held;
}

/// Each of its files takes memory, too, though it be empty.
std::string memory_options(std::string_view mode, std::uint64_t bytes) {
    return fmt::format("mode={},size={},nr_inodes={}", mode, bytes, memory_files_max);
}

Result<ChildPlan> make_plan(const Layout& layout, const MachineRecord& record, const Path& root,
                            const Held& held) {
    const MachineSpec& spec = record.spec;
    const Path base = layout.machine(spec.name) / "root";
    const Path writable = spec.root_disk_bytes > 0 ? base / "disk" : base;
    JACKDAW_CHECK(make_folders(base / "merged", 0755));
    JACKDAW_CHECK(make_folders(writable));
    ChildPlan plan;
    plan.merged = base / "merged";
    plan.upper = writable / "upper";
    plan.work = writable / "work";
    JACKDAW_TRY(plan.overlay_options, overlay_options(root, plan.upper, plan.work));
    plan.disk = spec.root_disk_bytes > 0 ? writable.string() : "";
    plan.disk_inside = "/run/jackdaw/root-disk";
    plan.agent_folder = spec.agent_folder;
    const MemoryFolders in_memory = memory_folders(spec.flavor.memory_bytes);
    plan.shm_options = memory_options("1777", in_memory.shm_bytes);
    plan.run_options = memory_options("755", in_memory.run_bytes);
    plan.tmp_options = memory_options("1777", in_memory.tmp_bytes);
    plan.hostname = spec.name;
    plan.files = machine_files(spec, record.tags);
    JACKDAW_TRY(plan.address, parse_address(spec.address));
    plan.netmask = ~std::uint32_t{0} << (32U - fleet_prefix_length);
    plan.first_process = {"/usr/lib/jackdaw/jackdaw-init", "--hold-fd",
                          std::to_string(lock_descriptor)};
    if (!spec.volume_id.empty()) {
        plan.volume_link = "/dev/disk/by-id/virtio-" + volume_serial(spec.volume_id);
        for (const std::string& argument :
             {std::string{"--loop-fd"}, std::to_string(loop_descriptor), std::string{"--volume-fd"},
              std::to_string(volume_descriptor)}) {
            plan.first_process.push_back(argument);
        }
    }
    plan.go = held.go.read_end.get();
    plan.status = held.status.write_end.get();
    plan.loop_control = held.loop_control.get();
    plan.volume = held.volume.get();
    plan.disk_file = held.disk_file.get();
    plan.lock = held.lock.get();
    plan.null = held.null.get();
    plan.console = held.console.get();
    return plan;
}

struct Child {
    pid_t pid = -1;
    UniqueFd pidfd;
};

/// Not into its cgroup at once (CLONE_INTO_CGROUP): kernel 6.18 kills such a child when its cgroup
/// was ever killed and the caller's was not, for it compares the two groups' counts of kills.
Result<Child> clone_machine(const ChildPlan& plan, int go_write) {
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags =
        CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) {
        return os_error("make the machine's namespaces", errno);
    }
    if (pid == 0) {
        ::close(go_write); // or its own copy would keep the pipe open after the coordinator's death
        become_machine(plan);
    }
    return Child{static_cast<pid_t>(pid), UniqueFd{pidfd}};
}

/// End-of-file: it was executed. Waits no longer than start_time.
Result<void> await_exec(int status) {
    pollfd waited{.fd = status, .events = POLLIN, .revents = 0};
    int ready = -1;
    while ((ready = ::poll(&waited, 1, static_cast<int>(start_time.count()))) < 0 &&
           errno == EINTR) {
    }
    if (ready == 0) {
        return Error{Errc::deadline, "the machine's first process did not start in time"};
    }
    ChildFailure failure{};
    ssize_t got = -1;
    while ((got = ::read(status, &failure, sizeof failure)) < 0 && errno == EINTR) {
    }
    if (got == 0) {
        return ok();
    }
    if (got != static_cast<ssize_t>(sizeof failure)) {
        return Error{Errc::internal, "the machine's start ended without a reason"};
    }
    auto error = os_error(std::string{text_of(failure.step)}, failure.error);
    if (failure.step == ChildStep::exec) {
        return std::move(error).while_doing("/usr/lib/jackdaw/jackdaw-init");
    }
    return error;
}

void end_child(const Child& child) {
    ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0U);
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
}

} // namespace

MemoryFolders memory_folders(std::uint64_t machine_bytes) noexcept {
    const auto part = [&](std::uint64_t of, std::uint64_t least_mib, std::uint64_t most_mib) {
        return machine_bytes == 0
                   ? most_mib << 20U
                   : std::clamp(machine_bytes / of, least_mib << 20U, most_mib << 20U);
    };
    return {
        .tmp_bytes = part(32, 4, 64), .shm_bytes = part(64, 2, 32), .run_bytes = part(128, 4, 16)};
}

Result<void> make_root_disk(const Path& file, std::uint64_t size_bytes) {
    struct stat present{};
    if (::stat(file.c_str(), &present) == 0) {
        return ok();
    }
    const std::string mkfs = find_program("mkfs.ext4");
    if (mkfs.empty()) {
        return Error{Code::host_lacks, "mkfs.ext4 is missing: a root disk of its own needs it"}
            .with_hint("apt-get install e2fsprogs");
    }
    const Path half_made = file.string() + ".new";
    ::unlink(half_made.c_str());
    {
        JACKDAW_TRY(const UniqueFd fd, open_file(half_made, O_RDWR | O_CREAT | O_EXCL));
        if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) {
            return os_error("size " + half_made.string(), errno);
        }
    }
    JACKDAW_CHECK(run_checked({mkfs, "-q", "-F", "-m", "0", half_made.string()}, "", mkfs_time));
    if (::rename(half_made.c_str(), file.c_str()) != 0) {
        return os_error("rename to " + file.string(), errno);
    }
    return ok();
}

Result<std::vector<std::string>> MachinePower::start(const MachineRecord& record, const Path& root,
                                                     const Prefix& subnet) {
    JACKDAW_TRY(UniqueFd lock, open_file(layout_.machine_lock(name_), O_RDWR | O_CREAT));
    // Others only glance at this lock (is_on), so a short wait tells a machine that runs from a
    // glance.
    if (!wait_until(std::chrono::milliseconds{200},
                    [&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0; })) {
        return std::vector<std::string>{};
    }
    JACKDAW_CHECK(cgroup_.kill()); // what outlived its first process cannot be; but never two
    if (cgroup_.frozen()) {        // when its power was cut
        JACKDAW_CHECK(cgroup_.freeze(false));
    }
    JACKDAW_TRY(const std::uint32_t address, parse_address(record.spec.address));
    JACKDAW_TRY(Held held, open_all(layout_, record, std::move(lock)));
    JACKDAW_TRY(const ChildPlan plan, make_plan(layout_, record, root, held));
    JACKDAW_TRY(auto netlink, Netlink::open());
    JACKDAW_CHECK(ensure_bridge(netlink, layout_, subnet));
    JACKDAW_TRY(auto warnings, cgroup_.make(record.spec.flavor));
    fault_point("before the machine's process");
    JACKDAW_TRY(const Child child, clone_machine(plan, held.go.write_end.get()));
    fault_point("machine's process waits");
    held.status.write_end.reset();
    auto started =
        cgroup_.adopt(child.pid); // until here, a coordinator's death is the child's by itself
    if (started) {
        started = make_veth(netlink, layout_, address, child.pid);
    }
    if (started) {
        fault_point("before the go-ahead");
        const char go = 1;
        started = ::write(held.go.write_end.get(), &go, 1) == 1
                      ? await_exec(held.status.read_end.get())
                      : os_error("start the machine", errno);
        fault_point("machine started");
    }
    if (!started) {
        end_child(child);
        return std::move(started).error().while_doing("start machine " + name_);
    }
    return warnings;
}

} // namespace jackdaw::cloud::local
