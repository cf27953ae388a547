// The few that outlive most of a fleet, and those whose sockets strangers fill: they hear each
// other rarely, and must judge all the same.
#include <catch2/catch.hpp>

#include "tests/sim/fleet_checks.h"
#include "tests/sim/fleet_sim.h"

using namespace jackdaw;
using namespace jackdaw::sim;
using namespace std::chrono_literals;

namespace {

struct World {
    explicit World(std::size_t members, std::uint64_t seed)
        : fleet{options(members, seed)}, checks{fleet} {
        fleet.start_all();
        REQUIRE(fleet.run_until([&] { return fleet.all_see_all(); }, 10s));
        fleet.run_for(10s);
    }
    static Options options(std::size_t members, std::uint64_t seed) {
        Options options;
        options.members = members;
        options.seed = seed;
        return options;
    }
    /// By each of the first `living`, of all others.
    [[nodiscard]] bool know(std::size_t living) const {
        for (std::size_t viewer = 0; viewer < living; ++viewer) {
            for (std::size_t one = 0; one < fleet.size(); ++one) {
                const auto wanted = one < living ? Standing::alive : Standing::down;
                if (one != viewer && fleet.seen(viewer, one) != wanted) {
                    return false;
                }
            }
        }
        return true;
    }

    FleetSim fleet;
    Checks checks;
};

} // namespace

TEST_CASE("fleet: few that outlive most of it find each other, and know who is dead", "[sim]") {
    struct Case {
        std::size_t members, living;
    };
    for (const auto& [members, living] :
         {Case{16, 3}, Case{20, 2}, Case{40, 4}, Case{64, 4}, Case{64, 8}, Case{64, 2}}) {
        for (std::uint64_t seed = 1; seed <= 2; ++seed) {
            World world{members, seed};
            for (std::size_t node = living; node < members; ++node) {
                world.fleet.kill(node);
            }
            CAPTURE(members, living, seed);
            const auto took = world.fleet.run_until([&] { return world.know(living); }, 120s, 1s);
            INFO(world.fleet.picture());
            REQUIRE(took);
            CHECK(*took <= 90s);
            CHECK(world.fleet.wrong_downs() == 0);
            world.fleet.run_for(30s);
            CHECK(world.checks.at_rest() == "");
        }
    }
}

TEST_CASE("fleet: most of it stood still, the few called it down, and all are back", "[sim]") {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        World world{24, seed};
        for (std::size_t node = 3; node < 24; ++node) {
            world.fleet.pause(node);
        }
        CAPTURE(seed);
        CHECK(world.fleet.run_until([&] { return world.know(3); }, 120s, 1s));
        for (std::size_t node = 3; node < 24; ++node) {
            world.fleet.resume(node);
        }
        CHECK(world.fleet.run_until([&] { return world.fleet.all_see_all(); }, 60s));
        world.fleet.run_for(30s);
        CHECK(world.checks.at_rest() == "");
    }
}

TEST_CASE("fleet: a link that is up for a second of four makes nobody judge", "[sim]") {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        World world{16, seed};
        bool up = false;
        world.fleet.passes = [&](std::size_t from, std::size_t to) {
            return up || (from != 0 && to != 0);
        };
        int downs = 0;
        world.fleet.on_event = [&](std::size_t node, const swim::Event& event) {
            downs += node == 0 && event.kind == swim::Event::Kind::down &&
                             event.id != world.fleet.id_of(0)
                         ? 1
                         : 0;
        };
        for (int i = 0; i < 50; ++i) { // 200 s
            up = i % 4 == 0;
            world.fleet.run_for(4s);
        }
        CAPTURE(seed);
        CHECK(downs == 0);
        world.fleet.passes = nullptr;
        world.fleet.run_for(60s);
        CHECK(world.fleet.all_see_all());
        CHECK(world.checks.at_rest() == "");
    }
}

TEST_CASE("fleet: sockets that strangers keep full hide no death", "[sim]") {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        World world{4, seed};
        for (std::size_t node = 0; node < 3; ++node) {
            world.fleet.fill_socket(node, 400);
        }
        world.fleet.kill(3);
        CAPTURE(seed);
        const auto took = world.fleet.run_until(
            [&] {
                return world.fleet.seen(0, 3) == Standing::down &&
                       world.fleet.seen(1, 3) == Standing::down;
            },
            60s);
        CHECK(took);
        CHECK(world.fleet.core(0).counters().lost_input > 0);
        for (std::size_t node = 0; node < 3; ++node) {
            world.fleet.fill_socket(node, 0);
        }
        world.fleet.run_for(60s);
        CHECK(world.fleet.core(0).counters().losses_judged > 0);
        CHECK(world.checks.at_rest() == "");
    }
}
