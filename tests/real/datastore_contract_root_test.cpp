// What only MariaDB has to promise of root and sessions: how far root reaches, whose a session is.

#include <sys/resource.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract_checks.h"
#include "tests/real/mariadb_client.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using namespace jackdaw::test;
using jackdaw::testing::present;
using namespace std::chrono_literals;

TEST_CASE("a standard root has the tenant's data and accounts, and nothing of MariaDB's own") {
    MARIADB(server, store);
    REQUIRE_OK(store.databases()->create(plenty(), {"tenants", "", ""}));
    REQUIRE_OK(store.users()->create(plenty(), {"friend", "%", {}, verifier(store, "w")}));
    REQUIRE_OK(store.root()->enable(plenty(), "standard", verifier(store, "root-word")));
    Client own{server, "jackdawd"};
    const auto before = without(catalogue(own), {"friend@%", "made@%", "root@%"});
    Client root{server, "root", "root-word"};
    REQUIRE(root.is_in());
    for (const char* fine :
         {"CREATE DATABASE made", "CREATE TABLE made.t (a INT)", "INSERT INTO made.t VALUES (1)",
          "CREATE VIEW made.v AS SELECT * FROM made.t", "CREATE PROCEDURE made.p() SELECT 1",
          "CREATE EVENT made.e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
          "CREATE TRIGGER made.r BEFORE INSERT ON made.t FOR EACH ROW SET @a = 1",
          "CREATE USER made@'%' IDENTIFIED BY 'w'", "GRANT ALL ON tenants.* TO made@'%'",
          "GRANT SELECT ON made.t TO `friend`@'%'", "GRANT PROCESS ON *.* TO made@'%'",
          "ALTER USER made@'%' IDENTIFIED BY 'x'", "SELECT COUNT(*) FROM sys.version",
          "SHOW PROCESSLIST", "FLUSH TABLES", "REVOKE ALL ON tenants.* FROM made@'%'",
          "DROP USER made@'%'", "DROP DATABASE made", "DROP DATABASE tenants"}) {
        INFO(fine);
        CHECK(root.error_of(fine) == 0);
    }
    // And when the server has read its tables of grants anew, as at a start.
    for (const bool again : {false, true}) {
        if (again) {
            own.ask("FLUSH PRIVILEGES");
        }
        Client root_now{server, "root", "root-word"};
        REQUIRE(root_now.is_in());
        for (const char* refused :
             {"SELECT * FROM mysql.global_priv",
              "SELECT * FROM mysql.user",
              "DROP DATABASE mysql",
              "UPDATE mysql.global_priv SET Priv = '{}'",
              "DELETE FROM mysql.db",
              "CREATE TABLE mysql.mine (a INT)",
              "DROP TABLE mysql.plugin",
              "DROP DATABASE sys",
              "CREATE TRIGGER mysql.r BEFORE INSERT ON mysql.plugin FOR EACH ROW SET @a = 1",
              "CREATE PROCEDURE mysql.p() SELECT 1",
              "GRANT SELECT ON mysql.* TO `friend`@'%'",
              "GRANT ALL ON mysql.* TO root@'%'",
              "GRANT SUPER ON *.* TO `friend`@'%'",
              "GRANT SELECT ON *.* TO `friend`@'%'",
              "GRANT FILE ON *.* TO root@'%'",
              "SET PASSWORD FOR jackdawd@localhost = PASSWORD('mine')",
              "SELECT 1 INTO OUTFILE '/tmp/x'",
              "LOAD DATA INFILE '/etc/passwd' INTO TABLE made.t",
              "SHUTDOWN",
              "SET GLOBAL max_connections = 10",
              "INSTALL SONAME 'auth_ed25519'",
              "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
              "CREATE DEFINER = jackdawd@localhost PROCEDURE tenants.p() SELECT 1"}) {
            INFO(refused);
            CHECK(root_now.error_of(refused) != 0);
        }
    }
    CHECK(root.error_of("SELECT LOAD_FILE('/etc/passwd')") == 0); // NULL: no FILE
    CHECK(root.rows("SELECT LOAD_FILE('/etc/passwd')") == std::vector<std::string>{"NULL"});
    CHECK(root.error_of("KILL " + own.ask("SELECT CONNECTION_ID()").front()) != 0);
    CHECK(store.root()->status(plenty())->level == "standard");
    CHECK(without(catalogue(own), {"friend@%", "made@%", "root@%"}) == before);
    REQUIRE_OK(store.users()->drop(plenty(), "friend", "%"));
    REQUIRE_OK(store.root()->disable(plenty()));
}

