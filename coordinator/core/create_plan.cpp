#include "coordinator/core/create_plan.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace jackdaw::cli {
namespace {

constexpr std::array steps{CreateStep::network, CreateStep::volume,   CreateStep::machine,
                           CreateStep::boot,    CreateStep::identity, CreateStep::hand_over,
                           CreateStep::submit};

proto::Step& step_of(CreateRecord& record, CreateStep step) {
    const auto at = std::ranges::find(record.operation.steps, step_name(step), &proto::Step::name);
    assert(at != record.operation.steps.end());
    return *at;
}

bool has_ended(std::string_view status) {
    return status == "done" || status == "failed" || status == "undone";
}

} // namespace

std::string_view step_name(CreateStep step) noexcept {
    switch (step) {
    case CreateStep::network: return "network";
    case CreateStep::volume: return "volume.create";
    case CreateStep::machine: return "machine.create";
    case CreateStep::boot: return "machine.boot";
    case CreateStep::identity: return "agent.identity";
    case CreateStep::hand_over: return "agent.hand-over";
    case CreateStep::submit: return "agent.submit";
    case CreateStep::watch: return "watch";
    case CreateStep::ended: return "ended";
    }
    return "?";
}

std::string_view step_words(CreateStep step) noexcept {
    switch (step) {
    case CreateStep::network: return "make the fleet's network";
    case CreateStep::volume: return "make its volume";
    case CreateStep::machine: return "make its machine";
    case CreateStep::boot: return "start its machine";
    case CreateStep::identity: return "read its agent's keys";
    case CreateStep::hand_over: return "hand it to its agent";
    case CreateStep::submit: return "have its agent make it";
    case CreateStep::watch:
    case CreateStep::ended: break;
    }
    return "follow it";
}

CreateRecord begin_create(CreateRequest request, std::string fleet, std::string operation_id,
                          std::string instance_id, std::string now, std::string caller) {
    CreateRecord record;
    record.fleet = std::move(fleet);
    record.instance_id = std::move(instance_id);
    auto& operation = record.operation;
    operation.id = std::move(operation_id);
    operation.action = "instance.create";
    operation.target = request.name;
    operation.status = "running";
    operation.caller = std::move(caller);
    operation.created_at = std::move(now);
    for (const auto step : steps) {
        proto::Step one;
        one.name = step_name(step);
        operation.steps.push_back(std::move(one));
    }
    record.request = std::move(request);
    return record;
}

bool is_being_deleted(const CreateRecord& record) noexcept {
    return record.deletion && record.deletion->status != "done";
}

bool is_gone(const CreateRecord& record) noexcept {
    return record.operation.status == "undone" ||
           (record.deletion && record.deletion->status == "done");
}

CreateStep next_step(const CreateRecord& record) noexcept {
    const auto& status = record.operation.status;
    if (status == "done" || status == "undone" || record.deletion) {
        return CreateStep::ended;
    }
    for (const auto step : steps) {
        const auto at =
            std::ranges::find(record.operation.steps, step_name(step), &proto::Step::name);
        if (at == record.operation.steps.end() || at->status != "done") {
            return step;
        }
    }
    return CreateStep::watch;
}

void step_started(CreateRecord& record, CreateStep step, std::string now) {
    auto& one = step_of(record, step);
    one.status = "running";
    one.started_at = std::move(now);
    one.ended_at.clear();
    one.error.reset();
    record.operation.status = "running";
    record.operation.error.reset();
    record.operation.ended_at.clear();
}

void step_done(CreateRecord& record, CreateStep step, std::string now, std::int64_t took_us) {
    auto& one = step_of(record, step);
    one.status = "done";
    one.progress = 1;
    one.duration_us = took_us;
    one.ended_at = std::move(now);
}

void step_failed(CreateRecord& record, CreateStep step, std::string now,
                 const proto::ErrorShape& error) {
    if (step != CreateStep::watch && step != CreateStep::ended) {
        auto& one = step_of(record, step);
        one.status = "failed";
        one.error = error;
        one.ended_at = now;
    }
    record.operation.status = "failed";
    record.operation.error = error;
    record.operation.ended_at = std::move(now);
}

void reopen_from(CreateRecord& record, CreateStep step) {
    bool reached = false;
    for (const auto one : steps) {
        reached = reached || one == step;
        if (reached) {
            step_of(record, one).status = "pending";
        }
    }
    record.operation.status = "running";
    record.operation.error.reset();
    record.operation.ended_at.clear();
}

void goes_back(CreateRecord& record, std::string now, const proto::ErrorShape& why) {
    record.going_back = true;
    record.agent_has_it = false;
    record.operation.status = "failed"; // `undone` is what has nothing left
    record.operation.error = why;
    record.operation.ended_at = std::move(now);
}

