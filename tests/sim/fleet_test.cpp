// Whole fleets of the membership core. Properties that must hold for every seed, and stories told
// once.
//   replay a failure:  JACKDAW_SIM_SEED=N fleet_test      look longer:  JACKDAW_SIM_RUNS=10000
//   fleet_test for people:        tests/sim/run --seeds A..B --members N --fault NAME --tell
#include <cstdlib>

#include <catch2/catch.hpp>

#include "tests/sim/adversary.h"
#include "tests/sim/fleet_checks.h"
#include "tests/sim/fleet_faults.h"

using namespace jackdaw;
using namespace jackdaw::sim;
using namespace std::chrono_literals;

namespace {

std::uint64_t env_or(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

struct World {
    explicit World(std::size_t members, std::uint64_t seed = 7)
        : fleet{options(members, seed)}, checks{fleet} {}

    static Options options(std::size_t members, std::uint64_t seed) {
        Options options;
        options.members = members;
        options.seed = seed;
        return options;
    }
    /// All joined, and quiet.
    void settle() {
        fleet.start_all();
        REQUIRE(fleet.run_until([&] { return fleet.all_see_all(); }, 10s));
        fleet.run_for(15s);
    }
    [[nodiscard]] bool all_see(std::size_t subject, Standing state) const {
        for (std::size_t viewer = 0; viewer < fleet.size(); ++viewer) {
            if (viewer != subject && fleet.is_up(viewer) && !fleet.core(viewer).is_silent() &&
                fleet.seen(viewer, subject) != state) {
                return false;
            }
        }
        return true;
    }
    void rests() {
        INFO(fleet.picture());
        CHECK(checks.at_rest() == "");
    }

    FleetSim fleet;
    Checks checks;
};

} // namespace

TEST_CASE("fleet: whatever is done to it, every step is sound and it comes to agree", "[sim]") {
    if (std::getenv("JACKDAW_SIM_SEED") != nullptr) {
        Run run;
        run.seed = env_or("JACKDAW_SIM_SEED", 0);
        run.tell = true;
        CHECK(run_faults(run).breach == "");
        return;
    }
    const auto runs = env_or("JACKDAW_SIM_RUNS", 500);
    for (std::uint64_t seed = 1; seed <= runs; ++seed) {
        Run run;
        run.seed = seed;
        INFO("replay with JACKDAW_SIM_SEED=" << seed);
        CHECK(run_faults(run).breach == "");
    }
}

TEST_CASE("fleet: same seed, same run, byte for byte", "[sim]") {
    Run run;
    run.seed = 42;
    const auto once = run_faults(run);
    CHECK(once.trace == run_faults(run).trace);
    run.seed = 43;
    CHECK(once.trace != run_faults(run).trace);
}

TEST_CASE("fleet: one that dies is down everywhere, after its time and not before", "[sim]") {
    for (const std::size_t members : {2U, 3U, 5U, 16U}) {
        World world{members, members};
        world.settle();
        world.fleet.kill(1);
        CAPTURE(members);
        const auto took =
            world.fleet.run_until([&] { return world.all_see(1, Standing::down); }, 12s);
        REQUIRE(took);
        CHECK(*took >= 2s);                       // the time that it has to answer
        CHECK(*took <= (members == 2 ? 6s : 5s)); // whoever could confirm did
        world.fleet.run_for(20s);
        world.rests();
    }
}

TEST_CASE("fleet: loss of a third of all datagrams calls nobody down", "[sim]") {
    World world{16};
    world.settle();
    world.fleet.weather.loss = 300;
    world.fleet.run_for(10min);
    CHECK(world.fleet.wrong_downs() == 0);
    std::uint64_t doubts = 0;
    std::uint64_t published = 0;
    for (std::size_t node = 0; node < 16; ++node) {
        doubts += world.fleet.core(node).counters().doubts;
        published += world.fleet.core(node).counters().doubts_published;
    }
    CHECK(doubts > published); // a doubt is asked about before it is said
    CHECK(published <= 2);
    world.fleet.weather.loss = 0;
    world.fleet.run_for(20s);
    world.rests();
}

TEST_CASE("fleet: one that stood still accuses nobody, and is back by itself", "[sim]") {
    World world{16};
    world.settle();
    for (const auto pause : {500ms, 2000ms, 4000ms, 12'000ms, 70'000ms}) {
        world.fleet.pause(3);
        world.fleet.run_for(pause);
        world.fleet.resume(3);
        world.fleet.run_for(15s);
        CAPTURE(pause.count());
        CHECK(world.fleet.wrong_downs() == 0);
        CHECK(world.fleet.all_see_all());
    }
    world.rests();
}

TEST_CASE("fleet: a fleet cut in two heals by itself", "[sim]") {
    for (const std::size_t members : {2U, 4U, 16U}) {
        World world{members, members};
        world.settle();
        world.fleet.passes = [](std::size_t from, std::size_t to) { return from % 2 == to % 2; };
        world.fleet.run_for(90s);
        CHECK(world.fleet.seen(0, 1) == Standing::down);
        world.fleet.passes = nullptr;
        CAPTURE(members);
        CHECK(world.fleet.run_until([&] { return world.fleet.all_see_all(); }, 10s));
        world.fleet.run_for(75s); // who was alone asks to join once more, at its next turn
        world.rests();
    }
}

TEST_CASE("fleet: who hears nobody judges nobody for a minute, and says so", "[sim]") {
    World world{5};
    world.settle();
    int isolated = 0;
    int reconnected = 0;
    int downs = 0;
    world.fleet.on_event = [&](std::size_t node, const swim::Event& event) {
        isolated += node == 0 && event.kind == swim::Event::Kind::isolated ? 1 : 0;
        reconnected += node == 0 && event.kind == swim::Event::Kind::reconnected ? 1 : 0;
        downs += node == 0 && event.kind == swim::Event::Kind::down ? 1 : 0;
    };
    world.fleet.passes = [](std::size_t from, std::size_t to) { return from != 0 && to != 0; };
    world.fleet.run_for(50s);
    CHECK(isolated == 1);
    CHECK(downs == 0);
    world.fleet.passes = nullptr;
    world.fleet.run_for(10s);
    CHECK(reconnected == 1);
    CHECK(downs == 0);
    world.rests();
}

TEST_CASE("fleet: two of three dead are known to be, once its own outage would have ended",
          "[sim]") {
    World world{3};
    world.settle();
    world.fleet.kill(1);
    world.fleet.kill(2);
    world.fleet.run_for(50s);
    CHECK(world.fleet.core(0).is_isolated());
    const auto both_down = [&] {
        return world.all_see(1, Standing::down) && world.all_see(2, Standing::down);
    };
    CHECK_FALSE(both_down());
    CHECK(world.fleet.run_until(both_down, 60s));
}

TEST_CASE("fleet: one that leaves is left everywhere, silent, and may come back", "[sim]") {
    World world{6};
    world.settle();
    world.fleet.leave(3);
    world.fleet.run_for(2s);
    CHECK(world.all_see(3, Standing::left));
    CHECK(world.fleet.core(3).is_silent());
    world.fleet.kill(3);
    world.fleet.run_for(30s);
    CHECK(world.all_see(3, Standing::left));
    world.fleet.start(3, {0});
    world.fleet.run_for(3s);
    CHECK(world.all_see(3, Standing::alive));
    world.rests();
}

TEST_CASE("fleet: one with an older disk, or none, goes above what is held of it", "[sim]") {
    World world{5};
    world.settle();
    world.fleet.save_disk(2);
    for (int i = 0; i < 70; ++i) { // some refutations: beyond what the saved disk had reserved
        world.fleet.core(2).set_ring(world.fleet.now(), static_cast<std::uint32_t>(2 + i), 1);
        world.fleet.poke(2);
        world.fleet.run_for(100ms);
    }
    const auto before = world.fleet.core(0).find(world.fleet.id_of(2))->incarnation;
    world.fleet.kill(2);
    SECTION("older") {
        world.fleet.restore_disk(2);
    }
    SECTION("none") {
        world.fleet.wipe_disk(2);
    }
    world.fleet.run_for(1100ms);
    world.fleet.start(2, {0});
    world.fleet.run_for(5s);
    CHECK(world.all_see(2, Standing::alive));
    CHECK(world.fleet.core(0).find(world.fleet.id_of(2))->incarnation > before);
    world.fleet.run_for(10s);
    world.rests();
}

TEST_CASE("fleet: of two machines with one key one falls silent, and the other is held", "[sim]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world{5, seed};
        world.fleet.clone_key(1, 4);
        for (const std::size_t node : {0U, 1U, 2U, 3U}) {
            world.fleet.start(node, {0});
        }
        world.fleet.run_for(5s);
        int twins = 0;
        world.fleet.on_event = [&](std::size_t, const swim::Event& event) {
            twins += event.kind == swim::Event::Kind::twin_detected ? 1 : 0;
        };
        world.fleet.start(4, {0});
        const auto one_is_silent = [&] {
            return world.fleet.core(1).is_silent() || world.fleet.core(4).is_silent();
        };
        CAPTURE(seed);
        CHECK(world.fleet.run_until(one_is_silent, 60s));
        world.fleet.run_for(30s);
        CHECK(twins == 1);
        const std::size_t stays = world.fleet.core(1).is_silent() ? 4 : 1;
        CHECK_FALSE(world.fleet.core(stays).is_silent());
        const auto* const held = world.fleet.core(0).find(world.fleet.id_of(4));
        CHECK(held->alive->address == world.fleet.address_of(stays));
        CHECK(held->state == Standing::alive);
    }
}

