// What a life does by itself: adopt, watch, start again, give up.
#include <algorithm>
#include <thread>

#include <catch2/catch.hpp>

#include "agent/life/start_room.h"
#include "tests/unit/life_world.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using jackdaw::testing::ended;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::present;

namespace {

std::size_t starts_because_of(LifeWorld& world, const std::string& cause) {
    const auto all = world.life().operations(200);
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& one) {
        return one.action == "instance.start" && one.cause == cause;
    }));
}

void wait_new_database(LifeWorld& world, std::int64_t old_pid) {
    world.wait("another database", [&] {
        const auto view = world.life().instance();
        return view && view->status == "running" && view->database_pid != old_pid &&
               view->database_pid != 0 && view->database_pid == world.host.database_pid();
    });
    world.wait_watching(); // a death inside the start would be that operation's own affair
}

bool quiet(LifeWorld& world) {
    const auto all = world.life().operations(200);
    return std::all_of(all.begin(), all.end(), [](const auto& one) { return ended(one); });
}

/// Looks at the volume as often as the rest of these tests wants.
agent::LifeSettings watchful() {
    auto settings = LifeWorld::quick();
    settings.usage_period = std::chrono::milliseconds{20};
    return settings;
}

} // namespace

TEST_CASE("stop, start and restart do what they say, and no more") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto first = world.host.database_pid();
    (void)world.must_do("instance.start"); // it runs: adopted
    CHECK(world.host.database_pid() == first);
    (void)world.must_do("instance.stop");
    CHECK_FALSE(world.host.database_running());
    (void)world.wait_status("stopped");
    (void)world.must_do("instance.stop");
    (void)world.must_do("instance.start");
    const auto second = world.host.database_pid();
    CHECK(second != 0);
    CHECK(second != first);
    (void)world.must_do("instance.restart");
    CHECK(world.host.database_pid() != second);
    CHECK(world.wait_status("running").database_restarts == 0);
    CHECK(world.host.databases_started() == 3);
    CHECK(world.engine.databases() == std::vector<std::string>{"app"});
    CHECK(world.host.violations().empty());
}

TEST_CASE("a database that dies is started again, and the count tells") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto pid = world.host.database_pid();
    SECTION("by a signal") {
        world.host.end_database(std::nullopt, 9);
        world.wait("its end, with the memory that may have been too small, and what mends that",
                   [&] {
                       const auto told = world.told();
                       return std::ranges::any_of(told, [](const auto& one) {
                           return one.starts_with(
                                      "database.ended: by itself, with signal 9, as when memory "
                                      "ends (the machine has 1.0 GiB); if it was memory: ") &&
                                  one.find("`jackdaw config parameters db1 memory`") !=
                                      std::string::npos &&
                                  one.find("--flavor") != std::string::npos;
                       });
                   });
    }
    SECTION("by its own will") {
        world.host.end_database(0);
    }
    SECTION("with its guard") {
        world.host.kill_guard("database");
    }
    wait_new_database(world, pid);
    CHECK(present(world.life().instance()).database_restarts == 1);
    CHECK(starts_because_of(world, "supervisor") == 1);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a database that dies again and again is given up, and a start forgives") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    for (int i = 0; i < 4; ++i) {
        const auto pid = world.host.database_pid();
        world.host.end_database(std::nullopt, 11);
        wait_new_database(world, pid);
    }
    world.host.end_database(std::nullopt, 11);
    const auto reason = world.wait_status("failed").reason;
    INFO(reason);
    CHECK(reason.find("ended 5 times within a short time, at last with signal 11") !=
          std::string::npos);
    const auto asked =
        world.life().query([](plugins::Datastore&, const plugins::Call&) -> Result<agent::Json> {
            return agent::Json{};
        });
    REQUIRE_FALSE(asked);
    CHECK(asked.error().id() == Code::database_down);
    CHECK(asked.error().message() == reason); // who asks is told what the instance's status says
    CHECK(world.host.databases_started() == 5);
    CHECK(quiet(world));
    (void)world.must_do("instance.start");
    (void)world.wait_status("running");
    const auto pid = world.host.database_pid();
    world.host.end_database(std::nullopt, 11); // forgiven: the first death again
    wait_new_database(world, pid);
}

