// What an agent says of itself, and what it reads of processes.

#include <algorithm>
#include <functional>

#include <catch2/catch.hpp>

#include "agent/api/process_usage.h"
#include "agent/core/answer_watch.h"
#include "agent/core/error_line.h"
#include "agent/core/flaps.h"
#include "agent/core/health.h"
#include "agent/core/key_watch.h"
#include "agent/core/load_meter.h"
#include "agent/core/steady_wall.h"
#include "proto/base/ids.h"
#include "proto/wire/health_json.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using proto::FindingShape;

namespace {

constexpr std::int64_t now_ms = 1'800'000'000'000;
constexpr std::int64_t hour_ms = 3'600'000;

HealthFacts healthy() {
    HealthFacts facts;
    facts.wall_ms = now_ms;
    proto::Instance view;
    view.name = "db1";
    view.status = "running";
    view.volume_size_bytes = std::uint64_t{10} << 30U;
    view.volume_used_bytes = std::uint64_t{1} << 30U;
    view.agent_since = rfc3339(now_ms - 10 * hour_ms);
    facts.instance = view;
    for (const auto* name : {"db1", "db2"}) {
        proto::MemberShape member;
        member.name = name;
        member.status = "alive";
        facts.members.push_back(member);
    }
    facts.state_folder = "/state";
    facts.state_free_bytes = std::uint64_t{1} << 30U;
    facts.state_copy_ms = now_ms - hour_ms;
    facts.secrets = {{"/state/sign.key", 0400, true}, {"/state/state.mdb", 0600, true}};
    facts.load = proto::DatabaseLoad{10, 100, 1, 1000, 0};
    facts.root_level = "off";
    return facts;
}

std::vector<FindingShape> not_well(const HealthFacts& facts) {
    auto all = examine_agent(facts);
    std::erase_if(all, [](const FindingShape& one) { return one.state == "ok"; });
    return all;
}

/// The only thing that is not well.
FindingShape only(const HealthFacts& facts) {
    const auto all = not_well(facts);
    REQUIRE(all.size() == 1);
    CHECK_FALSE(all[0].cause.empty());
    CHECK_FALSE(all[0].mend.empty());
    CHECK(all[0].area == "agent");
    return all[0];
}

/// As the agent's concerns make it.
std::function<void(HealthFacts&)> warns(std::string kind) {
    return [kind = std::move(kind)](HealthFacts& facts) {
        facts.instance->warnings = {
            {kind, "2026-01-01T00:00:00.000Z", "what it is", "jackdaw instance repair db1"}};
    };
}

} // namespace

TEST_CASE("an agent that is well has findings, and all of them are good") {
    const auto all = examine_agent(healthy());
    CHECK(all.size() >= 12);
    for (const auto& one : all) {
        INFO(one.name);
        CHECK(one.state == "ok");
        CHECK(one.severity == "info");
        CHECK(one.cause.empty());
        CHECK(one.mend.empty());
    }
}

