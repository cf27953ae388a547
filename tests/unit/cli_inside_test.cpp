// Commands on the inside of one instance: privileges, root, sessions, parameters, maintenance.

#include <catch2/catch.hpp>

#include "coordinator/core/grant_words.h"
#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

namespace {

struct Inside : Scene {
    Inside() {
        make_fleet({"db1"});
        auto& agent = db1();
        proto::UserDetails app;
        app.name = "app";
        app.host = "%";
        app.grants.push_back({{"SELECT"}, "shop", "", false});
        app.statements = {"GRANT SELECT ON `shop`.* TO `app`@`%`"};
        agent.users["app@%"] = app;
        agent.sessions = {{7, "app", "10.0.0.1", "shop", "Query", "executing",
                           "SELECT '\x1b[31m' FROM a_table_with_a_long_name WHERE a = 1 AND b = 2",
                           1.5, false},
                          {8, "agent", "", "", "Sleep", "", "", 3, true}};
        agent.parameters.push_back(parameter("sort_buffer_size", "bytes", false));
        agent.parameters.push_back(parameter("innodb_log_file_size", "bytes", true));
    }
    static proto::Parameter parameter(std::string name, std::string unit, bool restart) {
        proto::Parameter one;
        one.name = std::move(name);
        one.type = "integer";
        one.unit = std::move(unit);
        one.min = "1024";
        one.max = "18446744073709551615";
        one.restart = restart;
        one.current = one.default_value = "2097152";
        one.source = "default";
        one.text = "how large one is";
        return one;
    }
    fakes::Agent& db1() { return world.agents["db1"]; }
    int run(std::vector<std::string> words) { return world.jackdaw(std::move(words)).value_or(-1); }
};

} // namespace

TEST_CASE_METHOD(Inside, "a user is shown with grants and statements") {
    REQUIRE(run({"user", "show", "app"}) == 0);
    CHECK(out().find("ON    PRIVILEGES  HANDS ON\nshop  SELECT      no\n") != std::string::npos);
    CHECK(out().find("GRANT SELECT ON `shop`.* TO `app`@`%`;\n") != std::string::npos);
    db1().users["app@%"].attributes = {{}, {}, true, 3};
    REQUIRE(run({"user", "show", "db1", "app@%", "-o", "json"}) == 0);
    CHECK(json().at("grants").at(0).at("database") == "shop");
    CHECK(json().at("databases") == Json::array({"shop"}));
    CHECK(json().at("locked") == true);
    CHECK(json().at("connections_max") == 3);
    CHECK(json().at("attributes") == Json{{"locked", true}, {"connections_max", 3}}); // as before
    const auto shown = json();
    REQUIRE(run({"user", "list", "db1", "-o", "json"}) == 0);
    const auto listed = json().at("items").at(0);
    for (const auto& [key, value] : listed.items()) {
        INFO(key);
        CHECK(shown.at(key) == value);
    }
    CHECK(run({"user", "show", "nobody"}) == 5);
    CHECK(err().find("jackdaw user list db1") != std::string::npos);
    CHECK(run({"user", "show", "app/shop"}) == 2);
}

