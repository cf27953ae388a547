// What somebody sends who holds the ring, or recorded what others sent, to make the core work, wait
// or answer without end.
#include "tests/unit/swim_scene.h"

using namespace jackdaw;
using namespace jackdaw::swim_test;

TEST_CASE("hostile: leaves that tell of a place twice are dropped, and answers stay few") {
    World world;
    Peer a{1};
    world.meet(a);
    std::vector<Peer> others;
    for (std::uint8_t number = 2; number < 150; ++number) {
        others.emplace_back(number);
        world.say(a, DatagramKind::gossip, {others.back().alive()});
    }
    REQUIRE(world.core->view().live() == 150);
    (void)world.sent();
    proto::DatagramBody body;
    body.leaves.push_back({}); // the root, and nobody is in it
    world.say(a, DatagramKind::leaf, {}, body);
    const auto answers = world.sent().size();
    CHECK(answers > 0);
    CHECK(answers <= answers_max);
    for (int i = 0; i < 50; ++i) {
        body.leaves.push_back({});
    }
    world.say(a, DatagramKind::leaf, {}, body);
    CHECK(world.sent().empty());
    CHECK(world.core->counters().dropped_malformed == 1);

    body.leaves.assign(proto::leaf_nodes_max + 1, {});
    proto::Datagram read;
    CHECK(proto::decode_gossip(world.write(a, DatagramKind::leaf, {}, body), read) ==
          proto::Decoded::bad);
}

TEST_CASE("hostile: what is over the budget of syncs is not even compared") {
    Limits limits;
    limits.sync_bytes_per_s = 1;
    limits.sync_bytes_burst = proto::gossip_datagram_bytes_max - 1;
    World world{limits};
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    (void)world.sent();
    proto::DatagramBody body;
    body.leaves.push_back({});
    world.say(a, DatagramKind::leaf, {}, body);
    CHECK(world.sent().empty());
    CHECK(world.commons.send.empty());
}

TEST_CASE("hostile: a stranger's datagram that comes again is dropped, until it may be another") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a);
    (void)world.sent();
    const auto join = world.write(b, DatagramKind::join, {});
    world.core->receive(world.now, b.address, join);
    CHECK(find_kind(world.sent(), DatagramKind::page) != nullptr);
    for (int i = 0; i < 10; ++i) {
        world.core->receive(world.now, a.address, join); // to somebody else's address
        CHECK(world.sent().empty());
    }
    CHECK(world.core->counters().dropped_replay == 10);
    world.say(b, DatagramKind::join);
    CHECK(find_kind(world.sent(), DatagramKind::page) != nullptr);
    b.boot -= 1;
    b.seq = 0;
    world.say(b, DatagramKind::join);
    CHECK(world.sent().empty());
    world.now += 61s; // it lost its disk, and its clock
    world.core->tick(world.now);
    (void)world.sent();
    world.say(b, DatagramKind::join);
    CHECK(find_kind(world.sent(), DatagramKind::page) != nullptr);
}

TEST_CASE("hostile: strangers are remembered up to a limit, the last ones") {
    swim::Strangers strangers{3};
    const Instant start{1000s};
    for (std::uint64_t id = 1; id <= 5; ++id) {
        CHECK(strangers.accept(start + std::chrono::seconds{id}, NodeId{id}, 1, 1));
    }
    CHECK(strangers.size() == 3);
    CHECK_FALSE(strangers.accept(start + 6s, NodeId{5}, 1, 1));
    CHECK_FALSE(strangers.accept(start + 6s, NodeId{3}, 1, 1));
    CHECK(strangers.accept(start + 6s, NodeId{1}, 1, 1)); // forgotten
    CHECK(strangers.accept(start + 6s, NodeId{5}, 2, 1));
    CHECK_FALSE(strangers.accept(start + 6s, NodeId{5}, 1, 9));
}

TEST_CASE("hostile: accusations without end are refuted a few times a second, the highest last") {
    World world;
    Peer a{1};
    world.meet(a);
    const auto& counters = world.core->counters();
    std::uint64_t highest = 0;
    for (int i = 0; i < 300; ++i) {
        highest = world.core->own().incarnation() + static_cast<std::uint64_t>(i % 3);
        world.say(a, DatagramKind::gossip,
                  {accusation(NewsKind::suspect, world.me.id, highest, a.id)});
        world.persist();
    }
    CHECK(counters.refutations == 32);
    world.pass(200ms);
    CHECK(counters.refutations == 33);
    CHECK(world.core->own().incarnation() > highest);
    CHECK(counters.late_ticks == 0);
}

