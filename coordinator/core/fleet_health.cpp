#include "coordinator/core/fleet_health.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "coordinator/core/fleet_findings.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

using proto::FindingShape;

/// Beyond it times in operations and timelines of different machines cannot be put in order.
constexpr std::int64_t clock_skew_max_ms = 2'000;

/// Without the sentence that stands for every error of its code.
std::string said(const proto::ErrorShape& error) {
    const auto* const row = find_code(error.code);
    if (error.cause.empty() || (row != nullptr && error.message == row->text)) {
        return error.cause.empty() ? error.message : error.cause;
    }
    return error.message + ": " + error.cause;
}

FindingShape power_of(const MachineHealth& machine) {
    const auto& name = machine.name;
    const auto finding = [&](std::string cause, const char* severity, std::string mend) {
        return of_fleet("machine", name, std::move(cause), severity, std::move(mend));
    };
    if (machine.state == "damaged") {
        return finding("what is written down of it cannot be read or is gone", "error",
                       fmt::format("restore its machine.json from a copy; `jackdaw instance delete "
                                   "{}` removes it with all its data",
                                   name));
    }
    if (machine.state == "frozen") {
        return finding("it is frozen: its database answers nobody", "error",
                       "jackdaw machine thaw " + name);
    }
    if (machine.state == "making") {
        return finding("it was never finished", "warning",
                       fmt::format("the same `jackdaw instance create {}` again, or `jackdaw "
                                   "instance delete {}`",
                                   name, name));
    }
    if (machine.state == "off" && machine.wanted_on) {
        return finding("it was on and is off: the host was restarted, or its first process died",
                       "error", "jackdaw machine power-on " + name);
    }
    if (machine.state == "off") {
        return finding("it was switched off: its database answers nobody", "error",
                       "jackdaw machine power-on " + name);
    }
    if (machine.cut) {
        return finding("it is cut from the network, in part or as a whole", "error",
                       "jackdaw machine heal " + name);
    }
    return finding("", "error", "");
}

/// What `jackdaw member` finds it by: a name that several have stands for one that lives.
const std::string& word_for(const FleetHealth& seen, const proto::MemberShape& member) {
    const bool is_one =
        std::ranges::count(seen.members, member.name, &proto::MemberShape::name) == 1;
    return is_one || member.id.empty() ? member.name : member.id;
}

/// What brings a member back that the others do not hear.
std::string mend_of_member(const FleetHealth& seen, const proto::MemberShape& member,
                           const MachineHealth* machine) {
    if (machine == nullptr) { // nothing is left that could come back
        return "jackdaw member forget " + word_for(seen, member);
    }
    const auto& name = machine->name;
    if (machine->state == "damaged") { // what is told of it says more
        return "jackdaw doctor " + name;
    }
    if (machine->state == "frozen") {
        return "jackdaw machine thaw " + name;
    }
    if (machine->state != "on") {
        return "jackdaw machine power-on " + name;
    }
    if (machine->cut) {
        return "jackdaw machine heal " + name;
    }
    if (machine->silent) { // what is told of its agent says more
        return "jackdaw doctor " + name;
    }
    if (!seen.ring.empty() && !machine->keys.empty() &&
        !machine->keys.contains(seen.ring.rbegin()->first)) {
        return "jackdaw key rotate";
    }
    return fmt::format("`jackdaw key rotate`, if it missed a key; `jackdaw member why {}` says how "
                       "it came",
                       word_for(seen, member));
}

/// Left by its own word, and not because it is no more: the others tell of it for a day, then
/// nobody.
bool left_though_there(const FleetHealth& seen, const proto::MemberShape& member,
                       const MachineHealth& machine) {
    return member.status == "left" && member.instance == machine.id && machine.state == "on" &&
           !machine.silent && !machine.has_no_instance &&
           std::ranges::none_of(seen.members, [&](const proto::MemberShape& other) {
               return other.status == "alive" && other.instance == member.instance;
           });
}

void look_at_unfinished(const FleetHealth& seen, std::vector<FindingShape>& all) {
    for (const auto& one : seen.unfinished) {
        all.push_back(of_fleet(
            one.is_delete ? "unfinished delete" : "unfinished create", one.name,
            one.somebody_works ? "" : "the coordinator that worked on it has ended", "warning",
            one.is_delete ? fmt::format("jackdaw instance delete {}", one.name)
                          : fmt::format("the same `jackdaw instance create {}` again, or `jackdaw "
                                        "fleet gc {}`",
                                        one.name, seen.fleet)));
    }
}

