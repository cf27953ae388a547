#include "plugins/mariadb/accounts.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "plugins/mariadb/names.h"
#include "plugins/mariadb/schemas.h"
#include "plugins/mariadb/text.h"
#include "plugins/mariadb/verifier.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t databases_of_user_max = 1000;
constexpr std::size_t hosts_of_account_max = 1000;
constexpr std::size_t shown_bytes_max = 128; ///< of the server's own words, in an error

using Account = std::pair<std::string, std::string>; ///< name, host

/// Without roles.
Result<std::vector<Account>> all_accounts(Session& session, const plugins::Call& call) {
    JACKDAW_TRY(auto rows,
                session.query(call, "SELECT User, Host FROM mysql.global_priv "
                                    "WHERE COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) = 0 "
                                    "ORDER BY User, Host"));
    std::vector<Account> accounts;
    for (const auto& row : rows) {
        if (row.size() != 2) {
            return Error{Errc::corrupt, "MariaDB's list of accounts has another shape"};
        }
        accounts.emplace_back(row[0].value_or(""), row[1].value_or(""));
    }
    return accounts;
}

bool is_unwanted(const Account& account, const std::string& admin) {
    const auto& [name, host] = account;
    return name.empty() || name == "root" || name == "mysql" ||
           (name == admin && host != "localhost");
}

} // namespace

std::string host_of(std::string_view host) {
    std::string lower{host};
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

std::string where_account(std::string_view name, std::string_view host) {
    return fmt::format("User = {} AND Host = {}", quote_value(name), quote_value(host));
}

Result<void> check_account(std::string_view name, std::string_view host) {
    JACKDAW_CHECK(check_user_name(name));
    return check_host(host);
}

Result<void> check_known_account(std::string_view name, std::string_view host) {
    JACKDAW_CHECK(check_user_name(name));
    return check_known_host(host);
}

Result<std::optional<AccountState>> find_account(Session& session, const plugins::Call& call,
                                                 std::string_view name, std::string_view host) {
    JACKDAW_TRY(
        const auto rows,
        session.query(call, fmt::format("SELECT COALESCE(JSON_VALUE(Priv, "
                                        "'$.account_locked'), 0), COALESCE(JSON_VALUE(Priv, "
                                        "'$.max_user_connections'), 0) FROM "
                                        "mysql.global_priv WHERE {} AND "
                                        "COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) = 0",
                                        where_account(name, host))));
    if (rows.empty()) {
        return std::optional<AccountState>{};
    }
    if (rows.size() != 1 || rows[0].size() != 2) {
        return Error{Errc::corrupt, "MariaDB's list of accounts has another shape"};
    }
    AccountState state;
    state.locked = rows[0][0].value_or("") == "1";
    const auto limit = rows[0][1].value_or("");
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), number);
    if (error == std::errc{} && end == limit.data() + limit.size()) {
        state.connections_max = number;
    }
    return std::optional{state};
}

Result<std::vector<std::string>> hosts_of_account(Session& session, const plugins::Call& call,
                                                  std::string_view name) {
    // Not by the list of all: a tenant may make more of them than we read.
    JACKDAW_TRY(const auto rows,
                session.query(call, fmt::format("SELECT Host FROM mysql.global_priv WHERE BINARY "
                                                "User = {} AND COALESCE(JSON_VALUE(Priv, "
                                                "'$.is_role'), 0) = 0 ORDER BY Host LIMIT {}",
                                                quote_value(name), hosts_of_account_max)));
    std::vector<std::string> hosts;
    for (const auto& row : rows) {
        if (row.size() != 1) {
            return Error{Errc::corrupt, "MariaDB's list of accounts has another shape"};
        }
        hosts.push_back(row[0].value_or(""));
    }
    return hosts;
}