TEST_CASE("a stop or a delete that comes before a restart is due ends that restart, too") {
    auto settings = LifeWorld::quick();
    settings.supervisor.first_pause = std::chrono::seconds{2};
    LifeWorld world{settings};
    world.start_agent();
    (void)world.must_create();
    world.host.end_database(std::nullopt, 11);
    world.wait("the death to be seen", [&] {
        const auto told = world.told();
        return std::ranges::any_of(
            told, [](const auto& one) { return one.starts_with("database.ended:"); });
    });
    const auto due = std::chrono::steady_clock::now() + settings.supervisor.first_pause;
    SECTION("stop") {
        (void)world.must_do("instance.stop");
        std::this_thread::sleep_until(due + std::chrono::milliseconds{200});
        CHECK(world.wait_status("stopped").database_pid == 0);
        CHECK(world.host.databases_started() == 1);
    }
    SECTION("delete") {
        (void)world.must_do("instance.delete");
        std::this_thread::sleep_until(due + std::chrono::milliseconds{200});
        (void)world.must_create(); // wakes it: the start that was due is nobody's now
        CHECK(world.host.databases_started() == 2);
    }
    CHECK(starts_because_of(world, "supervisor") == 0);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a database that does not come up is tried a few times, then shown as failed") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.host.set_database_refuses(1);
    world.host.end_database(1);
    world.wait("the last try", [&] { return starts_because_of(world, "supervisor") == 4; });
    world.wait("quiet", [&] { return quiet(world); });
    CHECK_FALSE(world.wait_status("failed").reason.empty());
    CHECK(world.host.databases_started() == 5);
    world.host.set_database_refuses(std::nullopt);
    (void)world.must_do("instance.start");
    (void)world.wait_status("running");
    CHECK(starts_because_of(world, "supervisor") == 4);
}

TEST_CASE("a start that is resumed forgives like one that is asked for") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.host.set_database_refuses(1);
    world.host.end_database(1);
    world.wait("the last try", [&] { return starts_because_of(world, "supervisor") == 4; });
    world.wait("quiet", [&] { return quiet(world); });
    (void)world.wait_status("failed");
    world.host.set_database_refuses(std::nullopt);
    const auto last = world.life().operations(1).front();
    REQUIRE(last.status == "failed");
    REQUIRE(world.life().resume(last.id));
    (void)world.wait_status("running");
    world.wait_watching();
    const auto pid = world.host.database_pid();
    world.host.end_database(std::nullopt, 11); // the first death again
    wait_new_database(world, pid);
}

TEST_CASE("the next agent adopts the database: the same process, nothing started") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto before = world.wait_status("running");
    world.stop_agent();
    CHECK(world.host.database_pid() == before.database_pid);
    world.start_agent();
    const auto after = world.wait_status("running");
    CHECK(after.database_pid == before.database_pid);
    CHECK(after.database_restarts == 0);
    CHECK(world.host.databases_started() == 1);
    CHECK(world.life().operations(10).size() == 1);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a guard that takes no connection keeps no agent from coming up, and is adopted later") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto pid = world.host.database_pid();
    world.kill_agent();
    world.replace_killed([&] {
        world.host.fail_next("connect_guard", Error{Errc::busy, "it takes no connection"});
    });
    CHECK(world.wait_status("running").database_pid == pid);
    CHECK(world.host.violations().empty());
    CHECK(world.life().operations(100).size() == 1); // nothing was started beside it
}

TEST_CASE("what happened while no agent lived is made good by the next one") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto pid = world.host.database_pid();
    world.stop_agent();
    SECTION("the database ended") {
        world.host.end_database(1);
    }
    SECTION("its guard died") {
        world.host.kill_guard("database");
    }
    SECTION("the machine was powered off and on") {
        world.host.kill_guard("database");
        auto volume = world.host.volume();
        volume.mounted = false;
        world.host.set_volume(volume);
    }
    world.start_agent();
    wait_new_database(world, pid);
    CHECK(world.host.databases_started() == 2);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a stopped instance stays stopped under the next agent") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.stop");
    world.stop_agent();
    world.start_agent();
    CHECK(present(world.life().instance()).status == "stopped");
    CHECK(world.life().operations(10).size() == 2);
    CHECK_FALSE(world.host.database_running());
}

