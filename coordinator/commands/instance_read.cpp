// jackdaw instance list | show

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

/// What gossip tells, by the first agent that answers. Nobody answers: nothing is told, and `as_of`
/// is now.
struct Told {
    std::vector<proto::Instance> instances;
    std::string as_of;
    std::map<std::string, std::string> silent; ///< by machine id: why its agent tells nothing
    std::string alone; ///< whose view of the others it is, when that agent hears none of them now
    std::set<std::string> first_hand; ///< names and ids that such agents told of themselves
};

struct Answer {
    Json list;
    bool is_alone = false; ///< it hears no other
    std::string name;      ///< of the agent, then
};

Result<Answer> answer_of(Session& session, ApiClient& client) {
    Answer answer;
    JACKDAW_TRY(answer.list, get(client, "/v1/instances", session.in(answer_limit)));
    const auto gossip = get(client, "/v1/gossip", session.in(answer_limit));
    answer.is_alone = gossip && hears_no_other(*gossip);
    if (answer.is_alone) {
        JACKDAW_TRY(answer.name, proto::string_at(*gossip, "name", ""));
    }
    return answer;
}

/// `only`: the id of the one that is wanted; empty: all.
Result<void> add(const Json& list, Told& told, std::string_view only = {}) {
    JACKDAW_TRY(told.as_of, proto::string_at(list, "as_of", told.as_of));
    JACKDAW_TRY(const auto items, items_of(list));
    for (const auto& item : items) {
        JACKDAW_TRY(auto one, proto::instance_from(item));
        if (!only.empty() && one.id != only) {
            continue;
        }
        const auto known = std::ranges::find(told.instances, one.id, &proto::Instance::id);
        if (known == told.instances.end()) {
            told.instances.push_back(std::move(one));
        } else if (known->status == "unreachable") { // who has just started has heard nothing yet
            *known = std::move(one);
        }
    }
    return ok();
}

/// Until every machine that is on has been told of: an agent that has just started knows of itself
/// alone for a second or two, and one that hears no other is believed of itself alone, unless no
/// other answers.
Result<Told> ask(Session& session, Reach& reach, const std::vector<cloud::Machine>& machines) {
    Told told{{}, session.now_text(), {}, {}, {}};
    if (reach.local()) {
        JACKDAW_TRY(auto client, reach.any());
        JACKDAW_TRY(const auto answer, answer_of(session, *client));
        JACKDAW_CHECK(add(answer.list, told));
        told.alone = answer.name;
        told.first_hand.insert(answer.name);
        return told;
    }
    const auto is_told = [&](const cloud::Machine& machine) {
        const auto at = std::ranges::find(told.instances, machine.id, &proto::Instance::id);
        return at != told.instances.end() && at->status != "unreachable";
    };
    bool answered = false;
    std::optional<Answer> alone; // the first of them
    for (const auto& machine : machines) {
        if (machine.state != cloud::MachineState::on || (answered && is_told(machine))) {
            continue;
        }
        if (auto client = reach.of_machine(machine)) {
            auto answer = answer_of(session, **client);
            const auto added =
                answer ? add(answer->list, told, answer->is_alone ? machine.id : std::string{})
                       : Result<void>{answer.error().clone()};
            if (added && answer->is_alone) {
                told.first_hand.insert(machine.id);
                alone = alone ? std::move(alone) : *std::move(answer);
            } else if (added) {
                answered = true;
            } else { // another one may
                session.terminal.err(fmt::format("warning: the agent of '{}' tells nothing: {}\n",
                                                 machine.label,
                                                 printable(added.error().to_string())));
                told.silent[machine.id] = proto::shape_of(added.error()).cause;
            }
        }
    }
    if (!answered && alone) {
        JACKDAW_CHECK(add(alone->list, told));
        told.alone = alone->name;
    }
    return told;
}

/// For people: what it tells of others may be long over.
void note_view_of_before(Session& session, const Invocation& invocation, const Told& told,
                         const std::vector<proto::Instance>& shown) {
    const bool is_for_people =
        invocation.format == Format::table || invocation.format == Format::wide;
    const bool tells_of_others = std::ranges::any_of(shown, [&](const proto::Instance& one) {
        return one.status != "unreachable" && !told.first_hand.contains(one.id) &&
               !told.first_hand.contains(one.name);
    });
    if (is_for_people && !told.alone.empty() && tells_of_others) {
        session.terminal.err(of_same_fleet(fmt::format("note: seen by the agent of '{}'{}\n",
                                                       printable(told.alone), view_of_before),
                                           invocation));
    }
}

