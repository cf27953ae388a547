// jackdaw instance delete: first the agent (a clean stop, the stamp erased), then machine and
// volume. An agent that is dead or whose machine is off has nothing to say; then the provider alone
// removes it.

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/create.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds dead_after{5'000}; ///< an agent that is being restarted is back in a second
constexpr milliseconds between_tries{200};
constexpr milliseconds stop_budget{600'000};

/// The instance as its agent tells it; nullopt when there is none on it, or nobody to ask.
struct AgentView {
    bool answers = false;
    std::optional<proto::Instance> instance;
};

AgentView ask(Session& session, Reach& reach, const cloud::Machine& machine) {
    const auto until = session.in(dead_after);
    for (;;) { // until it answers or is taken for dead
        if (machine.state != cloud::MachineState::on) {
            return {};
        }
        if (auto client = reach.of_machine(machine)) {
            auto json = get(**client, "/v1/instance", session.in(answer_limit));
            if (json) {
                if (auto instance = proto::instance_from(*json)) {
                    return {true, *std::move(instance)};
                }
            } else if (json.error().code() == Errc::not_found) {
                return {true, std::nullopt};
            }
        }
        if (session.clock.now() >= until) {
            return {};
        }
        session.clock.sleep(between_tries);
    }
}

class Deletion {
public:
    Deletion(Session& session, const Invocation& invocation, Reach& reach, bool keep)
        : session_{session}, invocation_{invocation}, reach_{reach}, keep_{keep} {}

    Result<int> run(const cloud::Machine& machine, const AgentView& agent) {
        if (agent.instance) {
            JACKDAW_CHECK(by_agent(machine.name));
            if (operation_.status != "done") {
                Conclusion end;
                end.operation = operation_;
                return conclude(session_, invocation_, end);
            }
        } else {
            operation_.id = new_uuid(session_.clock, session_.entropy);
            operation_.action = "instance.delete";
            operation_.created_at = session_.now_text();
            operation_.caller = fmt::format("uid {}", session_.uid);
            announce(session_, invocation_, operation_.id);
        }
        operation_.target = machine.name;
        JACKDAW_TRY(auto* const cloud, reach_.cloud());
        auto& provider = cloud->provider();
        if (keep_) {
            JACKDAW_CHECK(
                step("volume.keep", [&] { return provider.keep_volume(machine.volume_id, true); }));
            // Without its agent the database is still to be ended cleanly: what is kept shall be
            // whole.
            if (!agent.instance && machine.state == cloud::MachineState::on) {
                JACKDAW_CHECK(step("machine.power-off",
                                   [&] { return provider.power_off(machine.name, stop_budget); }));
            }
        }
        JACKDAW_CHECK(
            step("machine.delete", [&] { return provider.delete_machine(machine.name); }));
        if (!keep_ && !machine.volume_id.empty()) {
            JACKDAW_CHECK(
                step("volume.delete", [&] { return provider.delete_volume(machine.volume_id); }));
        }
        if (auto record = reach_.journal().newest_of(machine.name);
            record && next_step(*record) != CreateStep::ended) {
            undone(*record, session_.now_text(),
                   proto::shape_of(Error{Code::aborted, "the instance was deleted"}));
            JACKDAW_CHECK(reach_.journal().save(*record));
        }
        operation_.status = "done";
        operation_.progress = 1;
        operation_.ended_at = session_.now_text();
        Conclusion end;
        end.operation = operation_;
        end.waited = true;
        end.said = keep_ ? fmt::format("instance '{}' is gone; its volume {} is kept", machine.name,
                                       machine.volume_id)
                         : fmt::format("instance '{}' is gone", machine.name);
        return conclude(session_, invocation_, end);
    }

private:
    Result<void> by_agent(const std::string& name) {
        JACKDAW_TRY(auto client, reach_.of(name));
        JACKDAW_TRY(const auto accepted,
                    change(*client,
                           ApiRequest{"DELETE",
                                      fmt::format("/v1/instance{}", keep_ ? "?keep_volume=1" : ""),
                                      nullptr, new_uuid(session_.clock, session_.entropy)},
                           session_.in(answer_limit)));
        JACKDAW_TRY(operation_, proto::operation_from(accepted));
        announce(session_, invocation_, operation_.id);
        JACKDAW_TRY(operation_,
                    follow(
                        session_, invocation_, [&] { return reach_.of(name); }, operation_, {},
                        "; run the same command again to remove the machine, too"));
        return ok();
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
    bool keep_;
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
    JACKDAW_TRY(
        const auto accepted,
        change(*client,
               ApiRequest{"DELETE", fmt::format("/v1/instance{}", keep ? "?keep_volume=1" : ""),
                          nullptr, new_uuid(session.clock, session.entropy)},
               session.in(answer_limit)));
    Conclusion end;
    end.said = fmt::format(
        "the database of '{}' is gone; its machine is the coordinator's to remove", name);
    return see_through(session, invocation, [&] { return reach.any(); }, accepted, std::move(end));
}

} // namespace

Result<int> instance_delete(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    const bool asked_to_keep = invocation.has("--keep-volume");
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    if (reach.local()) {
        return delete_locally(session, invocation, reach, asked_to_keep);
    }
    auto machine = reach.machine(name);
    const auto record = reach.journal().newest_of(name);
    if (!machine) {
        if (machine.error().code() == Errc::not_found && record &&
            next_step(*record) != CreateStep::ended) {
            return remove_unfinished(session, invocation, reach, *record);
        }
        return std::move(machine).error();
    }
    const auto agent = ask(session, reach, *machine);
    const bool ours = record && record->instance_id == machine->id;
    // A volume that was attached and never became this instance's: what it holds is somebody's.
    const bool not_its_own =
        ours && !record->request.attach_serial.empty() && record->operation.status != "done";
    const bool keep = asked_to_keep || not_its_own;
    if (not_its_own && !asked_to_keep) {
        session.terminal.err("its create did not take the attached volume over; it is kept\n");
    }
    if (agent.instance ? agent.instance->protect : ours && record->request.protect) {
        return Error{Code::protected_, fmt::format("'{}' is protected", name)}.with_hint(
            fmt::format("`jackdaw instance unprotect {}` first", name));
    }
    if (invocation.dry_run) {
        std::vector<std::string> lines;
        if (agent.instance) {
            lines.push_back(fmt::format("stop the database of '{}' cleanly", name));
        }
        lines.push_back(fmt::format("remove machine '{}'", name));
        lines.push_back(
            keep ? fmt::format("keep volume {}", machine->volume_id)
                 : fmt::format("remove volume {} with all that is on it", machine->volume_id));
        return would(session, invocation, lines);
    }
    if (!agent.answers) {
        session.terminal.err(
            "its agent does not answer: machine and volume are removed without it\n");
    }
    JACKDAW_CHECK(confirm(session, invocation, name,
                          keep ? "removes the machine and keeps its volume"
                               : "destroys the instance and all its data"));
    JACKDAW_TRY(const auto lock, reach.journal().lock(name));
    Deletion deletion{session, invocation, reach, keep};
    return deletion.run(*machine, agent);
}

} // namespace jackdaw::cli
