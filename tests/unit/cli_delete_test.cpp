// `instance delete`, `fleet gc` and `fleet destroy` as an operator sees them, with the coordinator
// killed wherever it can be.

#include <algorithm>

#include <catch2/catch.hpp>

#include "coordinator/profile/op_journal.h"
#include "tests/unit/cli_create_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;
using Scene = CreateScene;

TEST_CASE_METHOD(Scene, "delete asks, is refused by protection, and then leaves nothing") {
    REQUIRE(world.jackdaw(create_words) == 0);
    CHECK(world.jackdaw({"instance", "delete", "db1"}) == 2);
    CHECK(err().find("E-UNCONFIRMED") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "protect", "db1", "--wait"}) == 0);
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 6);
    CHECK(err().find("E-PROTECTED") != std::string::npos);
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) ==
          6); // nobody to ask, but it was said here
    REQUIRE(world.jackdaw({"machine", "power-on", "db1"}) == 0);
    REQUIRE(world.jackdaw({"instance", "unprotect", "db1", "--wait"}) == 0);
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes", "-o", "json"}) == 0);
    CHECK(json().at("status") == "done");
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 5);
}

TEST_CASE_METHOD(Scene, "a delete whose end its agent did not tell is ended by the same command") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const std::vector<std::string> words{"instance", "delete", "db1", "--yes"};
    world.agents["db1"].lost_answers = 1000; // the request is sent again for a while
    CHECK(world.jackdaw(words) == 8);
    CHECK(err().find("the same command again goes on with it") != std::string::npos);
    world.agents["db1"].lost_answers = 0;
    world.agents["db1"].quiet_streams = 100;
    auto hasty = words;
    hasty.insert(hasty.end(), {"--timeout", "20s"});
    CHECK(world.jackdaw(hasty) == 7);
    CHECK(err().find("the same command again goes on with it") != std::string::npos);
    CHECK(world.machines.size() == 1);
    world.agents["db1"].quiet_streams = 0;
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(world.machines.empty());
}

TEST_CASE_METHOD(Scene, "delete needs the name on a terminal, and no other") {
    REQUIRE(world.jackdaw(create_words) == 0);
    world.terminal.interactive = true;
    world.terminal.typed = {"db2"};
    CHECK(world.jackdaw({"instance", "delete", "db1"}) == 2);
    CHECK(world.machines.size() == 1);
    world.terminal.typed = {"db1"};
    CHECK(world.jackdaw({"instance", "delete", "db1"}) == 0);
    CHECK(world.machines.empty());
}

TEST_CASE_METHOD(
    Scene, "a kept volume that a new instance took over is that instance's, and goes with it") {
    REQUIRE(world.jackdaw(create_words) == 0);
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--yes", "--keep-volume"}) == 0);
    REQUIRE(world.volumes.size() == 1);
    const auto serial = world.volumes.front().serial;
    REQUIRE(world.volumes.front().kept);
    CHECK(world.terminal.stdout_text.find("--attach-volume " + serial + " --take-over ") !=
          std::string::npos);
    REQUIRE(world.jackdaw({"fleet", "show"}) == 0);
    CHECK(world.terminal.stdout_text.find("--attach-volume " + serial) != std::string::npos);
    REQUIRE(world.jackdaw({"fleet", "show", "-o", "json"}) == 0);
    CHECK(json().at("kept_volumes").at(0).at("serial") == serial);
    CHECK(json().at("kept_volumes").at(0).at("instance_id").is_string());
    REQUIRE(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--attach-volume",
                           serial, "--wait"}) == 0);
    CHECK_FALSE(world.volumes.front().kept);
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 0);
    CHECK(world.volumes.empty());
}

TEST_CASE_METHOD(Scene, "a delete that keeps the volume says what is not kept, before and after") {
    REQUIRE(world.jackdaw(create_words) == 0);
    auto& agent = world.agents["db1"];
    proto::Parameter own;
    own.name = "init_connect";
    own.type = "string";
    own.configured = "SET @a = 'b'";
    own.is_configured = true;
    agent.parameters.push_back(own);
    agent.root.level = "superuser";
    CHECK(world.jackdaw({"instance", "delete", "db1", "--keep-volume"}) == 2);
    CHECK(err().find("but not its 1 own settings, root (superuser), its protection") !=
          std::string::npos);
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--keep-volume", "--dry-run"}) == 0);
    CHECK(world.terminal.stdout_text.find("not kept: its 1 own settings, root (superuser)") !=
          std::string::npos);
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--keep-volume", "--yes", "-o", "json"}) ==
            0);
    const auto lost = json().at("result").at("not_kept");
    CHECK(lost.at("settings").at("init_connect") == "SET @a = 'b'");
    CHECK(lost.at("root_level") == "superuser");
    CHECK(lost.at("commands").at(0) ==
          R"(jackdaw config set NAME 'init_connect=SET @a = '\''b'\''')");
    CHECK(lost.at("commands").at(1) == "jackdaw root enable NAME --superuser");
}

