// The membership core against peers that are written by hand: each case is one rule.
#include "tests/unit/swim_scene.h"

using namespace jackdaw;
using namespace jackdaw::swim_test;

TEST_CASE("core: a datagram that comes again, of a lower boot, or of an unproved higher one, is "
          "dropped") {
    World world;
    Peer a{1};
    world.meet(a);
    const auto bytes = world.write(a, DatagramKind::ping, {});
    world.core->receive(world.now, a.address, bytes);
    world.core->receive(world.now, a.address, bytes);
    CHECK(world.core->counters().dropped_replay == 1);
    (void)world.sent();

    a.boot = 999;
    world.say(a, DatagramKind::ping);
    CHECK(world.core->counters().dropped_boot == 1);
    const auto answer = world.sent();
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].read.body.kind == DatagramKind::stale_boot);
    CHECK(answer[0].read.body.boot == 1000);
    world.say(a, DatagramKind::ping); // told once per second
    CHECK(world.sent().empty());

    a.boot = 1001;
    a.seq = 0;
    world.say(a, DatagramKind::ping);
    CHECK(world.core->counters().dropped_boot == 3);
    CHECK(world.sent().empty());
    world.say(a, DatagramKind::ping, {a.alive()}); // proved, though it is no news
    CHECK(find_kind(world.sent(), DatagramKind::ack) != nullptr);
}

TEST_CASE("core: a stranger may join, ping and gossip, and nothing else") {
    World world;
    for (std::uint8_t kind = 1; kind < proto::datagram_kinds; ++kind) {
        Peer a{static_cast<std::uint8_t>(kind + 1)};
        proto::DatagramBody body;
        body.target = world.me.id;
        body.address = a.address;
        const auto dropped = world.core->counters().dropped_stranger;
        world.say(a, static_cast<DatagramKind>(kind), {}, body);
        const auto what = static_cast<DatagramKind>(kind);
        const bool may = what == DatagramKind::ping || what == DatagramKind::gossip ||
                         what == DatagramKind::join;
        CAPTURE(static_cast<int>(kind));
        CHECK(world.core->counters().dropped_stranger == dropped + (may ? 0 : 1));
    }
}

TEST_CASE("core: an accusation of this member is refuted in the answer, unless it leaps too far") {
    World world;
    Peer a{1};
    world.meet(a);
    (void)world.sent();
    const auto before = world.core->own().incarnation();
    world.say(a, DatagramKind::ping,
              {accusation(NewsKind::suspect, world.me.id, before + 3, a.id)});
    CHECK(world.core->own().incarnation() == before + 4);
    CHECK(world.core->health() == 1);
    const auto all = world.sent();
    const auto* const ack = find_kind(all, DatagramKind::ack);
    REQUIRE(ack != nullptr);
    const auto* const alive = find_news(*ack, NewsKind::alive, world.me.id);
    REQUIRE(alive != nullptr);
    CHECK(alive->incarnation == before + 4);
    CHECK(world.count(Event::Kind::refuted) == 1);

    // An old one, too, when nothing is left to be told and the peer's view is this one's.
    world.digest = world.core->view().digest();
    for (int i = 0; i < 8; ++i) {
        world.say(a, DatagramKind::ping);
        (void)world.sent();
    }
    REQUIRE(world.core->news().empty());
    world.say(a, DatagramKind::ping, {accusation(NewsKind::suspect, world.me.id, before, a.id)});
    CHECK(world.core->own().incarnation() == before + 4);
    const auto later = world.sent();
    REQUIRE(find_kind(later, DatagramKind::ack) != nullptr);
    CHECK(find_news(*find_kind(later, DatagramKind::ack), NewsKind::alive, world.me.id) != nullptr);

    world.say(a, DatagramKind::ping,
              {accusation(NewsKind::down, world.me.id, before + 5 + incarnation_leap, a.id)});
    CHECK(world.core->own().incarnation() == before + 4);
    CHECK(world.core->counters().news_too_high == 1);
    CHECK(world.core->self().state == Standing::alive);
}

