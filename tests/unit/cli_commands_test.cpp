// The other commands, as an operator sees them: contexts, lists, changes at an agent, exit codes.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "coordinator/profile/op_journal.h"
#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

TEST_CASE_METHOD(Scene, "without a profile and a socket every fleet verb exits 4 with a hint") {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"instance", "list"},
             {"member", "list"},
             {"op", "list"},
             {"machine", "list"},
             {"fleet", "gc"},
             {"instance", "create", "a", "--datastore", "mariadb", "--volume", "1G"}}) {
        INFO(Json(words).dump());
        CHECK(world.jackdaw(words) == 4);
        CHECK(err().find("E-NO-PROFILE") != std::string::npos);
        CHECK(err().find("hint: ") != std::string::npos);
    }
    CHECK(world.jackdaw({"version"}) == 0);
    CHECK(world.jackdaw({"fleet", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").empty());
}

TEST_CASE_METHOD(Scene, "a fleet is named by flag, then environment, then default") {
    REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0);
    REQUIRE(world.jackdaw({"fleet", "init", "f2"}) == 0);
    const auto shown = [&](std::vector<std::string> words) {
        words.insert(words.end(), {"-o", "name"});
        CHECK(world.jackdaw(words) == 0);
        return out();
    };
    CHECK(shown({"fleet", "show"}) == "f1\n"); // the first one became the default
    world.environment["JACKDAW_FLEET"] = "f2";
    CHECK(shown({"fleet", "show"}) == "f2\n");
    CHECK(shown({"fleet", "show", "--fleet", "f1"}) == "f1\n");
    world.environment.clear();
    REQUIRE(world.jackdaw({"fleet", "use", "f2"}) == 0);
    CHECK(shown({"fleet", "show"}) == "f2\n");
    CHECK(world.jackdaw({"fleet", "use", "f3"}) == 4);
    CHECK(world.jackdaw({"fleet", "show", "--fleet", "../etc"}) == 2);
    CHECK(world.jackdaw({"fleet", "show", "nope"}) == 5);
}

TEST_CASE_METHOD(Scene, "fleet init twice is a no-op, with other settings 6") {
    CHECK(world.jackdaw({"fleet", "init", "f1", "--dry-run"}) == 0);
    CHECK(world.jackdaw({"fleet", "init", "f1", "--provider", "aws", "--dry-run"}) == 6);
    world.network_error = Error{Code::no_subnet, "it is in use"};
    for (const std::vector<std::string>& more : {std::vector<std::string>{"--dry-run"}, {}}) {
        std::vector<std::string> words{"fleet", "init", "f1", "--subnet", "10.9.0.0/24"};
        words.insert(words.end(), more.begin(), more.end());
        CHECK(world.jackdaw(words) == 6); // a dry run refuses the same
        CHECK(err().find("E-NO-SUBNET") != std::string::npos);
    }
    world.network_error.reset();
    CHECK_FALSE(std::filesystem::exists(world.folders.fleet("f1")));
    REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0);
    REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0);
    CHECK(out().find("nothing to do") != std::string::npos);
    CHECK(world.jackdaw({"fleet", "init", "f1", "--subnet", "10.200.0.0/24"}) == 6);
    CHECK(err().find("E-FLEET-EXISTS") != std::string::npos);
    CHECK(world.jackdaw({"fleet", "init", "F"}) == 2);
}

TEST_CASE_METHOD(
    Scene,
    "instance list tells of running ones by gossip and of machines that are off by the provider") {
    make_fleet({"db1", "db2"});
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    REQUIRE(world.jackdaw({"instance", "list", "-o", "json"}) == 0);
    const auto list = json();
    CHECK(list.at("kind") == "InstanceList");
    CHECK(list.at("unreachable") == Json::array({"db1"}));
    CHECK(list.at("items").at(0).at("status") == "unreachable");
    CHECK(list.at("items").at(1).at("status") == "running");
    CHECK(list.at("items").at(0).at("database_process").at("pid").is_null()); // off: nobody knows
    CHECK(list.at("items").at(1).at("database_process").at("restarts").is_null());
    REQUIRE(world.jackdaw({"instance", "list", "-o", "name"}) == 0);
    CHECK(out() == "db1\ndb2\n");
    REQUIRE(world.jackdaw({"instance", "list"}) == 0);
    CHECK(out() == "NAME  STATUS       DATASTORE         ROLE        ENDPOINT       MACHINE\n"
                   "db1   unreachable  mariadb:10.11.14  standalone  10.9.0.2:3306  off\n"
                   "db2   running      mariadb:10.11.14  standalone  10.9.0.3:3306  on\n");
    world.unreachable = true;
    REQUIRE(world.jackdaw({"instance", "list", "-o", "json"}) == 0); // nobody answers: still told
    CHECK(json().at("unreachable").size() == 2);
}

