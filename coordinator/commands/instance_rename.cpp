// jackdaw instance rename: a name is a label. Instance and machine keep their id, address and data;
// the machine keeps the name that it was made under, too (its host name, its folder), and nobody
// else gets that while it is there: so renaming back always works.
//
// First what is written down here says that it has begun, then the agent checks, journals and does
// it, then what is written down follows. Cut off anywhere, nobody else gets either name, the same
// command ends it, and the next one that comes to the name asks the agent which it has.

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

ApiRequest request_of(const std::string& name, const std::string& wanted) {
    return ApiRequest{"POST", "/v1/instance/rename", Json{{"name", wanted}, {"from", name}}, {}};
}

Conclusion end_of(const std::string& name, const std::string& wanted) {
    Conclusion end;
    end.said = fmt::format("instance '{}' is called '{}' now", name, wanted);
    end.next = "jackdaw instance show " + wanted;
    return end;
}

Result<int> rename_locally(Session& session, const Invocation& invocation, Reach& reach,
                           const std::string& name, const std::string& wanted) {
    JACKDAW_TRY(auto client, reach.of(name));
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("call instance '{}' '{}' from now on", name, wanted)});
    }
    const Redial redial = [&] { return reach.any(); };
    auto request = request_of(name, wanted);
    JACKDAW_TRY(const auto accepted, send_change(session, client, redial, request, {}));
    return see_through(session, invocation, redial, accepted, end_of(name, wanted));
}

/// The machine that a rename is about. One to the same name that was cut off is found by its old
/// name, whatever came of it.
Result<cloud::Machine> find_machine(Reach& reach, const std::string& name,
                                    const std::string& wanted) {
    JACKDAW_TRY(const auto all, reach.machines());
    const auto begun = std::ranges::find_if(all, [&](const cloud::Machine& one) {
        return one.label == name && one.next_label == wanted;
    });
    return begun != all.end() ? Result<cloud::Machine>{*begun} : reach.machine(name);
}

/// The same once the names are locked: another rename may have come first, and one that was cut off
/// is settled now. E-NOT-FOUND when it is called otherwise by then.
Result<cloud::Machine> look_again(Reach& reach, const cloud::Machine& seen, const std::string& name,
                                  const std::string& wanted) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    auto machine = cloud->provider().describe_machine(seen.name);
    if (machine && !machine->next_label.empty() && machine->next_label != wanted) {
        JACKDAW_CHECK(reach.settle_label(*machine, true));
        machine = cloud->provider().describe_machine(seen.name);
    }
    if (machine && machine->id == seen.id &&
        (machine->label == seen.label || machine->label == wanted)) {
        return machine;
    }
    if (!machine && machine.error().code() != Errc::not_found) {
        return machine;
    }
    auto none =
        Error{Errc::not_found, fmt::format("there is no instance '{}' in fleet '{}' any more", name,
                                           reach.profile().name)};
    return machine && machine->id == seen.id
               ? std::move(none).with_hint(fmt::format("it is called '{}' now", machine->label))
               : std::move(none).with_hint("`jackdaw instance list` shows what there is");
}

/// First it is written down that the rename has begun: whatever ends this program, nobody else gets
/// either name before the agent has told which it has.
Result<proto::Operation> ask_agent(Session& session, const Invocation& invocation, Reach& reach,
                                   ClientPtr& client, const cloud::Machine& machine,
                                   const std::string& name, const std::string& wanted) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    JACKDAW_CHECK(cloud->provider().announce_label(machine.name, wanted));
    const Redial redial = [&] { return reach.of_machine(machine); }; // whatever it is called by now
    auto request = request_of(name, wanted);
    JACKDAW_TRY(const auto accepted, send_change(session, client, redial, request, {}));
    JACKDAW_TRY(auto operation, proto::operation_from(accepted));
    announce(session, invocation, operation.id);
    return follow(session, invocation, redial, operation, {},
                  "; run the same command again to end it");
}

} // namespace

Result<int> instance_rename(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    const auto wanted = invocation.text("NEW");
    JACKDAW_CHECK(check_label(wanted, "instance"));
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    if (reach.local()) {
        return rename_locally(session, invocation, reach, name, wanted);
    }
    JACKDAW_TRY(auto machine, find_machine(reach, name, wanted));
    JACKDAW_CHECK(check_whole(machine));
    JACKDAW_CHECK(reach.check_name_free(wanted, machine.id));
    JACKDAW_TRY(auto client, reach.of_machine(machine));
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("call instance '{}' '{}' from now on", name, wanted)});
    }
    // Both names, always in one order: two renames that cross must not wait for each other.
    const auto [first, second] = std::minmax(machine.name, wanted);
    std::vector<NameLock> locks;
    for (const auto& one : {first, second}) {
        if (locks.empty() || first != second) {
            JACKDAW_TRY(auto lock, take_name(session, reach.journal(), one, name_limit));
            locks.push_back(std::move(lock));
        }
    }
    JACKDAW_TRY(machine, look_again(reach, machine, name, wanted));
    JACKDAW_CHECK(reach.check_name_free(wanted, machine.id)); // as it is now
    auto end = end_of(name, wanted);
    auto ended = ask_agent(session, invocation, reach, client, machine, name, wanted);
    if (!ended) {
        // Not done, or nobody knows: the agent tells, now or at the next command.
        if (const auto settled = reach.settle_label(machine, true); !settled) {
            session.terminal.err(fmt::format("warning: the name of '{}' could not be written down: "
                                             "{}\n",
                                             name, printable(settled.error().to_string())));
        }
        return std::move(ended).error();
    }
    end.operation = *std::move(ended);
    end.waited = true;
    JACKDAW_CHECK(end.operation.status == "done" ? reach.write_label(machine, wanted)
                                                 : reach.settle_label(machine, true));
    return conclude(session, invocation, end);
}

} // namespace jackdaw::cli
