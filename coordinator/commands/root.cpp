// jackdaw root enable | disable | show

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/passwords.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t history_max = 10'000;

// Said before it is done; what a datastore makes of a level, `root show` says afterwards.
constexpr std::string_view standard_gives =
    "an account with all rights on databases and users that are not the datastore's own, and some "
    "on the server as a whole, which it may hand on; who may make users can come to more";
constexpr std::string_view superuser_gives =
    "an account with everything that the datastore has: its own schemas and settings, files, "
    "shutdown, every other account with its password's verifier, and the agent's: it can lock the "
    "agent out";

Result<proto::RootStatus> status_of(Session& session, ApiClient& client) {
    JACKDAW_TRY(const auto json, get(client, "/v1/root", session.in(answer_limit)));
    return proto::root_status_from(json);
}

Result<Table> history_of(const Json& json) {
    Table table{{{"AT"}, {"WHAT"}, {"LEVEL"}, {"STATUS"}, {"BY"}, {"OPERATION", true}}, {}};
    const auto history = json.find("history");
    if (history == json.end() || !history->is_array() || history->size() > history_max) {
        return Error{Code::protocol, "the agent's answer has no 'history'"};
    }
    for (const auto& one : *history) {
        JACKDAW_TRY(const auto at, proto::string_at(one, "at", ""));
        JACKDAW_TRY(const auto action, proto::string_at(one, "action", ""));
        JACKDAW_TRY(const auto level, proto::string_at(one, "level", ""));
        JACKDAW_TRY(const auto status, proto::string_at(one, "status", ""));
        JACKDAW_TRY(const auto caller, proto::string_at(one, "caller", ""));
        JACKDAW_TRY(const auto operation, proto::string_at(one, "operation", ""));
        table.rows.push_back({{at}, {action}, {level}, {status}, {caller}, {operation}});
    }
    return table;
}

} // namespace

Result<int> root_enable(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    const bool superuser = invocation.has("--superuser");
    const auto* const level = superuser ? "superuser" : "standard";
    const auto gives = superuser ? superuser_gives : standard_gives;
    const auto before = status_of(session, *at.client); // what cannot be read is told afterwards
    const bool lowers = !superuser && before && before->level == "superuser";
    const std::string lowered =
        lowers ? "root is superuser now, and becomes standard: it loses the rest" : "";
    if (invocation.dry_run) {
        JACKDAW_TRY(const auto given, take_password(session, invocation));
        ApiRequest request{
            "PUT", "/v1/root", Json{{"level", level}, {"password", given.password.reveal()}}, {}};
        std::vector<std::string> lines{
            fmt::format("enable root ({}) on instance '{}': {}", level, at.name, gives)};
        if (lowers) {
            lines.push_back("take from root what a superuser has beyond that");
        }
        auto rehearsed = rehearse(session, invocation, at, request, lines);
        wipe(request.body["password"].get_ref<std::string&>());
        return rehearsed;
    }
    if (lowers) {
        session.terminal.err(fmt::format("note: {}; `--superuser` keeps it\n", lowered));
    }
    if (superuser) {
        JACKDAW_CHECK(confirm(session, invocation, at.name, fmt::format("gives away {}", gives)));
    } else if (!is_structured(invocation.format)) {
        session.terminal.err(fmt::format("root, standard: {}\n", gives));
    }
    proto::UserSpec root; // its name and host are the datastore's to say
    root.name = "root";
    root.host = "%";
    Conclusion end;
    end.said = "root is enabled";
    end.more =
        Json{{"level", level}, {"level_before", before ? Json(before->level) : Json(nullptr)}};
    end.next = fmt::format("jackdaw root disable {}", at.name);
    end.when_done = [&](Conclusion& done) {
        auto status = status_of(session, *at.client);
        if (!status) {
            done.operation.warnings.push_back("what it gives could not be read: " +
                                              status.error().to_string());
            return;
        }
        done.said = fmt::format("root is enabled as '{}@{}' ({}): {}", printable(status->name),
                                printable(status->host), printable(status->level),
                                printable(status->gives));
        for (auto& one : done.credentials) {
            one.user = status->name;
            one.host = status->host;
        }
    };
    return send_with_password(session, invocation, at, root,
                              ApiRequest{"PUT", "/v1/root", Json{{"level", level}}, {}},
                              std::move(end));
}

Result<int> root_disable(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    ApiRequest request{"DELETE", "/v1/root", nullptr, {}};
    if (invocation.dry_run) {
        return rehearse(session, invocation, at, request,
                        {fmt::format("disable root on instance '{}'", at.name)});
    }
    Conclusion end;
    end.said = fmt::format("root of instance '{}' is disabled", at.name);
    end.next = fmt::format("jackdaw root show {}", at.name);
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

Result<int> root_show(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto json, get(*at.client, "/v1/root", session.in(answer_limit)));
    JACKDAW_TRY(const auto status, proto::root_status_from(json));
    JACKDAW_TRY(const auto history, history_of(json));
    note_untold(session, json, proto::to_json(proto::RootStatus{}));
    const bool colour = session.terminal.colour_out();
    auto text = render_pairs({{"Level", {status.level, Style::bold}},
                              {"User", {status.name}},
                              {"Host", {status.host}},
                              {"Gives", {status.gives, Style::warning}}},
                             colour);
    JACKDAW_TRY(const auto recorded, proto::string_at(json, "recorded", ""));
    if (!recorded.empty()) {
        text += printable(recorded) + "\n";
    }
    if (!history.rows.empty()) {
        text += "\n" + render_table(history, invocation.format == Format::wide, colour);
    }
    session.terminal.page(render_object(json, text, invocation.format, "level"));
    return 0;
}

} // namespace jackdaw::cli
