// jackdaw op list | show | watch | abort | resume

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/create.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/words.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

/// Of an agent in a list: its newest, and how many if it is the only one that is asked.
constexpr std::size_t shown_of_many = 100, shown_of_one = 1'000;

/// Where an operation was found: its agent, and the coordinator's part of it, if there is one.
struct Found {
    proto::Operation operation;
    std::optional<CreateRecord> record;
    std::string machine;   ///< of the agent that has it; empty: only the journal here has
    bool deletion = false; ///< of an instance, by this journal
};

/// A delete stands with the create of the same instance.
std::optional<Found> find_deletion(const Reach& reach, const std::string& id) {
    for (auto& record : reach.journal().load_all()) {
        if (record.deletion && record.deletion->id == id) {
            return Found{*std::move(record.deletion), std::nullopt, {}, true};
        }
    }
    return std::nullopt;
}

Result<proto::Operation> ask(Session& session, ApiClient& client, const std::string& id) {
    JACKDAW_TRY(const auto json,
                get(client, "/v1/operations/" + percent_encoded(id), session.in(answer_limit)));
    return proto::operation_from(json);
}

proto::Operation whole(const Found& found, proto::Operation agent) {
    return found.record ? merged(*found.record, agent) : std::move(agent);
}

struct Listed {
    proto::Operation operation;
    std::string instance; ///< its name; empty: none is known
    const std::string& id() const { return operation.id; }
};

/// Its agent has it, and is not asked or does not answer: what is written down here is how it
/// began.
constexpr std::string_view unknown = "unknown";

proto::Operation as_written(const CreateRecord& record) {
    auto operation = record.operation;
    if (record.agent_has_it && operation.status == "running") {
        operation.status = unknown;
    }
    return operation;
}

struct Told {
    std::vector<Listed> operations;       ///< in no order
    std::vector<std::string> unreachable; ///< names
    std::size_t cut_at = 0;               ///< some agent has more than so many; 0: none
};

/// `instance`: whose agent it is. `limit`: or as many as fit into an answer.
Result<void> add_from_agent(Session& session, ApiClient& client, const std::string& instance,
                            const std::vector<CreateRecord>& records, std::size_t limit,
                            Told& told) {
    const auto look = [&] {
        return get(client, fmt::format("/v1/operations?limit={}", limit), session.in(answer_limit));
    };
    auto list = look();
    while (!list && list.error().code() == Errc::invalid && limit > shown_of_many) {
        limit = std::max(limit / 2, shown_of_many); // with the errors of each it was too long
        list = look();
    }
    JACKDAW_TRY(const auto json, std::move(list));
    JACKDAW_TRY(const auto items, items_of(json));
    auto& all = told.operations;
    told.cut_at = items.size() >= limit ? limit : told.cut_at;
    for (const auto& item : items) {
        JACKDAW_TRY(auto operation, proto::operation_from(item));
        const auto record =
            std::ranges::find(records, operation.id, [](const auto& r) { return r.operation.id; });
        const auto known = std::ranges::find(all, operation.id, &Listed::id);
        if (record != records.end()) {
            operation = merged(*record, operation);
        }
        if (known != all.end()) {
            known->operation = std::move(operation);
        } else {
            all.push_back({std::move(operation), instance});
        }
    }
    return ok();
}

/// All that the journal and the agents know; `target`: only of this instance, empty: of all.
/// `of_each`: the newest of each agent; 0: the usual.
Result<Told> tell_all(Session& session, Reach& reach, const std::string& target,
                      std::size_t of_each = 0) {
    Told told;
    auto& all = told.operations;
    const auto wanted = [&](const std::string& name) { return target.empty() || name == target; };
    bool is_known = target.empty();
    if (reach.local()) {
        JACKDAW_TRY(auto client, reach.any());
        const auto here = get(*client, "/v1/instance", session.in(answer_limit));
        const auto name = here ? proto::string_at(*here, "name", "") : Result<std::string>{""};
        JACKDAW_CHECK(add_from_agent(session, *client, name ? *name : "", {},
                                     of_each != 0 ? of_each : shown_of_one, told));
        is_known = name && wanted(*name);
        if (!is_known) { // it was another's, or is no more: its own record tells
            std::erase_if(all, [&](const Listed& one) { return !wanted(one.operation.target); });
        }
    } else {
        const auto records = reach.journal().load_all();
        for (const auto& record : records) {
            if (wanted(record.request.name) || wanted(name_of(record))) {
                if (!record.deletion || record.deletion->id != record.operation.id) {
                    all.push_back({as_written(record), name_of(record)});
                }
                if (record.deletion) {
                    all.push_back({*record.deletion, name_of(record)});
                }
            }
        }
        JACKDAW_TRY(const auto machines, reach.machines());
        for (const auto& machine : machines) {
            if (!wanted(machine.label)) {
                continue;
            }
            is_known = true;
            auto client = reach.of_machine(machine);
            const auto limit = of_each != 0     ? of_each
                               : target.empty() ? shown_of_many
                                                : shown_of_one;
            if (!client ||
                !add_from_agent(session, **client, machine.label, records, limit, told)) {
                told.unreachable.push_back(machine.label);
            }
        }
    }
    if (!is_known && all.empty()) {
        return Error{Errc::not_found,
                     fmt::format("there is no instance '{}', and none was here", target)}
            .with_hint("`jackdaw instance list` shows what there is");
    }
    return told;
}

