// What is asked of a life, by one and by many at once.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/unit/life_world.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using agent::Json;
using jackdaw::testing::clear_password;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::other_password;
using jackdaw::testing::passwords_of;
using jackdaw::testing::present;
using jackdaw::testing::test_spec;

namespace {

const std::string operation_id = "018f3c1e-0000-7000-8000-0000000000aa";

Json database(const std::string& name) {
    return Json{{"request", {{"name", name}, {"charset", ""}, {"collation", ""}}}};
}

Result<Json> list_databases(plugins::Datastore& driver, const plugins::Call& call) {
    JACKDAW_TRY(const auto all, driver.databases()->list(call));
    return Json(all.size());
}

template <class T>
std::string code_of(const Result<T>& result) {
    return result ? "ok" : std::string{row_of(result.error().id()).name};
}

} // namespace

TEST_CASE("a create runs every step of its plan, and the journal keeps each with its times") {
    LifeWorld world;
    world.start_agent();
    const auto operation = world.must_create();
    const auto* const plan = agent::plan_of("instance.create");
    REQUIRE(plan != nullptr);
    REQUIRE(operation.steps.size() == plan->size());
    for (std::size_t i = 0; i < plan->size(); ++i) {
        INFO(operation.steps[i].name);
        CHECK(operation.steps[i].name == (*plan)[i].name);
        CHECK(operation.steps[i].status == "done");
        CHECK_FALSE(operation.steps[i].started_at.empty());
        CHECK(operation.steps[i].ended_at >= operation.steps[i].started_at);
        CHECK(operation.steps[i].duration_us >= operation.steps[i].engine_us);
    }
    CHECK(operation.progress == 1.0);
    CHECK(operation.caller == "uid 0");
    const auto view = world.wait_status("running");
    CHECK(view.version == "1.2.3");
    CHECK(view.connection_uri == "fake://10.9.0.2:7433/");
    CHECK(view.database_pid == world.host.database_pid());
    CHECK(world.engine.secured());
    CHECK(world.engine.users().at("app@%").databases == std::vector<std::string>{"app"});

    world.stop_agent();
    world.start_agent();
    const auto kept = present(world.life().operation(operation.id));
    CHECK(proto::to_json(kept) == proto::to_json(operation));
    CHECK(world.host.violations().empty());
}

TEST_CASE("the same spec again is answered by the operation that made it; another one is taken") {
    LifeWorld world;
    world.start_agent();
    const auto made = world.must_create();
    const auto again = world.create(test_spec(), {}, other_password);
    REQUIRE(again);
    CHECK(again->no_op);
    CHECK(again->operation.id == made.id);
    const auto without = world.create(test_spec(), {}, ""); // from who never had its passwords
    REQUIRE(without);
    CHECK(without->no_op);
    auto spec = test_spec();
    spec.databases.push_back({"more", "", ""});
    CHECK(code_of(world.create(spec)) == "E-NAME-TAKEN");
    CHECK(world.life().spec()->databases.size() == 1);
    CHECK(world.life().operations(100).size() == 1);
}

TEST_CASE("a resumed create brings the verifier of its new password") {
    LifeWorld world;
    world.start_agent();
    world.engine.fail("probe", 1);
    const auto first = world.create();
    REQUIRE(first);
    REQUIRE(world.wait_ended(first->operation.id).status == "failed");
    const auto old = world.engine.users().at("app@%").verifier;
    CHECK(code_of(world.create(test_spec(), {}, "")) == "E-BAD-PASSWORD"); // it would lose one
    const auto second = world.create(test_spec(), {}, other_password);
    REQUIRE(second);
    CHECK_FALSE(second->no_op);
    CHECK(second->operation.id == first->operation.id);
    CHECK(world.wait_ended(first->operation.id).status == "done");
    CHECK_FALSE(old.empty());
    CHECK(world.engine.users().at("app@%").verifier != old);
}

