// What only MariaDB has to promise: accounts, settings and the tenant who goes too far.

#include <mysql.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/mariadb_client.h"

using namespace jackdaw;
using namespace jackdaw::test;
using namespace std::chrono_literals;

namespace {

const std::string accounts = "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv ORDER BY 1";

} // namespace

TEST_CASE("secure leaves the agent's account and the engine's own, whatever stood there") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    {
        Client client{*server, "jackdawd"};
        REQUIRE(client.is_in());
        for (const char* sql :
             {"CREATE OR REPLACE USER ''@'%'", "CREATE OR REPLACE USER ''@localhost",
              "CREATE OR REPLACE USER root@'%' IDENTIFIED BY 'x'",
              "CREATE OR REPLACE USER root@localhost",
              "CREATE OR REPLACE USER jackdawd@'%' IDENTIFIED BY 'x'", "CREATE DATABASE test",
              "GRANT ALL ON test.* TO PUBLIC"}) {
            client.ask(sql);
        }
    }
    for (int round = 0; round < 2; ++round) {
        const auto secured = server->store().secure(plenty());
        INFO((secured ? std::string{} : secured.error().to_string()));
        REQUIRE(secured.has_value());
        Client client{*server, "jackdawd"};
        REQUIRE(client.ask(accounts + "") ==
                std::vector<std::string>{"PUBLIC@", "jackdawd@localhost", "mariadb.sys@localhost"});
        REQUIRE(client.ask("SHOW DATABASES LIKE 'test'").empty());
        REQUIRE(client.ask("SELECT Db FROM mysql.db WHERE User IN ('', 'PUBLIC')").empty());
        client.ask("DROP USER IF EXISTS PUBLIC");
    }
}

TEST_CASE("a database test that holds something is somebody's and stays") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    Client client{*server, "jackdawd"};
    client.ask("CREATE DATABASE test");
    client.ask("CREATE TABLE test.t (a INT)");
    REQUIRE(server->store().secure(plenty()).has_value());
    REQUIRE(client.ask("SHOW DATABASES LIKE 'test'").size() == 1);
    client.ask("DROP DATABASE test");
}

TEST_CASE("only the OS user jackdawd is let in as jackdawd, and root of the machine has no account "
          "of its own") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    {
        const AsAgent agent;
        REQUIRE(server->store().secure(plenty()).has_value());
        REQUIRE(Client{*server, "jackdawd"}.is_in());
        REQUIRE_FALSE(Client{*server, "root"}.is_in());
    }
    REQUIRE_FALSE(Client{*server, "jackdawd"}.is_in()); // as root
    REQUIRE_FALSE(Client{*server, "root"}.is_in());
    REQUIRE_FALSE(Clients(*server, "jackdawd", "").log_in());
}

TEST_CASE("the session that is open repairs the agent's account, however it was bent") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    for (const std::string damage :
         {"DROP USER jackdawd@localhost", "ALTER USER jackdawd@localhost ACCOUNT LOCK",
          "UPDATE mysql.global_priv SET Host = 'LOCALHOST' WHERE User = 'jackdawd'",
          "UPDATE mysql.global_priv SET Priv = '[1,' WHERE User = 'jackdawd'",
          "GRANT some_role TO jackdawd@localhost", "GRANT SELECT ON mysql.* TO jackdawd@localhost",
          "CREATE USER jackdawd@'10.%'", "CREATE ROLE jackdawd"}) {
        INFO(damage);
        Client client{*server, "jackdawd"};
        REQUIRE(client.is_in());
        REQUIRE(server->store().examine(plenty()).has_value());
        client.ask("SET check_constraint_checks = 0");
        client.ask("CREATE OR REPLACE ROLE some_role");
        client.ask(damage);
        client.ask("FLUSH PRIVILEGES");
        const auto repaired = server->store().repair(plenty(), false);
        INFO((repaired ? "" : repaired.error().to_string()));
        REQUIRE(repaired.has_value());
        const auto seen = server->store().examine(plenty());
        REQUIRE(seen.has_value());
        REQUIRE(seen->access == "");
        REQUIRE(seen->look_alikes == std::vector<std::string>{});
        REQUIRE(seen->unseen.empty());
        REQUIRE(Client{*server, "jackdawd"}.is_in());
    }
    Client{*server, "jackdawd"}.ask("DROP ROLE some_role");
}