/// An id, or the beginning of exactly one.
Result<std::string> full_id(Session& session, Reach& reach, const std::string& words) {
    constexpr std::size_t letters_min = 4;
    if (is_uuid(words)) {
        return words;
    }
    if (words.size() < letters_min ||
        words.find_first_not_of("0123456789abcdef-") != std::string::npos) {
        return Error{Errc::invalid, "an operation's id is a UUID, or at least 4 letters of its "
                                    "beginning"}
            .with_hint("`jackdaw op list` shows them");
    }
    JACKDAW_TRY(const auto told, tell_all(session, reach, ""));
    std::set<std::string> found;
    for (const auto& one : told.operations) {
        if (one.id().starts_with(words)) {
            found.insert(one.id());
        }
    }
    if (found.size() == 1) {
        return *found.begin();
    }
    return Error{found.empty() ? Errc::not_found : Errc::invalid,
                 found.empty() ? fmt::format("no operation's id begins with {}", words)
                               : fmt::format("{} operations begin with {}", found.size(), words)}
        .with_hint("`jackdaw op list` shows them");
}

Result<Found> find_operation(Session& session, Reach& reach, const std::string& words) {
    JACKDAW_TRY(const auto id, full_id(session, reach, words));
    Found found;
    if (reach.local()) {
        JACKDAW_TRY(auto client, reach.any());
        JACKDAW_TRY(found.operation, ask(session, *client, id));
        return found;
    }
    if (auto deletion = find_deletion(reach, id)) {
        return *std::move(deletion);
    }
    found.record = reach.journal().find(id);
    JACKDAW_TRY(const auto machines, reach.machines());
    for (const auto& machine : machines) {
        if (machine.state != cloud::MachineState::on ||
            (found.record && machine.name != found.record->request.name)) {
            continue;
        }
        auto client = reach.of_machine(machine);
        if (!client) {
            continue; // another one may have it
        }
        if (auto operation = ask(session, **client, id)) {
            found.operation = whole(found, *std::move(operation));
            found.machine = machine.label;
            return found;
        }
    }
    if (found.record) {
        found.operation = found.record->operation;
        return found;
    }
    return Error{Errc::not_found, fmt::format("no agent that answers knows operation {}", id)}
        .with_hint("`jackdaw op list` shows what there is");
}

std::string progress_of(const proto::Operation& one) {
    return one.status == unknown
               ? ""
               : fmt::format("{:.0f} %", std::clamp(one.progress, 0.0, 1.0) * 100);
}

/// What is meant of an instance; itself needs no second word.
Table operation_table(const std::vector<Listed>& operations) {
    Table table{{{"ID"},
                 {"ACTION"},
                 {"INSTANCE"},
                 {"TARGET"},
                 {"STATUS"},
                 {"PROGRESS", false, true},
                 {"CREATED"},
                 {"DETAIL", true},
                 {"CAUSE", true},
                 {"CALLER", true},
                 {"ERROR", true}},
                {}};
    for (const auto& [one, instance] : operations) {
        table.rows.push_back({{one.id},
                              {one.action},
                              {instance},
                              {one.target == instance ? "" : one.target},
                              {one.status, style_of_status(one.status)},
                              {progress_of(one)},
                              {one.created_at},
                              {one.detail},
                              {one.cause},
                              {one.caller},
                              {one.error ? one.error->code : ""}});
    }
    return table;
}

