// What an operation meets that outlives the machine's boot, or the process that acts for it as
// root.
#include <algorithm>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/timeline.h"
#include "tests/unit/life_world.h"

using namespace jackdaw;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::test_spec;

namespace {

constexpr const char* operation_id = "018f3c1e-0000-7000-8000-00000000c0de";
constexpr std::size_t calls_max = 400;

std::string why(const proto::Operation& operation) {
    return operation.error ? fmt::format("{}: {}: {}", operation.status, operation.error->message,
                                         operation.error->cause)
                           : operation.status;
}

/// Calls body(n) for n = 1, 2, … until it says that the fault was not felt.
void for_every_call(const std::function<bool(std::size_t)>& body) {
    std::size_t n = 1;
    while (body(n)) {
        REQUIRE(++n < calls_max);
    }
    CHECK(n > 5);
}

void aim(LifeWorld& world, std::size_t n, std::function<void()> fn) {
    world.host.reset_calls();
    world.host.after(n, std::move(fn));
}

} // namespace

TEST_CASE("a create that a power cut hit after any call ends done in the next boot") {
    for_every_call([](std::size_t n) {
        LifeWorld world;
        world.start_agent();
        auto spec = test_spec();
        spec.allow = {"10.0.0.0/8"};
        aim(world, n, [&] { world.kill_agent(); });
        if (world.create(spec, operation_id)) {
            const auto seen = world.wait_ended(operation_id);
            if (!world.killed()) {
                CHECK(seen.status == "done");
                return false;
            }
        }
        world.replace_killed([&] { world.power_cycle(); });
        if (!world.life().operation(operation_id)) {
            REQUIRE(world.create(spec, operation_id)); // the request came again
        }
        const auto done = world.wait_ended(operation_id);
        INFO("cut after call " << n << ": " << why(done));
        CHECK(done.status == "done");
        (void)world.wait_status("running"); // when the create was done before the cut, by a start
        CHECK(world.host.violations() == std::vector<std::string>{});
        CHECK(world.host.volume().mounted);
        CHECK(world.host.volume().data == agent::DataFolder::complete);
        CHECK(world.host.allowed() == spec.allow);
        CHECK(world.host.database_running());
        CHECK(world.engine.databases() == std::vector<std::string>{"app"});
        return true;
    });
}

TEST_CASE("an undo that a power cut hit after any call leaves nothing on the volume") {
    for_every_call([](std::size_t n) {
        LifeWorld world;
        world.start_agent();
        world.engine.hold("probe");
        REQUIRE(world.create(test_spec(), operation_id));
        world.engine.wait_held(); // all but the last step is done
        aim(world, n, [&] { world.kill_agent(); });
        REQUIRE(world.life().abort(operation_id));
        world.engine.let_go();
        auto undone = world.wait_ended(operation_id);
        const bool felt = world.killed();
        if (felt) {
            world.replace_killed([&] { world.power_cycle(); });
            undone = world.wait_ended(operation_id);
        }
        INFO("cut after call " << n << " of the undo: " << why(undone));
        CHECK(undone.status == "undone");
        CHECK(world.host.violations() == std::vector<std::string>{});
        CHECK_FALSE(world.host.volume().stamp);
        CHECK_FALSE(world.host.volume().mounted);
        return felt;
    });
}

TEST_CASE("a delete that a power cut hit after any call leaves no stamp on the volume") {
    for_every_call([](std::size_t n) {
        LifeWorld world;
        world.start_agent();
        (void)world.must_create();
        aim(world, n, [&] { world.kill_agent(); });
        const auto submitted = world.submit("instance.delete", agent::Json::object());
        REQUIRE(submitted);
        auto done = world.wait_ended(submitted->operation.id);
        const bool felt = world.killed();
        if (felt) {
            world.replace_killed([&] { world.power_cycle(); });
            done = world.wait_ended(submitted->operation.id);
        }
        INFO("cut after call " << n << ": " << why(done));
        CHECK(done.status == "done");
        CHECK(world.host.violations() == std::vector<std::string>{});
        CHECK_FALSE(world.host.volume().stamp);
        CHECK_FALSE(world.host.volume().mounted);
        return felt;
    });
}

