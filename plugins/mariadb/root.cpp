#include "plugins/mariadb/root.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "plugins/mariadb/accounts.h"
#include "plugins/mariadb/grants.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/privileges.h"
#include "plugins/mariadb/sessions.h"
#include "plugins/mariadb/verifier.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::string_view root_name = "root";
constexpr std::string_view root_host = "%";

/// With what SHOW GRANTS has of the server's own.
std::string standard_gives() {
    return fmt::format(
        "all databases and users of the tenant, and on the server {}, with the right to hand them "
        "on; no FILE, SUPER or SHUTDOWN. Of MariaDB's own schemas sys may be read and run, not "
        "changed, and mysql stays shut: REFERENCES, which it has there, opens nothing. It is a "
        "rail, no wall: who may create users can take over any account of MariaDB, the agent's "
        "among them, and with it everything",
        fmt::join(standard_root_privileges(), ", "));
}

constexpr std::string_view superuser_gives =
    "everything that MariaDB can do: its own schemas and settings, SUPER, SHUTDOWN, FILE, every "
    "account. It can lock the agent out until the next restart repairs the agent's account, and "
    "read the verifiers of all users";

/// On the schema, against the pattern's grant. REFERENCES is never asked for by the server.
struct Shield {
    std::string_view database;
    std::string_view privileges;
};
constexpr std::array<Shield, 2> shields{
    {{"mysql", "REFERENCES"}, {"sys", "SELECT, EXECUTE, SHOW VIEW"}}};

bool is_in(std::string_view list, std::string_view privilege) {
    for (std::size_t at = 0; at <= list.size();) { // ends: `at` grows
        const auto end = std::min(list.find(", ", at), list.size());
        if (list.substr(at, end - at) == privilege) {
            return true;
        }
        at = end + 2;
    }
    return false;
}

bool is_within_standard(const proto::Grant& grant) {
    const auto all_in = [&](auto&& allows) {
        return std::all_of(grant.privileges.begin(), grant.privileges.end(), [&](const auto& one) {
            return one == "USAGE" || allows(std::string_view{one});
        });
    };
    if (grant.database.empty()) {
        const auto allowed = standard_root_privileges();
        return all_in([&](std::string_view one) {
            return std::find(allowed.begin(), allowed.end(), one) != allowed.end();
        });
    }
    if (!is_system_database(grant.database) || grant.database == "test") {
        return true;
    }
    for (const auto& shield : shields) {
        if (grant.database == shield.database && grant.table.empty() && !grant.with_grant_option) {
            return all_in([&](std::string_view one) { return is_in(shield.privileges, one); });
        }
    }
    return false;
}

/// As a grant's pattern: `%` is any text, `_` one character.
bool is_meant(std::string_view pattern, std::string_view database) {
    if (pattern.empty()) {
        return database.empty();
    }
    if (pattern.front() == '%') {
        const auto rest = pattern.substr(std::min(pattern.find_first_not_of('%'), pattern.size()));
        for (std::size_t i = 0; i <= database.size(); ++i) { // few: each takes of a short name
            if (is_meant(rest, database.substr(i))) {
                return true;
            }
        }
        return false;
    }
    return !database.empty() && (pattern.front() == '_' || pattern.front() == database.front()) &&
           is_meant(pattern.substr(1), database.substr(1));
}

/// Is each engine's own schema kept from a grant on a pattern that would reach it? An underscore
/// that was escaped is taken for a wildcard: the lists do not tell.
bool has_shields(const std::vector<proto::Grant>& grants) {
    const auto any = [&](auto&& fits) {
        return std::any_of(grants.begin(), grants.end(), [&](const proto::Grant& grant) {
            return grant.table.empty() && fits(grant.database);
        });
    };
    return std::all_of(shields.begin(), shields.end(), [&](const Shield& one) {
        return any([&](const std::string& name) { return name == one.database; }) ||
               !any([&](const std::string& name) { return is_meant(name, one.database); });
    });
}