TEST_CASE("each thing that goes wrong is told alone, with its weight and what mends it") {
    struct Case {
        const char* name;
        const char* severity;
        const char* mend;
        std::function<void(HealthFacts&)> break_it;
    };
    const std::vector<Case> cases{
        {"state folder", "warning", "du -xh", [](auto& f) { f.state_free_bytes = 1 << 20; }},
        {"state copy", "warning", "agent.log", [](auto& f) { f.state_copy_ms.reset(); }},
        {"state copy", "warning", "agent.log",
         [](auto& f) { f.state_copy_ms = now_ms - 49 * hour_ms; }},
        {"secret files", "error", "chmod go= /state/sign.key /state/state.mdb",
         [](auto& f) { f.secrets[0].mode = 0440; }},
        {"secret files", "error", "chown jackdawd:", [](auto& f) { f.secrets[1].is_ours = false; }},
        {"hand-over", "warning", "instance create", [](auto& f) { f.members.clear(); }},
        {"gossip ring", "error", "mend the file that `ring`",
         [](auto& f) {
             f.members.clear();
             f.gossip.kept_out = "/ring: line 1 of the gossip ring is no key";
         }},
        {"gossip", "error", "machine heal", [](auto& f) { f.members[1].status = "down"; }},
        {"gossip", "error", "machine heal", [](auto& f) { f.gossip.state = "isolated"; }},
        {"gossip", "error", "jackdaw key rotate",
         [](auto& f) { // it knows of nobody else
             f.members.pop_back();
             f.gossip.shut_out_since = "2026-01-01T00:00:00.000Z";
         }},
        {"gossip", "warning", "machine heal",
         [](auto& f) { // perhaps the others are gone for good
             f.members.pop_back();
             f.gossip.state = "isolated";
             f.gossip.unanswered_since = "2026-01-01T00:00:00.000Z";
             f.gossip.unanswered_addresses = 3;
         }},
        {"foreign keys", "warning", "jackdaw key rotate",
         [](auto& f) { // two who missed one rotation hear each other
             f.gossip.foreign_since = "2026-01-01T00:00:00.000Z";
             f.gossip.foreign_datagrams = 12;
         }},
        {"gossip keys", "error", "jackdaw key rotate",
         [](auto& f) { // of two operators at once
             f.members[0].ring = f.members[1].ring = 2;
             f.members[0].key_id = "a1b2c3d4";
             f.members[1].key_id = "0c0d0e0f";
         }},
        {"twin", "error", "remove its state folder", [](auto& f) { f.gossip.state = "twin"; }},
        {"own name", "error", "jackdaw instance rename",
         [](auto& f) { f.gossip.namesakes = {"a1"}; }},
        {"protocol", "warning", "image build", [](auto& f) { f.gossip.incompatible = {"a1"}; }},
        {"members", "error", "another fleet", [](auto& f) { f.gossip.full_at = 16384; }},
        {"address families", "warning", "[::]:PORT\" and advertise = ", // it listened on that alone
         [](auto& f) { f.gossip.other_family = {"db2"}; }},
        {"own address", "warning", "set advertise = \"ADDRESS\"",
         [](auto& f) {
             f.gossip.refuted_times = 10;
             f.gossip.refuted_since = "2026-01-01T00:00:00.000Z";
             f.gossip.address = "192.0.2.1:7412";
         }},
        {"links", "warning", "db2, both ways",
         [](auto& f) { f.gossip.detours = {{"db2", 4, "2026-01-01T00:00:00.000Z"}}; }},
        {"database", "error", "jackdaw log tail db1 error",
         [](auto& f) {
             f.instance->status = "degraded";
             f.instance->reason = "it does not answer";
         }},
        {"database", "error", "jackdaw instance start db1",
         [](auto& f) {
             f.instance->status = "failed";
             f.instance->reason = "crash loop";
         }},
        {"database", "error", "jackdaw instance resize db1 --volume 15G",
         [](auto& f) {
             f.instance->status = "degraded";
             f.instance->reason = "the volume is full";
         }},
        {"database", "error", "jackdaw instance resize db1 --volume 15G",
         [](auto& f) { // its start found no room
             f.instance->status = "failed";
             f.instance->reason = agent::line_of(proto::shape_of(Error{Code::volume_full, "0 B"}));
         }},
        {"database", "info", "jackdaw instance start db1",
         [](auto& f) { f.instance->status = "stopped"; }},
        {"configuration", "warning", "jackdaw config unset db1",
         [](auto& f) { f.instance->reason = "it runs on its last good configuration"; }},
        {"waiting parameters", "info", "jackdaw instance restart db1",
         [](auto& f) { f.instance->pending_restart = {"innodb_log_file_size"}; }},
        {"waiting parameters", "info", "jackdaw instance restart db1",
         [](auto& f) { f.instance->pending_restart = {"back_log", "innodb_log_file_size"}; }},
        {"maintenance", "info", "jackdaw instance resume db1",
         [](auto& f) { f.instance->maintenance_until = "2027-01-01T00:00:00.000Z"; }},
        {"volume", "warning", "jackdaw instance resize db1 --volume 15G",
         [](auto& f) { f.instance->volume_used_bytes = std::uint64_t{17} << 29U; }},
        {"volume", "error", "jackdaw instance resize db1 --volume 15G",
         [](auto& f) { f.instance->volume_used_bytes = std::uint64_t{10} << 30U; }},
        {"crashes", "warning", "jackdaw log tail db1 error",
         [](auto& f) {
             f.events.push_back(
                 {1, rfc3339(now_ms - hour_ms), "database.ended", "error", {}, {}, {}});
         }},
        {"restarts", "warning", "jackdaw machine shell db1 -- tail -n 50",
         [](auto& f) {
             for (std::uint64_t i = 1; i <= 3; ++i) {
                 f.events.push_back(
                     {i, rfc3339(now_ms - hour_ms), "agent.died", "warning", {}, {}, {}});
             }
         }},
        {"last operation", "warning", "jackdaw op resume ID",
         [](auto& f) {
             proto::Operation failed;
             failed.id = "ID";
             failed.status = "failed";
             f.operations = {failed};
         }},
        {"agent's account", "error", "jackdaw instance restart db1",
         [](auto& f) { f.shut_out = proto::ErrorShape{"E-NOT-ALLOWED", "refused", "", "", ""}; }},
        {"agent's account", "error", "jackdaw instance repair db1",
         [](auto& f) { f.account_changed = "it is gone"; }},
        {"connections", "warning", "jackdaw session list db1",
         [](auto& f) { f.load->connections = 81; }},
        {"connections", "error", "jackdaw session list db1",
         [](auto& f) { f.load->connections = 100; }},
        {"agent's account", "warning", "jackdaw instance repair db1", warns("access")},
        {"connections", "warning", "jackdaw instance repair db1", warns("connections")},
        {"volume", "warning", "jackdaw instance resize db1 --volume 15G", warns("volume")},
        {"memory", "warning", "jackdaw instance repair db1", warns("memory")},
        {"sessions", "warning", "jackdaw instance repair db1", warns("sessions")},
        {"accounts", "warning", "jackdaw instance repair db1", warns("accounts")},
        {"sight", "warning", "jackdaw instance repair db1", warns("sight")},
        {"scheduler", "warning", "jackdaw instance repair db1", warns("scheduler")},
        {"filter", "warning", "jackdaw instance repair db1", warns("filter")},
        {"root", "warning", "jackdaw root disable db1",
         [](auto& f) { f.root_level = "superuser"; }},
    };
    for (const auto& one : cases) {
        INFO(one.name << " " << one.mend);
        auto facts = healthy();
        one.break_it(facts);
        const auto found = only(facts);
        CHECK(found.name == one.name);
        CHECK(found.severity == one.severity);
        CHECK(found.mend.find(one.mend) != std::string::npos);
        CHECK(found.state == "bad");
    }
}

