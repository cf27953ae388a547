#include "coordinator/cloud/local/machine_child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "coordinator/cloud/local/loop_device.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::size_t path_bytes_max = 512;
constexpr int descriptors_kept_from = 64; ///< moved up here before 3 to 5 are filled

/// Tells the coordinator what failed; the process, and with it every trace of the machine, ends.
class Reporter {
public:
    explicit Reporter(int status) noexcept : status_{status} {}
    [[noreturn]] void fail(ChildStep step, int number = errno) const noexcept {
        const ChildFailure failure{step, number};
        [[maybe_unused]] const auto written = ::write(status_, &failure, sizeof failure);
        ::_exit(126);
    }
    void need(ChildStep step, bool done) const noexcept {
        if (!done) {
            fail(step);
        }
    }
    /// Out of the way of the descriptors that the first process is told of.
    void move_up() noexcept {
        const int moved = ::fcntl(status_, F_DUPFD_CLOEXEC, descriptors_kept_from);
        need(ChildStep::descriptors, moved >= 0);
        status_ = moved;
    }

private:
    int status_;
};

/// A new folder has exactly this mode; one that is there keeps its own.
bool folder(const char* path, mode_t mode) noexcept {
    if (::mkdir(path, mode) == 0) {
        return ::chmod(path, mode) == 0;
    }
    return errno == EEXIST;
}

bool folders_above(const char* path) noexcept {
    char above[path_bytes_max];
    const std::size_t length = std::strlen(path);
    if (length >= sizeof above) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (path[i] == '/') {
            std::memcpy(above, path, i);
            above[i] = '\0';
            if (!folder(above, 0755)) {
                return false;
            }
        }
    }
    return true;
}

/// Replaces what is there: never written through a link that the machine left behind.
bool write_file(const ChildFile& file) noexcept {
    if (!folders_above(file.path.c_str()) ||
        (::unlink(file.path.c_str()) != 0 && errno != ENOENT)) {
        return false;
    }
    const int fd =
        ::open(file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    const auto written = ::write(fd, file.text.data(), file.text.size());
    const bool done =
        written == static_cast<ssize_t>(file.text.size()) && ::fchmod(fd, file.mode) == 0;
    ::close(fd);
    return done;
}

bool node(const char* path, mode_t mode, dev_t device) noexcept {
    return ::mknod(path, S_IFCHR | mode, device) == 0 && ::chmod(path, mode) == 0;
}

void mount_root_disk(const Reporter& report, const ChildPlan& plan) noexcept {
    if (plan.disk.empty()) {
        return;
    }
    const LoopAttached loop = attach_loop(plan.loop_control, plan.disk_file);
    if (loop.fd < 0) {
        report.fail(ChildStep::root_disk, loop.error);
    }
    report.need(ChildStep::root_disk,
                ::mount(loop.path.data(), plan.disk.c_str(), "ext4", 0, nullptr) == 0);
    ::close(loop.fd); // from here on the mount holds the device
}

/// In a plain chroot "/" is no mount, so it can neither be made private nor be left by
/// pivot_root(2). Entering the own mount namespace anew leads to its root, which is one (setns(2)).
bool go_to_namespace_root() noexcept {
    const int here = ::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    const bool gone = here >= 0 && ::setns(here, CLONE_NEWNS) == 0;
    const int failure = errno;
    ::close(here);
    errno = failure;
    return gone;
}

/// Nothing that is mounted from here on is seen outside. Answers whether "/" is a plain chroot's.
bool make_mounts_private(const Reporter& report) noexcept {
    if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
        return false;
    }
    report.need(ChildStep::private_mounts, errno == EINVAL);
    const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    report.need(ChildStep::private_mounts,
                root >= 0 && go_to_namespace_root() &&
                    ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                    ::fchdir(root) == 0 &&
                    ::chroot(".") == 0); // the plan's paths are seen from here
    ::close(root);
    return true;
}

