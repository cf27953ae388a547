#include "proto/wire/health_json.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace jackdaw::proto {
namespace {

constexpr std::size_t text_bytes_max = 16 * 1024;

Json number(const std::optional<std::uint64_t>& value) {
    return value ? Json(*value) : Json();
}

Result<std::optional<std::uint64_t>> maybe_at(const Json& object, std::string_view key) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) {
        return std::optional<std::uint64_t>{};
    }
    JACKDAW_TRY(const auto value, number_at(object, key, 0, UINT64_MAX));
    return std::optional{value};
}

Result<std::optional<double>> maybe_real_at(const Json& object, std::string_view key) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) {
        return std::optional<double>{};
    }
    if (!at->is_number()) {
        return Error{Errc::invalid, fmt::format("'{}' must be a number", key)};
    }
    return std::optional{at->get<double>()};
}

/// The object at `key`; an empty one when it is absent or null.
Result<Json> part_at(const Json& object, std::string_view key) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) {
        return Json::object();
    }
    if (!at->is_object()) {
        return Error{Errc::invalid, fmt::format("'{}' must be an object", key)};
    }
    return *at;
}

Json to_json(const DatabaseLoad& value) {
    return {{"connections", number(value.connections)},
            {"connections_max", number(value.connections_max)},
            {"running", number(value.running)},
            {"queries", number(value.queries)},
            {"slow_queries", number(value.slow_queries)}};
}

Json to_json(const CurrentWork& value) {
    return {{"operation", value.operation},
            {"action", value.action},
            {"step", value.step},
            {"progress", value.progress},
            {"seconds_left", value.seconds_left ? Json(*value.seconds_left) : Json()}};
}

Result<void> read_database(const Json& json, LoadShape& load) {
    JACKDAW_TRY(const auto process, part_at(json, "database_process"));
    JACKDAW_TRY(const auto pid, number_at(process, "pid", 0, INT64_MAX));
    load.database_pid = static_cast<std::int64_t>(pid);
    JACKDAW_TRY(load.database_cpu_us, maybe_at(process, "cpu_us"));
    JACKDAW_TRY(load.database_memory_bytes, maybe_at(process, "memory_bytes"));
    JACKDAW_TRY(const auto counts, part_at(json, "database"));
    if (counts.empty()) {
        return ok();
    }
    DatabaseLoad one;
    JACKDAW_TRY(one.connections, maybe_at(counts, "connections"));
    JACKDAW_TRY(one.connections_max, maybe_at(counts, "connections_max"));
    JACKDAW_TRY(one.running, maybe_at(counts, "running"));
    JACKDAW_TRY(one.queries, maybe_at(counts, "queries"));
    JACKDAW_TRY(one.slow_queries, maybe_at(counts, "slow_queries"));
    load.database = one;
    return ok();
}

Result<void> read_work(const Json& json, LoadShape& load) {
    JACKDAW_TRY(const auto part, part_at(json, "work"));
    if (part.empty()) {
        return ok();
    }
    CurrentWork work;
    JACKDAW_TRY(work.operation, string_at(part, "operation", ""));
    JACKDAW_TRY(work.action, string_at(part, "action", ""));
    JACKDAW_TRY(work.step, string_at(part, "step", ""));
    JACKDAW_TRY(const auto progress, maybe_real_at(part, "progress"));
    work.progress = std::clamp(progress.value_or(0), 0.0, 1.0);
    JACKDAW_TRY(work.seconds_left, maybe_real_at(part, "seconds_left"));
    load.work = std::move(work);
    return ok();
}

} // namespace

Json to_json(const FindingShape& value) {
    return {{"area", value.area},   {"name", value.name},         {"subject", value.subject},
            {"state", value.state}, {"severity", value.severity}, {"cause", value.cause},
            {"mend", value.mend}};
}