TEST_CASE(
    "core: accusations that leap are refuted as often as a disk can follow, the highest last") {
    World world;
    Peer a{1};
    world.meet(a);
    const auto& counters = world.core->counters();
    for (int i = 0; i < 10; ++i) {
        const auto far = world.core->own().incarnation() + incarnation_leap;
        world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, world.me.id, far, a.id)});
        world.persist();
    }
    CHECK(counters.refutations == 4); // each waits for a record, and so does all that is sent
    const auto before = world.core->own().incarnation();
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, world.me.id, before, a.id)});
    CHECK(counters.refutations == 5); // what waits for none is not held back
    world.pass(300ms);
    CHECK(counters.refutations == 6);
    CHECK(world.core->self().incarnation == before + incarnation_leap + 1);
    CHECK(counters.late_ticks == 0);
}

TEST_CASE(
    "core: a false signature costs its item alone; a key that is not the id's is no signature") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    auto forged = a.alive();
    const std::string wrong(64, 'w');
    forged.signature = wrong;
    auto foreign = b.alive();
    foreign.public_key = view_of(c.key);
    world.say(c, DatagramKind::gossip, {forged, foreign, c.alive()});
    CHECK(world.state(a) == std::nullopt);
    CHECK(world.state(b) == std::nullopt);
    CHECK(world.state(c) == Standing::alive);
    CHECK(world.core->counters().news_forged == 2);
}

TEST_CASE(
    "core: suspect and down are believed from anybody, left from its subject or an operator") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer operator_{9};
    world.meet(a, b);
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, b.id, 10, a.id)});
    CHECK(world.state(b) == Standing::suspect);
    b.incarnation = 11;
    world.say(b, DatagramKind::gossip, {b.alive()});
    CHECK(world.state(b) == Standing::alive);
    world.call_down(a, b);
    CHECK(world.state(b) == Standing::down);
    CHECK(world.core->why(b.id).back().cause == Cause::heard);

    b.incarnation = 12;
    world.say(b, DatagramKind::gossip, {b.alive()});
    world.say(a, DatagramKind::gossip, {a.left(b.id, 12, proto::SignedAs::left)});
    world.say(a, DatagramKind::gossip, {operator_.left(b.id, 12, proto::SignedAs::forget)});
    CHECK(world.state(b) == Standing::alive);
    REQUIRE(world.core->set_operators({operator_.key}));
    world.say(a, DatagramKind::gossip, {operator_.left(b.id, 12, proto::SignedAs::left)});
    CHECK(world.state(b) == Standing::alive); // signed as something else
    world.say(a, DatagramKind::gossip, {operator_.left(b.id, 12, proto::SignedAs::forget)});
    CHECK(world.state(b) == std::nullopt);
    CHECK(world.core->view().tombstone_of(b.id) != nullptr);
    world.say(a, DatagramKind::gossip, {b.alive()}); // not above its grave
    CHECK(world.state(b) == std::nullopt);
    b.incarnation = 13;
    world.say(a, DatagramKind::gossip, {b.alive()});
    CHECK(world.state(b) == Standing::alive);
    world.say(a, DatagramKind::gossip, {b.left(b.id, 13, proto::SignedAs::left)});
    CHECK(world.state(b) == Standing::left);
}

TEST_CASE("core: why tells from what a member became suspect") {
    World world;
    Peer a{1};
    Peer b{2};
    world.meet(a, b);
    const auto from = [&] { return world.core->why(b.id).back().from; };
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, b.id, 10, a.id)});
    CHECK(from() == Standing::alive);
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::down, b.id, 11, a.id)});
    CHECK(from() == Standing::suspect);
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, b.id, 12, a.id)});
    CHECK(world.state(b) == Standing::suspect);
    CHECK(from() == Standing::down);
}