TEST_CASE("a password that comes while the step of the users runs is the one that holds") {
    LifeWorld world;
    world.start_agent();
    world.engine.hold("users.create");
    const auto first = world.create();
    REQUIRE(first);
    world.engine.wait_held();
    const auto second = world.create(test_spec(), {}, other_password);
    REQUIRE(second);
    CHECK(second->operation.id == first->operation.id);
    world.engine.let_go();
    CHECK(world.wait_ended(first->operation.id).status == "done");
    CHECK(world.engine.users().at("app@%").verifier == world.life().spec()->users.at(0).verifier);
}

TEST_CASE("a clear password reaches neither the state folder nor a file nor an operation") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto driver = world.life().driver();
    REQUIRE(driver);
    const auto verifier = (*driver)->users()->make_verifier(passwords_of(other_password).front());
    REQUIRE(verifier);
    (void)world.must_do("user.password", Json{{"request", {{"name", "app"}, {"host", "%"}}},
                                              {"verifier", *verifier}});
    std::string everything;
    for (const auto& operation : world.life().operations(100)) {
        everything += proto::to_json(operation).dump();
    }
    world.stop_agent();
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator{world.state_folder()}) {
        std::ifstream in{entry.path(), std::ios::binary};
        everything.append(std::istreambuf_iterator<char>{in}, {});
        ++files;
    }
    for (const auto& [name, content] : world.host.config()) {
        everything += content;
    }
    CHECK(files >= 2);
    CHECK(everything.find("instance.create") != std::string::npos); // the journal is in there
    CHECK(everything.find(*verifier) != std::string::npos);
    CHECK(everything.find(clear_password) == std::string::npos);
    CHECK(everything.find(other_password) == std::string::npos);
}

TEST_CASE("a spec that cannot be is refused before anything is kept") {
    LifeWorld world;
    world.start_agent();
    auto spec = test_spec();
    std::string expected = "E-INVALID";
    std::string clear = clear_password;
    SECTION("name") {
        spec.name = "Not A Label";
        expected = "E-BAD-NAME";
    }
    SECTION("id") {
        spec.id = "1";
    }
    SECTION("file system") {
        spec.filesystem = "btrfs";
    }
    SECTION("datastore") {
        spec.datastore = "nothing";
        expected = "E-UNKNOWN-DATASTORE";
    }
    SECTION("database") {
        spec.databases[0].name = "system";
        expected = "E-RESERVED-NAME";
    }
    SECTION("user") {
        spec.users[0].name = "root";
        expected = "E-RESERVED-NAME";
    }
    SECTION("password") {
        clear.clear();
        expected = "E-BAD-PASSWORD";
    }
    SECTION("too many") {
        spec.databases.assign(257, {"app", "", ""});
    }
    SECTION("machine of another instance") {
        spec.id = "018f3c1e-0000-7000-8000-000000000002";
        expected = "E-CONFLICT";
    }
    CHECK(code_of(world.create(spec, {}, clear)) == expected);
    CHECK(world.life().spec() == nullptr);
    CHECK(world.life().operations(10).empty());
}

TEST_CASE("a create does not ask the host while the life thread does") {
    LifeWorld world;
    world.start_agent();
    world.host.reset_calls();
    std::string seen;
    world.host.before(3, [&] { seen = code_of(world.create(test_spec(), {}, clear_password)); });
    const auto submitted = world.create();
    REQUIRE(submitted);
    CHECK(world.wait_ended(submitted->operation.id).status == "done");
    CHECK(seen == "ok");
    CHECK(world.host.violations() == std::vector<std::string>{});
}

TEST_CASE("an operation's id is used once") {
    LifeWorld world;
    world.start_agent();
    world.engine.fail("secure", 1);
    REQUIRE(world.create(test_spec(), operation_id));
    REQUIRE(world.wait_ended(operation_id).status == "failed");
    REQUIRE(world.life().abort(operation_id));
    REQUIRE(world.wait_ended(operation_id).status == "undone");
    CHECK(code_of(world.create(test_spec(), operation_id)) == "E-CONFLICT");
    CHECK(present(world.life().operation(operation_id)).status == "undone");
    CHECK(world.life().spec() == nullptr);
    (void)world.must_create();
}

