// What others see of the life: the instance's view, and what goes into the timeline.
#include <unistd.h>

#include <fmt/format.h>

#include "agent/core/error_line.h"
#include "agent/core/request_words.h"
#include "agent/life/life.h"
#include "agent/life/steps.h"
#include "proto/base/ids.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

void Life::tell(std::string_view kind, std::string text, const std::string& operation) const {
    if (parts_.tell) {
        const auto spec = state_.spec();
        parts_.tell(kind, spec ? spec->name : "", std::move(text), operation);
    }
}

/// An operation has ended: that, and what it meant.
void Life::tell_end(const Record& record) const {
    const auto& shape = record.shape;
    if (shape.action == "instance.resume" && shape.status == "done" &&
        !record.arguments.contains(was_paused)) {
        return; // there was no maintenance to end
    }
    const auto detail = detail_of(shape.action, record.arguments);
    const auto named = fmt::format("{} {}", shape.action, shape.target);
    const auto what = fmt::format(
        "{}{}",
        shape.target.empty() || shape.action.starts_with("instance.") ? shape.action : named,
        detail.empty() ? "" : fmt::format(" ({})", detail));
    if (shape.status == "failed" && shape.error) {
        // A typo inside the database is no trouble of the instance.
        const bool refused = is_refusal(*shape.error) && !shape.action.starts_with("instance.") &&
                             !shape.action.starts_with("volume.");
        auto why = line_of(*shape.error);
        if (why.starts_with(named + ": ")) { // an error of a step says that, too
            why.erase(0, named.size() + 2);
        }
        tell(refused ? "operation.refused" : "operation.failed", fmt::format("{}: {}", what, why),
             shape.id);
        return;
    }
    tell(shape.status == "undone" ? "operation.undone" : "operation.done",
         fmt::format("{} by {}", what, shape.caller), shape.id);
    if (shape.status != "done") {
        return;
    }
    if (shape.action == "config.set") {
        tell("config.changed", detail, shape.id);
    } else if (shape.action == "instance.rename") {
        const auto before = record.arguments.find("before");
        const auto spec = state_.spec();
        if (before != record.arguments.end() && before->is_string() && spec) {
            tell("instance.renamed",
                 fmt::format("'{}' is called '{}' now", before->get_ref<const std::string&>(),
                             spec->name),
                 shape.id);
        }
    } else if (shape.action == "instance.pause") {
        tell("maintenance.begun", "by " + shape.caller, shape.id);
    } else if (shape.action == "instance.resume") {
        tell("maintenance.ended", "by " + shape.caller, shape.id);
    }
}

/// Each mark is told when it is passed upwards, and all again after the fill fell below the first.
void Life::tell_usage(std::uint64_t used_bytes, std::uint64_t size_bytes) {
    const auto percent = size_bytes == 0 ? 0 : static_cast<unsigned>(used_bytes * 100 / size_bytes);
    unsigned passed = 0;
    for (const unsigned mark : {80U, 90U, 95U}) {
        passed = percent >= mark ? mark : passed;
    }
    if (passed > pressure_percent_) {
        tell("volume.pressure", fmt::format("the volume is filled to {} %", percent));
        pressure_percent_ = passed;
    } else if (pressure_percent_ > 0 && percent < 75) {
        tell("volume.relief", fmt::format("the volume is filled to {} %", percent));
        pressure_percent_ = 0;
    }
}

bool Life::was_deleted() const {
    if (state_.spec()) {
        return false;
    }
    const auto& records = operations_.all();
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        const auto& action = record->second.shape.action;
        if (action == "instance.create" || action == "instance.delete") {
            return action == "instance.delete";
        }
    }
    return false;
}