TEST_CASE("hostile: doubts without end that others ask to look into hide no death") {
    Limits limits;
    limits.doubts = 1;
    limits.observer_probes = 0; // noted all the same
    World world{limits};
    Peer a{1};
    Peer b{2};
    Peer dead{3};
    world.meet(a, b, dead);
    proto::DatagramBody confirm;
    confirm.target = b.id;
    const auto& counters = world.core->counters();
    for (int i = 0; i < 400 && world.state(dead) == Standing::alive; ++i) { // 40 s at most
        world.say(b, DatagramKind::gossip); // which ends the doubt about it
        world.say(a, DatagramKind::confirm, {}, confirm);
        world.pass(100ms);
        (void)world.sent();
    }
    CHECK(world.state(dead) != Standing::alive);
    CHECK(world.state(b) == Standing::alive);
    CHECK(counters.doubts > 0);
    CHECK(world.core->doubts().size() <= 1);
}

TEST_CASE("hostile: false signatures without end hold up no true one") {
    Limits limits;
    limits.verifies_per_s = 100;
    World world{limits};
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b);
    const auto& counters = world.core->counters();
    const std::string wrong(64, 'w');
    const auto before = world.verified;
    for (int i = 0; i < 500; ++i) {
        b.incarnation = 11;
        auto forged = b.alive(); // under b's own key
        forged.signature = wrong;
        world.say(a, DatagramKind::gossip, {forged});
    }
    CHECK(world.verified - before == 17);
    CHECK(counters.news_forged == 17);
    CHECK(counters.news_ignored == 483);
    CHECK(world.core->unverified() == 0);
    world.say(b, DatagramKind::gossip, {b.alive()}); // the true one, and by itself
    CHECK(world.core->find(b.id)->incarnation == 11);
    world.say(a, DatagramKind::gossip, {c.alive()}); // not from who told of the others
    CHECK(world.state(c) == std::nullopt);
    world.pass(1100ms);
    world.say(a, DatagramKind::gossip, {c.alive()});
    CHECK(world.state(c) == Standing::alive);
}

TEST_CASE("hostile: lost input is forgiven three times, and then once in ten seconds") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    const auto& counters = world.core->counters();
    for (int i = 0; i < 5; ++i) {
        world.core->lost_input(world.now, 7);
    }
    CHECK(counters.lost_input == 35);
    CHECK(counters.losses_judged == 2);
    world.now += 10s;
    world.core->lost_input(world.now, 1);
    world.core->lost_input(world.now, 1);
    CHECK(counters.losses_judged == 3);
}

TEST_CASE("hostile: a boot beyond every clock is believed of the own key's signature alone") {
    constexpr std::uint32_t far = 4'100'000'000U;
    for (const bool proved : {false, true}) {
        World world;
        Peer a{1};
        world.core->join(world.now, std::span{&a.address, 1});
        world.core->tick(world.now);
        proto::DatagramBody body;
        body.boot = far;
        Peer earlier{200}; // this one's key
        earlier.boot = proved ? far : far - 1;
        world.say(a, DatagramKind::stale_boot, {earlier.alive()}, body);
        CHECK((world.core->own().boot() == far + 1) == proved);
        CHECK_FALSE(world.core->is_silent());
    }
}

TEST_CASE("hostile: graves beyond the limit go some at a time, the oldest first") {
    Limits limits;
    limits.tombstones = 64;
    World world{limits};
    Peer a{1};
    world.meet(a);
    std::vector<NodeId> buried;
    for (std::uint8_t number = 2; number < 150; ++number) {
        Peer one{number};
        world.now += 1ms;
        world.say(a, DatagramKind::gossip, {one.left(one.id, 10, proto::SignedAs::left)});
        buried.push_back(one.id);
        CHECK(world.core->view().graves().size() <= 64);
    }
    const auto kept = world.core->view().graves().size();
    CHECK(kept >= 60);
    CHECK(world.core->counters().graves_dropped == buried.size() - kept);
    for (std::size_t i = 0; i < buried.size(); ++i) {
        CHECK((world.core->view().tombstone_of(buried[i]) != nullptr) ==
              (i >= buried.size() - kept));
    }
}

TEST_CASE("core: nobody keeps a helper waiting for longer than an honest prober waits") {
    World world;
    Peer a{1};
    const Peer nobody{2};
    world.meet(a);
    proto::DatagramBody ask;
    ask.target = nobody.id;
    ask.address = nobody.address;
    ask.wait_ms = 65'000;
    for (std::size_t i = 0; i <= world.limits.relays; ++i) {
        ask.probe = static_cast<std::uint32_t>(i);
        world.say(a, DatagramKind::ping_req, {}, ask);
    }
    CHECK(world.core->counters().relays_refused == 1);
    world.pass(8100ms);
    (void)world.sent();
    world.say(a, DatagramKind::ping_req, {}, ask);
    CHECK(world.core->counters().relays_refused == 1); // there is room again
}
