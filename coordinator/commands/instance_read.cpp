// jackdaw instance list | show

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

/// What gossip tells, by the first agent that answers. Nobody answers: nothing is told, and `as_of`
/// is now.
struct Told {
    std::vector<proto::Instance> instances;
    std::string as_of;
};

Result<Told> ask(Session& session, Reach& reach) {
    auto client = reach.any();
    if (!client) {
        if (reach.local()) {
            return std::move(client).error();
        }
        return Told{{}, session.now_text()};
    }
    JACKDAW_TRY(const auto json, get(**client, "/v1/instances", session.in(answer_limit)));
    Told told;
    JACKDAW_TRY(told.as_of, proto::string_at(json, "as_of", session.now_text()));
    const auto items = json.find("items");
    if (items == json.end() || !items->is_array() || items->size() > proto::list_items_max) {
        return Error{Code::protocol, "the list of instances has no 'items'"};
    }
    for (const auto& item : *items) {
        JACKDAW_TRY(auto one, proto::instance_from(item));
        told.instances.push_back(std::move(one));
    }
    return told;
}

/// What nobody told is null, not zero: gossip has no sizes and no processes.
Json as_told(const proto::Instance& instance) {
    auto json = proto::to_json(instance);
    const auto forget = [&](const char* object, std::initializer_list<const char*> keys) {
        for (const auto* key : keys) {
            json[object][key] = nullptr;
        }
    };
    if (instance.volume_size_bytes == 0) {
        forget("volume", {"size_bytes", "used_bytes"});
    }
    if (instance.agent_pid == 0) {
        forget("agent", {"pid"});
    }
    if (instance.database_pid == 0) {
        forget("database_process", {"pid", "restarts"});
    }
    return json;
}

Result<std::vector<MachineView>> known_machines(Reach& reach) {
    std::vector<MachineView> views;
    if (reach.local()) {
        return views;
    }
    JACKDAW_TRY(const auto machines, reach.machines());
    for (const auto& machine : machines) {
        views.push_back(view_of(machine));
    }
    return views;
}

} // namespace

Result<int> instance_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto told, ask(session, reach));
    JACKDAW_TRY(const auto machines, known_machines(reach));
    const auto is_ghost = [&](const std::string& id) {
        const auto record = reach.local() ? std::nullopt : reach.journal().of_instance(id);
        return record && (is_gone(*record) || is_being_deleted(*record));
    };
    const auto view = fleet_view(std::move(told.instances), machines, is_ghost);
    Json items = Json::array();
    for (const auto& one : view.instances) {
        items.push_back(as_told(one));
    }
    session.terminal.out(render_list(
        proto::list_json("Instance", std::move(items), told.as_of, view.unreachable),
        instance_table(view.instances), invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> instance_show(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    std::optional<cloud::Machine> machine;
    if (!reach.local()) {
        JACKDAW_TRY(machine, reach.machine(name));
    }
    auto client = machine ? reach.of_machine(*machine) : reach.of(name);
    proto::Instance instance;
    Json shown;
    auto json = client ? get(**client, "/v1/instance", session.in(answer_limit))
                       : Result<Json>{std::move(client).error()};
    if (json) {
        JACKDAW_TRY(instance, proto::instance_from(*json));
        if (machine) {
            instance.machine_id = machine->id;
            instance.machine_state = cloud::to_string(machine->state);
        }
        shown = proto::to_json(instance);
    } else if (machine) { // what the provider knows is better than nothing
        auto view = fleet_view({}, {view_of(*machine)});
        instance = std::move(view.instances.front());
        if (machine->state == cloud::MachineState::on) {
            instance.reason = json.error().to_string();
        }
        shown = as_told(instance);
    } else {
        return std::move(json).error();
    }
    session.terminal.out(render_object(
        shown, instance_text(instance, session.terminal.colour_out()), invocation.format));
    return 0;
}

} // namespace jackdaw::cli
