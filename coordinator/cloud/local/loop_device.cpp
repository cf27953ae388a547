#include "coordinator/cloud/local/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

namespace jackdaw::cloud::local {
namespace {

constexpr int attempts_max = 256; ///< five machines at once needed over 20

/// "/dev/loop" and the number, without a library call that may allocate.
void device_path(int number, std::array<char, 24>& path) noexcept {
    std::array<char, 12> digits{};
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number > 0);
    std::size_t at = 0;
    for (const char* letter = "/dev/loop"; *letter != '\0'; ++letter) {
        path[at++] = *letter;
    }
    while (count > 0) {
        path[at++] = digits[--count];
    }
    path[at] = '\0';
}

} // namespace

LoopAttached attach_loop(int control_fd, int file_fd) noexcept {
    LoopAttached result;
    bool direct_io = true;
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        const int number = ::ioctl(control_fd, LOOP_CTL_GET_FREE);
        if (number < 0) {
            result.error = errno;
            return result;
        }
        std::array<char, 24> path{};
        device_path(number, path);
        const int fd = ::open(path.data(), O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            result.error = errno;
            return result;
        }
        loop_config config{};
        config.fd = static_cast<__u32>(file_fd);
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
        if (direct_io) {
            config.info.lo_flags |= LO_FLAGS_DIRECT_IO;
        }
        if (::ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
            return {.fd = fd, .path = path, .error = 0};
        }
        result.error = errno;
        ::close(fd);
        if (result.error == EINVAL && direct_io) {
            direct_io = false; // not every file system under the file has it
        } else if (result.error != EBUSY && result.error != EAGAIN) {
            return result;
        } else {
            pause_for(std::chrono::milliseconds{attempt / 16});
        }
    }
    return result;
}

Result<std::optional<std::string>> find_loop(const Path& file) {
    struct stat wanted{};
    if (::stat(file.c_str(), &wanted) != 0) {
        return os_error("look at " + file.string(), errno);
    }
    JACKDAW_TRY(const auto names, names_in("/sys/block"));
    for (const auto& name : names) {
        if (!name.starts_with("loop") ||
            ::access(("/sys/block/" + name + "/loop").c_str(), F_OK) != 0) {
            continue; // not a loop device, or none with a file behind it
        }
        const UniqueFd fd{::open(("/dev/" + name).c_str(), O_RDONLY | O_CLOEXEC)};
        loop_info64 info{};
        if (fd && ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) == 0 &&
            info.lo_inode == wanted.st_ino && info.lo_device == wanted.st_dev) {
            return std::optional{"/dev/" + name};
        }
    }
    return std::optional<std::string>{};
}

Result<void> refresh_capacity(const std::string& device) {
    const UniqueFd fd{::open(device.c_str(), O_RDWR | O_CLOEXEC)};
    if (!fd || ::ioctl(fd.get(), LOOP_SET_CAPACITY) != 0) {
        return os_error("tell " + device + " its new size", errno);
    }
    return ok();
}

} // namespace jackdaw::cloud::local
