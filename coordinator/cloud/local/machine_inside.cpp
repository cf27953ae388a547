#include "coordinator/cloud/local/machine_inside.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace jackdaw::cloud::local {
namespace {

constexpr unsigned long shutdown_request =
    0x8004587dUL; ///< FS_IOC_SHUTDOWN: _IOR('X', 125, u32), ext4 and XFS
constexpr std::uint32_t without_log_flush = 2;

} // namespace

Result<MachineRoot> MachineRoot::open(const MachinePower& machine) {
    pid_t pid = -1;
    JACKDAW_TRY(const UniqueFd first, machine.open_first_process(&pid));
    UniqueFd fd{
        ::open(fmt::format("/proc/{}/root", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!fd) {
        return os_error("open the machine's root", errno);
    }
    // A signal to the pidfd tells whether the pid was still its own when /proc was read.
    if (::syscall(SYS_pidfd_send_signal, first.get(), 0, nullptr, 0U) != 0) {
        return Error{Code::machine_down, "the machine just went off"};
    }
    return MachineRoot{std::move(fd)};
}

Result<UniqueFd> MachineRoot::open_below(const std::string& path, std::uint64_t flags) const {
    open_how how{};
    how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd fd{
        static_cast<int>(::syscall(SYS_openat2, fd_.get(), path.c_str(), &how, sizeof how))};
    if (!fd) {
        return os_error("open /" + path + " of the machine", errno);
    }
    return fd;
}

Result<UniqueFd> MachineRoot::make_folder(const std::string& path, mode_t mode, gid_t group) const {
    if (auto present = open_below(path, O_RDONLY | O_DIRECTORY)) {
        return present;
    }
    const std::size_t slash = path.rfind('/');
    JACKDAW_TRY(const UniqueFd above, open_below(path.substr(0, slash), O_RDONLY | O_DIRECTORY));
    if (::mkdirat(above.get(), path.c_str() + slash + 1, 0700) != 0 && errno != EEXIST) {
        return os_error("make /" + path + " of the machine", errno);
    }
    JACKDAW_TRY(UniqueFd made, open_below(path, O_RDONLY | O_DIRECTORY));
    if (::fchown(made.get(), 0, group) != 0 || ::fchmod(made.get(), mode) != 0) {
        return os_error("give /" + path + " its owner", errno);
    }
    return made;
}

Result<void> place_file(int folder, const std::string& name, std::string_view text) {
    const std::string temporary = "." + name + ".new";
    (void)::unlinkat(folder, temporary.c_str(), 0);
    const UniqueFd fd{::openat(folder, temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(fd.get()) != 0 ||
        ::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0 || ::fsync(folder) != 0) {
        return os_error("write " + name + " of the machine", errno);
    }
    return ok();
}

Result<std::string> read_foreign(const MachineRoot& root, const std::string& path, uid_t owner,
                                 std::size_t bytes_max) {
    JACKDAW_TRY(const UniqueFd fd, root.open_below(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1 ||
        status.st_uid != owner) {
        return Error{Errc::conflict,
                     "/" + path + " of the machine is not the file that it should be"};
    }
    std::string text(bytes_max + 1, '\0');
    const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
    if (got < 0) {
        return os_error("read /" + path, errno);
    }
    if (got == 0 || static_cast<std::size_t>(got) > bytes_max) {
        return Error{Errc::conflict, "/" + path + " of the machine is empty or too long"};
    }
    text.resize(static_cast<std::size_t>(got));
    return text;
}

Result<bool> shut_file_system(const MachineRoot& root, const std::string& mount_point) {
    auto folder = root.open_below(mount_point, O_RDONLY | O_DIRECTORY);
    if (!folder) {
        if (folder.error().code() == Errc::not_found) {
            return false;
        }
        return std::move(folder).error();
    }
    JACKDAW_TRY(const UniqueFd above, root.open_below(mount_point + "/..", O_RDONLY | O_DIRECTORY));
    struct stat here{};
    struct stat there{};
    if (::fstat(folder->get(), &here) != 0 || ::fstat(above.get(), &there) != 0) {
        return os_error("look at /" + mount_point, errno);
    }
    if (here.st_dev == there.st_dev) {
        return false; // nothing is mounted
    }
    std::uint32_t how = without_log_flush;
    if (::ioctl(folder->get(), shutdown_request, &how) != 0) {
        return Error{Errc::unsupported,
                     "the file system on /" + mount_point + " cannot be shut down",
                     std::error_code{errno, std::system_category()}};
    }
    return true;
}

} // namespace jackdaw::cloud::local
