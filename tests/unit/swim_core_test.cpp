// The membership core against peers that are written by hand: each case is one rule.
#include <array>
#include <cstring>

#include <catch2/catch.hpp>

#include "gossip/core/swim/swim.h"

using namespace jackdaw;
using namespace jackdaw::swim;
using namespace std::chrono_literals;
using proto::DatagramKind;

namespace {

constexpr proto::FleetId fleet{0x1122334455667788};

std::string_view view_of(const proto::PublicKey& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

/// A stand-in that depends on every byte of key and text.
proto::Signature sign_as(std::string_view key, std::string_view text) {
    proto::Signature signature{};
    std::uint64_t hash = 14695981039346656037ULL;
    for (const auto part : {key, text}) {
        for (const char c : part) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
        }
    }
    std::memcpy(signature.data(), &hash, sizeof hash);
    return signature;
}

/// Another member, as far as a test plays it.
struct Peer {
    proto::PublicKey key{};
    NodeId id{};
    NetAddress address{};
    std::uint64_t incarnation = 10;
    std::uint32_t boot = 1000;
    std::uint32_t seq = 0;
    std::string name;
    std::string body, signature;

    explicit Peer(std::uint8_t number) : name{"db" + std::to_string(number)} {
        key.fill(number);
        id = proto::node_id_of(view_of(key));
        address.ip = {10, 0, 0, number};
        address.ip_bytes = 4;
        address.port = 7412;
    }
    NewsItem alive() {
        proto::AliveBody fields;
        fields.id = id;
        fields.incarnation = incarnation;
        fields.boot = boot;
        fields.address = address;
        fields.name = name;
        std::array<char, proto::alive_body_bytes_max> bytes{};
        body.assign(bytes.data(), proto::encode_alive_body(fields, bytes));
        return signed_item(NewsKind::alive, proto::SignedAs::alive, view_of(key));
    }
    NewsItem left(NodeId whom, std::uint64_t at, proto::SignedAs as) {
        std::array<char, 32> bytes{};
        body.assign(bytes.data(), proto::encode_left_body(whom, at, bytes));
        return signed_item(NewsKind::left, as, view_of(key));
    }
    NewsItem signed_item(NewsKind kind, proto::SignedAs as, std::string_view by) {
        const auto made = sign_as(by, proto::to_sign(as, fleet, body));
        signature.assign(reinterpret_cast<const char*>(made.data()), made.size());
        NewsItem item;
        item.kind = kind;
        item.bytes = body;
        item.public_key = view_of(key);
        item.signature = signature;
        return item;
    }
};

NewsItem accusation(NewsKind kind, NodeId whom, std::uint64_t incarnation, NodeId by) {
    NewsItem item;
    item.kind = kind;
    item.id = whom;
    item.incarnation = incarnation;
    item.by = by;
    return item;
}

struct Heard { ///< a datagram that the core sent
    NetAddress to;
    proto::Datagram read;
    std::string bytes;
};

struct World {
    explicit World(Limits with = Limits{}) : limits{with}, me{200} { make(); }