TEST_CASE("core: forget needs a member, its incarnation, and an operator's signature") {
    World world;
    Peer a{1};
    Peer operator_{9};
    world.meet(a);
    (void)operator_.left(a.id, 10, proto::SignedAs::forget);
    const auto forget = [&](NodeId id, std::uint64_t incarnation) {
        return world.core->forget(world.now, id, incarnation, view_of(operator_.key),
                                  operator_.signature);
    };
    CHECK(forget(a.id, 10).error().code() == Errc::not_allowed);
    REQUIRE(world.core->set_operators({operator_.key}));
    CHECK(forget(NodeId{5}, 10).error().code() == Errc::not_found);
    CHECK(forget(a.id, 11).error().code() == Errc::conflict);
    CHECK(forget(world.me.id, 10).error().code() == Errc::not_found);
    CHECK(forget(a.id, 10));
    CHECK(world.state(a) == std::nullopt);
    (void)world.sent();
    world.say(a, DatagramKind::ping); // it runs: it is told what is said of it
    const auto answers = world.sent();
    CHECK(find_kind(answers, DatagramKind::ack) != nullptr);
    const auto* const told = find_kind(answers, DatagramKind::gossip);
    REQUIRE(told != nullptr);
    CHECK(told->to == a.address);
    const auto* const down = find_news(*told, NewsKind::down, a.id);
    REQUIRE(down != nullptr);
    CHECK(down->incarnation == 10);
    a.incarnation = 11;
    world.say(a, DatagramKind::gossip, {a.alive()});
    CHECK(world.state(a) == Standing::alive);
}

TEST_CASE("core: who left by itself is forgotten, too, here and where it is told of") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer operator_{9};
    world.meet(a, b);
    REQUIRE(world.core->set_operators({operator_.key}));
    const auto leaves = [&](Peer& peer) {
        world.say(peer, DatagramKind::gossip, {peer.left(peer.id, 10, proto::SignedAs::left)});
        REQUIRE(world.state(peer) == Standing::left);
    };
    leaves(a);
    (void)operator_.left(a.id, 10, proto::SignedAs::forget);
    CHECK(world.core->forget(world.now, a.id, 10, view_of(operator_.key), operator_.signature));
    CHECK(world.state(a) == std::nullopt);
    CHECK(world.core->view().tombstone_of(a.id) != nullptr);
    world.say(b, DatagramKind::gossip, {a.left(a.id, 10, proto::SignedAs::left)});
    CHECK(world.state(a) == std::nullopt); // its own word brings nobody back

    Peer c{3};
    world.meet(c);
    leaves(c);
    world.say(b, DatagramKind::gossip, {b.left(c.id, 10, proto::SignedAs::forget)});
    CHECK(world.state(c) == Standing::left); // no operator's
    world.say(b, DatagramKind::gossip, {operator_.left(c.id, 10, proto::SignedAs::forget)});
    CHECK(world.state(c) == std::nullopt);
}

TEST_CASE("core: an observer that cannot reach the doubted publishes both, one that can clears") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    (void)world.sent();
    proto::DatagramBody confirm;
    confirm.target = b.id;
    confirm.age_ms = 500;
    world.say(a, DatagramKind::confirm, {}, confirm);
    auto all = world.sent();
    REQUIRE(all.size() == 1); // it pings at once
    CHECK((all[0].to == b.address && all[0].read.body.kind == DatagramKind::ping));
    SECTION("it answers") {
        world.now += 10ms;
        world.say(b, DatagramKind::gossip);
        all = world.sent();
        const auto* const clear = find_kind(all, DatagramKind::clear);
        REQUIRE(clear != nullptr);
        CHECK((clear->to == a.address && clear->read.body.target == b.id));
        world.pass(900ms);
        CHECK(world.state(b) == Standing::alive);
    }
    SECTION("a helper hears it") {
        const auto probe = all[0].read.body.probe;
        world.pass(300ms);
        all = world.sent();
        CHECK(std::ranges::any_of(all, [&](const Heard& one) {
            return one.read.body.kind == DatagramKind::ping_req && one.to == c.address &&
                   one.read.body.probe == probe;
        }));
        proto::DatagramBody heard;
        heard.probe = probe;
        heard.target = b.id;
        world.say(c, DatagramKind::ind_ack, {}, heard);
        all = world.sent();
        const auto* const clear = find_kind(all, DatagramKind::clear);
        REQUIRE(clear != nullptr);
        CHECK((clear->to == a.address && clear->read.body.target == b.id));
        CHECK_FALSE(world.core->doubts().has(b.id));
    }
    SECTION("it does not") {
        for (int i = 0; i < 12; ++i) { // the others are heard meanwhile: this member is not deaf
            world.pass(100ms);
            world.say(a, DatagramKind::gossip);
            world.say(c, DatagramKind::gossip);
        }
        CHECK(world.state(b) == Standing::suspect);
        const auto* const open = world.core->suspicions().of(b.id);
        REQUIRE(open != nullptr);
        CHECK(open->count == 2);
        CHECK((open->has(a.id) && open->has(world.me.id)));
    }
}