TEST_CASE("a file system that cannot be mounted any more does not keep a delete from its end") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.stop");
    world.kill_agent();
    world.replace_killed([&] { world.power_cycle(); });
    world.host.fail_next("mount_volume", Error{Errc::corrupt, "its superblock is garbage"});
    (void)world.must_do("instance.delete");
    CHECK_FALSE(world.life().spec());
}

TEST_CASE("a failed operation that is resumed after a boot finds its volume mounted again") {
    LifeWorld world;
    world.start_agent();
    world.host.fail_next("sync_volume", Error{Errc::unavailable, "a disk was slow"});
    REQUIRE(world.create(test_spec(), operation_id));
    REQUIRE(world.wait_ended(operation_id).status == "failed");
    world.kill_agent();
    world.replace_killed([&] { world.power_cycle(); });
    REQUIRE(world.life().resume(operation_id));
    const auto done = world.wait_ended(operation_id);
    INFO(why(done));
    CHECK(done.status == "done");
}

TEST_CASE("the end of jackdaw-host around any call ends the agent, and fails no operation") {
    for_every_call([](std::size_t n) {
        LifeWorld world;
        world.start_agent();
        bool felt = false;
        world.host.reset_calls();
        world.host.before(n, [&] {
            felt = true;
            world.host.end_host();
        });
        if (world.create(test_spec(), operation_id)) {
            world.wait("the end of the agent or of the create", [&] {
                const auto now = world.life().operation(operation_id);
                return !world.fatal_errors().empty() || (now && jackdaw::testing::ended(*now));
            });
            const auto seen = world.life().operation(operation_id);
            REQUIRE(seen);
            INFO("ended before call " << n << ": " << why(*seen));
            CHECK(seen->status != "failed");
        }
        world.stop_agent();
        world.host.reset_calls();
        world.host.reconnect();
        world.start_agent();
        if (!world.life().operation(operation_id)) {
            REQUIRE(world.create(test_spec(), operation_id));
        }
        CHECK(world.wait_ended(operation_id).status == "done");
        CHECK(world.host.databases_started() == 1);
        return felt;
    });
}

TEST_CASE("an agent that is told to renews the packet filter when it starts") {
    for (const bool renews : {true, false}) {
        auto settings = LifeWorld::quick();
        settings.renew_firewall = renews;
        LifeWorld world{settings};
        world.start_agent();
        auto spec = test_spec();
        spec.allow = {"10.0.0.0/8"};
        (void)world.must_create(spec);
        world.stop_agent();
        const std::vector<std::string> other{"192.0.2.0/24"};
        REQUIRE(world.host.set_firewall(other, 1));
        world.start_agent();
        world.wait_watching();
        CHECK(world.host.allowed() == (renews ? spec.allow : other));
    }
}

TEST_CASE(
    "a packet filter that cannot be renewed is a warning until it is, also of what is stopped") {
    for (const bool stopped : {false, true}) {
        auto settings = LifeWorld::quick();
        settings.renew_firewall = true;
        settings.usage_period = std::chrono::milliseconds{500};
        LifeWorld world{settings};
        world.start_agent();
        (void)world.must_create(test_spec());
        if (stopped) {
            (void)world.must_do("instance.stop");
        }
        world.stop_agent();
        world.host.fail_next("set_firewall", Error{Errc::unavailable, "nft: busy"});
        world.start_agent();
        const auto warned = [&] {
            const auto all = world.life().instance()->warnings;
            return std::ranges::any_of(all, [](const auto& one) {
                return one.kind == "filter" && one.text.find("nft: busy") != std::string::npos;
            });
        };
        world.wait("the warning", warned);
        world.wait("its end", [&] { return !warned(); });
        CHECK(world.host.allowed() == test_spec().allow);
        std::vector<std::string> told;
        for (const auto& one : world.told()) {
            if (one.starts_with("filter.")) {
                told.push_back(one.substr(0, one.find(':')));
            }
        }
        CHECK(told == std::vector<std::string>{"filter.stale", "filter.renewed"});
        for (const auto& kind : told) { // as `events --kind` and its weight know it
            CHECK(std::ranges::find(agent::event_kinds(), kind, &agent::EventKind::kind) !=
                  agent::event_kinds().end());
        }
    }
}
