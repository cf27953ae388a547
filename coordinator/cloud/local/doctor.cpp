#include "coordinator/cloud/local/doctor.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "coordinator/cloud/local/cgroups.h"
#include "coordinator/cloud/local/images.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/run_program.h"
#include "proto/base/size.h"

namespace jackdaw::cloud::local {
namespace {

using Weight = Finding::Weight;
constexpr std::size_t digest_letters = 8; ///< as `image delete` takes them
constexpr std::uint64_t space_bytes_min = 2ULL << 30U;
constexpr std::size_t module_list_bytes_max = std::size_t{16} * 1024 * 1024;

Finding finding(std::string name, bool ok, std::string cause, std::string mend,
                Weight weight = Weight::error) {
    return {std::move(name), ok ? Finding::State::ok : Finding::State::bad, weight,
            ok ? "" : std::move(cause), ok ? "" : std::move(mend)};
}

std::string text_or_empty(const Path& file, std::size_t bytes_max = state_file_bytes_max) {
    return read_file(file, bytes_max).value_or("");
}

/// Loaded, built in, or loadable: the kernel loads a file system's module at its first mount.
bool has_file_system(std::string_view name) {
    if (lists_file_system(text_or_empty("/proc/filesystems"), name)) {
        return true;
    }
    utsname kernel{};
    ::uname(&kernel);
    const std::string list = text_or_empty(
        fmt::format("/lib/modules/{}/modules.dep", kernel.release), module_list_bytes_max);
    return list.find(fmt::format("/{}.ko", name)) != std::string::npos;
}

Finding state_folder(const Path& state_root) {
    struct statfs where{};
    const Path folder = existing(state_root);
    const bool known = ::statfs(folder.c_str(), &where) == 0;
    return finding("state folder", known && where.f_type != OVERLAYFS_SUPER_MAGIC,
                   fmt::format("{} is on an overlay, which cannot be the upper part of another",
                               folder.string()),
                   "set XDG_STATE_HOME to a folder on a disk");
}

std::vector<Finding> quick(const Path& state_root) {
    const auto cgroups = find_cgroups();
    const std::string status = text_or_empty("/proc/self/status");
    return {
        finding("root", ::geteuid() == 0 && has_capability(status, CAP_SYS_ADMIN),
                "machines are made of mounts and namespaces, which need root with CAP_SYS_ADMIN",
                "sudo jackdaw …"),
        finding("loop devices", ::access("/dev/loop-control", R_OK | W_OK) == 0,
                "/dev/loop-control is missing or not ours", "modprobe loop"),
        finding("overlay", has_file_system("overlay"), "the kernel has no overlay file system",
                "modprobe overlay"),
        finding("cgroup v2", cgroups && !cgroups->v2.empty(),
                "no cgroup2 is mounted writable (freeze and kill need it)",
                "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"),
        state_folder(state_root),
    };
}

/// Tried in a network namespace of its own, which goes with the process.
int try_network() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (::unshare(CLONE_NEWNET) != 0) {
            ::_exit(2);
        }
        auto netlink = Netlink::open();
        const Layout probe{"/doctor", "probe"};
        const bool bridge =
            netlink &&
            ensure_bridge(*netlink, probe, {.address = 0x0A000000, .length = 24}).has_value();
        const bool veth = bridge && make_veth(*netlink, probe, 0x0A000002, ::getpid()).has_value();
        ::_exit(veth ? 0 : 1);
    }
    int status = 0;
    while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid < 0 || !WIFEXITED(status) ? 2 : WEXITSTATUS(status);
}

Finding limits() {
    const auto mounts = find_cgroups();
    const auto has = [&](std::string_view controller, const Path& v1) {
        return !v1.empty() || (!mounts->v2.empty() && has_controller(mounts->v2, controller));
    };
    const bool both = mounts && has("cpu", mounts->v1_cpu) && has("memory", mounts->v1_memory);
    return finding("cpu and memory limits", both,
                   "no mounted cgroup has both controllers: --flavor limits nothing",
                   "boot with systemd.unified_cgroup_hierarchy=1", Weight::warning);
}

Finding free_space(const Path& state_root) {
    struct statvfs disk{};
    const Path folder = existing(state_root);
    const bool known = ::statvfs(folder.c_str(), &disk) == 0;
    const std::uint64_t left = known ? std::uint64_t{disk.f_bavail} * disk.f_frsize : 0;
    return finding("free space", left >= space_bytes_min,
                   fmt::format("{} has {} free", folder.string(), format_size(left)),
                   "free some space, or set XDG_STATE_HOME to another disk", Weight::warning);
}

/// With Docker's FORWARD DROP, frames between machines would be filtered and die.
Finding bridge_filter() {
    const bool filtered =
        text_or_empty("/proc/sys/net/bridge/bridge-nf-call-iptables").starts_with("1") &&
        text_or_empty("/proc/net/ip_tables_names").find("filter") != std::string::npos &&
        in_host_network();
    return finding("bridged frames", !filtered,
                   "the host's iptables filter what machines say to each other",
                   "sysctl -w net.bridge.bridge-nf-call-iptables=0", Weight::warning);
}

/// Calls that the agent, init and guard need (Linux 5.9 has them all). A container's filter may
/// refuse one that the kernel has: any answer but "no such call" means that it is there.
Finding kernel_calls() {
    const auto has = [](long answer) { return answer >= 0 || errno != ENOSYS; };
    std::string lacks;
    const int own = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
    lacks += has(own) ? "" : " pidfd_open";
    if (own >= 0) {
        ::close(own);
    }
    lacks += has(::syscall(SYS_openat2, -1, "", nullptr, 0)) ? "" : " openat2";
    lacks += has(::syscall(SYS_clone3, nullptr, 0)) ? "" : " clone3";
    lacks += has(::syscall(SYS_close_range, ~0U, 0U, 0U)) ? "" : " close_range";
    return finding("kernel calls", lacks.empty(), "the kernel lacks" + lacks,
                   "boot a kernel of Linux 5.9 or later");
}