TEST_CASE("a database that a stop which failed left running is told so, with what ends it") {
    for (const bool abort : {false, true}) {
        LifeWorld world;
        world.start_agent();
        (void)world.must_create();
        world.host.fail_next("link.request_stop", Error{Errc::internal, "not told"});
        const auto stop = world.submit("instance.stop");
        REQUIRE(stop);
        REQUIRE(world.wait_ended(stop->operation.id).status == "failed");
        const auto left = world.wait_status("degraded");
        CHECK(left.reason.find("was to be stopped and still runs: `jackdaw instance stop`") !=
              std::string::npos);
        CHECK(world.host.database_running());
        if (abort) {
            REQUIRE(world.life().abort(stop->operation.id));
            CHECK(world.wait_status("running").reason.empty());
        } else {
            (void)world.must_do("instance.stop");
            (void)world.wait_status("stopped");
        }
        CHECK(world.host.database_running() == abort);
        CHECK(world.host.databases_started() == 1);
    }
}

TEST_CASE("a helper program that an ended operation left is ended by the next agent") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.host.fail_next("link.release", Error{Errc::internal, "not told"});
    const auto grow = world.submit("volume.grow", agent::Json{{"size_bytes", 0U}});
    REQUIRE(grow);
    REQUIRE(world.wait_ended(grow->operation.id).status == "failed");
    REQUIRE(world.host.guard_names().size() == 2);
    world.stop_agent();
    world.start_agent();
    CHECK(world.host.guard_names() == std::vector<std::string>{"database"});
}

TEST_CASE("a resume is told when it ends a maintenance, and not when there is none") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto told_of = [&](const std::string& text) {
        const auto told = world.told();
        return std::ranges::count_if(
            told, [&](const auto& one) { return one.find(text) != std::string::npos; });
    };
    const std::vector<std::string> was_not{"the instance was not paused, so nothing has changed"};
    CHECK(world.must_do("instance.resume").warnings == was_not);
    (void)world.must_do("instance.pause",
                        agent::Json{{"request", {{"until_ms", std::int64_t{1} << 50}}}});
    world.wait("its begin", [&] { return told_of("maintenance.begun") == 1; });
    CHECK(told_of("instance.resume") == 0);
    CHECK(world.must_do("instance.resume").warnings.empty());
    CHECK(world.must_do("instance.resume").warnings == was_not);
    CHECK(present(world.life().instance()).maintenance_until.empty());
    (void)world.must_do("instance.protect", agent::Json{{"protect", true}});
    world.wait("what came last", [&] { return told_of("instance.protect") == 1; });
    CHECK(told_of("maintenance.ended") == 1);
    CHECK(told_of("instance.resume") == 1);
}

TEST_CASE("a silent engine is degraded, not dead, and comes back") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.wait_status("running");
    world.engine.fail("probe", 1'000'000);
    CHECK_FALSE(world.wait_status("degraded").reason.empty());
    world.engine.fail("", 0);
    (void)world.wait_status("running");
    CHECK(world.host.databases_started() == 1);
}

TEST_CASE("a full volume is told, and so is its end") {
    LifeWorld world{watchful()};
    world.start_agent();
    (void)world.must_create();
    auto volume = world.host.volume();
    const auto used = volume.used_bytes;
    volume.used_bytes = volume.filesystem_bytes - 4096;
    world.host.set_volume(volume);
    CHECK(world.wait_status("degraded").reason == "the volume is full");
    volume.used_bytes = used;
    world.host.set_volume(volume);
    CHECK(world.wait_status("running").volume_used_bytes == used);
}

TEST_CASE("a database that died on a full volume is not started on it, and is as soon as there is "
          "room") {
    LifeWorld world{watchful()};
    world.start_agent();
    (void)world.must_create();
    auto volume = world.host.volume();
    const auto used = volume.used_bytes;
    const auto pid = world.host.database_pid();
    volume.used_bytes = volume.filesystem_bytes;
    world.host.set_volume(volume);
    world.host.end_database(std::nullopt, 6);
    CHECK_THAT(world.wait_status("failed").reason, Catch::Contains("free"));
    world.wait("all has been tried", [&] { return quiet(world); });
    CHECK(world.host.databases_started() == 1);
    volume.used_bytes = used;
    world.host.set_volume(volume);
    wait_new_database(world, pid);
    CHECK(world.host.databases_started() == 2);
    CHECK(world.host.violations().empty());
}