TEST_CASE("who hears nobody is told of how many, whatever it takes them for") {
    auto facts = healthy();
    facts.gossip.state = "isolated"; // all others are alive to it
    CHECK(only(facts).cause.find("others known: 1") != std::string::npos);
    facts.members[1].status = "down";
    CHECK(only(facts).cause.find("others known: 1") != std::string::npos);
}

TEST_CASE("keys are missed while datagrams come and none opens, until one does") {
    using namespace std::chrono_literals;
    using Turn = KeyWatch::Turn;
    constexpr Instant start{1000s};
    KeyWatch watch;
    CHECK(watch.look(start, 0, 5) == Turn::none);
    CHECK(watch.look(start + 1s, 3, 9) == Turn::none); // a step of a rotation: others are heard
    CHECK(watch.look(start + 2s, 5, 9) == Turn::none); // once may be chance
    CHECK_FALSE(watch.is_shut_out());
    CHECK(watch.look(start + 3s, 5, 9) == Turn::none);
    CHECK(watch.look(start + 4s, 6, 9) == Turn::shut_out);
    CHECK(watch.look(start + 5s, 9, 9) == Turn::none); // told once
    CHECK(watch.look(start + 6s, 9, 9) == Turn::none);
    CHECK(watch.is_shut_out());
    CHECK(watch.since() == start + 2s);
    CHECK(watch.missed() == 6);
    CHECK(watch.look(start + 7s, 9, 10) == Turn::let_in);
    CHECK_FALSE(watch.is_shut_out());
    CHECK(watch.look(start + 8s, 10, 10) == Turn::none);
    CHECK(watch.look(start + 9s, 11, 10) == Turn::shut_out);
    CHECK(watch.since() == start + 8s);
    CHECK(watch.look(start + 9s + KeyWatch::over_after - 1ms, 11, 10) == Turn::none);
    // They were a stranger's.
    CHECK(watch.look(start + 9s + KeyWatch::over_after, 11, 10) == Turn::over);
    CHECK_FALSE(watch.is_shut_out());
}

