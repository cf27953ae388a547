// The small parts of gossip/core/swim: settings, buckets, precedence, replay, incarnations, round
// trips, period numbers, hints, the record of why.
#include <array>
#include <functional>

#include <catch2/catch.hpp>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/detours.h"
#include "gossip/core/swim/ears.h"
#include "gossip/core/swim/estimates.h"
#include "gossip/core/swim/hints.h"
#include "gossip/core/swim/own.h"
#include "gossip/core/swim/probing.h"
#include "gossip/core/swim/replay.h"
#include "gossip/core/swim/states.h"
#include "gossip/core/swim/token_bucket.h"
#include "gossip/core/swim/why.h"

using namespace jackdaw;
using namespace jackdaw::swim;
using namespace std::chrono_literals;

namespace {
constexpr Instant start{1000s};
}

TEST_CASE("config: the three profiles are valid, each rule refuses its breach") {
    CHECK(Config::local().validate());
    CHECK(Config::lan().validate());
    CHECK(Config::wan().validate());
    const std::array<std::pair<const char*, std::function<void(Config&)>>, 9> breaches{{
        {"a floor above the period", [](Config& c) { c.probe_floor = c.probe_period + 1ns; }},
        {"no time to answer", [](Config& c) { c.suspicion_min = 2 * c.probe_floor - 1ns; }},
        {"min below a period", [](Config& c) { c.suspicion_min = c.probe_period - 1ns; }},
        {"rto beyond the period", [](Config& c) { c.rto_max = c.probe_period + 1ns; }},
        {"a first rto beyond the period", [](Config& c) { c.rto_start = c.probe_period + 1ns; }},
        {"rto_min above rto_max", [](Config& c) { c.rto_min = c.rto_max + 1ns; }},
        {"a setting of 0", [](Config& c) { c.settle = 0ns; }},
        {"gossip to nobody", [](Config& c) { c.gossip_fanout = 0; }},
        {"a silence judged at once", [](Config& c) { c.deaf_hold = 3 * c.probe_period - 1ns; }},
    }};
    for (const auto& [name, breach] : breaches) {
        auto config = Config::lan();
        breach(config);
        CAPTURE(name);
        REQUIRE_FALSE(config.validate());
        CHECK(config.validate().error().code() == Errc::invalid);
    }
}

TEST_CASE("token bucket: the burst at once, then the rate, never more than the burst") {
    TokenBucket bucket{10, 5};
    CHECK(bucket.take(start, 5));
    CHECK_FALSE(bucket.take(start));
    CHECK(bucket.ready_at() > start);
    CHECK(bucket.ready_at() <= start + 101ms);
    CHECK_FALSE(bucket.take(start + 99ms));
    CHECK(bucket.take(start + 101ms));
    CHECK_FALSE(bucket.take(start + 102ms));
    CHECK(bucket.available(start + 1h) == 5);
    CHECK(bucket.take(start + 1h, 5));
    // In small steps nothing is earned twice, and nothing is lost.
    std::uint64_t taken = 0;
    for (auto now = start + 1h; now <= start + 1h + 10s; now += 7ms) {
        taken += bucket.take(now) ? 1U : 0U;
    }
    CHECK((taken >= 99 && taken <= 100));
    bucket.charge(start + 3h, 100); // more than there is: none is left
    CHECK(bucket.available(start + 3h) == 0);
}

TEST_CASE("states: what replaces what") {
    const auto judge_with = [](std::uint64_t inc, Standing state, std::uint64_t held_inc,
                               Standing held_state) {
        const Claim held{held_inc, held_state};
        return judge({inc, state}, &held, nullptr, 5);
    };
    using enum Standing;
    for (const auto state : {alive, suspect, down, left}) {
        for (const auto held : {alive, suspect, down, left}) {
            CAPTURE(static_cast<int>(state), static_cast<int>(held));
            const bool accuses_left = held == left && (state == suspect || state == down);
            CHECK(judge_with(6, state, 5, held) ==
                  (accuses_left ? Verdict::ignore : Verdict::replace));
            CHECK(judge_with(4, state, 5, held) == Verdict::ignore);
            const auto same = judge_with(5, state, 5, held);
            if (state > held) {
                CHECK(same == Verdict::replace);
            } else if (state == suspect && held == suspect) {
                CHECK(same == Verdict::accuse);
            } else {
                CHECK(same == Verdict::ignore);
            }
        }
    }
    // Beyond what its subject could refute.
    CHECK(judge_with(5 + incarnation_leap, suspect, 5, alive) == Verdict::replace);
    CHECK(judge_with(6 + incarnation_leap, suspect, 5, alive) == Verdict::too_high);
    CHECK(judge_with(6 + incarnation_leap, down, 5, alive) == Verdict::too_high);
    CHECK(judge_with(6 + incarnation_leap, alive, 5, alive) == Verdict::replace);
}

