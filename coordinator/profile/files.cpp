#include "coordinator/profile/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

#include <fmt/format.h>

#include "proto/base/secret.h"

namespace jackdaw::cli {
namespace {

bool is_no_file(int number) {
    return number == ENXIO || number == ENODEV || number == ELOOP || number == ENOTDIR ||
           number == EISDIR || number == ENAMETOOLONG;
}

Error failed(const std::string& doing) {
    const std::error_code cause{errno, std::system_category()};
    const auto code = cause.value() == ENOENT ? Errc::not_found
                      : cause.value() == EACCES || cause.value() == EPERM || cause.value() == EROFS
                          ? Errc::not_allowed
                      : cause.value() == ENOSPC || cause.value() == EDQUOT ? Errc::exhausted
                      : is_no_file(cause.value())                          ? Errc::invalid
                                                                           : Errc::internal;
    auto error = Error{code, doing, cause};
    return code == Errc::exhausted ? std::move(error).with_id(Code::disk_full) : std::move(error);
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& name) {
    while (!bytes.empty()) {
        const auto size = ::write(fd, bytes.data(), bytes.size());
        if (size > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(size));
        } else if (errno != EINTR) {
            return failed("write " + name);
        }
    }
    return ok();
}

/// For the first byte out of a pipe: a program that asks a person for something may take its time.
constexpr std::chrono::milliseconds pipe_patience{60'000};

Result<std::string> read_all(int fd, const std::string& name, std::size_t bytes_max) {
    std::string all;
    std::array<char, 16 * 1024> buffer{};
    for (;;) { // ends with the file or the bound
        const auto size = ::read(fd, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return failed("read " + name);
        }
        if (size == 0) {
            return all;
        }
        all.append(buffer.data(), static_cast<std::size_t>(size));
        if (all.size() > bytes_max) {
            wipe(all);
            return Error{Errc::invalid, fmt::format("{} is over {} bytes", name, bytes_max)};
        }
    }
}

struct OpenFile {
    UniqueFd fd;
    struct stat about{};
};

Result<OpenFile> open_regular(const std::filesystem::path& path) {
    OpenFile file;
    file.fd = UniqueFd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (!file.fd || ::fstat(file.fd.get(), &file.about) != 0) {
        return failed("read " + path.string());
    }
    if (!S_ISREG(file.about.st_mode)) {
        return Error{Errc::invalid, path.string() + " is no regular file"};
    }
    return file;
}

} // namespace

Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t bytes_max) {
    JACKDAW_TRY(const auto file, open_regular(path));
    return read_all(file.fd.get(), path.string(), bytes_max);
}

Result<std::string> read_secret_file(const std::filesystem::path& path, std::size_t bytes_max) {
    JACKDAW_TRY(const auto file, open_regular(path));
    const auto own = ::geteuid();
    if ((file.about.st_uid != own && file.about.st_uid != 0) || (file.about.st_mode & 077) != 0) {
        return Error{Errc::not_allowed,
                     fmt::format("{} is a secret, and other users can reach it (mode {:04o}, "
                                 "owner {})",
                                 path.string(), file.about.st_mode & 07777, file.about.st_uid)}
            .with_hint(fmt::format("chown {} {} and chmod 600 it, if nobody has read it; "
                                   "otherwise make a new fleet",
                                   own, path.string()));
    }
    return read_all(file.fd.get(), path.string(), bytes_max);
}

Result<std::string> read_given_file(const std::filesystem::path& path, std::size_t bytes_max) {
    // A FIFO would keep open(2) waiting for somebody who writes.
    const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat about{};
    if (!fd && errno == ENOENT) {
        return Error{Errc::not_found, "there is no file " + path.string()}.with_hint(
            "name one that is there");
    }
    if (!fd || ::fstat(fd.get(), &about) != 0) {
        return failed("read " + path.string());
    }
    if (S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode)) {
        return Error{Errc::invalid, path.string() + " is no file"};
    }
    if (S_ISFIFO(about.st_mode)) {
        pollfd in{.fd = fd.get(), .events = POLLIN, .revents = 0};
        int ready = 0;
        do { // ends with its time: an interrupt ends the program
            ready = ::poll(&in, 1, static_cast<int>(pipe_patience.count()));
        } while (ready < 0 && errno == EINTR);
        if (ready <= 0) {
            return Error{Errc::unavailable,
                         fmt::format("nobody wrote to {} within {} s", path.string(),
                                     pipe_patience.count() / 1000)}
                .with_hint("name a file, or a pipe that a program writes to");
        }
    }
    if (::fcntl(fd.get(), F_SETFL, 0) != 0) { // what comes slowly is waited for
        return failed("read " + path.string());
    }
    return read_all(fd.get(), path.string(), bytes_max);
}

Result<void> write_durably(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
    const auto beside = fmt::format("{}.{}.new", path.string(), ::getpid());
    UniqueFd fd{
        ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)};
    if (!fd) {
        return failed("write " + path.string());
    }
    auto written = write_all(fd.get(), bytes, path.string());
    if (written && ::fsync(fd.get()) != 0) {
        written = failed("write " + path.string());
    }
    if (written && ::rename(beside.c_str(), path.c_str()) != 0) {
        written = failed("rename to " + path.string());
    }
    if (!written) {
        ::unlink(beside.c_str());
        return written;
    }
    const UniqueFd folder{::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!folder || ::fsync(folder.get()) != 0) {
        return failed("sync the folder of " + path.string());
    }
    return ok();
}

Result<void> make_folders(const std::filesystem::path& path, mode_t mode) {
    if (path.has_parent_path() && path != path.parent_path()) {
        struct stat about{};
        if (::stat(path.parent_path().c_str(), &about) != 0) {
            JACKDAW_CHECK(make_folders(path.parent_path(), 0755));
        }
    }
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        return failed("make the folder " + path.string());
    }
    return ok();
}

Result<UniqueFd> lock_file(const std::filesystem::path& path) {
    UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) {
        return failed("lock " + path.string());
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return Error{Code::operation_running, "another jackdaw is at work on it at this moment"}
                .with_hint("wait until it has ended, then run the command again");
        }
        return failed("lock " + path.string());
    }
    return fd;
}

} // namespace jackdaw::cli