/// Answers a descriptor of the old root, which lies over the new one until it is unmounted.
int change_root(const Reporter& report, const ChildPlan& plan, bool in_chroot) noexcept {
    report.need(ChildStep::overlay, folder(plan.upper.c_str(), 0755) &&
                                        folder(plan.work.c_str(), 0700) &&
                                        ::mount("overlay", plan.merged.c_str(), "overlay", 0,
                                                plan.overlay_options.c_str()) == 0);
    const int merged = ::open(plan.merged.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    report.need(ChildStep::pivot, merged >= 0 && (!in_chroot || go_to_namespace_root()));
    const int old_root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    // pivot_root(2), notes: "." twice.
    report.need(ChildStep::pivot,
                old_root >= 0 && ::fchdir(merged) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0);
    ::close(merged);
    return old_root;
}

void mount_kernel_trees(const Reporter& report, const ChildPlan& plan) noexcept {
    constexpr unsigned long inert = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    // The database's user sees its own processes only; gid 47412 is the agent's.
    report.need(ChildStep::proc,
                ::mount("proc", "/proc", "proc", inert, "hidepid=2,gid=47412") == 0);
    report.need(ChildStep::sys, ::mount("sysfs", "/sys", "sysfs", inert | MS_RDONLY, nullptr) == 0);
    report.need(ChildStep::dev,
                ::mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m") == 0 &&
                    folder("/dev/pts", 0755) && folder("/dev/shm", 01777) &&
                    folder("/dev/disk", 0755) && folder("/dev/disk/by-id", 0755));
    report.need(ChildStep::dev,
                ::mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                        "newinstance,ptmxmode=0666,mode=0620,gid=5") == 0 &&
                    ::mount("tmpfs", "/dev/shm", "tmpfs", inert, plan.shm_options.c_str()) == 0);
    report.need(
        ChildStep::nodes,
        node("/dev/null", 0666, makedev(1, 3)) && node("/dev/zero", 0666, makedev(1, 5)) &&
            node("/dev/full", 0666, makedev(1, 7)) && node("/dev/random", 0666, makedev(1, 8)) &&
            node("/dev/urandom", 0666, makedev(1, 9)) && node("/dev/tty", 0666, makedev(5, 0)) &&
            ::symlink("pts/ptmx", "/dev/ptmx") == 0 && ::symlink("/proc/self/fd", "/dev/fd") == 0 &&
            ::symlink("/proc/self/fd/0", "/dev/stdin") == 0 &&
            ::symlink("/proc/self/fd/1", "/dev/stdout") == 0 &&
            ::symlink("/proc/self/fd/2", "/dev/stderr") == 0);
    report.need(ChildStep::run, ::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
                                        plan.run_options.c_str()) == 0 &&
                                    folder("/run/lock", 0755) && folder("/run/jackdaw", 0755) &&
                                    folder("/run/jackdaw/cgroup", 0755));
    // Of its own: what the database's user leaves there fills no folder of the agent's and root's.
    report.need(ChildStep::run, folder("/run/jackdaw/database", 0755) &&
                                    ::mount("tmpfs", "/run/jackdaw/database", "tmpfs", inert,
                                            plan.run_options.c_str()) == 0);
    report.need(ChildStep::tmp, ::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV,
                                        plan.tmp_options.c_str()) == 0);
    // The same folder: on the overlay everybody in the machine could fill the host's disk by it.
    report.need(ChildStep::tmp, folders_above("/var/tmp") && folder("/var/tmp", 01777) &&
                                    ::mount("/tmp", "/var/tmp", nullptr, MS_BIND, nullptr) == 0);
}