TEST_CASE("what a standard root is not kept from, as its description says, and the way back") {
    Server* const server_pointer = server_of("mariadb");
    if (server_pointer == nullptr) {
        return;
    }
    Server& server = *server_pointer;
    auto& store = server.store();
    {
        const AsAgent agent;
        REQUIRE(store.root()->describe("standard").gives.find("no wall") != std::string::npos);
        REQUIRE_OK(store.users()->create(plenty(), {"friend", "%", {}, verifier(store, "w")}));
        REQUIRE_OK(store.root()->enable(plenty(), "standard", verifier(store, "root-word")));
        Client root{server, "root", "root-word"};
        REQUIRE(root.is_in());
        // A pattern handed on has no shield beside it.
        REQUIRE(root.error_of("GRANT SELECT ON `%`.* TO `friend`@'%'") == 0);
        REQUIRE(Client(server, "friend", "w").error_of("SELECT * FROM mysql.global_priv") == 0);
        // Who may create users may take over any account.
        REQUIRE(root.error_of("RENAME USER jackdawd@localhost TO jackdawd@'%'") == 0);
        REQUIRE(root.error_of("ALTER USER jackdawd@'%' IDENTIFIED BY 'mine'") == 0);
        Client stolen{server, "jackdawd", "mine"};
        REQUIRE(stolen.is_in());
        REQUIRE(stolen.error_of("GRANT SUPER ON *.* TO root@'%'") == 0);
        store.release();
        REQUIRE(store.probe(plenty())->answers); // the server does; that is what the agent can tell
    }
    REQUIRE(server.stop(SIGTERM) == 0);
    server.start();
    const AsAgent agent;
    REQUIRE(store.root()->status(plenty())->level == "superuser"); // as it is, not as it was asked
    REQUIRE_OK(store.secure(plenty()));
    REQUIRE_FALSE(Client(server, "jackdawd", "mine").is_in());
    REQUIRE(store.root()->status(plenty())->level == "off");
    REQUIRE_OK(store.users()->drop(plenty(), "friend", "%"));
}

TEST_CASE("root's level is what it may do now, and every root goes with it") {
    MARIADB(server, store);
    Client own{server, "jackdawd"};
    auto& root = *store.root();
    REQUIRE_OK(root.enable(plenty(), "standard", verifier(store, "w")));
    for (const auto& [wider, narrower] : std::vector<std::pair<std::string, std::string>>{
             {"GRANT FILE ON *.* TO root@'%'", "REVOKE FILE ON *.* FROM root@'%'"},
             {"GRANT SELECT ON *.* TO root@'%'", "REVOKE SELECT ON *.* FROM root@'%'"},
             {"GRANT SELECT ON mysql.* TO root@'%'", "REVOKE SELECT ON mysql.* FROM root@'%'"},
             {"GRANT SELECT ON mysql.db TO root@'%'", "REVOKE SELECT ON mysql.db FROM root@'%'"},
             {"REVOKE REFERENCES ON mysql.* FROM root@'%'",
              "GRANT REFERENCES ON mysql.* TO root@'%'"}}) {
        INFO(wider);
        own.ask(wider);
        CHECK(root.status(plenty())->level == "superuser");
        own.ask(narrower);
        CHECK(root.status(plenty())->level == "standard");
    }
    own.ask("CREATE USER root@'10.%' IDENTIFIED BY 'second'");
    own.ask("GRANT ALL ON *.* TO root@'10.%'");
    const auto status = root.status(plenty());
    REQUIRE_OK(status);
    CHECK(status->level == "superuser");
    CHECK(status->host == "10.%");
    REQUIRE_OK(root.enable(plenty(), "standard", verifier(store, "w")));
    CHECK(own.ask("SELECT Host FROM mysql.global_priv WHERE User = 'root'") ==
          std::vector<std::string>{"%"});
    own.ask("CREATE USER root@'10.%' IDENTIFIED BY 'second'");
    own.ask("GRANT ALL ON `an\\_app`.* TO root@'10.%'"); // reaches no schema of MariaDB's
    CHECK(root.status(plenty())->level == "standard");
    own.ask("GRANT SELECT ON `s_s`.* TO root@'10.%'");
    CHECK(root.status(plenty())->level == "superuser");
    REQUIRE_OK(root.disable(plenty()));
    CHECK(own.ask("SELECT Host FROM mysql.global_priv WHERE User = 'root'").empty());
}

TEST_CASE("a session that only bears the agent's name is no session of the agent") {
    MARIADB(server, store);
    Client own{server, "jackdawd"};
    own.ask("CREATE USER jackdawd@'127.0.0.1' IDENTIFIED BY 'mine'");
    own.ask("SET GLOBAL event_scheduler = ON");
    {
        Client impostor{server, "jackdawd", "mine"};
        REQUIRE(impostor.is_in());
        const auto id = std::stoull(impostor.ask("SELECT CONNECTION_ID()").front());
        const auto own_id = std::stoull(own.ask("SELECT CONNECTION_ID()").front());
        const auto list = store.sessions()->list(plenty());
        REQUIRE_OK(list);
        bool scheduler = false;
        for (const auto& one : *list) {
            scheduler = scheduler || one.user == "event_scheduler";
            CHECK(one.own == (one.id != id));
            if (one.id == own_id || one.user == "event_scheduler") {
                const auto refused = store.sessions()->kill(plenty(), one.id, false);
                REQUIRE_FALSE(refused.has_value());
                CHECK(refused.error().code() == Errc::not_allowed);
            }
        }
        CHECK(scheduler);
        REQUIRE_OK(store.sessions()->kill(plenty(), id, false));
        CHECK(impostor.error_of("DO 1") != 0);
    }
    own.ask("SET GLOBAL event_scheduler = OFF");
    own.ask("DROP USER jackdawd@'127.0.0.1'");
}