TEST_CASE_METHOD(Inside, "privileges are granted and revoked in the same words") {
    REQUIRE(run({"user", "grant", "db1", "app", "insert, update (a,b)", "--on", "shop.items",
                 "--with-grant-option"}) == 0);
    CHECK(out().find("user 'app@%' has INSERT, UPDATE (a,b) (and handing it on) on shop.items\n") !=
          std::string::npos);
    const proto::Grant expected{{"INSERT", "UPDATE (a,b)"}, "shop", "items", true};
    REQUIRE(db1().users["app@%"].grants.size() == 2);
    CHECK(db1().users["app@%"].grants[1] == expected);
    CHECK_FALSE(db1().last_change.idempotency_key.empty());
    REQUIRE(run({"user", "revoke", "app", "INSERT,UPDATE (a,b)", "--on", "shop.items",
                 "--with-grant-option", "-o", "json"}) == 0);
    CHECK(json().at("status") == "done");
    CHECK(db1().users["app@%"].grants.size() == 1);
    REQUIRE(run({"user", "grant", "app", "ALL", "--dry-run"}) == 0);
    CHECK(out() == "would grant ALL on everything to user 'app@%' of instance 'db1'\n"
                   "  POST /v1/users/app/grants?host=%25\n");
    CHECK(db1().last_change.path == "/v1/rehearsals");
    CHECK(run({"user", "grant", "nobody", "ALL", "--dry-run"}) == 5); // as the grant itself
    REQUIRE(run({"user", "delete", "app", "--dry-run", "-o", "json"}) == 0);
    CHECK(json().at("notes").at(0) == "DELETE /v1/users/app?host=%25");
    REQUIRE(run({"user", "password", "app", "--dry-run"}) == 0);
    CHECK(db1().passwords.empty());
    CHECK(db1().users["app@%"].grants.size() == 1);
    CHECK(run({"user", "grant", "app"}) == 2);
    CHECK(err().find("PRIVILEGE") != std::string::npos);
    CHECK(run({"user", "grant", "app", "SELECT,,INSERT"}) == 2);
    CHECK(run({"user", "grant", "nobody", "SELECT"}) == 5);
}

TEST_CASE_METHOD(Inside,
                 "what cannot be meant is refused with what can, by the names that are known") {
    CHECK(run({"user", "show", "app@10.0.0.1", "--host", "10.%"}) == 2);
    CHECK(err().find("two hosts are named: 'app@10.0.0.1' and --host '10.%'") != std::string::npos);
    CHECK(err().find("'app@10.%'") != std::string::npos);
    CHECK(run({"user", "show", "app@%", "--host", "%"}) == 0); // the same one

    db1().databases = {"shop"};
    REQUIRE(run({"user", "revoke", "app", "SELECT", "--on", "shop"}) == 0);
    CHECK(err().find("shows no database") == std::string::npos);
    REQUIRE(run({"user", "revoke", "app", "SELECT", "--on", "shpo"}) == 0);
    CHECK(err().find("`jackdaw database list db1` shows no database 'shpo'") != std::string::npos);

    db1().root.level = "superuser";
    REQUIRE(run({"root", "enable", "--dry-run"}) == 0);
    CHECK(out().find("take from root what a superuser has beyond") != std::string::npos);
    REQUIRE(run({"root", "enable", "-o", "json"}) == 0);
    CHECK(err().find("root is superuser now, and becomes standard") != std::string::npos);
    CHECK(json().at("result").at("level_before") == "superuser");
    REQUIRE(run({"root", "enable"}) == 0);
    CHECK(err().find("becomes standard") == std::string::npos);
}

