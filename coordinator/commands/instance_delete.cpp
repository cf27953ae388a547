// jackdaw instance delete: first the agent (a clean stop, the stamp erased), then machine and
// volume. An agent that is dead or whose machine is off has nothing to say; then the provider alone
// removes it.

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/create.h"
#include "coordinator/commands/deletion_target.h"
#include "coordinator/commands/handlers.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds stop_budget{600'000};

ApiRequest request_of(bool keep) {
    return ApiRequest{"DELETE", keep ? "/v1/instance?keep_volume=1" : "/v1/instance", nullptr, {}};
}

class Deletion {
public:
    Deletion(Session& session, const Invocation& invocation, Reach& reach)
        : session_{session}, invocation_{invocation}, reach_{reach} {}

    Result<int> run(const DeletionTarget& target) {
        const auto& machine = target.machine;
        keep_ = target.keep;
        if (target.agent.instance) {
            if (target.record) { // a journal that cannot be written stops it while all is whole
                JACKDAW_CHECK(reach_.journal().save_deletion(*target.record));
            }
            JACKDAW_CHECK(by_agent(machine.label));
            if (!operation_.id.empty() && operation_.status != "done") {
                Conclusion end;
                end.operation = operation_;
                return conclude(session_, invocation_, end);
            }
        }
        if (operation_.id.empty()) {
            by_itself(target);
        }
        operation_.target = machine.label;
        operation_.status = "running"; // the agent's part is done, ours begins
        operation_.ended_at.clear();
        JACKDAW_TRY(auto* const cloud, reach_.cloud());
        auto& provider = cloud->provider();
        if (keep_) {
            JACKDAW_CHECK(
                step("volume.keep", [&] { return provider.keep_volume(machine.volume_id, true); }));
            // Without its agent the database is still to be ended cleanly: what is kept shall be
            // whole.
            if (!target.agent.instance && machine.state == cloud::MachineState::on) {
                JACKDAW_CHECK(step("machine.power-off",
                                   [&] { return provider.power_off(machine.name, stop_budget); }));
            }
        }
        // From here on the journal tells that what is left is nobody's.
        auto record = target.record ? *target.record : record_of_a_stranger(machine);
        record.volume_id = machine.volume_id;
        record.deletion = operation_;
        if (target.agent.instance && target.agent.instance->status != "building" &&
            target.agent.instance->status != "failed" && record.operation.status != "undone") {
            record.operation.status = "done"; // nobody waited for its end, but there it was
            record.operation.progress = 1;
        }
        JACKDAW_CHECK(reach_.journal().save_deletion(record));
        if (!target.agent.instance) { // a delete of an instance leaves by itself
            leave_fleet(session_, reach_, machine);
        }
        JACKDAW_CHECK(step("machine.delete", [&] { return delete_machine(provider, machine); }));
        if (!keep_ && !machine.volume_id.empty()) {
            JACKDAW_CHECK(
                step("volume.delete", [&] { return provider.delete_volume(machine.volume_id); }));
        }
        if (machine.state == cloud::MachineState::damaged && machine.volume_id.empty()) {
            operation_.warnings.push_back(fmt::format(
                "what was written down of its machine could not be read, and no journal here knows "
                "its volume: that stays, if it had one, until `jackdaw fleet destroy {}`",
                reach_.profile().name));
        }
        operation_.status = "done";
        operation_.progress = 1;
        operation_.ended_at = session_.now_text();
        record.deletion = operation_;
        if (record.operation.status != "done" && record.operation.status != "undone") {
            undone(record, session_.now_text(),
                   proto::shape_of(Error{Code::aborted, "the instance was deleted"}));
        }
        JACKDAW_CHECK(reach_.journal().save_deletion(record));
        Conclusion end;
        end.operation = operation_;
        end.waited = true;
        end.said = fmt::format("instance '{}' is gone", machine.label);
        if (keep_) {
            const auto stamp = stamped_for(reach_.journal().load_all(), machine.volume_id);
            end.said += fmt::format(
                "; its volume {} is kept. An instance gets it, with what is on "
                "it, by\n  jackdaw instance create NAME --datastore {} "
                "--attach-volume {}{}{}",
                machine.volume_id, machine.datastore.empty() ? "DS" : machine.datastore,
                volume_serial(machine.volume_id), stamp.empty() ? "" : " --take-over ", stamp);
            end.said +=
                "\nWith it go its databases and its users with their passwords. Not kept: " +
                not_kept(target.beside);
            for (const auto& command : commands_of(target.beside)) {
                end.said += "\n  then " + printable(command);
            }
            end.more = kept_json(target.beside, machine.volume_id);
        }
        return conclude(session_, invocation_, end);
    }

private:
    /// The agent's part; no operation when it has no instance any more.
    Result<void> by_agent(const std::string& name) {
        const Redial redial = [&] { return reach_.of(name); };
        JACKDAW_TRY(auto client, redial());
        auto request = request_of(keep_);
        auto accepted = send_change(session_, client, redial, request, name);
        if (!accepted && accepted.error().code() == Errc::not_found) {
            return ok(); // an earlier delete that was cut off has just ended there
        }
        if (!accepted) {
            return half_done(std::move(accepted).error());
        }
        JACKDAW_TRY(operation_, proto::operation_from(*accepted));
        announce(session_, invocation_, operation_.id);
        auto ended = follow(session_, invocation_, redial, operation_, {}, half_done_note);
        if (!ended) {
            return half_done(std::move(ended).error());
        }
        operation_ = *std::move(ended);
        return ok();
    }

