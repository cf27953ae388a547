// What only MariaDB has to promise of privileges, compared with the server's own catalogue.

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/real/datastore_contract_checks.h"
#include "tests/real/mariadb_client.h"

using namespace jackdaw;
using namespace jackdaw::test;

namespace {

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return text;
}

struct Rights {
    std::set<std::string> privileges;
    bool option = false;
    friend bool operator==(const Rights&, const Rights&) = default;
};
using RightsByScope = std::map<std::pair<std::string, std::string>, Rights>;

/// From the columns of mysql.db and mysql.tables_priv, not from SHOW GRANTS.
RightsByScope rights_of(Client& client, const std::string& name, const std::string& host) {
    static const std::vector<std::pair<std::string, std::string>> columns = [&] {
        std::vector<std::pair<std::string, std::string>> found;
        for (const auto& column :
             client.ask("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
                        "'mysql' AND TABLE_NAME = 'db' AND COLUMN_NAME LIKE '%priv'")) {
            auto privilege = upper(column.substr(0, column.size() - 5));
            std::replace(privilege.begin(), privilege.end(), '_', ' ');
            found.emplace_back(column, privilege == "CREATE TMP TABLE" ? "CREATE TEMPORARY TABLES"
                                                                       : privilege);
        }
        return found;
    }();
    REQUIRE(columns.size() == 20);
    const auto account = "User = " + doubled(name, '\'') + " AND Host = " + doubled(host, '\'');
    RightsByScope rights;
    for (const auto& [column, privilege] : columns) {
        for (auto pattern : client.ask(
                 fmt::format("SELECT Db FROM mysql.db WHERE {} AND {} = 'Y'", account, column))) {
            std::string database;
            for (std::size_t i = 0; i < pattern.size(); ++i) {
                i += pattern[i] == '\\' ? 1U : 0U;
                database += pattern[i];
            }
            auto& one = rights[{database, ""}];
            privilege == "GRANT" ? void(one.option = true) : void(one.privileges.insert(privilege));
        }
    }
    for (const auto& where : client.ask("SELECT CONCAT_WS('\n', Db, Table_name, Table_priv) FROM "
                                        "mysql.tables_priv WHERE " +
                                        account)) {
        const auto first = where.find('\n');
        const auto second = where.find('\n', first + 1);
        auto& one = rights[{where.substr(0, first), where.substr(first + 1, second - first - 1)}];
        auto list = upper(where.substr(second + 1)) + ",";
        while (!list.empty()) {
            const auto privilege = list.substr(0, list.find(','));
            list.erase(0, privilege.size() + 1);
            if (privilege == "GRANT") {
                one.option = true;
            } else if (!privilege.empty()) {
                one.privileges.insert(privilege == "DELETE VERSIONING ROWS" ? "DELETE HISTORY"
                                                                            : privilege);
            }
        }
    }
    return rights;
}

const std::vector<std::string> of_table{
    "SELECT", "INSERT", "UPDATE",      "DELETE",    "CREATE",  "DROP",          "REFERENCES",
    "INDEX",  "ALTER",  "CREATE VIEW", "SHOW VIEW", "TRIGGER", "DELETE HISTORY"};
const std::vector<std::string> of_database = [] {
    auto all = of_table;
    for (const char* more : {"CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE ROUTINE",
                             "ALTER ROUTINE", "EXECUTE", "EVENT"}) {
        all.emplace_back(more);
    }
    return all;
}();

std::set<std::string> meant(const proto::Grant& grant) {
    if (grant.privileges.front() != "ALL") {
        return {grant.privileges.begin(), grant.privileges.end()};
    }
    const auto& all = grant.table.empty() ? of_database : of_table;
    return {all.begin(), all.end()};
}