TEST_CASE_METHOD(Scene, "an agent that takes a call and does not answer hides no instance") {
    make_fleet({"db1", "db2"});
    world.agents["db1"].stopped = true;
    REQUIRE(world.jackdaw({"instance", "list", "-o", "name"}) == 0);
    CHECK(out() == "db1\ndb2\n");
    CHECK(err().find("the agent of 'db1' tells nothing") != std::string::npos);
    world.agents["db2"].stopped = true;
    REQUIRE(world.jackdaw({"instance", "list", "-o", "json"}) == 0); // what this host knows
    CHECK(json().at("unreachable").size() == 2);
}

TEST_CASE_METHOD(Scene, "a change whose answer is lost is sent again, and done once") {
    make_fleet({"db1"});
    auto& agent = world.agents["db1"];
    const auto before = agent.operations.size();
    agent.lost_answers = 2;
    REQUIRE(world.jackdaw({"user", "create", "app", "-o", "json"}) == 0);
    CHECK(agent.passwords["app@%"] ==
          json().at("result").at("credentials").at(0).at("password").get<std::string>());
    CHECK(agent.operations.size() == before + 1);
    agent.lost_answers = 1;
    CHECK(world.jackdaw({"instance", "restart", "db1", "--wait"}) == 0);
    CHECK(agent.operations.size() == before + 2);
    agent.lost_answers = 1;
    CHECK(world.jackdaw({"instance", "resize", "db1", "--volume", "2G", "--wait"}) == 0);
    CHECK(agent.operations.size() == before + 3);
    agent.lost_answers = 10'000; // nobody answers any more
    CHECK(world.jackdaw({"user", "create", "other"}) == 8);
    CHECK(err().find("may have been done") != std::string::npos);
    CHECK(err().find("jackdaw op list db1") != std::string::npos);
    CHECK(err().find("jackdaw user password") != std::string::npos);
    CHECK(agent.operations.size() == before + 4);
    CHECK(world.jackdaw({"instance", "stop", "db1"}) == 8);
    CHECK(err().find("known to nobody") == std::string::npos);
}

TEST_CASE_METHOD(Scene, "so is a resize, a rename, a resume and a delete") {
    make_fleet({"db1"});
    auto& agent = world.agents["db1"];
    const auto before = agent.operations.size();
    agent.lost_answers = 2;
    REQUIRE(world.jackdaw({"instance", "resize", "db1", "--volume", "2G", "--wait"}) == 0);
    CHECK(agent.operations.size() == before + 1);
    agent.lost_answers = 1;
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
    CHECK(agent.operations.size() == before + 2);
    CHECK(world.machines.at(0).label == "sales");
    proto::Operation failed;
    failed.id = new_uuid(world.clock, world.entropy);
    failed.action = "user.password";
    failed.target = "app@%";
    failed.status = "failed";
    agent.operations[failed.id] = failed;
    agent.lost_answers = 1;
    REQUIRE(world.jackdaw({"op", "resume", failed.id, "--wait"}) == 0);
    CHECK(agent.operations[failed.id].status == "done");
    agent.lost_answers = 10'000; // nobody answers any more
    CHECK(world.jackdaw({"instance", "delete", "sales", "--yes"}) == 8);
    CHECK(err().find("may have been done") != std::string::npos);
    CHECK(world.machines.size() == 1);
    agent.lost_answers = 1;
    REQUIRE(world.jackdaw({"instance", "delete", "sales", "--yes"}) == 0);
    CHECK(world.machines.empty());
}

TEST_CASE_METHOD(Scene, "a hint names the instance that the command is about") {
    make_fleet({"db1", "db2"});
    world.agents["db1"].refuses_changes =
        proto::ErrorShape{"E-CONFLICT", "delete the database", "session 5 has it locked",
                          "`jackdaw session kill INSTANCE 5` ends it, `jackdaw session list "
                          "INSTANCE` shows all",
                          ""};
    CHECK(world.jackdaw({"database", "delete", "db1", "shop", "--yes"}) == 6);
    CHECK(err().find("`jackdaw session kill db1 5` ends it, `jackdaw session list db1` shows") !=
          std::string::npos);
    CHECK(world.jackdaw({"instance", "list", "--fleet", ""}) == 2); // not the default one
    CHECK(world.jackdaw({"instance", "list", "--fleet="}) == 2);
}

