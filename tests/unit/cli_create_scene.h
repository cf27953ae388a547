#pragma once
// What the tests of creating and of deleting stand on: an operator with a fleet in a made-up cloud.

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/cli_fakes.h"
#include "tests/unit/temporary_folder.h"

namespace jackdaw::cli {

inline const std::vector<std::string> create_words{
    "instance",   "create", "db1",    "--datastore", "mariadb:10.11", "--volume", "1G",
    "--database", "shop",   "--user", "app/shop",    "--wait",        "-o",       "json"};

struct CreateScene {
    test::TemporaryFolder folder;
    fakes::World world{folder.path()};
    CreateScene() { REQUIRE(world.jackdaw({"fleet", "init", "f1"}) == 0); }

    [[nodiscard]] proto::Json json() const {
        return proto::Json::parse(world.terminal.stdout_text);
    }
    [[nodiscard]] std::string err() const { return world.terminal.stderr_text; }
};

inline std::vector<std::string> with(std::vector<std::string> words,
                                     const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

} // namespace jackdaw::cli