TEST_CASE("others who missed the same rotation do not hide that keys are missed") {
    using namespace std::chrono_literals;
    constexpr Instant start{1000s};
    KeyWatch watch;
    std::uint64_t unknown = 0, heard = 0;
    for (auto at = 0s; at < 30s; at += 5s) { // a rotation's steps are over sooner
        (void)watch.look(start + at, unknown += 2, heard += 3);
        CHECK_FALSE(watch.sees_foreign());
    }
    (void)watch.look(start + 30s, unknown += 2, heard += 3);
    CHECK(watch.sees_foreign());
    CHECK_FALSE(watch.is_shut_out());
    CHECK(watch.foreign_since() == start);
    CHECK(watch.foreign() == 14);
    (void)watch.look(start + 30s + KeyWatch::foreign_over - 1s, unknown, ++heard);
    CHECK(watch.sees_foreign());
    (void)watch.look(start + 30s + KeyWatch::foreign_over, unknown, ++heard);
    CHECK_FALSE(watch.sees_foreign());
    (void)watch.look(start + 1h, ++unknown, ++heard); // one alone is nothing
    CHECK_FALSE(watch.sees_foreign());
}

TEST_CASE("whom nobody has ever answered is known by its rounds of asking, until one is heard") {
    using namespace std::chrono_literals;
    using Turn = AnswerWatch::Turn;
    const Instant start = Instant{} + 1h;
    AnswerWatch watch;
    CHECK(watch.look(start, 0, 0) == Turn::none); // alone, and asks nobody
    CHECK(watch.look(start + 1s, 1, 0) == Turn::none);
    CHECK(watch.look(start + 5s, AnswerWatch::rounds_min - 1, 0) == Turn::none);
    CHECK(watch.look(start + 9s, AnswerWatch::rounds_min, 0) == Turn::unanswered);
    CHECK(watch.is_unanswered());
    CHECK(watch.since() == start + 1s);
    CHECK(watch.look(start + 10s, 0, 0) == Turn::none); // told to ask others: none has answered yet
    CHECK(watch.is_unanswered());
    CHECK(watch.look(start + 11s, 0, 1) == Turn::answered);
    CHECK_FALSE(watch.is_unanswered());
    CHECK(watch.look(start + 1h, 99, 1) == Turn::none); // it has heard others, which are gone since
}

TEST_CASE(
    "who is suspected again and again is not reached, until some minutes after the last time") {
    using namespace std::chrono_literals;
    constexpr Instant start{1000s};
    ReachWatch watch;
    CHECK_FALSE(watch.is_unreached(start));
    for (int i = 0; i < 9; ++i) {
        watch.taken_for_gone(start + i * 10s);
        CHECK_FALSE(watch.is_unreached(start + i * 10s)); // so many may be chance
    }
    watch.taken_for_gone(start + 90s);
    CHECK(watch.is_unreached(start + 90s));
    CHECK(watch.since() == start);
    CHECK(watch.times() == 10);
    const auto last = start + 90s + 4min; // rarely, and yet not over
    watch.taken_for_gone(last);
    CHECK(watch.since() == start);
    CHECK(watch.times() == 11);
    CHECK(watch.is_unreached(last + ReachWatch::over - 1s));
    CHECK_FALSE(watch.is_unreached(last + ReachWatch::over));
    watch.taken_for_gone(last + 10min); // it begins anew
    CHECK_FALSE(watch.is_unreached(last + 10min));

    ReachWatch rare; // one in 20 s, for an hour
    for (int i = 0; i < 180; ++i) {
        rare.taken_for_gone(start + i * 20s);
        CHECK_FALSE(rare.is_unreached(start + i * 20s));
    }
    for (int i = 1; i <= 9; ++i) {
        rare.taken_for_gone(start + 1h + i * 1s);
        CHECK(rare.is_unreached(start + 1h + i * 1s) == (i >= 5)); // with the last rare ones
    }
    CHECK(rare.times() == 14);
    CHECK(rare.since() == start + 175 * 20s);
}

