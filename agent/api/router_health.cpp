// How well and how busy the instance is: GET doctor, GET load.
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "agent/api/process_usage.h"
#include "agent/api/router_parts.h"
#include "agent/core/health.h"
#include "proto/wire/health_json.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds look_limit{3}; ///< doctor and top ask the whole fleet
constexpr std::size_t operations_looked_at = 20;
constexpr std::size_t events_looked_at = 1'000;
/// Below the state folder. The store holds the gossip keys.
constexpr std::array secret_names{"sign.key", "noise.key", "state.mdb", "state.mdb.copy"};

std::int64_t milliseconds_of(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

void look_at_state(const std::string& folder, HealthFacts& facts) {
    struct statvfs disk{};
    if (folder.empty() || ::statvfs(folder.c_str(), &disk) != 0) {
        return;
    }
    facts.state_folder = folder;
    facts.state_free_bytes = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    for (const auto* name : secret_names) {
        const auto path = folder + "/" + name;
        struct stat file{};
        if (::lstat(path.c_str(), &file) != 0) {
            continue;
        }
        facts.secrets.push_back({path, file.st_mode & 07777U, file.st_uid == ::geteuid()});
        if (std::string_view{name} == "state.mdb.copy") {
            facts.state_copy_ms = milliseconds_of(file.st_mtim);
        }
    }
}

/// What only the running database can tell, in one turn with it.
void look_inside(Life& life, HealthFacts& facts, std::chrono::steady_clock::time_point deadline) {
    auto told = life.query(
        [&](plugins::Datastore& driver, const plugins::Call& call) -> Result<Json> {
            JACKDAW_TRY(const auto seen, driver.examine(call));
            facts.account_changed = seen.access.value_or("");
            for (const auto& one : seen.unseen) {
                if (!seen.access && !facts.unasked) { // the rest is a warning of the instance
                    facts.unasked = proto::shape_of(
                        Error{Errc::unavailable, fmt::format("{}: {}", one.what, one.why)});
                }
            }
            if (driver.metrics() != nullptr) {
                JACKDAW_TRY(facts.load, driver.metrics()->load(call));
            }
            if (driver.root() != nullptr) {
                JACKDAW_TRY(const auto root, driver.root()->status(call));
                facts.root_level = root.level;
            }
            return Json{};
        },
        deadline);
    if (!told && told.error().code() == Errc::not_allowed) {
        facts.shut_out = proto::shape_of(told.error()); // it did not even let us in
    } else if (!told) {
        facts.unasked = proto::shape_of(told.error());
    }
}

std::optional<proto::CurrentWork> current_work(const Life& life) {
    for (const auto& one : life.operations(operations_looked_at)) {
        if (one.status != "running") {
            continue;
        }
        proto::CurrentWork work{one.id, one.action, "", one.progress, one.seconds_left};
        for (const auto& step : one.steps) {
            if (step.status == "running") {
                work.step = step.name;
            }
        }
        return work;
    }
    return std::nullopt;
}

std::chrono::steady_clock::time_point sooner(std::chrono::steady_clock::time_point deadline) {
    return std::min(deadline, std::chrono::steady_clock::now() + look_limit);
}

} // namespace

Router::Outcome Router::doctor(const ApiRequest& request, const Target& /*target*/) const {
    HealthFacts facts;
    facts.wall_ms = parts_.clock.wall_ms();
    facts.instance = parts_.life.instance();
    JACKDAW_TRY(facts.members, parts_.fleet.members());
    JACKDAW_TRY(facts.gossip, parts_.fleet.health());
    facts.operations = parts_.life.operations(operations_looked_at);
    if (parts_.timeline != nullptr) {
        JACKDAW_TRY(facts.events, parts_.timeline->newest(events_looked_at));
    }
    look_at_state(parts_.state_folder, facts);
    if (facts.instance && facts.instance->status != "building") {
        look_inside(parts_.life, facts, sooner(request.deadline));
    }
    Json items = Json::array();
    for (const auto& finding : examine_agent(facts)) {
        items.push_back(proto::to_json(finding));
    }
    auto json = proto::list_json("Finding", std::move(items), as_of());
    return answer(json);
}

Router::Outcome Router::load(const ApiRequest& request, const Target& /*target*/) const {
    const auto view = parts_.life.instance();
    if (!view) {
        return Error{Errc::not_found, "there is no instance on this machine"};
    }
    proto::LoadShape load;
    load.name = view->name;
    load.id = view->id;
    load.status = view->status;
    load.reason = view->reason;
    load.role = view->role;
    load.maintenance_until = view->maintenance_until;
    load.pending_restart = view->pending_restart.size();
    load.volume_size_bytes = view->volume_size_bytes;
    load.volume_used_bytes = view->volume_used_bytes;
    load.database_pid = view->database_pid;
    load.work = current_work(parts_.life);
    if (view->status == "running" || view->status == "degraded") {
        (void)parts_.life.query_place( // a database that is down counts nothing: `status` says so
            [&](plugins::Datastore& driver, const plugins::Call& call,
                const plugins::Place& place) -> Result<Json> {
                load.machine_memory_bytes = place.machine.memory_bytes;
                load.machine_cores = place.machine.cores;
                if (driver.metrics() != nullptr) {
                    JACKDAW_TRY(load.database, driver.metrics()->load(call));
                }
                return Json{};
            },
            sooner(request.deadline));
    }
    const auto agent = usage_of_process(::getpid());
    load.agent_cpu_us = agent.cpu_us.value_or(0);
    load.agent_memory_bytes = agent.memory_bytes.value_or(0);
    if (view->database_pid > 0) {
        const auto database = usage_of_process(view->database_pid);
        load.database_cpu_us = database.cpu_us;
        load.database_memory_bytes = database.memory_bytes;
    }
    // Last, so that it is of the moment at which the counters were read.
    load.at = as_of();
    load.clock_us = static_cast<std::uint64_t>(runtime::Clock::boottime_ns() / 1000);
    return answer(proto::to_json(load));
}

} // namespace jackdaw::agent
