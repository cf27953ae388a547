// The few that outlive most of a fleet, those whose sockets strangers fill, and those whose
// machines seldom let them run: they hear each other rarely, or late, and must judge all the same.
// And those that are cut off, for two seconds or for a day, alone or in part, and come back.
#include <array>
#include <cstdlib>
#include <string_view>
#include <tuple>
#include <utility>

#include <catch2/catch.hpp>

#include "tests/sim/fleet_checks.h"
#include "tests/sim/fleet_sim.h"

using namespace jackdaw;
using namespace jackdaw::sim;
using namespace std::chrono_literals;

namespace {

/// One where fleet_test runs fewer than its 500: with sanitizers, which look at the same code.
std::uint64_t seeds(std::uint64_t usual) {
    const char* const runs = std::getenv("JACKDAW_SIM_RUNS");
    return runs != nullptr && std::strtoull(runs, nullptr, 10) < 500 ? 1 : usual;
}

struct World {
    explicit World(std::size_t members, std::uint64_t seed,
                   const swim::Config& config = swim::Config::lan())
        : fleet{options(members, seed, config)}, checks{fleet} {
        fleet.start_all();
        REQUIRE(fleet.run_until([&] { return fleet.all_see_all(); }, 10s));
        fleet.run_for(10s);
    }
    static Options options(std::size_t members, std::uint64_t seed, const swim::Config& config) {
        Options options;
        options.config = config;
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

    /// In an operator's words, whom all believe. Any key will do but a member's own.
    void forget(std::size_t by, std::size_t whom) {
        proto::PublicKey key;
        key.fill(0x6F);
        const std::string_view key_text{reinterpret_cast<const char*>(key.data()), key.size()};
        for (std::size_t node = 0; node < fleet.size(); ++node) {
            REQUIRE(fleet.core(node).set_operators({key}));
        }
        REQUIRE(fleet.seen(by, whom) == Standing::down);
        const auto id = fleet.id_of(whom);
        const auto incarnation = fleet.core(by).find(id)->incarnation;
        std::array<char, 32> bytes{};
        const std::string_view body{bytes.data(), proto::encode_left_body(id, incarnation, bytes)};
        const auto signature =
            cheap_signature(key_text, proto::to_sign(proto::SignedAs::forget, fleet.fleet(), body));
        REQUIRE(fleet.core(by).forget(
            fleet.now(), id, incarnation, key_text,
            {reinterpret_cast<const char*>(signature.data()), signature.size()}));
        fleet.poke(by);
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
        for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
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

TEST_CASE("fleet: who was cut off alone, for however long, has nobody called down", "[sim]") {
    struct Case {
        std::size_t members;
        std::chrono::seconds time; ///< it judges by itself from 60 s on
    };
    for (const auto& [members, time] : {Case{16, 40s}, Case{16, 64s}, Case{16, 67s}, Case{16, 70s},
                                        Case{64, 66s}, Case{64, 100s}}) {
        for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
            World world{members, seed};
            auto& fleet = world.fleet;
            fleet.run_for(std::chrono::milliseconds{330 * seed});
            fleet.passes = [](std::size_t from, std::size_t to) {
                return (from == 0) == (to == 0);
            };
            fleet.run_for(time);
            fleet.passes = nullptr;
            std::size_t called_down = 0; // of others by others
            fleet.on_event = [&](std::size_t node, const swim::Event& event) {
                const bool is_down = event.kind == swim::Event::Kind::down;
                called_down += is_down && node != 0 && fleet.node_of(event.id) != 0 ? 1U : 0U;
            };
            CAPTURE(members, time.count(), seed);
            const auto took = fleet.run_until([&] { return fleet.all_see_all(); }, 20s);
            INFO(fleet.picture());
            REQUIRE(took);
            CHECK(*took <= 8s);
            fleet.run_for(30s); // what it thought of others while it heard nobody runs out by then
            CHECK(called_down == 0);
            CHECK(world.checks.at_rest() == "");
        }
    }
}

TEST_CASE("fleet: a cut of two seconds has nobody called down, then or later", "[sim]") {
    struct Case {
        std::size_t members, part; ///< each part hears itself alone
    };
    for (const auto& [members, part] : {Case{16, 4}, Case{16, 11}, Case{12, 6}, Case{64, 16}}) {
        for (std::uint64_t seed = 1; seed <= seeds(4); ++seed) {
            World world{members, seed};
            auto& fleet = world.fleet;
            fleet.run_for(std::chrono::milliseconds{330 * seed});
            fleet.passes = [part](std::size_t from, std::size_t to) {
                return from / part == to / part;
            };
            fleet.run_for(2s);
            fleet.passes = nullptr;
            fleet.run_for(20s);
            CAPTURE(members, part, seed);
            INFO(fleet.picture());
            CHECK(fleet.all_see_all());
            CHECK(fleet.wrong_downs() == 0);
            CHECK(world.checks.at_rest() == "");
        }
    }
}

TEST_CASE("fleet: who was forgotten while it was cut off is back when it is heard", "[sim]") {
    for (const std::size_t members : {3U, 5U, 16U}) {
        World world{members, members};
        auto& fleet = world.fleet;
        const auto last = members - 1;
        fleet.passes = [last](std::size_t from, std::size_t to) {
            return (from == last) == (to == last);
        };
        fleet.run_for(30s);
        world.forget(0, last);
        fleet.run_for(5s);
        REQUIRE(fleet.seen(members - 2, last) == std::nullopt);
        fleet.passes = nullptr;
        CAPTURE(members);
        const auto took = fleet.run_until([&] { return fleet.all_see_all(); }, 30s);
        INFO(fleet.picture());
        REQUIRE(took);
        CHECK(*took <= 5s);
        fleet.run_for(20s);
        CHECK(world.checks.at_rest() == "");
    }
}

TEST_CASE("fleet: parts that forgot each other while they were cut off find each other", "[sim]") {
    constexpr std::size_t members = 4;
    constexpr std::size_t part = 2;
    auto slow = swim::Config::lan(); // hours have fewer periods then
    slow.probe_period = 10s;
    slow.suspicion_min = 20s;
    REQUIRE(slow.validate());
    World world{members, members, slow};
    auto& fleet = world.fleet;
    fleet.run_for(2h); // what was given at the start is asked for an hour
    fleet.passes = [](std::size_t from, std::size_t to) { return (from < part) == (to < part); };
    fleet.run_for(2h);
    REQUIRE(fleet.core(0).view().dead() == part);
    for (std::size_t node = 0; node < part; ++node) {
        world.forget(0, part + node);
        world.forget(part, node);
    }
    fleet.run_for(5min);
    for (std::size_t node = 0; node < members; ++node) {
        REQUIRE(fleet.core(node).view().dead() == 0);
    }
    fleet.passes = nullptr;
    const auto took = fleet.run_until([&] { return fleet.all_see_all(); }, 2h, 10s);
    INFO(fleet.picture());
    REQUIRE(took);
    CHECK(*took <= 10min);
    fleet.run_for(10min);
    CHECK(world.checks.at_rest() == "");
}

TEST_CASE("fleet: parts that were cut off for longer than the dead are kept find each other",
          "[sim]") {
    auto slow = swim::Config::lan(); // a day has fewer periods then
    slow.probe_period = 10s;
    slow.suspicion_min = 20s;
    REQUIRE(slow.validate());
    for (const auto& [members, part, again] :
         {std::tuple{3U, 1U, false}, std::tuple{4U, 2U, false}, std::tuple{4U, 2U, true}}) {
        World world{members, part, slow};
        auto& fleet = world.fleet;
        fleet.passes = [part = part](std::size_t from, std::size_t to) {
            return (from < part) == (to < part);
        };
        fleet.run_for(25h);
        CHECK(fleet.core(0).view().live() == part);
        CHECK(fleet.core(0).view().dead() == 0); // nobody remembers the others
        for (std::size_t node = 0; again && node < members; ++node) {
            fleet.kill(node);
            fleet.start(node, {});
            fleet.run_for(5min);
        }
        fleet.passes = nullptr;
        CAPTURE(members, part, again);
        const auto took = fleet.run_until([&] { return fleet.all_see_all(); }, 2h, 10s);
        INFO(fleet.picture());
        REQUIRE(took);
    }
}

TEST_CASE("fleet: most of it stood still, the few called it down, and all are back", "[sim]") {
    for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
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
    for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
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
    for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
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

TEST_CASE("fleet: machines that stand still for most of the time see a death, and no other",
          "[sim]") {
    for (const std::size_t members : {5U, 16U, 30U}) {
        for (std::uint64_t seed = 1; seed <= seeds(2); ++seed) {
            World world{members, seed};
            const auto dead = members - 1;
            auto& fleet = world.fleet;
            std::size_t wrong = 0;
            fleet.on_event = [&](std::size_t, const swim::Event& event) {
                wrong += event.kind == swim::Event::Kind::down && event.id != fleet.id_of(dead);
            };
            // Each stands still for 0.5 to 1.5 s, and then runs for 50 ms at most.
            std::vector<Instant> turns(members, fleet.now());
            const auto run_seldom = [&](Duration span, const auto& is_over) {
                const auto end = fleet.now() + span;
                while (fleet.now() < end && !is_over()) {
                    for (std::size_t node = 0; node < members; ++node) {
                        if (turns[node] > fleet.now() || !fleet.is_up(node)) {
                            continue;
                        }
                        const bool was_paused = fleet.is_paused(node);
                        was_paused ? fleet.resume(node) : fleet.pause(node);
                        turns[node] += std::chrono::milliseconds{
                            was_paused ? 1 + fleet.chance().below(50)
                                       : 500 + fleet.chance().below(1000)};
                    }
                    fleet.run_for(1ms);
                }
            };
            run_seldom(60s, [] { return false; });
            CAPTURE(members, seed);
            CHECK(wrong == 0);
            fleet.kill(dead);
            const auto killed_at = fleet.now();
            run_seldom(90s, [&] { return world.know(dead); });
            INFO(fleet.picture());
            CHECK(world.know(dead));
            CHECK(fleet.now() - killed_at <= 60s);
            CHECK(wrong == 0);
            CHECK(fleet.core(0).counters().lates_judged > 0);
            for (std::size_t node = 0; node < dead; ++node) {
                if (fleet.is_paused(node)) {
                    fleet.resume(node);
                }
            }
            fleet.run_for(30s);
            CHECK(world.checks.at_rest() == "");
        }
    }
}

TEST_CASE("fleet: the dead are asked often for two minutes, then seldom", "[sim]") {
    World world{16, 1};
    auto& fleet = world.fleet;
    fleet.kill(15);
    REQUIRE(fleet.run_until([&] { return world.know(15); }, 30s));
    std::size_t pings = 0;
    fleet.on_stray = [&](std::size_t, std::size_t, std::string_view) { ++pings; };
    fleet.run_for(110s);
    CHECK(pings > 110 * 4); // six a second of all together
    CHECK(pings < 110 * 8);
    fleet.run_for(15s);
    pings = 0;
    fleet.run_for(100s);
    CHECK(pings > 100 * 1); // two
    CHECK(pings < 100 * 3);
    CHECK(world.checks.at_rest() == "");
}

TEST_CASE("fleet: parts whose agents all start again while it is cut find each other", "[sim]") {
    for (const auto& [members, part, time] :
         {std::tuple{4U, 2U, 10s}, std::tuple{4U, 2U, 1s}, std::tuple{16U, 6U, 10s}}) {
        World world{members, members};
        auto& fleet = world.fleet;
        fleet.run_for(120s); // addresses are kept now and then
        fleet.passes = [part = part](std::size_t from, std::size_t to) {
            return (from < part) == (to < part);
        };
        for (std::size_t node = 0; node < members; ++node) {
            fleet.kill(node);
        }
        for (std::size_t node = 0; node < members; ++node) {
            fleet.start(node, {});
        }
        fleet.run_for(time);
        CAPTURE(members, part, time.count());
        CHECK(fleet.core(0).view().live() == part);
        fleet.passes = nullptr;
        const auto took = fleet.run_until([&] { return fleet.all_see_all(); }, 10min, 1s);
        INFO(fleet.picture());
        REQUIRE(took);
        CHECK(*took <= 4min);
        fleet.run_for(30s);
        CHECK(world.checks.at_rest() == "");
    }
}

TEST_CASE("fleet: after a cut of some seconds hardly anybody calls down who was beside it",
          "[sim]") {
    constexpr std::size_t members = 64;
    constexpr std::size_t part = 20;
    std::size_t called_down = 0;
    for (std::uint64_t seed = 1; seed <= seeds(4); ++seed) {
        World world{members, seed};
        auto& fleet = world.fleet;
        fleet.passes = [](std::size_t from, std::size_t to) {
            return (from < part) == (to < part);
        };
        fleet.run_for(7s);
        fleet.passes = nullptr;
        fleet.on_event = [&](std::size_t node, const swim::Event& event) {
            const bool is_together = (node < part) == (fleet.node_of(event.id) < part);
            called_down += event.kind == swim::Event::Kind::down && is_together ? 1U : 0U;
        };
        CAPTURE(seed);
        const auto took = fleet.run_until([&] { return fleet.all_see_all(); }, 20s);
        INFO(fleet.picture());
        REQUIRE(took);
        fleet.run_for(20s);
        CHECK(world.checks.at_rest() == "");
    }
    CHECK(called_down <= 25); // 102 of 9064 pairs where news of a death is believed at once
}