void undone(CreateRecord& record, std::string now, const proto::ErrorShape& error) {
    for (auto& step : record.operation.steps) {
        if (step.status == "done") {
            step.status = "undone";
        }
    }
    record.operation.status = "undone";
    record.operation.error = error;
    record.operation.ended_at = std::move(now);
    record.agent_has_it = false;
}

proto::Operation merged(const CreateRecord& record, const proto::Operation& agent) {
    auto all = record.operation;
    all.steps.insert(all.steps.end(), agent.steps.begin(), agent.steps.end());
    all.status = agent.status == "queued" ? "running" : agent.status;
    all.error = agent.error;
    all.ended_at = agent.ended_at;
    all.deadline = agent.deadline;
    all.seconds_left = agent.seconds_left;
    all.abort_requested = agent.abort_requested;
    // The agent's part is nearly all of the time; ours is done by now.
    constexpr double our_share = 0.1;
    all.progress = has_ended(all.status) && all.status == "done"
                       ? 1
                       : our_share + (1 - our_share) * std::clamp(agent.progress, 0.0, 1.0);
    return all;
}

bool takes_back(CreateStep step, Errc reaction) noexcept {
    const bool refused = reaction == Errc::invalid || reaction == Errc::unsupported;
    // Before there is a machine nothing but a volume can have been made, and no agent has seen it.
    const bool before_machine =
        step == CreateStep::network || step == CreateStep::volume || step == CreateStep::machine;
    const bool hopeless = reaction == Errc::not_found || reaction == Errc::conflict ||
                          reaction == Errc::exhausted || reaction == Errc::not_allowed;
    return refused || (before_machine && hopeless);
}

const std::string& name_of(const CreateRecord& record) noexcept {
    return record.label.empty() ? record.request.name : record.label;
}

bool is_orphan(const CreateRecord& record, bool coordinator_lives) noexcept {
    if (is_gone(record)) {
        return true;
    }
    if (record.deletion) {
        return !coordinator_lives;
    }
    return !record.agent_has_it && record.operation.status != "done" && !coordinator_lives;
}

std::string stamped_for(const std::vector<CreateRecord>& records, std::string_view volume_id) {
    const auto at = std::ranges::find_if(records, [&](const CreateRecord& record) {
        return record.volume_id == volume_id &&
               (record.request.attach_serial.empty() || record.operation.status == "done");
    });
    return at == records.end() ? std::string{} : at->instance_id;
}

std::string difference(const CreateRequest& wanted, const CreateRequest& record) {
    const auto same_accounts = [](const proto::UserSpec& a, const proto::UserSpec& b) {
        return a.name == b.name && a.host == b.host && a.databases == b.databases;
    };
    if (wanted.datastore != record.datastore || wanted.version != record.version) {
        return "--datastore";
    }
    if (wanted.volume_size_bytes != record.volume_size_bytes ||
        wanted.volume_type != record.volume_type || wanted.attach_serial != record.attach_serial) {
        return "volume";
    }
    if (wanted.filesystem != record.filesystem) {
        return "--fs";
    }
    if (wanted.cpu_millis != record.cpu_millis || wanted.memory_bytes != record.memory_bytes) {
        return "--flavor";
    }
    if (wanted.databases != record.databases) {
        return "--database";
    }
    if (!std::ranges::equal(wanted.users, record.users, same_accounts)) {
        return "--user";
    }
    if (wanted.allow != record.allow) {
        return "--allow";
    }
    if (wanted.root_disk_bytes != record.root_disk_bytes) {
        return "--root-disk";
    }
    if (wanted.agent_folder != record.agent_folder) {
        return "--agent";
    }
    if (wanted.take_over_id != record.take_over_id) {
        return "--take-over";
    }
    if (wanted.format_serial != record.format_serial) {
        return "--format";
    }
    if (wanted.protect && !record.protect) { // it would be taken for protected
        return "--protect";
    }
    return {};
}

proto::InstanceSpec spec_for_agent(const CreateRecord& record) {
    const auto& request = record.request;
    proto::InstanceSpec spec;
    spec.name = name_of(record);
    spec.id = record.instance_id;
    spec.fleet = record.fleet;
    spec.datastore = request.datastore;
    spec.version = request.version;
    spec.volume_size_bytes = request.volume_size_bytes;
    spec.volume_serial = record.volume_serial;
    spec.filesystem = request.filesystem;
    spec.format_serial = request.format_serial;
    spec.take_over_id = request.take_over_id;
    spec.address = record.address;
    spec.allow = request.allow;
    spec.databases = request.databases;
    spec.users = request.users;
    spec.protect = request.protect;
    spec.created_at = record.operation.created_at;
    return spec;
}

} // namespace jackdaw::cli