TEST_CASE("what cannot be looked at for a lock is told with who holds it, and the rest is seen") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    Client client{*server, "jackdawd"};
    const auto id = client.ask("SELECT CONNECTION_ID()").front();
    client.ask("LOCK TABLES mysql.global_priv WRITE");
    const auto began = std::chrono::steady_clock::now();
    const auto seen = store.examine(within(4s));
    CHECK(std::chrono::steady_clock::now() - began < 4s);
    INFO((seen ? "" : seen.error().to_string()));
    REQUIRE(seen.has_value());
    CHECK(seen->access == "");
    REQUIRE(seen->connections.has_value());
    CHECK(seen->connections->max == 64);
    CHECK_FALSE(seen->look_alikes.has_value());
    REQUIRE(seen->unseen.size() == 1);
    INFO(seen->unseen[0].why);
    CHECK(seen->unseen[0].why.find("session " + id +
                                   " of 'jackdawd'@'localhost' holds a lock on the "
                                   "table mysql.global_priv") != std::string::npos);
    CHECK(seen->unseen[0].mend.find("jackdaw session kill INSTANCE " + id) != std::string::npos);
    CHECK(store.probe(plenty())->sessions_ended == 0); // the session outlived it
    client.ask("UNLOCK TABLES");
    CHECK(store.examine(plenty())->unseen.empty());
}

TEST_CASE("a system table that was renamed or replaced is told, and does not hold the agent up") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    Client client{*server, "jackdawd"};
    client.ask("RENAME TABLE mysql.global_priv TO mysql.global_priv_taken");
    const auto renamed = store.examine(plenty());
    client.ask("CREATE VIEW mysql.global_priv AS SELECT Host, CONCAT(User, SLEEP(100)) AS User, "
               "Priv FROM mysql.global_priv_taken");
    const auto replaced = store.examine(within(4s));
    client.ask("DROP VIEW mysql.global_priv");
    client.ask("RENAME TABLE mysql.global_priv_taken TO mysql.global_priv");
    REQUIRE(renamed.has_value());
    REQUIRE(renamed->unseen.size() == 1);
    CHECK(renamed->unseen[0].why.find("1146") != std::string::npos);
    CHECK(renamed->unseen[0].mend.find("RENAME TABLE") != std::string::npos);
    CHECK(renamed->connections.has_value());
    REQUIRE(replaced.has_value());
    REQUIRE(replaced->unseen.size() == 1);
    CHECK(replaced->access == "");
    CHECK_FALSE(replaced->look_alikes.has_value());
    CHECK(store.examine(plenty())->unseen.empty());
}

TEST_CASE("a tenant who lets in TLS alone, where there is none, shuts all clients out: told") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    const auto before = store.examine(plenty());
    REQUIRE(before.has_value());
    REQUIRE(before->connections.has_value());
    CHECK(before->connections->closed.empty());
    Client client{*server, "jackdawd"};
    client.ask("SET GLOBAL require_secure_transport = ON");
    const auto seen = store.examine(plenty());
    client.ask("SET GLOBAL require_secure_transport = OFF");
    REQUIRE(seen.has_value());
    REQUIRE(seen->connections.has_value());
    CHECK(seen->connections->closed.find("require_secure_transport") != std::string::npos);
    CHECK(seen->connections->mend.find("INSTANCE") != std::string::npos);
}

TEST_CASE("a file of the engine's own is no database") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    for (const auto* name : {"ibdata1", "aria_log_control", "ib_logfile0"}) {
        INFO(name);
        const auto made = store.databases()->create(plenty(), {name, "", ""});
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().id() == Code::name_taken);
        const auto verifier = store.users()->make_verifier(Secret{std::string{"word"}});
        const auto given = store.users()->create(plenty(), {"of_file", "%", {name}, *verifier});
        REQUIRE_FALSE(given.has_value());
        CHECK(given.error().code() == Errc::not_found);
        CHECK_FALSE(store.databases()->drop(plenty(), name).has_value());
    }
    REQUIRE(store.databases()->create(plenty(), {"ibdata2", "", ""}).has_value());
    REQUIRE(store.databases()->create(plenty(), {"ibdata2", "", ""}).has_value());
    REQUIRE(store.databases()->drop(plenty(), "ibdata2").has_value());
}