TEST_CASE_METHOD(Scene, "delete works without the agent, and keeps a volume when told") {
    REQUIRE(world.jackdaw(create_words) == 0);
    world.unreachable = true;
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes", "--keep-volume"}) == 0);
    CHECK(err().find("without it") != std::string::npos);
    CHECK(world.terminal.stdout_text.find(
              "Not kept: its settings, if it has any, root, if it is enabled") !=
          std::string::npos);
    CHECK(world.machines.empty());
    REQUIRE(world.volumes.size() == 1);
    CHECK(world.volumes.front().kept);
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 6); // an operator said: keep
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes", "--kept-volumes"}) == 0);
    CHECK(world.jackdaw({"instance", "list"}) == 4);
}

TEST_CASE_METHOD(Scene, "killed at any moment of a delete, the same delete ends it, or fleet gc") {
    for (const bool collect : {false, true}) {
        std::size_t kills = 0;
        for (std::size_t at = 0; at < 50; ++at) {
            INFO("killed at moment " << at << (collect ? ", then gc" : ""));
            test::TemporaryFolder own;
            fakes::World other{own.path()};
            REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
            REQUIRE(other.jackdaw(create_words) == 0);
            other.kill_at = at;
            const bool ended = other.jackdaw({"instance", "delete", "db1", "--yes"}).has_value();
            other.kill_at.reset();
            if (ended) {
                break;
            }
            ++kills;
            if (collect) {
                REQUIRE(other.jackdaw({"fleet", "gc"}) == 0);
                // Whole, or gone: never a volume of which nobody knows.
                CHECK(other.volumes.size() == other.machines.size());
            } else {
                REQUIRE(other.jackdaw({"instance", "delete", "db1", "--yes"}) == 0);
                CHECK(other.machines.empty());
                CHECK(other.volumes.empty());
                CHECK(other.jackdaw({"instance", "delete", "db1", "--yes"}) == 5);
                CHECK(other.jackdaw(create_words) == 0); // the name is free again
            }
        }
        CHECK(kills >= 7);
    }
}

TEST_CASE_METHOD(Scene, "killed at any moment of a delete that keeps the volume, it stays") {
    for (std::size_t at = 0; at < 50; ++at) {
        INFO("killed at moment " << at);
        test::TemporaryFolder own;
        fakes::World other{own.path()};
        REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
        REQUIRE(other.jackdaw(create_words) == 0);
        other.kill_at = at;
        const std::vector<std::string> words{"instance", "delete", "db1", "--yes", "--keep-volume"};
        const bool ended = other.jackdaw(words).has_value();
        other.kill_at.reset();
        REQUIRE(other.jackdaw({"fleet", "gc"}) == 0);
        REQUIRE(other.volumes.size() == 1);
        if (ended) {
            CHECK(at > 4);
            break;
        }
        (void)other.jackdaw(words);
        CHECK(other.machines.empty());
        REQUIRE(other.volumes.size() == 1);
        CHECK(other.volumes.front().kept);
    }
}

TEST_CASE_METHOD(Scene, "gc spares a volume that another instance took over from a deleted one") {
    REQUIRE(world.jackdaw(create_words) == 0);
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--yes", "--keep-volume"}) == 0);
    REQUIRE(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--attach-volume",
                           world.volumes.front().serial, "--wait"}) == 0);
    world.machines.clear(); // its record is lost; what it held is not garbage
    REQUIRE(world.jackdaw({"fleet", "gc"}) == 0);
    CHECK(world.volumes.size() == 1);
}

TEST_CASE_METHOD(Scene, "a delete waits for another one that works on the same name") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const auto lock = OpJournal{world.folders.ops("f1")}.lock("db1");
    REQUIRE(lock);
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 6); // it never ends
    CHECK(err().find("waiting") != std::string::npos);
    CHECK(err().find("E-OPERATION-RUNNING") != std::string::npos);
    CHECK(world.machines.size() == 1);
    CHECK(std::ranges::find(world.calls, "DELETE /v1/instance") == world.calls.end());
}

TEST_CASE_METHOD(Scene, "a create waits for another one that works on the same name") {
    const auto lock = OpJournal{world.folders.ops("f1")}.lock("db1");
    REQUIRE(lock);
    CHECK(world.jackdaw(create_words) == 6); // it never ends
    CHECK(err().find("waiting") != std::string::npos);
    CHECK(err().find("E-OPERATION-RUNNING") != std::string::npos);
    CHECK(world.machines.empty());
}

