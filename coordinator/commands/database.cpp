// jackdaw database create | list | delete

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/words.h"

namespace jackdaw::cli {

Result<Json> items_of(const Json& list) {
    const auto items = list.is_object() ? list.find("items") : list.end();
    if (items == list.end() || !items->is_array() || items->size() > proto::list_items_max) {
        return Error{Code::protocol, "the agent's list has no 'items'"};
    }
    if (!std::all_of(items->begin(), items->end(),
                     [](const Json& one) { return one.is_object(); })) {
        return Error{Code::protocol, "the agent's list has an item that is no object"};
    }
    return *items;
}

Result<int> database_create(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto spec, parse_database(invocation.text("NAME")));
    spec.charset = invocation.text("--charset", spec.charset);
    spec.collation = invocation.text("--collation", spec.collation);
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    ApiRequest request{
        "POST",
        "/v1/databases",
        Json{{"name", spec.name}, {"charset", spec.charset}, {"collation", spec.collation}},
        {}};
    if (invocation.dry_run) {
        return rehearse(session, invocation, at, request,
                        {fmt::format("create database '{}' on instance '{}'", spec.name, at.name)});
    }
    Conclusion end;
    end.said = fmt::format("database '{}' is there", printable(spec.name));
    end.next = fmt::format("jackdaw user create {} NAME --database {}", at.name, spec.name);
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

Result<int> database_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto list, get(*at.client, "/v1/databases", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"NAME"}, {"CHARSET"}, {"COLLATION"}}, {}};
    for (const auto& item : items) {
        JACKDAW_TRY(const auto name, proto::string_at(item, "name", ""));
        JACKDAW_TRY(const auto charset, proto::string_at(item, "charset", ""));
        JACKDAW_TRY(const auto collation, proto::string_at(item, "collation", ""));
        table.rows.push_back({{name}, {charset}, {collation}});
    }
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> database_delete(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    JACKDAW_CHECK(check_account_name(name, "database"));
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    ApiRequest request{"DELETE", "/v1/databases/" + percent_encoded(name), nullptr, {}};
    if (invocation.dry_run) {
        return rehearse(session, invocation, at, request,
                        {fmt::format("delete database '{}' of instance '{}' with all that is in it",
                                     name, at.name)});
    }
    JACKDAW_CHECK(
        confirm(session, invocation, name, "deletes the database with all that is in it"));
    Conclusion end;
    end.said = fmt::format("database '{}' is gone", printable(name));
    end.next = fmt::format("jackdaw database list {}", at.name);
    end.what_there_is = fmt::format("`jackdaw database list {}` shows what there is", at.name);
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

} // namespace jackdaw::cli