TEST_CASE("one suspicion of a member in a minute is told, and each that is told has its end") {
    using namespace std::chrono_literals;
    constexpr Instant start{1000s};
    FlapBook book;
    CHECK(book.recovered(1)); // of which nothing is known
    CHECK(book.suspected(1, start) == std::uint64_t{0});
    CHECK(book.recovered(1));
    for (int i = 1; i < 60; ++i) {
        CHECK_FALSE(book.suspected(1, start + i * 1s));
        CHECK_FALSE(book.recovered(1));
    }
    CHECK(book.suspected(2, start + 59s) == std::uint64_t{0}); // another member
    CHECK(book.suspected(1, start + 60s) == std::uint64_t{59});
    CHECK(book.recovered(1));
    CHECK_FALSE(book.suspected(1, start + 61s));
    book.down(1); // which is told
    CHECK(book.recovered(1));
    CHECK_FALSE(book.suspected(1, start + 62s));
    CHECK(book.suspected(3, start + 10min) == std::uint64_t{0}); // what is old is dropped
    CHECK(book.recovered(1));
    CHECK(book.suspected(1, start + 10min) == std::uint64_t{0});
}

TEST_CASE("a suspicion for which there is no place in the book is told each time") {
    using namespace std::chrono_literals;
    constexpr Instant start{1000s};
    FlapBook book;
    const auto last = std::uint64_t{FlapBook::members_max};
    for (std::uint64_t id = 0; id <= last; ++id) {
        REQUIRE(book.suspected(id, start));
    }
    CHECK_FALSE(book.suspected(last - 1, start + 1s));
    CHECK(book.suspected(last, start + 1s) == std::uint64_t{0});
    CHECK(book.recovered(last));
}

