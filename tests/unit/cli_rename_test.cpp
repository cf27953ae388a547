// instance rename: a name is a label, and everything is found by the present one.
#include <set>

#include <catch2/catch.hpp>

#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;

TEST_CASE_METHOD(Scene, "an instance that is renamed is found by its new name alone") {
    make_fleet({"db1", "db2"});
    const auto id = world.machines.at(0).id;
    CHECK(world.jackdaw({"instance", "rename", "db1", "Sales"}) == 2);
    CHECK(world.jackdaw({"instance", "rename", "db1", "db2"}) == 6);
    CHECK(err().find("E-NAME-TAKEN") != std::string::npos);
    CHECK(world.jackdaw({"instance", "rename", "db1", "sales", "--dry-run"}) == 0);
    CHECK(world.agents["db1"].spec->name == "db1");
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales", "-o", "json"}) == 0);
    CHECK(json().at("action") == "instance.rename");
    CHECK(world.machines.at(0).name == "db1"); // its own name stays
    CHECK(world.machines.at(0).label == "sales");

    REQUIRE(world.jackdaw({"instance", "show", "sales", "-o", "json"}) == 0);
    CHECK(json().at("id") == id);
    CHECK(world.jackdaw({"instance", "show", "db1"}) == 5);
    CHECK(err().find("it is called 'sales' now") != std::string::npos);
    REQUIRE(world.jackdaw({"instance", "list", "-o", "name"}) == 0);
    CHECK(out() == "db2\nsales\n");
    CHECK(world.jackdaw({"instance", "restart", "sales", "--wait"}) == 0);
    CHECK(world.jackdaw({"instance", "protect", "sales", "--wait"}) == 0);
    CHECK(world.jackdaw({"instance", "unprotect", "sales", "--wait"}) == 0);
    CHECK(world.jackdaw({"instance", "resize", "sales", "--volume", "2G", "--wait"}) == 0);
    CHECK(world.jackdaw({"machine", "freeze", "sales"}) == 0);
    CHECK(world.local_calls.back() == "freeze db1");
    REQUIRE(world.jackdaw({"machine", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("name") == "sales");
    CHECK(json().at("items").at(0).at("host_name") == "db1");
    REQUIRE(world.jackdaw({"op", "list", "--instance", "sales", "-o", "json"}) == 0);
    CHECK(json().at("items").size() == 6);

    // The name that its machine keeps is nobody else's; the new one is its own.
    CHECK(world.jackdaw({"instance", "create", "db1", "--datastore", "mariadb", "--volume", "1G",
                         "--wait"}) == 6);
    CHECK(world.machines.size() == 2);
    CHECK(world.jackdaw({"instance", "rename", "db2", "db1"}) == 6);
    REQUIRE(world.jackdaw({"instance", "create", "sales", "--datastore", "mariadb", "--volume",
                           "2G", "--wait"}) == 0);
    CHECK(world.machines.size() == 2); // it is there already

    REQUIRE(world.jackdaw({"instance", "rename", "sales", "db1"}) == 0);
    CHECK(world.jackdaw({"instance", "show", "db1"}) == 0);
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
    REQUIRE(world.jackdaw({"instance", "delete", "sales", "--yes"}) == 0);
    CHECK(world.machines.size() == 1);
    CHECK(world.volumes.size() == 1);
    REQUIRE(world.jackdaw({"instance", "create", "db1", "--datastore", "mariadb", "--volume", "1G",
                           "--wait"}) == 0);
}

TEST_CASE_METHOD(Scene, "one whose create nobody waited for is the same after its rename") {
    REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0);
    const auto create = [&](const char* name) {
        return world.jackdaw({"instance", "create", name, "--datastore", "mariadb", "--volume",
                              "1G", "--no-wait", "-o", "json"});
    };
    REQUIRE(create("db1") == 0);
    REQUIRE(world.jackdaw({"op", "watch", json().at("id").get<std::string>()}) == 0);
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
    REQUIRE(create("sales") == 0);
    CHECK(json().at("status") == "done");
    CHECK(world.machines.size() == 1);
    REQUIRE(world.jackdaw({"fleet", "gc"}) == 0); // it is no orphan by that
    CHECK(world.machines.size() == 1);
    CHECK(world.volumes.size() == 1);
}

TEST_CASE_METHOD(Scene,
                 "one that is renamed stays protected when its machine's record is damaged") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
    REQUIRE(world.jackdaw({"instance", "protect", "sales", "--wait"}) == 0);
    CHECK(world.jackdaw({"fleet", "destroy"}) == 6);
    auto& machine = world.machines.front(); // only its folder's name is left
    machine.state = cloud::MachineState::damaged;
    machine.id.clear();
    machine.label = "db1";
    machine.volume_id.clear();
    CHECK(world.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 6);
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 6);
    CHECK(err().find("E-PROTECTED") != std::string::npos);
    CHECK(world.machines.size() == 1);
}

