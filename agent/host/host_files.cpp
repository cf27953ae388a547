#include "agent/host/host_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

namespace jackdaw::agent::host {
namespace {

constexpr int tree_depth_max = 256;

int openat2(int folder, const char* path, int flags, __u64 resolve) {
    open_how how{};
    how.flags = static_cast<__u64>(flags | O_CLOEXEC);
    how.resolve = resolve;
    long fd = -1;
    do {
        fd = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
    } while (fd < 0 && errno == EINTR);
    return static_cast<int>(fd);
}

struct DirClose {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

Result<void> empty_below(int folder, dev_t device, int depth);

Result<void> remove_entry(int folder, const char* name, dev_t device, int depth) {
    if (::unlinkat(folder, name, 0) == 0 || errno == ENOENT) {
        return ok();
    }
    if (errno != EISDIR && errno != EPERM) {
        return file_error(fmt::format("remove '{}'", name), errno);
    }
    const UniqueFd child{::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    struct stat info{};
    if (!child || ::fstat(child.get(), &info) != 0) {
        return file_error(fmt::format("open '{}'", name), errno);
    }
    if (info.st_dev != device) {
        return Error{Errc::not_allowed, fmt::format("'{}' is another file system", name)};
    }
    JACKDAW_CHECK(empty_below(child.get(), device, depth + 1));
    if (::unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return file_error(fmt::format("remove '{}'", name), errno);
    }
    return ok();
}

Result<void> empty_below(int folder, dev_t device, int depth) {
    if (depth > tree_depth_max) {
        return Error{Errc::exhausted, "the folders are nested too deep to remove them"};
    }
    const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, DirClose> stream{again < 0 ? nullptr : ::fdopendir(again)};
    if (stream == nullptr) {
        return file_error("list a folder", errno);
    }
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(stream.get());
        if (entry == nullptr) {
            return errno == 0 ? ok() : Result<void>{file_error("list a folder", errno)};
        }
        const std::string_view name{entry->d_name};
        if (name != "." && name != "..") {
            JACKDAW_CHECK(remove_entry(folder, entry->d_name, device, depth));
        }
    }
}

Result<void> check_owner(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) {
        return file_error(fmt::format("look at {}", path), errno);
    }
    const bool sticky_folder = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
    if (info.st_uid != 0 || ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky_folder)) {
        return Error{Errc::not_allowed, fmt::format("{} can be changed by others than root", path)};
    }
    return ok();
}

} // namespace

Error file_error(std::string doing, int number) {
    const auto code = number == EBUSY ? Errc::busy : Errc::unavailable;
    Error error{code, std::move(doing), std::error_code{number, std::generic_category()}};
    if (number == ENOSPC || number == EDQUOT) {
        return std::move(error).with_id(Code::disk_full);
    }
    return error;
}

Result<UniqueFd> open_no_links(const std::string& path, int flags) {
    UniqueFd fd{
        openat2(AT_FDCWD, path.c_str(), flags, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)};
    if (!fd) {
        return file_error(fmt::format("open {}", path), errno);
    }
    return fd;
}

Result<UniqueFd> open_beneath(int folder, const std::string& name, int flags) {
    UniqueFd fd{openat2(folder, name.c_str(), flags,
                        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)};
    if (!fd) {
        return file_error(fmt::format("open {}", name), errno);
    }
    return fd;
}