Json to_json(const LoadShape& value) {
    return {{"apiVersion", api_version},
            {"kind", "Load"},
            {"at", value.at},
            {"clock_us", value.clock_us},
            {"name", value.name},
            {"id", value.id},
            {"status", value.status},
            {"reason", value.reason},
            {"role", value.role},
            {"maintenance_until",
             value.maintenance_until.empty() ? Json() : Json(value.maintenance_until)},
            {"pending_restart", value.pending_restart},
            {"volume",
             {{"size_bytes", value.volume_size_bytes}, {"used_bytes", value.volume_used_bytes}}},
            {"agent", {{"cpu_us", value.agent_cpu_us}, {"memory_bytes", value.agent_memory_bytes}}},
            {"machine",
             {{"memory_bytes", number(value.machine_memory_bytes)},
              {"cores", number(value.machine_cores)}}},
            {"database_process",
             {{"pid", value.database_pid},
              {"cpu_us", number(value.database_cpu_us)},
              {"memory_bytes", number(value.database_memory_bytes)}}},
            {"database", value.database ? to_json(*value.database) : Json()},
            {"work", value.work ? to_json(*value.work) : Json()}};
}

Result<FindingShape> finding_from(const Json& json) {
    if (!json.is_object()) {
        return Error{Errc::invalid, "a finding must be an object"};
    }
    FindingShape one;
    JACKDAW_TRY(one.area, string_at(json, "area", ""));
    JACKDAW_TRY(one.name, string_at(json, "name", ""));
    JACKDAW_TRY(one.subject, string_at(json, "subject", ""));
    JACKDAW_TRY(one.state, string_at(json, "state", "unknown"));
    JACKDAW_TRY(one.severity, string_at(json, "severity", "warning"));
    JACKDAW_TRY(one.cause, string_at(json, "cause", "", text_bytes_max));
    JACKDAW_TRY(one.mend, string_at(json, "mend", "", text_bytes_max));
    return one;
}

Result<LoadShape> load_from(const Json& json) {
    if (!json.is_object()) {
        return Error{Errc::invalid, "a load must be an object"};
    }
    LoadShape load;
    JACKDAW_TRY(load.at, string_at(json, "at", ""));
    JACKDAW_TRY(load.clock_us, number_at(json, "clock_us", 0, UINT64_MAX));
    JACKDAW_TRY(load.name, string_at(json, "name", ""));
    JACKDAW_TRY(load.id, string_at(json, "id", ""));
    JACKDAW_TRY(load.status, string_at(json, "status", ""));
    JACKDAW_TRY(load.reason, string_at(json, "reason", "", text_bytes_max));
    JACKDAW_TRY(load.role, string_at(json, "role", ""));
    JACKDAW_TRY(load.maintenance_until, string_at(json, "maintenance_until", ""));
    JACKDAW_TRY(load.pending_restart, number_at(json, "pending_restart", 0, UINT64_MAX));
    JACKDAW_TRY(const auto volume, part_at(json, "volume"));
    JACKDAW_TRY(load.volume_size_bytes, number_at(volume, "size_bytes", 0, UINT64_MAX));
    JACKDAW_TRY(load.volume_used_bytes, number_at(volume, "used_bytes", 0, UINT64_MAX));
    JACKDAW_TRY(const auto agent, part_at(json, "agent"));
    JACKDAW_TRY(load.agent_cpu_us, number_at(agent, "cpu_us", 0, UINT64_MAX));
    JACKDAW_TRY(load.agent_memory_bytes, number_at(agent, "memory_bytes", 0, UINT64_MAX));
    JACKDAW_TRY(const auto machine, part_at(json, "machine"));
    JACKDAW_TRY(load.machine_memory_bytes, maybe_at(machine, "memory_bytes"));
    JACKDAW_TRY(load.machine_cores, maybe_at(machine, "cores"));
    JACKDAW_CHECK(read_database(json, load));
    JACKDAW_CHECK(read_work(json, load));
    return load;
}

} // namespace jackdaw::proto