    /// Once its machine is gone anybody may have made another under the same name: that one stays.
    Result<void> delete_machine(cloud::Provider& provider, const cloud::Machine& machine) const {
        const auto there = provider.describe_machine(machine.name);
        auto id = there ? there->id : std::string{};
        if (there && id.empty()) { // of a damaged record; the journal knows whose it was
            const auto known = reach_.journal().of_machine(machine.name);
            id = known ? known->instance_id : "";
        }
        return id.empty() || id == machine.id ? provider.delete_machine(machine.name) : ok();
    }

    /// Nobody but this program works on it: the operation is its own, or an earlier one's that was
    /// cut off.
    void by_itself(const DeletionTarget& target) {
        if (target.record && target.record->deletion) {
            operation_ = *target.record->deletion;
        } else {
            operation_.id = new_uuid(session_.clock, session_.entropy);
            operation_.action = "instance.delete";
            operation_.created_at = session_.now_text();
            operation_.caller = fmt::format("uid {}", session_.uid);
        }
        announce(session_, invocation_, operation_.id);
    }

    /// Made by another coordinator: the delete itself is all that this journal has of it.
    CreateRecord record_of_a_stranger(const cloud::Machine& machine) const {
        CreateRequest request;
        request.name = machine.name;
        request.datastore = machine.datastore;
        auto record = begin_create(std::move(request), reach_.profile().name, operation_.id,
                                   machine.id, operation_.created_at, operation_.caller);
        record.operation.action = operation_.action;
        record.label = machine.label == machine.name ? "" : machine.label;
        return record;
    }

    template <class Work>
    Result<void> step(std::string name, const Work& work) {
        proto::Step one;
        one.name = std::move(name);
        one.started_at = session_.now_text();
        const auto began = session_.clock.now();
        const DetachNote note{session_.terminal, "cut off; run the same command again"};
        JACKDAW_CHECK(work().while_doing(one.name));
        one.duration_us =
            std::chrono::duration_cast<std::chrono::microseconds>(session_.clock.now() - began)
                .count();
        one.ended_at = session_.now_text();
        one.status = "done";
        one.progress = 1;
        operation_.steps.push_back(std::move(one));
        return ok();
    }

    Session& session_;
    const Invocation& invocation_;
    Reach& reach_;
    bool keep_ = false;
    proto::Operation operation_;
};

/// A create that was cut off before there was a machine leaves at most a volume.
Result<int> remove_unfinished(Session& session, const Invocation& invocation, Reach& reach,
                              CreateRecord record) {
    const auto name = record.request.name;
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("take back the unfinished create of '{}'", name)});
    }
    JACKDAW_CHECK(
        confirm(session, invocation, name, "takes back what an unfinished create has made"));
    return abort_create(session, invocation, reach, std::move(record));
}

Result<int> delete_locally(Session& session, const Invocation& invocation, Reach& reach,
                           bool keep) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(auto client, reach.of(name));
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("stop and remove the database of instance '{}'", name)});
    }
    JACKDAW_CHECK(confirm(session, invocation, name, "removes the database; the machine stays"));
    const Redial redial = [&] { return reach.any(); };
    auto request = request_of(keep);
    JACKDAW_TRY(const auto accepted, send_change(session, client, redial, request, {}));
    Conclusion end;
    end.said = fmt::format(
        "the database of '{}' is gone; its machine is the coordinator's to remove", name);
    auto waiting = invocation; // always, as of a fleet's
    waiting.wait = true;
    return see_through(session, waiting, redial, accepted, std::move(end));
}