void look_at_members(const FleetHealth& seen, std::vector<FindingShape>& all) {
    if (!seen.members_told) {
        return; // each silent agent is told of by itself
    }
    std::map<std::string, int> alive;
    for (const auto& one : seen.members) {
        alive[one.name] += one.status == "alive" ? 1 : 0;
    }
    for (const auto& one : seen.members) {
        const bool bad = one.status == "suspect" || one.status == "down";
        const auto* const machine = machine_of(seen, one);
        all.push_back(of_fleet(
            "member", one.name,
            bad ? fmt::format("the others see it as {} since {}", one.status, one.since) : "",
            one.status == "down" ? "error" : "warning",
            bad ? mend_of_member(seen, one, machine) : ""));
        if (machine != nullptr && left_though_there(seen, one, *machine)) {
            all.push_back(of_fleet(
                "left the fleet", machine->name,
                "its agent left the fleet's gossip, and is there: no other agent tells of it",
                "warning",
                fmt::format(
                    "`jackdaw op abort` again, if it was to be taken back (`jackdaw op list "
                    "{0}`); else `jackdaw machine power-off {0}`, then power-on: an agent "
                    "that starts joins",
                    machine->name)));
        }
        if (one.status == "alive" && !one.instance.empty() && machine == nullptr) {
            all.push_back(of_fleet("agent without machine", one.name,
                                   "gossip tells of it, and this host has no machine of it", "info",
                                   "jackdaw member show " + word_for(seen, one)));
        }
    }
    std::map<std::string, int> versions;
    for (const auto& one : seen.members) {
        if (one.status == "alive" && !one.version.empty()) {
            ++versions[one.version];
        }
    }
    std::string skewed;
    for (const auto& [version, count] : versions) {
        skewed += fmt::format("{}{} of {}", skewed.empty() ? "" : ", ", count, version);
    }
    all.push_back(of_fleet("member versions", "",
                           versions.size() > 1 ? "agents of several versions: " + skewed : "",
                           "warning",
                           "bring all agents to one version: `jackdaw image build DATASTORE "
                           "--force`"));
    for (const auto& [name, count] : alive) {
        if (count > 1) {
            all.push_back(of_fleet("name conflict", name,
                                   fmt::format("{} agents that are alive have this name", count),
                                   "error",
                                   "`jackdaw member list -o wide` tells their ids; delete one of "
                                   "their instances"));
        }
    }
}

void look_at_agent(const FleetHealth& fleet, const MachineHealth& machine,
                   std::vector<FindingShape>& all) {
    FindingShape reached{"agent", "agent", machine.name, "ok", "error", "", ""};
    if (machine.silent) {
        reached.state = "bad";
        reached.cause = said(*machine.silent);
        reached.mend = machine.name.empty()
                           ? "start the agent of this machine, or name a fleet: --fleet NAME"
                           : fmt::format("jackdaw machine shell {} -- tail -n 20 "
                                         "/var/log/jackdaw/agent.log",
                                         machine.name);
        all.push_back(std::move(reached));
        return;
    }
    all.push_back(std::move(reached));
    const bool other = !machine.agent_version.empty() && machine.agent_version != fleet.version;
    all.push_back(
        {"agent", "version", machine.name, other ? "bad" : "ok", "info",
         other ? fmt::format("it is {}, this program is {}", machine.agent_version, fleet.version)
               : "",
         other ? "bake an image of this version: `jackdaw image build DATASTORE --force`" : ""});
    all.push_back({"agent", "instance", machine.name, machine.has_no_instance ? "bad" : "ok",
                   "error",
                   machine.has_no_instance
                       ? "its agent has none: it was deleted inside its machine, which is there"
                       : "",
                   machine.has_no_instance ? "jackdaw instance delete " + machine.name : ""});
    const auto skew = std::abs(machine.clock_ahead_ms);
    const bool skewed = skew > clock_skew_max_ms;
    all.push_back({"agent", "clock", machine.name, skewed ? "bad" : "ok", "warning",
                   skewed ? fmt::format("its clock is {} {} this host's",
                                        format_duration(std::chrono::milliseconds{skew}),
                                        machine.clock_ahead_ms > 0 ? "ahead of" : "behind")
                          : "",
                   skewed ? "set it: timedatectl set-ntp true on that machine's host" : ""});
    if (machine.untold) {
        all.push_back({"agent", "its own findings", machine.name, "unknown", "warning",
                       said(*machine.untold), machine.untold->hint});
    }
    for (auto one : machine.told) {
        if (!machine.failed_create.empty()) {
            if (one.state == "unknown") {
                continue; // of a database that was never made
            }
            if (one.name == "database" && one.state == "bad") {
                one.mend = fmt::format("`jackdaw op resume {0}` tries it again; `jackdaw op abort "
                                       "{0}` takes it back, for a create with other words",
                                       machine.failed_create);
            }
        }
        one.area = "agent";
        one.subject = one.subject.empty() ? machine.name : one.subject;
        all.push_back(std::move(one));
    }
}

} // namespace

FindingShape of_fleet(std::string name, std::string subject, std::string cause,
                      std::string severity, std::string mend) {
    const bool good = cause.empty();
    return {"fleet",
            std::move(name),
            std::move(subject),
            good ? "ok" : "bad",
            std::move(severity),
            std::move(cause),
            good ? "" : std::move(mend)};
}