class Dice {
public:
    explicit Dice(unsigned seed) : engine_{seed} {}
    unsigned below(std::size_t count) { return static_cast<unsigned>(engine_() % count); }
    template <class T>
    const T& one_of(const std::vector<T>& list) {
        return list[below(list.size())];
    }
    /// Of what tools, quoting rules and patterns stumble over.
    std::string name(std::size_t chars_max) {
        static const std::vector<std::string> pieces{
            "'", "`", "\"", "\\",  "%",  "_",  "--",     "/*",   "*/", ";",
            "#", "@", "(",  ",",   ".",  " ",  "select", "FROM", "a",  "B",
            "7", "ö", "語", "\\_", "''", "``", "$",      "?",    "=",  "*"};
        std::string name;
        std::size_t chars = 0;
        for (const auto wanted = 1 + below(12); chars < wanted;) {
            const auto& piece = one_of(pieces);
            chars += piece.size(); // at least as many as characters
            if (chars > chars_max) {
                break;
            }
            name += piece;
        }
        return name.empty() || name.back() == ' ' ? name + "x" : name;
    }

private:
    std::mt19937 engine_; // the same every time
};

} // namespace

TEST_CASE("the declared privileges and their levels are this server's") {
    MARIADB(server, store);
    Client client{server, "jackdawd"};
    client.ask("CREATE DATABASE levels");
    client.ask("CREATE TABLE levels.t (a INT)");
    client.ask("CREATE USER probe@'%'");
    std::set<std::string> served{"ALL", "USAGE"};
    for (const auto& name : client.ask("SHOW PRIVILEGES")) {
        served.insert(upper(name));
    }
    served.erase("GRANT OPTION"); // a flag of a grant
    served.erase("PROXY");        // on an account
    const auto refused = store.grants()->check({{"NONSENSE"}, "", "", false});
    std::set<std::string> declared;
    for (auto hint = refused.error().hint().substr(sizeof "on everything: " - 1) + ", ";
         !hint.empty(); hint.erase(0, hint.find(", ") + 2)) {
        declared.insert(hint.substr(0, hint.find(", ")));
    }
    REQUIRE(declared == served);
    const std::vector<std::tuple<std::string, std::string, std::string>> levels{
        {"", "", "*.*"}, {"levels", "", "levels.*"}, {"levels", "t", "levels.t"}};
    for (const auto& privilege : served) {
        for (const auto& [database, table, scope] : levels) {
            INFO(privilege << " ON " << scope);
            const auto checked = store.grants()->check({{privilege}, database, table, false});
            const bool known = checked || checked.error().id() != Code::invalid;
            const auto number =
                client.error_of(fmt::format("GRANT {} ON {} TO probe@'%'", privilege, scope));
            REQUIRE(known == (number == 0));
            REQUIRE((checked || !database.empty() || checked.error().id() == Code::not_allowed));
        }
    }
    client.ask("DROP USER probe@'%'");
    client.ask("DROP DATABASE levels");
}

