// A fault at every single call that an operation makes to its machine: aborted, refused, killed.
// The number of calls is not written down anywhere: each matrix goes on until its fault comes too
// late to be felt.
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/unit/life_world.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::present;
using jackdaw::testing::test_spec;

namespace {

constexpr std::size_t calls_max = 400; ///< of one operation; more is a loop
const std::string operation_id = "018f3c1e-0000-7000-8000-0000000000aa";
const std::string second_id = "018f3c1e-0000-7000-8000-0000000000bb";

std::string call_name(LifeWorld& world, std::size_t n) {
    const auto names = world.host.call_names();
    return n <= names.size() ? names[n - 1] : "none";
}

std::string why(const proto::Operation& operation) {
    return operation.error ? fmt::format("{}: {}: {}", operation.status, operation.error->message,
                                         operation.error->cause)
                           : operation.status;
}

void check_complete(LifeWorld& world) {
    CHECK(world.host.violations() == std::vector<std::string>{});
    CHECK(world.host.guard_names() == std::vector<std::string>{"database"});
    CHECK(world.host.volume().data == agent::DataFolder::complete);
    CHECK(present(world.host.volume().stamp).sealed);
    CHECK(world.engine.secured());
    CHECK(world.engine.databases() == std::vector<std::string>{"app"});
    CHECK(world.engine.users().contains("app@%"));
}

void check_nothing_left(LifeWorld& world) {
    CHECK(world.host.violations() == std::vector<std::string>{});
    CHECK(world.host.guard_names().empty());
    CHECK(world.life().spec() == nullptr);
    CHECK_FALSE(world.host.volume().mounted);
    CHECK_FALSE(world.host.volume().stamp);
}

enum class When { before, after };

void aim(LifeWorld& world, When when, std::size_t n, std::function<void()> fn) {
    world.host.reset_calls();
    when == When::before ? world.host.before(n, std::move(fn)) : world.host.after(n, std::move(fn));
}

/// Calls body(n) for n = 1, 2, … until it says that the fault was not felt.
void for_every_call(const std::function<bool(std::size_t)>& body) {
    std::size_t n = 1;
    while (body(n)) {
        REQUIRE(++n < calls_max);
    }
    CHECK(n > 5); // the matrix has seen more than its own beginning
}

/// Creates, with the agent killed around call n; the next one brings it to its end.
bool create_killed(When when, std::size_t n, bool jobs_end_meanwhile) {
    LifeWorld world;
    world.start_agent();
    aim(world, when, n, [&] { world.kill_agent(); });
    const auto submitted = world.create(test_spec(), operation_id);
    if (submitted) {
        const auto seen = world.wait_ended(operation_id);
        if (!world.killed()) {
            REQUIRE(seen.status == "done");
            check_complete(world);
            return false;
        }
    }
    INFO("killed " << (when == When::before ? "before" : "after") << " call " << n << ", "
                   << call_name(world, n) << ", jobs end meanwhile: " << jobs_end_meanwhile);
    REQUIRE(world.killed());
    world.replace_killed([&] {
        if (jobs_end_meanwhile) {
            world.host.finish_jobs();
        }
    });
    if (!world.life().operation(operation_id)) {
        REQUIRE(world.create(test_spec(), operation_id)); // the request came again
    }
    const auto done = world.wait_ended(operation_id);
    INFO(why(done));
    CHECK(done.status == "done");
    check_complete(world);
    CHECK(world.host.databases_started() == 1);
    return true;
}

} // namespace

TEST_CASE("a create aborted at any call is undone, and the next create ends done") {
    for (const auto when : {When::before, When::after}) {
        for_every_call([&](std::size_t n) {
            LifeWorld world;
            world.start_agent();
            bool aborted = false;
            bool in_time = false;
            aim(world, when, n, [&] {
                aborted = true;
                in_time = world.life().abort(operation_id).has_value();
            });
            REQUIRE(world.create(test_spec(), operation_id));
            const auto first = world.wait_ended(operation_id);
            INFO("aborted " << (when == When::before ? "before" : "after") << " call " << n << ", "
                            << call_name(world, n) << ": " << why(first));
            if (first.status == "done") {
                CHECK_FALSE(in_time);
                check_complete(world);
                return n < 5; // the very first calls come before there is anything to abort
            }
            CHECK(aborted);
            CHECK(first.status == "undone");
            CHECK(present(first.error).code == "E-ABORTED");
            check_nothing_left(world);
            world.host.reset_calls();
            REQUIRE(world.create(test_spec(), second_id));
            const auto second = world.wait_ended(second_id);
            INFO(why(second));
            CHECK(second.status == "done");
            check_complete(world);
            return true;
        });
    }
}

