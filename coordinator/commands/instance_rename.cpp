// jackdaw instance rename: a name is a label. Instance and machine keep their id, address and data;
// the machine keeps the name that it was made under, too (its host name, its folder), and nobody
// else gets that while it is there: so renaming back always works.
//
// First the agent, which checks and journals it, then what is written down here. Cut off between
// the two, the machine is still found by its old name here, and the same command ends it.

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

constexpr std::chrono::milliseconds name_limit{60'000}; ///< for another one that works on it

ApiRequest request_of(const Session& session, const std::string& wanted) {
    return ApiRequest{"POST", "/v1/instance/rename", Json{{"name", wanted}},
                      new_uuid(session.clock, session.entropy)};
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
    JACKDAW_TRY(const auto accepted,
                change(*client, request_of(session, wanted), session.in(answer_limit)));
    return see_through(
        session, invocation, [&] { return reach.any(); }, accepted, end_of(name, wanted));
}

/// What is written down here follows the agent.
Result<void> write_down(Reach& reach, const cloud::Machine& machine, const std::string& wanted) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    JACKDAW_CHECK(cloud->provider().label_machine(machine.name, wanted));
    auto record = reach.journal().of_instance(machine.id);
    if (!record) { // another operator's
        return ok();
    }
    record->label = wanted == record->request.name ? "" : wanted;
    return reach.journal().save(*record);
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
    JACKDAW_TRY(const auto machine, reach.machine(name));
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
    JACKDAW_CHECK(reach.check_name_free(wanted, machine.id)); // as it is now
    JACKDAW_TRY(const auto accepted,
                change(*client, request_of(session, wanted), session.in(answer_limit)));
    auto end = end_of(name, wanted);
    JACKDAW_TRY(end.operation, proto::operation_from(accepted));
    announce(session, invocation, end.operation.id);
    JACKDAW_TRY(end.operation, follow(
                                   session, invocation, [&] { return reach.of_machine(machine); },
                                   end.operation, {}, "; run the same command again to end it"));
    end.waited = true;
    if (end.operation.status == "done") {
        JACKDAW_CHECK(write_down(reach, machine, wanted));
    }
    return conclude(session, invocation, end);
}

} // namespace jackdaw::cli