TEST_CASE("two requests at once: the second waits for the first") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.engine.hold("databases.create");
    const auto first = world.submit("database.create", database("one"));
    REQUIRE(first);
    world.engine.wait_held();
    const auto second = world.submit("instance.restart");
    REQUIRE(second);
    CHECK(present(world.life().operation(first->operation.id)).status == "running");
    CHECK(present(world.life().operation(second->operation.id)).status == "queued");
    world.engine.let_go();
    CHECK(world.wait_ended(second->operation.id).status == "done");
    CHECK(present(world.life().operation(first->operation.id)).status == "done");
}

TEST_CASE("requests, looks and aborts from many threads: each operation ends once, in its turn") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 6;
    std::atomic<std::size_t> refused{0};
    std::vector<std::thread> all;
    for (std::size_t t = 0; t < threads; ++t) {
        all.emplace_back([&world, &refused, t] {
            for (std::size_t i = 0; i < each; ++i) {
                const auto one =
                    world.submit("database.create", database(fmt::format("d{}-{}", t, i)));
                if (!one) {
                    ++refused;
                    continue;
                }
                if (i % 3 == 2) {
                    (void)world.life().abort(one->operation.id); // may come too late
                }
                (void)world.life().instance();
                (void)world.life().operations(50);
                (void)world.life().query(list_databases);
                (void)world.create();
            }
        });
    }
    for (auto& thread : all) {
        thread.join();
    }
    CHECK(refused == 0);
    std::size_t made = 1; // "app"
    for (const auto& operation : world.life().operations(100)) {
        const auto end = world.wait_ended(operation.id);
        CHECK((end.status == "done" || end.status == "undone"));
        made += end.action == "database.create" && end.status == "done" ? 1U : 0U;
    }
    CHECK(world.engine.databases().size() == made);
    CHECK(world.host.violations() == std::vector<std::string>{});
    CHECK(world.fatal_errors().empty());
}

TEST_CASE("a query is answered while an operation runs a helper program") {
    LifeWorld world;
    world.start_agent();
    CHECK(code_of(world.life().query(list_databases)) == "E-NOT-FOUND");
    (void)world.must_create();
    world.host.set_job("grow", {0, "", true, false, false});
    const auto grow = world.submit("volume.grow", Json{{"size_bytes", 0U}});
    REQUIRE(grow);
    const auto guard = "op-" + grow->operation.id;
    world.wait("the helper program", [&] {
        const auto names = world.host.guard_names();
        return std::find(names.begin(), names.end(), guard) != names.end();
    });
    const auto counted = world.life().query(list_databases);
    REQUIRE(counted);
    CHECK(*counted == 1);
    CHECK(present(world.life().instance()).status == "running");
    REQUIRE(world.life().abort(grow->operation.id));
    const auto end = world.wait_ended(grow->operation.id);
    CHECK(end.status == "failed"); // a file system that may have grown does not shrink
    CHECK(present(end.error).code == "E-VOLUME-SHRINK");
    CHECK(world.host.guard_names() == std::vector<std::string>{"database"});
}

TEST_CASE("a query is told busy while an operation speaks to the engine") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.engine.hold("databases.create");
    const auto submitted = world.submit("database.create", database("one"));
    REQUIRE(submitted);
    world.engine.wait_held();
    CHECK(code_of(world.life().query(list_databases)) == "E-BUSY");
    world.engine.let_go();
    CHECK(world.wait_ended(submitted->operation.id).status == "done");
}

TEST_CASE("a wall clock that jumps an hour ends nothing early and keeps nothing alive") {
    auto settings = LifeWorld::quick();
    settings.operation_limit = std::chrono::seconds{1};
    const std::int64_t jump = GENERATE(3600, -3600);
    SECTION("not early") {
        LifeWorld world;
        world.start_agent();
        world.engine.hold("databases.create");
        const auto submitted = world.create();
        REQUIRE(submitted);
        world.engine.wait_held();
        world.shift_wall_clock(jump);
        world.engine.let_go();
        CHECK(world.wait_ended(submitted->operation.id).status == "done");
        (void)world.wait_status("running");
        CHECK(world.host.databases_started() == 1);
        (void)world.must_do("instance.restart");
    }
    SECTION("not late") {
        LifeWorld world{settings};
        world.start_agent();
        world.engine.hold("databases.create");
        const auto submitted = world.create();
        REQUIRE(submitted);
        world.engine.wait_held();
        world.shift_wall_clock(jump);
        const auto until = runtime::Clock::boottime_ns() + 1'100'000'000;
        world.wait("the deadline", [&] { return runtime::Clock::boottime_ns() > until; });
        world.engine.let_go();
        const auto end = world.wait_ended(submitted->operation.id);
        CHECK(end.status == "failed");
        CHECK(present(end.error).code == "E-DEADLINE");
    }
}

