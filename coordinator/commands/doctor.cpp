// jackdaw doctor: the host, the fleet and its agents; what is not well, why, and what mends it.
// Looks only.

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/held_keys.h"
#include "coordinator/commands/ownership.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/fleet_health.h"
#include "proto/base/ids.h"
#include "proto/base/rfc3339.h"
#include "proto/wire/health_json.h"

#ifndef JACKDAW_VERSION
#error "the build names the version"
#endif

namespace jackdaw::cli {
namespace {

using proto::FindingShape;
using Findings = std::vector<FindingShape>;

/// One that hangs holds the others' findings up. Asking its database takes an agent three seconds
/// at most.
constexpr std::chrono::milliseconds look_limit{5'000};
constexpr int degraded = 3; // CLI.md, exit status of health verbs

void append(Findings& all, Findings more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

FindingShape of_host(const cloud::Finding& one) {
    using State = cloud::Finding::State;
    using Weight = cloud::Finding::Weight;
    return {"host",
            one.name,
            "",
            one.state == State::ok    ? "ok"
            : one.state == State::bad ? "bad"
                                      : "unknown",
            one.weight == Weight::info      ? "info"
            : one.weight == Weight::warning ? "warning"
                                            : "error",
            one.cause,
            one.mend};
}

FindingShape unseen(std::string area, std::string name, const Error& error) {
    const auto shape = proto::shape_of(error);
    return {std::move(area), std::move(name), "", "unknown", "error", shape.cause, shape.hint};
}

/// Its version, its clock, what it says of itself.
void ask_agent(Session& session, ApiClient& client, MachineHealth& machine) {
    const auto version = get(client, "/v1/version", session.in(look_limit));
    if (!version) {
        machine.silent = proto::shape_of(version.error());
        return;
    }
    machine.agent_version = proto::string_at(*version, "version", "").value_or("");
    const auto asked_at = session.clock.wall_ms();
    const auto told = get(client, "/v1/doctor", session.in(look_limit));
    const auto read = [&]() -> Result<void> {
        JACKDAW_TRY(const auto list, told ? Result<Json>{*told} : told.error().clone());
        JACKDAW_TRY(const auto items, items_of(list));
        for (const auto& item : items) {
            JACKDAW_TRY(auto one, proto::finding_from(item));
            machine.told.push_back(std::move(one));
        }
        // Taken at its answer's end: what it was busy with, up to then, is no skew.
        JACKDAW_TRY(const auto as_of, proto::string_at(list, "as_of", ""));
        const auto now = session.clock.wall_ms();
        const auto at = unix_ms_of(as_of);
        if (at && (*at < asked_at || *at > now)) {
            machine.clock_ahead_ms = *at < asked_at ? *at - asked_at : *at - now;
        }
        return ok();
    }();
    if (!read) {
        machine.told.clear();
        machine.untold = proto::shape_of(read.error());
    }
}

/// The first one that tells of members is believed: who hears others, if one does.
void ask_members(Session& session, ApiClient& client, bool is_alone, FleetHealth& seen) {
    if (seen.members_told && (is_alone || !seen.members_alone)) {
        return;
    }
    const auto list = get(client, "/v1/members", session.in(look_limit));
    const auto items = list ? items_of(*list) : list.error().clone();
    if (!items) {
        return; // the agent's own finding says that it does not answer
    }
    seen.members_told = true;
    seen.members_alone = is_alone;
    seen.members.clear();
    for (const auto& item : *items) {
        if (auto one = proto::member_from(item)) {
            seen.members.push_back(*std::move(one));
        }
    }
}

/// What the provider has of it; its agent is not asked.
MachineHealth as_provided(Reach& reach, const cloud::Machine& machine) {
    MachineHealth health;
    health.name = machine.label;
    health.id = machine.id;
    health.address = machine.address;
    health.state = cloud::to_string(machine.state);
    health.cut = machine.cut;
    health.wanted_on = machine.wanted_on;
    health.warnings = machine.warnings;
    if (machine.id.empty()) { // of a damaged record; the journal knows whose it was
        const auto known = reach.journal().of_machine(machine.name);
        health.id = known ? known->instance_id : "";
    }
    return health;
}

MachineHealth look_at(Session& session, Reach& reach, const cloud::Machine& machine,
                      FleetHealth& seen) {
    auto health = as_provided(reach, machine);
    if (machine.state != cloud::MachineState::on) {
        return health;
    }
    if (auto client = reach.of_machine(machine)) {
        ask_agent(session, **client, health);
        // A create that has not come so far is told of by itself.
        const auto record = reach.journal().of_instance(machine.id);
        const auto instance = get(**client, "/v1/instance", session.in(look_limit));
        health.has_no_instance = !instance && instance.error().id() == Code::not_found &&
                                 (!record || record->agent_has_it) &&
                                 (!record || !is_being_deleted(*record));
        if (record && record->operation.status != "done") {
            const auto create =
                get(**client, "/v1/operations/" + record->operation.id, session.in(look_limit));
            const auto status =
                create ? proto::string_at(*create, "status", "") : create.error().clone();
            if (status && *status == "failed") {
                health.failed_create = record->operation.id;
            }
        }
        const auto gossip = get(**client, "/v1/gossip", session.in(look_limit));
        if (gossip) {
            health.keys = held_keys_of(*gossip).ids;
        }
        ask_members(session, **client, gossip && hears_no_other(*gossip), seen);
    } else {
        health.silent = proto::shape_of(client.error());
    }
    return health;
}

void look_at_journal(const OpJournal& journal, FleetHealth& seen) {
    seen.unreadable = journal.unreadable();
    for (const auto& record : journal.load_all()) {
        const bool going = is_being_deleted(record);
        if (going || (!record.agent_has_it && !is_gone(record))) {
            const auto lock = journal.lock(record.request.name);
            seen.unfinished.push_back( // by the name that its commands find it by
                {name_of(record), record.operation.id, going, !lock.has_value()});
        }
    }
}

void look_at_garbage(cloud::Provider& provider, const OpJournal& journal, FleetHealth& seen) {
    Ownership ownership{journal};
    const auto items = provider.collect_garbage(ownership.request(true));
    if (!items) {
        seen.garbage_unknown = proto::shape_of(items.error());
        return;
    }
    for (const auto& item : *items) {
        if (!item.stays) { // what stays is damaged, and told of as such
            seen.garbage.emplace_back(item.kind + " " + item.name, item.why);
        }
    }
}

/// What is written down here of the fleet itself.
FleetHealth known_of(Session& session, Reach& reach) {
    FleetHealth seen;
    seen.fleet = reach.profile().name;
    seen.version = JACKDAW_VERSION;
    if (const auto ring = read_gossip_ring(session.folders, seen.fleet)) {
        seen.ring = ids_of(*ring);
    }
    return seen;
}

Result<Findings> look_at_fleet(Session& session, Reach& reach) {
    auto seen = known_of(session, reach);
    seen.keys_folder = session.folders.fleet(seen.fleet).string();
    if (const auto keys = load_keys(session.folders, seen.fleet); !keys) {
        seen.keys = proto::shape_of(keys.error());
    }
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    auto& provider = cloud->provider();
    JACKDAW_TRY(const auto network, provider.describe_network());
    if (network) {
        seen.subnet = network->subnet;
        seen.network_present = network->present;
    }
    JACKDAW_TRY(const auto volumes, provider.volumes());
    for (const auto& volume : volumes) {
        if (volume.damaged) {
            seen.damaged_volumes.push_back(volume.id);
        }
    }
    JACKDAW_TRY(const auto machines, reach.machines());
    for (const auto& machine : machines) {
        seen.machines.push_back(look_at(session, reach, machine, seen));
    }
    look_at_journal(reach.journal(), seen);
    look_at_garbage(provider, reach.journal(), seen);
    return examine_fleet(seen);
}

/// How the fleet sees its members, by the first agent but that of `machine` that hears others.
void ask_others(Session& session, Reach& reach, const std::vector<cloud::Machine>& machines,
                const cloud::Machine& machine, FleetHealth& seen) {
    for (const auto& one : machines) {
        if (one.name == machine.name || one.state != cloud::MachineState::on) {
            continue;
        }
        if (auto client = reach.of_machine(one)) {
            const auto gossip = get(**client, "/v1/gossip", session.in(look_limit));
            ask_members(session, **client, gossip && hears_no_other(*gossip), seen);
        }
        if (seen.members_told && !seen.members_alone) {
            return;
        }
    }
}

Result<Findings> look_at_instance(Session& session, Reach& reach, const std::string& name) {
    if (reach.local()) {
        FleetHealth seen;
        seen.version = JACKDAW_VERSION;
        MachineHealth machine;
        machine.name = name;
        machine.state = "on";
        JACKDAW_TRY(auto client, name.empty() ? reach.any() : reach.of(name));
        ask_agent(session, *client, machine);
        auto all = examine_machine(seen, machine);
        std::erase_if(all, [](const FindingShape& one) { return one.area == "fleet"; });
        return all;
    }
    JACKDAW_TRY(const auto found, reach.machine(name));
    JACKDAW_TRY(const auto machines, reach.machines());
    auto seen = known_of(session, reach);
    ask_others(session, reach, machines, found, seen);
    auto own = look_at(session, reach, found, seen);
    for (const auto& one : machines) {
        if (one.name != found.name) {
            seen.machines.push_back(as_provided(reach, one));
        }
    }
    seen.machines.push_back(std::move(own));
    look_at_journal(reach.journal(), seen);
    return examine_one(seen, seen.machines.back());
}

bool is_silent(const Findings& all) {
    return std::ranges::any_of(all, [](const FindingShape& one) {
        return one.area == "agent" && one.name == "agent" && one.state == "bad";
    });
}

/// A host without a fleet is looked at, too: that is when it matters most.
Result<Findings> look_around(Session& session, const Invocation& invocation) {
    Findings all;
    auto reach = Reach::find(session, invocation);
    if (!reach && (!invocation.fleet.empty() || invocation.has("NAME"))) {
        return std::move(reach).error();
    }
    if (reach && (invocation.has("NAME") || invocation.local)) {
        return look_at_instance(session, *reach, invocation.text("NAME"));
    }
    const bool has_fleet = reach && !reach->local();
    if (reach && reach->local()) { // the socket of an agent that is gone may be all there is
        auto agent = look_at_instance(session, *reach, "");
        if (!agent || !is_silent(*agent)) {
            return agent;
        }
        append(all, *std::move(agent));
    } else if (!reach && reach.error().id() != Code::no_profile) {
        all.push_back(unseen("fleet", "profile", reach.error()));
    }
    JACKDAW_TRY(const auto cloud,
                session.open_cloud(has_fleet ? reach->profile().provider : "local",
                                   has_fleet ? reach->profile().name : "doctor"));
    JACKDAW_TRY(const auto host, cloud->provider().doctor());
    std::ranges::transform(host, std::back_inserter(all), of_host);
    if (has_fleet) {
        if (auto fleet = look_at_fleet(session, *reach)) {
            append(all, *std::move(fleet));
        } else {
            all.push_back(unseen("fleet", "records", fleet.error()));
        }
    }
    return all;
}

Cell state_cell(const FindingShape& one) {
    if (one.state != "bad") {
        return {one.state, one.state == "ok" ? Style::good : Style::dim};
    }
    return {one.severity, one.severity == "error"     ? Style::bad
                          : one.severity == "warning" ? Style::warning
                                                      : Style::plain};
}

/// With the --fleet or --local that was given. What mends is a command alone, or says more and has
/// its commands in backquotes.
FindingShape of_this_fleet(FindingShape one, const Invocation& invocation) {
    one.cause = of_same_fleet(std::move(one.cause), invocation);
    if (one.mend.starts_with("jackdaw ")) {
        const auto quoted = of_same_fleet(fmt::format("`{}`", one.mend), invocation);
        one.mend = quoted.substr(1, quoted.size() - 2);
    } else {
        one.mend = of_same_fleet(std::move(one.mend), invocation);
    }
    return one;
}

/// For -o name: what is meant does not stand in its name alone.
std::string handle_of(const FindingShape& one) {
    return fmt::format("{}/{}/{}", one.area, one.subject.empty() ? "-" : one.subject, one.name);
}

std::string counted(const Findings& all) {
    const auto bad = [&](std::string_view severity) {
        return std::ranges::count_if(all, [&](const FindingShape& one) {
            return one.state == "bad" && one.severity == severity;
        });
    };
    const auto unknown = std::ranges::count(all, std::string{"unknown"}, &FindingShape::state);
    auto text = fmt::format("looked at {}: {} with an error, {} with a warning, {} to know",
                            all.size(), bad("error"), bad("warning"), bad("info"));
    if (unknown > 0) {
        text += fmt::format(", {} could not be looked at", unknown);
    }
    return text + "\n";
}

} // namespace

Result<int> doctor(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto all, look_around(session, invocation));
    for (auto& one : all) {
        one = of_this_fleet(std::move(one), invocation);
        if (one.state == "ok") { // an earlier agent says what it would be, were it bad
            one.severity = "info";
        }
    }
    Table table{{{"AREA"}, {"WHAT"}, {"OF"}, {"STATE"}, {"WHY"}, {"MEND WITH"}}, {}};
    Json items = Json::array();
    bool bad = false;
    for (const auto& one : all) {
        bad = bad || (one.state == "bad" && one.severity == "error");
        if (invocation.format != Format::name) {
            items.push_back(proto::to_json(one));
        } else if (one.state != "ok") {
            items.push_back(Json{{"name", handle_of(one)}});
        }
        if (one.state != "ok" || invocation.format == Format::wide) {
            table.rows.push_back(
                {{one.area}, {one.name}, {one.subject}, state_cell(one), {one.cause}, {one.mend}});
        }
    }
    session.terminal.page(
        render_list(proto::list_json("Finding", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    if (invocation.format == Format::table || invocation.format == Format::wide) {
        session.terminal.err(counted(all));
    }
    return bad ? degraded : 0;
}

} // namespace jackdaw::cli
