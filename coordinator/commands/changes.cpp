#include "coordinator/commands/changes.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/json_messages.h"
#include "coordinator/render/error_text.h"
#include "coordinator/render/output.h"
#include "coordinator/render/progress.h"
#include "coordinator/render/table.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds watch_limit{3'600'000}; ///< without --timeout
constexpr milliseconds stream_slice{15'000};   ///< a dead peer is noticed by then
constexpr milliseconds silence_limit{60'000};  ///< nobody answered for so long
constexpr milliseconds between_dials{100};
constexpr milliseconds between_locks{200};
constexpr milliseconds resend_limit{10'000}; ///< an agent that died is back by then

bool has_ended(const proto::Operation& operation) {
    return operation.status == "done" || operation.status == "failed" ||
           operation.status == "undone";
}

std::string how_to_watch(const std::string& id) {
    return fmt::format("detached; the operation goes on. `jackdaw op watch {}` follows it again",
                       id);
}

/// `tell`: with its passwords, too.
Json operation_json(const Conclusion& end, bool tell) {
    auto json = proto::to_json(end.operation);
    if (end.no_op) {
        json["no_op"] = true;
    }
    if (end.instance.is_null() && end.credentials.empty() && end.more.is_null()) {
        return json;
    }
    Json credentials = Json::array();
    for (const auto& one : end.credentials) {
        if (tell &&
            one.generated) { // who gave one has it; it need not stand in a log of outputs, too
            credentials.push_back(
                Json{{"user", one.user}, {"host", one.host}, {"password", one.password.reveal()}});
        }
    }
    json["result"] = Json{{"instance", end.instance}, {"credentials", std::move(credentials)}};
    if (!end.more.is_null()) {
        json["result"].update(end.more);
    }
    return json;
}

std::string credentials_text(const std::vector<Credential>& credentials, bool valid) {
    std::string text;
    for (const auto& one : credentials) {
        if (one.generated) {
            text += fmt::format("password of {}@{} ({}shown this once): {}\n", printable(one.user),
                                printable(one.host), valid ? "" : "once the operation is done; ",
                                one.password.reveal());
        }
    }
    return text;
}

proto::ErrorShape error_of(const Conclusion& end) {
    const auto& operation = end.operation;
    auto error = operation.error.value_or(proto::ErrorShape{});
    if (end.is_abort && operation.status == "done") {
        error = proto::shape_of(
            Error{Errc::conflict,
                  fmt::format("operation {} is done: it was too late to abort it", operation.id)});
    } else if (error.code.empty()) {
        error = proto::shape_of(Error{operation.status == "undone" ? Code::aborted : Code::internal,
                                      fmt::format("the operation ended as {}", operation.status)});
    }
    if (error.operation.empty()) {
        error.operation = operation.id;
    }
    const auto& missing = row_of(Code::not_found);
    if (error.code == missing.name && error.hint == missing.hint) {
        error.hint = end.look_for_it              ? end.look_for_it()
                     : !end.what_there_is.empty() ? end.what_there_is
                                                  : error.hint;
    }
    return error;
}

/// What a person most likely wants to see after a change that names nothing better.
std::string next_of(const Invocation& invocation) {
    if (invocation.command == nullptr) {
        return {};
    }
    const auto noun = invocation.command->noun;
    if (noun == "fleet" && invocation.command->verb == "init") {
        return "jackdaw instance create NAME --datastore mariadb --volume 1G";
    }
    const auto list = std::ranges::find_if(command_table(), [&](const CommandRow& row) {
        return row.noun == noun && row.verb == "list";
    });
    return list == command_table().end() ? "" : fmt::format("jackdaw {} list", noun);
}

} // namespace

bool wants_to_wait(const Session& session, const Invocation& invocation) {
    const bool short_one = invocation.command != nullptr && invocation.command->nature.is_short;
    return invocation.wait.value_or(short_one || session.terminal.out_is_terminal());
}

void announce(Session& session, const Invocation& invocation, const std::string& operation_id) {
    const auto line = fmt::format("operation {}", printable(operation_id));
    if (invocation.format == Format::table || invocation.format == Format::wide) {
        session.terminal.out(line + "\n");
    } else if (is_structured(invocation.format)) {
        session.terminal.err_document(message_line(line, printable(operation_id)));
    } else {
        session.terminal.err(line + "\n");
    }
}

Result<proto::Operation> follow(Session& session, const Invocation& invocation,
                                const Redial& redial, proto::Operation operation,
                                const Decorate& decorate, const std::string& detached_too,
                                ProgressView* begun) {
    const auto deadline = session.in(invocation.timeout.value_or(watch_limit));
    const DetachNote note{session.terminal,
                          of_same_fleet(how_to_watch(operation.id) + detached_too, invocation)};
    ProgressView own{session.terminal.err_is_terminal(), session.terminal.columns()};
    auto& view = begun != nullptr ? *begun : own;
    const auto shown = [&](const proto::Operation& one) { return decorate ? decorate(one) : one; };
    const auto show = [&] { session.terminal.err(view.update(shown(operation))); };
    auto heard = session.clock.now();
    bool quiet = false;          ///< the last stream ended without an event
    std::optional<Error> broken; ///< an event that made no sense
    const auto sink = [&](std::string_view event, const Json& data) {
        if (event != "operation") {
            return true;
        }
        auto next = proto::operation_from(data);
        if (!next) {
            broken = std::move(next).error();
            return false;
        }
        operation = *std::move(next);
        heard = session.clock.now();
        show();
        return !has_ended(operation);
    };
    show();
    while (!has_ended(operation)) { // until the deadline, or until nobody has answered for a while
        const auto now = session.clock.now();
        if (now >= deadline) {
            session.terminal.err(view.clear());
            return Error{Errc::deadline, fmt::format("operation {} still runs", operation.id)}
                .with_hint(fmt::format("`jackdaw op watch {}` follows it", operation.id));
        }
        auto client = redial();
        if (client && quiet && get(**client, "/v1/version", session.in(answer_limit))) {
            heard = session.clock.now(); // a long step has no news, but somebody is there
        }
        auto streamed =
            client ? (*client)->stream(fmt::format("/v1/operations/{}/events", operation.id), sink,
                                       std::min(deadline, now + stream_slice))
                   : Result<void>{std::move(client).error()};
        if (broken) {
            session.terminal.err(view.clear());
            return *std::move(broken);
        }
        if (!streamed) {
            const auto code = streamed.error().code();
            const bool passing =
                code == Errc::unavailable || code == Errc::deadline || code == Errc::busy;
            const bool silent = session.clock.now() - heard > silence_limit;
            quiet = code == Errc::deadline;
            if (!passing || silent || streamed.error().id() == Code::machine_down) {
                session.terminal.err(view.clear());
                auto error =
                    std::move(streamed).error().while_doing("follow operation " + operation.id);
                return silent ? std::move(error).with_hint(fmt::format(
                                    "`jackdaw op watch {}` follows it again", operation.id))
                              : std::move(error);
            }
        }
        if (!has_ended(operation)) {
            session.clock.sleep(between_dials);
        }
    }
    session.terminal.err(view.clear());
    return shown(operation);
}

int conclude(Session& session, const Invocation& invocation, const Conclusion& end) {
    const auto& status = end.operation.status;
    const bool good = status != "failed" && status != (end.is_abort ? "done" : "undone");
    const bool finished = good && has_ended(end.operation);
    std::string text;
    if (good) {
        if (finished && !end.said.empty()) {
            text += end.said + "\n";
        }
        text += credentials_text(end.credentials, finished);
        if (!finished) {
            text += of_same_fleet(
                fmt::format("it goes on by itself; `jackdaw op watch {}` follows it\n",
                            end.operation.id),
                invocation);
        }
    }
    session.terminal.out(render_object(operation_json(end, good), text, invocation.format, "id"));
    if (!is_structured(invocation.format)) {
        for (const auto& warning : end.operation.warnings) {
            session.terminal.err(fmt::format(
                "{} {}\n", styled("warning:", Style::warning, session.terminal.colour_err()),
                printable(warning)));
        }
    }
    const auto next = end.next.empty() ? next_of(invocation) : end.next;
    if (finished && !next.empty() && session.terminal.err_is_terminal()) {
        session.terminal.err(
            of_same_fleet(fmt::format("next: `{}`\n", printable(next)), invocation));
    }
    if (good && invocation.format == Format::name) { // that has no place for them
        session.terminal.err(credentials_text(end.credentials, finished));
    }
    if (good) {
        return 0;
    }
    auto error = error_of(end);
    error.hint = hint_for(std::move(error.hint), session, invocation);
    const int exit_status = report(session, invocation.format, error);
    return exit_status == row_of(Code::deadline).exit_status ? 1 : exit_status; // it has ended
}

Result<int> see_through(Session& session, const Invocation& invocation, const Redial& redial,
                        const Json& accepted, Conclusion conclusion) {
    JACKDAW_TRY(conclusion.operation, proto::operation_from(accepted));
    JACKDAW_TRY(conclusion.no_op, proto::bool_at(accepted, "no_op", false));
    announce(session, invocation, conclusion.operation.id);
    if (wants_to_wait(session, invocation)) {
        // A password that was set is told even if the person's patience ends before the operation.
        auto followed = follow(session, invocation, redial, conclusion.operation);
        if (!followed) {
            session.terminal.out(render_object(operation_json(conclusion, true),
                                               credentials_text(conclusion.credentials, false),
                                               invocation.format, "id"));
            return report_lost(session, invocation, followed.error(), conclusion.operation.id);
        }
        conclusion.operation = *std::move(followed);
        conclusion.waited = true;
    }
    if (conclusion.when_done && conclusion.operation.status == "done") {
        conclusion.when_done(conclusion);
    }
    return conclude(session, invocation, conclusion);
}

Result<Json> send_change(Session& session, InstanceAccess& at, ApiRequest& request,
                         bool generated) {
    return send_change(
        session, at.client, [&] { return at.reach.of(at.name); }, request, at.name, generated);
}

Result<Json> send_change(Session& session, ClientPtr& client, const Redial& redial,
                         ApiRequest& request, const std::string& instance, bool generated) {
    request.idempotency_key = new_uuid(session.clock, session.entropy);
    auto response = client->call(request, session.in(answer_limit));
    const auto until = session.in(resend_limit);
    const auto is_lost = [&] { // what the agent itself says is a response, whatever its status
        return !response && response.error().code() == Errc::unavailable;
    };
    while (is_lost() && session.clock.now() < until) { // until an answer, or the limit
        session.clock.sleep(between_dials);
        auto next = redial();
        if (next) {
            client = *std::move(next);
            response = client->call(request, session.in(answer_limit));
        } else if (next.error().id() == Code::machine_down) {
            break; // nobody will
        }
    }
    if (response) {
        if (response->status < 200 || response->status >= 300) {
            return refusal(*response);
        }
        return std::move(response->body);
    }
    const bool is_unknown = is_lost() || response.error().code() == Errc::deadline;
    if (!is_unknown) {
        return std::move(response).error();
    }
    return std::move(response)
        .error()
        .while_doing("send the change, which may have been done")
        .with_hint(fmt::format("`jackdaw op list{}{}` shows whether it was done{}",
                               instance.empty() ? "" : " ", instance,
                               generated ? "; its password is known to nobody then: `jackdaw user "
                                           "password`, or `jackdaw root enable`, makes another"
                                         : ""));
}

Result<int> change_instance(Session& session, const Invocation& invocation, InstanceAccess& at,
                            ApiRequest request, Conclusion end) {
    JACKDAW_TRY(const auto accepted, send_change(session, at, request));
    return see_through(
        session, invocation, [&] { return at.reach.of(at.name); }, accepted, std::move(end));
}

Result<int> at_once(Session& session, const Invocation& invocation, std::string action,
                    std::string target, std::string said,
                    const std::function<Result<void>()>& change) {
    Conclusion end;
    end.said = std::move(said);
    end.operation.id = new_uuid(session.clock, session.entropy);
    end.operation.caller = fmt::format("uid {}", session.uid);
    end.operation.created_at = session.now_text();
    proto::Step step;
    step.name = action;
    step.started_at = end.operation.created_at;
    end.operation.action = std::move(action);
    end.operation.target = std::move(target);
    const auto began = session.clock.now();
    auto outcome = change();
    step.duration_us =
        std::chrono::duration_cast<std::chrono::microseconds>(session.clock.now() - began).count();
    step.ended_at = end.operation.ended_at = session.now_text();
    step.status = end.operation.status = outcome ? "done" : "failed";
    step.progress = end.operation.progress = outcome ? 1 : 0;
    if (!outcome) {
        step.error = end.operation.error = proto::shape_of(outcome.error(), end.operation.id);
    }
    end.operation.steps.push_back(std::move(step));
    end.waited = true;
    return conclude(session, invocation, end);
}

Result<NameLock> take_name(Session& session, const OpJournal& journal, const std::string& name,
                           milliseconds limit) {
    const auto until = session.in(limit);
    for (bool waited = false;; waited = true) { // until it is free, or the limit
        auto lock = journal.lock(name);
        if (lock) {
            return NameLock{*std::move(lock), waited};
        }
        if (lock.error().id() != Code::operation_running || session.clock.now() >= until) {
            return std::move(lock).error();
        }
        if (!waited) {
            session.terminal.err(
                fmt::format("another jackdaw is at work on '{}'; waiting for its end\n", name));
        }
        session.clock.sleep(between_locks);
    }
}

Result<int> rehearse(Session& session, const Invocation& invocation, InstanceAccess& at,
                     const ApiRequest& request, const std::vector<std::string>& lines) {
    ApiRequest asked{
        "POST",
        "/v1/rehearsals",
        Json{{"method", request.method}, {"target", request.path}, {"body", request.body}},
        {}};
    auto found = change(*at.client, asked, session.in(answer_limit));
    if (auto& body = asked.body["body"]; body.is_object() && body.contains("password")) {
        wipe(body["password"].get_ref<std::string&>());
    }
    JACKDAW_TRY(const auto json, std::move(found));
    JACKDAW_TRY(const auto notes, proto::strings_at(json, "notes", proto::list_items_max));
    return would(session, invocation, lines, notes);
}

int would(Session& session, const Invocation& invocation, const std::vector<std::string>& lines,
          const std::vector<std::string>& notes) {
    std::string text;
    for (const auto& line : lines) {
        text += "would " + printable(line) + "\n";
    }
    for (const auto& note : notes) {
        text += "  " + printable(note) + "\n";
    }
    Json json{{"apiVersion", proto::api_version}, {"kind", "DryRun"}, {"would", lines}};
    if (!notes.empty()) {
        json["notes"] = notes;
    }
    session.terminal.out(
        invocation.format == Format::name ? text : render_object(json, text, invocation.format));
    return 0;
}

Result<void> confirm(Session& session, const Invocation& invocation, const std::string& name,
                     std::string_view what) {
    if (invocation.yes) {
        return ok();
    }
    if (session.terminal.in_is_terminal()) {
        session.terminal.err(fmt::format("This {}. Type '{}' to go on: ", what, name));
        JACKDAW_TRY(const auto typed, session.terminal.read_line(256));
        if (typed.reveal() == name) {
            return ok();
        }
        return Error{Code::unconfirmed, fmt::format("'{}' was not typed", name)};
    }
    return Error{Code::unconfirmed, fmt::format("this {}", what)};
}

namespace {

constexpr std::string_view quoted = "`jackdaw "; ///< how a command begins within a text

/// A general hint's NAME and INSTANCE, in commands about them, become `name`.
void put_name(std::string& hint, const std::string& name) {
    constexpr std::array<std::string_view, 3> nouns{"instance", "machine", "root"};
    constexpr std::string_view placeholder = " NAME";
    constexpr std::string_view of_any_noun = " INSTANCE"; // what is inside is not asked by its name
    for (auto at = hint.find(quoted); at != std::string::npos; at = hint.find(quoted, at + 1)) {
        const auto words = std::string_view{hint}.substr(at + quoted.size());
        const auto end = std::min(hint.find('`', at + 1), hint.size());
        const auto place = hint.find(placeholder, at);
        const bool is_about_it = std::ranges::any_of(nouns, [&](std::string_view one) {
            return words.starts_with(one) && words.substr(one.size()).starts_with(' ');
        });
        const auto instance = hint.find(of_any_noun, at);
        if (is_about_it && place < end) {
            hint.replace(place + 1, placeholder.size() - 1, name);
        } else if (instance < end) {
            hint.replace(instance + 1, of_any_noun.size() - 1, name);
        }
    }
}

} // namespace

std::string of_same_fleet(std::string text, const Invocation& invocation) {
    constexpr std::array<std::string_view, 7> elsewhere{"fleet", "image",   "completion", "manual",
                                                        "help",  "explain", "version"};
    const bool is_named = !invocation.fleet.empty() && check_label(invocation.fleet, "fleet");
    const auto option = invocation.local ? fmt::format(" {}", local_option)
                        : is_named       ? fmt::format(" --fleet {}", invocation.fleet)
                                         : std::string{};
    auto at = option.empty() ? std::string::npos : text.find(quoted);
    while (at != std::string::npos) {
        const auto begin = at + quoted.size();
        const auto end = text.find('`', begin);
        if (end == std::string::npos) {
            break;
        }
        const auto words = std::string_view{text}.substr(begin, end - begin);
        const bool is_said = words.find("--fleet") != std::string_view::npos ||
                             words.find("--local") != std::string_view::npos ||
                             words.find("--help") != std::string_view::npos;
        const bool adds =
            !is_said && (!invocation.local || takes_local(words)) &&
            std::ranges::find(elsewhere, words.substr(0, words.find(' '))) == elsewhere.end();
        if (adds) {
            const auto others = words.find(" -- "); // another program's
            text.insert(others == std::string_view::npos ? end : begin + others, option);
        }
        at = text.find(quoted, end + (adds ? option.size() : 0) + 1);
    }
    return text;
}

std::string hint_for(std::string hint, const Session& session, const Invocation& invocation) {
    const auto noun = invocation.command != nullptr ? invocation.command->noun : std::string_view{};
    const bool is_named = noun == "instance" || noun == "machine";
    const auto name = !session.instance.empty() ? session.instance
                      : is_named                ? invocation.text("NAME")
                                                : invocation.text("--instance");
    if (!name.empty() && check_label(name, "instance")) {
        put_name(hint, name);
    }
    return of_same_fleet(std::move(hint), invocation);
}

int report(Session& session, Format format, const proto::ErrorShape& error) {
    if (is_structured(format)) {
        session.terminal.err_document(
            error_json(error).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    } else {
        session.terminal.err(error_text(error, session.terminal.colour_err()));
    }
    return exit_status_of(error.code);
}

int report(Session& session, Format format, const Error& error) {
    return report(session, format, proto::shape_of(error));
}

int report_lost(Session& session, const Invocation& invocation, const Error& error,
                const std::string& operation) {
    auto shape = proto::shape_of(error, operation);
    shape.hint = hint_for(std::move(shape.hint), session, invocation);
    return report(session, invocation.format, shape);
}

} // namespace jackdaw::cli