TEST_CASE_METHOD(Scene, "an agent that left the fleet is not asked about others") {
    make_fleet({"db1", "db2"});
    world.agents["db1"].spec.reset(); // deleted, and its machine is still there
    world.agents["db1"].has_left = true;
    REQUIRE(world.jackdaw({"instance", "list", "-o", "json"}) == 0);
    CHECK(json().at("unreachable") == Json::array({"db1"}));
    CHECK(json().at("items").at(0).at("reason").get<std::string>().find("left its fleet") !=
          std::string::npos);
    CHECK(json().at("items").at(1).at("status") == "running");
    CHECK(world.jackdaw({"member", "list"}) == 0);
    CHECK(world.jackdaw({"key", "list"}) == 0);
    world.agents["db2"].has_left = true;
    CHECK(world.jackdaw({"member", "list"}) == 8);
    CHECK(err().find("no agent that answers is a member") != std::string::npos);
    CHECK(err().find("`jackdaw doctor`") != std::string::npos); // `member list` itself is no help
}

TEST_CASE_METHOD(Scene, "instance show says that client connections are not encrypted yet") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "show", "db1"}) == 0);
    CHECK(out().find("not encrypted yet") != std::string::npos);
    CHECK(world.jackdaw({"instance", "show", "none"}) == 5);
    CHECK(err().find("E-NOT-FOUND") != std::string::npos);
}

TEST_CASE_METHOD(Scene,
                 "what gossip tells of upkeep stands in the list, and what nobody tells is no "
                 "denial") {
    make_fleet({"db1"});
    proto::Instance rumour;
    rumour.name = "db2";
    rumour.id = "018f3c1e-0000-7000-8000-0000000000aa";
    rumour.status = "running";
    rumour.needs_restart = true;
    rumour.maintenance_until = "2026-01-01T01:00:00.000Z";
    rumour.volume_filled_min = 0.25;
    world.rumours = {rumour};
    REQUIRE(world.jackdaw({"instance", "list", "-o", "wide"}) == 0);
    CHECK(out().find("running (paused, needs restart)") != std::string::npos);
    CHECK(out().find("25 to 37.5 %") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("maintenance").is_null());
    CHECK(json().at("items").at(1).at("maintenance").at("until") == rumour.maintenance_until);
    CHECK(json().at("items").at(1).at("needs_restart") == true);
    CHECK_FALSE(json().at("items").at(1).contains("pending_restart"));
    world.rumours[0].is_upkeep_told = false;
    REQUIRE(world.jackdaw({"instance", "list", "-o", "json"}) == 0);
    CHECK_FALSE(json().at("items").at(1).contains("maintenance"));
    CHECK_FALSE(json().at("items").at(1).contains("needs_restart"));
}

TEST_CASE_METHOD(Scene, "what an agent of an earlier version does not tell is said to be unknown") {
    make_fleet({"db1"});
    auto& agent = world.agents["db1"];
    REQUIRE(world.jackdaw({"instance", "show", "db1"}) == 0);
    CHECK(err().find("too old") == std::string::npos);
    agent.unknown_keys = {"protect", "warnings"};
    REQUIRE(world.jackdaw({"instance", "show", "db1"}) == 0);
    CHECK(err().find("agent too old: it does not tell warnings, protect;") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "show", "db1", "-o", "json"}) == 0);
    CHECK(json().at("protect").is_null());
    CHECK(json().at("name") == "db1");
    world.members.emplace_back().name = "db1";
    agent.unknown_keys = {"ring"};
    REQUIRE(world.jackdaw({"key", "list"}) == 0);
    CHECK(err().find("it does not tell ring;") != std::string::npos);
    agent.unknown_keys.clear();
    REQUIRE(world.jackdaw({"key", "list"}) == 0);
    CHECK(err().empty());
}

TEST_CASE_METHOD(
    Scene, "a change at a machine that is off is refused at once with 8 and the next command") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    CHECK(world.jackdaw({"instance", "restart", "db1"}) == 8);
    CHECK(err().find("E-MACHINE-DOWN") != std::string::npos);
    CHECK(err().find("jackdaw machine power-on db1") != std::string::npos);
    CHECK(world.calls.empty());
}

TEST_CASE_METHOD(Scene, "a change that nothing keeps prints no id") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    CHECK(out() == "machine 'db1' is off\n");
    REQUIRE(world.jackdaw({"machine", "power-on", "db1", "-o", "json"}) == 0);
    CHECK(json().at("action") == "machine.power-on");
    CHECK(err().empty());
}