TEST_CASE("fleet: a status and a hint reach everybody through loss", "[sim]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World world{16, seed};
        world.settle();
        std::size_t hinted = 0;
        world.fleet.on_event = [&](std::size_t, const swim::Event& event) {
            hinted += event.kind == swim::Event::Kind::hint && event.version == 9 ? 1U : 0U;
        };
        world.fleet.weather.loss = 300;
        const std::string status(200, 's');
        REQUIRE(world.fleet.core(5).set_status(world.fleet.now(), status, true));
        world.fleet.core(5).hint(world.fleet.now(), 1, 77, 9);
        world.fleet.poke(5);
        world.fleet.run_for(20s);
        CAPTURE(seed);
        CHECK(hinted == 15);
        for (std::size_t viewer = 0; viewer < 16; ++viewer) {
            const auto* const entry = world.fleet.core(viewer).find(world.fleet.id_of(5));
            CHECK((entry->status && entry->status->bytes() == status));
            CHECK(world.fleet.core(viewer).counters().late_ticks == 0);
        }
    }
}

// --- A member that was taken over ---------------------------------------------------------------

namespace {

/// Eight members, and a ninth place from which they are attacked.
struct Attacked {
    explicit Attacked(std::uint64_t seed = 7) : world{9, seed}, adversary{world.fleet, 8} {
        world.fleet.start_all(50ms, 8);
        world.fleet.run_for(15s);
    }
    /// Twenty bursts against member 3, one every 100 ms; looks at all after each.
    void strike(Attack attack, const std::function<void()>& look = [] {}) {
        adversary.appear();
        world.fleet.run_for(1s);
        for (int i = 0; i < 20; ++i) {
            adversary.strike(attack, 3);
            world.fleet.run_for(100ms);
            look();
        }
    }
    void ends() {
        adversary.vanish();
        world.fleet.run_for(100s);
        world.rests();
        for (std::size_t viewer = 0; viewer < 8; ++viewer) {
            CHECK(world.fleet.seen(viewer, 3) == Standing::alive);
            CHECK(world.fleet.seen(viewer, 8) == Standing::down);
        }
    }
    [[nodiscard]] std::uint64_t sum(std::uint64_t swim::Counters::* counter) const {
        std::uint64_t all = 0;
        for (std::size_t node = 0; node < 8; ++node) {
            all += world.fleet.core(node).counters().*counter;
        }
        return all;
    }