TEST_CASE_METHOD(Inside, "lists show what protects and what limits, and an empty text as one") {
    db1().users["app@%"].attributes.connections_max = 7;
    db1().users["app@%"].attributes.locked = true;
    REQUIRE(run({"user", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("connections_max") == 7);
    CHECK(json().at("items").at(0).at("locked") == true);
    CHECK(json().at("items").at(0).at("kind") == "User");
    REQUIRE(run({"user", "list", "-o", "wide"}) == 0);
    CHECK(out().find("LOCKED  CONNECTIONS\n") != std::string::npos);
    CHECK(out().find("yes     7\n") != std::string::npos);
    db1().users["gone@%"] = {"other", "%", {}, {}, {}}; // nothing is told of it any more
    REQUIRE(run({"user", "list", "-o", "wide"}) == 0);
    CHECK(out().find("other  %     -          -       -\n") != std::string::npos);
    db1().users.erase("gone@%");
    REQUIRE(run({"user", "list"}) == 0);
    CHECK(out().find("LOCKED") == std::string::npos);

    REQUIRE(run({"instance", "protect", "db1", "--wait"}) == 0);
    REQUIRE(run({"instance", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("protect") == true);
    REQUIRE(run({"instance", "list", "-o", "wide"}) == 0);
    CHECK(out().find("PROTECTED") != std::string::npos);
    CHECK(out().find("  yes  ") != std::string::npos);

    auto text = parameter("init_connect", "", false);
    text.type = "string";
    text.current = text.default_value = text.configured = "";
    text.is_configured = true;
    db1().parameters.push_back(text);
    REQUIRE(run({"config", "show", "db1"}) == 0);
    CHECK(out().find("init_connect  ''     ''") != std::string::npos);
    REQUIRE(run({"config", "parameters", "db1", "--changed"}) == 0);
    CHECK(out().find("init_connect  ''") != std::string::npos);
    CHECK(out().find("sort_buffer_size") == std::string::npos);

    world.agents["db1"].owned = false; // its agent does not answer
    REQUIRE(run({"op", "list"}) == 0);
    CHECK(err().find("no answer from db1: what only its agent knows is missing") !=
          std::string::npos);
}

TEST_CASE_METHOD(Inside, "a general hint names the instance that the command is about") {
    db1().refuses_changes = proto::shape_of(Error{Code::protected_, "it is protected"});
    CHECK(run({"user", "grant", "app", "SELECT", "--on", "shop"}) == 6); // not named: the only one
    CHECK(err().find("`jackdaw instance unprotect db1` first") != std::string::npos);
    db1().refuses_changes = proto::shape_of(Error{Code::unknown_datastore, "it is none"});
    CHECK(run({"user", "grant", "app", "SELECT", "--on", "shop"}) == 2);
    CHECK(err().find("`jackdaw image list` shows") != std::string::npos);
}

TEST_CASE("what a grant is on may have dots and quotes in its names") {
    CHECK(*parse_grant_target("*") == GrantTarget{"", ""});
    CHECK(*parse_grant_target("*.*") == GrantTarget{"", ""});
    CHECK(*parse_grant_target("shop") == GrantTarget{"shop", ""});
    CHECK(*parse_grant_target("shop.*") == GrantTarget{"shop", ""});
    CHECK(*parse_grant_target("shop.items") == GrantTarget{"shop", "items"});
    CHECK(*parse_grant_target("`a.b`.`c``d`") == GrantTarget{"a.b", "c`d"});
    for (const auto* bad : {"", ".", "a.", ".a", "a.b.c", "`a", "`a`b", "*.a", "``", "a.\n"}) {
        INFO(bad);
        CHECK_FALSE(parse_grant_target(bad));
    }
    CHECK(*parse_privileges(" select ,CREATE view") ==
          std::vector<std::string>{"SELECT", "CREATE VIEW"});
    CHECK(*parse_privileges("select (`a)`, `b``,(`),drop") ==
          std::vector<std::string>{"SELECT (`a)`, `b``,(`)", "DROP"});
    for (const auto* bad : {"", ",", "a,", "update (a", "a)", "a\nb", "update (`a)", "a`"}) {
        INFO(bad);
        CHECK_FALSE(parse_privileges(bad));
    }
}

TEST_CASE_METHOD(Inside, "a user's name, host, lock and limit are changed") {
    REQUIRE(run({"user", "update", "app", "--lock", "--connections", "5"}) == 0);
    CHECK(db1().users["app@%"].attributes.locked == true);
    CHECK(db1().users["app@%"].attributes.connections_max == 5U);
    REQUIRE(run({"user", "show", "app"}) == 0);
    CHECK(out().find("at most 5 at a time") != std::string::npos);
    REQUIRE(run({"user", "update", "app", "--new-name", "api", "--new-host", "10.%", "--unlock"}) ==
            0);
    CHECK(out().find("user 'app@%' is 'api@10.%' now") != std::string::npos);
    CHECK(db1().users["api@10.%"].attributes.locked == false);
    CHECK(run({"user", "update", "app"}) == 2);
    CHECK(err().find("nothing is to be changed") != std::string::npos);
    CHECK(run({"user", "update", "app", "--lock", "--unlock"}) == 2);
    CHECK(run({"user", "update", "app", "--connections", "many"}) == 2);
    CHECK(run({"user", "update", "app", "--connections", "4294967296"}) == 2);
}

TEST_CASE_METHOD(Inside, "root is enabled in two levels, the stronger one after a question") {
    REQUIRE(run({"root", "show", "-o", "name"}) == 0);
    CHECK(out() == "off\n");
    REQUIRE(run({"root", "enable"}) == 0);
    CHECK(err().find("root, standard: ") != std::string::npos); // said before
    CHECK(err().find("and some on the server as a whole") != std::string::npos);
    CHECK(out().find("root is enabled as 'root@%' (standard): much") != std::string::npos);
    const auto at = out().find("(shown this once): ");
    REQUIRE(at != std::string::npos);
    CHECK(db1().passwords["root@%"] == out().substr(at + 19, 24));
    CHECK(run({"root", "enable", "--superuser"}) == 2); // nobody there to ask
    CHECK(err().find("E-UNCONFIRMED") != std::string::npos);
    CHECK(db1().root.level == "standard");
    world.terminal.typed = {"a given one"};
    REQUIRE(run({"root", "enable", "db1", "--superuser", "--yes", "--password-stdin", "-o",
                 "json"}) == 0);
    CHECK(db1().passwords["root@%"] == "a given one");
    CHECK(json().at("result").at("level") == "superuser");
    CHECK(out().find("a given one") == std::string::npos);
    REQUIRE(run({"root", "show", "--instance", "db1"}) == 0);
    CHECK(out().find("superuser") != std::string::npos);
    CHECK(out().find("root.enable  -      done    uid 0") != std::string::npos);
    REQUIRE(run({"root", "disable"}) == 0);
    CHECK(db1().root.level == "off");
    CHECK(run({"root", "enable", "--superuser", "--dry-run"}) == 0);
    CHECK(db1().root.level == "off");
}

TEST_CASE_METHOD(Inside, "sessions are listed without what a terminal would obey, and ended") {
    REQUIRE(run({"session", "list"}) == 0);
    CHECK(out().find("SELECT '?[31m'") != std::string::npos);
    CHECK(out().find("AND b = 2") == std::string::npos); // cut
    CHECK(out().find("agent (agent)") != std::string::npos);
    REQUIRE(run({"session", "list", "db1", "--user", "app", "-o", "json"}) == 0);
    REQUIRE(json().at("items").size() == 1);
    CHECK(json().at("items").at(0).at("id") == 7);
    REQUIRE(run({"session", "list", "-o", "name"}) == 0);
    CHECK(out() == "7\n8\n");
    REQUIRE(run({"session", "kill", "7", "--query"}) == 0);
    CHECK(db1().last_change.path == "/v1/sessions/7?query_only=1");
    CHECK(db1().sessions.size() == 2);
    REQUIRE(run({"session", "kill", "db1", "7"}) == 0);
    CHECK(db1().sessions.size() == 1);
    CHECK(run({"session", "kill", "all"}) == 2);
}

TEST_CASE_METHOD(Inside, "a network behind a slash is told to be a database's place") {
    db1().refuses_changes = proto::shape_of(Error{Errc::not_found, "there is no database '8'"});
    const std::string dry_run{"--dry-run"};
    for (const auto& more : {std::vector<std::string>{}, {dry_run}}) {
        std::vector<std::string> words{"user", "create", "db1", "fred@10.0.0.0/8"};
        words.insert(words.end(), more.begin(), more.end());
        CHECK(run(words) == 5);
        CHECK(err().find("`--host 10.0.0.0/NETMASK`") != std::string::npos);
    }
    CHECK(run({"user", "create", "db1", "fred@10.0.0.1/shop"}) == 5);
    CHECK(err().find("NETMASK") == std::string::npos);
}

TEST_CASE_METHOD(Inside, "a lock and a deletion tell of the sessions that they leave open") {
    REQUIRE(run({"user", "update", "app", "--connections", "5"}) == 0);
    CHECK(err().find("session") == std::string::npos); // no lock
    REQUIRE(run({"user", "update", "app", "--lock"}) == 0);
    CHECK(err().find("warning: an open session of 'app' goes on: `jackdaw session list db1 --user "
                     "app`, `jackdaw session kill db1 ID`\n") != std::string::npos);
    db1().sessions.push_back(db1().sessions.front());
    REQUIRE(run({"user", "delete", "app", "--yes", "-o", "json"}) == 0);
    CHECK(json()
              .at("warnings")
              .at(0)
              .get<std::string>()
              .starts_with("2 open sessions of 'app' go on: "));
    db1().users["app@%"] = {};
    db1().users["app@%"].name = "app";
    db1().users["app@%"].host = "%";
    db1().sessions.clear();
    REQUIRE(run({"user", "delete", "app", "--yes"}) == 0);
    CHECK(err().find("session") == std::string::npos);
}

TEST_CASE_METHOD(Inside, "parameters are found by words, set, shown and unset") {
    REQUIRE(run({"config", "parameters", "db1", "sort", "large", "-o", "name"}) == 0);
    CHECK(out() == "sort_buffer_size\n");
    REQUIRE(run({"config", "parameters", "sort-buffer", "-o", "name"}) == 0); // no such instance
    CHECK(out() == "sort_buffer_size\n");
    REQUIRE(run({"config", "parameters"}) == 0);
    CHECK(out().find("innodb_log_file_size  2097152  2097152  integer  bytes  "
                     "1024..18446744073709551615  restart  default\n") != std::string::npos);
    db1().parameters[0].formula = "memory / 64";
    REQUIRE(run({"config", "parameters", "-o", "wide"}) == 0);
    CHECK(out().find("memory / 64") != std::string::npos);
    REQUIRE(run({"config", "parameters", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("formula") == "memory / 64");
    REQUIRE(run({"config", "parameters", "--changed", "-o", "name"}) == 0);
    CHECK(out().empty());
    auto& computed = db1().parameters[0];
    const auto before = computed;
    computed.source = "computed"; // and yet as it would be without
    REQUIRE(run({"config", "parameters", "--changed", "-o", "name"}) == 0);
    CHECK(out().empty());
    computed.current = "4096";
    REQUIRE(run({"config", "parameters", "--changed", "-o", "name"}) == 0);
    CHECK(out() == computed.name + "\n");
    computed = before;
    REQUIRE(run({"config", "show", "--instance", "db1"}) == 0);
    CHECK(out() == "the instance has no settings of its own\n");

    REQUIRE(run({"config", "set", "db1", "sort-buffer-size=4M", "innodb_log_file_size=96M", "-o",
                 "json"}) == 0);
    CHECK(json().at("result").at("pending_restart") == Json::array({"innodb_log_file_size"}));
    CHECK(db1().last_change.body.at("set").at("sort_buffer_size") == "4M");
    REQUIRE(run({"config", "set", "db1", "innodb_log_file_size=97M"}) == 0);
    CHECK(
        out().find("'innodb_log_file_size' waits for a restart: `jackdaw instance restart db1`") !=
        std::string::npos);
    REQUIRE(run({"config", "show", "db1"}) == 0);
    CHECK(
        out().find("waits for a restart: innodb_log_file_size (`jackdaw instance restart db1`)") !=
        std::string::npos);
    REQUIRE(run({"config", "show", "db1", "-o", "json"}) == 0);
    CHECK(json().at("settings").at("innodb_log_file_size") == "97M");
    REQUIRE(run({"config", "show", "db1", "-o", "name"}) == 0);
    CHECK(out().find("innodb_log_file_size\n") != std::string::npos);
    CHECK(out().find("db1") == std::string::npos);
    const std::string longest(300, '9');
    REQUIRE(run({"config", "set", "db1", "sort_buffer_size=" + longest}) == 0);
    REQUIRE(run({"config", "show", "db1"}) == 0);
    CHECK(out().find(std::string(40, '9') + "…  ") != std::string::npos);
    CHECK(out().find("…: `jackdaw config show db1 -o wide` shows it whole\n") != std::string::npos);
    REQUIRE(run({"config", "show", "db1", "-o", "wide"}) == 0);
    CHECK(out().find(longest) != std::string::npos);
    CHECK(out().find("…") == std::string::npos);
    REQUIRE(run({"config", "show", "db1", "-o", "json"}) == 0);
    CHECK(json().at("settings").at("sort_buffer_size") == longest);
    REQUIRE(run({"instance", "list"}) == 0);
    CHECK(out().find("running (needs restart)") != std::string::npos);
    REQUIRE(run({"config", "unset", "db1", "innodb_log_file_size"}) == 0);
    CHECK(run({"config", "unset", "db1", "innodb_log_file_size"}) == 0); // it is so already
    CHECK(run({"config", "unset", "db1", "innodb_log_fil_size"}) == 5);
    CHECK(run({"config", "set", "db1", "sort_buffer_size"}) == 2);
    CHECK(err().find("NAME=VALUE") != std::string::npos);
    CHECK(run({"config", "set", "db1", "a=1", "a=2"}) == 2);
    CHECK(run({"config", "set", "db1", "sort_buffer_size=1", "--dry-run"}) == 0);
    CHECK(out() == "would set sort_buffer_size=1 on instance 'db1'\n  PATCH /v1/parameters\n");
    REQUIRE(run({"config", "set", "--instance", "db1", "sort_buffer_size=5M"}) == 0);
}

TEST_CASE_METHOD(Inside, "what is set on a stopped instance is told to be its next start's") {
    db1().status = "stopped";
    REQUIRE(run({"config", "set", "db1", "innodb_log_file_size=97M"}) == 0);
    CHECK(out().find("'innodb_log_file_size': its next start takes it: `jackdaw instance start "
                     "db1`") != std::string::npos);
    CHECK(out().find("restart") == std::string::npos);
    REQUIRE(run({"config", "show", "db1"}) == 0);
    CHECK(out().find("its next start takes: innodb_log_file_size (`jackdaw instance start db1`)") !=
          std::string::npos);
    CHECK(out().find("restart") == std::string::npos);
    REQUIRE(run({"instance", "list"}) == 0);
    CHECK(out().find("needs restart") == std::string::npos);
    REQUIRE(run({"instance", "show", "db1"}) == 0);
    CHECK(out().find("Next start takes:  innodb_log_file_size") != std::string::npos);
}

TEST_CASE_METHOD(Inside, "maintenance is begun, shown everywhere and ended") {
    REQUIRE(run({"instance", "pause", "db1", "--for", "90m", "--wait"}) == 0);
    CHECK(db1().last_change.body.at("seconds") == 5400);
    REQUIRE(run({"instance", "list"}) == 0);
    CHECK(out().find("running (paused)") != std::string::npos);
    REQUIRE(run({"instance", "show", "db1"}) == 0);
    CHECK(out().find("Maintenance:  until 2026-01-01T01:00:00.000Z, by uid 0") !=
          std::string::npos);
    REQUIRE(run({"instance", "resume", "db1", "--wait"}) == 0);
    CHECK(db1().paused_until.empty());
    CHECK(out().ends_with("the maintenance of instance 'db1' has ended\n"));
    CHECK(err().find("warning") == std::string::npos);
    db1().warnings = {"the instance was not paused, so nothing has changed"};
    REQUIRE(run({"instance", "resume", "db1", "--wait"}) == 0);
    CHECK(out().find("has ended") == std::string::npos);
    CHECK(err().find("warning: the instance was not paused") != std::string::npos);
    db1().warnings.clear();
    CHECK(run({"instance", "pause", "db1", "--for", "500ms"}) == 2);
    REQUIRE(run({"instance", "restart", "db1", "--force", "--wait"}) == 0);
    CHECK(db1().last_change.body.at("force") == true);
    REQUIRE(run({"instance", "stop", "db1", "--wait"}) == 0);
    CHECK(db1().last_change.body.at("force") == false);
    REQUIRE(run({"instance", "stop", "db1", "--force", "--wait"}) == 0);
    CHECK(db1().last_change.body.at("force") == true);
}

TEST_CASE_METHOD(Inside, "warnings of an operation are told, and stand in op show") {
    db1().warnings = {"it was \x1b[1mclamped"};
    REQUIRE(run({"config", "set", "db1", "sort_buffer_size=4M"}) == 0);
    CHECK(err().find("warning: it was ?[1mclamped\n") != std::string::npos);
    const auto id = out().substr(10, 36);
    REQUIRE(run({"op", "show", id}) == 0);
    CHECK(out().find("Warning:") != std::string::npos);
    REQUIRE(run({"config", "set", "db1", "sort_buffer_size=4M", "-o", "json"}) == 0);
    CHECK(json().at("warnings").size() == 1);
    CHECK(err().find("warning") == std::string::npos); // stderr is for errors and the id then
}

TEST_CASE_METHOD(Inside, "datastores: what there is, its versions, what an instance's can") {
    REQUIRE(run({"datastore", "list"}) == 0);
    CHECK(out() == "NAME     VERSIONS\nmariadb  10.11.14\n");
    REQUIRE(run({"datastore", "versions", "mariadb", "-o", "name"}) == 0);
    CHECK(out() == "10.11.14\n");
    CHECK(run({"datastore", "versions", "mariadv"}) == 5);
    CHECK(err().find("did you mean 'mariadb'") != std::string::npos);
    REQUIRE(run({"datastore", "capabilities", "db1"}) == 0);
    CHECK(out().find("users       yes\n") != std::string::npos);
    CHECK(out().find("logs        no\n") != std::string::npos);
}

TEST_CASE_METHOD(Inside,
                 "connect becomes the stock client, with the password in its options only") {
    CHECK(run({"connect", "db1", "--user", "app"}) == 2); // nobody there, no option
    world.terminal.typed = {"pass\\wo\"rd #1", "SELECT 1;"};
    REQUIRE(run({"connect", "db1", "--database", "shop", "--password-stdin"}) == 0);
    CHECK(world.client_words ==
          std::vector<std::string>{"mariadb", "--defaults-file={options}", "--database=shop"});
    CHECK(world.client_options.find("user=\"app\"\npassword=\"pass\\\\wo\\\"rd #1\"\n") !=
          std::string::npos);
    CHECK(world.client_options.find("host=\"10.9.0.2\"\nport=3306\n") != std::string::npos);
    CHECK(world.terminal.typed.size() == 1); // is left to the client
    CHECK(out().empty());
    CHECK(err().find("not encrypted yet") != std::string::npos);
    db1().status = "stopped";
    CHECK(run({"connect", "db1", "--password-stdin"}) == 8);
    CHECK(err().find("instance 'db1' is stopped") != std::string::npos);
    CHECK(err().find("`jackdaw instance start db1`") != std::string::npos);
    db1().status = "running";
    world.terminal.interactive = true;
    world.terminal.typed = {"typed"};
    REQUIRE(run({"connect"}) == 0);
    CHECK(world.terminal.hidden_lines == 1);
    CHECK(world.client_options.find("password=\"typed\"") != std::string::npos);
}

TEST_CASE_METHOD(Inside,
                 "a password is typed unseen, and a change on a terminal says what is next") {
    world.terminal.interactive = true;
    world.terminal.typed = {"unseen"};
    REQUIRE(run({"user", "password", "app", "--password-stdin"}) == 0);
    CHECK(world.terminal.hidden_lines == 1);
    CHECK(db1().passwords["app@%"] == "unseen");
    CHECK(err().find("next: `jackdaw connect db1 --user app`\n") != std::string::npos);
    REQUIRE(run({"machine", "power-off", "db1"}) == 0);
    CHECK(err().find("next: `jackdaw machine list`\n") != std::string::npos);
    world.terminal.interactive = false;
    REQUIRE(run({"machine", "power-on", "db1"}) == 0);
    CHECK(err().find("next: ") == std::string::npos);
}
