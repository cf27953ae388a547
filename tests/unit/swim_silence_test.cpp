// Who hears nobody: what it thinks of others, and what it says of them.
#include "tests/unit/swim_scene.h"

using namespace jackdaw;
using namespace jackdaw::swim_test;

namespace {

/// One more of a fleet of many.
struct Many {
    World world;
    std::vector<Peer> peers;

    explicit Many(std::uint8_t count) {
        for (std::uint8_t number = 1; number <= count; ++number) {
            peers.emplace_back(number);
            world.meet(peers.back());
        }
        (void)world.sent();
    }
    /// Second by second, for the outbox has an end. How many accusations were sent to somebody
    /// whom they are not about.
    std::size_t pass(int seconds) {
        std::size_t told = 0;
        for (int i = 0; i < seconds; ++i) {
            world.pass(1s);
            for (const auto& heard : world.sent()) {
                told += static_cast<std::size_t>(
                    std::ranges::count_if(heard.read.news, [&](const NewsItem& item) {
                        const auto* const about = world.core->find(item.id);
                        return (item.kind == NewsKind::suspect || item.kind == NewsKind::down) &&
                               about != nullptr && about->alive->address != heard.to;
                    }));
            }
        }
        return told;
    }
};

} // namespace

TEST_CASE("core: who hears nobody for three periods is isolated, and judges nobody") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    world.pass(20s);
    CHECK(world.core->is_deaf(world.now));
    CHECK(world.core->is_isolated());
    for (const auto* const peer : {&a, &b, &c}) {
        CHECK(world.state(*peer) <= Standing::suspect); // of before it was deaf, at worst
    }
    world.say(a, DatagramKind::gossip);
    CHECK_FALSE(world.core->is_isolated());
    const auto all = world.events();
    CHECK(std::ranges::count(all, Event::Kind::isolated, &Event::kind) == 1);
    CHECK(std::ranges::count(all, Event::Kind::reconnected, &Event::kind) == 1);
}

TEST_CASE("core: one of the few that outlive a large fleet judges on until nobody is missed") {
    Many all{150};
    auto& [world, peers] = all;
    const auto begin = world.now;
    while (world.now < begin + 130s) { // the other is heard now and then
        world.pass(4s);
        (void)world.sent();
        ++peers[0].incarnation;
        world.say(peers[0], DatagramKind::gossip, {peers[0].alive()});
        if (world.now < begin + 60s) {
            REQUIRE(world.core->view().live() == 151);
        }
    }
    CHECK(world.state(peers[0]) == Standing::alive);
    CHECK(world.core->view().live() < 30); // at eight probes a period
}

TEST_CASE("core: who alone outlives a fleet knows it soon after its own outage would have ended") {
    Many all{63};
    const auto& core = *all.world.core;
    CHECK(all.pass(59) == 0);
    CHECK(core.view().live() == 64);
    SECTION("they are dead") {
        CHECK(all.pass(100) == 0); // at one probe of eight seconds at a time it would know a dozen
        CHECK(core.view().live() == 1);
    }
    SECTION("its own outage ends while it begins to judge") {
        CHECK(all.pass(13) == 0); // the first suspicions are about to run out
        const auto suspects = core.view().suspects();
        REQUIRE(suspects > 1);
        (void)all.world.events();
        all.world.say(all.peers[0], DatagramKind::gossip);
        CHECK(core.view().suspects() == 0); // taken back, for it was this one that was cut off
        CHECK(core.suspicions().size() == 0);
        CHECK(all.world.count(Event::Kind::recovered) == suspects);
        CHECK(all.pass(1) == 0);
        CHECK(core.view().dead() == 0);
    }
    SECTION("its own outage ends when it has called them down") {
        (void)all.pass(100);
        REQUIRE(core.view().dead() == 63);
        all.peers[0].incarnation += 1;
        all.world.say(all.peers[0], DatagramKind::gossip, {all.peers[0].alive()});
        CHECK(all.world.state(all.peers[0]) == Standing::alive);
        CHECK(all.pass(1) == 0); // each is told of itself alone, and refutes it
    }
}

