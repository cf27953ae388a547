// Steps about the instance's own parameters: check, render, keep, apply; and about maintenance.
//
// What the server would not take as it is must be refused before anything is changed: names and
// values against the list of the running server, then a scratch parse of the whole file. What is
// kept is in the spec; files follow it at every start.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "agent/life/facet_speech.h"
#include "agent/life/parameter_wish.h"
#include "proto/base/ids.h"

namespace jackdaw::agent::steps {
namespace {

constexpr std::chrono::seconds check_limit{60};
constexpr std::size_t parameters_max = own_parameters_max;
constexpr std::chrono::seconds login_limit{5};
constexpr std::chrono::milliseconds end_known{500}; ///< an end shows a moment after the silence

using Values = ParameterValues;

/// A text argument map that an earlier step journalled; `corrupt` when it is not there.
Result<Values> values_argument(const StepContext& context, const char* key) {
    if (!context.arguments().contains(key)) {
        return Error{Errc::corrupt, fmt::format("the operation has lost its '{}'", key)};
    }
    return proto::texts_at(context.arguments(), key, parameters_max);
}

/// Sorted, each name once.
std::vector<std::string> each_once(std::vector<std::string> names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    names.resize(std::min(names.size(), parameters_max));
    return names;
}

/// What this operation changes, as its first step journalled it. It may have failed and be resumed
/// or aborted after others have set parameters, too: those stay.
struct OwnChange {
    Values before, wanted;
    std::vector<std::string> named; ///< all that is set, also to the value that was kept already
    /// What a running server is to be given: of what is kept already it may have another value.
    [[nodiscard]] std::vector<std::string> names() const {
        auto all = changed_between(before, wanted);
        all.insert(all.end(), named.begin(), named.end());
        return each_once(std::move(all));
    }
    [[nodiscard]] Values on(Values now) const { return carried(std::move(now), before, wanted); }
    [[nodiscard]] Values off(Values now) const {
        return taken_back(std::move(now), before, wanted);
    }
};

Result<OwnChange> own_change(const StepContext& context) {
    OwnChange change;
    JACKDAW_TRY(change.before, values_argument(context, "before"));
    JACKDAW_TRY(change.wanted, values_argument(context, "wanted"));
    JACKDAW_TRY(change.named, proto::strings_at(context.arguments(), "named", parameters_max));
    return change;
}

/// As the engine calls them.
Result<std::vector<std::string>> names_of(const plugins::Parameters& parameters,
                                          const std::vector<proto::Parameter>& known,
                                          const Values& set) {
    std::vector<std::string> names;
    for (const auto& [name, value] : set) {
        JACKDAW_TRY(auto canonical, parameters.check(known, name, value));
        names.push_back(std::move(canonical.first));
    }
    return names;
}

plugins::Place place_with(const StepContext& context, Values parameters) {
    auto place = context.slot.place;
    place.parameters = std::move(parameters);
    return place;
}

Result<void> write_files(StepContext& context, const Values& parameters) {
    JACKDAW_CHECK(context.need_driver());
    JACKDAW_TRY(auto files, context.slot.driver->render(place_with(context, parameters)));
    std::ranges::sort(files, {}, &plugins::RenderedFile::name);
    return context.host.write_config(files);
}

/// Gives the running server the values that `wanted` has of these (sorted); keeps the names that
/// wait for a restart: those that it does not take now, those that it says of its own settings, and
/// what was unset before and waits still (nothing is configured, so the list does not tell).
Result<void> apply(StepContext& context, const std::vector<std::string>& names,
                   const Values& wanted) {
    return with_facet(
        context, &plugins::Datastore::parameters,
        [&](plugins::Parameters& parameters, const plugins::Call& call) -> Result<void> {
            const auto place = place_with(context, wanted);
            JACKDAW_TRY(auto waiting, parameters.apply(call, place, names));
            JACKDAW_TRY(const auto known, parameters.list(call, place));
            for (const auto& one : known) {
                if (one.pending) {
                    waiting.push_back(one.name);
                }
            }
            auto facts = context.state.facts();
            for (const auto& name : facts.pending_restart) {
                if (!wanted.contains(name) && !std::ranges::binary_search(names, name)) {
                    waiting.push_back(name);
                }
            }
            facts.pending_restart = each_once(std::move(waiting));
            if (std::ranges::find(names, facts.switched_off.parameter) != names.end()) {
                facts.switched_off = {}; // somebody has decided on it
            }
            return context.state.set_facts(std::move(facts));
        });
}

/// No process of it is left: it has ended by itself, or went with its guard.
bool has_ended(StepContext& context) {
    std::unique_ptr<GuardLink> found; // of one that this agent has not reached before
    auto* link = context.database.link.get();
    if (link == nullptr) {
        auto connected = context.host.connect_guard(std::string{database_guard});
        if (!connected) {
            return false; // nobody knows
        }
        found = *std::move(connected);
        link = found.get();
    }
    if (link == nullptr) {
        return true;
    }
    const auto end = link->wait_end(end_known, context.stop.fd());
    return end ? end->phase == GuardPhase::ended : end.error().code() == Errc::unavailable;
}

/// Nobody wants it to run, it has ended by itself, or it does not let the agent in: then what is
/// set waits for its next start, which takes it from the file. Any other trouble is an error, that
/// of one that runs and does not answer, too.
Result<bool> is_open(StepContext& context) {
    if (!context.state.facts().wanted_running) {
        return false;
    }
    JACKDAW_CHECK(context.need_driver());
    const std::lock_guard speech{context.slot.speech};
    const auto adopted = context.slot.driver->adopt(context.call(login_limit), context.slot.place);
    if (!adopted && adopted.error().code() != Errc::not_allowed && !has_ended(context)) {
        return adopted.error().clone();
    }
    return adopted.has_value();
}

/// At the next start.
Result<void> put_off(StepContext& context, const std::vector<std::string>& names) {
    if (names.empty()) {
        return ok();
    }
    auto facts = context.state.facts();
    auto& waiting = facts.pending_restart;
    waiting.insert(waiting.end(), names.begin(), names.end());
    waiting = each_once(std::move(waiting));
    JACKDAW_CHECK(context.state.set_facts(std::move(facts)));
    context.warn(fmt::format("the database could not be told now; its next start takes: {}",
                             fmt::join(names, ", ")));
    return ok();
}

Result<void> keep(StepContext& context, Values parameters) {
    auto spec = context.spec();
    spec.parameters = parameters;
    JACKDAW_CHECK(context.state.set_spec(std::move(spec)));
    const std::lock_guard speech{context.slot.speech};
    context.slot.place.parameters = std::move(parameters);
    return ok();
}

} // namespace

Result<void> check_parameters(StepContext& context) {
    const auto request = context.arguments().find("request");
    if (request == context.arguments().end()) {
        return Error{Errc::corrupt, "the operation has lost what was asked for"};
    }
    JACKDAW_TRY(const auto set, proto::texts_at(*request, "set", parameters_max));
    JACKDAW_TRY(const auto unset, proto::strings_at(*request, "unset", parameters_max));
    const auto before = context.spec().parameters;
    Values wanted;
    std::vector<std::string> named;
    JACKDAW_TRY(const bool open, is_open(context));
    if (open) {
        JACKDAW_CHECK(with_facet(
            context, &plugins::Datastore::parameters,
            [&](plugins::Parameters& parameters, const plugins::Call& call) -> Result<void> {
                JACKDAW_TRY(const auto known, parameters.list(call, context.slot.place));
                JACKDAW_TRY(wanted, wish_of(parameters, known, place_with(context, before),
                                            {set, unset}, context.spec().name));
                JACKDAW_TRY(named, names_of(parameters, known, set));
                Values given;
                for (const auto& name : named) {
                    if (const auto at = wanted.find(name); at != wanted.end()) {
                        given.insert(*at);
                    }
                }
                return parameters.try_out(call, given);
            }));
    } else {
        JACKDAW_CHECK(context.need_driver());
        auto* const parameters = context.slot.driver->parameters();
        if (parameters == nullptr) {
            return Error{Errc::unsupported,
                         fmt::format("{} has no parameters", context.slot.driver->name())};
        }
        JACKDAW_TRY(const auto known, context.state.parameter_list());
        JACKDAW_TRY(wanted, wish_of(*parameters, known, place_with(context, before), {set, unset},
                                    context.spec().name));
        JACKDAW_TRY(named, names_of(*parameters, known, set));
    }
    JACKDAW_CHECK(context.set_argument("before", before));
    JACKDAW_CHECK(context.set_argument("named", named));
    return context.set_argument("wanted", wanted);
}

Result<void> render_parameters(StepContext& context) {
    JACKDAW_TRY(const auto change, own_change(context));
    const auto now = context.spec().parameters;
    const auto wanted = change.on(now);
    JACKDAW_CHECK(write_files(context, wanted));
    const auto check = context.slot.driver->check_config_job(place_with(context, wanted));
    if (!check) {
        return ok();
    }
    JobRun run;
    run.limit = check_limit;
    run.engine = true;
    run.spawn = [&] {
        return context.host.spawn_job(context.job_guard(), context.spec().datastore, *check);
    };
    auto end = run_job(context, "config.render", run, true);
    auto judged = end ? context.slot.driver->judge_config(end->exit_status, end->output)
                      : Result<void>{end.error().clone()};
    if (!judged) { // nobody resumes it with other values: the file is as it was
        JACKDAW_CHECK(write_files(context, now));
    }
    return judged;
}

Result<void> undo_render_parameters(StepContext& context) {
    if (!context.arguments().contains("wanted")) {
        return ok();
    }
    JACKDAW_TRY(const auto change, own_change(context));
    return write_files(context, change.off(context.spec().parameters));
}

Result<void> keep_parameters(StepContext& context) {
    JACKDAW_TRY(const auto change, own_change(context));
    return keep(context, change.on(context.spec().parameters));
}

Result<void> undo_keep_parameters(StepContext& context) {
    JACKDAW_TRY(const auto change, own_change(context));
    return keep(context, change.off(context.spec().parameters));
}

Result<void> apply_parameters(StepContext& context) {
    JACKDAW_TRY(const auto change, own_change(context));
    const auto kept = change.on(context.spec().parameters);
    if (kept != context.spec().parameters) { // resumed after all was as it had been
        JACKDAW_CHECK(write_files(context, kept));
        JACKDAW_CHECK(keep(context, kept));
    }
    JACKDAW_TRY(const bool open, is_open(context));
    if (!open) {
        return put_off(context, changed_between(change.before, change.wanted));
    }
    auto applied = apply(context, change.names(), kept);
    if (applied || applied.error().id() == Code::database_down ||
        context.stop.raised()) { // it waits for the next start, or goes on with the next agent
        return applied;
    }
    // The server took some and refused others: all as it was, in the server, the spec and the file.
    const auto error = std::move(applied).error();
    const auto before = change.off(kept);
    JACKDAW_CHECK(apply(context, change.names(), before).while_doing("take back what was applied"));
    JACKDAW_CHECK(keep(context, before));
    JACKDAW_CHECK(write_files(context, before));
    return error.clone();
}

Result<void> undo_apply_parameters(StepContext& context) {
    JACKDAW_TRY(const auto change, own_change(context));
    JACKDAW_TRY(const bool open, is_open(context));
    return open ? apply(context, change.names(), change.off(context.spec().parameters))
                : put_off(context, changed_between(change.before, change.wanted));
}

Result<void> begin_maintenance(StepContext& context) {
    const auto request = context.arguments().find("request");
    if (request == context.arguments().end()) {
        return Error{Errc::corrupt, "the operation has lost what was asked for"};
    }
    JACKDAW_TRY(const auto until,
                proto::number_at(*request, "until_ms", 0, std::uint64_t{1} << 52U));
    auto facts = context.state.facts();
    facts.maintenance_until_ms = static_cast<std::int64_t>(until);
    facts.maintenance_by = context.record->shape.caller;
    return context.state.set_facts(std::move(facts));
}

Result<void> end_maintenance(StepContext& context) {
    auto facts = context.state.facts();
    if (facts.maintenance_until_ms == 0) {
        const bool asked = context.record->shape.action == "instance.resume"; // else a pause undone
        if (asked && !context.arguments().contains(was_paused)) {
            context.warn("the instance was not paused, so nothing has changed");
        }
        return ok();
    }
    JACKDAW_CHECK(context.set_argument(was_paused, true)); // first: whoever ends it tells of it
    facts.maintenance_until_ms = 0;
    facts.maintenance_by.clear();
    return context.state.set_facts(std::move(facts));
}

} // namespace jackdaw::agent::steps