TEST_CASE_METHOD(Scene, "a fleet is not destroyed under a create that runs") {
    REQUIRE(world.jackdaw(create_words) == 0);
    {
        const auto lock = OpJournal{world.folders.ops("f1")}.lock("db1");
        REQUIRE(lock);
        CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 6);
        CHECK(err().find("E-OPERATION-RUNNING") != std::string::npos);
    }
    CHECK(world.machines.size() == 1);
    CHECK(world.jackdaw(create_words) == 0); // the fleet is as it was
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 0);
}

TEST_CASE_METHOD(Scene,
                 "nothing is made in a fleet whose destruction has begun, and it can be ended") {
    REQUIRE(world.jackdaw(create_words) == 0);
    auto profile = *load_profile(world.folders, "f1");
    profile.destroying = true;
    REQUIRE(save_profile(world.folders, profile));
    CHECK(world.jackdaw(
              {"instance", "create", "db2", "--datastore", "mariadb", "--volume", "1G"}) == 6);
    CHECK(err().find("`jackdaw fleet destroy f1`") != std::string::npos);
    CHECK(world.jackdaw({"fleet", "init", "f1"}) == 6);
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 0);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
    CHECK(world.jackdaw({"fleet", "init", "f1"}) == 0);
}

TEST_CASE_METHOD(Scene, "killed at any moment of a fleet's destruction, the same command ends it") {
    std::size_t kills = 0;
    for (std::size_t at = 0; at < 50; ++at) {
        INFO("killed at moment " << at);
        test::TemporaryFolder own;
        fakes::World other{own.path()};
        REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
        REQUIRE(other.jackdaw(create_words) == 0);
        other.kill_at = at;
        const std::vector<std::string> words{"fleet", "destroy", "f1", "--yes"};
        const bool ended = other.jackdaw(words).has_value();
        other.kill_at.reset();
        if (ended) {
            break;
        }
        ++kills;
        CHECK(other.jackdaw(words) == 0);
        CHECK(other.machines.empty());
        CHECK(other.volumes.empty());
        CHECK(profile_names(other.folders).empty());
        CHECK_FALSE(default_fleet(other.folders));
    }
    CHECK(kills >= 4);
}

TEST_CASE_METHOD(Scene, "an agent that has just ended an earlier delete is no reason to stop") {
    REQUIRE(world.jackdaw(create_words) == 0);
    world.deleted_meanwhile = true;
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 0);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
}

TEST_CASE_METHOD(Scene, "a delete is in the journal, and its instance in no list any more") {
    REQUIRE(world.jackdaw(create_words) == 0);
    REQUIRE(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--volume", "1G",
                           "--wait"}) == 0);
    proto::Instance rumour;
    rumour.name = "db1";
    rumour.id = world.agents["db1"].spec->id;
    rumour.status = "running";
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--yes", "-o", "json"}) == 0);
    const auto id = json().at("id").get<std::string>();
    REQUIRE(world.jackdaw({"op", "show", id, "-o", "json"}) == 0);
    CHECK(json().at("action") == "instance.delete");
    CHECK(json().at("status") == "done");
    CHECK(world.jackdaw({"op", "watch", id}) == 0);
    CHECK(world.jackdaw({"op", "resume", id}) == 6);
    REQUIRE(world.jackdaw({"op", "list", "--instance", "db1", "-o", "json"}) == 0);
    CHECK(json().at("items").size() == 2);
    world.rumours = {rumour};
    REQUIRE(world.jackdaw({"instance", "list", "-o", "name"}) == 0);
    CHECK(world.terminal.stdout_text == "db2\n");
}

TEST_CASE_METHOD(Scene, "the delete of what another coordinator made goes on, too") {
    REQUIRE(world.jackdaw(create_words) == 0);
    std::filesystem::remove_all(world.folders.ops("f1"));
    world.unreachable = true;
    world.kill_at = 1; // right behind the machine's removal
    REQUIRE_FALSE(world.jackdaw({"instance", "delete", "db1", "--yes"}));
    REQUIRE(world.machines.empty());
    world.kill_at.reset();
    REQUIRE(world.volumes.size() == 1);
    REQUIRE(world.jackdaw({"fleet", "gc"}) == 0);
    CHECK(world.volumes.size() == 1); // of an operation that no journal here knows
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 0);
    CHECK(world.volumes.empty());
}