TEST_CASE_METHOD(Scene, "a fleet's destruction asks about instances by what they are called") {
    make_fleet({"db1"});
    REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
    CHECK(world.jackdaw({"fleet", "destroy"}) == 2);
    CHECK(err().find("all data of sales") != std::string::npos);
}

TEST_CASE_METHOD(Scene, "a rename that is cut off anywhere is ended by the same command") {
    make_fleet({"db1"});
    for (std::size_t moment = 0;; ++moment) {
        INFO("killed at moment " << moment);
        world.kill_at = moment;
        world.moments = 0;
        const auto ended = world.jackdaw({"instance", "rename", "db1", "sales"});
        world.kill_at.reset();
        if (ended) {
            CHECK(moment >= 4); // request, its answer, the end, what is written down here
            break;
        }
        if (world.machines.at(0).label == "db1") {
            REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
        }
        CHECK(world.machines.at(0).label == "sales");
        CHECK(world.agents["db1"].spec->name == "sales");
        REQUIRE(world.jackdaw({"instance", "show", "sales"}) == 0);
        REQUIRE(world.jackdaw({"instance", "rename", "sales", "db1"}) == 0);
    }
}

TEST_CASE_METHOD(Scene, "a name that was given on the machine itself is found by asking agents") {
    make_fleet({"db1", "db2"});
    world.agents["db2"].spec->name = "sales";
    CHECK(world.jackdaw({"instance", "show", "sales"}) == 0);
    CHECK(world.jackdaw({"instance", "restart", "sales", "--wait"}) == 0);
    CHECK(world.jackdaw({"instance", "show", "nobody"}) == 5);
}

TEST_CASE_METHOD(Scene, "nobody gets a name that a killed rename may have given") {
    make_fleet({"db1"});
    std::set<std::string> seen;
    for (std::size_t moment = 0; moment < 64; ++moment) {
        INFO("killed at moment " << moment);
        world.kill_at = moment;
        const auto ended = world.jackdaw({"instance", "rename", "db1", "sales"});
        world.kill_at.reset();
        if (ended) {
            CHECK(moment >= 7); // announced, asked, answered, followed, written down: before, after
            CHECK(seen == std::set<std::string>{"db1", "sales"});
            return;
        }
        const auto name = world.agents["db1"].spec->name;
        seen.insert(name);
        const auto made = world.jackdaw(
            {"instance", "create", "sales", "--datastore", "mariadb", "--volume", "2G", "--wait"});
        CHECK(made == (name == "sales" ? 6 : 0));
        CHECK(world.machines.size() == (name == "sales" ? 1 : 2));
        // Another command has settled it, or its agent has not ended it yet.
        CHECK(world.jackdaw({"instance", "show", name}) == 0);
        if (made == 0) {
            CHECK(world.machines.at(0).label == "db1");
            CHECK(world.machines.at(0).next_label.empty());
            REQUIRE(world.jackdaw({"instance", "delete", "sales", "--yes"}) == 0);
        } else {
            if (world.machines.at(0).label == "db1") { // the same command ends it
                REQUIRE(world.jackdaw({"instance", "rename", "db1", "sales"}) == 0);
            }
            CHECK(world.machines.at(0).label == "sales");
            REQUIRE(world.jackdaw({"instance", "rename", "sales", "db1"}) == 0);
        }
    }
    FAIL("it never ended");
}