TEST_CASE_METHOD(Scene, "hints name the list that fits") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    CHECK(world.jackdaw({"member", "list"}) == 8);
    CHECK(err().find("machine power-on") != std::string::npos);
    CHECK(world.jackdaw({"instance", "show", "none"}) == 5);
    CHECK(err().find("`jackdaw instance list`") != std::string::npos);
    CHECK(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--attach-volume",
                         "none", "--wait"}) == 5);
    CHECK(err().find("`jackdaw fleet show`") != std::string::npos);
    CHECK(world.jackdaw({"user", "create", "app", "--host", ""}) == 2);
    CHECK(err().find("% for everywhere") != std::string::npos);
    CHECK(world.jackdaw({"op", "list", "--limit", "0"}) == 2);
    CHECK(world.jackdaw({"op", "list", "--status", "ended"}) == 2);
    CHECK(err().find("queued, running, done, failed, undone, unknown") != std::string::npos);
    CHECK(world.jackdaw({"op", "list", "--cause", "xyz"}) == 2);
    CHECK(err().find("request, boot, supervisor, timer") != std::string::npos);
    CHECK(world.jackdaw({"op", "list", "--instance", "nobody"}) == 5);
    CHECK(err().find("there is no instance 'nobody', and none was here") != std::string::npos);
    CHECK(world.jackdaw({"instance", "list", "-o", "jsn"}) == 2);
    CHECK(err().find("table, wide, json, jsonl, yaml, name") != std::string::npos);
    CHECK(world.jackdaw({"--version"}) == 0);
    CHECK(out().starts_with("jackdaw "));
}

TEST_CASE_METHOD(Scene, "a fleet's destruction asks about each instance, before the first goes") {
    make_fleet({"db1", "db2"});
    REQUIRE(world.jackdaw({"instance", "protect", "db2", "--wait"}) == 0);
    CHECK(world.jackdaw({"fleet", "destroy", "--yes"}) == 2); // of a fleet that was not named
    CHECK(err().find("`jackdaw fleet destroy NAME --yes`") != std::string::npos);
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 6);
    CHECK(world.machines.size() == 2);
    REQUIRE(world.jackdaw({"instance", "unprotect", "db2", "--wait"}) == 0);
    CHECK(world.jackdaw({"fleet", "destroy"}) == 2);
    CHECK(err().find("db1, db2") != std::string::npos);
    REQUIRE(world.jackdaw({"fleet", "destroy", "--dry-run"}) == 0);
    CHECK(out().find("'db1'") != std::string::npos);
    CHECK(out().find("'db2'") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "protection is changed as a whole, or not at all") {
    make_fleet({"db1"});
    const auto told = [&] {
        return OpJournal{world.folders.ops("f1")}.newest_of("db1")->request.protect;
    };
    auto& agent = world.agents["db1"];
    world.machines.front().state = cloud::MachineState::off;
    CHECK(world.jackdaw({"instance", "protect", "db1"}) == 8);
    CHECK(err().find("nothing is changed") != std::string::npos);
    CHECK(err().find("jackdaw machine power-on db1") != std::string::npos);
    CHECK_FALSE(told());
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes", "--dry-run"}) == 0);
    world.machines.front().state = cloud::MachineState::on;
    agent.ends_as = "failed"; // what the agent does not do is not written down
    CHECK(world.jackdaw({"instance", "protect", "db1", "--wait"}) == 1);
    CHECK_FALSE(told());
    agent.ends_as = "done";
    REQUIRE(world.jackdaw({"instance", "protect", "db1", "--wait"}) == 0);
    CHECK(told());
    world.machines.front().state = cloud::MachineState::off;
    CHECK(world.jackdaw({"instance", "unprotect", "db1"}) == 8);
    CHECK(told());
    world.machines.front().state = cloud::MachineState::on;
    agent.ends_as = "failed";
    CHECK(world.jackdaw({"instance", "unprotect", "db1", "--wait"}) == 1);
    CHECK(told());
    agent.ends_as = "done";
    REQUIRE(world.jackdaw({"instance", "unprotect", "db1", "--wait"}) == 0);
    CHECK_FALSE(told());
    agent.ends_after_change = true;
    CHECK(world.jackdaw({"instance", "protect", "db1", "--wait"}) == 8);
    CHECK(told()); // its agent has taken it, and may have ended it
}

