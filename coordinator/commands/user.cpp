// jackdaw user create | list | delete | password

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/passwords.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

/// NAME or NAME@HOST; --host wins.
Result<proto::UserSpec> account_of(const Invocation& invocation) {
    JACKDAW_TRY(auto user, parse_user(invocation.text("NAME")));
    user.host = invocation.text("--host", user.host);
    JACKDAW_CHECK(check_account_name(user.host, "host"));
    for (const auto& database : invocation.all("--database")) {
        JACKDAW_CHECK(check_account_name(database, "database"));
        user.databases.push_back(database);
    }
    return user;
}

std::string path_of(const proto::UserSpec& user, std::string_view below) {
    return fmt::format("/v1/users/{}{}?host={}", percent_encoded(user.name), below,
                       percent_encoded(user.host));
}

/// Sends a change that carries a password, and tells it once.
Result<int> send_password(Session& session, const Invocation& invocation,
                          const proto::UserSpec& user, std::string path, Json body,
                          std::string said) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(const auto instance, reach.chosen_instance(invocation));
    JACKDAW_TRY(auto client, reach.of(instance));
    if (invocation.dry_run) {
        return would(
            session, invocation,
            {fmt::format("set user '{}@{}' of instance '{}'", user.name, user.host, instance)});
    }
    JACKDAW_TRY(auto given, take_password(session, invocation));
    body["password"] = given.password.reveal();
    ApiRequest request{"POST", std::move(path), std::move(body),
                       new_uuid(session.clock, session.entropy)};
    auto accepted = change(*client, request, session.in(answer_limit));
    wipe(request.body["password"].get_ref<std::string&>());
    if (!accepted) {
        return std::move(accepted).error();
    }
    Conclusion end;
    end.said = std::move(said);
    end.what_there_is = fmt::format(
        "`jackdaw user list {0}` and `jackdaw database list {0}` show what there is", instance);
    end.credentials.push_back(
        Credential{user.name, user.host, std::move(given.password), given.generated});
    return see_through(
        session, invocation, [&] { return reach.of(instance); }, *accepted, std::move(end));
}

} // namespace

Result<int> user_create(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, account_of(invocation));
    return send_password(
        session, invocation, user, "/v1/users",
        Json{{"name", user.name}, {"host", user.host}, {"databases", user.databases}},
        fmt::format("user '{}@{}' is there", printable(user.name), printable(user.host)));
}

Result<int> user_password(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, account_of(invocation));
    return send_password(
        session, invocation, user, path_of(user, "/password"), Json::object(),
        fmt::format("user '{}@{}' has a new password", printable(user.name), printable(user.host)));
}

Result<int> user_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(const auto instance, reach.chosen_instance(invocation));
    JACKDAW_TRY(auto client, reach.of(instance));
    JACKDAW_TRY(const auto list, get(*client, "/v1/users", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"NAME"}, {"HOST"}, {"DATABASES"}}, {}};
    for (const auto& item : items) {
        JACKDAW_TRY(const auto name, proto::string_at(item, "name", ""));
        JACKDAW_TRY(const auto host, proto::string_at(item, "host", ""));
        JACKDAW_TRY(const auto databases,
                    proto::strings_at(item, "databases", proto::list_items_max));
        table.rows.push_back({{name}, {host}, {fmt::format("{}", fmt::join(databases, ", "))}});
    }
    session.terminal.out(
        render_list(list, table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> user_delete(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, account_of(invocation));
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(const auto instance, reach.chosen_instance(invocation));
    JACKDAW_TRY(auto client, reach.of(instance));
    if (invocation.dry_run) {
        return would(
            session, invocation,
            {fmt::format("delete user '{}@{}' of instance '{}'", user.name, user.host, instance)});
    }
    JACKDAW_CHECK(confirm(session, invocation, user.name, "deletes the user"));
    JACKDAW_TRY(const auto accepted, change(*client,
                                            ApiRequest{"DELETE", path_of(user, ""), nullptr,
                                                       new_uuid(session.clock, session.entropy)},
                                            session.in(answer_limit)));
    Conclusion end;
    end.said = fmt::format("user '{}@{}' is gone", printable(user.name), printable(user.host));
    end.what_there_is = fmt::format("`jackdaw user list {}` shows what there is", instance);
    return see_through(
        session, invocation, [&] { return reach.of(instance); }, accepted, std::move(end));
}

} // namespace jackdaw::cli
