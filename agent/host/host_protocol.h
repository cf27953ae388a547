#pragma once
// What jackdawd and jackdaw-host say to each other over their socket pair: SEQPACKET, one
// fixed-size message each way per verb, host byte order (both are one binary). The host trusts
// nothing that request_valid() has not looked at, and then checks each argument against the machine
// file. Text fields are ended and padded by NULs.
//
// Descriptors (SCM_RIGHTS) go with the message that the verb's line names.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "proto/base/error.h"
#include "proto/machine/init_protocol.h"

namespace jackdaw::agent::host {

inline constexpr std::uint32_t protocol_magic = 0x4a48'0001;
inline constexpr std::uint16_t protocol_version = 1;

enum class Verb : std::uint16_t {
    machine_file = 1,
    read_fleet_file, ///< reply: the file, when it is there
    facts,
    set_firewall,
    bind_admin_socket, ///< reply: the listening socket
    inspect_volume,
    spawn_mkfs, ///< reply: the guard's control end, as with every spawn
    mount_volume,
    unmount_volume,
    spawn_grow,
    read_stamp,
    write_stamp,
    erase_stamp,
    prepare_folders,
    wipe_data,
    sync_volume,
    write_config, ///< request: one memory file with the contents one behind the other
    spawn_database,
    spawn_job,
    connect_guard, ///< reply: a connection, when the guard lives
    list_guards,
    open_log, ///< reply: the log, for reading
    rotate_log,
    bind_public_socket, ///< reply: the listening socket
    last = bind_public_socket,
};

inline constexpr std::size_t allow_max = 64; ///< networks of the firewall
inline constexpr std::size_t config_files_max = 16;
inline constexpr std::size_t config_file_max_bytes = std::size_t{1} << 20;
inline constexpr std::size_t log_name_max = 60;
inline constexpr std::uint32_t log_keep_limit = 9; ///< as host.h's log_keep_max
inline constexpr std::size_t fleet_file_max_bytes = std::size_t{64} << 10;

struct Header {
    std::uint32_t magic = protocol_magic;
    std::uint16_t version = protocol_version;
    std::uint16_t verb = 0;
    std::uint32_t sequence = 0; ///< the reply carries the request's
    std::uint32_t size = 0;     ///< of the whole message
};

struct Stamp {
    char instance_id[40];
    char datastore[32];
    char version[64];
    std::uint32_t sealed;
};

struct ConfigFile {
    char name[64];
    std::uint32_t size;
};

/// Every verb but the two spawns below; a verb reads the fields that it needs, the others are zero.
struct Request {
    Header header;
    char guard[JACKDAW_NAME_SIZE];
    char serial[24];
    char filesystem[8];
    char uuid[40];
    std::uint32_t overwrite;  ///< 0 or 1
    std::uint32_t fleet_file; ///< FleetFile
    std::uint32_t port;
    std::uint32_t count; ///< of `allow`, or of `files`
    char take_over_id[40];
    Stamp stamp;
    char allow[allow_max][48];
    ConfigFile files[config_files_max];
    char log[64];
    std::uint32_t log_owner; ///< LogOwner
    std::uint32_t keep;      ///< of rotate_log
};

/// spawn_database and spawn_job. Packed as jackdaw-init wants it; the host takes over from `spawn`
/// only the strings, limits and stop steps, and fills in name, kind, user and log itself.
struct SpawnRequest {
    Header header;
    char guard[JACKDAW_NAME_SIZE]; ///< spawn_job
    char datastore[32];            ///< spawn_job
    char job[64];                  ///< spawn_job: its name in the list
    jackdaw_spawn_request spawn;
};

struct Reply {
    Header header;
    char code[32]; ///< "" is ok; else the row's name: "E-BUSY"
    char message[480];
    std::uint32_t has; ///< 1: the stamp, file or guard that was asked for is there
    std::uint32_t cores;
    std::uint64_t memory_bytes;
    char hostname[72];
    // the machine file
    char instance_id[40];
    char instance_name[64];
    char fleet[64];
    char volume_serial[24];
    char address[48];
    std::uint32_t database_uid, database_gid;
    char plugin_folder[128];
    // the volume
    char device[64];
    std::uint64_t size_bytes;
    std::uint32_t blank, mounted;
    char filesystem[32];
    char uuid[64];
    std::uint64_t filesystem_bytes, used_bytes, free_bytes;
    Stamp stamp;
    std::uint32_t count; ///< of `names`
    char names[JACKDAW_INIT_GUARDS][JACKDAW_NAME_SIZE];
};

static_assert(std::is_trivially_copyable_v<Request> && std::is_trivially_copyable_v<SpawnRequest> &&
              std::is_trivially_copyable_v<Reply>);

/// Writes `text` into a field and pads it; false (field emptied) when it does not fit with its NUL,
/// or holds one.
template <std::size_t Size>
[[nodiscard]] bool set_text(char (&field)[Size], std::string_view text) {
    std::memset(field, 0, Size);
    if (text.size() >= Size || text.find('\0') != std::string_view::npos) {
        return false;
    }
    std::memcpy(field, text.data(), text.size());
    return true;
}

/// As much of it as fits; for messages.
template <std::size_t Size>
void set_cut(char (&field)[Size], std::string_view text) {
    (void)set_text(field, text.substr(0, std::min(text.find('\0'), Size - 1)));
}

template <std::size_t Size>
[[nodiscard]] std::string text_of(const char (&field)[Size]) {
    return std::string{field, ::strnlen(field, Size)};
}

/// Zeroed, with its header set.
[[nodiscard]] Request make_request(Verb verb, std::uint32_t sequence);
[[nodiscard]] SpawnRequest make_spawn_request(Verb verb, std::uint32_t sequence);
[[nodiscard]] Reply make_reply(const Header& request);

/// Whether these bytes are one whole request: magic, version, verb, size, every text ended and
/// padded, every count within its bound. Pure; any alignment.
[[nodiscard]] bool request_valid(const void* bytes, std::size_t size);
/// The same of a reply.
[[nodiscard]] bool reply_valid(const void* bytes, std::size_t size);

/// Whether a log may bear this name: [a-z0-9_.-], a letter or a digit first, at most log_name_max.
[[nodiscard]] bool is_log_name(std::string_view name) noexcept;

void set_error(Reply& reply, const Error& error);
/// The error that a reply carries; ok without one.
[[nodiscard]] Result<void> error_of(const Reply& reply);

} // namespace jackdaw::agent::host