TEST_CASE_METHOD(Scene, "a change prints its operation's id first, and its end") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait"}) == 0);
    CHECK(out().starts_with("operation 01"));
    CHECK(out().find("instance 'db1' was restarted\n") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "restart", "db1"}) == 0); // not on a terminal: does not wait
    CHECK(out().find("op watch") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait", "-o", "jsonl"}) == 0);
    CHECK(std::ranges::count(out(), '\n') == 1);
    const auto announced = Json::parse(err().substr(0, err().find('\n')));
    CHECK(announced.at("kind") == "Message");
    CHECK(announced.at("operation").get<std::string>().size() == 36);
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait", "-o", "name"}) == 0);
    CHECK(err().starts_with("operation "));
    world.agents["db1"].ends_as = "failed";
    CHECK(world.jackdaw({"instance", "restart", "db1", "--wait"}) == 1);
    CHECK(err().find("error: start the database (E-START-FAILED)\ncause: its log\nhint: look\n") !=
          std::string::npos);
}

TEST_CASE_METHOD(Scene, "an interrupt would say how to watch again") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait", "-o", "json"}) == 0);
    const auto id = json().at("id").get<std::string>();
    CHECK(world.terminal.last_note.find("jackdaw op watch " + id) != std::string::npos);
}

TEST_CASE_METHOD(Scene, "resize grows the volume, then asks the agent; it never shrinks") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "resize", "db1", "--volume", "2G", "--wait"}) == 0);
    CHECK(world.volumes.front().size_bytes == 2ULL << 30U);
    CHECK(std::ranges::find(world.calls, "POST /v1/instance/grow") >
          std::ranges::find(world.calls, "extend_volume"));
    CHECK(world.jackdaw({"instance", "resize", "db1", "--volume", "1G"}) == 2);
    CHECK(err().find("E-VOLUME-SHRINK") != std::string::npos);
    CHECK(world.jackdaw({"instance", "resize", "db1", "--volume", "3G", "--dry-run"}) == 0);
    CHECK(world.volumes.front().size_bytes == 2ULL << 30U);
    // The grown size is the spec from now on.
    CHECK(world.jackdaw({"instance", "create", "db1", "--datastore", "mariadb", "--volume", "2G",
                         "--wait"}) == 0);
}

TEST_CASE_METHOD(Scene,
                 "users get a generated password that is shown once, or the one that was given") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"user", "create", "app", "--wait"}) ==
            0); // the only instance needs no name
    const auto at = out().find("(shown this once): ");
    REQUIRE(at != std::string::npos);
    CHECK(world.agents["db1"].passwords["app@%"] == out().substr(at + 19, 24));
    world.terminal.typed = {"given one"};
    REQUIRE(world.jackdaw({"user", "password", "app", "--instance", "db1", "--password-stdin",
                           "--wait"}) == 0);
    CHECK(world.agents["db1"].passwords["app@%"] == "given one");
    CHECK(out().find("given one") == std::string::npos);
    world.terminal.typed = {"given one", "and another"};
    CHECK(world.jackdaw({"user", "password", "app", "--password-stdin"}) == 2);
    CHECK(err().find("a second follows") != std::string::npos);
    CHECK(world.jackdaw({"user", "create", "late"}) == 0); // waits, although nobody looks on
    CHECK(out().find("(shown this once): ") != std::string::npos);
    CHECK(world.jackdaw({"user", "create", "later", "--no-wait"}) == 0);
    CHECK(out().find("once the operation is done; shown this once") != std::string::npos);
    world.agents["db1"].ends_as = "failed";
    CHECK(world.jackdaw({"user", "create", "never", "-o", "json"}) == 1);
    CHECK(json().at("result").at("credentials").empty());
    world.agents["db1"].ends_as = "done";
    CHECK(world.jackdaw({"user", "delete", "app"}) == 2);
    CHECK(world.jackdaw({"user", "delete", "app", "--yes", "--wait"}) == 0);
    CHECK(world.jackdaw({"database", "delete", "shop", "--yes", "--dry-run"}) == 0);
    CHECK(world.calls == std::vector<std::string>{"POST /v1/rehearsals",
                                                  "answer to POST /v1/rehearsals"}); // no change
}

TEST_CASE_METHOD(Scene, "with several instances the one that is meant must be named") {
    make_fleet({"db1", "db2"});
    CHECK(world.jackdaw({"user", "create", "app"}) == 2);
    CHECK(err().find("--instance") != std::string::npos);
    CHECK(world.jackdaw({"user", "create", "app", "--instance", "db2", "--wait"}) == 0);
    CHECK(world.agents["db2"].passwords.contains("app@%"));
    CHECK(world.jackdaw({"user", "create", "db1", "app", "--wait"}) == 0);
    CHECK(world.agents["db1"].passwords.contains("app@%"));
    CHECK(world.jackdaw({"user", "create", "db1", "app", "--instance", "db2"}) == 2);
}