TEST_CASE("states: of an unknown member alive is added, left is buried, accusations say nothing") {
    using enum Standing;
    CHECK(judge({1, alive}, nullptr, nullptr, 0) == Verdict::add);
    CHECK(judge({1, left}, nullptr, nullptr, 0) == Verdict::bury);
    CHECK(judge({1, suspect}, nullptr, nullptr, 0) == Verdict::ignore);
    CHECK(judge({1, down}, nullptr, nullptr, 0) == Verdict::ignore);
    const Claim grave{7, down};
    CHECK(judge({7, alive}, nullptr, &grave, 0) == Verdict::ignore);
    CHECK(judge({8, alive}, nullptr, &grave, 0) == Verdict::add);
    CHECK(judge({7, left}, nullptr, &grave, 0) == Verdict::bury);
}

TEST_CASE("states: what is said of this member itself is refuted, unless it cannot be") {
    using enum Standing;
    CHECK(judge_own({4, suspect}, 5) == Verdict::ignore);
    CHECK(judge_own({5, suspect}, 5) == Verdict::refute);
    CHECK(judge_own({9, down}, 5) == Verdict::refute);
    CHECK(judge_own({6 + incarnation_leap, down}, 5) == Verdict::too_high);
    CHECK(judge_own({6 + incarnation_leap, left}, 5) == Verdict::refute); // signed: it did say so
}

TEST_CASE("replay: each number once, none that is too old to tell") {
    ReplayWindow window;
    CHECK_FALSE(window.accept(0));
    CHECK(window.accept(10));
    CHECK_FALSE(window.accept(10));
    CHECK(window.accept(9));
    CHECK_FALSE(window.accept(9));
    CHECK(window.accept(73));
    CHECK(window.accept(11));       // 62 behind
    CHECK_FALSE(window.accept(9));  // 64 behind
    CHECK_FALSE(window.accept(10)); // 63 behind, and seen
    CHECK(window.accept(1'000'000));
    CHECK_FALSE(window.accept(73));
    CHECK(window.accept(1'000'000 - 63));
    CHECK_FALSE(window.accept(1'000'000 - 64));
    window.restart(8);
    CHECK((window.boot == 8 && window.accept(1)));
}

namespace {

/// All that waits, made durable.
std::vector<Persist> persist_all(Own& own) {
    std::vector<Persist> all;
    while (auto record = own.poll()) {
        own.persisted(*record);
        all.push_back(std::move(*record));
    }
    return all;
}

} // namespace