TEST_CASE("the same key is the same request; for another request it is a conflict") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    agent::SubmitRequest request;
    request.action = "database.create";
    request.arguments = database("one");
    request.idempotency_key = "key-1";
    const auto first = world.life().submit(request);
    REQUIRE(first);
    const auto second = world.life().submit(request);
    REQUIRE(second);
    CHECK(second->operation.id == first->operation.id);
    request.arguments = database("two");
    CHECK(code_of(world.life().submit(request)) == "E-CONFLICT");
    CHECK(world.wait_ended(first->operation.id).status == "done");
}

TEST_CASE("what cannot be done now is refused with its reason") {
    LifeWorld world;
    world.start_agent();
    CHECK(code_of(world.submit("instance.stop")) == "E-NOT-FOUND");
    world.engine.fail("probe", 1);
    const auto create = world.create();
    REQUIRE(create);
    REQUIRE(world.wait_ended(create->operation.id).status == "failed");
    CHECK(code_of(world.submit("instance.stop")) == "E-CONFLICT");
    REQUIRE(world.life().resume(create->operation.id));
    REQUIRE(world.wait_ended(create->operation.id).status == "done");
    CHECK(code_of(world.submit("instance.dance")) == "E-UNSUPPORTED");
    (void)world.must_do("instance.protect", Json{{"protect", true}});
    CHECK(code_of(world.submit("instance.delete")) == "E-PROTECTED");
    (void)world.must_do("instance.protect", Json{{"protect", false}});
    (void)world.must_do("instance.delete");
    CHECK(world.life().spec() == nullptr);
    CHECK(world.host.guard_names().empty());
}

TEST_CASE("a delete that waits behind a protection finds it") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.engine.hold("databases.create");
    REQUIRE(world.submit("database.create", database("one")));
    world.engine.wait_held();
    const auto protect = world.submit("instance.protect", Json{{"protect", true}});
    const auto removal = world.submit("instance.delete");
    REQUIRE(protect);
    REQUIRE(removal);
    world.engine.let_go();
    CHECK(world.wait_ended(protect->operation.id).status == "done");
    const auto end = world.wait_ended(removal->operation.id);
    CHECK(end.status == "failed");
    CHECK(present(end.error).code == "E-PROTECTED");
    CHECK(world.host.database_running());
    REQUIRE(world.life().abort(removal->operation.id));
    CHECK(world.wait_ended(removal->operation.id).status == "undone");
    CHECK(world.life().spec()->protect);
    CHECK(world.host.database_running());
}

TEST_CASE("a rename changes the name alone, is told, and is taken back by an abort") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto before = *world.life().spec();
    const auto pid = world.life().instance()->database_pid;
    (void)world.must_do("instance.rename", Json{{"request", {{"name", "sales"}}}});
    auto after = *world.life().spec();
    CHECK(after.name == "sales");
    CHECK(world.life().instance()->name == "sales");
    CHECK(world.life().instance()->database_pid == pid);
    const auto told = world.told();
    CHECK(std::ranges::find(told, "instance.renamed: 'db1' is called 'sales' now") != told.end());
    after.name = before.name;
    CHECK(after == before);

    const auto late =
        world.submit("instance.rename", Json{{"request", {{"name", "stock"}, {"from", "db1"}}}});
    REQUIRE(late); // another rename came first
    CHECK(world.wait_ended(late->operation.id).error->code == "E-NOT-FOUND");
    CHECK(world.life().spec()->name == "sales");
    REQUIRE(world.life().abort(late->operation.id));
    CHECK(world.wait_ended(late->operation.id).status == "undone");
    CHECK(world.life().spec()->name == "sales");

    const auto refused = world.submit("instance.rename", Json{{"request", {{"name", "No"}}}});
    REQUIRE(refused);
    CHECK(world.wait_ended(refused->operation.id).status == "failed");
    CHECK(world.life().spec()->name == "sales");
    REQUIRE(world.life().abort(refused->operation.id));
    CHECK(world.wait_ended(refused->operation.id).status == "undone");
    CHECK(world.life().spec()->name == "sales");
}

