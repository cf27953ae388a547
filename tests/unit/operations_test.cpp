// agent/core/operations.h: every way an operation can go, and what the journal says at each moment.
#include <algorithm>
#include <random>

#include <catch2/catch.hpp>

#include "agent/core/operations.h"
#include "agent/core/request_words.h"
#include "proto/base/ids.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using jackdaw::testing::present;

namespace {

Now at(std::int64_t seconds, std::string boot = "boot-1") {
    return Now{std::move(boot), seconds * 1'000'000'000, 1'700'000'000'000 + seconds * 1000};
}

Operations::Request request(std::string id, std::vector<std::string> steps = {"a", "b", "c"}) {
    Operations::Request wanted;
    wanted.id = std::move(id);
    wanted.action = "instance.create";
    wanted.target = "db1";
    wanted.steps = std::move(steps);
    wanted.arguments = Json{{"request", {{"size", 1}}}};
    wanted.caller = "uid 0";
    return wanted;
}

proto::ErrorShape some_error() {
    return proto::shape_of(Error{Code::volume_full, "no room"});
}

/// The core as the next agent finds it: only what was journalled.
Operations after_kill(const std::map<std::string, std::string>& journal) {
    Operations next;
    for (const auto& [id, text] : journal) {
        REQUIRE(next.load(text));
    }
    return next;
}

void persist(Operations& core, std::map<std::string, std::string>& journal) {
    for (auto& write : core.take_writes()) {
        if (write.text) {
            journal[write.id] = *write.text;
        } else {
            journal.erase(write.id);
        }
    }
}

} // namespace

TEST_CASE("operations: steps run in order and the operation ends done", "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    for (std::size_t step = 0; step < 3; ++step) {
        const auto next = core.next(at(1));
        REQUIRE(next.what == Operations::What::run);
        CHECK(next.step == step);
        core.step_began(at(1), "1", step);
        core.step_done(at(2), "1", step, 400'000);
    }
    CHECK(core.next(at(3)).what == Operations::What::idle);
    CHECK(core.find("1")->shape.status == "done");
    CHECK(core.find("1")->shape.steps[0].duration_us == 1'000'000);
    CHECK(core.find("1")->shape.steps[0].engine_us == 400'000);
    CHECK(core.shape_at(at(3), *core.find("1")).progress == 1.0);
}

TEST_CASE("operations: two on one instance never overlap, the second waits", "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1", {"a"})));
    REQUIRE(core.submit(at(0), request("2", {"a"})));
    CHECK(core.next(at(0)).id == "1");
    core.step_began(at(0), "1", 0);
    CHECK(core.next(at(0)).id == "1"); // still: it runs
    CHECK(core.find("2")->shape.status == "queued");
    core.step_done(at(1), "1", 0, 0);
    CHECK(core.next(at(1)).id == "2");
}

TEST_CASE("operations: killed anywhere, the next agent goes on with the same step",
          "[operations]") {
    for (int killed_after = 0; killed_after < 7; ++killed_after) {
        CAPTURE(killed_after);
        std::map<std::string, std::string> journal;
        std::vector<std::size_t> ran;
        Operations core;
        REQUIRE(core.submit(at(0), request("1")));
        persist(core, journal);
        for (int moment = 0, life = 0; core.find("1")->shape.status != "done"; ++moment) {
            REQUIRE(moment < 40);
            const auto next = core.next(at(moment));
            persist(core, journal);
            if (next.what == Operations::What::idle) {
                break;
            }
            core.step_began(at(moment), "1", next.step);
            persist(core, journal);
            if (life == 0 && moment * 2 == killed_after) {
                core = after_kill(journal);
                ++life;
                continue;
            }
            ran.push_back(next.step);
            core.step_done(at(moment), "1", next.step, 0);
            if (life == 0 && moment * 2 + 1 == killed_after) {
                core = after_kill(journal); // the end was not journalled: the step is run again
                ++life;
                continue;
            }
            persist(core, journal);
        }
        CHECK(core.find("1")->shape.status == "done");
        std::set<std::size_t> all{ran.begin(), ran.end()};
        CHECK(all == std::set<std::size_t>{0, 1, 2});
        CHECK(std::is_sorted(ran.begin(), ran.end()));
    }
}

