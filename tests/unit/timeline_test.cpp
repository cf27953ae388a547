// The timeline: in order, durable, bounded, and cut in a storm.
#include <algorithm>
#include <set>
#include <thread>

#include "agent/timeline.h"
#include "tests/unit/state_folder.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

struct World {
    testing::StateFolder folder;
    std::unique_ptr<StateStore> store = open_store();
    runtime::Clock clock;
    std::vector<std::function<void()>> later;
    int changes = 0;

    std::unique_ptr<StateStore> open_store() const {
        auto opened = StateStore::open({folder.path(), testing::small_map, true});
        REQUIRE(opened);
        return *std::move(opened);
    }
    std::unique_ptr<Timeline> make(TimelineLimits limits = {}) {
        auto made = std::make_unique<Timeline>(Timeline::Parts{*store, clock,
                                                               [this](std::function<void()> work) {
                                                                   later.push_back(std::move(work));
                                                               },
                                                               [this] { ++changes; }},
                                               limits);
        REQUIRE(made->load());
        return made;
    }
    void run_later() {
        for (auto work = std::exchange(later, {}); auto& one : work) {
            one();
        }
    }
};

} // namespace

TEST_CASE("entries are kept in order, over the end of the program, and read from any place") {
    World world;
    {
        auto timeline = world.make();
        CHECK(timeline->newest(10)->empty());
        timeline->add("database.ended", "db1", "with status 1", "op-1");
        timeline->add("database.started", "db1", "again\nand again\x01");
        CHECK(timeline->newest(10)->empty()); // queued: one commit for both
        REQUIRE(world.later.size() == 1);
        world.run_later();
        CHECK(world.changes == 1);
        timeline->add("member.down", "db2", "is down");
        timeline->flush();
    }
    world.store.reset();
    world.store = world.open_store();
    auto timeline = world.make();
    const auto all = timeline->newest(10);
    REQUIRE(all);
    REQUIRE(all->size() == 3);
    CHECK((*all)[0].kind == "database.ended");
    CHECK((*all)[0].weight == "error");
    CHECK((*all)[0].operation == "op-1");
    CHECK((*all)[0].subject == "db1");
    CHECK((*all)[1].text == "again and again "); // no control character of anybody's
    CHECK((*all)[2].sequence == 3);
    CHECK_FALSE((*all)[2].at.empty());
    CHECK(timeline->last() == 3);
    CHECK(timeline->newest(1)->front().sequence == 3);
    const auto behind = timeline->read(1, 10);
    REQUIRE(behind->size() == 2);
    CHECK(behind->front().sequence == 2);
    timeline->add("agent.started", "", "");
    timeline->flush();
    CHECK(timeline->newest(1)->front().sequence == 4);
}

TEST_CASE("the oldest entries go when there are too many") {
    World world;
    TimelineLimits limits;
    limits.entries_max = 20;
    limits.burst = 1000;
    auto timeline = world.make(limits);
    for (int i = 0; i < 55; ++i) {
        timeline->add("operation.done", "db1", std::to_string(i));
        if (i % 7 == 0) {
            timeline->flush();
        }
    }
    timeline->flush();
    CHECK(world.store->scan(Table::events, "", 1000)->size() == 20);
    CHECK(timeline->newest(1000)->front().text == "35");
    CHECK(timeline->read(0, 1000)->size() == 20);
    auto again = world.make(limits); // knows where it begins
    again->add("operation.done", "db1", "x");
    again->flush();
    CHECK(world.store->scan(Table::events, "", 1000)->size() == 20);
}

TEST_CASE("a storm is cut, and the cut is told") {
    World world;
    TimelineLimits limits;
    limits.burst = 5;
    limits.per_second_milli =
        1'000'000; // a thousand a second afterwards: the test need not wait long
    auto timeline = world.make(limits);
    for (int i = 0; i < 2000; ++i) {
        timeline->add("member.suspected", "db2", std::to_string(i));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    timeline->add("member.recovered", "db2", "at last");
    timeline->flush();
    const auto all = timeline->newest(5'000);
    REQUIRE(all);
    CHECK(all->size() < 1900);
    CHECK(all->back().kind == "member.recovered");
    std::uint64_t told = 0, cut = 0;
    for (const auto& one : *all) {
        if (one.kind == "timeline.cut") {
            cut += std::stoull(one.text);
        } else {
            ++told;
        }
    }
    CHECK(told + cut == 2001);
}

TEST_CASE("texts are bounded; every kind has a weight and a meaning") {
    World world;
    auto timeline = world.make();
    timeline->add("database.silent", std::string(100'000, 'x'), std::string(1'000'000, 'y'));
    timeline->flush();
    const auto entry = timeline->newest(1)->front();
    CHECK(entry.text.size() == 1024);
    CHECK(entry.subject.size() == 256);
    std::set<std::string_view> kinds;
    for (const auto& row : event_kinds()) {
        CHECK(kinds.insert(row.kind).second);
        CHECK((row.weight == "info" || row.weight == "warning" || row.weight == "error"));
        CHECK_FALSE(row.text.empty());
    }
}

TEST_CASE(
    "an end that nobody asked for is seen by the next agent, and a machine's from an agent's") {
    const auto entry = [](std::string at, std::string kind) {
        proto::EventShape one;
        one.at = std::move(at);
        one.kind = std::move(kind);
        one.text = "process 7";
        return one;
    };
    std::vector<proto::EventShape> left;
    CHECK_FALSE(unasked_end(left, "2026-01-01T00:00:00.000Z"));
    left.push_back(entry("2026-01-02T00:00:00.000Z", "agent.started"));
    left.push_back(entry("2026-01-02T01:00:00.000Z", "database.started"));
    const auto died = unasked_end(left, "2026-01-01T00:00:00.000Z");
    REQUIRE(died);
    CHECK(died->kind == "agent.died");
    CHECK(died->text.find("process 7") != std::string::npos);
    const auto cut = unasked_end(left, "2026-01-02T01:00:01.000Z");
    REQUIRE(cut);
    CHECK(cut->kind == "agent.power_cut");
    for (const auto& one : {*died, *cut}) {
        CHECK(std::ranges::find(event_kinds(), one.kind, &EventKind::kind) != event_kinds().end());
    }
    const std::vector<proto::EventShape> newer{left.back()}; // its begin is further back
    const auto old = unasked_end(newer, "2026-01-01T00:00:00.000Z");
    REQUIRE(old);
    CHECK(old->kind == "agent.died");
    CHECK(old->text == "last heard of at 2026-01-02T01:00:00.000Z");
    REQUIRE(unasked_end(newer, "2026-01-02T01:00:01.000Z"));
    left.push_back(entry("2026-01-02T02:00:00.000Z", "agent.stopped"));
    left.push_back(entry("2026-01-02T02:00:00.001Z", "member.down"));
    CHECK_FALSE(unasked_end(left, "2026-01-01T00:00:00.000Z"));
    CHECK_FALSE(unasked_end(left, "2026-01-03T00:00:00.000Z"));
}