/// Nobody's lease or order depends on it; timelines of several hosts do.
Finding clock_source() {
    timex state{}; // modes 0: it is only read
    const int answer = ::adjtimex(&state);
    return finding("host clock", answer >= 0 && answer != TIME_ERROR,
                   "nothing keeps this host's clock right", "timedatectl set-ntp true",
                   Weight::info);
}

void add_images(const Path& image_root, std::vector<Finding>& all) {
    const auto images = list_images(image_root);
    all.push_back(finding("images", images && !images->empty(),
                          "there is no image in " + image_root.string(),
                          "jackdaw image build mariadb"));
    const auto names = names_in(image_root);
    std::string broken;
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        const bool known = images && std::ranges::any_of(*images, [&](const Image& one) {
                               return one.digest == name;
                           });
        if (known || name.starts_with('.')) { // a dot: being baked
            continue;
        }
        broken += (broken.empty() ? "" : ", ") + (image_root / name).string();
    }
    all.push_back(finding("whole images", broken.empty(), "no image can be read from " + broken,
                          "rm -r " + broken + "; then `jackdaw image build DATASTORE`",
                          Weight::warning));
    for (const auto& image : images ? *images : std::vector<Image>{}) {
        struct stat root{};
        const bool safe = ::stat(image.root.c_str(), &root) == 0 && root.st_uid == 0 &&
                          (root.st_mode & (S_IWGRP | S_IWOTH)) == 0;
        const bool whole =
            std::ranges::all_of(std::array{"usr/lib/jackdaw", "etc/passwd"}, [&](const char* path) {
                std::error_code failure;
                return std::filesystem::exists(image.root / path, failure);
            });
        all.push_back(finding(
            fmt::format("image {}:{} {}", image.datastore, image.version,
                        image.digest.substr(0, digest_letters)),
            safe && whole,
            fmt::format("{} {}", image.root.string(),
                        safe ? "lacks files that every image has"
                             : "is not root's alone: who may write there owns every machine"),
            // A folder that is there is never written again, whatever is missing in it.
            safe ? fmt::format("jackdaw image delete {} --yes && jackdaw image build {}:{}",
                               image.digest.substr(0, digest_letters), image.datastore,
                               image.version)
                 : fmt::format("chown root:root {0} && chmod 0755 {0}", image.root.string())));
    }
}

} // namespace

Path existing(Path path) {
    std::error_code failure;
    while (!std::filesystem::exists(path, failure) && path.has_parent_path() &&
           path != path.parent_path()) {
        path = path.parent_path();
    }
    return path;
}

bool has_capability(std::string_view status, unsigned number) {
    constexpr std::string_view key = "CapEff:\t";
    const std::size_t place = status.find(key);
    if (place == std::string_view::npos || number > 63) {
        return false;
    }
    const std::string_view digits = status.substr(place + key.size(), 16);
    std::uint64_t bits = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
    return failure == std::errc{} && ((bits >> number) & 1U) != 0;
}

bool lists_file_system(std::string_view filesystems, std::string_view name) {
    std::istringstream lines{std::string{filesystems}};
    for (std::string line; std::getline(lines, line);) {
        if (line.substr(line.rfind('\t') + 1) == name) {
            return true;
        }
    }
    return false;
}

Result<std::vector<Finding>> examine_host(const Path& state_root, const Path& image_root) {
    auto all = quick(state_root);
    if (all.front().state == Finding::State::ok) {
        const int network = try_network();
        all.push_back(finding("bridge and veth", network == 0,
                              network == 2 ? "no network namespace could be made"
                                           : "the kernel made no bridge or no veth",
                              "modprobe -a bridge veth"));
    } else {
        all.push_back({"bridge and veth", Finding::State::unknown, Weight::error,
                       "only root can try whether the kernel makes them", "sudo jackdaw doctor"});
    }
    all.push_back(kernel_calls());
    all.push_back(finding("xfs", has_file_system("xfs"),
                          "the kernel has no XFS, the volumes' default",
                          "modprobe xfs (or create with --fs ext4)", Weight::warning));
    all.push_back(finding("nftables", !find_program("nft").empty(),
                          "the program nft is missing: `machine cut` needs it",
                          "apt-get install nftables", Weight::warning));
    all.push_back(finding("mmdebstrap", !find_program("mmdebstrap").empty(),
                          "the program mmdebstrap is missing: `jackdaw image build` needs it",
                          "apt-get install mmdebstrap", Weight::info));
    add_images(image_root, all);
    all.push_back(limits());
    all.push_back(free_space(state_root));
    all.push_back(bridge_filter());
    all.push_back(clock_source());
    all.push_back(finding("growth of ext4",
                          has_capability(text_or_empty("/proc/self/status"), CAP_SYS_RESOURCE),
                          "without CAP_SYS_RESOURCE a mounted ext4 volume cannot grow; XFS can",
                          "use --fs xfs (the default)", Weight::info));
    return all;
}

Result<void> require_host(const Path& state_root) {
    std::string lacks;
    std::string mends;
    for (const auto& one : quick(state_root)) {
        if (one.state != Finding::State::ok) {
            lacks += (lacks.empty() ? "" : "; ") + one.name + ": " + one.cause;
            mends += (mends.empty() ? "" : " && ") + one.mend;
        }
    }
    if (lacks.empty()) {
        return ok();
    }
    return Error{Code::host_lacks, "this host lacks " + lacks}.with_hint(mends);
}

} // namespace jackdaw::cloud::local
