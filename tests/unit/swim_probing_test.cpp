// Probes and relays by their clock; doubts; suspicions and their time.
#include <catch2/catch.hpp>

#include "gossip/core/swim/probing.h"
#include "gossip/core/swim/suspicion.h"

using namespace jackdaw;
using namespace jackdaw::swim;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{1000s};
const Config config = Config::lan();
constexpr NodeId a{1}, b{2}, c{3};

/// Every step until the probe has failed, as (kind, time since its start).
std::vector<std::pair<ProbeStep::Kind, Duration>> play(Probes& probes) {
    std::vector<std::pair<ProbeStep::Kind, Duration>> steps;
    while (probes.next_due() != never) {
        const auto now = probes.next_due();
        const auto step = probes.step(now);
        REQUIRE(step);
        steps.emplace_back(step->kind, now - start);
    }
    return steps;
}

} // namespace

TEST_CASE("probe: ping on and ask helpers after one round trip, fail at its end") {
    using Kind = ProbeStep::Kind;
    Probes probes;
    (void)probes.start(start, 7, a, ProbeFor::period, 120ms, 1, config);
    const auto steps = play(probes);
    // Life: max(500 ms, 5 x 120 ms) = 600 ms.
    const std::vector<std::pair<Kind, Duration>> expected{
        {Kind::ping, 120ms}, {Kind::ask_helpers, 120ms}, {Kind::ping, 240ms},
        {Kind::ping, 360ms}, {Kind::ping, 480ms},        {Kind::failed, 600ms}};
    CHECK(steps == expected);
    CHECK(probes.all().empty());
}

TEST_CASE("probe: at most eight pings again, life at most a period, both stretched by health") {
    Probes probes;
    (void)probes.start(start, 1, a, ProbeFor::period, 50ms, 1, config);
    auto steps = play(probes);
    CHECK(std::ranges::count(steps, ProbeStep::Kind::ping, [](auto& s) { return s.first; }) == 8);
    CHECK(steps.back().second == 500ms);
    (void)probes.start(start, 2, a, ProbeFor::period, 500ms, 1, config);
    CHECK(play(probes).back().second == 1s); // not 2.5 s
    (void)probes.start(start, 3, a, ProbeFor::period, 50ms, 4, config);
    steps = play(probes);
    CHECK(steps.back().second == 2s);
    CHECK(steps[0].second == 200ms);
}

TEST_CASE("probe: who is unreachable has its helpers asked at once, once") {
    Probes probes;
    (void)probes.start(start, 1, a, ProbeFor::period, 200ms, 1, config);
    probes.hurry(a, start + 1ms);
    const auto step = probes.step(start + 1ms);
    REQUIRE((step && step->kind == ProbeStep::Kind::ask_helpers));
    probes.hurry(a, start + 2ms);
    CHECK_FALSE(probes.step(start + 2ms));
    int ended = 0;
    probes.end(b, [&](const Probe&) { ++ended; });
    CHECK(ended == 0);
    probes.end(a, [&](const Probe& probe) { ended += probe.number == 1 ? 1 : 0; });
    CHECK((ended == 1 && probes.next_due() == never));
}

TEST_CASE("relay: a second ping at its round trip, then the nack; heard ends it") {
    Relays relays{2};
    const auto make = [&](std::uint32_t number, NodeId target) {
        Relay relay;
        relay.number = number;
        relay.target = target;
        relay.again_at = start + 50ms;
        relay.nack_at = start + 200ms;
        return relay;
    };
    CHECK(relays.add(make(1, a)));
    CHECK(relays.add(make(2, b)));
    CHECK_FALSE(relays.add(make(3, c))); // full
    CHECK_FALSE(relays.step(start + 49ms));
    CHECK_FALSE(relays.step(start + 50ms)->nack);
    CHECK_FALSE(relays.step(start + 50ms)->nack);
    CHECK_FALSE(relays.step(start + 50ms));
    int heard = 0;
    relays.end(a, [&](const Relay& relay) { heard += relay.number == 1 ? 1 : 0; });
    CHECK(heard == 1);
    CHECK(relays.step(start + 200ms)->nack);
    CHECK(relays.next_due() == never);
}

TEST_CASE("doubts: one per member, bounded, due by probing again or by their end") {
    Doubts doubts{2};
    auto* const own = doubts.open(a, c, start);
    REQUIRE(own != nullptr);
    own->probe_again_at = start + 1s;
    auto* const noted = doubts.open(b, c, start);
    REQUIRE(noted != nullptr);
    noted->ends_at = start + 10s;
    CHECK(doubts.open(NodeId{9}, c, start) == nullptr);
    CHECK(doubts.next_due() == start + 1s);
    CHECK(doubts.due(start + 1s)->about == a);
    doubts.drop(a);
    CHECK_FALSE(doubts.drop(a));
    CHECK(doubts.due(start + 9s) == nullptr);
    CHECK(doubts.due(start + 10s)->about == b);
    CHECK(doubts.open(a, c, start) != nullptr);
    CHECK(doubts.drop_noted());
    CHECK((doubts.has(a) && !doubts.has(b)));
    CHECK_FALSE(doubts.drop_noted()); // one's own goes for nobody
}

TEST_CASE("suspicion: its time by accusers and by who could confirm") {
    struct Row {
        std::uint32_t c, k;
        Duration time;
    };
    // Max - (Max - Min) ln(c+1) / ln(k+1) with Min 2 s, Max 12 s.
    const std::array<Row, 10> rows{{{0, 0, 4s},
                                    {2, 0, 4s},
                                    {0, 1, 12s},
                                    {1, 1, 2s},
                                    {0, 2, 12s},
                                    {1, 2, 5690700us},
                                    {2, 2, 2s},
                                    {0, 3, 12s},
                                    {1, 3, 7s},
                                    {2, 3, 4075190us}}};
    for (const auto& row : rows) {
        CAPTURE(row.c, row.k);
        CHECK(suspicion_time(config, row.c, row.k) == row.time);
    }
    CHECK(suspicion_time(config, 3, 3) == 2s);
    CHECK(suspicion_time(config, 9, 9) == 2s);
}

TEST_CASE("suspicion: counted from the first doubt, but never ends before half of the minimum") {
    Suspicions open{config};
    open.open(start, a, b, start - 30s);
    CHECK(open.of(a)->start == start - 1s);
    open.open(start, c, b, start - 300ms);
    CHECK(open.of(c)->start == start - 300ms);
    for (const std::uint64_t accuser : {10U, 11U, 12U}) {
        CHECK(open.accuse(a, NodeId{accuser}, start));
    }
    CHECK_FALSE(open.accuse(a, NodeId{13}, start)); // four are kept
    CHECK_FALSE(open.accuse(c, b, start));          // known
    CHECK_FALSE(open.accuse(NodeId{99}, b, start));
    CHECK(open.next_due(3) == start + 1s);
    CHECK_FALSE(open.expired(start + 999ms, 3));
    CHECK(open.expired(start + 1s, 3) == a);
    open.close(a);
    CHECK(open.next_due(3) == start - 300ms + 12s);
    CHECK(open.next_due(0) == start - 300ms + 4s); // nobody could confirm any more
    open.restart_not_before(start);
    CHECK(open.next_due(0) == start + 4s);
    CHECK(open.accuse(c, a, start));
    CHECK(open.next_due(1) == start + 2s);
    open.begin_anew(start + 5s);
    CHECK(open.of(c)->count == 1);
    CHECK(open.next_due(1) == start + 17s);
}