    void make() {
        Identity identity;
        identity.key = me.key;
        identity.name = "me";
        identity.address = me.address;
        identity.fleet = fleet;
        identity.unix_s = 500;
        Crypto crypto{[this](std::string_view text) { return sign_as(view_of(me.key), text); },
                      [this](std::string_view key, std::string_view text, std::string_view s) {
                          ++verified;
                          const auto expected = sign_as(key, text);
                          return std::memcmp(expected.data(), s.data(), s.size()) == 0;
                      }};
        core = std::make_unique<Swim>(Config::lan(), limits, identity, Snapshot{}, crypto, 5, now,
                                      commons);
    }
    void persist() {
        while (const auto record = core->poll_persist()) {
            core->persisted(now, *record);
        }
    }
    /// All that it has to send, read.
    std::vector<Heard> sent() {
        persist();
        std::vector<Heard> all;
        while (const auto out = core->poll_send()) {
            auto& heard = all.emplace_back();
            heard.to = out->to;
            heard.bytes = out->bytes;
            REQUIRE(proto::decode_gossip(heard.bytes, heard.read) == proto::Decoded::ok);
        }
        return all;
    }
    std::vector<Event> events() {
        std::vector<Event> all;
        while (auto event = core->poll_event()) {
            all.push_back(std::move(*event));
        }
        return all;
    }
    std::size_t count(Event::Kind kind) {
        const auto all = events();
        return static_cast<std::size_t>(std::ranges::count(all, kind, &Event::kind));
    }
    std::string write(Peer& from, DatagramKind kind, const std::vector<NewsItem>& news,
                      proto::DatagramBody body = {}) {
        std::array<char, proto::gossip_plain_bytes_max> bytes{};
        proto::GossipWriter writer{bytes};
        body.kind = kind;
        writer.begin({from.id, from.boot, ++from.seq, 1, from.incarnation, digest}, body);
        for (const auto& item : news) {
            REQUIRE(writer.add(item));
        }
        return {bytes.data(), writer.finish()};
    }
    void say(Peer& from, DatagramKind kind, const std::vector<NewsItem>& news = {},
             const proto::DatagramBody& body = {}) {
        core->receive(now, from.address, write(from, kind, news, body));
    }
    void meet(Peer& peer) {
        say(peer, DatagramKind::gossip, {peer.alive()});
        REQUIRE(core->find(peer.id) != nullptr);
    }
    void pass(Duration time) {
        const auto end = now + time;
        while (core->next_wakeup() <= end) {
            now = std::max(now, core->next_wakeup());
            core->tick(now);
            persist();
        }
        now = end;
    }
    [[nodiscard]] std::optional<Standing> state(const Peer& peer) const {
        const auto* const entry = core->find(peer.id);
        return entry == nullptr ? std::nullopt : std::optional{entry->state};
    }

    Limits limits;
    Instant now{1000s};
    std::uint64_t digest = 0; ///< of every peer
    Peer me;
    Commons commons{fleet};
    std::size_t verified = 0;
    std::unique_ptr<Swim> core;
};

const Heard* find_kind(const std::vector<Heard>& all, DatagramKind kind) {
    const auto found =
        std::ranges::find_if(all, [&](const Heard& heard) { return heard.read.body.kind == kind; });
    return found == all.end() ? nullptr : &*found;
}
const NewsItem* find_news(const Heard& heard, NewsKind kind, NodeId id) {
    const auto found = std::ranges::find_if(
        heard.read.news, [&](const NewsItem& item) { return item.kind == kind && item.id == id; });
    return found == heard.read.news.end() ? nullptr : &*found;
}

} // namespace

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
    world.meet(a);
    world.meet(b);
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::suspect, b.id, 10, a.id)});
    CHECK(world.state(b) == Standing::suspect);
    b.incarnation = 11;
    world.say(b, DatagramKind::gossip, {b.alive()});
    CHECK(world.state(b) == Standing::alive);
    world.say(a, DatagramKind::gossip, {accusation(NewsKind::down, b.id, 11, a.id)});
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
}

TEST_CASE("core: an observer that cannot reach the doubted publishes both, one that can clears") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a);
    world.meet(b);
    world.meet(c);
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

TEST_CASE("core: who hears nobody for three periods is isolated, and judges nobody") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a);
    world.meet(b);
    world.meet(c);
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
    world.meet(a);
    world.meet(b);
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

TEST_CASE("core: after a late tick running probes end without a verdict") {
    World world;
    Peer a{1};
    Peer b{2};
    Peer c{3};
    world.meet(a);
    world.meet(b);
    world.meet(c);
    world.pass(1100ms); // a probe runs
    const auto failed = world.core->counters().probes_failed;
    world.now = world.core->next_wakeup() + 10s;
    world.core->tick(world.now);
    CHECK(world.core->counters().late_ticks == 1);
    CHECK(world.core->counters().probes_failed == failed);
    CHECK(world.core->doubts().size() == 0);
    CHECK(world.core->next_wakeup() > world.now);
}

TEST_CASE("core: a version that cannot be read is told once per sender") {
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
}

TEST_CASE("core: two alive members of one name stay members, and it is told once") {
    World world;
    Peer a{1};
    Peer b{2};
    b.name = a.name;
    world.meet(a);
    world.meet(b);
    world.pass(3s);
    CHECK(world.count(Event::Kind::name_conflict) == 1);
    CHECK(world.core->view().live() == 3);
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