std::vector<std::string> grants_for(std::string_view level, const std::string& account) {
    std::vector<std::string> statements;
    if (level == "superuser") {
        statements.push_back(
            fmt::format("GRANT ALL PRIVILEGES ON *.* TO {} WITH GRANT OPTION", account));
        return statements;
    }
    for (const auto& shield : shields) { // first: at no moment is the pattern there without them
        statements.push_back(fmt::format("GRANT {} ON {}.* TO {}", shield.privileges,
                                         quote_identifier(shield.database), account));
    }
    statements.push_back(
        fmt::format("GRANT ALL PRIVILEGES ON `%`.* TO {} WITH GRANT OPTION", account));
    statements.push_back(fmt::format("GRANT {} ON *.* TO {} WITH GRANT OPTION",
                                     fmt::join(standard_root_privileges(), ", "), account));
    return statements;
}

/// "off", or what the account of that host may do.
Result<std::string> level_of_account(Session& session, const plugins::Call& call,
                                     std::string_view host) {
    JACKDAW_TRY(const auto known, grants_of(session, call, root_name, host));
    const bool within = std::all_of(known.grants.begin(), known.grants.end(), is_within_standard) &&
                        has_shields(known.grants);
    return std::string{within ? "standard" : "superuser"};
}

} // namespace

proto::RootStatus RootAccount::describe(std::string_view level) const {
    proto::RootStatus status;
    if (level == "standard" || level == "superuser") {
        status.level = level;
        status.name = root_name;
        status.host = root_host;
        status.gives = level == "standard" ? standard_gives() : std::string{superuser_gives};
    }
    return status;
}

Result<proto::RootStatus> RootAccount::status(const plugins::Call& call) {
    JACKDAW_TRY(const auto hosts, hosts_of_account(session_, call, root_name));
    if (hosts.empty()) {
        return describe("off");
    }
    proto::RootStatus strongest;
    for (const auto& host : hosts) {
        JACKDAW_TRY(const auto level, level_of_account(session_, call, host));
        if (strongest.level == "off" || (strongest.level == "standard" && level == "superuser") ||
            (strongest.level == level && host == root_host)) {
            strongest = describe(level);
            strongest.host = host;
        }
    }
    return strongest;
}

Result<void> RootAccount::enable(const plugins::Call& call, std::string_view level,
                                 std::string_view verifier) {
    if (level != "standard" && level != "superuser") {
        return Error{Errc::invalid, "root has the levels standard and superuser"};
    }
    if (!is_native_verifier(verifier)) {
        return Error{Code::bad_password, "not a verifier of mysql_native_password"};
    }
    const auto doing = fmt::format("enable root ({})", level);
    // Any other root would be a second way in that nobody asked for.
    JACKDAW_TRY(const auto hosts, hosts_of_account(session_, call, root_name));
    for (const auto& host : hosts) {
        if (host != root_host) {
            JACKDAW_CHECK(
                session_.run(call, "DROP USER IF EXISTS " + quote_account(root_name, host))
                    .while_doing(doing));
        }
    }
    const auto account = quote_account(root_name, root_host);
    JACKDAW_CHECK(
        session_
            .run(call,
                 fmt::format("CREATE OR REPLACE USER {} IDENTIFIED VIA mysql_native_password "
                             "USING {}",
                             account, quote_value(verifier)),
                 ServerText::no)
            .while_doing(doing));
    for (const auto& statement : grants_for(level, account)) {
        JACKDAW_CHECK(session_.run(call, statement).while_doing(doing));
    }
    JACKDAW_CHECK(end_sessions_of(session_, call, root_name).while_doing(doing));
    JACKDAW_CHECK(
        expect_verifier(session_, call, root_name, root_host, verifier).while_doing(doing));
    JACKDAW_TRY(const auto now, level_of_account(session_, call, root_host));
    if (now != level) {
        return Error{Errc::internal, fmt::format("root has level {} after that", now)}.while_doing(
            doing);
    }
    return ok();
}

Result<void> RootAccount::disable(const plugins::Call& call) {
    constexpr std::string_view doing = "disable root";
    JACKDAW_TRY(const auto hosts, hosts_of_account(session_, call, root_name));
    for (const auto& host : hosts) {
        JACKDAW_CHECK(session_.run(call, "DROP USER IF EXISTS " + quote_account(root_name, host))
                          .while_doing(std::string{doing}));
    }
    JACKDAW_CHECK(end_sessions_of(session_, call, root_name).while_doing(std::string{doing}));
    JACKDAW_TRY(const auto left, hosts_of_account(session_, call, root_name));
    if (!left.empty()) {
        return Error{Errc::conflict, "root is there again after it was dropped: somebody makes it"}
            .while_doing(std::string{doing});
    }
    return ok();
}

} // namespace jackdaw::mariadb
