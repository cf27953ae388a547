// What a member is sure of about itself: its numbers, its twin, its name, who reaches whom, and
// when it was late.
#include "tests/unit/swim_scene.h"

using namespace jackdaw;
using namespace jackdaw::swim_test;

TEST_CASE("core: nothing leaves before its incarnation and boot are durable") {
    World world;
    Peer a{1};
    world.say(a, DatagramKind::ping, {a.alive()});
    CHECK_FALSE(world.core->poll_send());
    const auto first = world.core->poll_persist();
    REQUIRE(first);
    world.core->persisted(world.now, *first);
    CHECK_FALSE(world.core->poll_send());
    const auto all = world.sent();
    REQUIRE(find_kind(all, DatagramKind::ack) != nullptr);
    // The stranger cannot know this member: its proof goes with the answer.
    CHECK(find_news(*find_kind(all, DatagramKind::ack), NewsKind::alive, world.me.id) != nullptr);
    CHECK(world.count(Event::Kind::joined) == 1);
}

TEST_CASE("core: whom only others hear is told of, until it answers itself") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    (void)world.sent();
    // b answers nothing, and a says that it heard it, each time.
    std::uint32_t probe = 0;
    const auto is_missed = [&] {
        return !world.core->detours().empty() && world.core->detours()[0].id == b.id;
    };
    for (int i = 0; i < 100 && !is_missed(); ++i) {
        world.pass(50ms);
        const auto all = world.sent();
        for (const auto& one : all) {
            if (one.read.body.kind == DatagramKind::ping && one.to == b.address) {
                probe = one.read.body.probe;
            }
            if (one.read.body.kind == DatagramKind::ping_req && one.read.body.target == b.id) {
                proto::DatagramBody heard;
                heard.probe = one.read.body.probe;
                heard.target = b.id;
                world.say(a, DatagramKind::ind_ack, {}, heard);
            } else if (one.read.body.kind == DatagramKind::ping && one.to == a.address) {
                proto::DatagramBody ack;
                ack.probe = one.read.body.probe;
                world.say(a, DatagramKind::ack, {}, ack);
            }
        }
    }
    REQUIRE(is_missed());
    CHECK(world.core->detours()[0].times == 1);
    CHECK(world.state(b) == Standing::alive);
    world.say(b, DatagramKind::gossip); // it is heard, which says nothing of the way to it
    CHECK(is_missed());
    proto::DatagramBody late;
    late.probe = probe;
    world.say(b, DatagramKind::ack, {}, late);
    CHECK(world.core->detours().empty());
}

TEST_CASE("core: who asks and hears nobody takes a later boot, once a minute, and no other does") {
    World world;
    Peer a{1};
    world.persist();
    const auto boot = world.core->self().alive->boot;
    const std::array addresses{a.address};
    world.core->join(world.now, addresses);
    world.pass(5s);
    CHECK(world.core->self().alive->boot == boot);
    world.pass(25s);
    CHECK(world.core->self().alive->boot == boot + 1);
    CHECK(world.core->self().incarnation > 500);
    (void)world.sent();
    world.pass(30s);
    CHECK(world.core->self().alive->boot == boot + 1);
    world.pass(90s);
    CHECK(world.core->self().alive->boot >= boot + 2);
    CHECK(world.core->self().alive->boot <= boot + 3);
    world.meet(a); // others are known: whom it asks beside them is another matter
    (void)world.sent();
    const auto before = world.core->self().alive->boot;
    for (int i = 0; i < 300; ++i) {
        world.pass(500ms);
        world.say(a, DatagramKind::gossip);
    }
    CHECK(world.core->self().alive->boot == before);
}

TEST_CASE("core: who is shut out by its keys takes no later boot until it is let in") {
    World world;
    Peer a{1};
    world.persist();
    const auto boot = world.core->self().alive->boot;
    const std::array addresses{a.address};
    world.core->join(world.now, addresses);
    world.core->set_shut_out(true);
    world.pass(5min);
    CHECK(world.core->self().alive->boot == boot);
    CHECK_FALSE(world.sent().empty()); // it asks on
    world.core->set_shut_out(false);
    world.pass(30s);
    CHECK(world.core->self().alive->boot == boot + 1);
}