    World world;
    Adversary adversary;
};

} // namespace

TEST_CASE("fleet: forged accusations are refuted, and why names who told them",
          "[sim][adversary]") {
    Attacked attacked;
    auto& fleet = attacked.world.fleet;
    std::size_t named = 0;
    std::size_t accused_by_four = 0;
    attacked.strike(Attack::accusers, [&] {
        for (std::size_t viewer = 0; viewer < 8; ++viewer) {
            for (const auto& change : fleet.core(viewer).why(fleet.id_of(3))) {
                named += change.who == attacked.adversary.id() ? 1U : 0U;
                accused_by_four += change.accusers_count == swim::accusers_max ? 1U : 0U;
            }
        }
    });
    CHECK(named > 0);
    CHECK(accused_by_four > 0); // no more are kept, however many are named
    CHECK(fleet.core(3).counters().refutations > 0);
    attacked.ends();
}

TEST_CASE("fleet: what nobody could refute, sign or prove is dropped and counted",
          "[sim][adversary]") {
    struct Row {
        Attack attack;
        std::uint64_t swim::Counters::* counted;
    };
    const std::array<Row, 7> rows{{{Attack::leaps, &swim::Counters::news_too_high},
                                   {Attack::leaps, &swim::Counters::refutations},
                                   {Attack::boots, &swim::Counters::dropped_boot},
                                   {Attack::fields, &swim::Counters::news_forged},
                                   {Attack::forget, &swim::Counters::news_forged},
                                   {Attack::replays, &swim::Counters::dropped_replay},
                                   {Attack::own_id, &swim::Counters::dropped_own_id}}};
    for (const auto& row : rows) {
        CAPTURE(static_cast<int>(row.attack));
        Attacked attacked;
        const auto boot = attacked.world.fleet.core(3).own().boot();
        const auto before = attacked.sum(row.counted);
        attacked.strike(row.attack);
        CHECK(attacked.sum(row.counted) > before);
        CHECK(attacked.world.fleet.core(3).own().boot() == boot);
        CHECK_FALSE(attacked.world.fleet.core(3).is_silent());
        attacked.ends();
        for (std::size_t viewer = 0; viewer < 8; ++viewer) {
            const auto* const held =
                attacked.world.fleet.core(viewer).find(attacked.world.fleet.id_of(3));
            CHECK(held->alive->name() == "db3");
            CHECK(held->alive->address == attacked.world.fleet.address_of(3));
        }
    }
}