/// The node has the device's real name: mount(2) would resolve a link to it anyway.
void make_volume_node(const Reporter& report, const ChildPlan& plan,
                      const LoopAttached& loop) noexcept {
    struct stat device{};
    report.need(ChildStep::loop, ::fstat(loop.fd, &device) == 0);
    char target[40] = "../.."; // from /dev/disk/by-id to "../../loop7"
    std::strncat(target, loop.path.data() + 4, sizeof target - 6);
    report.need(ChildStep::loop, ::mknod(loop.path.data(), S_IFBLK | 0600, device.st_rdev) == 0 &&
                                     ::symlink(target, plan.volume_link.c_str()) == 0);
}

/// `agent` was opened in this mount namespace, before the root changed.
void bind_agent(const Reporter& report, int agent) noexcept {
    constexpr const char* place = "/usr/lib/jackdaw";
    report.need(ChildStep::agent, folders_above(place) && folder(place, 0755));
    // Bound from inside the folder, for it lies under the old root and has no name here.
    report.need(ChildStep::agent, ::fchdir(agent) == 0 &&
                                      ::mount(".", place, nullptr, MS_BIND, nullptr) == 0 &&
                                      ::chdir("/") == 0);
    // Flags of a bind mount take effect by a second call only (mount(2)).
    report.need(ChildStep::agent,
                ::mount(nullptr, place, nullptr,
                        MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) == 0);
}

/// The root's own file system, which the overlay hides, where a power cut can reach it.
void show_root_disk(const Reporter& report, const ChildPlan& plan, int disk) noexcept {
    report.need(ChildStep::root_disk,
                folder(plan.disk_inside.c_str(), 0700) && ::fchdir(disk) == 0 &&
                    ::mount(".", plan.disk_inside.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
                    ::chdir("/") == 0);
}

bool link_up(int socket, const char* name) noexcept {
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
}

bool set_address(int socket, unsigned long what, std::uint32_t address) noexcept {
    ifreq request{};
    std::strncpy(request.ifr_name, "eth0", sizeof request.ifr_name - 1);
    sockaddr_in value{};
    value.sin_family = AF_INET;
    value.sin_addr.s_addr = htonl(address);
    std::memcpy(&request.ifr_addr, &value, sizeof value);
    return ::ioctl(socket, what, &request) == 0;
}

void set_up_network(const Reporter& report, const ChildPlan& plan) noexcept {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    report.need(ChildStep::address, socket >= 0 && link_up(socket, "lo") &&
                                        set_address(socket, SIOCSIFADDR, plan.address) &&
                                        set_address(socket, SIOCSIFNETMASK, plan.netmask) &&
                                        link_up(socket, "eth0"));
    ::close(socket);
}

/// Leaves 0 to 2 and the three that the first process is told of; all others close at exec.
void arrange_descriptors(Reporter& report, const ChildPlan& plan, int loop) noexcept {
    report.move_up();
    const auto high = [&](int fd) {
        const int moved = fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, descriptors_kept_from);
        report.need(ChildStep::descriptors, fd < 0 || moved >= 0);
        return moved;
    };
    const int from[] = {high(plan.null), high(plan.console), high(plan.console),
                        high(loop),      high(plan.volume),  high(plan.lock)};
    ::syscall(SYS_close_range, 0U, static_cast<unsigned>(descriptors_kept_from - 1), 0);
    for (int target = 0; target < 6; ++target) {
        report.need(ChildStep::descriptors,
                    from[target] < 0 || ::dup2(from[target], target) == target);
    }
    ::syscall(SYS_close_range, 6U, ~0U, CLOSE_RANGE_CLOEXEC);
}

