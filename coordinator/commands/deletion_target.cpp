#include "coordinator/commands/deletion_target.h"

#include <algorithm>

#include <fmt/format.h>

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds dead_after{5'000}; ///< an agent that is being restarted is back in a second
constexpr milliseconds between_tries{200};

/// nullopt when it is gone. One whose record is damaged or lost is there, and nothing is known of
/// it.
Result<std::optional<cloud::Volume>> find_volume(Reach& reach, const std::string& id) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    JACKDAW_TRY(const auto all, cloud->provider().volumes());
    const auto at = std::ranges::find(all, id, &cloud::Volume::id);
    return at == all.end() ? std::nullopt : std::optional{*at};
}

/// The word of an earlier delete. Where the volume's record cannot be read, what was journalled of
/// that delete tells it, too.
bool was_to_stay(const cloud::Volume& volume, const CreateRecord& record) {
    return volume.damaged
               ? std::ranges::any_of(record.deletion->steps,
                                     [](const auto& step) { return step.name == "volume.keep"; })
               : volume.kept;
}

/// Nobody may have waited for the end of its create: then its agent knows.
bool is_open(const std::optional<CreateRecord>& record) {
    return record && !record->request.attach_serial.empty() && record->operation.status != "done" &&
           !is_being_deleted(*record);
}

/// One that is so old that its agent forgot it has ended, and there the instance is.
std::string create_status(Session& session, ApiClient& client, const CreateRecord& record) {
    const auto json =
        get(client, "/v1/operations/" + record.operation.id, session.in(answer_limit));
    if (!json) {
        return json.error().code() == Errc::not_found ? "done" : "";
    }
    return proto::string_at(*json, "status", "").value_or("");
}

} // namespace

Result<DeletionTarget> look_at_target(Reach& reach, const std::string& name, bool asked_to_keep) {
    DeletionTarget target;
    JACKDAW_TRY(target.machine, reach.machine(name));
    if (target.machine.state == cloud::MachineState::damaged) { // the journal knows what it was
        if (const auto known = reach.journal().of_machine(target.machine.name)) {
            target.machine.id = known->instance_id;
            target.machine.volume_id = known->volume_id;
        }
    }
    target.record = reach.journal().of_instance(target.machine.id);
    const auto& record = target.record;
    // A volume that was attached and never became this instance's: what it holds is somebody's.
    target.not_its_own = is_open(record);
    target.keep = asked_to_keep || target.not_its_own;
    if (record && is_being_deleted(*record)) {
        JACKDAW_TRY(const auto volume, find_volume(reach, target.machine.volume_id));
        target.keep = target.keep || (volume && was_to_stay(*volume, *record));
    }
    return target;
}

Result<DeletionTarget> look_at_rest(Reach& reach, const CreateRecord& record, bool asked_to_keep) {
    JACKDAW_TRY(const auto volume, find_volume(reach, record.volume_id));
    DeletionTarget target;
    target.machine.name = record.request.name;
    target.machine.label = name_of(record);
    target.machine.id = record.instance_id;
    target.machine.datastore = record.request.datastore;
    target.machine.volume_id = volume ? record.volume_id : "";
    target.keep = volume && (asked_to_keep || was_to_stay(*volume, record));
    target.record = record;
    return target;
}

AgentView ask_agent_of(Session& session, Reach& reach, const DeletionTarget& target) {
    const auto until = session.in(dead_after);
    for (;;) { // until it answers or is taken for dead
        if (target.machine.state != cloud::MachineState::on) {
            return {};
        }
        if (auto client = reach.of_machine(target.machine)) {
            AgentView view;
            auto json = get(**client, "/v1/instance", session.in(answer_limit));
            if (json) {
                if (auto instance = proto::instance_from(*json)) {
                    view.answers = true;
                    view.instance = *std::move(instance);
                    if (is_open(target.record)) {
                        view.create_status = create_status(session, **client, *target.record);
                    }
                    return view;
                }
            } else if (json.error().code() == Errc::not_found) {
                view.answers = true;
                return view;
            }
        }
        if (session.clock.now() >= until) {
            return {};
        }
        session.clock.sleep(between_tries);
    }
}

void settle(DeletionTarget& target, AgentView agent, bool asked_to_keep) {
    target.agent = std::move(agent);
    if (target.not_its_own && target.agent.create_status == "done") {
        target.not_its_own = false;
        target.keep = asked_to_keep;
    }
}

Result<void> check_may_go(Reach& reach, const DeletionTarget& target) {
    const auto& machine = target.machine;
    const auto& agent = target.agent;
    const auto& record = target.record;
    const bool told = record && !is_being_deleted(*record) && record->request.protect;
    if (agent.instance ? agent.instance->protect : !agent.answers && told) {
        return Error{Code::protected_, fmt::format("'{}' is protected", machine.label)}.with_hint(
            fmt::format("`jackdaw instance unprotect {}` first", machine.label));
    }
    if (!target.keep || machine.volume_id.empty()) {
        return ok();
    }
    JACKDAW_TRY(const auto volume, find_volume(reach, machine.volume_id));
    if (volume && volume->damaged) {
        return Error{Errc::corrupt,
                     fmt::format("what is written down of volume {}, which is to be kept, cannot "
                                 "be read or is gone",
                                 volume->id)}
            .with_hint(fmt::format("restore its {}.json from a copy, then the same command again; "
                                   "`jackdaw fleet destroy --kept-volumes` removes it with all "
                                   "else of the fleet",
                                   volume->id));
    }
    return ok();
}

Result<void> end_its_create(Session& session, Reach& reach, DeletionTarget& target) {
    auto& record = target.record;
    if (target.keep || !record || record->request.attach_serial.empty() ||
        is_being_deleted(*record)) {
        return ok();
    }
    if (record->operation.status != "done") {
        record->operation.status = "done";
        record->operation.progress = 1;
        record->operation.error.reset();
        record->operation.ended_at = session.now_text();
        JACKDAW_CHECK(reach.journal().save_deletion(*record));
    }
    JACKDAW_TRY(const auto volume, find_volume(reach, target.machine.volume_id));
    if (!volume || volume->damaged || !volume->kept) {
        return ok();
    }
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    return cloud->provider().keep_volume(volume->id, false);
}

} // namespace jackdaw::cli