TEST_CASE(
    "core: near the end of incarnations nothing is answered, and there is room for own news") {
    World world;
    Peer a{1};
    world.meet(a);
    world.persist();
    Peer older = world.me; // signed with its own key
    older.boot = world.core->own().boot() - 1;
    older.incarnation = proto::incarnation_end - 2;
    world.say(a, DatagramKind::gossip, {older.alive()});
    CHECK(world.core->own().incarnation() < 1'000'000);
    older.incarnation = answered_end - 1;
    world.say(a, DatagramKind::gossip, {older.alive()});
    CHECK(world.core->own().incarnation() == answered_end);
    world.say(a, DatagramKind::ping,
              {accusation(NewsKind::down, world.me.id, answered_end + 5, a.id)});
    CHECK(world.core->own().incarnation() == answered_end);
    CHECK(world.core->counters().news_too_high == 1);
    world.core->set_name(world.now, "another");
    CHECK(world.core->self().incarnation == answered_end + 1);
}

TEST_CASE("core: who took a later boot proves it to the down, too, since they may hear it again") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    REQUIRE(world.core->set_status(world.now, "mine", true));
    world.digest = world.core->view().digest();
    world.say(a, DatagramKind::ack); // a knows this member as it is
    world.call_down(b, a);
    REQUIRE(world.state(a) == Standing::down);
    const auto boot = world.core->own().boot();
    NewsItem status; // in this member's name, at the end of its numbers
    status.kind = NewsKind::status;
    status.id = world.me.id;
    status.version = std::uint64_t{boot} << 32U | 0xFFFF'FFFFU;
    status.bytes = "theirs";
    world.say(b, DatagramKind::gossip, {status});
    REQUIRE(world.core->own().boot() == boot + 1);
    std::size_t pings = 0;
    std::size_t proved = 0;
    for (int i = 0; i < 20; ++i) {
        world.pass(500ms);
        world.digest = world.core->view().digest();
        world.say(b, DatagramKind::ack); // it knows the new life, which says nothing of a
        for (const auto& one : world.sent()) {
            const bool heals = one.read.body.kind == DatagramKind::ping && one.to == a.address;
            if (heals && i >= 10) { // what there was of news was told by then
                ++pings;
                proved += find_news(one, NewsKind::alive, world.me.id) != nullptr ? 1U : 0U;
            }
        }
    }
    CHECK(pings > 0);
    CHECK(proved == pings);
}

TEST_CASE("core: two alive members of one name stay members, and it is told once") {
    World world;
    Peer a{1};
    Peer b{2};
    b.name = a.name;
    world.meet(a, b);
    world.pass(3s);
    CHECK(world.count(Event::Kind::name_conflict) == 1);
    CHECK(world.core->view().live() == 3);
}

TEST_CASE("core: who takes a name that another has is told of it itself") {
    World world;
    Peer a{1};
    world.meet(a);
    world.pass(2s);
    CHECK(world.count(Event::Kind::name_conflict) == 0);
    world.core->set_name(world.now, a.name);
    world.pass(2s);
    CHECK(world.count(Event::Kind::name_conflict) == 1);
}

TEST_CASE("core: of two machines with one key the lower boot falls silent; of one boot, the lower "
          "address") {
    World world;
    Peer a{1};
    world.meet(a);
    world.persist();
    Peer twin = world.me;
    twin.name = "me";
    twin.boot = world.core->self().alive->boot;
    twin.incarnation = world.core->self().incarnation;
    const auto hear = [&] { // which says that it is above
        world.say(a, DatagramKind::gossip, {twin.alive()});
        world.persist();
        twin.incarnation = world.core->self().incarnation + 1;
    };
    SECTION("what it said itself is nobody else's") {
        for (int i = 0; i < 3; ++i) {
            const auto own = world.core->self().alive->as_news();
            world.say(a, DatagramKind::gossip, {own});
        }
        CHECK(world.core->self().incarnation == twin.incarnation);
    }
    SECTION("a higher boot") {
        ++twin.boot;
        hear();
        CHECK_FALSE(world.core->is_silent());
        hear();
        CHECK(world.core->is_silent());
        CHECK(world.count(Event::Kind::twin_detected) == 1);
        CHECK(world.sent().empty());
    }
    SECTION("a lower boot") {
        --twin.boot;
        hear();
        hear();
        hear();
        CHECK_FALSE(world.core->is_silent());
    }
    SECTION("the same boot, at a higher address") {
        ++twin.address.ip[3];
        hear();
        hear();
        CHECK(world.core->is_silent());
    }
    SECTION("the same boot, at a lower address") {
        --twin.address.ip[3];
        hear();
        hear();
        hear();
        CHECK_FALSE(world.core->is_silent());
        CHECK(world.core->self().incarnation == twin.incarnation - 1); // it goes above each time
    }
    SECTION("once in a minute is an older disk") {
        ++twin.boot;
        hear();
        world.pass(61s);
        hear();
        CHECK_FALSE(world.core->is_silent());
    }
}