TEST_CASE("own: nothing is sent before the first reserve and boot are durable") {
    Own own{{.incarnation_reserved = 100, .boot = 7, .addresses = {}}, 5};
    CHECK(own.incarnation() == 101);
    CHECK(own.boot() == 8); // the clock is behind what was used
    CHECK_FALSE(own.is_durable());
    auto first = own.poll();
    REQUIRE(first);
    CHECK((first->kind == Persist::Kind::reserve && first->incarnation == 165 && !first->ahead));
    own.persisted(*first);
    CHECK_FALSE(own.is_durable());
    auto second = own.poll();
    REQUIRE(second);
    CHECK((second->kind == Persist::Kind::boot && second->boot == 8));
    own.persisted(*second);
    CHECK(own.is_durable());
    CHECK_FALSE(own.poll());
    const Own fresh{{}, 1'764'400'000};
    CHECK(fresh.boot() == 1'764'400'000);
    CHECK(fresh.incarnation() == 1'764'400'000); // above an earlier life whose disk is lost
}

TEST_CASE(
    "own: a refutation waits for no disk, a jump does, and no incarnation passes the durable") {
    Own own{{}, 1};
    persist_all(own);
    std::size_t reserves = 0;
    for (std::uint64_t i = 2; i <= 500; ++i) {
        own.raise_to(i);
        CHECK(own.is_durable()); // reserved ahead
        for (const auto& record : persist_all(own)) {
            CHECK(record.ahead);
            ++reserves;
        }
        CHECK(own.incarnation() <= own.durable());
    }
    CHECK((reserves >= 7 && reserves <= 8));
    own.raise_to(1'000'000);
    CHECK_FALSE(own.is_durable());
    const auto records = persist_all(own);
    REQUIRE(records.size() == 1);
    CHECK((!records[0].ahead && records[0].incarnation == 1'000'064));
    CHECK(own.is_durable());
    own.new_boot(9);
    CHECK_FALSE(own.is_durable());
    persist_all(own);
    CHECK(own.is_durable());
}

TEST_CASE("own: what runs out of reserve while the disk is slow waits") {
    Own own{{}, 1};
    persist_all(own);
    for (std::uint64_t i = 2; i <= 200; ++i) {
        own.raise_to(i);
    }
    CHECK_FALSE(own.is_durable());
    persist_all(own);
    CHECK(own.is_durable());
}

TEST_CASE("round trip: the estimate follows its zone while that was heard, else that of all") {
    const auto config = Config::lan();
    Estimates estimates{2};
    const auto near = estimates.zone("az1");
    const auto far = estimates.zone("az2");
    CHECK((near != Estimates::no_zone && far != near && estimates.zone("az1") == near));
    CHECK(estimates.zone("az3") == Estimates::no_zone); // too many
    CHECK(estimates.rto(start, near, config) == config.rto_start);
    estimates.add(start, far, 100ms);
    CHECK(estimates.rto(start, far, config) == 300ms);  // v + 4 v/2
    CHECK(estimates.rto(start, near, config) == 300ms); // that of all
    for (int i = 0; i < 100; ++i) {
        estimates.add(start, near, 1ms);
    }
    CHECK(estimates.rto(start, near, config) == config.rto_min);
    CHECK(estimates.rto(start, far, config) == 300ms);
    CHECK(estimates.rto(start + 11min, far, config) == config.rto_min); // unheard for long
    estimates.add(start, far, 20s);
    CHECK(estimates.rto(start, far, config) == config.rto_max);
}

TEST_CASE("health: between 0 and 7") {
    Health health;
    health.better();
    CHECK(health.value() == 0);
    health.worse(3);
    health.worse();
    CHECK(health.factor() == 5);
    health.worse(100);
    CHECK(health.value() == health_worst);
    health.better();
    CHECK(health.value() == 6);
}

TEST_CASE("period: none until somebody is heard, then one on each time, or to the highest heard") {
    Period period;
    period.advance();
    CHECK((period.own() == 0 && period.told() == 0));
    period.hear(0); // somebody who heard nobody either
    period.advance();
    CHECK(period.own() == 1);
    period.hear(4'000'000'000U); // more than half of the circle away: earlier
    period.advance();
    CHECK(period.own() == 2);

    Period joined;
    joined.hear(4'000'000'000U); // the first is adopted whatever it is
    CHECK(joined.told() == 4'000'000'000U);
    joined.advance();
    CHECK(joined.own() == 4'000'000'000U);
    joined.hear(4'000'000'007U);
    CHECK(joined.told() == 4'000'000'007U);
    joined.advance();
    CHECK(joined.own() == 4'000'000'007U);
    joined.hear(4'000'000'005U);
    joined.advance();
    CHECK(joined.own() == 4'000'000'008U);

    Period last;
    last.hear(0xFFFF'FFFFU);
    last.advance();
    last.advance();
    CHECK(last.own() == 1); // 0 is skipped
    CHECK(Period::is_later(1, 0xFFFF'FFFFU));
}

TEST_CASE("hints: only what is greater is news; the longest unused key is forgotten") {
    Hints hints{3};
    CHECK(hints.note(1, 7, 5));
    CHECK_FALSE(hints.note(1, 7, 5));
    CHECK_FALSE(hints.note(1, 7, 4));
    CHECK(hints.note(1, 7, 6));
    CHECK(hints.note(2, 7, 1));
    CHECK(hints.note(1, 8, 1));
    CHECK_FALSE(hints.note(1, 7, 6)); // used
    CHECK(hints.note(1, 9, 1));       // (2, 7) goes
    CHECK(hints.size() == 3);
    CHECK(hints.forgotten() == 1);
    CHECK_FALSE(hints.note(1, 7, 6));
    CHECK(hints.note(2, 7, 1));
}

TEST_CASE(
    "ears: a silence is judged once fewer than a quarter of those asked were heard for long") {
    constexpr Duration hold = 60s;
    const Instant begin{100s};
    Ears ears{begin};
    CHECK(ears.silence(begin + 2s) == 2s);
    CHECK(ears.over_at(40, hold) == never); // no spell
    ears.look(begin + 2s, true, 40, hold);
    CHECK(ears.has_spell());
    CHECK(ears.over_at(40, hold) == never); // nobody was asked
    ears.asked(16);
    CHECK(ears.over_at(40, hold) == begin + hold); // since somebody was heard last
    for (std::uint64_t id = 1; id <= 3; ++id) {
        ears.heard(begin + 3s, proto::NodeId{id}, true);
        ears.heard(begin + 4s, proto::NodeId{id}, true); // the same one again is no other
    }
    CHECK(ears.over_at(40, hold) == begin + hold);
    ears.heard(begin + 5s, proto::NodeId{4}, true);
    CHECK(ears.over_at(40, hold) == never); // four of sixteen: it is this member's link
    ears.asked(64);
    CHECK(ears.over_at(40, hold) == begin + hold); // four of forty, however often they are asked
    CHECK(ears.over_at(16, hold) == never);
}

TEST_CASE("ears: a spell ends when nobody was missed for a while, sooner if half were heard") {
    constexpr Duration hold = 60s;
    const Instant begin{100s};
    for (const std::uint64_t heard : {std::uint64_t{2}, std::uint64_t{5}}) {
        Ears ears{begin};
        ears.look(begin + 2s, true, 10, hold);
        ears.asked(10);
        for (std::uint64_t id = 1; id <= heard; ++id) {
            ears.heard(begin + 10s, proto::NodeId{id}, true);
        }
        const auto ends = begin + 10s + (heard == 5 ? 4s : 30s);
        ears.heard(begin + 12s, proto::NodeId{1}, false); // no gap before it: nothing was missed
        ears.look(ends - 1ms, false, 10, hold);
        CHECK(ears.has_spell());
        ears.look(ends, true, 10, hold); // who is deaf now has no end of it
        CHECK(ears.has_spell());
        ears.look(ends, false, 10, hold);
        CHECK_FALSE(ears.has_spell());
        CHECK(ears.over_at(10, hold) == never);
        ears.look(ends + 5s, true, 10, hold); // another begins with nobody heard and nobody asked
        ears.asked(4);
        CHECK(ears.over_at(10, hold) == begin + 12s + hold);
    }
}

TEST_CASE("detours: counted until the member answers, bounded by who was missed longest ago") {
    const auto id = [](std::uint64_t number) { return NodeId{number}; };
    Detours detours{2};
    detours.by_others(id(1), start + 1s);
    detours.by_others(id(2), start + 2s);
    detours.by_others(id(1), start + 3s);
    REQUIRE(detours.all().size() == 2);
    CHECK(detours.all()[0].times == 2);
    CHECK(detours.all()[0].since == start + 1s);
    detours.by_others(id(3), start + 4s); // in the place of 2
    REQUIRE(detours.all().size() == 2);
    CHECK(detours.all()[0].id == id(1));
    CHECK(detours.all()[1].id == id(3));
    detours.end(id(1));
    REQUIRE(detours.all().size() == 1);
    detours.by_others(id(1), start + 5s);
    CHECK(detours.all()[1].times == 1);
    detours.by_others(id(1), start + 6s);
    CHECK(detours.all()[0].id == id(1)); // now more often than 3
    CHECK(detours.all()[0].times == 2);
    CHECK(detours.all()[1].id == id(3));
}

TEST_CASE("why: the last eight of each member, the oldest of all go first") {
    Why why{20};
    for (std::uint64_t i = 0; i < 12; ++i) {
        Change change;
        change.id = NodeId{1};
        change.incarnation = i;
        why.note(change);
    }
    const auto eight = why.of(NodeId{1});
    REQUIRE(eight.size() == 8);
    CHECK((eight.front().incarnation == 4 && eight.back().incarnation == 11));
    for (std::uint64_t i = 0; i < 19; ++i) {
        Change change;
        change.id = NodeId{100 + i};
        why.note(change);
    }
    CHECK(why.size() == 20);
    const auto rest = why.of(NodeId{1});
    REQUIRE(rest.size() == 1);
    CHECK(rest.front().incarnation == 11);
    CHECK(why.of(NodeId{5}).empty());
}
