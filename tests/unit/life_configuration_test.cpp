// A start that fails on a new configuration goes back to the last good one (ARCHITECTURE.md, the
// life of an instance); and what may be set while nobody can ask the database.
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

using Names = std::vector<std::string>;
using Values = std::map<std::string, std::string>;

/// The arguments of config.set.
agent::Json change(const Values& set, const Names& unset = {}) {
    return agent::Json{{"request", agent::Json{{"set", set}, {"unset", unset}}}};
}

/// An instance with parameters that runs.
void make_with_parameters(LifeWorld& world) {
    world.engine.give_parameters();
    world.start_agent();
    (void)world.must_create();
}

Names waiting(LifeWorld& world) {
    return present(world.life().instance()).pending_restart;
}

/// Asks for it, and it fails; the code.
std::string refused(LifeWorld& world, const Values& set, const Names& unset = {}) {
    const auto submitted = world.submit("config.set", change(set, unset));
    REQUIRE(submitted);
    const auto end = world.wait_ended(submitted->operation.id);
    REQUIRE(end.status == "failed");
    return present(end.error).code;
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
    CHECK(complaint_of(output, nullptr) == "a | complaint: no room | advice 1");
    CHECK(complaint_of("\na\x1b\r\n\nb\r\n", nullptr) ==
          "a   | b"); // one line, wherever it is shown
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

/// make_and_change(), and a start whose agent dies after each call of its step in turn; `check`
/// sees how the next agent has ended it.
void kill_in_start(const std::string& refused_word, const std::function<void(LifeWorld&)>& check) {
    std::size_t n = 1;
    for (;; ++n) {
        REQUIRE(n < 100);
        bool aims = false;
        LifeWorld world;
        world.on_point = [&](std::string_view, std::string_view step, std::string_view point) {
            if (step == "database.start" && point == "begin" && std::exchange(aims, false)) {
                world.host.reset_calls();
                world.host.after(n, [&] { world.kill_agent(); });
            }
        };
        make_and_change(world);
        world.host.set_database_refuses_word(refused_word);
        aims = true;
        const auto submitted = world.submit("instance.start");
        REQUIRE(submitted);
        (void)world.wait_ended(submitted->operation.id);
        if (!world.killed()) {
            break;
        }
        const auto names = world.host.call_names();
        INFO("killed after call " << n << ", " << (n <= names.size() ? names[n - 1] : "none"));
        world.replace_killed();
        CHECK(world.wait_ended(submitted->operation.id).status == "done");
        check(world);
        CHECK(world.host.violations().empty());
    }
    CHECK(n > 4); // as far as the spawn, and beyond
}

TEST_CASE("what a database was started on is noted as good, wherever the agent dies in the start") {
    kill_in_start("", [](LifeWorld& world) {
        world.stop_agent();
        world.engine.set_rendered("cache = 3\n");
        world.host.set_database_refuses_word("cache = 3");
        world.start_agent();
        (void)world.must_do("instance.restart");
        CHECK(written(world).find("cache = 2") != std::string::npos);
    });
}

TEST_CASE("what no database started on is never noted as good, wherever the agent dies") {
    kill_in_start("cache = 2", [](LifeWorld& world) {
        CHECK(written(world).find("cache = 1") != std::string::npos);
        CHECK(world.wait_status("running").reason.find("last good") != std::string::npos);
        (void)world.must_do("instance.restart"); // there is still one to go back to
        CHECK(written(world).find("cache = 1") != std::string::npos);
    });
}

TEST_CASE("what waits for a restart is not noted as good by a start that is gone on with later") {
    LifeWorld world;
    make_with_parameters(world);
    world.engine.fail("probe", 1'000); // the watch asks, too
    const auto restarted = world.submit("instance.restart");
    REQUIRE(restarted);
    REQUIRE(world.wait_ended(restarted->operation.id).status == "failed"); // it runs by now
    world.engine.fail("adopt", 1'000'000, Errc::not_allowed);
    (void)world.must_do("config.set", change({{"cache", "16"}}));
    world.engine.fail("", 0);
    CHECK(waiting(world) == Names{"cache"});
    REQUIRE(world.life().resume(restarted->operation.id));
    REQUIRE(world.wait_ended(restarted->operation.id).status == "done");
    CHECK(written(world).find("cache = 16") != std::string::npos);
    world.host.set_database_refuses_word("cache = 16");
    const auto back = world.must_do("instance.restart");
    CHECK(written(world).find("cache = 16") == std::string::npos);
    REQUIRE(back.warnings.size() == 1);
    CHECK(back.warnings.front().find("runs on the last good ones") != std::string::npos);
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

TEST_CASE("what is set on a stopped instance is kept, told as waiting, and in force at its start") {
    LifeWorld world;
    make_with_parameters(world);
    (void)world.must_do("instance.stop");
    const auto done = world.must_do("config.set", change({{"cache", "16"}, {"threads", "12"}}));
    REQUIRE(done.warnings.size() == 1);
    CHECK(done.warnings.front().find("next start takes: cache, threads") != std::string::npos);
    CHECK(written(world).find("cache = 16\nthreads = 12\n") != std::string::npos);
    CHECK(waiting(world) == Names{"cache", "threads"});
    const auto told = world.life().recorded_parameters();
    REQUIRE(told.has_value());
    REQUIRE(told->size() == 2);
    for (const auto& one : *told) {
        INFO(one.name);
        CHECK(one.is_configured);
        CHECK(one.configured == (one.name == "cache" ? "16" : "12"));
        CHECK(one.current == one.default_value); // as at the last start
        CHECK(one.source == "configured");
        CHECK(one.pending);
    }
    Values wanted{{"cache", "16"}, {"threads", "12"}};
    SECTION("by the same agent") {}
    SECTION("by another, after the machine was off") {
        world.stop_agent();
        world.power_cycle();
        world.start_agent();
        (void)world.wait_status("stopped");
        CHECK(waiting(world) == Names{"cache", "threads"});
    }
    SECTION("but what was taken back before is as it was") {
        (void)world.must_do("config.set", change({}, {"cache", "threads"}));
        CHECK(written(world).find("cache") == std::string::npos);
        wanted = {{"cache", "8"}, {"threads", "4"}};
    }
    (void)world.must_do("instance.start");
    CHECK(world.engine.values() == wanted);
    CHECK(waiting(world).empty());
    CHECK(world.host.violations().empty());
}

TEST_CASE(
    "a stopped instance is judged by the list of its last start, and a refusal changes nothing") {
    LifeWorld world;
    make_with_parameters(world);
    (void)world.must_do("instance.stop");
    (void)world.must_do("config.set", change({{"cache", "16"}}));
    const auto before = written(world);
    CHECK(refused(world, {{"no_such", "1"}}) == "E-NOT-FOUND");
    CHECK(refused(world, {{"cache", "65"}}) == "E-INVALID");
    CHECK(refused(world, {{"threads", "17"}}) == "E-INVALID"); // above what cache is set to
    CHECK(refused(world, {{"threads", "9"}}, {"cache"}) == "E-INVALID");
    CHECK(refused(world, {}, {"no_such"}) == "E-NOT-FOUND");
    (void)world.must_do("config.set", change({}, {"threads"})); // is not set: nothing to do
    world.host.set_job("fake-check", agent::JobScript{1, "line 3 is wrong", false, false, false});
    CHECK(refused(world, {{"threads", "12"}}) == "E-CONFIG-REFUSED");
    CHECK(written(world) == before);
    CHECK(waiting(world) == Names{"cache"});
    const auto told = world.life().recorded_parameters();
    REQUIRE(told.has_value());
    CHECK(std::ranges::count(*told, true, &proto::Parameter::is_configured) == 1);
    world.host.set_job("fake-check", agent::JobScript{});
    (void)world.must_do("instance.start");
    CHECK(world.engine.values() == Values{{"cache", "16"}, {"threads", "4"}});
}

TEST_CASE("what only the running server can tell of a value is asked before anything is changed") {
    LifeWorld world;
    make_with_parameters(world);
    const auto before = written(world);
    const auto applied = world.engine.said("parameters.apply");
    world.engine.fail("parameters.try_out", 1, Errc::invalid);
    const auto submitted = world.submit("config.set", change({{"cache", "16"}}));
    REQUIRE(submitted);
    const auto failed = world.wait_ended(submitted->operation.id);
    CHECK(present(failed.error).code == "E-INVALID");
    REQUIRE(failed.steps.size() == 4);
    CHECK(failed.steps[0].status == "failed"); // the check; the others had no turn
    CHECK(failed.steps[1].status == "pending");
    CHECK(written(world) == before);
    CHECK(world.engine.said("parameters.apply") == applied);
    (void)world.must_do("config.set", change({{"cache", "16"}}));
    CHECK(world.engine.values().at("cache") == "16");
    (void)world.must_do("config.set", change({}, {"cache"})); // what is unset names nothing
}

TEST_CASE("without a list of any start nothing can be set on a stopped instance") {
    LifeWorld world;
    world.engine.fail("parameters.list", 1'000'000);
    make_with_parameters(world);
    (void)world.must_do("instance.stop");
    const auto before = written(world);
    const auto submitted = world.submit("config.set", change({{"cache", "16"}}));
    REQUIRE(submitted);
    const auto error = present(world.wait_ended(submitted->operation.id).error);
    CHECK(error.code == "E-DATABASE-DOWN");
    CHECK(error.hint.find("instance start") != std::string::npos);
    CHECK(written(world) == before);
    CHECK(waiting(world).empty());
}

TEST_CASE("a database that does not let the agent in gets what is set at its next start") {
    LifeWorld world;
    make_with_parameters(world);
    world.engine.fail("adopt", 1'000'000, Errc::not_allowed);
    CHECK(refused(world, {{"cache", "65"}}) == "E-INVALID");
    const auto done = world.must_do("config.set", change({{"cache", "16"}}));
    REQUIRE(done.warnings.size() == 1);
    CHECK(done.warnings.front().find("next start takes: cache") != std::string::npos);
    CHECK(waiting(world) == Names{"cache"});
    CHECK(world.engine.values().at("cache") == "8");
    world.engine.fail("", 0);
    (void)world.must_do("instance.restart");
    CHECK(world.engine.values().at("cache") == "16");
    CHECK(waiting(world).empty());
    CHECK(world.host.violations().empty());
}

TEST_CASE("a database that has ended by itself gets what is set at its next start") {
    LifeWorld world;
    make_with_parameters(world);
    SECTION("in maintenance, which starts nothing") {
        (void)world.must_do("instance.pause",
                            agent::Json{{"request", {{"until_ms", std::int64_t{1} << 50}}}});
        world.host.end_database(std::nullopt, 9);
        (void)world.wait_status("degraded");
    }
    SECTION("given up after its starts failed") {
        world.host.set_database_refuses(1);
        world.host.end_database(1);
        world.wait("the last try", [&] {
            const auto starts = world.life().operations(200, {"instance.start"});
            return starts.size() == 4 && std::ranges::all_of(starts, jackdaw::testing::ended);
        });
        (void)world.wait_status("failed");
    }
    const auto before = written(world);
    CHECK(refused(world, {{"cache", "65"}}) == "E-INVALID");
    CHECK(written(world) == before);
    const auto done = world.must_do("config.set", change({{"cache", "16"}}));
    REQUIRE(done.warnings.size() == 1);
    CHECK(done.warnings.front().find("next start takes: cache") != std::string::npos);
    CHECK(waiting(world) == Names{"cache"});
    world.host.set_database_refuses(std::nullopt);
    (void)world.must_do("instance.start");
    CHECK(world.engine.values().at("cache") == "16");
    CHECK(waiting(world).empty());
    CHECK(world.host.violations().empty());
}

TEST_CASE("a database that runs and does not answer is given nothing, and that is an error") {
    LifeWorld world;
    make_with_parameters(world);
    const auto before = written(world);
    world.engine.fail("adopt", 1'000'000);
    CHECK(refused(world, {{"cache", "16"}}) == "E-UNAVAILABLE");
    CHECK(written(world) == before);
    CHECK(waiting(world).empty());
}

TEST_CASE("what a server's first statements did not do is a warning of its start") {
    LifeWorld world;
    make_with_parameters(world);
    world.host.set_database_says("half of them were refused");
    const auto done = world.must_do("instance.restart");
    CHECK(done.warnings == std::vector<std::string>{"half of them were refused"});
}

TEST_CASE("what is unset and still in force waits for a restart, too, until it is there") {
    LifeWorld world;
    make_with_parameters(world);
    (void)world.must_do("config.set", change({{"cache", "16"}, {"threads", "12"}}));
    CHECK(waiting(world) == Names{"threads"});
    CHECK(world.engine.values() == Values{{"cache", "16"}, {"threads", "4"}});
    (void)world.must_do("instance.restart");
    CHECK(waiting(world).empty());

    (void)world.must_do("config.set", change({}, {"threads"}));
    CHECK(world.engine.values().at("threads") == "12");
    CHECK(waiting(world) == Names{"threads"});
    (void)world.must_do("config.set", change({{"cache", "32"}}));
    CHECK(waiting(world) == Names{"threads"}); // of another change before
    SECTION("set again to what it has, it waits no more") {
        (void)world.must_do("config.set", change({{"threads", "12"}}));
        CHECK(waiting(world).empty());
    }
    SECTION("a restart ends it") {
        (void)world.must_do("instance.restart");
        CHECK(world.engine.values() == Values{{"cache", "32"}, {"threads", "4"}});
        CHECK(waiting(world).empty());
    }
    CHECK(world.host.violations().empty());
}