TEST_CASE(
    "core: who is doubted is asked about, a clear ends the doubt and is held against the doubter") {
    World world;
    std::vector<Peer> peers;
    for (std::uint8_t i = 1; i <= 6; ++i) {
        peers.emplace_back(i);
        world.meet(peers.back());
    }
    std::vector<Heard> asked;
    NodeId about{};
    for (int i = 0; i < 200 && asked.size() < 5;
         ++i) { // none answers probes, all are heard but one
        world.pass(50ms);
        for (auto& heard : world.sent()) {
            if (heard.read.body.kind == DatagramKind::confirm) {
                about = heard.read.body.target;
                asked.push_back(heard);
            }
        }
        for (std::size_t p = 1; p < peers.size(); ++p) {
            world.say(peers[p], DatagramKind::gossip);
        }
    }
    REQUIRE(asked.size() == 5);
    CHECK(about == peers[0].id);
    CHECK(world.core->doubts().has(about));
    CHECK(world.state(peers[0]) == Standing::alive); // nothing is said of it in public
    const auto health = world.core->health();
    const auto observer = std::ranges::find(peers, asked[2].to, &Peer::address);
    proto::DatagramBody clear;
    clear.target = about;
    world.say(*observer, DatagramKind::clear, {}, clear);
    CHECK_FALSE(world.core->doubts().has(about));
    CHECK(world.core->health() == std::min(7, health + 1));
}

TEST_CASE("core: down by sync is not believed but asked, unless the member came with it") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b);
    (void)world.sent();
    world.say(a, DatagramKind::records, {accusation(NewsKind::down, b.id, 10, a.id)});
    CHECK(world.state(b) == Standing::alive);
    const auto all = world.sent();
    const auto* const ping = find_kind(all, DatagramKind::ping);
    REQUIRE(ping != nullptr);
    CHECK(ping->to == b.address);
    CHECK(find_news(*ping, NewsKind::down, b.id) != nullptr); // so that it can refute
    world.say(a, DatagramKind::records, {c.alive(), accusation(NewsKind::down, c.id, 10, a.id)});
    CHECK(world.state(c) == Standing::down);
}

TEST_CASE("core: beyond the limit of members nobody comes back as a suspect either") {
    Limits limits;
    limits.members = 3;
    World world{limits};
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b);
    world.call_down(b, a);
    world.meet(c);
    world.say(b, DatagramKind::gossip, {accusation(NewsKind::suspect, a.id, 11, b.id)});
    CHECK(world.core->view().live() == 3);
    CHECK(world.state(a) == Standing::down);
    CHECK(world.core->counters().members_refused == 1);
}

TEST_CASE("core: views that differ though neither changed for 10 s are counted by themselves") {
    World world;
    Peer a{1};
    world.meet(a);
    (void)world.sent();
    const auto& counters = world.core->counters();
    proto::DatagramBody ping;
    ping.quiet_ms = 12'000;
    world.say(a, DatagramKind::ping, {}, ping); // this view has just changed
    CHECK((counters.digests_differ == 1 && counters.digests_differ_long == 0));
    world.now += 11s;
    world.say(a, DatagramKind::ping, {}, ping);
    CHECK((counters.digests_differ == 2 && counters.digests_differ_long == 1));
    ping.quiet_ms = 9'000; // that one has
    world.say(a, DatagramKind::ping, {}, ping);
    CHECK((counters.digests_differ == 3 && counters.digests_differ_long == 1));
    world.digest = world.core->view().digest();
    world.say(a, DatagramKind::ping, {}, ping);
    CHECK(counters.digests_differ == 3);
}

TEST_CASE("core: beyond the limit of members none is added, and a join is told to go elsewhere") {
    Limits limits;
    limits.members = 3;
    World world{limits};
    std::vector<Peer> peers;
    for (std::uint8_t i = 1; i <= 4; ++i) {
        peers.emplace_back(i);
        world.say(peers.back(), DatagramKind::join, {peers.back().alive()});
    }
    CHECK(world.core->view().live() == 3);
    CHECK(world.core->counters().members_refused == 2);
    const auto all = world.sent();
    CHECK(std::ranges::count(all, DatagramKind::page,
                             [](const Heard& h) { return h.read.body.kind; }) == 2);
    CHECK(std::ranges::count(all, DatagramKind::busy,
                             [](const Heard& h) { return h.read.body.kind; }) == 2);
}