TEST_CASE_METHOD(Scene, "while its agent cannot be asked, both names are an instance's") {
    make_fleet({"db1", "db2"});
    world.kill_at = 2; // announced, not asked
    REQUIRE_FALSE(world.jackdaw({"instance", "rename", "db1", "sales"}));
    world.kill_at.reset();
    world.machines.at(0).state = cloud::MachineState::off;
    const auto create = [&](const char* name) {
        return world.jackdaw(
            {"instance", "create", name, "--datastore", "mariadb", "--volume", "1G", "--wait"});
    };
    CHECK(create("sales") == 6);
    CHECK(err().find("a rename of instance 'db1' to 'sales' has begun") != std::string::npos);
    CHECK(world.jackdaw({"instance", "rename", "db2", "sales"}) == 6);
    CHECK(world.jackdaw({"instance", "show", "sales"}) == 0);
    CHECK(world.jackdaw({"machine", "power-on", "sales"}) == 0); // by either name
    CHECK(world.jackdaw({"instance", "show", "sales"}) == 5);    // it was never asked
    CHECK(world.machines.at(0).next_label.empty());
    CHECK(world.jackdaw({"instance", "show", "db1"}) == 0);
    CHECK(create("sales") == 0);
}

TEST_CASE_METHOD(Scene, "a create of a name that a cut-off rename gave away is not the same") {
    make_fleet({"db1"});
    world.kill_at = 4; // the agent has taken it
    REQUIRE_FALSE(world.jackdaw({"instance", "rename", "db1", "sales"}));
    world.kill_at.reset();
    REQUIRE(world.agents["db1"].spec->name == "sales");
    const std::vector<std::string> create{"instance", "create",   "db1", "--datastore",
                                          "mariadb",  "--volume", "1G",  "--wait"};
    CHECK(world.jackdaw(create) == 6); // which name it has is not known yet
    CHECK(err().find("a rename of instance 'db1' to 'sales' has begun") != std::string::npos);
    world.unreachable = true;
    CHECK(world.jackdaw(create) == 6);
    world.unreachable = false;
    for (auto& [id, one] : world.agents["db1"].operations) {
        one.status = "done";
    }
    CHECK(world.jackdaw(create) == 6);
    CHECK(err().find("the machine of instance 'sales' keeps the name 'db1'") != std::string::npos);
    CHECK(world.machines.at(0).label == "sales");
    CHECK(world.machines.at(0).next_label.empty());
}

TEST_CASE_METHOD(Scene, "a rename to another name than the one that was cut off is told") {
    make_fleet({"db1"});
    world.kill_at = 4; // the agent has taken it
    REQUIRE_FALSE(world.jackdaw({"instance", "rename", "db1", "sales"}));
    world.kill_at.reset();
    REQUIRE(world.agents["db1"].spec->name == "sales");
    for (auto& [id, one] : world.agents["db1"].operations) {
        one.status = "done";
    }
    CHECK(world.jackdaw({"instance", "rename", "db1", "stock"}) == 5);
    CHECK(err().find("it is called 'sales' now") != std::string::npos);
    CHECK(world.machines.at(0).label == "sales");
    CHECK(world.agents["db1"].spec->name == "sales");
}

TEST_CASE_METHOD(Scene, "a name that agents alone know of is nobody else's") {
    make_fleet({"db1", "db2"});
    world.agents["db2"].spec->name = "sales"; // given on its machine
    const auto create = [&](const char* name) {
        return world.jackdaw(
            {"instance", "create", name, "--datastore", "mariadb", "--volume", "1G", "--wait"});
    };
    CHECK(create("sales") == 6);
    CHECK(err().find("written down here as 'db2'") != std::string::npos);
    CHECK(world.jackdaw({"instance", "rename", "db1", "sales"}) == 6);
    proto::Instance other;
    other.name = "stock"; // of a coordinator elsewhere
    other.id = "01a1b2c3-0000-7000-8000-000000000009";
    other.status = "unreachable";
    world.rumours.push_back(other);
    CHECK(create("stock") == 6);
    CHECK(err().find("jackdaw member forget stock") != std::string::npos);
    world.rumours.clear();
    CHECK(create("stock") == 0);
    // Others tell of one that was deleted for a while: that keeps no name.
    other.id = world.machines.back().id;
    REQUIRE(world.jackdaw({"instance", "delete", "stock", "--yes"}) == 0);
    world.rumours.push_back(other);
    CHECK(create("stock") == 0);
}