TEST_CASE("grants, revokes and changes of odd names do to the catalogue what they say, and nothing "
          "else") {
    MARIADB(server, store);
    Client client{server, "jackdawd"};
    client.ask("SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
    client.ask("SET NAMES utf8mb4");
    auto& grants = *store.grants();
    for (unsigned seed = 1; seed <= 25; ++seed) {
        Dice dice{seed};
        INFO("seed " << seed);
        std::vector<std::string> databases;
        for (int i = 0; i < 3; ++i) {
            databases.push_back(std::to_string(i) + dice.name(40));
            REQUIRE_OK(store.databases()->create(plenty(), {databases.back(), "", ""}));
        }
        const auto table = dice.name(60);
        for (const auto& database : databases) {
            client.ask("CREATE TABLE " + doubled(database, '`') + "." + doubled(table, '`') +
                       " (a INT)");
        }
        auto name = dice.name(70) + "1";
        std::string host = "%";
        const auto neighbour = name + "2";
        for (const auto& one : {name, neighbour}) {
            REQUIRE_OK(store.users()->create(plenty(),
                                             {one, "%", {databases[0]}, verifier(store, "word")}));
        }
        RightsByScope model{{{databases[0], ""}, {meant({{"ALL"}, "x", "", false}), false}}};
        const auto before = without(catalogue(client), {name + "@%"});
        for (int step = 0; step < 12; ++step) {
            proto::Grant grant;
            grant.database = dice.one_of(databases);
            grant.table = dice.below(3) == 0 ? table : "";
            grant.with_grant_option = dice.below(4) == 0;
            const auto& all = grant.table.empty() ? of_database : of_table;
            for (unsigned i = 0, count = 1 + dice.below(4); i < count; ++i) {
                grant.privileges.push_back(dice.one_of(all));
            }
            if (dice.below(5) == 0) {
                grant.privileges = {"ALL"};
            }
            INFO("step " << step << " on " << grant.database << "." << grant.table);
            auto& rights = model[{grant.database, grant.table}];
            switch (dice.below(3)) {
            case 0:
                REQUIRE_OK(grants.revoke(plenty(), name, host, grant));
                for (const auto& one : meant(grant)) {
                    rights.privileges.erase(one);
                }
                if (grant.with_grant_option || grant.privileges.front() == "ALL") {
                    rights.option = false;
                }
                break;
            case 1: {
                proto::UserAttributes change;
                change.name = dice.name(70) + "3";
                change.host = dice.below(2) == 0 ? "10.0.%" : "2001:db8::1";
                change.locked = dice.below(2) == 0;
                change.connections_max = dice.below(9);
                REQUIRE_OK(grants.alter(plenty(), name, host, change));
                name = *change.name;
                host = *change.host;
                const auto shown = grants.show(plenty(), name, host);
                REQUIRE_OK(shown);
                REQUIRE(shown->host == host);
                REQUIRE(shown->attributes.locked == change.locked);
                REQUIRE(shown->attributes.connections_max == change.connections_max);
                break;
            }
            default:
                REQUIRE_OK(grants.grant(plenty(), name, host, grant));
                rights.privileges.merge(meant(grant));
                rights.option = rights.option || grant.with_grant_option;
            }
            std::erase_if(model, [](const auto& one) { return one.second == Rights{}; });
            REQUIRE(rights_of(client, name, host) == model);
            REQUIRE(without(catalogue(client), {fmt::format("{}@{}", name, host)}) == before);
            // And SHOW GRANTS, as it is read, says the same.
            const auto shown = grants.show(plenty(), name, host);
            REQUIRE_OK(shown);
            RightsByScope read;
            for (const auto& one : shown->grants) {
                if (!one.database.empty()) {
                    auto& there = read[{one.database, one.table}];
                    there.option = one.with_grant_option;
                    there.privileges =
                        one.privileges.front() == "USAGE" ? std::set<std::string>{} : meant(one);
                }
            }
            REQUIRE(read == model);
        }
        REQUIRE_OK(store.users()->drop(plenty(), name, host));
        REQUIRE_OK(store.users()->drop(plenty(), neighbour, "%"));
        for (const auto& database : databases) {
            REQUIRE_OK(store.databases()->drop(plenty(), database));
        }
    }
}

TEST_CASE("an account at a host that the agent would not give is shown, changed and dropped") {
    MARIADB(server, store);
    Client client{server, "jackdawd"};
    client.ask("CREATE USER visitor@'web1.example.org' IDENTIFIED BY 'w'");
    const auto* const host = "web1.example.org";
    const auto found = find_user(store, "visitor");
    REQUIRE(found.has_value());
    REQUIRE(found->host == host);
    REQUIRE_OK(store.users()->check_named("visitor", host));
    REQUIRE_OK(store.databases()->create(plenty(), {"visited", "", ""}));
    auto& grants = *store.grants();
    REQUIRE_OK(grants.grant(plenty(), "visitor", host, {{"SELECT"}, "visited", "", false}));
    REQUIRE_OK(grants.revoke(plenty(), "visitor", host, {{"SELECT"}, "visited", "", false}));
    REQUIRE_OK(store.users()->set_verifier(plenty(), "visitor", host, verifier(store, "x")));
    proto::UserAttributes locked;
    locked.locked = true;
    REQUIRE_OK(grants.alter(plenty(), "visitor", host, locked));
    const auto shown = grants.show(plenty(), "visitor", host);
    REQUIRE_OK(shown);
    CHECK(shown->attributes.locked == true);
    proto::UserAttributes moved;
    moved.host = "10.%";
    REQUIRE_OK(grants.alter(plenty(), "visitor", host, moved));
    moved.host = host; // and not back
    const auto refused = grants.alter(plenty(), "visitor", "10.%", moved);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().id() == Code::bad_name);
    client.ask("CREATE USER visitor@'web1.example.org' IDENTIFIED BY 'w'");
    REQUIRE_OK(store.users()->drop(plenty(), "visitor", host));
    REQUIRE_OK(store.users()->drop(plenty(), "visitor", "10.%"));
    CHECK_FALSE(find_user(store, "visitor").has_value());
    REQUIRE_OK(store.databases()->drop(plenty(), "visited"));
}