TEST_CASE(
    "core: signatures beyond the budget wait with what follows about their ids; then are dropped") {
    Limits limits;
    limits.verifies_per_s = 2;
    limits.unverified = 3;
    World world{limits};
    Peer a{1};
    Peer b{2};
    Peer c{3};
    Peer d{4};
    world.say(a, DatagramKind::gossip, {a.alive(), b.alive()});
    CHECK(world.verified == 2);
    NewsItem status;
    status.kind = NewsKind::status;
    status.id = c.id;
    status.version = 5;
    status.bytes = "up";
    world.say(a, DatagramKind::gossip, {c.alive(), status, d.alive(), d.alive()});
    CHECK(world.core->unverified() == 3);
    CHECK(world.core->counters().news_unverified == 1);
    CHECK(world.state(c) == std::nullopt);
    world.pass(2s);
    CHECK(world.state(c) == Standing::alive);
    CHECK(world.core->find(c.id)->status->bytes() == "up");
    CHECK(world.state(d) == Standing::alive);
    CHECK(world.core->unverified() == 0);
}

TEST_CASE("core: the dead that a newcomer is told of are dead, though their signatures waited") {
    Limits limits;
    limits.verifies_per_s = 1;
    World world{limits};
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a);
    world.say(a, DatagramKind::records,
              {b.alive(), accusation(NewsKind::down, b.id, 10, a.id), c.alive(),
               accusation(NewsKind::down, c.id, 10, a.id)});
    CHECK(world.core->unverified() == 4);
    world.pass(1100ms);
    CHECK(world.state(b) == Standing::down);
    CHECK(world.state(c) == std::nullopt);
    world.pass(1s);
    CHECK(world.state(c) == Standing::down);
    CHECK(world.core->unverified() == 0);
}

TEST_CASE("core: what is beyond a limit is dropped and counted") {
    Limits limits;
    limits.events = 2;
    limits.tombstones = 1;
    limits.observer_probes = 0;
    limits.rumour_probes = 0;
    World world{limits};
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a, b, c);
    const auto& counters = world.core->counters();
    CHECK(counters.events_lost == 1);
    CHECK(world.count(Event::Kind::overflow) == 1);

    Peer d{4};
    Peer e{5}; // both left before they were met
    world.say(a, DatagramKind::gossip, {d.left(d.id, 10, proto::SignedAs::left)});
    CHECK(counters.graves_dropped == 0);
    world.say(a, DatagramKind::gossip, {e.left(e.id, 10, proto::SignedAs::left)});
    CHECK(counters.graves_dropped == 1);
    CHECK(world.core->view().graves().size() == 1);

    proto::DatagramBody confirm;
    confirm.target = b.id;
    world.say(a, DatagramKind::confirm, {}, confirm);
    CHECK(counters.probes_refused == 1);
    CHECK(world.core->doubts().has(b.id)); // noted all the same
    world.say(a, DatagramKind::records, {accusation(NewsKind::down, c.id, 10, a.id)});
    CHECK(counters.probes_refused == 2);
    CHECK(world.state(c) == Standing::alive);
}

TEST_CASE("core: a version that cannot be read is told once per sender, and known for as long as "
          "it is heard") {
    World world;
    Peer a{1};
    auto bytes = world.write(a, DatagramKind::gossip, {});
    bytes[1] = 9;
    bytes[2] = 9;
    world.core->receive(world.now, a.address, bytes);
    world.core->receive(world.now, a.address, bytes);
    CHECK(world.core->counters().dropped_version == 2);
    const auto events = world.events();
    REQUIRE(events.size() == 1);
    CHECK((events[0].kind == Event::Kind::incompatible && events[0].version == 9));
    for (int i = 0; i < 4; ++i) {
        world.now += 6min;
        world.core->receive(world.now, a.address, bytes);
        world.core->tick(world.now);
        CHECK(world.core->incompatible().contains(a.id));
    }
    CHECK(world.count(Event::Kind::incompatible) == 0);
    world.now += 11min; // it was given another version meanwhile
    world.core->tick(world.now);
    CHECK(world.core->incompatible().empty());
}

