#pragma once
// A fleet in memory, and what was printed last.

#include <string>

#include <catch2/catch.hpp>

#include "tests/unit/cli_fakes.h"
#include "tests/unit/temporary_folder.h"

namespace jackdaw::cli {

struct Scene {
    test::TemporaryFolder folder;
    fakes::World world{folder.path()};

    void make_fleet(std::initializer_list<const char*> instances) {
        REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0);
        for (const auto* name : instances) {
            REQUIRE(world.jackdaw({"instance", "create", name, "--datastore", "mariadb", "--volume",
                                   "1G", "--wait"}) == 0);
        }
    }
    Json json() const { return Json::parse(world.terminal.stdout_text); }
    std::string out() const { return world.terminal.stdout_text; }
    std::string err() const { return world.terminal.stderr_text; }
};

} // namespace jackdaw::cli