TEST_CASE("more accounts than the agent reads cost it neither its session nor its way back") {
    MARIADB(server, store);
    Client client{server, "jackdawd"};
    const auto session = [&] {
        return client.ask("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'jackdawd' "
                          "AND ID <> CONNECTION_ID()");
    };
    REQUIRE_OK(store.secure(plenty()));
    const auto before = session();
    REQUIRE_FALSE(before.empty());
    client.ask("INSERT INTO mysql.global_priv (Host, User, Priv) SELECT '%', CONCAT('crowd', seq), "
               "'{}' FROM mysql.seq_1_to_20001");
    client.ask("FLUSH PRIVILEGES");
    const auto listed = store.users()->list(plenty());
    REQUIRE_FALSE(listed.has_value());
    CHECK(listed.error().code() == Errc::exhausted);
    const auto status = store.root()->status(plenty());
    REQUIRE_OK(status);
    CHECK(status->level == "off");
    client.ask("CREATE USER jackdawd@'10.%'");
    REQUIRE_OK(store.repair(plenty(), false));
    CHECK(client.ask("SELECT Host FROM mysql.global_priv WHERE User = 'jackdawd'") ==
          std::vector<std::string>{"localhost"});
    for (const auto& id : session()) { // no new one
        CHECK(std::find(before.begin(), before.end(), id) != before.end());
    }
    client.ask("DELETE FROM mysql.global_priv WHERE User LIKE 'crowd%'");
    client.ask("FLUSH PRIVILEGES");
    REQUIRE_OK(store.users()->list(plenty()));
}

TEST_CASE("names at MariaDB's limits are granted to, or refused with the reason") {
    MARIADB(server, store);
    auto& grants = *store.grants();
    std::string long_user;
    for (int i = 0; i < 80; ++i) {
        long_user += "語";
    }
    const std::string plain(64, 'd');
    const std::string fits(32, '_');
    const std::string too_long(33, '_');
    REQUIRE_OK(store.users()->create(plenty(), {long_user, "%", {}, verifier(store, "w")}));
    for (const auto& name : {plain, fits, too_long}) {
        REQUIRE_OK(store.databases()->create(plenty(), {name, "", ""}));
    }
    for (const auto& name : {plain, fits}) {
        REQUIRE_OK(grants.grant(plenty(), long_user, "%", {{"ALL"}, name, "", false}));
    }
    const auto refused = grants.grant(plenty(), long_user, "%", {{"ALL"}, too_long, "", false});
    REQUIRE_FALSE(refused.has_value());
    REQUIRE(refused.error().id() == Code::bad_name);
    REQUIRE(refused.error().message().find("counts twice") != std::string::npos);
    const auto user =
        store.users()->create(plenty(), {"short", "%", {too_long}, verifier(store, "w")});
    REQUIRE_FALSE(user.has_value());
    REQUIRE(user.error().id() == Code::bad_name);
    Client client{server, "jackdawd"};
    client.ask("CREATE TABLE `" + too_long + "`.`" + std::string(64, 't') + "` (a INT)");
    REQUIRE_OK(grants.grant(plenty(), long_user, "%",
                            {{"SELECT"}, too_long, std::string(64, 't'), false}));
    REQUIRE_FALSE(grants.check({{"SELECT"}, "d", std::string(65, 't'), false}).has_value());
    const auto shown = grants.show(plenty(), long_user, "%");
    REQUIRE_OK(shown);
    REQUIRE(shown->grants.size() == 4); // and USAGE
    for (const auto& name : {plain, fits, too_long}) {
        REQUIRE_OK(store.databases()->drop(plenty(), name));
    }
    REQUIRE_OK(store.users()->drop(plenty(), long_user, "%"));
}

