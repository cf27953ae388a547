// jackdaw user create | list | delete | password

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/passwords.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {

Result<proto::UserSpec> account_of(const Invocation& invocation) {
    JACKDAW_TRY(auto user, parse_user(invocation.text("USER", invocation.text("NAME"))));
    user.host = invocation.text("--host", user.host);
    JACKDAW_CHECK(check_account_name(user.host, "host"));
    for (const auto& database : invocation.all("--database")) {
        JACKDAW_CHECK(check_account_name(database, "database"));
        user.databases.push_back(database);
    }
    return user;
}

std::string user_path(const proto::UserSpec& user, std::string_view below) {
    return fmt::format("/v1/users/{}{}?host={}", percent_encoded(user.name), below,
                       percent_encoded(user.host));
}

namespace {

Result<int> send_password(Session& session, const Invocation& invocation,
                          const proto::UserSpec& user, ApiRequest request, Conclusion end) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    if (invocation.dry_run) {
        JACKDAW_TRY(const auto given, take_password(session, invocation));
        request.body["password"] = given.password.reveal();
        auto rehearsed = rehearse(
            session, invocation, at, request,
            {fmt::format("set user '{}@{}' of instance '{}'", user.name, user.host, at.name)});
        wipe(request.body["password"].get_ref<std::string&>());
        return rehearsed;
    }
    end.what_there_is = fmt::format(
        "`jackdaw user list {0}` and `jackdaw database list {0}` show what there is", at.name);
    end.next = fmt::format("jackdaw connect {} --user {}", at.name, user.name);
    return send_with_password(session, invocation, at, user, std::move(request), std::move(end));
}

} // namespace

Result<int> user_create(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, account_of(invocation));
    ApiRequest request{
        "POST",
        "/v1/users",
        Json{{"name", user.name}, {"host", user.host}, {"databases", user.databases}},
        {}};
    Conclusion end;
    end.said = fmt::format("user '{}@{}' is there", printable(user.name), printable(user.host));
    return send_password(session, invocation, user, std::move(request), std::move(end));
}

Result<int> user_password(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, account_of(invocation));
    ApiRequest request{"POST", user_path(user, "/password"), Json::object(), {}};
    Conclusion end;
    end.said =
        fmt::format("user '{}@{}' has a new password", printable(user.name), printable(user.host));
    return send_password(session, invocation, user, std::move(request), std::move(end));
}

Result<int> user_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto list, get(*at.client, "/v1/users", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"NAME"}, {"HOST"}, {"DATABASES"}}, {}};
    for (const auto& item : items) {
        JACKDAW_TRY(const auto name, proto::string_at(item, "name", ""));
        JACKDAW_TRY(const auto host, proto::string_at(item, "host", ""));
        JACKDAW_TRY(const auto databases,
                    proto::strings_at(item, "databases", proto::list_items_max));
        table.rows.push_back({{name}, {host}, {fmt::format("{}", fmt::join(databases, ", "))}});
    }
    if (invocation.format == Format::name) { // two may have one name
        std::string names;
        for (const auto& row : table.rows) {
            names += fmt::format("{}@{}\n", printable(row[0].text), printable(row[1].text));
        }
        session.terminal.out(names);
        return 0;
    }
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> user_delete(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, account_of(invocation));
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    ApiRequest request{"DELETE", user_path(user, ""), nullptr, {}};
    if (invocation.dry_run) {
        return rehearse(
            session, invocation, at, request,
            {fmt::format("delete user '{}@{}' of instance '{}'", user.name, user.host, at.name)});
    }
    JACKDAW_CHECK(confirm(session, invocation, user.name, "deletes the user"));
    Conclusion end;
    end.said = fmt::format("user '{}@{}' is gone", printable(user.name), printable(user.host));
    end.what_there_is = fmt::format("`jackdaw user list {}` shows what there is", at.name);
    end.next = fmt::format("jackdaw user list {}", at.name);
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

} // namespace jackdaw::cli