const MachineHealth* machine_of(const FleetHealth& seen, const proto::MemberShape& member) {
    const auto is_others = [&](const MachineHealth& machine) {
        return std::ranges::any_of(seen.members, [&](const proto::MemberShape& other) {
            return &other != &member && (other.status == "alive" || other.status == "suspect") &&
                   (other.instance.empty() ? other.name == machine.name
                                           : other.instance == machine.id);
        });
    };
    const auto find = [&](const auto& is_its) -> const MachineHealth* {
        const auto at = std::ranges::find_if(seen.machines, is_its);
        return at == seen.machines.end() ? nullptr : &*at;
    };
    const auto by_label = [&](const auto& is_its) {
        return find([&](const MachineHealth& machine) {
            return (member.instance.empty() || machine.id.empty()) && is_its(machine) &&
                   !is_others(machine);
        });
    };
    const auto* found = find([&](const MachineHealth& machine) {
        return !member.instance.empty() && machine.id == member.instance;
    });
    if (found == nullptr) {
        found = by_label([&](const MachineHealth& machine) { return machine.name == member.name; });
    }
    if (found == nullptr) {
        found = by_label([&](const MachineHealth& machine) {
            const auto& host = machine.address; // the member's has a port, too
            return !host.empty() && (member.address.starts_with(host + ":") ||
                                     member.address.starts_with("[" + host + "]:"));
        });
    }
    return found;
}

std::vector<FindingShape> examine_machine(const FleetHealth& fleet, const MachineHealth& machine) {
    std::vector<FindingShape> all;
    all.push_back(power_of(machine));
    for (const auto& warning : machine.warnings) {
        all.push_back(of_fleet("machine limits", machine.name, warning, "warning",
                               "`jackdaw doctor` says what this host lacks"));
    }
    if (machine.state == "on") {
        look_at_agent(fleet, machine, all);
    }
    return all;
}

std::vector<FindingShape> examine_one(const FleetHealth& seen, const MachineHealth& machine) {
    auto all = examine_machine(seen, machine);
    std::set<std::string> names{machine.name}; // others may know it by the one it had before
    for (const auto& one : seen.members) {
        if (machine_of(seen, one) == &machine) {
            names.insert(one.name);
        }
    }
    std::vector<FindingShape> of_all;
    look_at_unfinished(seen, of_all);
    look_at_members(seen, of_all);
    look_at_keys(seen, of_all);
    look_at_rings(seen, of_all);
    for (auto& one : of_all) {
        if (!names.contains(one.subject)) {
            continue;
        }
        if (one.mend == "jackdaw doctor " + machine.name) { // that is this
            one.mend = "what is told here of its machine and its agent";
        }
        all.push_back(std::move(one));
    }
    return all;
}

std::vector<FindingShape> examine_fleet(const FleetHealth& seen) {
    std::vector<FindingShape> all;
    all.push_back(of_fleet("operator's keys", "", seen.keys ? said(*seen.keys) : "", "error",
                           seen.keys ? seen.keys->hint : ""));
    all.push_back(of_fleet("operators", "",
                           "there is one operator: who loses this key changes nothing in the fleet "
                           "any more",
                           "info", fmt::format("cp -a {} A-SAFE-PLACE", seen.keys_folder)));
    all.push_back(of_fleet("network", seen.subnet,
                           seen.subnet.empty()     ? "no network is written down"
                           : !seen.network_present ? "its bridge is not on this host"
                                                   : "",
                           seen.machines.empty() ? "warning" : "error",
                           "jackdaw fleet up " + seen.fleet));
    for (const auto& id : seen.damaged_volumes) {
        all.push_back(of_fleet("volume", id, "what is written down of it cannot be read or is gone",
                               "error", fmt::format("restore its {}.json from a copy", id)));
    }
    for (const auto& file : seen.unreadable) {
        all.push_back(of_fleet("journal", file, "it cannot be read: what it tells of is forgotten",
                               "warning", "restore it from a copy, or remove it"));
    }
    look_at_unfinished(seen, all);
    if (seen.garbage_unknown) {
        all.push_back({"fleet", "orphans", "", "unknown", "warning", said(*seen.garbage_unknown),
                       "sudo jackdaw doctor"});
    }
    for (const auto& [what, why] : seen.garbage) {
        all.push_back(of_fleet("orphans", what, why, "warning", "jackdaw fleet gc " + seen.fleet));
    }
    if (seen.garbage.empty() && !seen.garbage_unknown) {
        all.push_back(of_fleet("orphans", "", "", "warning", ""));
    }
    look_at_members(seen, all);
    look_at_keys(seen, all);
    look_at_rings(seen, all);
    const bool clash = look_at_clashes(seen, all);
    for (const auto& machine : seen.machines) {
        auto more = examine_machine(seen, machine);
        if (clash) { // said once, of the fleet
            std::erase_if(more, [](const FindingShape& one) {
                return one.area == "agent" && one.name == "gossip keys";
            });
        }
        all.insert(all.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
    }
    return all;
}

} // namespace jackdaw::cli
