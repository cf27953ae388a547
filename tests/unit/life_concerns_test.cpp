// What the life makes of a driver's examination: told, shown, and the agent's account repaired by
// an operation of its own.
#include <algorithm>
#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/life_world.h"

using namespace jackdaw;
using namespace std::chrono_literals;
using jackdaw::testing::LifeWorld;

namespace {

agent::LifeSettings prompt() {
    auto settings = LifeWorld::quick();
    settings.examine_period = 10ms;
    return settings;
}

std::vector<proto::Operation> repairs(LifeWorld& world) {
    auto all = world.life().operations(100);
    std::erase_if(all, [](const auto& one) { return one.action != "instance.repair"; });
    return all;
}

bool was_told(LifeWorld& world, const std::string& kind) {
    const auto told = world.told();
    return std::ranges::any_of(told, [&](const auto& one) { return one.starts_with(kind + ":"); });
}

plugins::Examination changed() {
    plugins::Examination seen;
    seen.access = "somebody changed it";
    return seen;
}

/// So many examinations more, which nobody tells of.
void wait_examined(LifeWorld& world, std::uint64_t times) {
    const auto until = world.engine.said("examine") + times;
    for (int i = 0; i < 60'000 && world.engine.said("examine") < until; ++i) {
        std::this_thread::sleep_for(1ms);
    }
    REQUIRE(world.engine.said("examine") >= until);
}

} // namespace

TEST_CASE(
    "an account that was changed is made anew by an operation that says so, without a storm") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    const auto started = world.host.databases_started();
    world.engine.set_examination(changed());
    world.wait("the repair", [&] {
        const auto all = repairs(world);
        return !all.empty() && all.front().status == "done";
    });
    CHECK(repairs(world).front().cause == "supervisor");
    CHECK(repairs(world).front().caller == "agent");
    CHECK(was_told(world, "access.lost"));
    CHECK(world.engine.examination().access->empty());

    world.engine.set_examination(changed(), false); // taken away again and again
    wait_examined(world, 50);
    CHECK(repairs(world).size() == 1); // the next one has its pause
    const auto view = *world.life().instance();
    REQUIRE(view.warnings.size() == 1);
    CHECK(view.warnings[0].kind == "access");
    CHECK(view.warnings[0].mend == "jackdaw instance repair db1");
    CHECK(view.status == "running");
    CHECK(world.host.databases_started() == started);
}

TEST_CASE("what takes the account again after a repair is switched off by the next, and said") {
    auto settings = prompt();
    settings.repair_pause = 1ms;
    LifeWorld world{settings};
    world.start_agent();
    (void)world.must_create();
    world.engine.set_examination(changed(), false);
    world.wait("the second repair", [&] {
        const auto all = repairs(world);
        return all.size() >= 2 && all[all.size() - 2].status == "done";
    });
    CHECK(world.engine.said("repair") == 1);
    CHECK(world.engine.said("repair again") >= 1);
    const auto all = repairs(world);
    CHECK(all.back().warnings.empty());
    CHECK(all[all.size() - 2].warnings ==
          std::vector<std::string>{"its scheduler was switched off"});
    CHECK(was_told(world, "scheduler.stopped"));
}

TEST_CASE("what was switched off is a warning until somebody switches it on or it starts again") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    const agent::Json again{{"request", {{"again", true}}}};
    const auto warnings = [&] { return world.life().instance()->warnings; };
    (void)world.must_do("instance.repair", again);
    world.wait("the warning", [&] { return !warnings().empty(); });
    REQUIRE(warnings().size() == 1);
    CHECK(warnings()[0].kind == "scheduler");
    CHECK(warnings()[0].text == "its scheduler was switched off");
    CHECK(warnings()[0].mend == "jackdaw config set db1 scheduler=ON");
    world.stop_agent();
    world.start_agent(); // the next agent knows it
    world.wait("the warning again", [&] { return warnings().size() == 1; });

    plugins::Examination seen;
    seen.is_off = false;
    world.engine.set_examination(seen);
    wait_examined(world, 20); // and so the agent has no part in it any more
    seen.is_off = true;
    world.engine.set_examination(seen);
    world.stop_agent();
    world.start_agent();
    wait_examined(world, 20);
    CHECK(warnings().empty());

    seen.is_off = false;
    world.engine.set_examination(seen);
    (void)world.must_do("instance.repair", again);
    world.wait("the second warning", [&] { return !warnings().empty(); });
    (void)world.must_do("instance.restart"); // what is off then is off by its file
    wait_examined(world, 20);
    CHECK(warnings().empty());
}