TEST_CASE("fleet: jumping periods and digests that never agree cost no verdict and few syncs",
          "[sim][adversary]") {
    for (const auto attack : {Attack::periods, Attack::digests}) {
        CAPTURE(static_cast<int>(attack));
        Attacked attacked;
        const auto syncs = attacked.sum(&swim::Counters::syncs);
        const auto bytes = attacked.sum(&swim::Counters::sync_bytes);
        attacked.strike(attack);
        CHECK(attacked.world.fleet.wrong_downs() == 0);
        CHECK(attacked.sum(&swim::Counters::syncs) - syncs <= 8 * 5); // one a second and member
        CHECK(attacked.sum(&swim::Counters::sync_bytes) - bytes < 8 * 256 * 1024);
        attacked.ends();
    }
}

TEST_CASE("fleet: who is given pages without end, and no record, reads from another",
          "[sim][adversary]") {
    Attacked attacked;
    auto& fleet = attacked.world.fleet;
    fleet.kill(5);
    fleet.wipe_disk(5);
    attacked.adversary.appear();
    fleet.run_for(5s);
    fleet.start(5, {8, 0}); // it asks the adversary and one other
    CHECK(fleet.run_until(
        [&] {
            std::size_t held = 0;
            for (std::size_t node = 0; node < 8; ++node) {
                held += fleet.seen(5, node) == Standing::alive ? 1U : 0U;
            }
            return held == 8;
        },
        5s));
    attacked.strike(Attack::pages);
    const auto asked =
        fleet.core(5).counters().out[static_cast<std::size_t>(proto::DatagramKind::page_ask)];
    CHECK(asked.datagrams < 100);
    attacked.ends();
}

TEST_CASE("fleet: who was answered by an adversary alone asks again when it is gone",
          "[sim][adversary]") {
    World world{4};
    Adversary adversary{world.fleet, 3};
    world.fleet.start(0, {});
    world.fleet.start(1, {0});
    world.fleet.run_for(2s);
    adversary.appear();
    world.fleet.passes = [](std::size_t from, std::size_t to) { return from != 2 || to == 3; };
    world.fleet.start(2, {3, 0});
    world.fleet.run_for(5s);
    REQUIRE_FALSE(world.fleet.seen(2, 1));
    adversary.vanish();
    world.fleet.run_for(100s);
    world.fleet.passes = nullptr;
    CHECK(world.fleet.run_until([&] { return world.fleet.all_see_all(); }, 40s));
}

