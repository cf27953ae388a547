#include "coordinator/cloud/local/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "proto/base/ids.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::string_view retired_prefix = ".gone-";

Errc reaction_to(int number) noexcept {
    switch (number) {
    case ENOENT: return Errc::not_found;
    case EPERM:
    case EACCES: return Errc::not_allowed;
    case EBUSY:
    case EAGAIN: return Errc::busy;
    case EEXIST: return Errc::conflict;
    default: return Errc::unavailable;
    }
}

Result<void> write_all(int fd, std::string_view text, const Path& file) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return os_error("write " + file.string(), errno);
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return ok();
}

Result<void> sync_folder(const Path& folder) {
    const UniqueFd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd || ::fsync(fd.get()) != 0) {
        return os_error("sync " + folder.string(), errno);
    }
    return ok();
}

bool same_file(int fd, const Path& path) {
    struct stat held{};
    struct stat named{};
    return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

} // namespace

Error os_error(std::string what, int number) {
    Error error{reaction_to(number), std::move(what),
                std::error_code{number, std::system_category()}};
    if (number == ENOSPC || number == EDQUOT) {
        return std::move(error).with_id(Code::disk_full);
    }
    return error;
}

Result<std::string> read_file(const Path& file, std::size_t bytes_max) {
    const UniqueFd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat about{};
    if (!fd || ::fstat(fd.get(), &about) != 0) {
        return os_error("open " + file.string(), errno);
    }
    if (!S_ISREG(about.st_mode)) { // a FIFO would wait for ever, a device may do anything
        return Error{Errc::corrupt, file.string() + " is no regular file"};
    }
    std::string text;
    std::array<char, 16384> buffer{};
    while (true) {
        const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return os_error("read " + file.string(), errno);
        }
        if (got == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
        if (text.size() > bytes_max) {
            return Error{Errc::exhausted, file.string() + " is longer than it may be"};
        }
    }
}

Result<void> write_durable(const Path& file, std::string_view text, mode_t mode) {
    const Path temporary = file.string() + ".new-" + std::to_string(::getpid());
    UniqueFd fd{
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)};
    if (!fd) {
        return os_error("create " + temporary.string(), errno);
    }
    auto written = write_all(fd.get(), text, temporary);
    if (written && (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0)) {
        written = os_error("sync " + temporary.string(), errno);
    }
    if (written && ::rename(temporary.c_str(), file.c_str()) != 0) {
        written = os_error("rename to " + file.string(), errno);
    }
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    return sync_folder(file.parent_path());
}

Result<void> write_kernel_file(const Path& file, std::string_view text) {
    const UniqueFd fd{::open(file.c_str(), O_WRONLY | O_CLOEXEC)};
    if (!fd) {
        return os_error("open " + file.string(), errno);
    }
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        return os_error("write " + file.string(), errno);
    }
    return ok();
}

Result<void> make_folders(const Path& folder, mode_t mode) {
    if (::mkdir(folder.c_str(), mode) == 0) {
        return sync_folder(folder.parent_path());
    }
    if (errno == EEXIST) {
        return ok();
    }
    if (errno != ENOENT || !folder.has_parent_path() || folder.parent_path() == folder) {
        return os_error("make folder " + folder.string(), errno);
    }
    JACKDAW_CHECK(make_folders(folder.parent_path(), 0755));
    if (::mkdir(folder.c_str(), mode) != 0 && errno != EEXIST) {
        return os_error("make folder " + folder.string(), errno);
    }
    return sync_folder(folder.parent_path());
}

Result<std::vector<std::string>> names_in(const Path& folder) {
    std::error_code failure;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry{folder, failure};
    while (!failure && entry != std::filesystem::directory_iterator{}) {
        if (names.size() == folder_entries_max) {
            return Error{Errc::exhausted, folder.string() + " has too many entries"};
        }
        names.push_back(entry->path().filename().string());
        entry.increment(failure);
    }
    if (failure && failure.value() != ENOENT) {
        return os_error("list " + folder.string(), failure.value());
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> remove_tree(const Path& folder) {
    std::error_code failure;
    std::filesystem::remove_all(folder, failure);
    if (failure && failure.value() != ENOENT) {
        return os_error("remove " + folder.string(), failure.value());
    }
    return ok();
}

Result<void> retire_tree(const Path& folder) {
    JACKDAW_TRY(const std::string unique, new_uuid());
    const Path retired = folder.parent_path() / (std::string{retired_prefix} + unique);
    if (::rename(folder.c_str(), retired.c_str()) != 0) {
        if (errno == ENOENT) {
            return ok();
        }
        return os_error("rename " + folder.string(), errno);
    }
    return remove_tree(retired);
}

bool is_retired(std::string_view name) noexcept {
    return name.starts_with(retired_prefix);
}

Result<FileLock> FileLock::take(const Path& path, std::chrono::milliseconds wait) {
    UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd) {
        return os_error("open " + path.string(), errno);
    }
    int failure = 0;
    const bool taken = wait_until(wait, [&] {
        failure = ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
        return failure != EWOULDBLOCK && failure != EINTR;
    });
    if (!taken) {
        return Error{Errc::busy, path.string() + " is locked by another process"};
    }
    if (failure != 0) {
        return os_error("lock " + path.string(), failure);
    }
    if (!same_file(fd.get(), path)) { // its last owner removed it: we hold a lock on nothing
        return Error{Errc::not_found, path.string() + " was removed"};
    }
    return FileLock{std::move(fd)};
}

bool is_locked(const Path& file) {
    const UniqueFd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::int64_t unix_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

Result<std::string> new_uuid() {
    std::array<std::byte, 10> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        return os_error("read random bytes", errno);
    }
    return make_uuid7(unix_ms(), random);
}

void pause_for(std::chrono::milliseconds span) noexcept {
    timespec rest{.tv_sec = static_cast<time_t>(span.count() / 1000),
                  .tv_nsec = static_cast<long>(span.count() % 1000) * 1'000'000};
    ::nanosleep(&rest, nullptr); // a signal may shorten it: the callers look again anyway
}

} // namespace jackdaw::cloud::local
