// jackdaw user show | grant | revoke | update

#include <charconv>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/core/grant_words.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

std::string shown(const proto::UserSpec& user) {
    return fmt::format("'{}@{}'", printable(user.name), printable(user.host));
}

Result<proto::UserSpec> plain_account_of(const Invocation& invocation) {
    JACKDAW_TRY(auto user, account_of(invocation));
    if (!user.databases.empty()) {
        return Error{Errc::invalid, fmt::format("{} /{}: a user is named as NAME[@HOST] here",
                                                shown(user), printable(user.databases.front()))}
            .with_hint("--on DB says on what");
    }
    return user;
}

std::string list_hint(const std::string& instance) {
    return fmt::format("`jackdaw user list {0}` and `jackdaw database list {0}` show what there is",
                       instance);
}

/// To take away what nobody has is no error; that nobody can have it is worth a word: a name that
/// was misspelt, mostly.
void warn_of_absent(Session& session, InstanceAccess& at, const std::string& database,
                    proto::Operation& operation) {
    const auto list = get(*at.client, "/v1/databases", session.in(answer_limit));
    const auto items = list ? items_of(*list) : Result<Json>{list.error().clone()};
    if (!items) {
        return; // it is taken away; only the look at it failed
    }
    for (const auto& item : *items) {
        if (proto::string_at(item, "name", "").value_or("") == database) {
            return;
        }
    }
    operation.warnings.push_back(
        fmt::format("`jackdaw database list {}` shows no database '{}'", at.name, database));
}

Result<int> change_grant(Session& session, const Invocation& invocation, bool gives) {
    JACKDAW_TRY(const auto user, plain_account_of(invocation));
    proto::Grant grant;
    JACKDAW_TRY(grant.privileges, parse_privileges(invocation.text("PRIVILEGE")));
    JACKDAW_TRY(const auto target, parse_grant_target(invocation.text("--on", "*")));
    grant.database = target.database;
    grant.table = target.table;
    grant.with_grant_option = invocation.has("--with-grant-option");
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    const auto what =
        fmt::format("{}{} on {}", fmt::join(grant.privileges, ", "),
                    grant.with_grant_option ? " (and handing it on)" : "", target_text(grant));
    ApiRequest request{
        "POST", user_path(user, gives ? "/grants" : "/revocations"), proto::to_json(grant), {}};
    if (invocation.dry_run) {
        return rehearse(
            session, invocation, at, request,
            {fmt::format("{} {} {} user '{}@{}' of instance '{}'", gives ? "grant" : "revoke", what,
                         gives ? "to" : "from", user.name, user.host, at.name)});
    }
    Conclusion end;
    end.said =
        fmt::format("user {} {} {}", shown(user), gives ? "has" : "no longer has", printable(what));
    end.look_for_it = [&] { return namesakes_hint(session, at, user, list_hint(at.name)); };
    end.next = fmt::format("jackdaw user show {} {}@{}", at.name, user.name, user.host);
    if (!gives && !grant.database.empty()) {
        end.when_done = [&](Conclusion& done) {
            warn_of_absent(session, at, grant.database, done.operation);
        };
    }
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

std::string details_text(const proto::UserDetails& user, bool colour) {
    const auto& has = user.attributes;
    auto text = render_pairs(
        {{"Name", {user.name, Style::bold}},
         {"Host", {user.host}},
         {"Locked", {has.locked.value_or(false) ? "yes" : "", Style::warning}},
         {"Connections",
          {has.connections_max.value_or(0) == 0
               ? ""
               : fmt::format("at most {} at a time", has.connections_max.value_or(0))}}},
        colour);
    Table table{{{"ON"}, {"PRIVILEGES"}, {"HANDS ON"}}, {}};
    for (const auto& grant : user.grants) {
        table.rows.push_back({{target_text(grant)},
                              {fmt::format("{}", fmt::join(grant.privileges, ", "))},
                              {grant.with_grant_option ? "yes" : "no"}});
    }
    text += "\n" + render_table(table, false, colour);
    if (!user.statements.empty()) {
        text += "\n";
    }
    for (const auto& statement : user.statements) {
        text += printable(statement) + ";\n";
    }
    return text;
}

Result<std::uint64_t> connections_of(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size() ||
        number > UINT32_MAX) {
        return Error{Errc::invalid, fmt::format("--connections '{}': a number from 0, which is no "
                                                "limit of its own, to {}",
                                                printable(text.substr(0, 40)), UINT32_MAX)};
    }
    return number;
}

Result<proto::UserAttributes> wanted_attributes(const Invocation& invocation) {
    proto::UserAttributes wanted;
    if (invocation.has("--lock") && invocation.has("--unlock")) {
        return Error{Errc::invalid, "--lock and --unlock exclude each other"};
    }
    if (invocation.has("--lock") || invocation.has("--unlock")) {
        wanted.locked = invocation.has("--lock");
    }
    if (invocation.has("--new-name")) {
        wanted.name = invocation.text("--new-name");
        JACKDAW_CHECK(check_account_name(*wanted.name, "user"));
    }
    if (invocation.has("--new-host")) {
        wanted.host = invocation.text("--new-host");
        JACKDAW_CHECK(check_account_name(*wanted.host, "host"));
    }
    if (invocation.has("--connections")) {
        JACKDAW_TRY(wanted.connections_max, connections_of(invocation.text("--connections")));
    }
    if (wanted == proto::UserAttributes{}) {
        return Error{Errc::invalid, "nothing is to be changed"}.with_hint(
            "--new-name, --new-host, --lock, --unlock or --connections");
    }
    return wanted;
}

} // namespace

Result<int> user_show(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, plain_account_of(invocation));
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    auto json = get(*at.client, user_path(user, ""), session.in(answer_limit));
    if (!json) {
        const bool missing = json.error().id() == Code::not_found;
        auto error = std::move(json).error();
        return missing ? std::move(error).with_hint(namesakes_hint(
                             session, at, user,
                             fmt::format("`jackdaw user list {}` shows what there is", at.name)))
                       : std::move(error);
    }
    JACKDAW_TRY(const auto details, proto::user_details_from(*json));
    session.terminal.page(render_object(*json, details_text(details, session.terminal.colour_out()),
                                        invocation.format));
    return 0;
}

Result<int> user_grant(Session& session, const Invocation& invocation) {
    return change_grant(session, invocation, true);
}

Result<int> user_revoke(Session& session, const Invocation& invocation) {
    return change_grant(session, invocation, false);
}

Result<int> user_update(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto user, plain_account_of(invocation));
    JACKDAW_TRY(const auto wanted, wanted_attributes(invocation));
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    ApiRequest request{"PATCH", user_path(user, ""), proto::to_json(wanted), {}};
    if (invocation.dry_run) {
        return rehearse(
            session, invocation, at, request,
            {fmt::format("update user '{}@{}' of instance '{}'", user.name, user.host, at.name)});
    }
    auto next = user;
    next.name = wanted.name.value_or(user.name);
    next.host = wanted.host.value_or(user.host);
    Conclusion end;
    end.said = next == user ? fmt::format("user {} is changed", shown(user))
                            : fmt::format("user {} is {} now", shown(user), shown(next));
    end.look_for_it = [&] { return namesakes_hint(session, at, user, list_hint(at.name)); };
    end.next = fmt::format("jackdaw user show {} {}@{}", at.name, next.name, next.host);
    if (wanted.locked.value_or(false)) {
        end.when_done = [&](Conclusion& done) {
            warn_of_sessions(session, at, user.name, done.operation);
        };
    }
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

} // namespace jackdaw::cli