TEST_CASE("a create that any one call refuses ends done after a resume") {
    for_every_call([&](std::size_t n) {
        LifeWorld world;
        world.start_agent();
        world.host.reset_calls();
        world.host.fail_at(n, Error{Errc::unavailable, "the host did not answer"});
        bool felt = false;
        world.host.after(n, [&] { felt = true; });
        auto submitted = world.create(test_spec(), operation_id);
        INFO("refused call " << n << ", " << call_name(world, n));
        if (!submitted) {
            CHECK(world.life().spec() == nullptr);
            REQUIRE(world.create(test_spec(), operation_id));
        }
        auto operation = world.wait_ended(operation_id);
        if (operation.status == "failed") {
            INFO(why(operation));
            CHECK(operation.error);
            CHECK(world.host.violations() == std::vector<std::string>{});
            REQUIRE(world.life().resume(operation_id));
            operation = world.wait_ended(operation_id);
        }
        INFO(why(operation));
        CHECK(operation.status == "done");
        check_complete(world);
        return felt;
    });
}

TEST_CASE("a create whose agent is killed before any call ends done under the next agent") {
    for_every_call([](std::size_t n) { return create_killed(When::before, n, false); });
}

TEST_CASE("a create whose agent is killed after any call ends done under the next agent") {
    for_every_call([](std::size_t n) { return create_killed(When::after, n, false); });
}

TEST_CASE("a job that ends while no agent lives is taken over or done again") {
    for_every_call([](std::size_t n) { return create_killed(When::after, n, true); });
}

TEST_CASE("an undo whose agent is killed at any call is finished by the next agent") {
    for_every_call([&](std::size_t n) {
        LifeWorld world;
        world.start_agent();
        world.engine.hold("probe");
        REQUIRE(world.create(test_spec(), operation_id));
        world.engine.wait_held(); // all but the last step is done
        aim(world, When::after, n, [&] { world.kill_agent(); });
        REQUIRE(world.life().abort(operation_id));
        world.engine.let_go();
        auto operation = world.wait_ended(operation_id);
        INFO("killed after call " << n << " of the undo, " << call_name(world, n));
        const bool felt = world.killed();
        if (felt) {
            world.replace_killed();
            operation = world.wait_ended(operation_id);
        }
        INFO(why(operation));
        CHECK(operation.status == "undone");
        check_nothing_left(world);
        return felt;
    });
}

TEST_CASE("a create whose agent is killed as it is aborted is undone by the next agent") {
    for (const auto when : {When::before, When::after}) {
        std::size_t jobs_left = 0;
        for_every_call([&](std::size_t n) {
            LifeWorld world;
            world.start_agent();
            bool in_time = false;
            aim(world, when, n, [&] {
                in_time = world.life().abort(operation_id).has_value();
                world.kill_agent();
            });
            const auto submitted = world.create(test_spec(), operation_id);
            if (submitted) {
                (void)world.wait_ended(operation_id);
            }
            if (!in_time) {
                return n < 5; // before there was anything to abort, or after the end
            }
            INFO("aborted and killed " << (when == When::before ? "before" : "after") << " call "
                                       << n << ", " << call_name(world, n));
            jobs_left += world.host.guard_names() == std::vector{"op-" + operation_id} ? 1U : 0U;
            world.replace_killed();
            const auto operation = world.wait_ended(operation_id);
            INFO(why(operation));
            CHECK(operation.status == "undone");
            check_nothing_left(world);
            return true;
        });
        CHECK(jobs_left >= 3); // each program was there at some call
    }
}

TEST_CASE("stop, start, restart and delete end done although their agent is killed at any call") {
    for (const std::string action :
         {"instance.stop", "instance.start", "instance.restart", "instance.delete"}) {
        std::size_t felt = 0;
        for (std::size_t n = 1; n < calls_max; ++n) {
            LifeWorld world;
            world.start_agent();
            (void)world.must_create();
            if (action == "instance.start") {
                (void)world.must_do("instance.stop");
            }
            aim(world, When::after, n, [&] { world.kill_agent(); });
            const auto submitted = world.submit(action);
            REQUIRE(submitted);
            const auto id = submitted->operation.id;
            auto operation = world.wait_ended(id);
            INFO(action << " killed after call " << n << ", " << call_name(world, n));
            const bool killed = world.killed();
            if (killed) {
                ++felt;
                world.replace_killed();
                operation = world.wait_ended(id);
            }
            INFO(why(operation));
            CHECK(operation.status == "done");
            CHECK(world.host.violations() == std::vector<std::string>{});
            const bool runs = action == "instance.start" || action == "instance.restart";
            CHECK(world.host.database_running() == runs);
            if (action == "instance.delete") {
                check_nothing_left(world);
            }
            if (!killed) {
                break;
            }
        }
        INFO(action);
        CHECK(felt > 0);
    }
}