bool Life::refresh_view() {
    deleted_ = was_deleted();
    std::optional<proto::Instance> next;
    if (state_.spec()) {
        next = compose();
    }
    const bool same = next.has_value() == (view_ != nullptr) &&
                      (!next || proto::to_json(*next) == proto::to_json(*view_));
    if (!same) {
        auto shared = next ? std::make_shared<const proto::Instance>(*std::move(next)) : nullptr;
        const std::lock_guard lock{view_mutex_};
        view_ = std::move(shared);
    }
    return !same;
}

void Life::publish() {
    {
        const std::lock_guard lock{core_mutex_};
        if (!refresh_view()) {
            return;
        }
    }
    parts_.on_change({});
}

proto::Instance Life::compose() const {
    const auto held = state_.spec();
    const auto& spec = *held;
    const auto facts = state_.facts();
    proto::Instance view;
    view.name = spec.name;
    view.id = spec.id;
    view.fleet = spec.fleet;
    view.datastore = spec.datastore;
    view.version = facts.installed_version.empty() ? spec.version : facts.installed_version;
    view.machine_id = spec.id;
    view.machine_state = "on";
    view.address = spec.address;
    view.port = slot_.place.port != 0 ? slot_.place.port : spec.port;
    view.volume_size_bytes = volume_size_ != 0 ? volume_size_ : spec.volume_size_bytes;
    view.volume_used_bytes = volume_used_;
    view.agent_version = settings_.agent_version;
    view.agent_pid = ::getpid();
    view.agent_since = agent_since_;
    view.database_pid = database_.link != nullptr ? database_.status.child_pid : 0;
    view.database_since = database_.link != nullptr ? database_.since : "";
    view.database_restarts = facts.restarts;
    view.protect = spec.protect;
    view.pending_restart = facts.pending_restart;
    if (facts.maintenance_until_ms != 0) {
        view.maintenance_until = rfc3339(facts.maintenance_until_ms);
        view.maintenance_by = facts.maintenance_by;
    }
    view.warnings = concerns_.warnings();
    view.created_at = spec.created_at;
    if (slot_.driver != nullptr) {
        view.connection_uri = slot_.driver->connection_uri(spec.address, view.port);
        view.connection_note = "client connections are not encrypted yet";
    }
    const auto* const running = operations_.running();
    const Record* last_create = nullptr;
    if (!facts.created) { // with it there may be 10,000
        for (const auto& [id, record] : operations_.all()) {
            last_create = record.shape.action == "instance.create" ? &record : last_create;
        }
    }
    const auto failed = [&](const proto::ErrorShape& error) {
        view.status = "failed";
        view.reason = line_of(error);
    };
    if (running != nullptr && running->shape.action == "instance.delete") {
        view.status = "deleting";
    } else if (!facts.created) {
        view.status = "building";
        if (last_create != nullptr && last_create->shape.error) {
            failed(*last_create->shape.error);
        }
    } else if (!facts.wanted_running && running == nullptr && database_.link != nullptr) {
        view.status = "degraded";
        view.reason = "it was to be stopped and still runs: `jackdaw instance stop` ends it";
    } else if (!facts.wanted_running) {
        view.status = "stopped";
    } else if (last_failure_ && database_.link == nullptr) {
        failed(*last_failure_);
    } else if (database_.link == nullptr || !database_.answers) {
        view.status = "degraded";
        // Maintenance starts nothing; an operation still does.
        const bool held_back = facts.maintenance_until_ms != 0 && running == nullptr;
        view.reason = !guard_silent_.empty() ? guard_silent_
                      : database_.link == nullptr
                          ? held_back ? "the database has ended, and maintenance starts nothing by "
                                        "itself: `jackdaw instance start`, or `resume`"
                                      : "the database is being started"
                      : database_.detail.empty() ? "the database does not answer yet"
                                                 : database_.detail;
    } else if (database_.volume_full || volume_full_) {
        view.status = "degraded";
        view.reason = "the volume is full";
    } else {
        view.status = "running";
        if (!state_.configuration().refused.empty()) {
            view.reason = "it runs on its last good configuration: on the new one it did not start";
        }
    }
    return view;
}

} // namespace jackdaw::agent
