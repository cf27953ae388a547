#include "agent/host/host_machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "agent/host/host_files.h"
#include "agent/host/machine_file.h"

namespace jackdaw::agent::host {
namespace {

constexpr const char* etc_folder = "/etc/jackdaw";
constexpr const char* machine_file_name = "machine.conf";
constexpr const char* drive_folder = "/etc/jackdaw/config-drive/openstack/latest";
constexpr const char* fleet_folder = "/etc/jackdaw/fleet";
/// A caller that comes while the agent is busy waits and is not refused.
constexpr int api_backlog = SOMAXCONN;
constexpr int stale_files_max = 4096; ///< of one folder, looked at once

struct Folder {
    const char* path;
    std::uint32_t uid, gid;
    mode_t mode;
};

constexpr std::array machine_folders{
    Folder{"/etc/jackdaw", 0, 0, 0755},
    Folder{"/etc/jackdaw/fleet", 0, agent_gid, 0750},
    Folder{"/etc/jackdaw/database", 0, 0, 0755},
    Folder{"/run/jackdaw", 0, 0, 0755},
    Folder{"/run/jackdaw/guards", 0, 0, 0755},
    Folder{"/var/lib/jackdaw", 0, 0, 0755},
    Folder{"/var/lib/jackdaw/state", agent_uid, agent_gid, 0700},
    Folder{"/var/log/jackdaw", 0, 0, 0755},
};

const char* name_of(FleetFile which) {
    switch (which) {
    case FleetFile::statement: return "statement";
    case FleetFile::operator_key: return "operator_key";
    case FleetFile::gossip_ring: return "gossip_ring";
    case FleetFile::seeds: return "seeds";
    }
    return "statement";
}

bool is_file_name(std::string_view name) {
    return !name.empty() && name.size() < 64 && name.front() != '.' &&
           std::all_of(
               name.begin(), name.end(),
               [](char c) {
                   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
               });
}

/// Its first stale_files_max names.
Result<std::vector<std::string>> names_in(int folder) {
    const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = again < 0 ? nullptr : ::fdopendir(again);
    if (stream == nullptr) {
        return file_error("list a folder", errno);
    }
    std::vector<std::string> names;
    for (int i = 0; i < stale_files_max; ++i) {
        const dirent* entry = ::readdir(stream);
        if (entry == nullptr) {
            break;
        }
        const std::string_view name{entry->d_name};
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    ::closedir(stream);
    return names;
}

/// Rendered files of an earlier configuration that the new one does not have.
Result<void> remove_others(int folder, const std::set<std::string, std::less<>>& keep) {
    JACKDAW_TRY(auto stale, names_in(folder).while_doing("look at the configuration folder"));
    std::erase_if(stale, [&](const auto& name) { return keep.contains(name); });
    for (const auto& name : stale) {
        if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT && errno != EISDIR) {
            return file_error(fmt::format("remove {}", name), errno);
        }
    }
    return ok();
}

} // namespace

Result<void> make_machine_folders() {
    for (const auto& folder : machine_folders) {
        JACKDAW_CHECK(ensure_folder(folder.path, folder.uid, folder.gid, folder.mode));
    }
    return ok();
}

Result<MachineFile> first_boot() {
    JACKDAW_TRY(const auto etc, open_no_links(etc_folder, O_RDONLY | O_DIRECTORY));
    JACKDAW_TRY(const auto text,
                read_root_file(etc.get(), machine_file_name, machine_file_max_bytes));
    if (text) {
        return parse_machine_file(*text).while_doing("read the machine file");
    }
    const auto drive = open_no_links(drive_folder, O_RDONLY | O_DIRECTORY);
    if (!drive) {
        if (drive.error().cause().value() == ENOENT) {
            return parse_machine_file(""); // nobody gave this machine an instance
        }
        return drive.error().clone();
    }
    JACKDAW_TRY(const auto meta,
                read_root_file(drive->get(), "meta_data.json", config_drive_max_bytes));
    JACKDAW_TRY(const auto user, read_root_file(drive->get(), "user_data", config_drive_max_bytes));
    if (!user) {
        return parse_machine_file(""); // likewise, or it is still being written
    }
    JACKDAW_TRY(
        auto file,
        parse_config_drive(meta.value_or("{}"), *user).while_doing("read the config drive"));
    JACKDAW_CHECK(replace_file(etc.get(), machine_file_name, format_machine_file(file), 0644));
    return file;
}

Result<UniqueFd> bind_socket(const ApiSocket& which) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, which.path, sizeof address.sun_path - 1);
    (void)::unlink(which.path);
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const auto mask = ::umask(0777); // nobody gets in before owner and mode are right
    const bool bound =
        fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int number = errno;
    ::umask(mask);
    if (!bound) {
        return file_error(fmt::format("bind {}", which.path), number);
    }
    if (::chown(which.path, 0, which.gid) != 0 || ::chmod(which.path, which.mode) != 0 ||
        ::listen(fd.get(), api_backlog) != 0) {
        return file_error(fmt::format("open {} for its callers", which.path), errno);
    }
    return fd;
}

