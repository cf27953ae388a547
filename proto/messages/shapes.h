#pragma once
// The objects that people and programs see, the same in JSON from the command line, on the admin
// socket, over the channel and in the journal. Plain values; proto/wire/shapes_json.h turns them
// into JSON. Keys are only ever added. Times are RFC 3339 UTC text, empty for "not yet"; sizes are
// bytes.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::proto {

/// An Error as it travels. `code` is a row of error_codes.def; unknown codes of newer peers are
/// kept.
struct ErrorShape {
    std::string code;
    std::string message; ///< what was being done and what happened
    std::string cause;
    std::string hint;
    std::string operation; ///< id, or empty
};

[[nodiscard]] ErrorShape shape_of(const Error& error, std::string operation = {});
[[nodiscard]] Error to_error(const ErrorShape& shape);

struct DatabaseSpec {
    std::string name;
    std::string charset;   ///< empty: the driver's default
    std::string collation; ///< empty: the charset's default
    friend bool operator==(const DatabaseSpec&, const DatabaseSpec&) = default;
};

struct UserSpec {
    std::string name;
    std::string host = "%";
    std::vector<std::string> databases; ///< ALL on each
    /// What the engine stores for the password ("*94BD…"); never clear text.
    std::string verifier;
    friend bool operator==(const UserSpec&, const UserSpec&) = default;
};

/// What an operator wants of one instance: the value that a later issue makes a signed document.
struct InstanceSpec {
    std::string name;
    std::string id; ///< UUIDv7, made by the coordinator
    std::string fleet;
    std::string datastore; ///< "mariadb"
    std::string version;   ///< "10.11"; empty in a request: what the image has
    std::uint64_t volume_size_bytes = 0;
    std::string volume_serial;
    std::string filesystem = "xfs"; ///< xfs | ext4
    std::string format_serial;      ///< an operator's order: what the volume holds may go
    std::string take_over_id; ///< an operator's order: the stamp of this instance may be replaced
    std::string address;      ///< of the machine, where clients connect
    std::uint16_t port = 0;   ///< 0: the datastore's own
    std::vector<std::string> allow; ///< CIDRs; empty: the fleet's subnet
    std::vector<DatabaseSpec> databases;
    std::vector<UserSpec> users;
    std::map<std::string, std::string> parameters; ///< the instance's own settings of its engine
    bool protect = false;
    std::string created_at;
    friend bool operator==(const InstanceSpec&, const InstanceSpec&) = default;
};

/// Something that somebody should look at while the instance goes on.
struct Warning {
    std::string kind; ///< one of warning_kinds
    std::string since;
    std::string text; ///< empty: known by gossip alone
    std::string mend; ///< a command, or a person's line
    friend bool operator==(const Warning&, const Warning&) = default;
};
inline constexpr std::size_t warnings_max = 32; ///< also of an agent that knows more kinds
/// In the order of the bits that gossip carries (proto/wire/member_status.h): only ever added to,
/// warnings_max at most.
inline constexpr std::array<const char*, 9> warning_kinds{"access", "connections", "volume",
                                                          "memory", "sessions",    "accounts",
                                                          "sight",  "scheduler",   "filter"};
static_assert(warning_kinds.size() <= warnings_max);

struct Instance {
    std::string name, id, fleet;
    std::string status; ///< building running stopped degraded failed unreachable deleting
    std::string reason; ///< a person's line for every status but running
    std::string datastore, version;
    std::string role = "standalone";
    std::string cluster;
    std::string machine_id, machine_state; ///< state: on | off | frozen | unknown
    std::string address;
    std::uint16_t port = 0;
    std::uint64_t volume_size_bytes = 0, volume_used_bytes = 0;
    std::optional<double> volume_filled_min; ///< of 1, in eighths: gossip tells no sizes
    std::string agent_version;
    std::int64_t agent_pid = 0;
    std::string agent_since;
    std::int64_t database_pid = 0;
    std::string database_since;
    std::uint32_t database_restarts = 0;
    bool is_upkeep_told = true; ///< false: nobody tells the next four
    std::vector<std::string> pending_restart;
    bool needs_restart = false;    ///< as gossip tells it, without the names
    std::string maintenance_until; ///< empty: the agent looks after it
    std::string maintenance_by;    ///< empty when gossip tells of it
    std::vector<Warning> warnings; ///< the gravest first
    bool protect = false;
    std::string connection_uri;
    std::string connection_note; ///< "client connections are not encrypted yet"
    std::string created_at;
};

struct Step {
    std::string name;
    std::string status = "pending"; ///< pending running done failed undone skipped
    double progress = 0;            ///< 0 to 1
    std::string started_at, ended_at;
    std::int64_t duration_us = 0; ///< wall-clock-free, from the boot clock
    std::int64_t engine_us = 0;   ///< the part spent inside the engine's own processes
    std::optional<ErrorShape> error;
};

struct Operation {
    std::string id;                ///< UUIDv7
    std::string action;            ///< "instance.create"
    std::string target;            ///< instance name
    std::string status = "queued"; ///< queued running done failed undone
    std::vector<Step> steps;
    double progress = 0;
    std::optional<double> seconds_left;
    std::string deadline;
    std::string caller; ///< "uid 0", "operator 5f3c…"
    std::string cause = "request";
    std::string created_at, ended_at;
    bool abort_requested = false;
    std::vector<std::string> warnings; ///< what its caller should know although it is done
    std::optional<ErrorShape> error;
    std::string detail; ///< what was asked for beside action and target: "SELECT on shop.*"
};

struct MemberShape {
    std::string name, id, address;
    std::string status; ///< alive suspect down left
    std::uint64_t incarnation = 0;
    std::optional<double> rtt_ms;
    std::string version;
    std::string instance; ///< instance id, or empty
    std::string since;
    std::uint32_t ring = 0;    ///< newest version of the gossip keys that it holds
    std::uint32_t sealing = 0; ///< the one that it seals with
    std::string key_id;        ///< of that newest key, eight hex digits; empty: not told
};

/// One entry of an agent's timeline.
struct EventShape {
    std::uint64_t sequence = 0;
    std::string at;
    std::string kind;    ///< "database.ended"
    std::string weight;  ///< info warning error
    std::string subject; ///< an instance, a member, a parameter
    std::string text;
    std::string operation; ///< id, or empty
};

} // namespace jackdaw::proto