std::string operation_text(const proto::Operation& one, bool colour) {
    const auto warnings = fmt::format("{}", fmt::join(one.warnings, "; "));
    auto text = render_pairs(
        {{"Id", {one.id, Style::bold}},
         {"Action", {one.action}},
         {"Target", {one.target}},
         {"Detail", {one.detail}},
         {"Status", {one.status, style_of_status(one.status)}},
         {"Progress", {progress_of(one)}},
         {"Cause", {one.cause}},
         {"Caller", {one.caller}},
         {"Created", {one.created_at}},
         {"Ended", {one.ended_at}},
         {"Deadline", {one.deadline}},
         {"Warning", {warnings, Style::warning}},
         {"Abort", {one.abort_requested ? "asked for" : ""}},
         {"Error", {one.error ? one.error->code + ": " + one.error->message : "", Style::bad}},
         {"Cause of it", {one.error ? one.error->cause : ""}},
         {"Hint", {one.error ? one.error->hint : ""}}},
        colour);
    Table steps{
        {{"STEP"}, {"STATUS"}, {"TOOK", false, true}, {"OF IT ENGINE", true, true}, {"ERROR"}}, {}};
    const auto time_of = [](std::int64_t us) {
        return us == 0 ? std::string{} : fmt::format("{:.1f} ms", static_cast<double>(us) / 1000);
    };
    for (const auto& step : one.steps) {
        steps.rows.push_back({{step.name},
                              {step.status, style_of_status(step.status)},
                              {time_of(step.duration_us)},
                              {time_of(step.engine_us)},
                              {step.error ? step.error->code : ""}});
    }
    return text + "\n" + render_table(steps, true, colour);
}

Redial redial_of(Reach& reach, const Found& found) {
    return [&reach, name = found.machine] { return name.empty() ? reach.any() : reach.of(name); };
}

/// An operation that only the journal here tells of goes on if somebody works on it.
Result<void> check_somebody(Reach& reach, const Found& found) {
    if (!found.record || !found.machine.empty() || found.operation.status != "running") {
        return ok();
    }
    if (found.record->agent_has_it) { // why its agent was not asked
        JACKDAW_CHECK(reach.of(name_of(*found.record)));
        return ok();
    }
    const auto& name = found.record->request.name;
    const auto lock = reach.journal().lock(name);
    if (!lock && lock.error().id() == Code::operation_running) {
        return ok();
    }
    return Error{Errc::conflict,
                 fmt::format("operation {} was cut off before an agent had it", found.operation.id)}
        .with_hint(fmt::format("the same `jackdaw instance create {}` again goes on with it; "
                               "`jackdaw op abort {}` takes it back",
                               name, found.operation.id));
}

Result<int> order(Session& session, const Invocation& invocation, std::string_view verb) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(const auto found, find_operation(session, reach, invocation.text("ID")));
    const auto& id = found.operation.id;
    if (found.deletion) {
        return Error{Errc::conflict, fmt::format("the delete of '{}' {}", found.operation.target,
                                                 found.operation.status == "done"
                                                     ? "is done"
                                                     : "has removed its database already")}
            .with_hint(
                found.operation.status == "done"
                    ? "there is nothing left of it"
                    : fmt::format("`jackdaw instance delete {}` ends it", found.operation.target));
    }
    const auto& status = found.operation.status;
    if (found.record && found.machine.empty() && (status == "done" || status == "undone")) {
        return Error{Errc::conflict, fmt::format("operation {} has ended: {}", id, status)};
    }
    if (found.record && found.record->going_back && verb == "resume") {
        return Error{Errc::conflict, fmt::format("operation {} is being taken back", id)}.with_hint(
            fmt::format("`jackdaw op abort {}` ends that", id));
    }
    if (invocation.dry_run) {
        const bool is_rest_ours =
            found.record && verb == "abort" && (status == "undone" || found.record->going_back);
        if ((status == "done" || status == "undone") && !is_rest_ours) { // as its agent says it
            return Error{Errc::conflict, fmt::format("operation {} has ended: {}", id, status)};
        }
        return would(session, invocation,
                     {fmt::format("{} operation {}: {} {}", verb, id, found.operation.action,
                                  found.operation.target)});
    }
    if (found.record && found.machine.empty()) {
        return verb == "abort" ? abort_create(session, invocation, reach, *found.record)
                               : resume_create(session, invocation, reach, *found.record, {});
    }
    if (found.record && verb == "abort" && // its agent's part is undone; the rest is ours
        (status == "undone" || found.record->going_back)) {
        return abort_create(session, invocation, reach, *found.record);
    }
    const auto redial = redial_of(reach, found);
    JACKDAW_TRY(auto client, redial());
    ApiRequest request{"POST", fmt::format("/v1/operations/{}/{}", id, verb), nullptr, {}};
    auto sent = send_change(session, client, redial, request, found.machine);
    if (!sent && sent.error().code() == Errc::conflict) {
        // One whose answer was lost may have brought it to its end before it was sent again.
        const auto now = ask(session, *client, id);
        if (now && now->status != status && (now->status == "done" || now->status == "undone")) {
            sent = Result<Json>{proto::to_json(*now)};
        }
    }
    JACKDAW_TRY(const auto accepted, std::move(sent));
    if (found.record && verb == "abort") {
        return abort_create(session, invocation, reach, *found.record);
    }
    Conclusion end;
    end.is_abort = verb == "abort";
    end.said = fmt::format("operation {} is {}", id, end.is_abort ? "undone" : "done");
    if (verb == "resume") {
        end.said += fmt::format(": {} {}", printable(found.operation.action),
                                printable(found.operation.target));
    }
    return see_through(session, invocation, redial, accepted, std::move(end));
}

