// jackdaw fleet up | gc | destroy

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/ownership.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

constexpr std::chrono::milliseconds names_limit{10'000}; ///< for another one at work on an instance

Result<Reach> named_fleet(Session& session, const Invocation& invocation) {
    auto named = invocation;
    if (invocation.has("NAME")) {
        named.fleet = invocation.text("NAME");
    }
    return Reach::find_fleet(session, named);
}

Result<LocalMachines*> local_machines(Reach& reach) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    if (cloud->local() == nullptr) {
        return Error{Errc::unsupported, "only a local fleet has this"};
    }
    return cloud->local();
}

/// Nobody works on any instance of the fleet while these are held. They are of what is there, or
/// half there, and so no more than that. Under the other names that were ever used one can only
/// make something, which looks for a destruction once it has its lock: it is enough that nobody has
/// them now.
Result<std::vector<NameLock>> take_all_names(Session& session, const OpJournal& journal,
                                             const std::vector<cloud::Machine>& machines) {
    std::set<std::string> names;
    std::set<std::string> ended;
    for (const auto& record : journal.load_all()) {
        const bool is_open = is_being_deleted(record) || next_step(record) != CreateStep::ended;
        (is_open ? names : ended).insert(record.request.name);
    }
    for (const auto& machine : machines) {
        names.insert(machine.name);
    }
    for (const auto& name : ended) {
        if (!names.contains(name)) {
            JACKDAW_CHECK(take_name(session, journal, name, names_limit));
        }
    }
    std::vector<NameLock> locks;
    for (const auto& name : names) {
        JACKDAW_TRY(auto lock, take_name(session, journal, name, names_limit));
        locks.push_back(std::move(lock));
    }
    return locks;
}

/// `conflict` when the fleet has other machines or volumes than it had.
Result<void> same_things(Cloud& cloud, const std::vector<cloud::Machine>& machines,
                         const std::vector<cloud::Volume>& volumes) {
    JACKDAW_TRY(const auto machines_now, cloud.provider().machines());
    JACKDAW_TRY(const auto volumes_now, cloud.provider().volumes());
    if (!std::ranges::equal(machines, machines_now, {}, &cloud::Machine::id, &cloud::Machine::id) ||
        !std::ranges::equal(volumes, volumes_now, {}, &cloud::Volume::id, &cloud::Volume::id)) {
        return Error{Errc::conflict, "the fleet changed while it was looked at"}.with_hint(
            "the same command again");
    }
    return ok();
}

/// A machine's agent may forbid the destruction of what it has.
Result<void> check_unprotected(Session& session, Reach& reach, const cloud::Machine& machine) {
    bool guarded = false;
    // Of a damaged record only the name is known.
    if (const auto record = machine.id.empty() ? reach.journal().of_machine(machine.name)
                                               : reach.journal().of_instance(machine.id)) {
        guarded = record->request.protect;
    }
    if (auto client = reach.of_machine(machine)) {
        if (auto json = get(**client, "/v1/instance", session.in(answer_limit))) {
            JACKDAW_TRY(guarded, proto::bool_at(*json, "protect", guarded));
        }
    }
    if (guarded) {
        return Error{Code::protected_, fmt::format("'{}' is protected", machine.label)}.with_hint(
            fmt::format("`jackdaw instance unprotect {}` first", machine.label));
    }
    return ok();
}

} // namespace

Result<int> fleet_up(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, named_fleet(session, invocation));
    if (invocation.dry_run) {
        JACKDAW_TRY(const auto machines, reach.machines());
        std::vector<std::string> lines;
        for (const auto& one : machines) {
            if (one.wanted_on && one.state == cloud::MachineState::off) {
                lines.push_back(fmt::format("start machine '{}'", one.label));
            }
        }
        return would(session, invocation, lines);
    }
    return at_once(session, invocation, "fleet.up", reach.profile().name, "what was on is on",
                   [&]() -> Result<void> {
                       JACKDAW_TRY(auto* const cloud, reach.cloud());
                       JACKDAW_TRY([[maybe_unused]] const auto network,
                                   cloud->provider().ensure_network(reach.profile().subnet));
                       JACKDAW_TRY(auto* const local, local_machines(reach));
                       JACKDAW_TRY(const auto started, local->fleet_up());
                       JACKDAW_TRY(const auto all, reach.machines());
                       for (const auto& name : started) {
                           const auto at = std::ranges::find(all, name, &cloud::Machine::name);
                           session.terminal.err(fmt::format("machine '{}' is on\n",
                                                            at != all.end() ? at->label : name));
                       }
                       return ok();
                   });
}