TEST_CASE("core: who began a fleet and is alone asks those it knew, and then in a later boot") {
    World world; // without an address to join at
    Peer a{1};
    world.meet(a);
    world.pass(10s);
    REQUIRE(world.state(a) == Standing::down);
    const auto first = world.sent().back().read.header.boot;
    world.pass(1min);
    const auto later = world.sent();
    const auto asks = [&](const Heard& heard) {
        return heard.read.body.kind == DatagramKind::join && heard.to == a.address;
    };
    const auto ask = std::ranges::find_if(later, asks);
    REQUIRE(ask != later.end());
    CHECK(ask->read.header.boot == first);
    const auto last = std::find_if(later.rbegin(), later.rend(), asks);
    CHECK(last->read.header.boot > first); // a's machine may have heard a copy of this disk
}

TEST_CASE("core: the addresses kept for the next start are never taken away by others' deaths") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    std::vector<std::vector<NetAddress>> kept;
    for (const auto end = world.now + 150s; world.now < end;) {
        world.now = std::max(world.now, world.core->next_wakeup());
        world.core->tick(world.now);
        while (const auto record = world.core->poll_persist()) {
            if (record->kind == Persist::Kind::addresses) {
                kept.push_back(record->addresses);
            }
            world.core->persisted(world.now, *record);
        }
        if (kept.empty()) { // b says something new now and then, and a is gone
            ++b.incarnation;
            world.say(b, DatagramKind::gossip, {b.alive()});
        }
    }
    REQUIRE(world.state(a) == Standing::down);
    REQUIRE(world.state(b) == Standing::down);
    REQUIRE_FALSE(kept.empty());
    for (const auto& addresses : kept) {
        REQUIRE(addresses.size() == 2);
        CHECK(addresses[0] == b.address); // who lives first
        CHECK(addresses[1] == a.address);
    }
    // All that there were have left: what was kept stands.
    const auto times = kept.size();
    ++a.incarnation;
    world.say(a, DatagramKind::gossip, {a.alive()});
    world.say(a, DatagramKind::gossip, {a.left(a.id, a.incarnation, proto::SignedAs::left)});
    ++b.incarnation;
    world.say(b, DatagramKind::gossip, {b.alive()});
    world.say(b, DatagramKind::gossip, {b.left(b.id, b.incarnation, proto::SignedAs::left)});
    REQUIRE(world.core->view().live() == 1);
    for (const auto end = world.now + 90s; world.now < end;) {
        world.now = std::max(world.now, world.core->next_wakeup());
        world.core->tick(world.now);
        while (const auto record = world.core->poll_persist()) {
            CHECK(record->kind != Persist::Kind::addresses);
            world.core->persisted(world.now, *record);
        }
    }
    CHECK(kept.size() == times);
}

TEST_CASE("core: who leaves tells three others, not one three times, and says nothing above it") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    (void)world.sent();
    world.core->leave(world.now);
    const auto left_at = world.core->own().incarnation();
    // What happens to it meanwhile: a new name, a new ring, an older disk's word, a boot.
    world.core->set_name(world.now, "other");
    world.core->set_ring(world.now, 7, 7);
    Peer twin = world.me;
    twin.boot = world.core->own().boot();
    twin.incarnation = left_at + 5;
    world.say(a, DatagramKind::gossip, {twin.alive()});
    std::size_t pings_to_a = 0;
    const auto answer_for = [&](Peer& peer) {
        const auto all = world.sent();
        for (const auto& one : all) {
            for (const auto& item : one.read.news) {
                CHECK((item.id != world.me.id || item.kind == NewsKind::left ||
                       item.incarnation < left_at));
            }
            if (one.read.body.kind == DatagramKind::ping && one.to == peer.address) {
                pings_to_a += &peer == &a ? 1U : 0U;
                proto::DatagramBody ack;
                ack.probe = one.read.body.probe;
                world.say(peer, DatagramKind::ack, {}, ack);
            }
        }
    };
    for (int i = 0; i < 4; ++i) {
        world.pass(200ms);
        answer_for(a);
    }
    CHECK(pings_to_a > 0);
    CHECK_FALSE(world.core->is_silent());
    world.pass(300ms); // a second is over
    CHECK(world.core->is_silent());
    CHECK(world.count(Event::Kind::left) == 1);
}

TEST_CASE("core: after a late tick running probes end without a verdict") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    world.pass(1100ms); // a probe runs
    const auto failed = world.core->counters().probes_failed;
    world.now = world.core->next_wakeup() + 10s;
    world.core->tick(world.now);
    CHECK(world.core->counters().late_ticks == 1);
    CHECK(world.core->counters().probes_failed == failed);
    CHECK(world.core->doubts().size() == 0);
    CHECK(world.core->next_wakeup() > world.now);
}