TEST_CASE("a start or restart that is aborted leaves running only what ran before") {
    const auto* const action = GENERATE("instance.start", "instance.restart");
    for (const bool ran : {true, false}) {
        INFO(action << ", it ran before: " << ran);
        LifeWorld world;
        world.start_agent();
        (void)world.must_create();
        if (!ran) {
            (void)world.must_do("instance.stop");
        }
        world.engine.hold("adopt"); // what waits for the first answer of a start
        const auto restart = world.submit(action);
        REQUIRE(restart);
        world.engine.wait_held();
        CHECK(world.host.database_running());
        REQUIRE(world.life().abort(restart->operation.id));
        world.engine.let_go();
        CHECK(world.wait_ended(restart->operation.id).status == "undone");
        CHECK(world.host.database_running() == ran);
        (void)world.wait_status(ran ? "running" : "stopped");
        CHECK(world.host.violations() == std::vector<std::string>{});
    }
}

TEST_CASE("a delete waits until a create is out of its way") {
    LifeWorld world;
    world.start_agent();
    world.engine.hold("probe");
    REQUIRE(world.create(test_spec(), operation_id));
    world.engine.wait_held();
    CHECK(code_of(world.submit("instance.delete")) == "E-OPERATION-RUNNING");
    world.engine.let_go();
    REQUIRE(world.wait_ended(operation_id).status == "done");
    (void)world.must_do("instance.delete");
}

TEST_CASE("what failed before the instance was deleted cannot be done any more, and is undone") {
    LifeWorld world;
    world.start_agent();
    world.engine.fail("probe", 1);
    REQUIRE(world.create(test_spec(), operation_id));
    REQUIRE(world.wait_ended(operation_id).status == "failed");
    (void)world.must_do("instance.delete");
    REQUIRE(world.life().resume(operation_id));
    const auto resumed = world.wait_ended(operation_id);
    CHECK(resumed.status == "failed");
    CHECK(present(resumed.error).code == "E-NOT-FOUND");
    CHECK(world.life().spec() == nullptr);
    REQUIRE(world.life().abort(operation_id));
    CHECK(world.wait_ended(operation_id).status == "undone");
}

TEST_CASE("an instance outlives the record of its create, which is not made a second time") {
    LifeWorld world;
    world.start_agent();
    const auto made = world.must_create();
    constexpr std::int64_t days = 91;
    world.shift_wall_clock(days * 86'400);
    (void)world.must_do("instance.restart"); // forgets what is old
    REQUIRE_FALSE(world.life().operation(made.id));
    CHECK(code_of(world.create()) == "E-NAME-TAKEN");
    CHECK(world.life().spec() != nullptr);
    CHECK(world.host.database_running());
}

TEST_CASE("databases and users are made, changed and dropped, and a missing one is not found") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("database.create", database("one"));
    (void)world.must_do("database.create", database("one"));
    (void)world.must_do("database.delete", database("one"));
    const auto gone = world.submit("database.delete", database("one"));
    REQUIRE(gone);
    CHECK(present(world.wait_ended(gone->operation.id).error).code == "E-NOT-FOUND");
    const Json user{{"request", {{"name", "bob"}, {"host", "%"}}}, {"verifier", "*1"}};
    (void)world.must_do("user.create", user);
    (void)world.must_do("user.password",
                        Json{{"request", {{"name", "bob"}, {"host", "%"}}}, {"verifier", "*2"}});
    CHECK(world.engine.users().at("bob@%").verifier == "*2");
    (void)world.must_do("user.delete", user);
    CHECK_FALSE(world.engine.users().contains("bob@%"));
    (void)world.must_do("instance.stop");
    const auto down = world.submit("database.create", database("two"));
    REQUIRE(down);
    CHECK(present(world.wait_ended(down->operation.id).error).code == "E-DATABASE-DOWN");
}