TEST_CASE_METHOD(Scene, "a long step without news is waited for, an agent that is silent is not") {
    make_fleet({"db1"});
    world.agents["db1"].quiet_streams = 40;
    const auto began = world.clock.now();
    CHECK(world.jackdaw({"instance", "restart", "db1", "--wait"}) == 0);
    CHECK(world.clock.now() - began > std::chrono::minutes{2});
    world.agents["db1"].stopped = true;
    const auto stopped = world.clock.now();
    CHECK(world.jackdaw({"instance", "restart", "db1", "--wait"}) == 7);
    CHECK(err().find("op watch") != std::string::npos);
    CHECK(world.clock.now() - stopped < std::chrono::minutes{3});
    CHECK(world.jackdaw({"instance", "restart", "db1", "--wait", "-o", "json"}) == 7);
    std::string last;
    std::istringstream lines{err()};
    for (std::string line; std::getline(lines, line);) {
        last = line;
    }
    CHECK(Json::parse(last).at("kind") == "Error");
    CHECK(Json::parse(last).at("operation") == json().at("id"));
}

TEST_CASE_METHOD(Scene,
                 "operations of the coordinator and of agents are one list, the newest first") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait"}) == 0);
    REQUIRE(world.jackdaw({"op", "list", "-o", "json"}) == 0);
    const auto items = json().at("items");
    REQUIRE(items.size() == 2);
    CHECK(items.at(0).at("action") == "instance.restart");
    CHECK(items.at(0).at("instance") == "db1");
    CHECK(items.at(1).at("action") == "instance.create");
    CHECK(items.at(1).at("steps").size() == 8); // seven of ours and the agent's
    const auto id = items.at(1).at("id").get<std::string>();
    REQUIRE(world.jackdaw({"op", "show", id}) == 0);
    CHECK(out().find("agent.hand-over") != std::string::npos);
    CHECK(world.jackdaw({"op", "watch", id}) == 0);
    CHECK(world.jackdaw({"op", "show", "x"}) == 2);
    REQUIRE(world.jackdaw({"user", "create", "db1", "app", "--wait"}) == 0);
    REQUIRE(world.jackdaw({"op", "list", "--instance", "db1", "-o", "json"}) == 0);
    CHECK(json().at("items").size() == 3); // whatever their targets are
    REQUIRE(world.jackdaw({"op", "list", "db1", "-o", "json"}) == 0);
    CHECK(json().at("items").size() == 3);
    REQUIRE(world.jackdaw({"op", "list", "--limit", "2", "-o", "json"}) == 0);
    CHECK(json().at("items").size() == 2); // the newest
    CHECK(json().at("items").at(1).at("action") == "instance.restart");
    CHECK(err().empty());
    REQUIRE(world.jackdaw({"op", "list", "--status", "failed", "-o", "json"}) == 0);
    CHECK(json().at("items").empty());
    world.agents["db1"].operations.rbegin()->second.status = "failed";
    REQUIRE(world.jackdaw({"op", "list", "db1", "--status", "failed", "-n", "5", "-o", "json"}) ==
            0);
    CHECK(json().at("items").size() == 1);
    world.agents["db1"].operations.rbegin()->second.status = "done";
    CHECK(world.jackdaw({"op", "list", "--instance", "db2", "-o", "json"}) == 5);
    CHECK(out().empty()); // nobody has, or had, that name: no list
    CHECK(world.jackdaw({"op", "show", "01890000-0000-7000-8000-000000000009"}) == 5);
}

