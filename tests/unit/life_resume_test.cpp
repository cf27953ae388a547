// What is aborted or done again: by whom it may be, and what it leaves of what others did since.
#include <algorithm>
#include <atomic>

#include <catch2/catch.hpp>

#include "agent/life/overtaken.h"
#include "tests/unit/life_world.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using agent::Json;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::present;
using jackdaw::testing::test_spec;

namespace {

const std::string operation_id = "018f3c1e-0000-7000-8000-0000000000aa";

Json database(const std::string& name) {
    return Json{{"request", {{"name", name}, {"charset", ""}, {"collation", ""}}}};
}

template <class T>
std::string code_of(const Result<T>& result) {
    return result ? "ok" : std::string{row_of(result.error().id()).name};
}

} // namespace

TEST_CASE("an abort: of what has ended a conflict, of what waits at once, twice like once") {
    LifeWorld world;
    world.start_agent();
    const auto made = world.must_create();
    CHECK(code_of(world.life().abort(made.id)) == "E-CONFLICT");
    CHECK(code_of(world.life().abort("nothing")) == "E-NOT-FOUND");
    CHECK(code_of(world.life().resume(made.id)) == "E-CONFLICT");

    world.engine.hold("databases.create");
    const auto first = world.submit("database.create", database("one"));
    REQUIRE(first);
    world.engine.wait_held();
    const auto second = world.submit("instance.stop");
    REQUIRE(second);
    REQUIRE(world.life().abort(second->operation.id));
    REQUIRE(world.life().abort(first->operation.id));
    REQUIRE(world.life().abort(first->operation.id));
    CHECK(world.wait_ended(first->operation.id).status == "undone");
    CHECK(world.wait_ended(second->operation.id).status == "undone");
    world.engine.let_go();
    CHECK(world.host.database_running());
    CHECK(world.engine.databases() == std::vector<std::string>{"app"});
}

TEST_CASE("an abort of a change that was refused before it did anything ends undone") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto ends_undone = [&](const char* action, Json request) {
        INFO(action);
        const auto submitted =
            world.submit(action, Json{{"request", std::move(request)}, {"verifier", "*AB"}});
        REQUIRE(submitted);
        const auto& id = submitted->operation.id;
        CHECK(world.wait_ended(id).error->code == "E-NOT-FOUND");
        REQUIRE(world.life().abort(id));
        CHECK(world.wait_ended(id).status == "undone");
    };
    ends_undone("database.delete", {{"name", "nothing"}});
    ends_undone("user.delete", {{"name", "nobody"}});
    ends_undone("user.password", {{"name", "nobody"}});

    world.engine.hold("databases.drop"); // what is there goes, and does not come back
    const auto dropping = world.submit("database.delete", database("app"));
    REQUIRE(dropping);
    world.engine.wait_held();
    REQUIRE(world.life().abort(dropping->operation.id));
    world.engine.let_go();
    CHECK(world.wait_ended(dropping->operation.id).status == "failed");
}

TEST_CASE("an abort that comes when a delete has forgotten the instance does not call it undone") {
    LifeWorld world;
    world.on_point = [&](std::string_view, std::string_view step, std::string_view point) {
        if (step == "instance.forget" && point == "effect") {
            (void)world.life().abort(operation_id);
        }
    };
    world.start_agent();
    (void)world.must_create();
    agent::SubmitRequest request;
    request.id = operation_id;
    request.action = "instance.delete";
    REQUIRE(world.life().submit(request));
    const auto end = world.wait_ended(operation_id);
    CHECK(end.status == "failed");
    CHECK(present(end.error).cause.find("cannot be undone") != std::string::npos);
    CHECK(world.life().spec() == nullptr);
    CHECK_FALSE(world.host.volume().mounted);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a second abort does not cut short the undo that the first one asked for") {
    LifeWorld world;
    std::atomic<int> undos{0};
    world.on_point = [&](std::string_view action, std::string_view, std::string_view point) {
        if (action == "instance.restart" && point == "undo") {
            ++undos;
            world.engine.fail("adopt", 1); // the undo has to wait a little
            (void)world.life().abort(operation_id);
        }
    };
    world.start_agent();
    (void)world.must_create();
    world.engine.hold("adopt"); // the restarted database does not answer yet
    agent::SubmitRequest request;
    request.id = operation_id;
    request.action = "instance.restart";
    REQUIRE(world.life().submit(request));
    world.wait("the restart", [&] { return world.host.databases_started() == 2; });
    world.engine.wait_held();
    REQUIRE(world.life().abort(operation_id));
    world.engine.let_go();
    CHECK(world.wait_ended(operation_id).status == "undone");
    CHECK(undos > 0);
    CHECK(world.host.database_running());
}

TEST_CASE("what has failed is let lie once something newer was done to the same thing") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.engine.fail("databases.create", 1);
    const auto old = world.submit("database.create", database("one"));
    REQUIRE(old);
    const auto& id = old->operation.id;
    REQUIRE(world.wait_ended(id).status == "failed");
    SECTION("another thing is none of its business") {
        (void)world.must_do("database.create", database("two"));
        REQUIRE(world.life().resume(id));
        CHECK(world.wait_ended(id).status == "done");
    }
    SECTION("what was made anew is neither made nor dropped by the old one") {
        const auto newer = world.must_do("database.create", database("one"));
        for (const bool undo : {false, true}) {
            const auto late = undo ? world.life().abort(id) : world.life().resume(id);
            CHECK(code_of(late) == "E-CONFLICT");
            REQUIRE_FALSE(late);
            CHECK(late.error().message().find(newer.id) != std::string::npos);
        }
        CHECK(present(world.life().operation(id)).status == "failed");
        CHECK(world.engine.databases() == std::vector<std::string>{"app", "one"});
    }
}

