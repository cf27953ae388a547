#include "plugins/api/loader.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plugins/api/abi.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::plugins {
namespace {

constexpr std::string_view file_prefix = "libjackdaw-";
constexpr std::string_view file_suffix = ".so";
constexpr std::size_t drivers_max = 64;
constexpr std::size_t abi_line_max = 512;

Error system_error(Errc code, const std::string& what) {
    return Error{code, what, std::error_code{errno, std::system_category()}};
}

/// A folder or file that only `owner` can change.
Result<void> check_owner(int fd, const std::string& path, uid_t owner) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) {
        return system_error(Errc::unavailable, "stat " + path);
    }
    if (info.st_uid != owner) {
        return Error{Errc::not_allowed,
                     fmt::format("{} belongs to uid {}, not to {}", path, info.st_uid, owner)};
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return Error{Errc::not_allowed, path + " is writable by others than its owner"};
    }
    return ok();
}

std::string known_drivers(const std::string& folder) {
    const auto known = available_drivers(folder);
    return known && !known->empty() ? fmt::format("{}", fmt::join(*known, ", ")) : "none";
}

struct CloseFolder {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

} // namespace

bool is_datastore_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
}

Result<std::vector<std::string>> available_drivers(const std::string& folder) {
    const std::unique_ptr<DIR, CloseFolder> handle{::opendir(folder.c_str())};
    if (!handle) {
        return system_error(Errc::unavailable, "open " + folder);
    }
    std::vector<std::string> names;
    while (const auto* entry = ::readdir(handle.get())) {
        const std::string_view file{entry->d_name};
        if (!file.starts_with(file_prefix) || !file.ends_with(file_suffix) ||
            file.size() < file_prefix.size() + file_suffix.size()) {
            continue;
        }
        const auto name =
            file.substr(file_prefix.size(), file.size() - file_prefix.size() - file_suffix.size());
        if (is_datastore_name(name) && names.size() < drivers_max) {
            names.emplace_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<LoadedDriver> load_driver(const std::string& folder, std::string_view datastore,
                                 uid_t owner) {
    if (!is_datastore_name(datastore)) {
        return Error{Code::unknown_datastore, "a datastore's name is 1 to 32 of a-z and 0-9"};
    }
    const auto file = fmt::format("{}{}{}", file_prefix, datastore, file_suffix);
    const auto path = folder + "/" + file;

    const UniqueFd folder_fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!folder_fd) {
        return system_error(Errc::unavailable, "open " + folder);
    }
    JACKDAW_CHECK(check_owner(folder_fd.get(), folder, owner));
    const UniqueFd file_fd{
        ::openat(folder_fd.get(), file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!file_fd) {
        if (errno == ENOENT) {
            return Error{Code::unknown_datastore,
                         fmt::format("no driver for \"{}\" in {} (there are: {})", datastore,
                                     folder, known_drivers(folder))};
        }
        return system_error(Errc::unavailable, "open " + path);
    }
    struct stat info{};
    if (::fstat(file_fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return Error{Errc::not_allowed, path + " is not a regular file"};
    }
    JACKDAW_CHECK(check_owner(file_fd.get(), path, owner));

    // By its path, not by the descriptor: the object's run path is relative to where it lies, and
    // only the owner, who was checked above, can exchange the file in between.
    void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* const why = ::dlerror();
        return Error{Errc::unsupported,
                     fmt::format("load {}: {}", path, why != nullptr ? why : "no reason given")};
    }
    void* const symbol = ::dlsym(handle, "jackdaw_driver");
    if (symbol == nullptr) {
        return Error{Errc::unsupported, path + " has no symbol jackdaw_driver"};
    }
    using Entry = const JackdawDriver* (*)();
    Entry entry = nullptr;
    static_assert(sizeof entry == sizeof symbol); // POSIX: dlsym gives functions this way
    std::memcpy(&entry, &symbol, sizeof entry);
    const auto* const driver = entry();
    if (driver == nullptr || driver->abi_hash == nullptr) {
        return Error{Errc::unsupported, path + " describes no driver"};
    }
    // Only the first field may be read before it was compared.
    const std::string_view theirs{driver->abi_hash, ::strnlen(driver->abi_hash, abi_line_max)};
    if (theirs != abi_hash) {
        return Error{Errc::unsupported,
                     fmt::format("{} was built for another agent: it has \"{}\", "
                                 "this agent \"{}\"",
                                 path, theirs, abi_hash)}
            .with_hint("install agent and drivers of one build");
    }
    if (driver->datastore == nullptr || driver->datastore != datastore || driver->make == nullptr) {
        return Error{Errc::unsupported, path + " is the driver of another datastore"};
    }
    return LoadedDriver{std::string{datastore}, path, driver};
}

} // namespace jackdaw::plugins
