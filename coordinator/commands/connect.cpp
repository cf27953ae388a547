// jackdaw connect INSTANCE: the database's own client, with a person's credentials.

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/passwords.h"
#include "coordinator/commands/stock_client.h"

namespace jackdaw::cli {
namespace {

/// A value of an option file: MariaDB Knowledge Base, "Configuring MariaDB with Option Files".
std::string option_value(std::string_view value) {
    std::string text = "\"";
    for (const char c : value) {
        text += c == '\\' || c == '"' ? "\\" : "";
        text += c;
    }
    return text + "\"";
}

Result<std::string> chosen_user(Session& session, ApiClient& client, const Invocation& invocation) {
    if (invocation.has("--user")) {
        JACKDAW_CHECK(check_account_name(invocation.text("--user"), "user"));
        return invocation.text("--user");
    }
    JACKDAW_TRY(const auto list, get(client, "/v1/users", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    if (items.size() == 1) {
        return proto::string_at(items.front(), "name", "");
    }
    return Error{Errc::invalid,
                 items.empty() ? "the instance has no user" : "the instance has several users"}
        .with_hint(items.empty() ? "`jackdaw user create NAME` makes one"
                                 : "say which one: --user U; `jackdaw user list` shows them");
}

} // namespace

Result<int> connect_client(Session& session, const Invocation& invocation) {
    if (invocation.has("--database")) {
        JACKDAW_CHECK(check_account_name(invocation.text("--database"), "database"));
    }
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto json, get(*at.client, "/v1/instance", session.in(answer_limit)));
    JACKDAW_TRY(const auto instance, proto::instance_from(json));
    if (instance.status == "stopped") {
        return Error{Code::database_down, fmt::format("instance '{}' is stopped", at.name)}
            .with_hint(fmt::format("`jackdaw instance start {}`", at.name));
    }
    if (instance.datastore != "mariadb") {
        return Error{Errc::unsupported, fmt::format("no client program is known for '{}'",
                                                    printable(instance.datastore))};
    }
    if (instance.address.empty() || instance.port == 0) {
        return Error{Errc::unavailable, fmt::format("instance '{}' has no endpoint: it is {}",
                                                    at.name, printable(instance.status))}
            .with_hint(fmt::format("`jackdaw instance show {}`", at.name));
    }
    JACKDAW_TRY(const auto user, chosen_user(session, *at.client, invocation));
    JACKDAW_TRY(const auto password,
                ask_password(session, invocation,
                             fmt::format("password of {} on {}: ", printable(user), at.name)));
    if (!instance.connection_note.empty()) {
        session.terminal.err(fmt::format("note: {}\n", printable(instance.connection_note)));
    }
    std::string options =
        fmt::format("[client]\nprotocol=tcp\nhost={}\nport={}\nuser={}\n",
                    option_value(instance.address), instance.port, option_value(user));
    options += "password=" + option_value(password.reveal()) + "\n";
    const Secret secret{std::move(options)};
    std::vector<std::string> words{"mariadb", fmt::format("--defaults-file={}", options_file_word)};
    if (invocation.has("--database")) {
        words.push_back("--database=" + invocation.text("--database"));
    }
    return session.become_client(std::move(words), secret);
}

} // namespace jackdaw::cli