TEST_CASE_METHOD(Scene,
                 "what an earlier delete left goes, and not who has its machine's name since") {
    REQUIRE(world.jackdaw(create_words) == 0);
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "db2"}) == 0);
    world.unreachable = true;
    world.kill_at = 1; // right behind the machine's removal
    REQUIRE_FALSE(world.jackdaw({"instance", "delete", "db2", "--yes"}));
    world.kill_at.reset();
    world.unreachable = false;
    REQUIRE(world.machines.empty());
    (void)world.jackdaw({"doctor"}); // names what its command finds
    CHECK(world.terminal.stdout_text.find("jackdaw instance delete db2") != std::string::npos);
    CHECK(world.terminal.stdout_text.find("jackdaw instance delete db1") == std::string::npos);
    REQUIRE(world.jackdaw(create_words) == 0); // the machine's name is free
    REQUIRE(world.machines.size() == 1);
    const auto other = world.machines.front();
    REQUIRE(world.jackdaw({"instance", "delete", "db2", "--yes"}) == 0);
    REQUIRE(world.machines.size() == 1);
    CHECK(world.machines.front().id == other.id);
    REQUIRE(world.volumes.size() == 1);
    CHECK(world.volumes.front().id == other.volume_id);
    CHECK(world.jackdaw({"instance", "delete", "db2", "--yes"}) == 5);
}

TEST_CASE_METHOD(Scene, "a volume whose record is damaged goes with its instance, too") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const std::vector<std::string> words{"instance", "delete", "db1", "--yes"};
    SECTION("by a delete that nothing disturbs") {
        world.volumes.front().damaged = true;
    }
    SECTION("by the one that ends what was cut off behind the machine") {
        world.unreachable = true;
        world.kill_at = 1;
        REQUIRE_FALSE(world.jackdaw(words));
        world.kill_at.reset();
        REQUIRE(world.machines.empty());
        world.volumes.front().damaged = true;
    }
    CHECK(world.jackdaw(words) == 0);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
    CHECK(world.jackdaw(words) == 5);
}

TEST_CASE_METHOD(Scene, "one that is to be kept stops the delete until its record is mended") {
    REQUIRE(world.jackdaw(create_words) == 0);
    std::vector<std::string> words{"instance", "delete", "db1", "--yes", "--keep-volume"};
    std::size_t machines = 1;
    SECTION("before anything is removed") {}
    SECTION("behind the machine, as an earlier delete was to keep it") {
        world.unreachable = true;
        world.kill_at = 1;
        REQUIRE_FALSE(world.jackdaw(words));
        world.kill_at.reset();
        words.pop_back();
        machines = 0;
    }
    world.volumes.front().damaged = true;
    CHECK(world.jackdaw(words) == 1);
    CHECK(err().find("E-CORRUPT") != std::string::npos);
    CHECK(err().find("restore its vol-1.json") != std::string::npos);
    CHECK(std::ranges::find(world.calls, "DELETE /v1/instance") == world.calls.end());
    CHECK(world.machines.size() == machines);
    REQUIRE(world.volumes.size() == 1);
    world.volumes.front().damaged = false;
    CHECK(world.jackdaw(words) == 0);
    CHECK(world.machines.empty());
    REQUIRE(world.volumes.size() == 1);
    CHECK(world.volumes.front().kept);
}

TEST_CASE_METHOD(Scene, "a delete that cannot know the volume says that it stays") {
    REQUIRE(world.jackdaw(create_words) == 0);
    std::filesystem::remove_all(world.folders.ops("f1"));
    auto& machine = world.machines.front();
    machine.state = cloud::MachineState::damaged;
    machine.id = machine.volume_id = "";
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 0);
    CHECK(err().find("that stays, if it had one, until `jackdaw fleet destroy f1`") !=
          std::string::npos);
    CHECK(world.machines.empty());
    CHECK(world.volumes.size() == 1);
}

TEST_CASE_METHOD(
    Scene, "an attached volume goes with its instance once its create ended, waited for or not") {
    REQUIRE(world.jackdaw(create_words) == 0);
    REQUIRE(world.jackdaw({"instance", "delete", "db1", "--yes", "--keep-volume"}) == 0);
    REQUIRE(world.jackdaw({"instance", "create", "db2", "--datastore", "mariadb", "--attach-volume",
                           world.volumes.front().serial, "--no-wait"}) == 0);
    const std::vector<std::string> words{"instance", "delete", "db2", "--yes"};
    auto& create = world.agents["db2"].operations.begin()->second;
    bool stays = true;
    SECTION("it goes on") {}
    SECTION("nobody tells") {
        create.status = "done";
        world.unreachable = true;
    }
    SECTION("it is done") {
        create.status = "done";
        stays = false;
    }
    SECTION("it is done, and the delete is cut off behind the machine") {
        create.status = "done";
        stays = false;
        world.kill_at = 4; // DELETE, its answer and its stream come before
        REQUIRE_FALSE(world.jackdaw(words));
        world.kill_at.reset();
    }
    REQUIRE(world.jackdaw(words) == 0);
    CHECK((err().find("it is kept") != std::string::npos) == stays);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty() != stays);
}