/// What an earlier delete left when it was cut off after the machine.
Result<int> go_on_without_machine(Session& session, const Invocation& invocation, Reach& reach,
                                  const Error& no_such) {
    const auto name = invocation.text("NAME");
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("remove what an earlier delete of '{}' left", name)});
    }
    JACKDAW_CHECK(confirm(session, invocation, name, "removes what an earlier delete left"));
    const auto begun = reach.journal().newest_of(name);
    const auto machine = begun ? begun->request.name : name;
    JACKDAW_TRY(const auto lock, take_name(session, reach.journal(), machine, name_limit));
    const auto record = reach.journal().newest_of(name);
    if (!record || !is_being_deleted(*record)) {
        return no_such.clone(); // the other one has ended it
    }
    JACKDAW_TRY(const auto target, look_at_rest(reach, *record, invocation.has("--keep-volume")));
    JACKDAW_CHECK(check_may_go(reach, target));
    return Deletion{session, invocation, reach}.run(target);
}

Result<int> delete_without_machine(Session& session, const Invocation& invocation, Reach& reach,
                                   const Error& no_such) {
    const auto record = reach.journal().newest_of(invocation.text("NAME"));
    if (record && next_step(*record) != CreateStep::ended) {
        return remove_unfinished(session, invocation, reach, *record);
    }
    if (record && is_being_deleted(*record)) {
        return go_on_without_machine(session, invocation, reach, no_such);
    }
    return no_such.clone();
}

std::vector<std::string> plan_text(const DeletionTarget& target) {
    const auto& machine = target.machine;
    std::vector<std::string> lines;
    if (target.agent.instance) {
        lines.push_back(fmt::format("stop the database of '{}' cleanly", machine.label));
    }
    lines.push_back(fmt::format("remove machine '{}'", machine.label));
    lines.push_back(
        target.keep ? fmt::format("keep volume {} with databases and users; not kept: {}",
                                  machine.volume_id, not_kept(target.beside))
                    : fmt::format("remove volume {} with all that is on it", machine.volume_id));
    return lines;
}

} // namespace

Result<int> instance_delete(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    const bool asked_to_keep = invocation.has("--keep-volume");
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    if (reach.local()) {
        return delete_locally(session, invocation, reach, asked_to_keep);
    }
    auto seen = look_at_target(reach, name, asked_to_keep);
    if (!seen) {
        return seen.error().code() == Errc::not_found
                   ? delete_without_machine(session, invocation, reach, seen.error())
                   : std::move(seen).error();
    }
    settle(*seen, ask_agent_of(session, reach, *seen), asked_to_keep);
    if (seen->not_its_own && !asked_to_keep) {
        const auto& agent = seen->agent;
        const bool is_told = agent.answers && (!agent.instance || !agent.create_status.empty());
        session.terminal.err(fmt::format("{} the attached volume over; it is kept\n",
                                         is_told ? "its create did not take"
                                                 : "nobody tells whether its create took"));
    }
    JACKDAW_CHECK(check_may_go(reach, *seen));
    if (seen->keep) {
        seen->beside = look_beside(session, reach, seen->machine);
    }
    if (invocation.dry_run) {
        return would(session, invocation, plan_text(*seen));
    }
    if (!seen->agent.answers) {
        session.terminal.err(
            "its agent does not answer: machine and volume are removed without it\n");
    }
    JACKDAW_CHECK(confirm(session, invocation, name,
                          seen->keep ? "removes the machine and keeps its volume with databases "
                                       "and users, but not " +
                                           not_kept(seen->beside)
                                     : std::string{"destroys the instance and all its data: "
                                                   "databases, users, settings, logs, its machine "
                                                   "and its volume"}));
    JACKDAW_TRY(const auto lock,
                take_name(session, reach.journal(), seen->machine.name, name_limit));
    // Another one may have been at it.
    JACKDAW_TRY(auto target, look_at_target(reach, name, asked_to_keep));
    if (target.machine.id != seen->machine.id) {
        return Error{Errc::conflict, fmt::format("'{}' is another instance by now", name)};
    }
    settle(target, lock.waited ? ask_agent_of(session, reach, target) : seen->agent, asked_to_keep);
    target.beside = std::move(seen->beside);
    JACKDAW_CHECK(check_may_go(reach, target));
    JACKDAW_CHECK(end_its_create(session, reach, target));
    return Deletion{session, invocation, reach}.run(target);
}

} // namespace jackdaw::cli