Result<void> Accounts::check(const proto::UserSpec& spec) const {
    JACKDAW_CHECK(check_account(spec.name, spec.host));
    if (spec.databases.size() > databases_of_user_max) {
        return Error{Errc::invalid,
                     fmt::format("a user names at most {} databases", databases_of_user_max)};
    }
    for (const auto& database : spec.databases) {
        JACKDAW_CHECK(check_database_name(database));
        JACKDAW_CHECK(check_grant_pattern(database));
    }
    if (!spec.verifier.empty() && !is_native_verifier(spec.verifier)) {
        return Error{Code::bad_password, "not a verifier of mysql_native_password"};
    }
    return ok();
}

Result<void> Accounts::check_named(std::string_view name, std::string_view host) const {
    return check_known_account(name, host);
}

Result<std::string> Accounts::make_verifier(const Secret& password) const {
    return native_verifier(password);
}

Result<void> Accounts::create(const plugins::Call& call, const proto::UserSpec& spec) {
    JACKDAW_CHECK(check(spec));
    if (spec.verifier.empty()) {
        return Error{Code::bad_password, "a user needs a password"};
    }
    const auto doing = fmt::format("create user \"{}\"", spec.name);
    for (const auto& database : spec.databases) {
        JACKDAW_TRY(const auto found, find_database(session_, call, database));
        if (!found) {
            return Error{Errc::not_found, fmt::format("there is no database \"{}\"", database)}
                .while_doing(doing);
        }
    }
    const auto host = host_of(spec.host);
    const auto account = quote_account(spec.name, host);
    const auto identified = fmt::format("{} IDENTIFIED VIA mysql_native_password USING {}", account,
                                        quote_value(spec.verifier));
    // Two statements, so that a repetition after a crash ends the same, with the verifier of this
    // call.
    JACKDAW_CHECK(session_.run(call, "CREATE USER IF NOT EXISTS " + identified, ServerText::no)
                      .while_doing(doing));
    JACKDAW_CHECK(
        session_.run(call, "ALTER USER " + identified, ServerText::no).while_doing(doing));
    for (const auto& database : spec.databases) {
        JACKDAW_CHECK(
            session_
                .run(call, fmt::format("GRANT ALL PRIVILEGES ON {}.* TO {}",
                                       quote_identifier(grant_pattern(database)), account))
                .while_doing(doing));
    }

    JACKDAW_CHECK(
        expect_verifier(session_, call, spec.name, host, spec.verifier).while_doing(doing));
    JACKDAW_TRY(const auto rows, session_.query(call, "SELECT Db FROM mysql.db WHERE " +
                                                          where_account(spec.name, host)));
    for (const auto& database : spec.databases) {
        const auto pattern = grant_pattern(database);
        const bool granted = std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
            return !row.empty() && row.front() == pattern;
        });
        if (!granted) {
            return Error{Errc::internal, fmt::format("the grant on \"{}\" is not there", database)}
                .while_doing(doing);
        }
    }
    return ok();
}

Result<void> expect_verifier(Session& session, const plugins::Call& call, std::string_view name,
                             std::string_view host, std::string_view verifier) {
    JACKDAW_TRY(
        const auto rows,
        session.query(call,
                      fmt::format("SELECT 1 FROM mysql.global_priv WHERE {} AND "
                                  "JSON_VALUE(Priv, '$.plugin') = 'mysql_native_password' AND "
                                  "JSON_VALUE(Priv, '$.authentication_string') = {}",
                                  where_account(name, host), quote_value(verifier)),
                      ServerText::no));
    if (rows.size() != 1) {
        return Error{Errc::internal, "MariaDB did not keep the password"};
    }
    return ok();
}

Result<std::vector<proto::UserSpec>> Accounts::list(const plugins::Call& call) {
    JACKDAW_TRY(const auto accounts, all_accounts(session_, call));
    JACKDAW_TRY(
        const auto grants,
        session_.query(call, "SELECT User, Host, Db FROM mysql.db ORDER BY User, Host, Db"));
    std::map<Account, std::vector<std::string>> databases;
    for (const auto& row : grants) {
        if (row.size() != 3) {
            return Error{Errc::corrupt, "MariaDB's list of grants has another shape"};
        }
        databases[{row[0].value_or(""), row[1].value_or("")}].push_back(
            name_of_pattern(row[2].value_or("")));
    }
    std::vector<proto::UserSpec> users;
    for (const auto& account : accounts) {
        if (is_system_user(account.first)) {
            continue;
        }
        proto::UserSpec user;
        user.name = account.first;
        user.host = account.second;
        if (const auto found = databases.find(account); found != databases.end()) {
            user.databases = found->second;
        }
        users.push_back(std::move(user));
    }
    return users;
}

