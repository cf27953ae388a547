// What other threads ask of the life: requests, queries and views.
#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "agent/life/life.h"
#include "agent/life/overtaken.h"
#include "agent/life/steps.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds speech_wait{5};
constexpr std::chrono::seconds query_limit{10};
constexpr std::size_t accounts_max = 256; ///< databases or users in one spec

/// The part of `limit` that ends before `deadline`; none is zero.
std::chrono::milliseconds within(std::chrono::seconds limit, Life::Deadline deadline) {
    const auto left = deadline - Life::Deadline::clock::now();
    return std::clamp(std::chrono::floor<std::chrono::milliseconds>(left),
                      std::chrono::milliseconds{0}, std::chrono::milliseconds{limit});
}

/// Of a resumed operation that gives an account the password of its request.
std::string password_words(const proto::Operation& operation) {
    return fmt::format("the password is the one that was asked for at {}; one that was generated "
                       "then was shown to nobody: `jackdaw {}` makes another",
                       operation.created_at,
                       operation.action == "root.enable" ? "root enable" : "user password");
}

/// What makes two specs the same wish: not the ids that were found on the way, nor passwords.
Json wish_of(const proto::InstanceSpec& spec) {
    auto wish = spec;
    wish.created_at.clear();
    wish.parameters.clear(); // set since
    for (auto& user : wish.users) {
        user.verifier.clear();
    }
    return proto::to_json(wish);
}

const Record* newest_create(const std::map<std::string, Record>& all) {
    const Record* newest = nullptr;
    for (const auto& [id, record] : all) {
        newest = record.shape.action == "instance.create" ? &record : newest;
    }
    return newest;
}

} // namespace

Result<Life::Submitted> Life::create(proto::InstanceSpec spec, std::vector<Secret> passwords,
                                     const SubmitRequest& request) {
    JACKDAW_CHECK(check_label(spec.name, "instance"));
    if (!is_uuid(spec.id)) {
        return Error{Errc::invalid, "the spec's id is not a UUID"};
    }
    if (spec.filesystem != "xfs" && spec.filesystem != "ext4") {
        return Error{Errc::invalid,
                     fmt::format("'{}' is not a file system for volumes; xfs and ext4 are",
                                 spec.filesystem.substr(0, 20))};
    }
    if (!spec.parameters.empty()) { // nothing knows them before a server runs
        return Error{Errc::invalid, "parameters are set once the instance is there"}.with_hint(
            "`jackdaw config set INSTANCE NAME=VALUE`");
    }
    if (spec.databases.size() > accounts_max || spec.users.size() > accounts_max) {
        return Error{Errc::invalid,
                     fmt::format("more than {} databases or users in one spec", accounts_max)};
    }
    const auto made = [&]() -> std::optional<Submitted> { // the caller has core_mutex_
        const auto present = state_.spec();
        const auto* const last = newest_create(operations_.all());
        const bool is_made = present && wish_of(*present) == wish_of(spec) && last != nullptr &&
                             last->shape.status == "done";
        return is_made ? std::optional{Submitted{operations_.shape_at(now(), *last), true}}
                       : std::nullopt;
    };
    {
        const std::lock_guard lock{core_mutex_};
        if (auto here = made()) { // whose passwords nobody needs to bring
            return *std::move(here);
        }
    }
    JACKDAW_TRY(const auto driver, parts_.drivers(spec.datastore));
    if (spec.volume_size_bytes < driver->volume_bytes_min()) {
        return Error{Code::volume_too_small, fmt::format("{} asks for at least {}", spec.datastore,
                                                         format_size(driver->volume_bytes_min()))};
    }
    for (const auto& database : spec.databases) {
        if (driver->databases() == nullptr) {
            return Error{Errc::unsupported, fmt::format("{} has no databases", spec.datastore)};
        }
        JACKDAW_CHECK(driver->databases()->check(database));
    }
    for (std::size_t i = 0; i < spec.users.size(); ++i) {
        if (driver->users() == nullptr) {
            return Error{Errc::unsupported, fmt::format("{} has no users", spec.datastore)};
        }
        JACKDAW_CHECK(driver->users()->check(spec.users[i]));
        if (i < passwords.size() && !passwords[i].empty()) {
            JACKDAW_TRY(spec.users[i].verifier, driver->users()->make_verifier(passwords[i]));
        }
        if (spec.users[i].verifier.empty()) {
            return Error{Code::bad_password,
                         fmt::format("user '{}' has no password", spec.users[i].name)};
        }
    }
    if (const auto& made_for = machine_.instance_id; !made_for.empty() && made_for != spec.id) {
        return Error{Errc::conflict,
                     fmt::format("this machine was made for instance {}", made_for)};
    }

    const std::lock_guard lock{core_mutex_};
    if (auto here = made()) { // by now
        return *std::move(here);
    }
    const auto present = state_.spec();
    if (present) {
        if (wish_of(*present) != wish_of(spec)) {
            return Error{Code::name_taken,
                         fmt::format("instance '{}' is here with another spec", present->name)};
        }
        const auto* const last = newest_create(operations_.all());
        if (last != nullptr && last->shape.status != "undone") {
            // A resumed create brings new passwords: their verifiers replace the old ones, and are
            // set again.
            spec.parameters = present->parameters;
            JACKDAW_CHECK(state_.set_spec(std::move(spec)));
            JACKDAW_CHECK(
                operations_.resume(now(), last->shape.id, settings_.operation_limit.count()));
            operations_.rewind(last->shape.id, "users.create");
            JACKDAW_CHECK(journal());
            wake();
            return Submitted{operations_.shape_at(now(), *operations_.find(last->shape.id)), false};
        }
        if (state_.facts().created) { // a second create could be aborted, and undo the first one
            return Error{
                Code::name_taken,
                fmt::format("instance '{}' is here; its create is no longer in the journal",
                            present->name)};
        }
    }
    const auto name = spec.name;
    if (spec.created_at.empty()) {
        spec.created_at = rfc3339(parts_.clock.wall_ms());
    }
    JACKDAW_CHECK(state_.set_spec(std::move(spec)));
    auto submitting = request;
    submitting.action = "instance.create";
    submitting.target = name;
    auto id = submit_locked(std::move(submitting));
    if (!id) {
        JACKDAW_CHECK(present ? state_.set_spec(*present) : state_.forget()); // nothing changed
        return std::move(id).error();
    }
    return Submitted{shape(*id), false};
}