TEST_CASE(
    "a collation that the server does not have is refused with the nearest, and makes nothing") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& databases = *server->store().databases();
    const auto slip = databases.create(plenty(), {"slip", "utf8mb4", "utf8mb4_genral_ci"});
    REQUIRE_FALSE(slip.has_value());
    CHECK(slip.error().id() == Code::invalid);
    CHECK(slip.error().hint() == "did you mean utf8mb4_general_ci?");
    const auto odd = databases.create(plenty(), {"slip", "", "latin1_nothing_like_any_of_them_ci"});
    REQUIRE_FALSE(odd.has_value());
    CHECK(odd.error().hint().starts_with("SHOW COLLATION WHERE Charset = 'latin1'"));
    Client client{*server, "jackdawd"};
    CHECK(client.ask("SHOW DATABASES LIKE 'slip'").empty());
}

TEST_CASE("a database that a prepared XA transaction holds is told with what ends that") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    REQUIRE(store.databases()->create(plenty(), {"held", "", ""}).has_value());
    {
        Client client{*server, "jackdawd"};
        client.ask("CREATE TABLE held.rows_of (id INT PRIMARY KEY) ENGINE=InnoDB");
        client.ask("XA START 'half'");
        client.ask("INSERT INTO held.rows_of VALUES (1)");
        client.ask("XA END 'half'");
        client.ask("XA PREPARE 'half'");
    } // its locks stay
    const auto dropped = store.databases()->drop(within(8s), "held");
    REQUIRE_FALSE(dropped.has_value());
    INFO(dropped.error().to_string() << " " << dropped.error().hint());
    CHECK(dropped.error().code() == Errc::busy);
    CHECK(dropped.error().to_string().find("prepared XA transaction") != std::string::npos);
    CHECK(dropped.error().hint().find("XA ROLLBACK 'half'") != std::string::npos);
    Client{*server, "jackdawd"}.ask("XA ROLLBACK 'half'");
    CHECK(store.databases()->drop(plenty(), "held").has_value());
}

TEST_CASE("a change that waits for somebody's lock ends with who holds it, and with the session") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    const auto verifier = store.users()->make_verifier(Secret{std::string{"word"}});
    REQUIRE(store.databases()->create(plenty(), {"kept", "", ""}).has_value());
    const std::pair<const char*, const char*> locks[]{
        {"FLUSH TABLES WITH READ LOCK", "a global read lock"},
        {"LOCK TABLES mysql.db READ", "a lock on the table mysql.db"}};
    for (const auto& [statement, kind] : locks) {
        INFO(statement);
        Client client{*server, "jackdawd"};
        const auto id = client.ask("SELECT CONNECTION_ID()").front();
        client.ask(statement);
        const std::vector<std::function<Result<void>()>> changes{
            [&] { return store.users()->create(within(5s), {"waits", "%", {"kept"}, *verifier}); },
            [&] { return store.databases()->create(within(5s), {"other", "", ""}); },
            [&] { return store.databases()->drop(within(5s), "kept"); }};
        for (std::size_t i = 0; i < changes.size(); ++i) {
            if (i > 0 && std::string{statement}.starts_with("LOCK")) {
                continue; // those need no account
            }
            const auto changed = changes[i]();
            INFO(i << (changed ? "" : changed.error().to_string()));
            REQUIRE_FALSE(changed.has_value());
            CHECK(changed.error().code() == Errc::busy);
            CHECK(changed.error().message().find("session " + id +
                                                 " of 'jackdawd'@'localhost' holds " + kind) !=
                  std::string::npos);
            CHECK(changed.error().hint().find("jackdaw session kill INSTANCE " + id) !=
                  std::string::npos);
        }
        client.ask("UNLOCK TABLES");
        CHECK(store.probe(plenty())->sessions_ended == 0);
    }
    REQUIRE(store.users()->create(plenty(), {"waits", "%", {"kept"}, *verifier}).has_value());
    REQUIRE(store.users()->drop(plenty(), "waits", "%").has_value());
    REQUIRE(store.databases()->drop(plenty(), "kept").has_value());
}

