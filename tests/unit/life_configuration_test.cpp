// A start that fails on a new configuration goes back to the last good one (ARCHITECTURE.md, the
// life of an instance).
#include <catch2/catch.hpp>

#include "agent/life/parameter_wish.h"
#include "agent/life/steps.h"
#include "tests/unit/life_world.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::present;

namespace {

std::string written(LifeWorld& world) {
    return world.host.config().at("fake.conf");
}

/// An instance that runs on "cache = 1", stopped; its driver renders "cache = 2" from now on.
void make_and_change(LifeWorld& world) {
    world.engine.set_rendered("cache = 1\n");
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.stop");
    world.stop_agent();
    world.engine.set_rendered("cache = 2\n");
    world.start_agent();
}

} // namespace

TEST_CASE("a tool's output tells of a killed child, and of what else went wrong") {
    using jackdaw::agent::complaint_of;
    using jackdaw::agent::tells_of_a_kill;
    CHECK(tells_of_a_kill("Installing\nKilled\n\nInstallation of system tables failed!\n"));
    CHECK(tells_of_a_kill("tool: line 123:    45 Killed                  mariadbd --bootstrap"));
    CHECK_FALSE(tells_of_a_kill(""));
    CHECK_FALSE(tells_of_a_kill("ERROR: the table Killed is damaged\nKilled by nobody\n"));
    LifeWorld world;
    const auto driver = jackdaw::testing::make_fake_datastore(world.engine);
    const auto* output = "a\ncomplaint: no room\nadvice 1\n";
    CHECK(complaint_of(output, driver.get()) == "complaint: no room");
    CHECK(complaint_of(output, nullptr) == "a\ncomplaint: no room\nadvice 1");
    CHECK(complaint_of("only advice\n", driver.get()) == "only advice");
}

TEST_CASE("a change of parameters that is made or taken back late leaves what others set") {
    using Values = jackdaw::agent::ParameterValues;
    using jackdaw::agent::carried;
    using jackdaw::agent::taken_back;
    const Values before{{"a", "1"}, {"b", "1"}, {"c", "1"}};
    const Values wanted{{"a", "2"}, {"c", "1"}, {"d", "2"}}; // a and d set, b unset
    CHECK(jackdaw::agent::changed_between(before, wanted) ==
          std::vector<std::string>{"a", "b", "d"});
    CHECK(jackdaw::agent::changed_between(before, before).empty());
    CHECK(carried(before, before, wanted) == wanted);
    CHECK(carried(wanted, before, wanted) == wanted);
    CHECK(taken_back(wanted, before, wanted) == before);
    CHECK(taken_back(before, before, wanted) == before);
    const Values since{{"a", "2"}, {"c", "3"}, {"d", "4"}, {"e", "5"}};
    CHECK(carried(since, before, wanted) == Values{{"a", "2"}, {"c", "3"}, {"d", "2"}, {"e", "5"}});
    CHECK(taken_back(since, before, wanted) ==
          Values{{"a", "1"}, {"b", "1"}, {"c", "3"}, {"d", "4"}, {"e", "5"}});
}

TEST_CASE("a start that fails on a new configuration goes back to the last good one, and says so") {
    LifeWorld world;
    make_and_change(world);
    world.host.set_database_refuses_word("cache = 2");
    const auto started = world.host.databases_started();
    (void)world.must_do("instance.start");
    CHECK(written(world).find("cache = 1") != std::string::npos);
    CHECK(world.wait_status("running").reason.find("last good") != std::string::npos);
    CHECK(world.host.databases_started() == started + 2);

    SECTION("the next agent's restart does not try the refused one again") {
        world.stop_agent();
        world.start_agent();
        (void)world.must_do("instance.restart");
        CHECK(world.host.databases_started() == started + 3);
        CHECK(written(world).find("cache = 1") != std::string::npos);
        CHECK_FALSE(world.wait_status("running").reason.empty());
    }
    SECTION("a third configuration is tried, and is the good one from then on") {
        world.stop_agent();
        world.engine.set_rendered("cache = 3\n");
        world.start_agent();
        (void)world.must_do("instance.restart");
        CHECK(written(world).find("cache = 3") != std::string::npos);
        CHECK(world.wait_status("running").reason.empty());
    }
    CHECK(world.host.violations().empty());
}

TEST_CASE("a start that fails on the last good configuration, too, tells the first error") {
    LifeWorld world;
    make_and_change(world);
    world.host.set_database_refuses(7);
    const auto submitted = world.submit("instance.start");
    REQUIRE(submitted);
    const auto failed = world.wait_ended(submitted->operation.id);
    REQUIRE(failed.status == "failed");
    CHECK(present(failed.error).code == "E-START-FAILED");
    CHECK(written(world).find("cache = 2") != std::string::npos); // it was not the configuration
    world.host.set_database_refuses(std::nullopt);
    REQUIRE(world.life().resume(submitted->operation.id));
    CHECK(world.wait_ended(submitted->operation.id).status == "done");
    CHECK(world.wait_status("running").reason.empty());
    CHECK(world.host.violations().empty());
}

TEST_CASE("a first start that fails has nothing to go back to") {
    LifeWorld world;
    world.start_agent();
    world.host.set_database_refuses(1);
    const auto submitted = world.create();
    REQUIRE(submitted);
    CHECK(present(world.wait_ended(submitted->operation.id).error).code == "E-START-FAILED");
    CHECK(world.host.databases_started() == 1);
}