/// A machine is the same whoever's shell made it: what the kernel gives its own first process, with
/// as many descriptors as it allows. What is refused (a host that is itself a container) stays.
void forget_the_callers_limits() noexcept {
    const auto set = [](__rlimit_resource_t what, rlim_t soft, rlim_t hard) {
        const rlimit wanted{soft, hard};
        rlimit present{};
        if (::setrlimit(what, &wanted) != 0 && ::getrlimit(what, &present) == 0) {
            present.rlim_cur = std::min(soft, present.rlim_max);
            ::setrlimit(what, &present);
        }
    };
    for (const auto what : {RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS,
                            RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTTIME}) {
        set(what, RLIM_INFINITY, RLIM_INFINITY);
    }
    constexpr rlim_t descriptors = 1U << 20U; // the kernel's own fs.nr_open
    constexpr rlim_t stack = 8U << 20U;
    set(RLIMIT_NOFILE, descriptors, descriptors);
    set(RLIMIT_STACK, stack, RLIM_INFINITY);
    set(RLIMIT_CORE, 0, RLIM_INFINITY);
    set(RLIMIT_NICE, 0, 0);
    set(RLIMIT_RTPRIO, 0, 0);
    const sched_param ordinary{};
    ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
    ::setpriority(PRIO_PROCESS, 0, 0);
    ::syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 0);
    const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        (void)!::write(score, "0", 1);
        ::close(score);
    }
}

void reset_process() noexcept {
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < 65; ++number) {
        ::signal(number, SIG_DFL); // refused for KILL, STOP and the library's own two
    }
    // What a machine never needs, and what would reach the host beyond it.
    for (const int right : {CAP_SYS_MODULE, CAP_SYS_BOOT, CAP_SYS_TIME}) {
        ::prctl(PR_CAPBSET_DROP, static_cast<unsigned long>(right));
    }
    forget_the_callers_limits();
    ::umask(022);
    ::setsid();
}

} // namespace

void become_machine(const ChildPlan& plan) noexcept {
    char go = 0;
    ssize_t got = 0;
    while ((got = ::read(plan.go, &go, 1)) < 0 && errno == EINTR) {
    }
    if (got != 1) {
        ::_exit(125); // the coordinator died: nothing of this machine may be seen
    }
    Reporter report{plan.status};
    ::umask(0);
    // Not in clone3's flags: there it would take the coordinator's own group for the root.
    report.need(ChildStep::cgroup_namespace, ::unshare(CLONE_NEWCGROUP) == 0);
    const bool in_chroot = make_mounts_private(report);
    const auto open_folder = [&](const std::string& path, ChildStep step) {
        const int fd = path.empty() ? -1 : ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        report.need(step, path.empty() || fd >= 0);
        return fd;
    };
    mount_root_disk(report, plan);
    const int agent = open_folder(plan.agent_folder, ChildStep::agent);
    const int disk = open_folder(plan.disk, ChildStep::root_disk);
    LoopAttached loop;
    if (plan.volume >= 0) {
        loop = attach_loop(plan.loop_control, plan.volume);
        if (loop.fd < 0) {
            report.fail(ChildStep::loop, loop.error);
        }
    }
    const int old_root = change_root(report, plan, in_chroot);
    mount_kernel_trees(report, plan);
    if (loop.fd >= 0) {
        make_volume_node(report, plan, loop);
    }
    if (agent >= 0) {
        bind_agent(report, agent);
    }
    if (disk >= 0) {
        show_root_disk(report, plan, disk);
    }
    report.need(ChildStep::hostname,
                ::sethostname(plan.hostname.data(), plan.hostname.size()) == 0);
    set_up_network(report, plan);
    report.need(ChildStep::old_root,
                ::fchdir(old_root) == 0 && ::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0);
    for (const ChildFile& file : plan.files) {
        report.need(ChildStep::files, write_file(file));
    }
    report.need(ChildStep::cgroup, ::mount("cgroup2", "/run/jackdaw/cgroup", "cgroup2",
                                           MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0);
    char* argv[9] = {};
    for (std::size_t i = 0; i < plan.first_process.size() && i < 8; ++i) {
        argv[i] = const_cast<char*>(plan.first_process[i].c_str());
    }
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char* environment[] = {path, nullptr};
    reset_process();
    arrange_descriptors(report, plan, loop.fd);
    ::execve(argv[0], argv, environment);
    report.fail(ChildStep::exec);
}

} // namespace jackdaw::cloud::local