TEST_CASE("an event that names the agent's account, or one that hides it, is stopped by a repair") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    Client client{*server, "jackdawd"};
    client.ask("CREATE DATABASE events");
    client.ask("SET GLOBAL event_scheduler = ON");
    const auto scheduler = [&] { return client.ask("SELECT @@GLOBAL.event_scheduler").front(); };
    client.ask("CREATE EVENT events.other ON SCHEDULE EVERY 1 HOUR DO DO 1");
    REQUIRE(store.repair(plenty(), false)->stopped == "");
    CHECK(scheduler() == "ON");
    client.ask("CREATE EVENT events.taker ON SCHEDULE EVERY 1 HOUR DO DROP USER IF EXISTS "
               "jackdawd@localhost");
    const auto unnoted = store.repair(plenty(), false, [](const plugins::Repaired&) {
        return Result<void>{Error{Errc::exhausted, "it cannot be written down"}};
    });
    REQUIRE_FALSE(unnoted.has_value());
    CHECK(scheduler() == "ON");
    std::string noted;
    const auto named = store.repair(plenty(), false, [&](const plugins::Repaired& what) {
        CHECK(scheduler() == "ON"); // before it is done
        noted = what.stopped;
        return ok();
    });
    CHECK(named->stopped == noted);
    CHECK(named->stopped.find("names the agent's account") != std::string::npos);
    CHECK(named->parameter + "=" + named->value == "event_scheduler=ON");
    CHECK(scheduler() == "OFF");
    CHECK(store.examine(plenty())->is_off == true);
    client.ask("DROP EVENT events.taker");
    client.ask("SET GLOBAL event_scheduler = ON");
    CHECK(store.examine(plenty())->is_off == false);
    const auto again = store.repair(plenty(), true);
    CHECK(again->stopped.find("again") != std::string::npos);
    CHECK(scheduler() == "OFF");
    client.ask("CREATE USER JackDawd@localhost");
    const auto left = store.repair(plenty(), true);
    CHECK(left->stopped == "");
    CHECK(left->left.find("'JackDawd'@'localhost'") != std::string::npos);
    client.ask("DROP USER JackDawd@localhost");
    client.ask("DROP DATABASE events");
}

TEST_CASE("the next start repairs the agent's account") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    for (const std::string damage :
         {"DROP USER jackdawd@localhost", "ALTER USER jackdawd@localhost ACCOUNT LOCK",
          "ALTER USER jackdawd@localhost IDENTIFIED BY 'mine'",
          "REVOKE ALL PRIVILEGES, GRANT OPTION FROM jackdawd@localhost",
          "UPDATE mysql.global_priv SET Host = 'LOCALHOST' WHERE User = 'jackdawd'",
          "UPDATE mysql.global_priv SET Priv = '[1,' WHERE User = 'jackdawd'",
          "GRANT some_role TO jackdawd@localhost",
          "GRANT SELECT ON mysql.* TO jackdawd@localhost"}) {
        {
            const AsAgent agent;
            Client client{*server, "jackdawd"};
            REQUIRE(client.is_in());
            const auto whole = server->store().examine(plenty());
            REQUIRE(whole.has_value());
            REQUIRE(whole->access == "");
            client.ask("SET check_constraint_checks = 0");
            client.ask("CREATE OR REPLACE ROLE some_role");
            client.ask(damage);
            client.ask("FLUSH PRIVILEGES");
            INFO(damage);
            const auto told = server->store().examine(plenty()); // over the kept session
            REQUIRE(told.has_value());
            REQUIRE(told->access.value_or("").find("jackdawd") != std::string::npos);
            server->store().release();
            const auto later = server->store().examine(plenty()); // over a new one
            REQUIRE((later ? later->access != "" : later.error().code() == Errc::not_allowed));
            if (damage.starts_with("DROP") || damage.ends_with("LOCK")) {
                const auto seen = server->store().probe(plenty());
                REQUIRE(seen.has_value());
                REQUIRE(seen->answers); // it does: a restart is the operator's to decide
            }
        }
        INFO(damage);
        REQUIRE(server->stop(SIGTERM) == 0);
        server->start();
        const AsAgent agent;
        REQUIRE(server->store().secure(plenty()).has_value());
        const auto mended = server->store().examine(plenty());
        REQUIRE(mended.has_value());
        REQUIRE(mended->access == "");
    }
    const AsAgent agent;
    Client{*server, "jackdawd"}.ask("DROP ROLE some_role");
}

TEST_CASE("a grant reaches the database it names and none that its name would match as a pattern") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    for (const char* name : {"a_b", "axb"}) {
        REQUIRE(store.databases()->create(plenty(), {name, "", ""}).has_value());
    }
    const auto verifier = store.users()->make_verifier(Secret{std::string{"word"}});
    REQUIRE(
        store.users()->create(plenty(), {"narrow", "127.0.0.1", {"a_b"}, *verifier}).has_value());
    MYSQL* const session = ::mysql_init(nullptr);
    REQUIRE(::mysql_real_connect(session, "127.0.0.1", "narrow", "word", nullptr,
                                 server->place().port, nullptr, 0) != nullptr);
    CHECK(::mysql_query(session, "CREATE TABLE a_b.t (a INT)") == 0);
    CHECK(::mysql_query(session, "CREATE TABLE axb.t (a INT)") != 0);
    CHECK(::mysql_query(session, "SELECT 1 INTO OUTFILE '/tmp/x'") != 0);
    CHECK(::mysql_query(session, "SELECT * FROM mysql.global_priv") != 0);
    ::mysql_close(session);
    REQUIRE(store.users()->drop(plenty(), "narrow", "127.0.0.1").has_value());
    for (const char* name : {"a_b", "axb"}) {
        REQUIRE(store.databases()->drop(plenty(), name).has_value());
    }
}