TEST_CASE_METHOD(Scene, "what only a silent agent knows of a create is unknown, not running") {
    make_fleet({});
    REQUIRE(world.jackdaw({"instance", "create", "db1", "--datastore", "mariadb", "--volume", "1G",
                           "--no-wait", "-o", "json"}) == 0);
    const auto id = json().at("id").get<std::string>();
    world.machines.front().state = cloud::MachineState::off;
    REQUIRE(world.jackdaw({"op", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("status") == "unknown");
    REQUIRE(world.jackdaw({"op", "show", id, "-o", "json"}) == 0);
    CHECK(json().at("status") == "unknown");
    CHECK(world.jackdaw({"op", "watch", id}) == 8);
}

TEST_CASE_METHOD(Scene,
                 "a list of operations says that it is cut, and tells more of one instance") {
    make_fleet({"db1"});
    proto::Operation one;
    one.status = "done";
    for (int i = 0; i < 120; ++i) {
        one.id = new_uuid(world.clock, world.entropy);
        world.agents["db1"].operations[one.id] = one;
    }
    REQUIRE(world.jackdaw({"op", "list"}) == 0);
    CHECK(err().find("only the newest 100 operations of an agent are told; --instance NAME") !=
          std::string::npos);
    REQUIRE(world.jackdaw({"op", "list", "--instance", "db1"}) == 0);
    CHECK(err().empty());
    REQUIRE(world.jackdaw({"op", "list", "--limit", "110", "-o", "json"}) == 0);
    CHECK(json().at("items").size() == 110);
    CHECK(err().empty()); // it was asked for
    REQUIRE(world.jackdaw({"op", "list", "--status", "failed"}) == 0);
    CHECK(err().find("only the newest 100 operations of an agent") != std::string::npos);
    world.agents["db1"].operations_max = 110; // that have errors by the kilobyte
    REQUIRE(world.jackdaw({"op", "list", "db1", "-o", "json"}) == 0);
    CHECK(json().at("unreachable").empty());
    CHECK(json().at("items").size() == 101); // and the create, which is written down here
    CHECK(err().find("only the newest 100 operations") != std::string::npos);
}

TEST_CASE_METHOD(Scene,
                 "the local context speaks to this machine's agent and only of its own instance") {
    proto::InstanceSpec spec;
    spec.name = "here";
    spec.id = "i";
    world.agents["local"].spec = spec;
    REQUIRE(world.jackdaw({"--local", "instance", "list", "-o", "name"}) == 0);
    CHECK(out() == "here\n");
    CHECK(world.jackdaw({"--local", "instance", "stop", "other"}) == 5);
    CHECK(world.jackdaw({"--local", "instance", "stop", "here", "--wait"}) == 0);
    CHECK(world.jackdaw({"--local", "user", "create", "app", "--wait"}) == 0);
    CHECK(world.jackdaw({"--local", "machine", "list"}) == 2);
    CHECK(err().find("`jackdaw machine list` works on a fleet, not on one agent: --local does not "
                     "go with it") != std::string::npos);
    REQUIRE(world.jackdaw({"--local", "instance", "delete", "here", "--yes"}) == 0); // it waits
    CHECK(out().find("the database of 'here' is gone") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "explain knows every code and guesses at others") {
    CHECK(world.jackdaw({"explain", "E-NAME-TAKEN"}) == 0);
    CHECK(out().find("jackdaw op abort ID") != std::string::npos); // more than the error itself
    CHECK(out().find("Again:") != std::string::npos);
    CHECK(world.jackdaw({"explain", "e-volume-full"}) == 0);
    CHECK(out().find("resize") != std::string::npos);
    CHECK(world.jackdaw({"explain", "E-VOLUME-FUL"}) == 5);
    CHECK(err().find("did you mean E-VOLUME-FULL") != std::string::npos);
    CHECK(world.jackdaw({"explain", "-o", "name"}) == 0);
    CHECK(std::ranges::count(out(), '\n') == static_cast<std::ptrdiff_t>(all_codes().size()));
}

TEST_CASE_METHOD(Scene, "an error is JSON on stderr for programs, and stdout stays empty") {
    CHECK(world.jackdaw({"instance", "list", "-o", "json"}) == 4);
    CHECK(out().empty());
    CHECK(Json::parse(err()).at("code") == "E-NO-PROFILE");
    CHECK(world.jackdaw({"instance", "lst", "-o", "json"}) == 2);
    CHECK(Json::parse(err()).at("kind") == "Error");
    std::ofstream{world.folders.settings_file} << "output = \"json\"\n"; // as one that is asked for
    CHECK(world.jackdaw({"instance", "lst"}) == 2);
    CHECK(Json::parse(err()).at("kind") == "Error");
    CHECK(world.jackdaw({"instance", "lst", "-o", "table"}) == 2);
    CHECK(err().starts_with("error: "));
}

TEST_CASE_METHOD(Scene,
                 "an operation is found by the beginning of its id, if that is one's alone") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait", "-o", "json"}) == 0);
    const auto id = json().at("id").get<std::string>();
    REQUIRE(world.jackdaw({"op", "show", id.substr(0, 35), "-o", "json"}) == 0);
    CHECK(json().at("id") == id);
    CHECK(world.jackdaw({"op", "show", id.substr(0, 4)}) == 2); // the create's begins so, too
    CHECK(err().find("operations begin with") != std::string::npos);
    CHECK(world.jackdaw({"op", "show", "ffff"}) == 5);
    CHECK(world.jackdaw({"op", "show", "ff"}) == 2);
    CHECK(world.jackdaw({"op", "abort", "no id"}) == 2);
    auto& status = world.agents["db1"].operations[id].status;
    for (auto* const verb : {"abort", "resume"}) { // a dry run refuses what the agent would
        for (auto* const ended : {"done", "undone"}) {
            status = ended;
            CHECK(world.jackdaw({"op", verb, id, "--dry-run"}) == 6);
            CHECK(err().find(id + " has ended: " + ended) != std::string::npos);
        }
    }
    status = "running";
    REQUIRE(world.jackdaw({"op", "abort", id.substr(0, 35), "--dry-run"}) == 0);
    CHECK(out().find(id) != std::string::npos);
}

TEST_CASE_METHOD(Scene, "an instance is shown with what its machine may take") {
    make_fleet({"db1"});
    world.machines.front().flavor = {1500, std::uint64_t{1} << 30U};
    REQUIRE(world.jackdaw({"instance", "show", "db1"}) == 0);
    CHECK(out().find("on, 1.50 CPU, 1.0 GiB of memory") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "show", "db1", "-o", "json"}) == 0);
    CHECK(json().at("machine").at("state") == "on");
    CHECK(json().at("machine").at("memory_bytes") == std::uint64_t{1} << 30U);
    world.machines.front().cut = true;
    REQUIRE(world.jackdaw({"machine", "list"}) == 0);
    CHECK(out().find("on (cut)") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "an abort that undoes what it was asked to is no error") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "restart", "db1", "--wait", "-o", "json"}) == 0);
    const auto id = json().at("id").get<std::string>();
    REQUIRE(world.jackdaw({"op", "abort", id, "--wait"}) == 0);
    CHECK(out().find("operation " + id + " is undone\n") != std::string::npos);
    CHECK(err().find("error") == std::string::npos);
    CHECK(world.jackdaw({"op", "watch", id}) == 1); // who only looks on is told that it was aborted
}

