#pragma once
// How well and how busy something is, as `jackdaw doctor` and `jackdaw top` show it. The same in
// JSON (proto/wire/health_json.h) from the command line and the sockets.

#include <cstdint>
#include <optional>
#include <string>

namespace jackdaw::proto {

/// One thing that was looked at, good or bad.
struct FindingShape {
    std::string area;                 ///< host | fleet | agent
    std::string name;                 ///< what was looked at: "loop devices", "volume"
    std::string subject;              ///< of which machine, instance or file; empty: of the area
    std::string state = "ok";         ///< ok | bad | unknown: it could not be looked at
    std::string severity = "warning"; ///< info | warning | error; of what is ok: info
    std::string cause;                ///< of bad and unknown
    std::string mend;                 ///< of bad and unknown: a command to paste, or what to do
};

/// What a database counts of its own clients. Counters begin at its start.
struct DatabaseLoad {
    std::optional<std::uint64_t> connections, connections_max;
    std::optional<std::uint64_t> running; ///< connections that do something at this moment
    std::optional<std::uint64_t> queries, slow_queries; ///< counters
};

/// The operation that runs now.
struct CurrentWork {
    std::string operation, action, step;
    double progress = 0; ///< 0 to 1
    std::optional<double> seconds_left;
};

/// An instance at one moment. Rates are the difference of two of them.
struct LoadShape {
    std::string at;             ///< wall clock
    std::uint64_t clock_us = 0; ///< of a clock that nobody sets: for rates
    std::string name, id;       ///< of the instance
    std::string status, reason, role;
    std::string maintenance_until; ///< empty: none
    std::uint64_t pending_restart = 0;
    std::uint64_t volume_size_bytes = 0, volume_used_bytes = 0;
    std::uint64_t agent_cpu_us = 0, agent_memory_bytes = 0;
    std::optional<std::uint64_t> machine_memory_bytes, machine_cores;
    std::int64_t database_pid = 0; ///< 0: none; counters begin anew with another one
    std::optional<std::uint64_t> database_cpu_us, database_memory_bytes;
    std::optional<DatabaseLoad> database; ///< nullopt: it does not answer, or counts nothing
    std::optional<CurrentWork> work;
};

} // namespace jackdaw::proto