TEST_CASE("operations: a failed one keeps its done steps and resumes behind them", "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_done(at(0), "1", 0, 0);
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_failed(at(1), "1", 1, some_error());
    CHECK(core.next(at(1)).what == Operations::What::idle);
    CHECK(core.find("1")->shape.status == "failed");
    CHECK(present(core.find("1")->shape.error).code == "E-VOLUME-FULL");
    CHECK(present(core.find("1")->shape.error).operation == "1");
    REQUIRE(core.resume(at(2), "1", 60));
    const auto next = core.next(at(2));
    CHECK(next.what == Operations::What::run);
    CHECK(next.step == 1);
    CHECK_FALSE(core.find("1")->shape.error);
}

TEST_CASE("operations: a step that was killed from outside is done again, three times at most",
          "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    core.step_began(at(0), "1", core.next(at(0)).step);
    REQUIRE(core.interrupted("1"));
    core.step_began(at(1), "1", core.next(at(1)).step);
    core.step_done(at(1), "1", 0, 0);
    for (int time = 0; time < 3; ++time) {
        const auto next = core.next(at(2));
        CHECK(next.what == Operations::What::run);
        CHECK(next.step == 1); // another step has its own count
        core.step_began(at(2), "1", 1);
        CHECK(core.interrupted("1"));
    }
    const auto text = core.find("1")->to_text();
    Operations later; // the next agent does not count anew
    REQUIRE(later.load(text));
    CHECK_FALSE(later.interrupted("1"));
    later.step_failed(at(3), "1", 1, some_error());
    REQUIRE(later.resume(at(4), "1", 60));
    CHECK(later.interrupted("1"));
}

TEST_CASE("operations: a step that is rewound while it runs is done again", "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    const auto steps = core.find("1")->shape.steps;
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.rewind("1", steps[0].name);
    core.step_done(at(1), "1", 0, 0);
    REQUIRE(core.next(at(1)).step == 0);
    core.step_began(at(1), "1", 0);
    core.step_done(at(2), "1", 0, 0); // once
    REQUIRE(core.next(at(2)).step == 1);
    core.step_began(at(2), "1", 1);
    core.rewind("1", steps[0].name); // another one than the running one
    core.step_done(at(3), "1", 1, 0);
    CHECK(core.next(at(3)).step == 0);
    core.step_began(at(3), "1", 0);
    REQUIRE(core.abort(at(3), "1"));
    core.rewind("1", steps[0].name); // what is being undone is undone
    core.step_done(at(4), "1", 0, 0);
    CHECK(core.next(at(4)).what == Operations::What::undo);
    CHECK(core.next(at(4)).step == 1);
}

TEST_CASE("operations: an abort undoes what was done, in reverse, the cut-off step included",
          "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_done(at(0), "1", 0, 0);
    core.step_began(at(0), "1", core.next(at(0)).step);
    REQUIRE(core.abort(at(1), "1"));
    core.step_failed(at(1), "1", 1, proto::shape_of(Error{Errc::cancelled, "stopped"}));
    std::vector<std::size_t> undone;
    for (auto next = core.next(at(1)); next.what == Operations::What::undo;
         next = core.next(at(1))) {
        undone.push_back(next.step);
        core.undo_done(at(1), "1", next.step);
    }
    CHECK(undone == std::vector<std::size_t>{1, 0});
    CHECK(core.find("1")->shape.status == "undone");
    CHECK(core.abort(at(2), "1").error().code() == Errc::conflict);
    CHECK(core.resume(at(2), "1", 60).error().code() == Errc::conflict);
}