constexpr std::chrono::milliseconds restart_limit{3'000}; ///< an agent that died is back by then
constexpr std::chrono::milliseconds between_looks{100};

/// "on, 2.00 CPU, 1.0 GiB of memory": what the provider gave it, as far as there is a limit.
std::string machine_words(const proto::Instance& instance, const cloud::Flavor& flavor) {
    auto words = instance.machine_state;
    if (flavor.cpu_millis > 0) {
        words += fmt::format(", {:.2f} CPU", flavor.cpu_millis / 1000.0);
    }
    if (flavor.memory_bytes > 0) {
        words += fmt::format(", {} of memory", format_size(flavor.memory_bytes));
    }
    return words;
}

Json flavor_json(const cloud::Flavor& flavor) {
    return Json{{"cpu_millis", flavor.cpu_millis == 0 ? Json{} : Json(flavor.cpu_millis)},
                {"memory_bytes", flavor.memory_bytes == 0 ? Json{} : Json(flavor.memory_bytes)}};
}

/// What nobody told is null, not zero: gossip has no sizes and no processes.
Json as_told(const proto::Instance& instance) {
    auto json = proto::to_json(instance);
    const auto forget = [&](const char* object, std::initializer_list<const char*> keys) {
        for (const auto* key : keys) {
            json[object][key] = nullptr;
        }
    };
    if (instance.status == "unreachable" || instance.created_at.empty()) {
        json["protect"] = nullptr;
        json["port"] = instance.port == 0 ? Json{} : Json(instance.port);
    }
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

} // namespace

Result<int> instance_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    std::vector<cloud::Machine> machines;
    if (!reach.local()) {
        JACKDAW_TRY(machines, reach.machines());
    }
    JACKDAW_TRY(auto told, ask(session, reach, machines));
    std::vector<MachineView> views;
    for (const auto& machine : machines) {
        views.push_back(view_of(machine));
    }
    const auto records =
        reach.local() ? std::vector<CreateRecord>{} : reach.journal().load_all(); // once for all
    const auto record_of = [&](const std::string& id) -> const CreateRecord* {
        const auto at = std::ranges::find(records, id, &CreateRecord::instance_id);
        return at != records.end() ? &*at : nullptr;
    };
    const auto is_ghost = [&](const std::string& id) {
        const auto* const record = record_of(id);
        return record != nullptr && (is_gone(*record) || is_being_deleted(*record));
    };
    auto view = fleet_view(std::move(told.instances), views, is_ghost);
    Json items = Json::array();
    std::set<std::string> unknown_protection; // ids
    for (auto& one : view.instances) {
        const auto silent = told.silent.find(one.machine_id);
        if (silent != told.silent.end() && one.status == "unreachable") {
            one.reason = silent->second;
        }
        items.push_back(as_told(one));
        // Gossip does not tell it; what is written down here follows each change and power-off.
        const auto* const record =
            items.back().at("protect").is_null() ? record_of(one.id) : nullptr;
        if (record != nullptr) {
            items.back()["protect"] = one.protect = record->request.protect;
        } else if (items.back().at("protect").is_null()) {
            unknown_protection.insert(one.id);
        }
    }
    note_view_of_before(session, invocation, told, view.instances);
    session.terminal.page(
        render_list(proto::list_json("Instance", std::move(items), told.as_of, view.unreachable),
                    instance_table(view.instances, unknown_protection), invocation.format,
                    session.terminal.colour_out()));
    return 0;
}

Result<int> instance_show(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    std::optional<cloud::Machine> machine;
    if (!reach.local()) {
        JACKDAW_TRY(machine, reach.machine(name));
    }
    proto::Instance instance;
    Json shown;
    const auto look = [&]() -> Result<Json> {
        auto client = machine ? reach.of_machine(*machine) : reach.of(name);
        return client ? get(**client, "/v1/instance", session.in(answer_limit))
                      : Result<Json>{std::move(client).error()};
    };
    auto json = look();
    const auto until = session.in(restart_limit);
    while (!json && json.error().id() == Code::unavailable && session.clock.now() < until) {
        session.clock.sleep(between_looks);
        json = look();
    }
    if (json) {
        JACKDAW_TRY(instance, proto::instance_from(*json));
        if (machine) {
            instance.machine_id = machine->id;
            instance.machine_state = cloud::to_string(machine->state);
        }
        shown = proto::to_json(instance);
        for (const auto& path : note_untold(session, *json, proto::to_json(proto::Instance{}))) {
            shown[Json::json_pointer{path}] = nullptr;
        }
    } else if (machine) { // what the provider knows is better than nothing
        auto view = fleet_view({}, {view_of(*machine)});
        instance = std::move(view.instances.front());
        instance.fleet = reach.profile().name;
        if (machine->state == cloud::MachineState::on) {
            instance.reason = fmt::format("its agent: {}", proto::shape_of(json.error()).cause);
        }
        shown = as_told(instance);
    } else {
        return std::move(json).error();
    }
    if (machine && machine->state != cloud::MachineState::damaged) {
        shown["machine"].update(flavor_json(machine->flavor));
        instance.machine_state = machine_words(instance, machine->flavor);
    }
    session.terminal.page(render_object(
        shown, instance_text(instance, session.terminal.colour_out()), invocation.format));
    return 0;
}

} // namespace jackdaw::cli