TEST_CASE_METHOD(Scene, "a resume says what it did") {
    make_fleet({"db1"});
    proto::Operation failed;
    failed.id = new_uuid(world.clock, world.entropy);
    failed.action = "user.password";
    failed.target = "app@%";
    failed.status = "failed";
    world.agents["db1"].operations[failed.id] = failed;
    REQUIRE(world.jackdaw({"op", "resume", failed.id, "--dry-run"}) == 0);
    CHECK(out().find("user.password app@%") != std::string::npos);
    REQUIRE(world.jackdaw({"op", "resume", failed.id, "--wait"}) == 0);
    CHECK(out().find("is done: user.password app@%\n") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "a dry run asks whether the disk has room, and a create tells of ext4") {
    make_fleet({"db1"});
    world.room_bytes = 1U << 29U;
    CHECK(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--volume", "1G",
                         "--dry-run"}) == 6);
    CHECK(err().find("E-DISK-FULL") != std::string::npos);
    CHECK(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--volume", "1G",
                         "--overcommit", "--dry-run"}) == 0);
    CHECK(world.jackdaw({"instance", "resize", "db1", "--volume", "2G", "--dry-run"}) == 6);
    CHECK(world.jackdaw({"instance", "resize", "db1", "--volume", "1100M", "--dry-run"}) == 0);
    CHECK(world.machines.size() == 1);
    CHECK(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--volume", "400M",
                         "--fs", "ext4", "--wait"}) == 0);
    CHECK(err().find("warning: an ext4 volume cannot grow here") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "a forgotten instance is asked for by the names that there are") {
    REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0);
    CHECK(world.jackdaw({"database", "create", "shop"}) == 5);
    CHECK(err().find("instance create") != std::string::npos);
    make_fleet({"db1", "db2"});
    CHECK(world.jackdaw({"database", "create", "shop"}) == 2);
    CHECK(err().find("db1, db2") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "a password comes out of a pipe that somebody writes to") {
    make_fleet({"db1"});
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    REQUIRE(::write(ends[1], "from a pipe\n", 12) == 12);
    ::close(ends[1]);
    const auto path = "/dev/fd/" + std::to_string(ends[0]);
    REQUIRE(world.jackdaw({"user", "create", "app", "--password-file", path}) == 0);
    CHECK(world.agents["db1"].passwords["app@%"] == "from a pipe");
    ::close(ends[0]);
}