TEST_CASE("the time of what happened is the same at every look, until the wall clock is set") {
    const auto monotonic = [](std::int64_t us) { return Instant{std::chrono::microseconds{us}}; };
    const auto then = monotonic(5'000'300);
    SteadyWall wall;
    wall.look(monotonic(9'000'900), now_ms);
    const auto told = wall.ms_at(then);
    CHECK(told == now_ms - 4'000);
    wall.look(monotonic(9'001'100), now_ms); // the two are never read at once
    CHECK(wall.ms_at(then) == told);
    wall.look(monotonic(10'000'000), now_ms + 1'500);
    CHECK(wall.ms_at(then) == told);
    CHECK(wall.ms_at(monotonic(5'001'300)) == told + 1);
    wall.look(monotonic(11'000'000), now_ms + 2'000 + hour_ms);
    CHECK(wall.ms_at(then) == told + hour_ms);
    wall.look(monotonic(12'000'000), now_ms + 3'000); // and back
    CHECK(wall.ms_at(then) == told);
}

TEST_CASE("what is past or to be expected is no finding") {
    auto facts = healthy();
    facts.events.push_back(
        {1, rfc3339(now_ms - 25 * hour_ms), "database.ended", "error", {}, {}, {}});
    facts.state_copy_ms.reset(); // an agent that has just started has had no time for one
    facts.instance->agent_since = rfc3339(now_ms - hour_ms);
    proto::Operation done, failed;
    done.status = "done";
    failed.status = "failed";
    facts.operations = {done, failed};                               // something went well since
    facts.gossip.detours = {{"db2", 3, "2026-01-01T00:00:00.000Z"}}; // lost answers, not a cut
    CHECK(not_well(facts).empty());
    failed.error = proto::ErrorShape{"E-NOT-FOUND", "no such user", "", "", ""};
    facts.operations = {failed, done}; // what cannot be was refused, and nothing is left of it
    facts.load.reset();                // an engine that counts nothing
    CHECK(not_well(facts).empty());
}

TEST_CASE("a database that is being started in its time is no error") {
    auto facts = healthy();
    facts.instance->status = "degraded";
    facts.instance->reason = "the database is being started";
    proto::Operation start;
    start.action = "instance.start"; // after a power-on
    for (const auto* status : {"queued", "running"}) {
        start.status = status;
        facts.operations = {start};
        const auto found = only(facts);
        CHECK(found.severity == "warning");
        CHECK(found.cause == "it is starting");
        CHECK(found.mend == "jackdaw instance show db1");
    }
    facts.operations[0].status = "done";
    CHECK(only(facts).severity == "error"); // it was, and does not answer
    facts.operations[0].status = "running";
    facts.operations[0].action = "config.set";
    CHECK(only(facts).severity == "error");
}

TEST_CASE("what was set on a stopped instance waits for its start") {
    auto facts = healthy();
    facts.instance->status = "stopped";
    facts.instance->pending_restart = {"back_log"};
    const auto all = not_well(facts);
    REQUIRE(all.size() == 2);
    CHECK(all[1].cause == "back_log waits for the next start");
    CHECK(all[1].mend == "jackdaw instance start db1");
}

TEST_CASE("a start that found no room is mended by a larger volume, whatever its words are") {
    auto facts = healthy();
    proto::Operation start;
    start.status = "failed";
    start.action = "instance.start";
    start.error = proto::ErrorShape{"E-VOLUME-FULL", "start it", "1 of 9 MiB are free", "", ""};
    facts.operations = {start};
    facts.instance->status = "failed";
    facts.instance->reason = agent::line_of(*start.error);
    const auto all = not_well(facts);
    REQUIRE(all.size() == 2);
    CHECK(all[0].mend == "jackdaw instance resize db1 --volume 15G");
    CHECK(all[1].name == "last operation");
}

TEST_CASE("what ended in maintenance is started, or maintenance ended: nothing does it by itself") {
    auto facts = healthy();
    facts.instance->status = "degraded";
    facts.instance->reason = "the database has ended";
    facts.instance->maintenance_until = "2027-01-01T00:00:00.000Z";
    const auto mend = [&] { return not_well(facts).at(0).mend; };
    CHECK(mend().starts_with("`jackdaw instance start db1`, or `jackdaw instance resume db1`"));
    facts.instance->database_pid = 7; // it runs, and does not answer
    CHECK(mend() == "jackdaw log tail db1 error");
}

TEST_CASE("a warning of the instance is told once, and by what is known more exactly") {
    auto facts = healthy();
    warns("connections")(facts);
    facts.load->connections = 100;
    CHECK(only(facts).severity == "error");
    facts = healthy();
    warns("volume")(facts);
    facts.instance->volume_used_bytes = std::uint64_t{10} << 30U;
    CHECK(only(facts).cause.starts_with("it is filled to 100 %"));
    facts = healthy();
    warns("memory")(facts);
    CHECK(only(facts).cause == "what it is");
    facts = healthy();
    warns("connections")(facts); // nobody gets in, and so nobody can count
    facts.unasked = proto::ErrorShape{"E-EXHAUSTED", "all are taken", "", "", ""};
    facts.load.reset();
    const auto all = not_well(facts);
    REQUIRE(all.size() == 2);
    CHECK(all[0].state == "unknown");
    CHECK(all[1].state == "bad");
    CHECK(all[1].name == "connections");
}

TEST_CASE("what could not be asked is unknown, neither good nor bad") {
    auto facts = healthy();
    facts.unasked = proto::ErrorShape{"E-DATABASE-DOWN", "nothing answers", "", "", ""};
    facts.load.reset();
    const auto all = not_well(facts);
    REQUIRE(all.size() == 2);
    CHECK(all[0].state == "unknown");
    CHECK(all[1].state == "unknown");
    facts = healthy();
    facts.instance.reset(); // an agent without an instance
    CHECK(not_well(facts).empty());
}

TEST_CASE("the CPU time of a process is read behind whatever its name is") {
    const std::string line = "12 (a) b) 99 (x) S 1 1 1 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 1 0 99";
    CHECK(cpu_us_of(line, 100) == std::uint64_t{3'000'000});
    for (const auto* bad : {"", "12 (a", "12 (a) S 1", "12 (a) S 1 1 1 0 -1 1 1 2 3 4 x 50"}) {
        CHECK_FALSE(cpu_us_of(bad, 100));
    }
    CHECK_FALSE(cpu_us_of(line, 0));
    const auto own = usage_of_process(::getpid());
    CHECK(own.cpu_us.has_value());
    CHECK(own.memory_bytes.value_or(0) > 100'000);
    const auto none = usage_of_process(-1);
    CHECK_FALSE(none.cpu_us.has_value());
    CHECK_FALSE(none.memory_bytes.has_value());
}

TEST_CASE("the class of the load is the mean of half a minute, and of one process") {
    using namespace std::chrono_literals;
    constexpr Instant start{1000s};
    constexpr std::uint64_t second_us = 1'000'000;
    LoadMeter meter;
    meter.look(start, 7, 5 * second_us, 2);
    meter.look(start + 29s, 7, 60 * second_us, 2);
    CHECK(meter.load_class() == 0); // not over yet
    meter.look(start + 30s, 7, 35 * second_us, 2);
    CHECK(meter.load_class() == 4); // one of two cores
    meter.look(start + 60s, 7, 64 * second_us + second_us / 2, 2);
    CHECK(meter.load_class() == 4); // at the border: as before
    meter.look(start + 90s, 7, 124 * second_us + second_us / 2, 2);
    CHECK(meter.load_class() == 7); // all of both
    meter.look(start + 95s, 8, second_us, 2);
    CHECK(meter.load_class() == 7); // of another process nothing is known yet
    meter.look(start + 125s, 8, 2 * second_us, 2);
    CHECK(meter.load_class() == 0);
    meter.look(start + 155s, 8, 40 * second_us, 2);
    CHECK(meter.load_class() == 5);
    meter.look(start + 156s, 0, std::nullopt, 2);
    CHECK(meter.load_class() == 0); // no database
}

TEST_CASE("a load and a finding survive JSON, whole and empty") {
    proto::LoadShape full;
    full.at = "2026-01-01T00:00:00.000Z";
    full.clock_us = 5;
    full.name = "db1";
    full.id = "i";
    full.status = "running";
    full.role = "standalone";
    full.machine_memory_bytes = 1;
    full.machine_cores = 2;
    full.database_pid = 7;
    full.database_cpu_us = 8;
    full.database_memory_bytes = 9;
    full.database = proto::DatabaseLoad{1, 2, 3, 4, {}};
    full.work = proto::CurrentWork{"op", "config.set", "apply", 0.5, 3.0};
    for (const auto& load : {full, proto::LoadShape{}}) {
        const auto json = proto::to_json(load);
        const auto again = proto::load_from(json);
        REQUIRE(again);
        CHECK(proto::to_json(*again) == json);
    }
    for (const auto* bad :
         {"[]", R"({"database": 3})", R"({"database": {"queries": -1}})", R"({"clock_us": "x"})",
          R"({"work": {"progress": "all"}})", R"({"volume": []})"}) {
        INFO(bad);
        CHECK_FALSE(proto::load_from(proto::Json::parse(bad)));
    }
    const FindingShape finding{"host", "n", "s", "bad", "error", "c", "m"};
    const auto again = proto::finding_from(proto::to_json(finding));
    REQUIRE(again);
    CHECK(proto::to_json(*again) == proto::to_json(finding));
    CHECK_FALSE(proto::finding_from(proto::Json::parse(R"({"name": 1})")));
    CHECK_FALSE(proto::finding_from(proto::Json::parse("3")));
}
