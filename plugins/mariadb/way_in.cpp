#include "plugins/mariadb/way_in.h"

#include <charconv>

#include <fmt/format.h>

#include "plugins/mariadb/accounts.h"
#include "plugins/mariadb/config.h"
#include "plugins/mariadb/errors.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t shown_bytes_max = 100;

std::uint64_t number_of(const std::optional<std::string>& text) {
    std::uint64_t value = 0;
    if (text) {
        (void)std::from_chars(text->data(), text->data() + text->size(), value);
    }
    return value;
}

/// The one text of an account that is as it must be, compared as a whole: any word more (REQUIRE
/// SSL, a limit, a lock) or less (a right) is a finding, whatever a later version adds.
Result<bool> is_whole(Session& session, const plugins::Call& call, const std::string& admin) {
    const auto shown = fmt::format("{}@{}", quote_identifier(admin), quote_identifier("localhost"));
    const std::pair<const char*, std::string> questions[]{
        {"SHOW GRANTS FOR ", fmt::format("GRANT ALL PRIVILEGES ON *.* TO {} IDENTIFIED VIA "
                                         "unix_socket WITH GRANT OPTION",
                                         shown)},
        {"SHOW CREATE USER ", fmt::format("CREATE USER {} IDENTIFIED VIA unix_socket", shown)},
    };
    for (const auto& [question, wanted] : questions) {
        const auto rows = session.query(call, question + quote_account(admin, "localhost"));
        if (!rows &&
            (rows.error().code() == Errc::not_allowed || rows.error().code() == Errc::not_found ||
             is_nothing_granted(session.last_error()))) {
            return false;
        }
        if (!rows) {
            return rows.error().clone();
        }
        if (rows->size() != 1 || (*rows)[0].empty() || (*rows)[0][0] != wanted) {
            return false; // a role, or a grant on something, is a row of its own
        }
    }
    return true;
}

/// Everything that has our name in any spelling, or none at all; exactly ours is not among it.
Result<std::vector<std::string>> look_alikes(Session& session, const plugins::Call& call,
                                             const std::string& admin) {
    JACKDAW_TRY(const auto rows,
                session.query(call, fmt::format("SELECT User, Host FROM mysql.global_priv WHERE "
                                                "(User = '' OR CONVERT(User USING utf8mb4) COLLATE "
                                                "utf8mb4_unicode_ci = {0}) AND NOT (BINARY User = "
                                                "{0} AND Host = 'localhost') ORDER BY User, Host "
                                                "LIMIT {1}",
                                                quote_value(admin), look_alikes_max)));
    std::vector<std::string> found;
    for (const auto& row : rows) {
        if (row.size() != 2) {
            return Error{Errc::corrupt, "MariaDB's list of accounts has another shape"};
        }
        if (found.size() == look_alikes_max) { // whatever the server makes of the LIMIT
            break;
        }
        found.push_back(fmt::format("'{}'@'{}'", printable(row[0].value_or(""), shown_bytes_max),
                                    printable(row[1].value_or(""), shown_bytes_max)));
    }
    return found;
}

/// Without a moment in which there is no such account: what a kill in between would lock out of the
/// server until its next start. False: that was not enough.
Result<bool> mend_in_place(Session& session, const plugins::Call& call, const std::string& admin) {
    const auto account = quote_account(admin, "localhost");
    std::vector<std::string> statements{
        fmt::format("CREATE USER IF NOT EXISTS {} IDENTIFIED VIA unix_socket", account),
        fmt::format("ALTER USER {} IDENTIFIED VIA unix_socket REQUIRE NONE WITH "
                    "MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 "
                    "MAX_USER_CONNECTIONS 0 PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK",
                    account),
        fmt::format("GRANT ALL PRIVILEGES ON *.* TO {} WITH GRANT OPTION", account),
    };
    JACKDAW_TRY(const auto hosts, hosts_of_account(session, call, admin));
    for (const auto& host : hosts) {
        if (host != "localhost") {
            statements.push_back("DROP USER IF EXISTS " + quote_account(admin, host));
        }
    }
    for (const auto& statement : statements) {
        if (auto run = session.run(call, statement); !run) {
            if (run.error().code() == Errc::internal || run.error().code() == Errc::not_found) {
                return false;
            }
            return std::move(run).error();
        }
    }
    return is_whole(session, call, admin);
}

} // namespace

Result<plugins::Examination> examine(Session& session, const plugins::Call& call,
                                     const std::string& admin) {
    plugins::Examination seen;
    JACKDAW_TRY(const auto limit, session.query(call, "SELECT @@GLOBAL.max_connections"));
    seen.connections_max = limit.empty() || limit[0].empty() ? 0 : number_of(limit[0][0]);
    JACKDAW_TRY(const auto status,
                session.query(call, "SHOW GLOBAL STATUS WHERE Variable_name IN "
                                    "('Threads_connected', 'Connection_errors_max_connections')"));
    for (const auto& row : status) {
        if (row.size() == 2) {
            (row[0] == "Threads_connected" ? seen.connections : seen.connections_refused) =
                number_of(row[1]);
        }
    }
    JACKDAW_TRY(const bool whole, is_whole(session, call, admin));
    if (!whole) {
        seen.access = fmt::format("somebody has changed or removed the agent's account \"{}\" at "
                                  "localhost; the session that is open is all that it has",
                                  admin);
    }
    auto others = look_alikes(session, call, admin);
    if (others) {
        seen.look_alikes = *std::move(others);
    } else if (others.error().code() != Errc::not_allowed) { // then `access` tells of it
        return std::move(others).error();
    }
    return seen;
}

Result<void> repair_account(Session& session, const plugins::Call& call, const std::string& admin) {
    JACKDAW_CHECK(session.run(call, "SET SESSION sql_log_bin = 0")); // never replicated
    JACKDAW_TRY(bool whole, mend_in_place(session, call, admin));
    if (!whole) {
        for (const auto& statement : account_statements(admin)) {
            JACKDAW_CHECK(session.run(call, statement));
        }
        JACKDAW_TRY(whole, is_whole(session, call, admin));
    }
    JACKDAW_CHECK(session.run(call, "SET SESSION sql_log_bin = 1"));
    return whole
               ? ok()
               : Result<void>{
                     Error{Errc::internal, "the agent's account is not what it was made"}.with_hint(
                         "a restart of the instance makes it anew")};
}

} // namespace jackdaw::mariadb