Result<std::string> Life::submit_locked(SubmitRequest request) {
    const auto* const plan = plan_of(request.action);
    if (plan == nullptr) {
        return Error{Errc::unsupported, fmt::format("no action '{}'", request.action)};
    }
    Operations::Request wanted;
    wanted.id = request.id.empty() ? new_id() : std::move(request.id);
    wanted.action = std::move(request.action);
    wanted.target = std::move(request.target);
    for (const auto& step : *plan) {
        wanted.steps.emplace_back(step.name);
    }
    wanted.arguments = std::move(request.arguments);
    wanted.idempotency_key = std::move(request.idempotency_key);
    wanted.request_mac = std::move(request.request_mac);
    wanted.caller = std::move(request.caller);
    wanted.cause = std::move(request.cause);
    wanted.limit_seconds = settings_.operation_limit.count();
    JACKDAW_TRY(auto id, operations_.submit(now(), std::move(wanted)));
    JACKDAW_CHECK(journal());
    wake();
    return id;
}

Result<Life::Submitted> Life::submit(SubmitRequest request) {
    const std::lock_guard lock{core_mutex_};
    if (!state_.spec()) {
        return Error{Errc::not_found, "there is no instance on this machine"};
    }
    if (request.action == "instance.delete") {
        JACKDAW_CHECK(steps::need_unprotected(state_)); // each of its steps looks again
    }
    if (!state_.facts().created && request.action != "instance.delete") {
        return Error{Errc::conflict, "the instance is not created yet"};
    }
    if (request.action == "instance.delete") { // a create that stands in its way will not go on
        if (const auto* const create = operations_.unfinished("instance.create")) {
            return Error{Code::operation_running,
                         fmt::format("the create {} is not over", create->shape.id)}
                .with_hint(fmt::format("`jackdaw op abort {}` first", create->shape.id));
        }
    }
    if (request.target.empty()) {
        request.target = state_.spec()->name;
    }
    if (is_start(request.action)) { // somebody wants it to run: a crash loop is forgiven
        forgiven_ = true;
    }
    JACKDAW_TRY(const auto id, submit_locked(std::move(request)));
    return Submitted{shape(id), false};
}

std::optional<Life::Submitted> Life::submitted_before(const std::string& idempotency_key,
                                                      const std::string& request_mac) const {
    const std::lock_guard lock{core_mutex_};
    const auto* const record = operations_.find_key(idempotency_key);
    if (record == nullptr || record->request_mac.empty() || record->request_mac != request_mac) {
        return std::nullopt;
    }
    return Submitted{operations_.shape_at(now(), *record), false};
}

Result<void> Life::check_not_overtaken(const Record& failed, bool undo) const {
    const auto* const later =
        overtaken_by(operations_.all(), failed, undo ? Late::undo : Late::go_on);
    if (later == nullptr) {
        return ok();
    }
    return Error{Errc::conflict,
                 fmt::format("operation {} ({} {}) was overtaken by {} ({} {}), whose result it "
                             "would change now",
                             failed.shape.id, failed.shape.action, failed.shape.target,
                             later->shape.id, later->shape.action, later->shape.target)}
        .with_hint("leave it as it is; if it is still wanted, give the command anew");
}

Result<proto::Operation> Life::abort(const std::string& id) {
    const std::lock_guard lock{core_mutex_};
    const auto* const before = operations_.find(id);
    const bool again = before != nullptr && before->shape.abort_requested;
    if (before != nullptr && before->shape.status == "failed") {
        JACKDAW_CHECK(check_not_overtaken(*before, true));
    }
    JACKDAW_CHECK(operations_.abort(now(), id));
    JACKDAW_CHECK(journal());
    // Once only: raised again, it would cut short the undo that it asked for.
    if (const auto* const running = operations_.running();
        !again && running != nullptr && running->shape.id == id) {
        stop_.raise();
    }
    wake();
    return shape(id);
}