Result<std::optional<UniqueFd>> open_root_file(int folder, const std::string& name) {
    auto fd = open_beneath(folder, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (!fd) {
        if (fd.error().cause().value() == ENOENT) {
            return std::optional<UniqueFd>{};
        }
        return std::move(fd).error();
    }
    struct stat info{};
    if (::fstat(fd->get(), &info) != 0) {
        return file_error(fmt::format("look at {}", name), errno);
    }
    if (!S_ISREG(info.st_mode) || info.st_uid != 0 || info.st_nlink != 1 ||
        (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return Error{Errc::not_allowed,
                     fmt::format("{} is not a plain file that only root can write", name)};
    }
    return std::optional{std::move(*fd)};
}

Result<std::optional<std::string>> read_root_file(int folder, const std::string& name,
                                                  std::size_t max) {
    JACKDAW_TRY(const auto fd, open_root_file(folder, name));
    if (!fd) {
        return std::optional<std::string>{};
    }
    std::string bytes(max + 1, '\0');
    std::size_t size = 0;
    while (size < bytes.size()) {
        const auto got = ::read(fd->get(), bytes.data() + size, bytes.size() - size);
        if (got < 0 && errno != EINTR) {
            return file_error(fmt::format("read {}", name), errno);
        }
        if (got == 0) {
            break;
        }
        size += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    if (size > max) {
        return Error{Errc::invalid, fmt::format("{} has more than {} bytes", name, max)};
    }
    bytes.resize(size);
    return std::optional{std::move(bytes)};
}

Result<void> ensure_folder_at(int parent, const std::string& name, uid_t uid, gid_t gid,
                              mode_t mode) {
    if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
        return file_error(fmt::format("make folder {}", name), errno);
    }
    const UniqueFd fd{
        ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!fd || ::fchown(fd.get(), uid, gid) != 0 || ::fchmod(fd.get(), mode) != 0) {
        return file_error(fmt::format("give folder {} its owner", name), errno);
    }
    return ok();
}

Result<void> ensure_folder(const std::string& path, uid_t uid, gid_t gid, mode_t mode) {
    const auto slash = path.rfind('/');
    JACKDAW_TRY(const auto parent,
                open_no_links(slash == 0 ? "/" : path.substr(0, slash), O_RDONLY | O_DIRECTORY));
    return ensure_folder_at(parent.get(), path.substr(slash + 1), uid, gid, mode);
}

Result<void> write_new_file(int folder, const std::string& name, std::string_view bytes,
                            mode_t mode) {
    (void)::unlinkat(folder, name.c_str(), 0);
    const UniqueFd fd{
        ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!fd || ::fchmod(fd.get(), mode) != 0) {
        return file_error(fmt::format("make {}", name), errno);
    }
    while (!bytes.empty()) {
        const auto put = ::write(fd.get(), bytes.data(), bytes.size());
        if (put < 0 && errno != EINTR) {
            const int number = errno;
            (void)::unlinkat(folder, name.c_str(), 0);
            return file_error(fmt::format("write {}", name), number);
        }
        bytes.remove_prefix(put > 0 ? static_cast<std::size_t>(put) : 0);
    }
    return sync_fd(fd.get(), name);
}

Result<void> rename_at(int folder, const std::string& from, const std::string& to) {
    if (::renameat(folder, from.c_str(), folder, to.c_str()) != 0) {
        return file_error(fmt::format("rename {} to {}", from, to), errno);
    }
    return ok();
}

Result<void> sync_fd(int fd, std::string_view what) {
    if (::fsync(fd) != 0) {
        return file_error(fmt::format("sync {}", what), errno);
    }
    return ok();
}

Result<void> replace_file(int folder, const std::string& name, std::string_view bytes,
                          mode_t mode) {
    const auto fresh = ".new-" + name;
    JACKDAW_CHECK(write_new_file(folder, fresh, bytes, mode));
    JACKDAW_CHECK(rename_at(folder, fresh, name));
    return sync_fd(folder, "the folder of " + name);
}

Result<void> empty_folder(int folder) {
    struct stat info{};
    if (::fstat(folder, &info) != 0) {
        return file_error("look at a folder", errno);
    }
    return empty_below(folder, info.st_dev, 0);
}

Result<void> check_root_owned(const std::string& path, bool executable) {
    std::string real(PATH_MAX, '\0');
    if (::realpath(path.c_str(), real.data()) == nullptr) {
        return file_error(fmt::format("find {}", path), errno);
    }
    real.resize(::strnlen(real.c_str(), PATH_MAX));
    for (const auto& whole : {path, real}) { // of the links' own folders, too
        for (auto slash = whole.find('/', 1); slash != std::string::npos;
             slash = whole.find('/', slash + 1)) {
            std::string folder(PATH_MAX, '\0');
            if (::realpath(whole.substr(0, slash).c_str(), folder.data()) == nullptr) {
                return file_error(fmt::format("find {}", whole.substr(0, slash)), errno);
            }
            JACKDAW_CHECK(check_owner(folder.c_str()));
        }
    }
    JACKDAW_CHECK(check_owner(real));
    struct stat info{};
    if (executable && (::stat(real.c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
                       (info.st_mode & S_IXOTH) == 0)) {
        return Error{Errc::not_allowed, fmt::format("{} is no program", path)};
    }
    return ok();
}

} // namespace jackdaw::agent::host