TEST_CASE("what failed on an instance before this one touches nothing of this one") {
    LifeWorld world;
    world.start_agent();
    std::string id = operation_id;
    SECTION("its create") {
        world.engine.fail("probe", 1);
        REQUIRE(world.create(test_spec(), id));
    }
    SECTION("a database that it did not get") {
        (void)world.must_create();
        world.engine.fail("databases.create", 1);
        const auto old = world.submit("database.create", database("one"));
        REQUIRE(old);
        id = old->operation.id;
    }
    SECTION("a delete, which could be aborted whatever came later") {
        (void)world.must_create();
        world.host.fail_next("unmount_volume", Error{Errc::busy, "somebody is in it"});
        const auto old = world.submit("instance.delete");
        REQUIRE(old);
        id = old->operation.id;
    }
    REQUIRE(world.wait_ended(id).status == "failed");
    (void)world.must_do("instance.delete");
    auto spec = test_spec();
    spec.databases.push_back({"one", "", ""});
    (void)world.must_create(spec);
    for (const bool undo : {false, true}) {
        const auto late = undo ? world.life().abort(id) : world.life().resume(id);
        CHECK(code_of(late) == "E-CONFLICT");
    }
    CHECK(present(world.life().operation(id)).status == "failed");
    CHECK(world.life().spec() != nullptr);
    CHECK(world.host.database_running());
    CHECK(world.host.volume().data == agent::DataFolder::complete);
    CHECK(world.engine.databases() == std::vector<std::string>{"app", "one"});
    CHECK(world.host.violations().empty());
}

TEST_CASE("an account is the same one in whatever letters its host is written") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto of = [](const char* host) {
        return Json{{"request", {{"name", "bob"}, {"host", host}}}, {"verifier", "*AB"}};
    };
    (void)world.must_do("instance.stop");
    const auto old = world.submit("user.password", of("LOCALHOST"));
    REQUIRE(old);
    REQUIRE(world.wait_ended(old->operation.id).status == "failed");
    (void)world.must_do("instance.start");
    (void)world.must_do("user.create", of("localhost"));
    CHECK(code_of(world.life().resume(old->operation.id)) == "E-CONFLICT");
}

TEST_CASE("a start that failed is not undone under the database that the next one started") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.host.fail_next("spawn_database", Error{Errc::exhausted, "no process is to be had"});
    world.host.end_database(1);
    world.wait("another database", [&] { return world.host.databases_started() == 2; });
    world.wait_watching();
    const auto all = world.life().operations(100);
    const auto failed = std::ranges::find(all, "failed", &proto::Operation::status);
    REQUIRE(failed != all.end());
    REQUIRE(failed->action == "instance.start");
    CHECK(code_of(world.life().abort(failed->id)) == "E-CONFLICT");
    CHECK(world.host.database_running());
    CHECK(world.wait_status("running").database_restarts == 2);
}

TEST_CASE(
    "what the agent tries by itself overtakes when it is done; a delete that is done, others") {
    using agent::Late;
    const auto record = [](std::string id, std::string action, std::string status,
                           std::string cause) {
        agent::Record one;
        one.shape.id = std::move(id);
        one.shape.action = std::move(action);
        one.shape.status = std::move(status);
        one.shape.cause = std::move(cause);
        return one;
    };
    const auto restart = record("1", "instance.restart", "failed", "request");
    std::map<std::string, agent::Record> all{
        {"2", record("2", "instance.start", "running", "supervisor")}};
    CHECK(agent::overtaken_by(all, restart, Late::undo) == nullptr);
    all["2"].shape.cause = "request";
    CHECK(agent::overtaken_by(all, restart, Late::undo) == &all["2"]);
    all["2"] = record("2", "instance.start", "done", "supervisor");
    CHECK(agent::overtaken_by(all, restart, Late::go_on) == &all["2"]);

    const auto removal = record("1", "instance.delete", "failed", "request");
    all = {{"2", record("2", "instance.delete", "failed", "request")}};
    CHECK(agent::overtaken_by(all, removal, Late::undo) == nullptr);
    all["2"].shape.status = "done";
    CHECK(agent::overtaken_by(all, removal, Late::undo) == &all["2"]);
}

TEST_CASE("a resumed operation says whose password it sets") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.stop");
    const Json request{{"request", {{"name", "app"}, {"host", "%"}}}, {"verifier", "*AB"}};
    const auto old = world.submit("user.password", request);
    REQUIRE(old);
    const auto& id = old->operation.id;
    REQUIRE(world.wait_ended(id).status == "failed");
    (void)world.must_do("instance.start");
    SECTION("nobody set another one since") {
        REQUIRE(world.life().resume(id));
        const auto done = world.wait_ended(id);
        CHECK(done.status == "done");
        REQUIRE(done.warnings.size() == 1);
        CHECK(done.warnings.front().find("jackdaw user password") != std::string::npos);
    }
    SECTION("somebody did: that one stays") {
        auto other = request;
        other["verifier"] = "*CD";
        (void)world.must_do("user.password", other);
        CHECK(code_of(world.life().resume(id)) == "E-CONFLICT");
        CHECK(world.engine.users().at("app@%").verifier == "*CD");
    }
}
