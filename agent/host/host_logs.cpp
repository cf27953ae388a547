#include "agent/host/host_logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

#include "agent/host/host_files.h"
#include "agent/host/host_protocol.h"

namespace jackdaw::agent::host {
namespace {

constexpr const char* guard_folder = "/var/log/jackdaw";

const char* kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFLNK: return "a symbolic link";
    case S_IFIFO: return "a FIFO";
    case S_IFCHR:
    case S_IFBLK: return "a device";
    case S_IFSOCK: return "a socket";
    case S_IFDIR: return "a folder";
    default: return "no regular file";
    }
}

Result<void> check_plain(const struct stat& info, const std::string& name, std::uint32_t uid) {
    if (!S_ISREG(info.st_mode)) {
        return Error{Errc::not_allowed, fmt::format("{} is {}", name, kind_of(info.st_mode))};
    }
    if (info.st_nlink != 1) {
        return Error{Errc::not_allowed,
                     fmt::format("{} is a hard link: its file has {} names", name, info.st_nlink)};
    }
    if (info.st_uid != uid) {
        return Error{Errc::not_allowed,
                     fmt::format("{} belongs to uid {}, not to {}", name, info.st_uid, uid)};
    }
    return ok();
}

Error open_error(const std::string& name, int number) {
    switch (number) {
    case ENOENT: return Error{Errc::not_found, fmt::format("there is no {} yet", name)};
    case EXDEV: return Error{Errc::not_allowed, fmt::format("{} is on another file system", name)};
    case ELOOP: return Error{Errc::not_allowed, fmt::format("{} is a symbolic link", name)};
    case EAGAIN: // O_NONBLOCK does not wait for the owner's lease (fcntl(2), F_SETLEASE)
        return Error{Errc::busy, fmt::format("{} is held by a lease of its owner", name)};
    default: return file_error(fmt::format("open {}", name), number);
    }
}

/// Opens nothing: a look at a FIFO or a device has no effect on it.
Result<struct stat> look(int folder, const std::string& name) {
    const auto fd = open_beneath(folder, name, O_PATH | O_NOFOLLOW);
    if (!fd) {
        return open_error(name, fd.error().cause().value());
    }
    struct stat info{};
    if (::fstat(fd->get(), &info) != 0) {
        return file_error(fmt::format("look at {}", name), errno);
    }
    return info;
}

Result<UniqueFd> open_plain(int folder, const std::string& name, std::uint32_t uid) {
    JACKDAW_TRY(const auto seen, look(folder, name));
    JACKDAW_CHECK(check_plain(seen, name, uid));
    auto fd = open_beneath(folder, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
    if (!fd) {
        return open_error(name, fd.error().cause().value());
    }
    struct stat info{}; // of what was opened, whatever has the name by now
    if (::fstat(fd->get(), &info) != 0) {
        return file_error(fmt::format("look at {}", name), errno);
    }
    JACKDAW_CHECK(check_plain(info, name, uid));
    return std::move(*fd);
}

Result<UniqueFd> engine_folder(const Volume& volume) {
    JACKDAW_TRY(const auto root, volume.mounted());
    auto folder = open_beneath(root.get(), "log", O_RDONLY | O_DIRECTORY);
    if (!folder) {
        return open_error("log", folder.error().cause().value());
    }
    return std::move(*folder);
}

bool is_guard_log(std::string_view name) {
    if (name == guard_log) {
        return true;
    }
    return name.size() == guard_log.size() + 2 && name.starts_with(guard_log) &&
           name[guard_log.size()] == '.' && name.back() >= '1' && name.back() <= '9';
}

std::string older(const std::string& name, unsigned number) {
    return number == 0 ? name : fmt::format("{}.{}", name, number);
}

} // namespace

Result<UniqueFd> open_log(const MachineFile& machine, const Volume& volume, LogOwner owner,
                          const std::string& name) {
    if (!is_log_name(name)) {
        return Error{Errc::invalid, "that cannot be the name of a log"};
    }
    if (owner == LogOwner::guard) {
        if (!is_guard_log(name)) {
            return Error{Errc::invalid, fmt::format("a guard keeps no log {}", name)};
        }
        JACKDAW_TRY(const auto folder, open_no_links(guard_folder, O_RDONLY | O_DIRECTORY));
        return open_plain(folder.get(), name, 0);
    }
    JACKDAW_TRY(const auto folder, engine_folder(volume));
    return open_plain(folder.get(), name, machine.database_uid);
}

Result<void> rotate_log(const MachineFile& machine, const Volume& volume, const std::string& name,
                        unsigned keep) {
    // The longest name that comes of it must be one that open_log() takes.
    if (!is_log_name(older(name, log_keep_max)) || keep < 1 || keep > log_keep_max) {
        return Error{Errc::invalid, "that cannot be rotated"};
    }
    JACKDAW_TRY(const auto folder, engine_folder(volume));
    bool present[log_keep_max + 1] = {};
    for (unsigned i = 0; i <= log_keep_max; ++i) { // all are looked at before one is moved
        const auto info = look(folder.get(), older(name, i));
        if (info) {
            JACKDAW_CHECK(check_plain(*info, older(name, i), machine.database_uid));
            present[i] = true;
        } else if (info.error().code() != Errc::not_found) {
            return info.error().clone();
        }
    }
    if (!present[0]) {
        return ok();
    }
    // Neither call follows a link, so what is swapped under us by now is moved, or a name removed,
    // inside this folder and nowhere else.
    for (unsigned i = log_keep_max; i >= keep; --i) {
        if (present[i] && ::unlinkat(folder.get(), older(name, i).c_str(), 0) != 0 &&
            errno != ENOENT) {
            return file_error(fmt::format("remove {}", older(name, i)), errno);
        }
    }
    for (unsigned i = keep; i-- > 0;) {
        if (present[i]) {
            JACKDAW_CHECK(on_volume(rename_at(folder.get(), older(name, i), older(name, i + 1))));
        }
    }
    return ok();
}

} // namespace jackdaw::agent::host
