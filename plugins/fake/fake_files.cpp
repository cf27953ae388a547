#include "plugins/fake/fake_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>
#include <vector>

#include "plugins/fake/fake_options.h"

namespace jackdaw::fake {
namespace {

/// In the order in which they are made; `complete` says that the others are.
std::vector<std::pair<std::string, std::string>> parts() {
    std::vector<std::pair<std::string, std::string>> files{{"format", "jackdaw-fake 1\n"}};
    for (const char part : {'1', '2', '3', '4', '5'}) {
        files.emplace_back(std::string{"part-"} + part, std::string(1000, part) + "\n");
    }
    files.emplace_back("journal", "");
    files.emplace_back("starts", "0\n");
    files.emplace_back("complete", "yes\n");
    return files;
}

bool is_empty_folder(const std::string& folder) {
    DIR* const handle = ::opendir(folder.c_str());
    if (handle == nullptr) {
        return false;
    }
    int entries = 0;
    while (entries < 3 && ::readdir(handle) != nullptr) {
        ++entries;
    }
    ::closedir(handle);
    return entries == 2; // "." and ".."
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) { // ends: each turn writes or returns
        const auto written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool write_with(const std::string& path, std::string_view content, int flags) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0) {
        return false;
    }
    const bool done = write_all(fd, content) && ::fsync(fd) == 0;
    ::close(fd);
    return done;
}

} // namespace

bool sync_folder(const std::string& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool done = ::fsync(fd) == 0;
    ::close(fd);
    return done;
}

bool write_new(const std::string& path, std::string_view content) {
    return write_with(path, content, O_EXCL);
}

bool replace(const std::string& folder, const std::string& name, std::string_view content) {
    const auto path = folder + "/" + name;
    const auto next = path + ".new";
    return write_with(next, content, O_TRUNC) && ::rename(next.c_str(), path.c_str()) == 0 &&
           sync_folder(folder);
}

std::string read_small(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return {};
    }
    std::array<char, 4096> buffer{};
    const auto got = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    return got > 0 ? std::string{buffer.data(), static_cast<std::size_t>(got)} : std::string{};
}

int initialise(const std::string& folder, const Options& options) {
    if (!is_empty_folder(folder)) {
        std::fprintf(stderr, "jackdaw-fake-db: %s is not an empty folder\n", folder.c_str());
        return 64;
    }
    long step = 0;
    for (const auto& [name, content] : parts()) {
        ++step;
        delay(options.init_delay_ms);
        if (step == options.init_fail_step) {
            std::fprintf(stderr, "jackdaw-fake-db: told to fail at step %ld\n", step);
            return 1;
        }
        if (step == options.init_crash_step) {
            (void)write_new(folder + "/" + name, content.substr(0, content.size() / 2));
            ::raise(SIGKILL);
        }
        if (!write_new(folder + "/" + name, content) || !sync_folder(folder)) {
            std::fprintf(stderr, "jackdaw-fake-db: write %s: %s\n", name.c_str(),
                         errno == ENOSPC ? "no space left on device" : "failed");
            return 1;
        }
    }
    std::printf("jackdaw-fake-db: initialised\n");
    return 0;
}

bool is_complete(const std::string& folder) {
    for (const auto& [name, content] : parts()) {
        const auto path = folder + "/" + name;
        struct stat info{};
        if (::stat(path.c_str(), &info) != 0) {
            return false;
        }
        const bool changes = name == "journal" || name == "starts";
        if (!changes && read_small(path) != content) {
            return false;
        }
    }
    return true;
}

} // namespace jackdaw::fake