TEST_CASE("operations: an abort of what has begun nothing ends it at once", "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    REQUIRE(core.submit(at(0), request("2")));
    core.step_began(at(0), "1", core.next(at(0)).step); // a long one
    REQUIRE(core.abort(at(1), "2"));
    CHECK(core.find("2")->shape.status == "undone");
    CHECK(core.find("2")->shape.error->code == "E-ABORTED");
    CHECK(core.find("1")->shape.status == "running");
    CHECK(core.abort(at(2), "2").error().code() == Errc::conflict);
    core.step_failed(at(2), "1", 0, some_error());
    REQUIRE(core.find("1")->shape.status == "failed");
    REQUIRE(core.submit(at(2), request("3")));
    core.step_began(at(2), "3", core.next(at(2)).step);
    REQUIRE(core.abort(at(3), "1")); // a step of it was begun: that is undone in its turn
    CHECK(core.find("1")->shape.status == "queued");
}

TEST_CASE("operations: an undo that fails ends failed, and a second abort tries again",
          "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_done(at(0), "1", 0, 0);
    REQUIRE(core.abort(at(1), "1"));
    auto next = core.next(at(1));
    REQUIRE(next.what == Operations::What::undo);
    core.undo_failed(at(1), "1", next.step, some_error());
    CHECK(core.find("1")->shape.status == "failed");
    REQUIRE(core.abort(at(2), "1"));
    next = core.next(at(2));
    REQUIRE(next.what == Operations::What::undo);
    core.undo_done(at(2), "1", next.step);
    CHECK(core.next(at(2)).what == Operations::What::idle);
    CHECK(core.find("1")->shape.status == "undone");
}

TEST_CASE("operations: a resume of an undo that failed undoes the step that had failed, too",
          "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_done(at(0), "1", 0, 0);
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_failed(at(0), "1", 1, some_error()); // half done
    REQUIRE(core.abort(at(1), "1"));
    REQUIRE(core.next(at(1)).step == 1);
    core.undo_failed(at(1), "1", 1, some_error());
    REQUIRE(core.resume(at(2), "1", 60));
    std::vector<std::size_t> undone;
    for (auto next = core.next(at(2)); next.what == Operations::What::undo;
         next = core.next(at(2))) {
        undone.push_back(next.step);
        core.undo_done(at(2), "1", next.step);
    }
    CHECK(undone == std::vector<std::size_t>{1, 0});
    CHECK(core.find("1")->shape.status == "undone");
}

TEST_CASE("operations: the same key answers with the same operation, another request is refused",
          "[operations]") {
    Operations core;
    auto first = request("1");
    first.idempotency_key = "k";
    REQUIRE(core.submit(at(0), first));
    auto again = request("2");
    again.idempotency_key = "k";
    CHECK(*core.submit(at(0), again) == "1");
    again.arguments = Json{{"request", {{"size", 2}}}};
    CHECK(core.submit(at(0), again).error().code() == Errc::conflict);
    CHECK(core.all().size() == 1);
}

TEST_CASE("operations: what the arguments do not show is told apart by its hash", "[operations]") {
    Operations core;
    auto first = request("1");
    first.idempotency_key = "k";
    first.request_mac = "aa";
    REQUIRE(core.submit(at(0), first));
    Operations next; // of the agent that comes after a restart
    for (const auto& write : core.take_writes()) {
        REQUIRE(next.load(present(write.text)));
    }
    auto again = request("2");
    again.idempotency_key = "k";
    again.request_mac = "aa";
    CHECK(*next.submit(at(0), again) == "1");
    again.request_mac = "bb";
    const auto refused = next.submit(at(0), again);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Errc::conflict);
    CHECK(refused.error().hint().find("Idempotency-Key") != std::string::npos);
    again.request_mac = ""; // an older caller of submit(), or an older record
    CHECK(*next.submit(at(0), again) == "1");
}

TEST_CASE(
    "operations: within a boot only the boot clock ends an operation, whatever the wall clock does",
    "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1"))); // limit 1800 s
    auto shifted = at(10);
    shifted.wall_ms += std::int64_t{3600} * 1000;
    CHECK(core.next(shifted).what == Operations::What::run);
    shifted.wall_ms -= std::int64_t{2} * 3600 * 1000;
    CHECK(core.next(shifted).what == Operations::What::run);
    CHECK(core.next(at(1801)).what == Operations::What::idle);
    CHECK(present(core.find("1")->shape.error).code == "E-DEADLINE");

    REQUIRE(core.submit(at(0), request("2")));
    CHECK(core.next(at(100, "boot-2")).what == Operations::What::run);
    CHECK(core.next(at(1801, "boot-2")).what ==
          Operations::What::idle); // another boot: the wall decides
}