Result<std::optional<UniqueFd>> open_fleet_file(FleetFile which) {
    JACKDAW_TRY(const auto folder, open_no_links(fleet_folder, O_RDONLY | O_DIRECTORY));
    return open_root_file(folder.get(), name_of(which));
}

Result<void> prepare_folders(const MachineFile& machine, const Volume& volume) {
    JACKDAW_TRY(const auto root, volume.mounted());
    JACKDAW_CHECK(on_volume(
        ensure_folder_at(root.get(), "data", machine.database_uid, machine.database_gid, 0700)));
    JACKDAW_CHECK(on_volume(
        ensure_folder_at(root.get(), "log", machine.database_uid, machine.database_gid, 0750)));
    JACKDAW_CHECK(ensure_folder(std::string{database_run_folder}, machine.database_uid,
                                machine.database_gid, 0755));
    JACKDAW_CHECK(ensure_folder(std::string{config_folder}, 0, 0, 0755));
    return ensure_folder("/var/log/jackdaw", 0, 0, 0755);
}

Result<void> clear_run_folder(const MachineFile& machine) {
    JACKDAW_TRY(const auto folder,
                open_no_links(std::string{database_run_folder}, O_RDONLY | O_DIRECTORY));
    JACKDAW_TRY(const auto names, names_in(folder.get()));
    for (const auto& name : names) {
        struct stat info{};
        if (::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            info.st_uid == machine.database_uid && !S_ISDIR(info.st_mode) &&
            ::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
            return file_error(fmt::format("remove {}", name), errno);
        }
    }
    return ok();
}

Result<void> wipe_data(const Volume& volume) {
    JACKDAW_TRY(const auto stamp, volume.read_stamp());
    if (stamp && stamp->sealed) {
        return Error{Errc::conflict, "the data folder is complete; it is not wiped"};
    }
    JACKDAW_TRY(const auto root, volume.mounted());
    const auto data = open_beneath(root.get(), "data", O_RDONLY | O_DIRECTORY);
    if (!data) {
        return data.error().cause().value() == ENOENT ? ok() : Result<void>{data.error().clone()};
    }
    return empty_folder(data->get()).while_doing("empty the data folder");
}

Result<void> write_config(const std::vector<plugins::RenderedFile>& files) {
    std::set<std::string, std::less<>> names;
    for (const auto& file : files) {
        if (!is_file_name(file.name) || file.content.size() > config_file_max_bytes ||
            !names.insert(file.name).second) {
            return Error{Errc::invalid, "a rendered file has a name or size that is not allowed"};
        }
    }
    JACKDAW_TRY(const auto folder,
                open_no_links(std::string{config_folder}, O_RDONLY | O_DIRECTORY));
    // What stands there already is not written again: a restart on a full root disk needs no room.
    std::vector<plugins::RenderedFile> changed;
    for (const auto& file : files) {
        const auto present = read_root_file(folder.get(), file.name, config_file_max_bytes);
        if (!present || *present != file.content) {
            changed.push_back(file);
        }
    }
    for (const auto& file : changed) {
        if (auto written = write_new_file(folder.get(), ".new-" + file.name, file.content, 0644);
            !written) {
            for (const auto& other : changed) {
                (void)::unlinkat(folder.get(), (".new-" + other.name).c_str(), 0);
            }
            return std::move(written).while_doing("write the configuration");
        }
    }
    for (const auto& file : changed) {
        JACKDAW_CHECK(rename_at(folder.get(), ".new-" + file.name, file.name));
    }
    JACKDAW_CHECK(remove_others(folder.get(), names));
    return sync_fd(folder.get(), "the configuration folder");
}

} // namespace jackdaw::agent::host