TEST_CASE("fleet: a flood of statuses ends with what the member says of itself",
          "[sim][adversary]") {
    Attacked attacked;
    auto& fleet = attacked.world.fleet;
    REQUIRE(fleet.core(3).set_status(fleet.now(), "mine", true));
    fleet.poke(3);
    attacked.strike(Attack::statuses, [&] {
        for (std::size_t node = 0; node < 8; ++node) {
            CHECK(fleet.core(node).news().size(swim::NewsClass::statuses) <= 9); // one a member
        }
    });
    attacked.ends();
    for (std::size_t viewer = 0; viewer < 8; ++viewer) {
        const auto* const held = fleet.core(viewer).find(fleet.id_of(3));
        CHECK((held->status && held->status->bytes() == "mine"));
    }
}

// --- Figures ------------------------------------------------------------------------------------

namespace {

double median(std::vector<double> all) {
    std::ranges::sort(all);
    return all[all.size() / 2];
}
double to_s(Duration d) {
    return std::chrono::duration<double>(d).count();
}
bool all_hold_status(const FleetSim& fleet, std::size_t subject, std::string_view status) {
    for (std::size_t viewer = 0; viewer < fleet.size(); ++viewer) {
        const auto* const entry = fleet.core(viewer).find(fleet.id_of(subject));
        if (entry == nullptr || !entry->status || entry->status->bytes() != status) {
            return false;
        }
    }
    return true;
}

} // namespace

// Virtual time: the same on every machine, however busy it is. Bounds are a tenth above the table
// of gossip/README.md, or 15 % about what the design was simulated with.
TEST_CASE("fleet: it is as quick, and says as little, as its figures tell", "[sim][figures]") {
    struct Row {
        std::size_t members;
        std::uint64_t seeds;
        double join_max, hint_max, down_min, down_max;
    };
    const std::array<Row, 3> rows{{{5, 60, 0.034, 0.0121, 2.6, 3.5},
                                   {16, 60, 0.121, 0.026, 2.6, 3.5},
                                   {64, 8, 0.34, 0.1, 2.6, 3.6}}};
    for (const auto& row : rows) {
        std::vector<double> joins;
        std::vector<double> hints;
        std::vector<double> downs;
        for (std::uint64_t seed = 1; seed <= row.seeds; ++seed) {
            auto options = World::options(row.members, seed);
            options.check = false;
            FleetSim fleet{options};
            fleet.start_all();
            const auto begin = fleet.now();
            REQUIRE(fleet.run_until([&] { return fleet.all_see_all(); }, 10s));
            joins.push_back(to_s(fleet.now() - begin));
            fleet.run_for(15s + std::chrono::milliseconds{137 * seed % 1000});
            std::size_t heard = 0;
            std::size_t said = 0;
            fleet.on_event = [&](std::size_t, const swim::Event& event) {
                heard += event.kind == swim::Event::Kind::hint ? 1U : 0U;
                said += event.kind == swim::Event::Kind::down ? 1U : 0U;
            };
            const auto bytes = fleet.ip_bytes();
            fleet.run_for(10s);
            CHECK(static_cast<double>(fleet.ip_bytes() - bytes) / 10 /
                      static_cast<double>(row.members) <
                  260);
            fleet.core(0).hint(fleet.now(), 1, 1, 1);
            fleet.poke(0);
            const auto told = fleet.run_until([&] { return heard == row.members - 1; }, 5s, 1ms);
            REQUIRE(told);
            hints.push_back(to_s(*told));
            // What an instance tells of itself is at every agent within a second.
            const std::string status = "status " + std::to_string(seed);
            REQUIRE(fleet.core(1).set_status(fleet.now(), status, true));
            fleet.poke(1);
            const auto shown =
                fleet.run_until([&] { return all_hold_status(fleet, 1, status); }, 5s, 5ms);
            REQUIRE(shown);
            CHECK(to_s(*shown) <= 1);
            fleet.kill(row.members - 1);
            const auto known = fleet.run_until([&] { return said == row.members - 1; }, 30s);
            REQUIRE(known);
            downs.push_back(to_s(*known));
        }
        CAPTURE(row.members, median(joins), median(hints), median(downs));
        CHECK(median(joins) <= row.join_max);
        CHECK(median(hints) <= row.hint_max);
        CHECK(median(downs) >= row.down_min);
        CHECK(median(downs) <= row.down_max);
    }
}