TEST_CASE("operations: whatever was asked of it, the next agent reads its journal",
          "[operations]") {
    std::string name = "x";
    for (const std::size_t letters : {200U, 600U, 50'000U}) {
        while (name.size() < 2 * letters) {
            name += "\xc3\xa4"; // two bytes each
        }
        INFO(name.size() << " bytes");
        Operations core;
        auto wanted = request("1", {"a"});
        wanted.target = name;
        wanted.idempotency_key = "key";
        REQUIRE(core.submit(at(0), wanted));
        std::map<std::string, std::string> journal;
        persist(core, journal);
        auto next = after_kill(journal);
        const auto& kept = next.find("1")->shape.target;
        CHECK(name.starts_with(kept));
        CHECK(kept.ends_with("\xc3\xa4"));
        CHECK(kept.size() >= std::min<std::size_t>(name.size(), 1'000));
        CHECK(kept.size() <= 1'024);
        wanted.id = "2";
        CHECK(*next.submit(at(1), wanted) == "1"); // the same request
    }
}

TEST_CASE("operations: waiting ones are bounded, old ones are forgotten", "[operations]") {
    Operations core{OperationLimits{3, 1'000'000, 2}};
    REQUIRE(core.submit(at(0), request("1", {"a"})));
    REQUIRE(core.submit(at(0), request("2", {"a"})));
    CHECK(core.submit(at(0), request("3", {"a"})).error().code() == Errc::busy);
    for (const char* id : {"1", "2"}) {
        const auto next = core.next(at(1));
        REQUIRE(next.id == id);
        core.step_began(at(1), id, 0);
        core.step_done(at(1), id, 0, 0);
    }
    CHECK(core.next(at(1)).what == Operations::What::idle);
    REQUIRE(core.submit(at(2000), request("3", {"a"}))); // 1 and 2 are older than 1000 s
    CHECK(core.all().size() == 1);
    std::size_t forgotten = 0;
    for (const auto& write : core.take_writes()) {
        forgotten += write.text ? 0U : 1U;
    }
    CHECK(forgotten == 2);
}

TEST_CASE("operations: a warning is kept once, and so many of them", "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    CHECK(core.warn("1", "it is slow"));
    CHECK_FALSE(core.warn("1", "it is slow"));
    for (int i = 0; i < 30; ++i) {
        CHECK(core.warn("1", std::to_string(i) + std::string(2000, 'x')));
    }
    const auto& kept = core.find("1")->shape.warnings;
    REQUIRE(kept.size() == 16);
    CHECK(kept.back().size() == 1024);
    CHECK_FALSE(core.warn("2", "of no operation"));
}

TEST_CASE("operations: a full journal is made room in by the oldest that have ended",
          "[operations]") {
    Operations core;
    for (const char* id : {"1", "2", "3", "4"}) {
        REQUIRE(core.submit(at(0), request(id, {"a"})));
    }
    REQUIRE(core.abort(at(0), "1"));
    REQUIRE(core.abort(at(0), "3"));
    REQUIRE(core.abort(at(0), "4"));
    (void)core.take_writes();
    CHECK(core.forget_ended("1", 9) == 0);
    CHECK(core.forget_ended("4", 1) == 1);
    CHECK(core.find("1") == nullptr);
    CHECK(core.forget_ended("4", 9) == 1); // 2 waits, and 4 is what is to be written
    CHECK(core.all().size() == 2);
    const auto writes = core.take_writes();
    REQUIRE(writes.size() == 2);
    CHECK(writes[0].id == "1");
    CHECK_FALSE(writes[1].text);
}

TEST_CASE("operations: a journal record that was altered anywhere is refused or read as it was, "
          "never a crash",
          "[operations]") {
    Operations core;
    REQUIRE(core.submit(at(0), request("1")));
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_failed(at(1), "1", 0, some_error());
    const auto text = core.find("1")->to_text();
    REQUIRE(Record::from_text(text)->to_text() == text);
    std::mt19937 random{7};
    for (std::size_t place = 0; place < text.size(); ++place) {
        auto altered = text;
        altered[place] = static_cast<char>(random());
        const auto read = Record::from_text(altered);
        if (!read) {
            CHECK(read.error().code() == Errc::corrupt);
        }
    }
}

TEST_CASE("operations: the time left shrinks with known durations and reaches zero",
          "[operations]") {
    Operations core;
    core.set_estimate("instance.create/a", 1'000'000);
    core.set_estimate("instance.create/b", 2'000'000);
    core.set_estimate("instance.create/c", 1'000'000);
    REQUIRE(core.submit(at(0), request("1")));
    CHECK(present(core.shape_at(at(0), *core.find("1")).seconds_left) == Approx(4.0));
    core.step_began(at(0), "1", core.next(at(0)).step);
    core.step_done(at(1), "1", 0, 0);
    CHECK(present(core.shape_at(at(1), *core.find("1")).seconds_left) == Approx(3.0));
    core.step_began(at(1), "1", core.next(at(1)).step);
    CHECK(present(core.shape_at(at(2), *core.find("1")).seconds_left) == Approx(2.0));
    CHECK(core.shape_at(at(2), *core.find("1")).progress == Approx(0.5));
}

TEST_CASE(
    "operations: a wall clock that is set meanwhile neither ends a step before it began nor the "
    "operation early") {
    const auto shift = GENERATE(-3'600'000, 3'600'000);
    Operations core;
    REQUIRE(core.submit(at(0), request("1", {"a"})));
    REQUIRE(core.next(at(1)).what == Operations::What::run);
    core.step_began(at(1), "1", 0);
    auto later = at(3);
    later.wall_ms += shift;
    core.step_done(later, "1", 0, 0);
    REQUIRE(core.next(later).what == Operations::What::idle);
    const auto shape = core.shape_at(later, *core.find("1"));
    CHECK(shape.status == "done");
    CHECK(shape.steps[0].started_at == rfc3339(at(1).wall_ms));
    CHECK(shape.steps[0].ended_at == rfc3339(at(3).wall_ms));
    CHECK(shape.ended_at == rfc3339(at(3).wall_ms));
}

TEST_CASE("what was asked for is told in a few words, and no secret among them") {
    const auto asked = [](const char* action, Json request) {
        return detail_of(action, Json{{"request", std::move(request)}, {"verifier", "*AB"}});
    };
    const Json grant{{"privileges", {"SELECT", "INSERT"}},
                     {"database", "shop"},
                     {"table", ""},
                     {"with_grant_option", true}};
    CHECK(asked("user.grant", {{"grant", grant}}) == "SELECT, INSERT on shop.* with grant option");
    CHECK(asked("user.update", {{"attributes", {{"name", "eve"}, {"locked", true}}}}) ==
          "name eve, locked");
    CHECK(asked("user.password", {{"name", "eve"}, {"host", "%"}}).empty());
    CHECK(asked("root.enable", {{"level", "superuser"}}) == "superuser");
    CHECK(asked("config.set", {{"set", {{"a", "1"}, {"x_password", "geheim"}}},
                               {"unset", Json::array({"b"})}}) == "a=1, x_password=..., unset b");
    CHECK(detail_of("instance.stop", Json{{"force", true}}) == "forced");
    CHECK(detail_of("instance.stop", Json::object()).empty());
    CHECK(detail_of("user.grant", Json::object()) == "USAGE on *.*"); // lost: no crash
    const std::string long_value(90, 'v');
    Json many = Json::object();
    for (int i = 0; i < 20; ++i) {
        many["p" + std::to_string(i)] = long_value;
    }
    CHECK(asked("config.set", {{"set", many}}).size() < 410);
}