Result<int> fleet_gc(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, named_fleet(session, invocation));
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    const auto journal = reach.journal();
    Ownership ownership{journal}; // until all is removed
    JACKDAW_TRY(const auto items,
                cloud->provider().collect_garbage(ownership.request(invocation.dry_run)));
    if (!invocation.dry_run) {
        for (auto& record : ownership.orphans()) {
            if (is_being_deleted(record)) {
                record.deletion->status = "done";
                record.deletion->ended_at = session.now_text();
            } else {
                undone(record, session.now_text(),
                       proto::shape_of(
                           Error{Code::aborted,
                                 "its coordinator died; `fleet gc` removed what it had made"}));
            }
            JACKDAW_CHECK(journal.save(record));
        }
    }
    Table table{
        {{"KIND"}, {"NAME"}, {invocation.dry_run ? "WOULD BE REMOVED BECAUSE" : "REMOVED BECAUSE"}},
        {}};
    Json list = Json::array();
    for (const auto& item : items) {
        table.rows.push_back(
            {{item.kind}, {item.name}, {item.stays ? "it stays: " + item.why : item.why}});
        list.push_back(Json{{"kind", item.kind},
                            {"name", item.name},
                            {"why", item.why},
                            {"removed", !invocation.dry_run && !item.stays}});
    }
    session.terminal.page(
        render_list(proto::list_json("Garbage", std::move(list), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> fleet_destroy(Session& session, const Invocation& invocation) {
    if (invocation.yes && !invocation.has("NAME") && invocation.fleet.empty()) {
        return Error{Code::unconfirmed, "--yes destroys only a fleet that is named"}.with_hint(
            "`jackdaw fleet destroy NAME --yes`");
    }
    JACKDAW_TRY(auto reach, named_fleet(session, invocation));
    const auto name = reach.profile().name;
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    auto& provider = cloud->provider();
    JACKDAW_TRY(const auto machines, reach.machines());
    JACKDAW_TRY(const auto volumes, provider.volumes());
    for (const auto& machine : machines) {
        JACKDAW_CHECK(check_unprotected(session, reach, machine));
    }
    const auto kept = std::ranges::find_if(volumes, [](const cloud::Volume& one) {
        return one.kept || (one.damaged && one.machine.empty());
    });
    if (kept != volumes.end() && !invocation.has("--kept-volumes")) {
        return Error{Errc::conflict,
                     kept->kept ? fmt::format("volume {} ('{}') was kept by an operator", kept->id,
                                              kept->name)
                                : fmt::format("what is written down of volume {} cannot be read: "
                                              "it may be one that an operator kept",
                                              kept->id)}
            .with_hint("--kept-volumes destroys those, too");
    }
    if (invocation.dry_run) {
        std::vector<std::string> lines;
        for (const auto& machine : machines) {
            lines.push_back(fmt::format("remove instance '{}' with its machine", machine.label));
        }
        for (const auto& volume : volumes) {
            lines.push_back(fmt::format("remove volume {} with all that is on it", volume.id));
        }
        lines.push_back(fmt::format("remove the network and the keys of fleet '{}'", name));
        return would(session, invocation, lines);
    }
    std::vector<std::string> names;
    for (const auto& machine : machines) {
        names.push_back(machine.label);
    }
    JACKDAW_CHECK(confirm(session, invocation, name,
                          fmt::format("destroys fleet '{}' with {}{}, {} volumes and its keys",
                                      name, names.empty() ? "no instance" : "all data of ",
                                      fmt::join(names, ", "), volumes.size())));
    return at_once(
        session, invocation, "fleet.destroy", name, fmt::format("fleet '{}' is gone", name),
        [&]() -> Result<void> {
            JACKDAW_TRY(const auto fleet_lock, lock_fleet(session.folders, name));
            JACKDAW_TRY(auto profile, load_profile(session.folders, name));
            const bool was_begun = profile.destroying;
            profile.destroying = true; // no create begins from here on
            JACKDAW_CHECK(save_profile(session.folders, profile));
            const auto locks = take_all_names(session, reach.journal(), machines);
            // What was looked at, and confirmed, is what goes: a create may have ended
            // meanwhile.
            auto same = locks ? same_things(*cloud, machines, volumes) : locks.error().clone();
            for (auto one = machines.begin(); same && one != machines.end(); ++one) {
                same = check_unprotected(session, reach, *one); // since the question was answered
            }
            if (!same) {
                profile.destroying = was_begun;
                JACKDAW_CHECK(save_profile(session.folders, profile));
                return same;
            }
            for (const auto& machine : machines) {
                JACKDAW_CHECK(provider.delete_machine(machine.name));
            }
            for (const auto& volume : volumes) {
                JACKDAW_CHECK(provider.delete_volume(volume.id));
            }
            JACKDAW_CHECK(provider.delete_network());
            if (cloud->local() != nullptr) {
                JACKDAW_CHECK(cloud->local()->destroy());
            }
            return remove_profile(session.folders, name);
        });
}

} // namespace jackdaw::cli