TEST_CASE("what the configuration asks for is what the server runs with") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    Client client{*server, "jackdawd"};
    const std::vector<std::pair<std::string, std::string>> wanted{
        {"character_set_server", "utf8mb4"},  {"innodb_flush_log_at_trx_commit", "1"},
        {"innodb_doublewrite", "1"},          {"local_infile", "0"},
        {"skip_name_resolve", "1"},           {"have_symlink", "DISABLED"},
        {"performance_schema", "0"},          {"innodb_buffer_pool_size", "134217728"},
        {"innodb_log_file_size", "33554432"}, {"max_connections", "64"},
        {"table_open_cache", "512"},          {"thread_handling", "one-thread-per-connection"}};
    for (const auto& [name, value] : wanted) {
        INFO(name);
        CHECK(client.ask("SELECT @@GLOBAL." + name) == std::vector<std::string>{value});
    }
}

TEST_CASE("a tenant's global modes do not reach the agent's quoting") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    auto& store = server->store();
    Client client{*server, "jackdawd"};
    const auto before = client.ask("SELECT @@GLOBAL.sql_mode").front();
    client.ask("SET GLOBAL sql_mode = 'ANSI,ORACLE', GLOBAL sql_select_limit = 1");
    store.release();
    const std::string name = "q`'\"\\x";
    REQUIRE(store.databases()->create(plenty(), {name, "", ""}).has_value());
    REQUIRE(store.databases()->create(plenty(), {"second", "", ""}).has_value());
    const auto list = store.databases()->list(plenty());
    REQUIRE(list.has_value());
    REQUIRE(list->size() == 2);
    REQUIRE(store.databases()->drop(plenty(), name).has_value());
    REQUIRE(store.databases()->drop(plenty(), "second").has_value());
    client.ask("SET GLOBAL sql_mode = '" + before + "', GLOBAL sql_select_limit = DEFAULT");
    store.release();
}

TEST_CASE("time zones are known by name, and every one of them says what tzdata says") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    const AsAgent agent;
    Client client{*server, "jackdawd"};
    CHECK(client.ask("SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Vienna')") ==
          std::vector<std::string>{"2026-07-01 14:00:00"});
    client.ask("SET SESSION time_zone = 'America/St_Johns'");
    client.ask("SET SESSION time_zone = '+00:00'");
    const auto zones = client.ask("SELECT Name FROM mysql.time_zone_name ORDER BY Name");
    REQUIRE(zones.size() > 500);
    for (const auto* alias : {"UTC", "Europe/Vienna", "Asia/Calcutta", "Asia/Kolkata", "EST5EDT"}) {
        CHECK(std::find(zones.begin(), zones.end(), alias) != zones.end());
    }
    // Around changes in both hemispheres, years apart, and off the whole hour.
    for (const std::time_t moment :
         {86'400L * 365, 733'276'799L, 733'276'800L, 1'143'334'799L, 1'143'334'800L, 1'782'907'200L,
          1'795'936'035L, 2'138'054'400L}) {
        const auto answers =
            client.ask("SELECT IFNULL(CONVERT_TZ(FROM_UNIXTIME(" + std::to_string(moment) +
                       "), '+00:00', Name), '') FROM mysql.time_zone_name ORDER BY Name");
        REQUIRE(answers.size() == zones.size());
        for (std::size_t i = 0; i < zones.size(); ++i) {
            REQUIRE(::setenv("TZ", (":" + zones[i]).c_str(), 1) == 0);
            ::tzset();
            std::tm local{};
            REQUIRE(::localtime_r(&moment, &local) != nullptr);
            std::array<char, 32> text{};
            REQUIRE(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local) == 19);
            INFO(zones[i] << " at " << moment);
            CHECK(answers[i] == text.data());
        }
    }
    ::unsetenv("TZ");
    ::tzset();
}