Result<proto::Operation> Life::resume(const std::string& id) {
    const std::lock_guard lock{core_mutex_};
    const auto* const before = operations_.find(id);
    if (before != nullptr && before->shape.status == "failed") {
        // What an abort has begun to undo, only that undo can end.
        JACKDAW_CHECK(check_not_overtaken(*before, before->shape.abort_requested));
        if (before->shape.action == "instance.delete" && !before->shape.abort_requested) {
            JACKDAW_CHECK(steps::need_unprotected(state_));
        }
        if (before->arguments.contains("verifier") && !before->shape.abort_requested) {
            (void)operations_.warn(id, password_words(before->shape));
        }
    }
    JACKDAW_CHECK(operations_.resume(now(), id, settings_.operation_limit.count()));
    if (is_start(operations_.find(id)->shape.action)) {
        forgiven_ = true;
    }
    JACKDAW_CHECK(journal());
    wake();
    return shape(id);
}

Error Life::no_driver() const {
    const auto has = state_.spec();
    if (!has) {
        return Error{Errc::not_found, "there is no instance on this machine"};
    }
    if (state_.facts().created) {
        return Error{Errc::unavailable,
                     fmt::format("the driver for {} could not be loaded", has->datastore)}
            .with_hint(fmt::format("tail -n 50 /var/log/jackdaw/agent.log says why; `jackdaw "
                                   "instance start {}` tries again",
                                   has->name));
    }
    return Error{Errc::conflict, "the instance is not created yet"}.with_hint(
        fmt::format("`jackdaw op list --instance {}` shows how far that has come", has->name));
}

Error Life::not_adopted(Error error) const {
    const auto view = instance();
    if (error.code() != Errc::unavailable || !view || view->reason.empty() ||
        (view->status != "degraded" && view->status != "failed")) {
        return error;
    }
    return Error{Code::database_down, view->reason}.with_hint(
        fmt::format("`jackdaw doctor {}` says what mends it", view->name));
}

Result<Json>
Life::query(const std::function<Result<Json>(plugins::Datastore&, const plugins::Call&)>& say,
            Deadline deadline) {
    return query_place([&](plugins::Datastore& driver, const plugins::Call& call,
                           const plugins::Place&) { return say(driver, call); },
                       deadline);
}

Result<Json>
Life::query_place(const std::function<Result<Json>(plugins::Datastore&, const plugins::Call&,
                                                   const plugins::Place&)>& say,
                  Deadline deadline) {
    std::unique_lock speech{slot_.speech, within(speech_wait, deadline)};
    if (!speech) {
        return Error{Errc::busy, "the database's session is taken by an operation"};
    }
    if (slot_.driver == nullptr || slot_.place.instance_id.empty()) {
        return no_driver();
    }
    JACKDAW_CHECK(steps::need_running(state_));
    const plugins::Call call{std::chrono::steady_clock::now() + within(query_limit, deadline),
                             nullptr};
    if (auto adopted = slot_.driver->adopt(call, slot_.place); !adopted) {
        return not_adopted(std::move(adopted).error());
    }
    return say(*slot_.driver, call, slot_.place);
}

Result<std::shared_ptr<plugins::Datastore>> Life::driver(Deadline deadline) {
    const std::unique_lock speech{slot_.speech, within(speech_wait, deadline)};
    if (!speech) {
        return Error{Errc::busy, "the database's session is taken by an operation"};
    }
    if (slot_.driver == nullptr) {
        return no_driver();
    }
    return slot_.driver;
}

proto::Operation Life::shape(const std::string& id) const {
    return operations_.shape_at(now(), *operations_.find(id));
}

std::optional<proto::Instance> Life::instance() const {
    std::shared_ptr<const proto::Instance> view;
    {
        const std::lock_guard lock{view_mutex_};
        view = view_;
    }
    return view ? std::optional{*view} : std::nullopt;
}

std::shared_ptr<const proto::InstanceSpec> Life::spec() const {
    return state_.spec();
}

bool Life::deleted() const {
    return deleted_;
}

std::optional<proto::Operation> Life::operation(const std::string& id) const {
    const std::lock_guard lock{core_mutex_};
    if (operations_.find(id) == nullptr) {
        return std::nullopt;
    }
    return shape(id);
}

std::vector<proto::Operation> Life::operations(std::size_t limit,
                                               const std::vector<std::string_view>& actions) const {
    const std::lock_guard lock{core_mutex_};
    std::vector<proto::Operation> all;
    const auto& records = operations_.all();
    for (auto record = records.rbegin(); record != records.rend() && all.size() < limit; ++record) {
        const auto& action = record->second.shape.action;
        if (actions.empty() || std::ranges::find(actions, action) != actions.end()) {
            all.push_back(operations_.shape_at(now(), record->second));
        }
    }
    return all;
}

} // namespace jackdaw::agent