TEST_CASE(
    "core: an own status that this life did not make is overtaken, a foreign boot's is dropped") {
    World world;
    Peer a{1};
    world.meet(a);
    REQUIRE(world.core->set_status(world.now, "mine", true));
    const auto mine = world.core->self().status->version;
    NewsItem status;
    status.kind = NewsKind::status;
    status.id = world.me.id;
    status.version = mine + 7;
    status.bytes = "theirs";
    world.say(a, DatagramKind::gossip, {status});
    CHECK(world.core->self().status->bytes() == "mine");
    CHECK(world.core->self().status->version == mine + 8);
    status.id = a.id;
    status.version = (std::uint64_t{a.boot} + 1) << 32U;
    world.say(a, DatagramKind::gossip, {status});
    CHECK_FALSE(world.core->find(a.id)->status);
    CHECK(world.core->set_status(world.now, std::string(201, 'x'), false).error().code() ==
          Errc::invalid);
}

TEST_CASE("core: a status of version 0 is none, of whomever, also while none was said") {
    World world;
    Peer a{1};
    world.meet(a);
    NewsItem status;
    status.kind = NewsKind::status;
    status.bytes = "none";
    for (const auto id : {world.me.id, a.id}) {
        status.id = id;
        world.say(a, DatagramKind::gossip, {status});
        CHECK_FALSE(world.core->find(id)->status);
    }
}

TEST_CASE(
    "core: who uses up another's numbers of statuses makes it take a later boot once a minute") {
    World world;
    Peer a{1};
    world.meet(a);
    REQUIRE(world.core->set_status(world.now, "mine", true));
    const auto boot = world.core->own().boot();
    const auto use_up = [&] {
        NewsItem status;
        status.kind = NewsKind::status;
        status.id = world.me.id;
        status.version = std::uint64_t{world.core->own().boot()} << 32U | 0xFFFF'FFFFU;
        status.bytes = "theirs";
        world.say(a, DatagramKind::gossip, {status});
        world.persist();
    };
    use_up();
    CHECK(world.core->own().boot() == boot + 1);
    CHECK(world.core->self().status->version == ((std::uint64_t{boot} + 1) << 32U | 1U));
    for (int i = 0; i < 20; ++i) {
        use_up();
    }
    CHECK(world.core->own().boot() == boot + 1);
    CHECK(world.core->self().status->bytes() == "mine");
    world.now += 61s;
    use_up();
    CHECK(world.core->own().boot() == boot + 2);
    CHECK(world.core->self().status->bytes() == "mine");
}

TEST_CASE("core: statuses are sent at most so often, the newest wins") {
    World world;
    REQUIRE(world.core->set_status(world.now, "1", false));
    REQUIRE(world.core->set_status(world.now, "2", false));
    REQUIRE(world.core->set_status(world.now, "3", false));
    CHECK(world.core->self().status->bytes() == "1");
    world.pass(29s);
    CHECK(world.core->self().status->bytes() == "1");
    world.pass(2s);
    CHECK(world.core->self().status->bytes() == "3");
    for (int i = 0; i < 10; ++i) { // a burst of five, then one a second
        REQUIRE(world.core->set_status(world.now, "u" + std::to_string(i), true));
    }
    CHECK(world.core->self().status->bytes() == "u4");
    world.pass(1100ms);
    CHECK(world.core->self().status->bytes() == "u9");
}

TEST_CASE("core: anything at all as a datagram changes nothing") {
    World world;
    Peer a{1};
    world.meet(a);
    (void)world.sent();
    const auto digest = world.core->view().digest();
    Random random{11};
    const auto good =
        world.write(a, DatagramKind::gossip, {accusation(NewsKind::suspect, NodeId{77}, 1, a.id)});
    for (int i = 0; i < 5000; ++i) {
        auto bytes = good;
        const auto changes = 1 + random.below(4);
        for (std::uint64_t c = 0; c < changes; ++c) {
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
        }
        bytes.resize(random.below(bytes.size() + 1));
        world.core->receive(world.now, a.address, bytes);
        (void)world.sent();
        REQUIRE(world.core->view().digest() == digest);
    }
}