TEST_CASE("a table is granted when it is there, or may come") {
    MARIADB(server, store);
    auto& grants = *store.grants();
    REQUIRE_OK(store.databases()->create(plenty(), {"shop", "", ""}));
    REQUIRE_OK(store.users()->create(plenty(), {"clerk", "%", {}, verifier(store, "w")}));
    for (const std::string privilege : {"SELECT", "ALL"}) {
        const auto absent = grants.grant(plenty(), "clerk", "%", {{privilege}, "shop", "t", false});
        REQUIRE_FALSE(absent.has_value());
        REQUIRE(absent.error().code() == Errc::not_found);
    }
    REQUIRE_OK(grants.grant(plenty(), "clerk", "%", {{"CREATE", "INSERT"}, "shop", "t", false}));
    Client client{server, "clerk", "w"};
    REQUIRE(client.is_in());
    REQUIRE(client.error_of("CREATE TABLE shop.t (a INT)") == 0);
    REQUIRE(client.error_of("INSERT INTO shop.t VALUES (1)") == 0);
    REQUIRE(client.error_of("SELECT * FROM shop.t") != 0);
    REQUIRE(client.error_of("CREATE TABLE shop.u (a INT)") != 0);
    REQUIRE_OK(store.users()->drop(plenty(), "clerk", "%"));
    REQUIRE_OK(store.databases()->drop(plenty(), "shop"));
}

TEST_CASE("a grant to an account that goes meanwhile makes none without a password") {
    MARIADB(server, store);
    REQUIRE_OK(store.databases()->create(plenty(), {"races", "", ""}));
    Client client{server, "jackdawd"};
    std::atomic<bool> over{false};
    int made_by_grant = 0;
    std::atomic<int> rounds{0};
    std::thread tenant{[&] {
        while (!over) { // the other one ends it
            ++rounds;
            client.error_of("DROP USER IF EXISTS racer@'%'");
            // 1396: it is there again, and nobody but a GRANT can have made it.
            made_by_grant += client.error_of("CREATE USER racer@'%' IDENTIFIED BY 'w'") != 0;
        }
    }};
    int granted = 0;
    int gone = 0;
    for (int i = 0; i < 20'000 && rounds < 200; ++i) {
        const auto done =
            store.grants()->grant(plenty(), "racer", "%", {{"SELECT"}, "races", "", false});
        done ? ++granted : ++gone;
    }
    over = true;
    tenant.join();
    CHECK(made_by_grant == 0);
    CHECK(gone > 0); // else nothing raced
    CHECK(rounds > 100);
    client.ask("DROP USER racer@'%'");
    REQUIRE_OK(store.databases()->drop(plenty(), "races"));
}