TEST_CASE("a state that is full of old operations makes room for new ones") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    auto arguments = database("one");
    arguments["padding"] = std::string(30'000, 'x');
    for (int number = 0; number < 90; ++number) { // near 3 MB, in a state of 2
        (void)world.must_do("database.create", arguments);
    }
    CHECK(world.fatal_errors().empty());
    const auto kept = world.life().operations(1000);
    CHECK(kept.size() < 91);
    CHECK(kept.size() > 5);
    world.stop_agent();
    world.start_agent();
    const auto after = world.life().operations(1000);
    REQUIRE(after.size() == kept.size());
    CHECK(after.back().id == kept.back().id);
    (void)world.must_do("instance.restart");
}

TEST_CASE("what is asked for after the wall clock was set back comes last all the same") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.shift_wall_clock(3600);
    const auto before = world.must_do("instance.protect", {{"protect", true}});
    world.shift_wall_clock(-3600);
    const auto after = world.must_do("instance.protect", {{"protect", false}});
    world.shift_wall_clock(0);
    CHECK(before.id < after.id);
    CHECK(world.life().operations(1).front().id == after.id);
}

TEST_CASE("an operation tells what was asked for, and a typo is no error of the instance") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    auto wish = database("one");
    wish["request"]["charset"] = "utf8mb4";
    const auto made = world.must_do("database.create", wish);
    CHECK(made.detail == "utf8mb4");
    const auto typo =
        world.submit("user.delete", Json{{"request", {{"name", "bob"}, {"host", "%"}}}});
    REQUIRE(typo);
    REQUIRE(world.wait_ended(typo->operation.id).status == "failed");
    const auto told = world.told();
    const auto has = [&](const std::string& line) {
        INFO(fmt::format("{} among {}", line, fmt::join(told, "; ")));
        CHECK(std::ranges::find(told, line) != told.end());
    };
    has("operation.done: database.create db1 (utf8mb4) by uid 0"); // the target is submit()'s here
    has("operation.refused: user.delete db1: user.drop: no 'db1'");
}

TEST_CASE("whose rights outlive a database is said when it goes") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto gone = world.must_do("database.delete", database("app"));
    REQUIRE(gone.warnings.size() == 1);
    CHECK(gone.warnings.front().find("app@%") != std::string::npos);
    (void)world.must_do("database.create", database("other"));
    CHECK(world.must_do("database.delete", database("other")).warnings.empty());
}

TEST_CASE("an instance whose create has failed is not said to be none") {
    LifeWorld world;
    agent::FakeHost::Volume volume;
    volume.attached = false;
    world.host.set_volume(volume);
    world.start_agent();
    const auto create = world.create();
    REQUIRE(create);
    REQUIRE(world.wait_ended(create->operation.id).status == "failed");
    const auto asked = world.life().query(list_databases);
    REQUIRE_FALSE(asked);
    CHECK(asked.error().message() == "the instance is not created yet");
}

TEST_CASE("an instance whose driver is not to be had is not said to be not created") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.stop_agent();
    world.without_driver = true;
    world.start_agent();
    const auto asked = world.life().query(list_databases);
    REQUIRE_FALSE(asked);
    CHECK(asked.error().code() == Errc::unavailable);
    CHECK(asked.error().message() == "the driver for fake could not be loaded");
    CHECK(world.host.database_running()); // and is nobody's reason to end it
}

TEST_CASE("the agent's own session is not killed, and no other caller is advised") {
    LifeWorld world;
    world.engine.give_sessions();
    world.start_agent();
    (void)world.must_create();
    const auto kill = [&](std::uint64_t id) {
        const auto submitted = world.submit(
            "session.kill", Json{{"request", Json{{"id", id}, {"query_only", false}}}});
        REQUIRE(submitted);
        return world.wait_ended(submitted->operation.id);
    };
    CHECK(kill(7).status == "done");
    const auto refused = kill(1);
    CHECK(refused.status == "failed");
    CHECK(present(refused.error).code == "E-NOT-ALLOWED");
    CHECK(present(refused.error).hint.find("it is not killed, whoever asks") != std::string::npos);
    CHECK(world.engine.said("sessions.kill") == 1);
}