TEST_CASE(
    "a start that fails for want of room is the volume's fault, and is tried again when there "
    "is enough") {
    using jackdaw::agent::start_room;
    LifeWorld world{watchful()};
    world.start_agent();
    (void)world.must_create();
    auto volume = world.host.volume();
    const auto used = volume.used_bytes;
    const auto pid = world.host.database_pid();
    volume.used_bytes = volume.filesystem_bytes - start_room(volume.filesystem_bytes) + 4096;
    world.host.set_volume(volume);
    CHECK(world.wait_status("running").reason.empty()); // one that runs needs less
    world.host.set_database_refuses(1);
    world.host.end_database(std::nullopt, 6);
    CHECK_THAT(world.wait_status("failed").reason, Catch::Contains("the volume is full"));
    world.wait("all has been tried", [&] { return quiet(world); });
    CHECK(world.host.databases_started() == 2); // and not again and again
    world.host.set_database_refuses(std::nullopt);
    volume.used_bytes = used;
    world.host.set_volume(volume);
    wait_new_database(world, pid);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a fill that cannot be read once is read the next time, and ends nothing") {
    LifeWorld world{watchful()};
    world.start_agent();
    (void)world.must_create();
    auto volume = world.host.volume();
    volume.used_bytes += 4096;
    world.host.fail_next("inspect_volume", Error{Errc::unavailable, "not now"});
    world.host.set_volume(volume);
    world.wait("the next reading", [&] {
        const auto view = world.life().instance();
        return view && view->volume_used_bytes == volume.used_bytes;
    });
    CHECK(world.wait_status("running").database_restarts == 0);
    CHECK(world.fatal_errors().empty());
}

TEST_CASE("while the host answers nothing the database goes on, and the next agent adopts it") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto pid = world.host.database_pid();
    world.host.cut_off();
    CHECK_FALSE(world.wait_status("failed").reason.empty());
    CHECK(world.host.database_pid() == pid);
    world.stop_agent();
    world.host.reconnect();
    world.start_agent();
    (void)world.wait_status("running");
    CHECK(world.host.database_pid() == pid);
    CHECK(world.host.databases_started() == 1);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a driver that is gone is shown, and the agent lives on") {
    LifeWorld world;
    world.start_agent();
    world.host.set_job("fake-version", {127, "no such program\n", false, false, false});
    const auto submitted = world.create();
    REQUIRE(submitted);
    const auto operation = world.wait_ended(submitted->operation.id);
    CHECK(present(operation.error).code == "E-INSTALL-MISSING");
    CHECK(present(operation.error).cause.find("no such program") != std::string::npos);
    CHECK_FALSE(world.wait_status("failed").reason.empty());
}

TEST_CASE("a job whose guard was killed is done again, and the operation ends done") {
    LifeWorld world;
    world.start_agent();
    world.host.set_job("fake-init", {0, "", true, false, true});
    const auto submitted = world.create();
    REQUIRE(submitted);
    const auto guard = "op-" + submitted->operation.id;
    world.wait("the helper program", [&] {
        const auto names = world.host.guard_names();
        return std::find(names.begin(), names.end(), guard) != names.end() &&
               world.host.volume().data == agent::DataFolder::half_made;
    });
    world.host.set_job("fake-init", {0, "made\n", false, false, true});
    world.host.kill_guard(guard);
    CHECK(world.wait_ended(submitted->operation.id).status == "done");
    CHECK(world.host.databases_started() == 1);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a job that ends with an error or loses its guard each time fails the step, and a resume "
          "ends done") {
    LifeWorld world;
    world.start_agent();
    std::string expected = "E-JOB-FAILED";
    SECTION("an error") {
        world.host.set_job("fake-init", {3, "disk quota\n", false, false, true});
    }
    SECTION("its guard dies") {
        world.host.set_job("fake-init", {0, "", false, true, true});
        expected = "E-GUARD-DIED";
    }
    const auto submitted = world.create();
    REQUIRE(submitted);
    const auto id = submitted->operation.id;
    const auto failed = world.wait_ended(id);
    REQUIRE(failed.status == "failed");
    CHECK(present(failed.error).code == expected);
    CHECK(world.host.volume().data == agent::DataFolder::half_made);
    world.host.set_job("fake-init", {0, "made\n", false, false, true});
    REQUIRE(world.life().resume(id));
    CHECK(world.wait_ended(id).status == "done");
    CHECK(world.host.violations().empty());
}
