// What the fake's database must catch, since the kill tests lean on it.

#include <csignal>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract.h"

using namespace jackdaw;
using namespace jackdaw::test;

namespace {

/// A place of its own beside the shared server's.
struct Fresh {
    explicit Fresh(Server& server) : place{server.place()} {
        place.data_folder += ".fresh";
        place.run_folder += ".fresh";
        for (const auto& folder : {place.data_folder, place.run_folder}) {
            std::filesystem::create_directories(folder);
            std::filesystem::permissions(folder, std::filesystem::perms::all);
        }
    }
    ~Fresh() { wipe(); }
    Fresh(const Fresh&) = delete;
    Fresh& operator=(const Fresh&) = delete;
    void wipe() const {
        for (const auto& folder : {place.data_folder, place.run_folder}) {
            for (const auto& entry : std::filesystem::directory_iterator{folder}) {
                std::filesystem::remove_all(entry);
            }
        }
    }
    void options(const std::string& lines) const {
        std::ofstream{place.run_folder + "/fake.options"} << lines;
    }
    plugins::Place place;
};

plugins::Job as_job(const plugins::LaunchSpec& spec) {
    return {"serve", spec.argv, spec.environment, spec.working_folder, std::chrono::seconds{60}};
}

} // namespace

TEST_CASE(
    "the fake's database never serves a folder whose initialisation was killed, at whatever step") {
    Server& server = *server_of("fake");
    Fresh fresh{server};
    int killed = 0;
    for (int step = 1; step < 100; ++step) {
        fresh.wipe();
        fresh.options("init_crash_step " + std::to_string(step) + "\n");
        const auto made = server.run(server.store().initialise_job(fresh.place));
        if (made.status == 0) {
            break;
        }
        ++killed;
        REQUIRE(made.status == 128 + SIGKILL);
        INFO(step);
        REQUIRE(server.run(as_job(server.store().launch(fresh.place))).status == 65);
    }
    REQUIRE(killed == 9); // every part of it
}

TEST_CASE("the fake's database is initialised only into an empty folder") {
    Server& server = *server_of("fake");
    Fresh fresh{server};
    REQUIRE(server.run(server.store().initialise_job(fresh.place)).status == 0);
    REQUIRE(server.run(server.store().initialise_job(fresh.place)).status == 64);
}

TEST_CASE("a second start of the fake's database is refused and leaves a mark") {
    Server& server = *server_of("fake");
    const auto mark = server.place().data_folder + "/started-twice";
    REQUIRE_FALSE(std::filesystem::exists(mark));
    REQUIRE(server.run(as_job(server.store().launch(server.place()))).status == 66);
    REQUIRE(std::filesystem::exists(mark));
    std::filesystem::remove(mark);
}

TEST_CASE("the fake fails where it is told to") {
    Server& server = *server_of("fake");
    Fresh fresh{server};
    fresh.options("init_fail_step 3\n");
    REQUIRE(server.run(server.store().initialise_job(fresh.place)).status == 1);
    fresh.wipe();
    fresh.options("start_fail 1\ncheck_fail 1\n");
    REQUIRE(server.run(server.store().initialise_job(fresh.place)).status == 0);
    REQUIRE(server.run(as_job(server.store().launch(fresh.place))).status == 1);
    const auto check = server.run(*server.store().check_config_job(fresh.place));
    REQUIRE_FALSE(server.store().judge_config(check.status, check.output).has_value());
}

TEST_CASE("the fake tells of its connections, and that it does not when it was told so") {
    Server& server = *server_of("fake");
    const auto seen = server.store().examine(plenty());
    REQUIRE(seen.has_value());
    REQUIRE(seen->connections.has_value());
    CHECK(seen->connections->max == 32);
    CHECK(seen->unseen.empty());
    REQUIRE(server.stop(SIGTERM) == 0);
    const auto options = server.place().run_folder + "/fake.options";
    std::ofstream{options} << "examine_fail 1\n";
    server.start();
    const auto blind = server.store().examine(plenty());
    REQUIRE(server.stop(SIGTERM) == 0);
    std::filesystem::remove(options);
    server.start();
    REQUIRE(blind.has_value());
    CHECK_FALSE(blind->connections.has_value());
    REQUIRE(blind->unseen.size() == 1);
    CHECK(blind->access == "");
}
