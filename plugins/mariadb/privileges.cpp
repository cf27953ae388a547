#include "plugins/mariadb/privileges.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "plugins/mariadb/names.h"

namespace jackdaw::mariadb {
namespace {

// Why each is dangerous: Knowledge Base, "GRANT", sections on global privileges; what they open was
// tried on 10.11 (tests/real/datastore_contract_accounts_test.cpp).
constexpr std::string_view of_accounts =
    "it changes every account, the agent's among them, and so takes its rights";
constexpr std::string_view of_server = "it changes the server that the agent keeps";
constexpr std::string_view of_others =
    "it shows what all others do, the agent's statements with verifiers among it";
constexpr std::string_view of_definer =
    "it makes routines that run with the rights of any account, the agent's among them";

constexpr std::array<Privilege, 39> table{{
    {"ALTER", true, true, {}},
    {"ALTER ROUTINE", true, false, {}},
    {"BINLOG ADMIN", false, false, of_server},
    {"BINLOG MONITOR", false, false, of_others},
    {"BINLOG REPLAY", false, false, "it writes rows of any table, MariaDB's own among them"},
    {"CONNECTION ADMIN", false, false,
     "it takes the connection that is kept for the agent, and ends the agent's session"},
    {"CREATE", true, true, {}},
    {"CREATE ROUTINE", true, false, {}},
    {"CREATE TABLESPACE", false, false, of_server},
    {"CREATE TEMPORARY TABLES", true, false, {}},
    {"CREATE USER", false, false, of_accounts},
    {"CREATE VIEW", true, true, {}},
    {"DELETE", true, true, {}},
    {"DELETE HISTORY", true, true, {}},
    {"DROP", true, true, {}},
    {"EVENT", true, false, {}},
    {"EXECUTE", true, false, {}},
    {"FEDERATED ADMIN", false, false, "it makes the server connect to others"},
    {"FILE", false, false, "it reads and writes files of the machine"},
    {"INDEX", true, true, {}},
    {"INSERT", true, true, {}},
    {"LOCK TABLES", true, false, {}},
    {"PROCESS", false, false, of_others},
    {"READ_ONLY ADMIN", false, false,
     "it writes where the agent has closed the server for writing"},
    {"REFERENCES", true, true, {}},
    {"RELOAD", false, false, "it holds up everybody's writes, the agent's among them"},
    {"REPLICATION MASTER ADMIN", false, false, of_server},
    {"REPLICATION SLAVE", false, false, of_others},
    {"REPLICATION SLAVE ADMIN", false, false, of_server},
    {"SELECT", true, true, {}},
    {"SET USER", false, false, of_definer},
    {"SHOW DATABASES", false, false, {}},
    {"SHOW VIEW", true, true, {}},
    {"SHUTDOWN", false, false, "it ends the server"},
    {"SLAVE MONITOR", false, false, of_others},
    {"SUPER", false, false, "it changes the server's settings and ends the agent's session"},
    {"TRIGGER", true, true, {}},
    {"UPDATE", true, true, {}},
    // Not in SHOW PRIVILEGES: what each account has.
    {"USAGE", true, true, {}},
}};

// What Amazon RDS for MariaDB gives its master user ("Master user account privileges"), of that
// which exists on everything alone; REPLICATION CLIENT is two since 10.5.
constexpr std::array<std::string_view, 7> standard_root{
    "RELOAD",      "PROCESS",        "SHOW DATABASES", "REPLICATION SLAVE",
    "CREATE USER", "BINLOG MONITOR", "SLAVE MONITOR"};

// Which of them may be granted on columns: Knowledge Base, "GRANT", section "Column Privileges".
constexpr std::array<std::string_view, 4> of_columns{"SELECT", "INSERT", "UPDATE", "REFERENCES"};
constexpr std::size_t columns_max = 64; ///< of one privilege that is taken away

bool has_level(const Privilege& privilege, Level level) noexcept {
    switch (level) {
    case Level::global: return true;
    case Level::database: return privilege.database;
    case Level::table: break;
    }
    return privilege.table;
}

std::string_view name_of(Level level) noexcept {
    switch (level) {
    case Level::global: return "everything";
    case Level::database: return "a database";
    case Level::table: break;
    }
    return "a table";
}

std::string known_at(Level level) {
    std::string names = "ALL";
    for (const auto& one : table) {
        if (has_level(one, level)) {
            names += fmt::format(", {}", one.name);
        }
    }
    return names;
}

bool is_all(std::string_view name) noexcept {
    return name == "ALL" || name == "ALL PRIVILEGES";
}

const Privilege* find(std::string_view name) noexcept {
    const auto found = std::find_if(table.begin(), table.end(),
                                    [&](const Privilege& one) { return one.name == name; });
    return found == table.end() ? nullptr : &*found;
}

/// "(a, `b`)" as "`a`, `b`".
Result<std::string> quoted_columns(std::string_view text) {
    const auto bad = [] {
        return Error{Errc::invalid, "columns are named as (a, b), odd ones in backquotes"};
    };
    if (!text.starts_with('(') || !text.ends_with(')')) {
        return bad();
    }
    text = text.substr(1, text.size() - 2);
    std::string all;
    std::size_t count = 0;
    for (bool more = true; more; ++count) { // each turn takes a name
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        std::string name;
        if (text.starts_with('`')) {
            text.remove_prefix(1);
            while (!text.empty() && (text.front() != '`' || text.starts_with("``"))) {
                name += text.front();
                text.remove_prefix(text.front() == '`' ? 2 : 1);
            }
            if (text.empty()) {
                return bad(); // nothing closes it
            }
            text.remove_prefix(1);
        } else {
            const auto end = std::min(text.find_first_of(", `()"), text.size());
            name = text.substr(0, end);
            text.remove_prefix(end);
        }
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        more = text.starts_with(',');
        text.remove_prefix(more ? 1 : 0);
        if (name.empty() || (!more && !text.empty()) || count == columns_max) {
            return bad();
        }
        JACKDAW_CHECK(check_table_name(name)); // MariaDB: Identifier Names has one rule for both
        all += (all.empty() ? "" : ", ") + quote_identifier(name);
    }
    return all;
}

Error not_allowed(std::string_view name, std::string_view why) {
    return Error{Errc::not_allowed, fmt::format("{} is not given to users: {}", name, why)}
        .with_hint("`jackdaw root enable` makes an account for such work");
}

} // namespace

Level level_of(const proto::Grant& grant) noexcept {
    if (!grant.table.empty()) {
        return Level::table;
    }
    return grant.database.empty() ? Level::global : Level::database;
}

std::span<const Privilege> privileges() noexcept {
    return std::span{table}.first(table.size() - 1);
}

std::span<const std::string_view> standard_root_privileges() noexcept {
    return standard_root;
}

Result<void> check_form(const proto::Grant& grant) {
    const auto level = level_of(grant);
    if (level == Level::table && grant.database.empty()) {
        return Error{Errc::invalid, "a table is named with its database"};
    }
    if (level != Level::global) {
        // A reserved one is judged later: what somebody granted there may be taken away.
        auto named = check_database_name(grant.database);
        if (!named && named.error().id() != Code::reserved_name) {
            return named;
        }
    }
    if (level == Level::table) {
        JACKDAW_CHECK(check_table_name(grant.table));
    }
    const bool is_nothing = grant.privileges.empty() && !grant.with_grant_option;
    if (is_nothing || grant.privileges.size() > privileges_of_grant_max) {
        return Error{Errc::invalid,
                     fmt::format("a grant has 1 to {} privileges", privileges_of_grant_max)}
            .with_hint(fmt::format("on {}: {}", name_of(level), known_at(level)));
    }
    for (const auto& name : grant.privileges) {
        if (is_all(name) || name == "USAGE") {
            if (grant.privileges.size() > 1) {
                return Error{Errc::invalid, fmt::format("{} stands alone", name)};
            }
            continue;
        }
        const auto* const known = find(name);
        if (known == nullptr || !has_level(*known, level)) {
            auto error = known == nullptr
                             ? Error{Errc::invalid, "MariaDB has no such privilege (names are in "
                                                    "capitals)"}
                             : Error{Errc::invalid,
                                     fmt::format("{} does not exist on {}", name, name_of(level))};
            return std::move(error).with_hint(
                fmt::format("on {}: {}", name_of(level), known_at(level)));
        }
    }
    return ok();
}

Result<proto::Grant> taken_form(const proto::Grant& grant) {
    auto bare = grant; // what stands before the columns is judged like any other
    auto quoted = grant;
    for (std::size_t i = 0; i < std::min(grant.privileges.size(), privileges_of_grant_max); ++i) {
        const auto& privilege = grant.privileges[i];
        const auto open = privilege.find('(');
        if (open == std::string::npos) {
            continue;
        }
        bare.privileges[i] = privilege.substr(0, privilege.find_last_not_of(' ', open - 1) + 1);
        if (grant.table.empty() || std::find(of_columns.begin(), of_columns.end(),
                                             bare.privileges[i]) == of_columns.end()) {
            return Error{Errc::invalid, "columns stand with a table, and with SELECT, INSERT, "
                                        "UPDATE or REFERENCES alone"};
        }
        JACKDAW_TRY(const auto columns, quoted_columns(std::string_view{privilege}.substr(open)));
        quoted.privileges[i] = fmt::format("{} ({})", bare.privileges[i], columns);
    }
    JACKDAW_CHECK(check_form(bare));
    return quoted;
}

Result<void> check_grant(const proto::Grant& grant) {
    JACKDAW_CHECK(check_form(grant));
    if (level_of(grant) != Level::global) {
        JACKDAW_CHECK(check_database_name(grant.database));
        return grant.table.empty() ? check_grant_pattern(grant.database) : ok();
    }
    if (grant.with_grant_option) {
        return not_allowed("GRANT OPTION on everything",
                           "it hands on rights in MariaDB's own schemas");
    }
    for (const auto& name : grant.privileges) {
        if (is_all(name)) {
            return not_allowed("ALL on everything", "the whole server is in it");
        }
        const auto& known = *find(name);
        if (!known.danger.empty()) {
            return not_allowed(name, known.danger);
        }
        if (known.database && name != "USAGE") {
            return not_allowed(fmt::format("{} on everything", name),
                               "MariaDB's own schemas, with all accounts, are in that")
                .with_hint("name the database");
        }
    }
    return ok();
}

} // namespace jackdaw::mariadb