TEST_CASE("a statement is listed printable and cut, and a rollback that lasts is said to last") {
    MARIADB(server, store);
    REQUIRE_OK(store.databases()->create(plenty(), {"big", "", ""}));
    REQUIRE_OK(store.users()->create(plenty(), {"loader", "%", {"big"}, verifier(store, "w")}));
    Client client{server, "loader", "w"};
    REQUIRE(client.is_in());
    const auto id = std::stoull(client.ask("SELECT CONNECTION_ID()").front());
    const auto session = [&]() -> std::optional<proto::SessionShape> {
        const auto list = store.sessions()->list(plenty());
        REQUIRE_OK(list);
        const auto found =
            std::find_if(list->begin(), list->end(), [&](const auto& one) { return one.id == id; });
        return found == list->end() ? std::nullopt : std::optional{*found};
    };
    const auto wait_for = [&](auto&& holds) {
        for (int i = 0; i < 200; ++i) {
            const auto now = session();
            if (holds(now)) {
                return true;
            }
            std::this_thread::sleep_for(25ms);
        }
        return false;
    };
    {
        std::thread runs{[&] {
            client.error_of("SELECT SLEEP(30) /* \x1b[2J\n" + std::string(5000, 'x') + " */");
        }};
        std::optional<proto::SessionShape> seen;
        const bool found = wait_for([&](const auto& now) {
            seen = now;
            return now && !now->query.empty();
        });
        const auto killed = store.sessions()->kill(plenty(), id, true);
        runs.join();
        REQUIRE(found);
        REQUIRE_OK(killed);
        CHECK(present(seen).query.size() <= 1024);
        CHECK(present(seen).query.starts_with("SELECT SLEEP(30) /* ?[2J x"));
    }
    REQUIRE(client.error_of("CREATE TABLE big.t (a INT PRIMARY KEY, b CHAR(100), KEY (b))") == 0);
    REQUIRE(client.error_of("START TRANSACTION") == 0);
    REQUIRE(client.error_of("INSERT INTO big.t SELECT seq, MD5(seq) FROM big.seq_1_to_300000") ==
            0);
    const auto begun = store.sessions()->kill(within(250ms), id, false);
    REQUIRE_FALSE(begun.has_value());
    CHECK(begun.error().code() == Errc::busy);
    CHECK(session().has_value());
    const auto ended = store.sessions()->kill(plenty(), id, false); // told again: waits for it
    INFO(why(ended));
    CHECK((ended || ended.error().code() == Errc::not_found));
    CHECK_FALSE(session().has_value());
    REQUIRE_OK(store.users()->drop(plenty(), "loader", "%"));
    REQUIRE_OK(store.databases()->drop(plenty(), "big"));
}

TEST_CASE("more sessions than fit one answer are listed whole, each once") {
    MARIADB(server, store);
    constexpr std::size_t crowd_size = 1100;
    rlimit files{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
    if (files.rlim_max < crowd_size + 200) {
        WARN("no " << crowd_size << " sessions here: the limit of open files is "
                   << files.rlim_max);
        return;
    }
    const auto before = files.rlim_cur;
    files.rlim_cur = std::max<rlim_t>(files.rlim_cur, crowd_size + 200);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
    Client own{server, "jackdawd"};
    const auto limit = own.ask("SELECT @@GLOBAL.max_connections").front();
    own.ask("SET GLOBAL max_connections = 1500");
    REQUIRE_OK(store.users()->create(plenty(), {"crowd", "%", {}, verifier(store, "w")}));
    {
        Clients crowd{server, "crowd", "w"};
        for (std::size_t i = 0; i < crowd_size; ++i) {
            REQUIRE(crowd.log_in());
        }
        const auto list = store.sessions()->list(plenty());
        REQUIRE_OK(list);
        std::set<std::uint64_t> ids;
        std::size_t of_crowd = 0;
        for (const auto& one : *list) {
            ids.insert(one.id);
            of_crowd += one.user == "crowd" ? 1U : 0U;
        }
        CHECK(of_crowd == crowd_size);
        CHECK(ids.size() == list->size());
        CHECK(std::is_sorted(list->begin(), list->end(),
                             [](const auto& a, const auto& b) { return a.seconds > b.seconds; }));
    }
    REQUIRE_OK(store.users()->drop(plenty(), "crowd", "%"));
    own.ask("SET GLOBAL max_connections = " + limit);
    files.rlim_cur = before;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
}
