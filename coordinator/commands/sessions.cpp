// jackdaw session list | kill

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t query_columns = 60; ///< in a table that is not wide

} // namespace

Result<int> session_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(auto list, get(*at.client, "/v1/sessions", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    note_untold_in(session, items, proto::to_json(proto::SessionShape{}));
    const bool wide = invocation.format == Format::wide;
    Table table{{{"ID", false, true},
                 {"USER"},
                 {"HOST"},
                 {"DATABASE"},
                 {"SECONDS", false, true},
                 {"COMMAND"},
                 {"STATE"},
                 {"QUERY"}},
                {}};
    Json shown = Json::array();
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::session_from(item));
        if (invocation.has("--user") && one.user != invocation.text("--user")) {
            continue;
        }
        table.rows.push_back(
            {{std::to_string(one.id)},
             {one.own ? one.user + " (agent)" : one.user, one.own ? Style::dim : Style::plain},
             {one.host},
             {one.database},
             {fmt::format("{:.1f}", one.seconds)},
             {one.command},
             {one.state},
             {wide ? one.query : beginning(one.query, query_columns)}});
        shown.push_back(item);
    }
    list["items"] = std::move(shown);
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out(), "id"));
    return 0;
}

Result<int> session_kill(Session& session, const Invocation& invocation) {
    const auto id = invocation.text("ID");
    constexpr std::size_t digits_max = 20; // of 64 bits
    if (id.empty() || id.size() > digits_max ||
        !std::ranges::all_of(id, [](char c) { return c >= '0' && c <= '9'; })) {
        return Error{Errc::invalid, "a session's id is a number"}.with_hint(
            "`jackdaw session list` shows them");
    }
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    const bool query_only = invocation.has("--query");
    ApiRequest request{"DELETE",
                       fmt::format("/v1/sessions/{}{}", id, query_only ? "?query_only=1" : ""),
                       nullptr,
                       {}};
    if (invocation.dry_run) {
        return rehearse(
            session, invocation, at, request,
            {fmt::format("end {} {} of instance '{}'",
                         query_only ? "what runs in session" : "session", id, at.name)});
    }
    Conclusion end;
    end.said = query_only ? fmt::format("what session {} ran was ended", id)
                          : fmt::format("session {} was ended", id);
    end.what_there_is = fmt::format("`jackdaw session list {}` shows who is connected", at.name);
    end.next = fmt::format("jackdaw session list {}", at.name);
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

} // namespace jackdaw::cli