TEST_CASE("what a repair switched off is told although the repair failed") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    world.engine.fail("mend", 1);
    const auto submitted =
        world.submit("instance.repair", agent::Json{{"request", {{"again", true}}}});
    REQUIRE(submitted);
    const auto end = world.wait_ended(submitted->operation.id);
    CHECK(end.status == "failed");
    CHECK(end.warnings == std::vector<std::string>{"its scheduler was switched off"});
    CHECK(was_told(world, "scheduler.stopped"));
    world.wait("the warning", [&] { return !world.life().instance()->warnings.empty(); });
    CHECK(world.life().instance()->warnings[0].kind == "scheduler");
}

TEST_CASE("what a repair switched off is told although its agent was killed behind it") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    world.engine.hold("mend");
    const auto submitted =
        world.submit("instance.repair", agent::Json{{"request", {{"again", true}}}});
    REQUIRE(submitted);
    world.engine.wait_held();
    REQUIRE(world.engine.examination().is_off == true);
    world.kill_agent();
    std::size_t told = 0;
    world.replace_killed([&] {
        world.engine.let_go();
        told = world.told().size(); // what the one that was cut off still said is not heard
    });
    const auto end = world.wait_ended(submitted->operation.id);
    CHECK(end.status == "done");
    CHECK(end.warnings == std::vector<std::string>{"its scheduler was switched off"});
    const auto all = world.told();
    CHECK(std::count(all.begin() + static_cast<std::ptrdiff_t>(told), all.end(),
                     std::string{"scheduler.stopped: its scheduler was switched off"}) == 1);
    world.wait("the warning", [&] { return !world.life().instance()->warnings.empty(); });
    CHECK(world.life().instance()->warnings[0].mend == "jackdaw config set db1 scheduler=ON");
}

TEST_CASE("what cannot be looked at becomes a warning, and the rest is still looked at") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    plugins::Examination blind;
    blind.look_alikes.reset();
    blind.connections = plugins::ConnectionsSeen{99, 100, 0};
    blind.unseen.push_back({"accounts", "session 7 holds a lock", "kill INSTANCE 7"});
    world.engine.set_examination(blind);
    world.wait("the warnings", [&] { return world.life().instance()->warnings.size() == 2; });
    const auto warnings = world.life().instance()->warnings;
    CHECK(warnings[0].kind == "connections");
    CHECK(warnings[1].kind == "sight");
    CHECK(warnings[1].mend == "kill db1 7");
    CHECK(was_told(world, "sight.lost"));
    CHECK(repairs(world).empty());
}

TEST_CASE("a database that was stopped has no warnings") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    plugins::Examination full;
    full.connections = plugins::ConnectionsSeen{99, 100, 0};
    world.engine.set_examination(full);
    world.wait("the warning", [&] { return world.life().instance()->warnings.size() == 1; });
    (void)world.must_do("instance.stop");
    CHECK(world.wait_status("stopped").warnings.empty());
}

TEST_CASE("the volume's warning follows its fill while the database is stopped, too") {
    auto settings = prompt();
    settings.usage_period = 20ms;
    LifeWorld world{settings};
    world.start_agent();
    (void)world.must_create();
    auto volume = world.host.volume();
    const auto used = volume.used_bytes;
    const auto warnings = [&] { return world.life().instance()->warnings; };
    volume.used_bytes = volume.filesystem_bytes / 100 * 85;
    world.host.set_volume(volume);
    world.wait("the warning", [&] { return warnings().size() == 1; });
    CHECK(warnings()[0].kind == "volume");
    (void)world.must_do("instance.stop");
    CHECK(world.wait_status("stopped").warnings.size() == 1);
    volume.used_bytes = used;
    world.host.set_volume(volume);
    world.wait("its end", [&] { return warnings().empty(); });
}

TEST_CASE("in maintenance the agent's account is told of and not touched") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.pause",
                        agent::Json{{"request", {{"until_ms", std::int64_t{1} << 50}}}});
    world.engine.set_examination(changed());
    world.wait("the warning", [&] { return !world.life().instance()->warnings.empty(); });
    wait_examined(world, 20);
    CHECK(repairs(world).empty());
    (void)world.must_do("instance.resume");
    world.wait("the repair", [&] { return !repairs(world).empty(); });
}

TEST_CASE("an agent that is not let in says so, and nothing is restarted for it") {
    LifeWorld world{prompt()};
    world.start_agent();
    (void)world.must_create();
    const auto started = world.host.databases_started();
    world.engine.set_shut_out(plugins::ShutOut::account);
    world.wait("the warning", [&] { return !world.life().instance()->warnings.empty(); });
    CHECK(world.life().instance()->warnings[0].mend == "jackdaw instance restart db1");
    CHECK(world.life().instance()->status == "running");
    CHECK(was_told(world, "access.lost"));
    CHECK(repairs(world).empty());
    CHECK(world.host.databases_started() == started);
    (void)world.must_do("instance.restart");
    CHECK(world.host.databases_started() == started + 1);
}