TEST_CASE("whatever a tenant has made of an account, it is shown without its secrets") {
    MARIADB(server, store);
    Client client{server, "jackdawd"};
    client.ask("SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
    const std::string hash = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19";
    client.ask("CREATE DATABASE odd_one");
    client.ask("CREATE TABLE odd_one.t (`c``,)` INT, d INT)");
    client.ask("CREATE PROCEDURE odd_one.p() SELECT 1");
    client.ask("CREATE ROLE `r'``` ");
    client.ask("CREATE USER other@'%'");
    client.ask("CREATE USER odd@'%' IDENTIFIED VIA unix_socket USING 'o''x' OR "
               "mysql_native_password USING '" +
               hash + "' REQUIRE ISSUER 'it''s WITH GRANT OPTION' AND SUBJECT 'a`b'");
    client.ask("GRANT `r'``` TO odd@'%' WITH ADMIN OPTION");
    client.ask("SET DEFAULT ROLE `r'``` FOR odd@'%'");
    client.ask(
        "INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant) "
        "VALUES ('%', 'odd', '%', 'other', 1)");
    client.ask("FLUSH PRIVILEGES");
    client.ask("GRANT EXECUTE ON PROCEDURE odd_one.p TO odd@'%' WITH GRANT OPTION");
    client.ask("GRANT SELECT, INSERT (`c``,)`, d), REFERENCES (d) ON odd_one.t TO odd@'%'");
    client.ask("GRANT SELECT ON `odd%`.* TO odd@'%'");
    client.ask("GRANT SUPER, FILE ON *.* TO odd@'%' WITH GRANT OPTION MAX_QUERIES_PER_HOUR 3 "
               "MAX_STATEMENT_TIME 1.5");
    const auto shown = store.grants()->show(plenty(), "odd", "%");
    REQUIRE_OK(shown);
    std::string all;
    for (const auto& statement : shown->statements) {
        all += statement + "\n";
    }
    INFO(all);
    REQUIRE(all.find(hash) == std::string::npos);
    REQUIRE(all.find("IDENTIFIED") == std::string::npos);
    REQUIRE(all.find("o''x") == std::string::npos);
    for (const char* kept :
         {"GRANT FILE, SUPER ON *.* TO `odd`@`%` REQUIRE ISSUER 'it''s WITH GRANT OPTION'",
          "'a`b' WITH GRANT OPTION MAX_QUERIES_PER_HOUR 3 MAX_STATEMENT_TIME 1.500000\n",
          "GRANT `r'``` TO `odd`@`%` WITH ADMIN OPTION\n", "GRANT PROXY ON `other`@`%`",
          "EXECUTE ON PROCEDURE `odd_one`.`p`", "SET DEFAULT ROLE `r'```"}) {
        INFO(kept);
        CHECK(all.find(kept) != std::string::npos);
    }
    const std::vector<proto::Grant> expected{
        {{"FILE", "SUPER"}, "", "", true},
        {{"SELECT"}, "odd%", "", false},
        {{"SELECT", "INSERT (`c``,)`, `d`)", "REFERENCES (`d`)"}, "odd_one", "t", false}};
    for (const auto& grant : expected) {
        INFO(grant.database << " " << grant.table);
        CHECK(std::count(shown->grants.begin(), shown->grants.end(), grant) == 1);
    }
    CHECK(shown->grants.size() == expected.size());
    // All of it may be taken away, a pattern by the name under which it is shown.
    for (const auto& grant : std::vector<proto::Grant>{{{"ALL"}, "", "", false},
                                                       {{"SELECT"}, "odd%", "", false},
                                                       {{"ALL"}, "odd_one", "t", false}}) {
        REQUIRE_OK(store.grants()->revoke(plenty(), "odd", "%", grant));
    }
    const auto after = store.grants()->show(plenty(), "odd", "%");
    REQUIRE_OK(after);
    REQUIRE(after->grants == std::vector<proto::Grant>{{{"USAGE"}, "", "", false}});
    CHECK(after->others.size() == 3); // a role, a proxy and a routine: they stay, and are told

    // Straight into the table, as one with rights on schema mysql can: a credential that would pass
    // for options.
    client.ask("REPLACE INTO mysql.global_priv VALUES ('%', 'odd', JSON_OBJECT('access', 1, "
               "'plugin', 'mysql_native_password', 'authentication_string', "
               "'hidden-word'' WITH GRANT OPTION MAX_USER_CONNECTIONS 5 '))");
    client.ask("FLUSH PRIVILEGES");
    const auto forged = store.grants()->show(plenty(), "odd", "%");
    REQUIRE_OK(forged);
    for (const auto& statement : forged->statements) {
        CHECK(statement.find("hidden-word") == std::string::npos);
    }
    for (const auto& grant : forged->grants) {
        CHECK_FALSE(grant.with_grant_option);
    }
    // A role is no user, whatever its name.
    const auto role = store.grants()->show(plenty(), "r'`", "%");
    REQUIRE_FALSE(role.has_value());
    REQUIRE(role.error().code() == Errc::not_found);
    client.ask("DROP USER odd@'%', other@'%'");
    client.ask("DROP ROLE `r'```");
    client.ask("DROP DATABASE odd_one");
}
