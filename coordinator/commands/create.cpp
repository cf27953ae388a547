#include "coordinator/commands/create.h"

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/render/output.h"
#include "coordinator/render/progress.h"

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds identity_limit{30'000}; ///< from boot to the agent's first keys
constexpr milliseconds submit_limit{60'000};   ///< until the agent answers on its channel
constexpr milliseconds between_tries{20};
constexpr milliseconds leave_limit{3'000}; ///< the agent answers when others know, or after 1.5 s
constexpr int turns_max = 64; ///< of the plan: it has seven steps and goes back at most once

class CreateRun {
public:
    CreateRun(Session& session, const Invocation& invocation, Reach& reach, CreateRecord record,
              std::vector<Credential> credentials, std::optional<NameLock> held)
        : session_{session},
          invocation_{invocation},
          reach_{reach},
          journal_{reach.journal()},
          record_{std::move(record)},
          credentials_{std::move(credentials)},
          lock_{std::move(held)} {}

    Result<int> run() {
        JACKDAW_CHECK(check_fleet());
        if (!lock_) {
            JACKDAW_TRY(lock_, take_name(session_, journal_, record_.request.name, name_limit));
        }
        JACKDAW_CHECK(check_fleet()); // a `fleet destroy` may have begun while we waited
        if (auto newer =
                journal_.find(record_.operation.id)) { // another one worked on it meanwhile
            record_ = *std::move(newer);
            if (record_.going_back && !is_gone(record_)) { // an abort of it was cut off
                const auto why = record_.operation.error.value_or(proto::ErrorShape{});
                JACKDAW_CHECK(take_back(session_, reach_, record_, why));
            }
            if (record_.operation.status == "undone") { // begin anew
                record_ = begin_create(std::move(record_.request), std::move(record_.fleet),
                                       new_uuid(session_.clock, session_.entropy),
                                       new_uuid(session_.clock, session_.entropy),
                                       session_.now_text(), record_.operation.caller);
            }
        } else { // a new one: what was looked at before the name was ours may be old
            JACKDAW_CHECK(reach_.check_name_free(name(), record_.instance_id));
        }
        if (record_.deletion) {
            return being_deleted(name());
        }
        announce(session_, invocation_, record_.operation.id);
        JACKDAW_CHECK(look_again());
        for (int turn = 0; turn < turns_max; ++turn) {
            const auto step = next_step(record_);
            if (step == CreateStep::watch || step == CreateStep::ended) {
                break;
            }
            auto done = go(step);
            if (!done) {
                return give_up(step, std::move(done).error());
            }
        }
        session_.terminal.err(view_.clear());
        JACKDAW_CHECK(look_at_agent());
        const bool is_done = agent_operation_->status == "done";
        return is_done || wants_to_wait(session_, invocation_) ? watch() : leave();
    }

private:
    /// What its machine is called, for ever; the instance itself may have another name by now.
    const std::string& name() const { return record_.request.name; }
    const std::string& called() const { return name_of(record_); }
    Result<ClientPtr> dial() {
        JACKDAW_TRY(auto* const opened, reach_.cloud());
        JACKDAW_TRY(const auto machine, opened->provider().describe_machine(name()));
        return reach_.of(machine.label);
    }
    cloud::Tags tags(std::string_view step) const {
        return {record_.fleet, record_.operation.id, std::string{step}};
    }

    Result<void> check_fleet() {
        return load_profile(session_.folders, record_.fleet).and_then(check_stays);
    }

    /// A resumed create: is what the journal tells of still there?
    Result<void> look_again() {
        if (record_.operation.steps.front().status != "done") {
            return ok();
        }
        JACKDAW_TRY(auto* const opened, reach_.cloud());
        const auto machine = opened->provider().describe_machine(name());
        if (!machine && machine.error().code() == Errc::not_found) {
            record_.agent_has_it = record_.told = false;
            reopen_from(record_, CreateStep::volume); // its tags find one that is there
        } else if (!machine) {
            return machine.error().clone();
        } else if (!machine->id.empty() && machine->id != record_.instance_id) {
            return Error{Code::name_taken,
                         fmt::format("machine '{}' is another instance's by now: the one that this "
                                     "create made was deleted elsewhere",
                                     name())}
                .with_hint(fmt::format("`jackdaw op abort {}` ends this create; another name for "
                                       "a new instance",
                                       record_.operation.id));
        } else if (machine->state != cloud::MachineState::on) {
            reopen_from(record_, CreateStep::boot);
        } else if (!(record_.agent_has_it && record_.told)) {
            reopen_from(
                record_,
                CreateStep::submit); // with new passwords, since the old ones were never shown
        }
        return ok();
    }

    Result<void> go(CreateStep step) {
        step_started(record_, step, session_.now_text());
        JACKDAW_CHECK(journal_.save(record_));
        const DetachNote note{session_.terminal,
                              "cut off; run the same command again, it goes on from here"};
        show();
        const auto began = session_.clock.now();
        JACKDAW_CHECK(
            perform(step).while_doing(fmt::format("create '{}': {}", name(), step_words(step))));
        step_done(
            record_, step, session_.now_text(),
            std::chrono::duration_cast<std::chrono::microseconds>(session_.clock.now() - began)
                .count());
        show();
        return journal_.save(record_);
    }

    void show() { session_.terminal.err(view_.update(record_.operation)); }

    Result<void> perform(CreateStep step) {
        JACKDAW_TRY(auto* const cloud, reach_.cloud());
        auto& provider = cloud->provider();
        switch (step) {
        case CreateStep::network: {
            JACKDAW_TRY([[maybe_unused]] const auto network,
                        provider.ensure_network(reach_.profile().subnet));
            return ok();
        }
        case CreateStep::volume: return have_volume(provider);
        case CreateStep::machine: return have_machine(provider);
        case CreateStep::boot: {
            JACKDAW_TRY(const auto machine, provider.power_on(name()));
            record_.address = machine.address;
            return ok();
        }
        case CreateStep::identity: return read_identity(*cloud);
        case CreateStep::hand_over: return hand_over(*cloud);
        case CreateStep::submit: return submit();
        case CreateStep::watch:
        case CreateStep::ended: break;
        }
        return ok();
    }

    Result<void> have_volume(cloud::Provider& provider) {
        const auto& request = record_.request;
        cloud::Volume volume;
        if (request.attach_serial.empty()) {
            cloud::VolumeSpec spec;
            spec.name = request.name;
            spec.size_bytes = request.volume_size_bytes;
            spec.type = request.volume_type;
            spec.overcommit = request.overcommit;
            record_.volume_made =
                true; // said before it is: an undo may find less than it looks for
            JACKDAW_TRY(volume, provider.create_volume(spec, tags("volume")));
        } else {
            JACKDAW_TRY(const auto all, provider.volumes());
            const auto at = std::ranges::find(all, request.attach_serial, &cloud::Volume::serial);
            if (at == all.end()) {
                return Error{Errc::not_found,
                             fmt::format("no volume has serial '{}'", request.attach_serial)}
                    .with_hint("`jackdaw fleet show` lists the kept ones");
            }
            if (!at->machine.empty() && at->machine != request.name) {
                return Error{Errc::conflict,
                             fmt::format("volume {} is attached to '{}'", at->serial, at->machine)};
            }
            volume = *at;
        }
        record_.volume_id = volume.id;
        record_.volume_serial = volume.serial;
        record_.request.volume_size_bytes = volume.size_bytes;
        return ok();
    }

    Result<std::vector<std::string>> seeds() {
        std::vector<std::string> all;
        JACKDAW_TRY(const auto machines, reach_.machines());
        for (const auto& machine : machines) {
            if (machine.name != name() && !machine.address.empty()) {
                all.push_back(fmt::format("{}:{}", machine.address, agent_port));
            }
        }
        return all;
    }

    Result<void> have_machine(cloud::Provider& provider) {
        const auto& request = record_.request;
        cloud::MachineSpec spec;
        spec.name = request.name;
        spec.id = record_.instance_id;
        spec.image =
            request.version.empty() ? request.datastore : request.datastore + ":" + request.version;
        spec.volume_id = record_.volume_id;
        spec.flavor = {request.cpu_millis, request.memory_bytes};
        spec.agent_folder = request.agent_folder;
        spec.root_disk_bytes = request.root_disk_bytes;
        JACKDAW_TRY(spec.seeds, seeds());
        JACKDAW_TRY(const auto machine, provider.create_machine(spec, tags("machine")));
        record_.address = machine.address;
        for (const auto& warning : machine.warnings) {
            session_.terminal.err(view_.clear() + "warning: " + printable(warning) + "\n");
        }
        return ok();
    }

    Result<void> read_identity(Cloud& cloud) {
        if (cloud.files() == nullptr) {
            return Error{Errc::unsupported, "this provider cannot hand over to an agent"};
        }
        JACKDAW_TRY(const auto text, cloud.files()->agent_identity(name(), identity_limit));
        JACKDAW_TRY(const auto json, proto::parse_json(text));
        AgentIdentity agent{record_.fleet, record_.instance_id, name(), {}, {}};
        JACKDAW_TRY(agent.sign_key, proto::string_at(json, "sign_key", "", 64));
        JACKDAW_TRY(agent.noise_key, proto::string_at(json, "noise_key", "", 64));
        identity_ = std::move(agent);
        return ok();
    }

    Result<void> hand_over(Cloud& cloud) {
        if (!identity_) { // a resumed create
            JACKDAW_CHECK(read_identity(cloud));
        }
        JACKDAW_TRY(const auto keys, load_keys(session_.folders, record_.fleet));
        JACKDAW_TRY(auto made, session_.sign(keys, *identity_));
        cloud::FleetFiles files;
        files.statement = std::move(made.statement);
        files.operator_key = std::move(made.operator_key);
        JACKDAW_TRY(files.gossip_ring, load_gossip_ring(session_.folders, record_.fleet));
        JACKDAW_TRY(const auto others, seeds());
        for (const auto& seed : others) {
            files.seeds += seed + "\n";
        }
        return cloud.files()->deliver(name(), files);
    }

    /// The body, with passwords in it: the caller wipes it.
    Json body() {
        auto spec = proto::to_json(spec_for_agent(record_));
        spec["operation_id"] = record_.operation.id;
        for (std::size_t i = 0; i < credentials_.size(); ++i) {
            spec["users"][i]["password"] = credentials_[i].password.reveal();
        }
        return spec;
    }

    void have_passwords() {
        const auto& users = record_.request.users;
        for (std::size_t i = credentials_.size(); i < users.size(); ++i) {
            credentials_.push_back(
                Credential{users[i].name, users[i].host, new_password(session_.entropy), true});
        }
    }

    Result<void> submit() {
        have_passwords();
        const auto until = session_.in(submit_limit);
        for (;;) { // until the agent answers, or the limit
            auto sent = send();
            if (sent) {
                record_.agent_has_it = true;
                return ok();
            }
            const auto code = sent.error().code();
            // Before the agent has read its statement it takes nobody for an operator.
            const bool passing = code == Errc::unavailable || code == Errc::deadline ||
                                 (code == Errc::not_allowed && sent.error().id() == Code::bad_peer);
            if (!passing || sent.error().id() == Code::machine_down ||
                session_.clock.now() >= until) {
                return sent;
            }
            session_.clock.sleep(between_tries);
        }
    }

    Result<void> send() {
        JACKDAW_TRY(auto client, dial());
        ApiRequest request{"PUT", "/v1/instance", body(), record_.operation.id};
        auto accepted = change(*client, request, session_.in(answer_limit));
        for (std::size_t i = 0; i < credentials_.size(); ++i) {
            wipe(request.body["users"][i]["password"].get_ref<std::string&>());
        }
        if (!accepted) {
            return std::move(accepted).error();
        }
        JACKDAW_TRY(agent_operation_, proto::operation_from(*accepted));
        JACKDAW_TRY(const bool no_op, proto::bool_at(*accepted, "no_op", false));
        if (no_op && record_.told) { // these are nobody's: the first ones are valid
            credentials_.clear();
            return ok();
        }
        record_.told = false; // it takes these instead of those that were told before
        return no_op ? set_passwords(*client) : ok();
    }

    /// The agent had finished, but nobody was told the passwords: they are set again.
    Result<void> set_passwords(ApiClient& client) {
        for (const auto& one : credentials_) {
            ApiRequest request{"POST",
                               fmt::format("/v1/users/{}/password?host={}",
                                           percent_encoded(one.user), percent_encoded(one.host)),
                               Json{{"password", one.password.reveal()}},
                               new_uuid(session_.clock, session_.entropy)};
            auto accepted = change(client, request, session_.in(answer_limit));
            wipe(request.body["password"].get_ref<std::string&>());
            if (!accepted) {
                return std::move(accepted).error();
            }
            JACKDAW_TRY(auto operation, proto::operation_from(*accepted));
            JACKDAW_TRY(operation,
                        follow(session_, invocation_, [this] { return dial(); }, operation));
            if (operation.status != "done") {
                return proto::to_error(operation.error.value_or(proto::ErrorShape{}));
            }
        }
        return ok();
    }

    Result<int> give_up(CreateStep step, Error error) {
        session_.terminal.err(view_.clear());
        const auto shape = proto::shape_of(error, record_.operation.id);
        step_failed(record_, step, session_.now_text(), shape);
        JACKDAW_CHECK(journal_.save(record_));
        if (takes_back(step, error.code()) && !record_.agent_has_it) {
            JACKDAW_CHECK(take_back(session_, reach_, record_, shape));
        }
        Conclusion end;
        end.operation = record_.operation;
        return conclude(session_, invocation_, end);
    }

    Conclusion conclusion(proto::Operation operation) {
        Conclusion end;
        end.operation = std::move(operation);
        end.credentials = std::move(credentials_);
        end.said = was_done_ ? fmt::format("instance '{}' was made by now; nothing was left to do. "
                                           "It is at {}",
                                           called(), record_.address)
                             : fmt::format("instance '{}' runs at {}", called(), record_.address);
        end.no_op = was_done_;
        end.next = fmt::format("jackdaw connect {}", called());
        return end;
    }

    proto::Operation whole(const proto::Operation& agent) const {
        return agent.id == record_.operation.id || agent.action == record_.operation.action
                   ? merged(record_, agent)
                   : agent;
    }

    Result<int> leave() {
        auto end = conclusion(whole(*agent_operation_));
        const int status = conclude(session_, invocation_, end);
        record_.told = record_.told || session_.terminal.out_arrived().has_value();
        JACKDAW_CHECK(journal_.save(record_));
        return status;
    }

    Result<int> watch() {
        const bool secrets = std::ranges::any_of(credentials_, &Credential::generated);
        auto followed = follow(
            session_, invocation_, [this] { return dial(); }, *agent_operation_,
            [this](const proto::Operation& agent) { return whole(agent); },
            secrets ? "; `jackdaw user password` makes the passwords that were not shown" : "",
            &view_);
        if (!followed) {
            auto late = conclusion(whole(*agent_operation_));
            late.operation.status = "running";
            session_.terminal.out(
                is_structured(invocation_.format)
                    ? render_object(proto::to_json(late.operation), "", invocation_.format, "id")
                    : "");
            return report_lost(session_, invocation_, followed.error(), late.operation.id);
        }
        auto end = conclusion(*std::move(followed));
        end.waited = true;
        record_.operation.status = end.operation.status;
        record_.operation.progress = end.operation.progress;
        record_.operation.error = end.operation.error;
        record_.operation.ended_at = end.operation.ended_at;
        if (end.operation.status == "undone") {
            end.credentials.clear();
            JACKDAW_CHECK(take_back(session_, reach_, record_,
                                    end.operation.error.value_or(proto::shape_of(
                                        Error{Code::aborted, "the agent undid it"}))));
            return conclude(session_, invocation_, end);
        }
        if (end.operation.status == "done") {
            end.instance = instance();
        } else {
            end.credentials.clear(); // a resumed create makes new ones
            hint_at_abort(end.operation);
        }
        const int status = conclude(session_, invocation_, end);
        record_.told =
            record_.told || (end.operation.status == "done" && session_.terminal.out_arrived());
        JACKDAW_CHECK(journal_.save(record_));
        if (end.operation.status == "done" && !record_.request.attach_serial.empty()) {
            // What it held is this instance's now, and goes with it.
            JACKDAW_TRY(auto* const cloud, reach_.cloud());
            JACKDAW_CHECK(cloud->provider().keep_volume(record_.volume_id, false));
        }
        return status;
    }

    /// Other words are another create: the name is this one's until it is taken back.
    static void hint_at_abort(proto::Operation& failed) {
        if (!failed.error) {
            return;
        }
        auto& hint = failed.error->hint;
        hint += fmt::format("{}a create with other words takes the name once `jackdaw op abort {}` "
                            "gave this one back",
                            hint.empty() ? "" : "; ", failed.id);
    }

    /// Nothing was submitted by this run, because the agent has it and the passwords were told:
    /// those that it was given are nobody's. One that failed goes on.
    Result<void> look_at_agent() {
        if (agent_operation_) {
            return ok();
        }
        credentials_.clear();
        JACKDAW_TRY(auto client, dial());
        const auto path = "/v1/operations/" + record_.operation.id;
        auto told = get(*client, path, session_.in(answer_limit));
        if (!told && told.error().code() == Errc::not_found) { // so old that it is forgotten?
            JACKDAW_CHECK(get(*client, "/v1/instance", session_.in(answer_limit)));
            agent_operation_ = record_.operation;
            agent_operation_->status = "done";
            agent_operation_->steps.clear();
            was_done_ = true;
            return ok();
        }
        JACKDAW_TRY(auto json, std::move(told));
        JACKDAW_TRY(agent_operation_, proto::operation_from(json));
        was_done_ = agent_operation_->status == "done";
        if (agent_operation_->status == "failed") {
            JACKDAW_TRY(json, change(*client,
                                     ApiRequest{"POST", path + "/resume", nullptr,
                                                new_uuid(session_.clock, session_.entropy)},
                                     session_.in(answer_limit)));
            JACKDAW_TRY(agent_operation_, proto::operation_from(json));
        }
        return ok();
    }

    Json instance() {
        if (auto client = dial()) {
            if (auto json = get(**client, "/v1/instance", session_.in(answer_limit))) {
                return *std::move(json);
            }
        }
        return nullptr; // it is there; only the look at it failed
    }

    Session& session_;
    const Invocation& invocation_;
    Reach& reach_;
    OpJournal journal_;
    CreateRecord record_;
    std::vector<Credential> credentials_;
    std::optional<NameLock> lock_;
    std::optional<AgentIdentity> identity_;
    std::optional<proto::Operation> agent_operation_;
    bool was_done_ = false; ///< when this run first asked for it
    ProgressView view_{session_.terminal.err_is_terminal(), session_.terminal.columns()};
};

} // namespace

Result<int> resume_create(Session& session, const Invocation& invocation, Reach& reach,
                          CreateRecord record, std::vector<Credential> credentials,
                          std::optional<NameLock> held) {
    CreateRun run{session,        invocation, reach, std::move(record), std::move(credentials),
                  std::move(held)};
    return run.run();
}

Error half_done(Error error) {
    const bool is_open = error.code() == Errc::unavailable || error.code() == Errc::deadline;
    return is_open ? std::move(error).with_hint(
                         "the same command again goes on with it, and removes the machine, too")
                   : std::move(error);
}

Error being_deleted(const std::string& name) {
    return Error{Code::name_taken, fmt::format("'{}' is being deleted", name)}.with_hint(
        fmt::format("`jackdaw instance delete {}` ends that", name));
}

void leave_fleet(Session& session, Reach& reach, const cloud::Machine& machine) {
    if (machine.state != cloud::MachineState::on) {
        return;
    }
    auto client = reach.of_machine(machine);
    const auto left = client ? change(**client,
                                      ApiRequest{"POST", "/v1/gossip/leave", nullptr,
                                                 new_uuid(session.clock, session.entropy)},
                                      session.in(leave_limit))
                             : Result<Json>{client.error().clone()};
    // One that was never handed over is no member; others' lists show any other one as down.
    if (!left && left.error().code() != Errc::unavailable) {
        session.terminal.err(fmt::format("warning: '{}' did not leave the fleet's gossip: {}\n",
                                         machine.label, printable(left.error().message())));
    }
}

namespace {

/// What this create made; one that it was killed before it could write down has its tags. One that
/// an operator kept, or that another machine has by now, is theirs.
Result<void> delete_volumes_of(cloud::Provider& provider, const CreateRecord& record) {
    JACKDAW_TRY(const auto all, provider.volumes());
    for (const auto& one : all) {
        const bool is_own = one.tags.operation == record.operation.id ||
                            (record.volume_made && one.id == record.volume_id);
        const bool is_theirs =
            one.kept || (!one.machine.empty() && one.machine != record.request.name);
        if (is_own && !is_theirs) {
            JACKDAW_CHECK(provider.delete_volume(one.id));
        }
    }
    return ok();
}

/// Without it nobody is left to undo anything; what has its name by now may be another's.
Result<bool> has_machine(Reach& reach, const CreateRecord& record) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    const auto machine = cloud->provider().describe_machine(record.request.name);
    if (!machine && machine.error().code() != Errc::not_found) {
        return machine.error().clone();
    }
    return machine && (machine->id.empty() || machine->id == record.instance_id);
}

/// The agent's part of an abort. `conflict` when the create was done before.
Result<void> await_undo(Session& session, const Invocation& invocation, Reach& reach,
                        const CreateRecord& record) {
    const auto& name = record.request.name;
    const Redial redial = [&] { return reach.of(name); };
    JACKDAW_TRY(auto client, redial());
    JACKDAW_TRY(const auto json,
                get(*client, "/v1/operations/" + record.operation.id, session.in(answer_limit)));
    JACKDAW_TRY(const auto agent, proto::operation_from(json));
    auto ended = follow(session, invocation, redial, agent, {}, half_done_note);
    if (!ended) {
        return half_done(std::move(ended).error());
    }
    if (ended->status == "done") { // too late
        return Error{Errc::conflict, fmt::format("operation {} is done", agent.id)}.with_hint(
            fmt::format("`jackdaw instance delete {}`", name));
    }
    return ok();
}

} // namespace

Result<void> take_back(Session& session, Reach& reach, CreateRecord& record,
                       const proto::ErrorShape& why) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    auto& provider = cloud->provider();
    const auto machine = provider.describe_machine(record.request.name);
    goes_back(record, session.now_text(), why);
    JACKDAW_CHECK(reach.journal().save(record));
    if (machine && machine->id == record.instance_id) {
        leave_fleet(session, reach, *machine);
        JACKDAW_CHECK(provider.delete_machine(record.request.name));
    } else if (!machine && machine.error().code() != Errc::not_found) {
        return machine.error().clone();
    }
    JACKDAW_CHECK(delete_volumes_of(provider, record));
    undone(record, session.now_text(), why);
    return reach.journal().save(record);
}

Result<int> abort_create(Session& session, const Invocation& invocation, Reach& reach,
                         CreateRecord record) {
    const auto name = record.request.name;
    JACKDAW_TRY(const auto lock, take_name(session, reach.journal(), name, name_limit));
    if (auto newer = reach.journal().find(record.operation.id)) { // it went on meanwhile
        record = *std::move(newer);
    }
    if (record.deletion) {
        return being_deleted(name);
    }
    announce(session, invocation, record.operation.id);
    if (record.agent_has_it) {
        JACKDAW_TRY(const bool is_there, has_machine(reach, record));
        JACKDAW_CHECK(is_there ? await_undo(session, invocation, reach, record) : ok());
    }
    const auto why =
        proto::shape_of(Error{Code::aborted, "an operator asked for it"}, record.operation.id);
    JACKDAW_CHECK(take_back(session, reach, record, why));
    session.terminal.out(render_object(proto::to_json(record.operation),
                                       fmt::format("operation {} is undone\n", record.operation.id),
                                       invocation.format, "id"));
    return 0;
}

} // namespace jackdaw::cli