Result<void> Accounts::drop(const plugins::Call& call, std::string_view name,
                            std::string_view host) {
    JACKDAW_CHECK(check_known_account(name, host));
    return session_.run(call, "DROP USER " + quote_account(name, host_of(host)))
        .while_doing(fmt::format("drop user \"{}\"", name));
}

Result<void> Accounts::set_verifier(const plugins::Call& call, std::string_view name,
                                    std::string_view host, std::string_view verifier) {
    JACKDAW_CHECK(check_known_account(name, host));
    if (!is_native_verifier(verifier)) {
        return Error{Code::bad_password, "not a verifier of mysql_native_password"};
    }
    const auto doing = fmt::format("set the password of user \"{}\"", name);
    const auto lower_host = host_of(host);
    JACKDAW_CHECK(
        session_
            .run(call,
                 fmt::format("ALTER USER {} IDENTIFIED VIA mysql_native_password USING {}",
                             quote_account(name, lower_host), quote_value(verifier)),
                 ServerText::no)
            .while_doing(doing));
    return expect_verifier(session_, call, name, lower_host, verifier).while_doing(doing);
}

Result<void> secure_accounts(Session& session, const plugins::Call& call,
                             const std::string& admin) {
    JACKDAW_TRY(const auto before, all_accounts(session, call));
    for (const auto& account : before) {
        if (is_unwanted(account, admin)) {
            JACKDAW_CHECK(session.run(call, "DROP USER IF EXISTS " +
                                                quote_account(account.first, account.second)));
        }
    }

    // What mariadb-install-db grants to everybody unless told --skip-test-db.
    constexpr std::string_view to_everybody = "FROM mysql.db WHERE User IN ('', 'PUBLIC') AND "
                                              "Db IN ('test', 'test\\_%')";
    JACKDAW_TRY(const auto grants, session.query(call, fmt::format("SELECT 1 {}", to_everybody)));
    if (!grants.empty()) {
        JACKDAW_CHECK(session.run(call, fmt::format("DELETE {}", to_everybody)));
        JACKDAW_CHECK(session.run(call, "FLUSH PRIVILEGES"));
    }
    JACKDAW_TRY(const auto test_database, find_database(session, call, "test"));
    if (test_database) {
        JACKDAW_TRY(const auto content,
                    session.query(
                        call, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'test' "
                              "UNION ALL SELECT 1 FROM information_schema.ROUTINES WHERE "
                              "ROUTINE_SCHEMA = 'test' UNION ALL SELECT 1 FROM "
                              "information_schema.EVENTS WHERE EVENT_SCHEMA = 'test' LIMIT 1"));
        if (content.empty()) {
            JACKDAW_CHECK(session.run(call, "DROP DATABASE IF EXISTS test"));
        }
    }

    // Now look.
    JACKDAW_TRY(const auto after, all_accounts(session, call));
    for (const auto& account : after) {
        if (is_unwanted(account, admin)) {
            return Error{Errc::internal, fmt::format("the account \"{}\" at \"{}\" would not go",
                                                     printable(account.first, shown_bytes_max),
                                                     printable(account.second, shown_bytes_max))};
        }
    }
    JACKDAW_TRY(const auto own,
                session.query(call, "SELECT CURRENT_USER(), JSON_VALUE(Priv, '$.plugin') FROM "
                                    "mysql.global_priv WHERE " +
                                        where_account(admin, "localhost")));
    if (own.size() != 1 || own[0].size() != 2 || own[0][0] != admin + "@localhost" ||
        own[0][1] != "unix_socket") {
        return Error{Errc::internal, "the agent's own account is not what its init file made"};
    }
    return ok();
}

} // namespace jackdaw::mariadb
