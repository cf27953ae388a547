#pragma once
// What an agent says of itself in gossip's `status` (GOSSIP.md, section 7): enough for `instance
// list` at any agent. Its name and address stand in `alive`. Not signed: reported, never proved.
//
//   msgpack [schema, cluster u64, role u8, db_state u8, epoch u64, lag class u8, load class u8,
//            disk class u8, agent version u32, db version str, alert bits u32,
//            datastore str, instance id bin 0 or 16, address of the database bin,
//            upkeep bits u8, end of maintenance u64, version u32 and id u32 of its newest gossip
//            key]
//
// Cluster, epoch and lag are 0 until something here has them. `alive` tells that version, too, and
// not which key has it: two operators may have made two of one version. Fields are only ever
// appended: a reader skips those that it does not know and takes the default for missing ones.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/messages/gossip.h"

namespace jackdaw::proto {

struct MemberStatus {
    std::uint64_t cluster = 0;
    std::uint8_t role = 0; ///< 0 standalone, 1 primary, 2 replica, 3 member
    std::string db_state;  ///< an Instance's status; empty: it runs no database
    std::uint64_t epoch = 0;
    std::uint8_t lag_class = 0;
    std::uint8_t load_class = 0; ///< eighths of the machine's cores that its database used
    std::uint8_t disk_class = 0; ///< filled eighths of the volume, 0 to 7
    std::string agent_version;   ///< "0.1.0"; each part up to 255, 4095, 4095
    std::string db_version;      ///< at most 24 bytes
    std::uint32_t alerts = 0;    ///< bit i: a warning of proto::warning_kinds[i]
    std::string datastore;       ///< at most 16 bytes; empty: it runs no database
    std::string instance_id;     ///< a UUID as text, or empty
    NetAddress address{};        ///< of the database; port 0 or unset: none
    bool tells_upkeep = false;   ///< the next two; an agent that knows neither tells neither
    bool needs_restart = false;  ///< parameters wait for one
    std::uint64_t maintenance_until_s = 0; ///< of the wall clock; 0: the agent looks after it
    std::uint32_t key_version = 0; ///< of the newest gossip key that it holds; 0: it does not say
    std::uint32_t key_id = 0;      ///< of that key, as datagrams have it in clear: no secret

    friend bool operator==(const MemberStatus&, const MemberStatus&) = default;
};

inline constexpr std::size_t db_version_bytes_max = 24;
inline constexpr std::size_t datastore_name_bytes_max = 16;

/// At most gossip_status_bytes_max bytes. A text that is too long is cut; what is no UUID, no state
/// of an Instance or no version of three numbers is left out.
[[nodiscard]] std::string encode_member_status(const MemberStatus& status);

/// nullopt for bytes that are no status of this schema: another's is shown by its `alive` alone.
/// A state that this version does not know is "unknown".
[[nodiscard]] std::optional<MemberStatus> decode_member_status(std::string_view bytes);

/// Must the fleet hear of the difference at once? Classes may wait.
[[nodiscard]] bool is_urgent(const MemberStatus& before, const MemberStatus& after);

/// In which eighth of `whole` the part lies, of a volume's bytes or of the time of cores; `before`
/// while it is within 1/64 of that one's border, so that it does not go to and fro. 0 of nothing.
[[nodiscard]] std::uint8_t eighth_of(std::uint64_t part, std::uint64_t whole,
                                     std::uint8_t before) noexcept;

/// "10.1.2.3:7412", "[fe80::1]:7412"; empty when unset.
[[nodiscard]] std::string text_of(const NetAddress& address);
/// nullopt for a host that is no numeric address; an IPv6 one may stand in brackets.
[[nodiscard]] std::optional<NetAddress> net_address(const std::string& host, std::uint16_t port);

} // namespace jackdaw::proto
