#include "agent/log_fd.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace jackdaw::agent {

Result<LogBytes> LogFd::bytes() const {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) {
        return Error{Errc::unavailable, "look at a log",
                     std::error_code{errno, std::generic_category()}};
    }
    LogBytes bytes;
    bytes.file = static_cast<std::uint64_t>(info.st_ino);
    bytes.size = info.st_size > 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
    bytes.changed_at_ms =
        std::int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
    bytes.read_at = [fd = fd_.get()](std::uint64_t offset, char* into,
                                     std::size_t size) -> Result<std::size_t> {
        for (;;) { // ends: a regular file is read at once
            const auto got = ::pread(fd, into, size, static_cast<off_t>(offset));
            if (got >= 0) {
                return static_cast<std::size_t>(got);
            }
            if (errno != EINTR) {
                return Error{Errc::unavailable, "read a log",
                             std::error_code{errno, std::generic_category()}};
            }
        }
    };
    return bytes;
}

} // namespace jackdaw::agent