TEST_CASE("core: who was alone with news is not late when a page brings somebody to tell it to") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    world.call_down(a, b);
    world.call_down(b, a);
    REQUIRE(world.core->view().live() == 1);
    world.pass(1500ms);
    REQUIRE_FALSE(world.core->news().empty());
    world.now = std::max(world.now, world.core->next_wakeup() - 300ms); // between two periods
    a.incarnation = 11;
    world.say(a, DatagramKind::page, {a.alive()});
    REQUIRE(world.core->view().live() == 2);
    world.pass(200ms);
    CHECK(world.core->counters().late_ticks == 0);
}

TEST_CASE(
    "core: a late tick is forgiven while nobody is heard, else three times and once a minute") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    const auto& counters = world.core->counters();
    const auto late = [&](bool is_heard) {
        world.now = std::max(world.now, world.core->next_wakeup()) + late_after + 1ms;
        if (is_heard) {
            world.say(a, DatagramKind::gossip);
        }
        world.core->tick(world.now);
        world.persist();
    };
    for (int i = 0; i < 8; ++i) {
        late(false);
    }
    CHECK(counters.late_ticks == 8);
    CHECK(counters.lates_judged == 0);
    for (int i = 0; i < 9 && counters.late_ticks < 13; ++i) { // what is heard may end what was due
        late(true);
    }
    CHECK(counters.late_ticks == 13);
    CHECK(counters.lates_judged == 2);
    late(false); // the network, too, may have stood still
    CHECK(counters.lates_judged == 2);
    world.now += 60s;
    late(true);
    late(true);
    CHECK(counters.lates_judged == 3);
    // A silence longer than an outage of one's own excuses nothing, as with the deaf rule.
    world.now += Config::lan().deaf_hold;
    late(false);
    CHECK(counters.lates_judged == 3); // a minute had passed
    late(false);
    CHECK(counters.lates_judged == 4);
}

TEST_CASE("core: who is always late, and spoken to, calls the dead down") {
    for (const bool is_spoken_to : {false, true}) {
        World world;
        Peer a{1};
        Peer b{2};
        world.meet(a, b);
        CAPTURE(is_spoken_to);
        for (int i = 0; i < 40 && world.state(b) != Standing::down; ++i) { // 30 s at most
            world.now += 750ms;
            for (const auto& one : world.sent()) {
                if (is_spoken_to && one.to == a.address &&
                    one.read.body.kind == DatagramKind::ping) {
                    proto::DatagramBody ack;
                    ack.probe = one.read.body.probe;
                    world.say(a, DatagramKind::ack, {}, ack);
                }
            }
            if (is_spoken_to) {
                world.say(a, DatagramKind::gossip);
            }
            world.core->tick(world.now);
        }
        CHECK((world.state(b) == Standing::down) == is_spoken_to);
        CHECK(world.state(a) == Standing::alive);
    }
}

TEST_CASE(
    "core: who is pinged when half of its period is over runs it then, once, and by nothing else") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    const auto pings = [&] {
        const auto all = world.sent();
        return std::ranges::count_if(
            all, [&](const Heard& one) { return one.read.body.kind == DatagramKind::ping; });
    };
    // Up to a period that begins now; its probe is answered, so nothing runs.
    const auto to_period = [&] {
        for (int i = 0; i < 100; ++i) {
            world.now = world.core->next_wakeup();
            world.core->tick(world.now);
            for (const auto& one : world.sent()) {
                if (one.read.body.kind == DatagramKind::ping) {
                    proto::DatagramBody ack;
                    ack.probe = one.read.body.probe;
                    world.say(one.to == a.address ? a : b, DatagramKind::ack, {}, ack);
                    (void)world.sent();
                    return;
                }
            }
        }
        FAIL("no ping in a hundred wakeups");
    };
    world.pass(1s);
    (void)world.sent();
    to_period();
    const auto say = [&](DatagramKind kind) {
        world.say(a, kind);
        world.core->tick(world.now);
        return pings();
    };
    const auto began = world.now;
    world.now += 490ms;
    CHECK(say(DatagramKind::ping) == 0); // not half yet
    world.now = began + 510ms;
    CHECK(say(DatagramKind::gossip) == 0);
    CHECK(say(DatagramKind::ping) == 1);
    CHECK(say(DatagramKind::ping) == 0); // and not the next one, too
    CHECK(world.core->counters().late_ticks == 0);
    // The next is due as ever.
    to_period();
    CHECK(world.now - began >= 1900ms);
    CHECK(world.now - began <= 2000ms);
}