TEST_CASE("core: a suspicion that ran out while nobody was heard ends with that; no tick is late") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    SECTION("somebody is heard before two periods are over") {
        std::vector<NewsItem> accusers;
        for (const auto by : {a.id, c.id, NodeId{77}}) {
            accusers.push_back(accusation(NewsKind::suspect, b.id, 10, by));
            accusers.back().age_ms = 400; // it ends after 1.6 s
        }
        world.say(a, DatagramKind::gossip, accusers);
        world.pass(1950ms);
        CHECK(world.core->is_deaf(world.now));
        CHECK(world.state(b) == Standing::suspect);
        world.say(a, DatagramKind::gossip);
        world.pass(1ms);
    }
    SECTION("nobody is, until its own outage would have ended") {
        world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, b.id, 10, a.id)});
        world.pass(59s);
        CHECK(world.state(b) == Standing::suspect);
        world.pass(2s);
    }
    CHECK(world.state(b) == Standing::down);
    CHECK(world.core->counters().late_ticks == 0);
}

TEST_CASE(
    "core: who was isolated for so long that all others are down is reconnected all the same") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    world.pass(200s);
    REQUIRE(world.state(a) == Standing::down);
    REQUIRE(world.state(b) == Standing::down);
    CHECK(world.core->is_isolated());
    CHECK(world.count(Event::Kind::reconnected) == 0);
    world.say(a, DatagramKind::gossip);
    CHECK_FALSE(world.core->is_isolated());
    CHECK(world.count(Event::Kind::reconnected) == 1);
}

TEST_CASE("core: who accuses asks the accused once a period, with the accusation on board") {
    Many all{40}; // by chance it would be asked once in so many periods
    auto& world = all.world;
    auto& accused = all.peers.front();
    const auto told = [&] { // of itself, in a ping
        const auto sent = world.sent();
        return std::ranges::any_of(sent, [&](const Heard& heard) {
            return heard.to == accused.address && heard.read.body.kind == DatagramKind::ping &&
                   find_news(heard, NewsKind::suspect, accused.id) != nullptr;
        });
    };
    const auto others = [&] { // are heard, and do not answer for it
        for (auto& peer : all.peers) {
            if (&peer != &accused) {
                world.say(peer, DatagramKind::gossip);
            }
        }
    };
    for (int i = 0; i < 3000 && world.state(accused) == Standing::alive; ++i) {
        world.pass(100ms);
        (void)world.sent();
        others();
    }
    REQUIRE(world.state(accused) == Standing::suspect);
    for (int period = 0; period < 4; ++period) {
        world.pass(1s);
        others();
        CHECK(told());
    }
    ++accused.incarnation;
    world.say(accused, DatagramKind::gossip, {accused.alive()});
    CHECK(world.state(accused) == Standing::alive);
    for (int period = 0; period < 3; ++period) {
        world.pass(1s);
        others();
        CHECK_FALSE(told());
    }
}

TEST_CASE("core: who is called down and was not suspected is asked first, and told") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    world.pass(3s); // what it knows is told
    (void)world.sent();
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::down, b.id, 10, a.id)});
    CHECK(world.state(b) == Standing::alive);
    world.pass(500ms);
    std::size_t asked = 0;
    std::size_t passed_on = 0;
    for (const auto& heard : world.sent()) {
        const bool tells = find_news(heard, NewsKind::down, b.id) != nullptr;
        asked += tells && heard.to == b.address && heard.read.body.kind == DatagramKind::ping;
        passed_on += tells && heard.to != b.address;
    }
    CHECK(asked > 0);
    CHECK(passed_on > 0);
    ++b.incarnation;
    world.say(b, DatagramKind::gossip, {b.alive()});
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::down, b.id, 10, a.id)});
    CHECK(world.state(b) == Standing::alive);
    CHECK(world.core->counters().downs == 0);
}

TEST_CASE("core: who is called down, and was not suspected, and does not answer goes down") {
    Many all{8};
    auto& world = all.world;
    auto& dead = all.peers.front();
    auto& teller = all.peers.back();
    world.say(teller, DatagramKind::gossip,
              {accusation(NewsKind::down, dead.id, dead.incarnation, teller.id)});
    for (int i = 0; i < 80; ++i) {
        world.pass(100ms);
        (void)world.sent();
        for (auto& peer : all.peers) {
            if (&peer != &dead) {
                world.say(peer, DatagramKind::gossip);
            }
        }
    }
    CHECK(world.state(dead) != Standing::alive);
}
