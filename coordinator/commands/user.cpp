// jackdaw user create | list | delete | password

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/passwords.h"
#include "coordinator/commands/reach.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {

Result<proto::UserSpec> account_of(const Invocation& invocation) {
    const auto words = invocation.text("USER", invocation.text("NAME"));
    JACKDAW_TRY(auto user, parse_user(words));
    const bool has_host = words.substr(0, words.find('/')).find('@') != std::string::npos;
    if (has_host && invocation.has("--host") && invocation.text("--host") != user.host) {
        return Error{Errc::invalid,
                     fmt::format("two hosts are named: '{}' and --host '{}'", printable(words),
                                 printable(invocation.text("--host")))}
            .with_hint(fmt::format("either '{0}@{1}' or '{0}' with --host '{1}'",
                                   printable(user.name), printable(invocation.text("--host"))));
    }
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

std::string namesakes_hint(Session& session, InstanceAccess& at, const proto::UserSpec& user,
                           const std::string& otherwise) {
    const auto list = get(*at.client, "/v1/users", session.in(answer_limit));
    const auto items = list ? items_of(*list) : Result<Json>{list.error().clone()};
    std::string others;
    for (const auto& item : items ? *items : Json::array()) {
        const auto host = proto::string_at(item, "host", "").value_or("");
        if (proto::string_at(item, "name", "").value_or("") == user.name && host != user.host) {
            others += fmt::format("{}'{}@{}'", others.empty() ? "" : ", ", user.name, host);
        }
    }
    return others.empty() ? otherwise : fmt::format("there is {}; {}", others, otherwise);
}

void warn_of_sessions(Session& session, InstanceAccess& at, const std::string& user,
                      proto::Operation& operation) {
    const auto list = get(*at.client, "/v1/sessions", session.in(answer_limit));
    const auto items = list ? items_of(*list) : Result<Json>{list.error().clone()};
    std::size_t open = 0;
    for (const auto& item : items ? *items : Json::array()) {
        const auto one = proto::session_from(item);
        open += one && !one->own && one->user == user ? 1U : 0U;
    }
    const bool is_mute = !items && items.error().id() != Code::unsupported;
    if (open > 0 || is_mute) {
        const auto found = !items      ? fmt::format("open sessions of '{}', if any, go on", user)
                           : open == 1 ? fmt::format("an open session of '{}' goes on", user)
                                       : fmt::format("{} open sessions of '{}' go on", open, user);
        operation.warnings.push_back(
            fmt::format("{}: `jackdaw session list {} --user {}`, `jackdaw session kill {} ID`",
                        found, at.name, user, at.name));
    }
}

namespace {

/// "fred@10.0.0.0/8" names a database '8'; a network was meant, mostly. Else empty.
std::string network_hint(const proto::UserSpec& user) {
    const auto is_address = [](const std::string& text) {
        return !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
    };
    if (!is_address(user.host) || user.databases.empty() ||
        !std::ranges::all_of(user.databases, is_address)) {
        return {};
    }
    return fmt::format("/{} names a database; a network is a host: `--host {}/NETMASK`, e.g. "
                       "10.0.0.0/255.255.255.0",
                       user.databases.front(), user.host);
}

/// What is missing is hinted at by what was meant.
Result<int> with_network_hint(Result<int> outcome, const proto::UserSpec& user) {
    auto hint = network_hint(user);
    if (outcome || hint.empty() || outcome.error().id() != Code::not_found) {
        return outcome;
    }
    return std::move(outcome).error().with_hint(std::move(hint));
}

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
        return with_network_hint(std::move(rehearsed), user);
    }
    end.look_for_it = [&] {
        auto network = network_hint(user);
        return !network.empty()
                   ? std::move(network)
                   : namesakes_hint(session, at, user,
                                    fmt::format("`jackdaw user list {0}` and `jackdaw database "
                                                "list {0}` show what there is",
                                                at.name));
    };
    end.next = fmt::format("jackdaw connect {} --user {}", at.name, user.name);
    return with_network_hint(
        send_with_password(session, invocation, at, user, std::move(request), std::move(end)),
        user);
}

/// Adds lock and limit to each account of a list, one question each; null for one that is gone by
/// then, and behind the first thousand.
void add_attributes(Session& session, InstanceAccess& at, Json& items) {
    constexpr std::size_t asked_max = 1000;
    std::size_t asked = 0;
    for (auto& item : items) {
        item["locked"] = item["connections_max"] = nullptr;
        proto::UserSpec user;
        user.name = proto::string_at(item, "name", "").value_or("");
        user.host = proto::string_at(item, "host", "").value_or("");
        const auto json = ++asked <= asked_max
                              ? get(*at.client, user_path(user, ""), session.in(answer_limit))
                              : Result<Json>{Error{Errc::exhausted, "too many"}};
        const auto details = json ? proto::user_details_from(*json)
                                  : Result<proto::UserDetails>{json.error().clone()};
        if (details) {
            item["locked"] = details->attributes.locked.value_or(false);
            item["connections_max"] = details->attributes.connections_max.value_or(0);
        }
    }
}

/// Of one that nobody told of: nothing.
std::string locked_text(const Json& item) {
    const auto locked = item.value("locked", Json{});
    return locked.is_null() ? "" : locked == true ? "yes" : "no";
}

std::string limit_text(const Json& item) {
    const auto limit = item.value("connections_max", Json{});
    return limit.is_null() ? "" : limit == 0 ? "no limit of its own" : limit.dump();
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
    JACKDAW_TRY(auto list, get(*at.client, "/v1/users", session.in(answer_limit)));
    JACKDAW_TRY(auto items, items_of(list));
    if (is_structured(invocation.format) || invocation.format == Format::wide) {
        add_attributes(session, at, items);
        list["items"] = items;
    }
    Table table{{{"NAME"}, {"HOST"}, {"DATABASES"}, {"LOCKED", true}, {"CONNECTIONS", true}}, {}};
    for (const auto& item : items) {
        JACKDAW_TRY(const auto name, proto::string_at(item, "name", ""));
        JACKDAW_TRY(const auto host, proto::string_at(item, "host", ""));
        JACKDAW_TRY(const auto databases,
                    proto::strings_at(item, "databases", proto::list_items_max));
        table.rows.push_back({{name},
                              {host},
                              {fmt::format("{}", fmt::join(databases, ", "))},
                              {locked_text(item)},
                              {limit_text(item)}});
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
    end.look_for_it = [&] {
        return namesakes_hint(session, at, user,
                              fmt::format("`jackdaw user list {}` shows what there is", at.name));
    };
    end.next = fmt::format("jackdaw user list {}", at.name);
    end.when_done = [&](Conclusion& done) {
        warn_of_sessions(session, at, user.name, done.operation);
    };
    return change_instance(session, invocation, at, std::move(request), std::move(end));
}

} // namespace jackdaw::cli