/// `option` was not said, or is one of these.
Result<void> check_one_of(const Invocation& invocation, std::string_view option,
                          std::span<const std::string_view> words) {
    if (!invocation.has(option) ||
        std::ranges::find(words, invocation.text(option)) != words.end()) {
        return ok();
    }
    return Error{Errc::invalid, fmt::format("{} '{}': one of {}", option,
                                            printable(invocation.text(option).substr(0, 40)),
                                            fmt::join(words, ", "))};
}

} // namespace

Result<int> op_list(Session& session, const Invocation& invocation) {
    constexpr std::array<std::string_view, 4> causes{"request", "boot", "supervisor", "timer"};
    constexpr std::array<std::string_view, 6> statuses{"queued", "running", "done",
                                                       "failed", "undone",  unknown};
    JACKDAW_CHECK(check_one_of(invocation, "--cause", causes));
    JACKDAW_CHECK(check_one_of(invocation, "--status", statuses));
    std::size_t limit = 0; // none of its own
    if (invocation.has("--limit")) {
        JACKDAW_TRY(limit, parse_count(invocation.text("--limit"), "--limit", shown_of_one));
    }
    const bool is_filtered = invocation.has("--cause") || invocation.has("--status");
    const auto target = invocation.text("INSTANCE", invocation.text("--instance"));
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto told, tell_all(session, reach, target, is_filtered ? 0 : limit));
    auto& [all, unreachable, cut_at] = told;
    std::erase_if(all, [&](const Listed& one) {
        return (invocation.has("--cause") && one.operation.cause != invocation.text("--cause")) ||
               (invocation.has("--status") && one.operation.status != invocation.text("--status"));
    });
    std::ranges::sort(all, std::greater{}, &Listed::id); // the newest first
    if (limit != 0 && all.size() >= limit) {
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(limit), all.end());
        cut_at = is_filtered ? cut_at : 0; // as it was asked for
    }
    Json items = Json::array();
    for (const auto& [one, instance] : all) {
        items.push_back(proto::to_json(one));
        items.back()["instance"] = instance.empty() ? Json{} : Json(instance);
    }
    if (!unreachable.empty() && !is_structured(invocation.format)) {
        session.terminal.err(
            fmt::format("no answer from {}: what only {} is missing\n",
                        printable(fmt::format("{}", fmt::join(unreachable, ", "))),
                        unreachable.size() == 1 ? "its agent knows" : "their agents know"));
    }
    if (cut_at > 0) {
        const bool of_one = reach.local() || !target.empty();
        session.terminal.err(fmt::format("only the newest {} operations of an agent are told{}\n",
                                         cut_at,
                                         of_one ? "" : "; --instance NAME tells more of one"));
    }
    session.terminal.page(render_list(
        proto::list_json("Operation", std::move(items), session.now_text(), std::move(unreachable)),
        operation_table(all), invocation.format, session.terminal.colour_out(), "id"));
    return 0;
}

Result<int> op_show(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto found, find_operation(session, reach, invocation.text("ID")));
    if (found.record && found.machine.empty()) { // its agent did not tell of it
        found.operation = as_written(*found.record);
    }
    session.terminal.page(render_object(
        proto::to_json(found.operation),
        operation_text(found.operation, session.terminal.colour_out()), invocation.format, "id"));
    return 0;
}

Result<int> op_watch(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto found, find_operation(session, reach, invocation.text("ID")));
    Conclusion end;
    end.operation = found.operation;
    JACKDAW_CHECK(check_somebody(reach, found));
    if (!found.deletion && (!found.record || !found.machine.empty())) {
        auto followed = follow(session, invocation, redial_of(reach, found), found.operation,
                               [&](proto::Operation agent) {
                                   // The first one that is shown was merged already.
                                   return agent.steps.size() >= found.operation.steps.size()
                                              ? agent
                                              : whole(found, agent);
                               });
        if (!followed) {
            return report_lost(session, invocation, followed.error(), found.operation.id);
        }
        end.operation = *std::move(followed);
    }
    end.waited = true;
    end.said = fmt::format("operation {} is {}", end.operation.id, end.operation.status);
    return conclude(session, invocation, end);
}

Result<int> op_abort(Session& session, const Invocation& invocation) {
    return order(session, invocation, "abort");
}

Result<int> op_resume(Session& session, const Invocation& invocation) {
    return order(session, invocation, "resume");
}

} // namespace jackdaw::cli
