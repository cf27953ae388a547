// `instance create` and what undoes it, as an operator sees them, with the coordinator killed
// wherever it can be.

#include <algorithm>
#include <fstream>
#include <utility>

#include <catch2/catch.hpp>

#include "coordinator/profile/op_journal.h"
#include "tests/unit/cli_create_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;
using Scene = CreateScene;

TEST_CASE_METHOD(
    Scene, "a create ends with the instance, and tells the generated password that the agent has") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const auto operation = json();
    CHECK(operation.at("kind") == "Operation");
    CHECK(operation.at("status") == "done");
    CHECK(operation.at("result").at("instance").at("name") == "db1");
    const auto credential = operation.at("result").at("credentials").at(0);
    CHECK(credential.at("user") == "app");
    CHECK(credential.at("password").get<std::string>().size() == 24);
    CHECK(world.agents["db1"].passwords["app@%"] == credential.at("password"));
    CHECK(world.agents["db1"].spec->volume_serial == "vol-1");
    CHECK(Json::parse(err().substr(0, err().find('\n'))).at("operation") == operation.at("id"));
}

TEST_CASE_METHOD(Scene, "no generated password is ever in the journal") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const auto password =
        json().at("result").at("credentials").at(0).at("password").get<std::string>();
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(world.folders.state)) {
        if (entry.is_regular_file()) {
            ++files;
            std::ifstream in{entry.path()};
            const std::string text{std::istreambuf_iterator<char>{in}, {}};
            CHECK(text.find(password) == std::string::npos);
        }
    }
    CHECK(files >= 1);
}

TEST_CASE_METHOD(Scene,
                 "the same create again changes nothing, exits 0 and says so; another spec is 6") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const auto passwords = world.agents["db1"].passwords;
    auto words = create_words;
    words.resize(words.size() - 2); // for people
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(world.terminal.stdout_text.find("exists with the same spec; nothing to do") !=
          std::string::npos);
    CHECK(world.terminal.stdout_text.find("password") == std::string::npos);
    CHECK(err().find("user password") != std::string::npos);
    CHECK(world.agents["db1"].passwords == passwords);
    REQUIRE(world.jackdaw(create_words) == 0);
    CHECK(json().at("no_op") == true);
    CHECK(std::ranges::find(world.calls, "create_volume") == world.calls.end());
    CHECK(world.jackdaw(with(create_words, {"--database", "other"})) == 6);
    CHECK(world.jackdaw(with(create_words, {"--fs", "ext4"})) == 6);
    CHECK(Json::parse(err().substr(err().find('{'))).at("code") == "E-NAME-TAKEN");
}

TEST_CASE_METHOD(Scene, "a machine that no journal here knows is judged by its agent") {
    REQUIRE(world.jackdaw(create_words) == 0);
    std::filesystem::remove_all(world.folders.ops("f1"));
    CHECK(world.jackdaw(create_words) == 0);
    CHECK(json().at("no_op") == true);
    CHECK(world.jackdaw(with(create_words, {"--database", "other"})) == 6);
    // One that is not done is another coordinator's, and so are its users' passwords.
    auto& agent = world.agents["db1"];
    const auto passwords = agent.passwords;
    agent.operations.begin()->second.status = "failed";
    CHECK(world.jackdaw(create_words) == 6);
    CHECK(err().find("jackdaw op resume " + agent.operations.begin()->first) != std::string::npos);
    CHECK(agent.operations.begin()->second.status == "failed");
    CHECK(agent.passwords == passwords);
}

TEST_CASE_METHOD(Scene,
                 "killed at any moment, the same create goes on with the same ids and ends whole") {
    std::size_t kills = 0;
    for (std::size_t at = 0; at < 100; ++at) {
        INFO("killed at moment " << at);
        test::TemporaryFolder own;
        fakes::World other{own.path()};
        REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
        other.kill_at = at;
        const auto first = other.jackdaw(create_words);
        if (first) {
            CHECK(first == 0);
            break;
        }
        ++kills;
        const auto record = OpJournal{other.folders.ops("f1")}.newest_of("db1");
        other.kill_at.reset();
        REQUIRE(other.jackdaw(create_words) == 0);
        const auto operation = Json::parse(other.terminal.stdout_text);
        CHECK(operation.at("status") == "done");
        REQUIRE(record); // journalled before the first call of the provider
        CHECK(operation.at("id") == record->operation.id);
        CHECK(operation.at("result").at("instance").at("id") == record->instance_id);
        CHECK(other.machines.size() == 1);
        CHECK(other.volumes.size() == 1);
        // What is told is what the agent has, although the first run's passwords died with it.
        CHECK(other.agents["db1"].passwords["app@%"] ==
              operation.at("result").at("credentials").at(0).at("password"));
    }
    CHECK(kills >= 10); // every call of the provider and the agent, before and after
}

TEST_CASE_METHOD(
    Scene,
    "killed at any moment, fleet gc removes what no agent has, and nothing of another instance") {
    for (std::size_t at = 0; at < 100; ++at) {
        INFO("killed at moment " << at);
        test::TemporaryFolder own;
        fakes::World other{own.path()};
        REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
        REQUIRE(other.jackdaw({"instance", "create", "db0", "--datastore", "mariadb", "--volume",
                               "1G", "--wait"}) == 0);
        other.kill_at = at;
        if (other.jackdaw(create_words)) {
            break;
        }
        other.kill_at.reset();
        const bool has_it = other.agents.contains("db1") && other.agents["db1"].spec;
        const auto acknowledged = OpJournal{other.folders.ops("f1")}.newest_of("db1")->agent_has_it;
        REQUIRE(other.jackdaw({"fleet", "gc", "--dry-run"}) == 0);
        const auto machines_before = other.machines.size();
        REQUIRE(other.jackdaw({"fleet", "gc"}) == 0);
        CHECK(other.machines.size() == (acknowledged ? 2 : 1));
        CHECK(other.volumes.size() == (acknowledged ? 2 : 1));
        CHECK(machines_before >= other.machines.size());
        CHECK((!acknowledged || has_it));
        CHECK(other.machines.front().name == "db0");
        REQUIRE(other.jackdaw(create_words) == 0); // and the name is free again
        CHECK(Json::parse(other.terminal.stdout_text).at("status") == "done");
    }
}

TEST_CASE_METHOD(Scene, "words that can never work are refused with 2 before anything is made") {
    const auto refused = [&](std::vector<std::string> words, std::string_view code) {
        INFO(Json(words).dump());
        world.calls.clear();
        CHECK(world.jackdaw(with({"instance", "create"}, words)) == 2);
        CHECK(err().find(code) != std::string::npos);
        CHECK(world.calls.empty());
        CHECK(world.volumes.empty());
    };
    refused({"db1", "--datastore", "nosuch", "--volume", "1G"}, "E-UNKNOWN-DATASTORE");
    refused({"db1", "--datastore", "mariadb:99", "--volume", "1G"}, "E-UNKNOWN-DATASTORE");
    refused({"db1", "--datastore", "mariadb", "--volume", "x"}, "E-INVALID");
    refused({"db1", "--datastore", "mariadb", "--volume", "10M"}, "E-VOLUME-TOO-SMALL");
    refused({"db1", "--datastore", "mariadb"}, "E-INVALID");
    refused({"DB1", "--datastore", "mariadb", "--volume", "1G"}, "E-BAD-NAME");
    refused({"a'b", "--datastore", "mariadb", "--volume", "1G"}, "E-BAD-NAME");
    refused({std::string(65000, 'a'), "--datastore", "mariadb", "--volume", "1G"}, "E-BAD-NAME");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--user", "a\nb"}, "E-BAD-NAME");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--user", "a", "--user", "a"},
            "twice");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--user", "a/none"},
            "no --database makes");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--fs", "btrfs"}, "xfs or ext4");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--allow", "x"}, "E-INVALID");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--format", "s"},
            "--attach-volume");
    refused({"db1", "--datastore", "mariadb", "--attach-volume", "s", "--format", "t"},
            "must name the serial");
    refused({"db1", "--datastore", "mariadb", "--volume", "1G", "--password-stdin"},
            "exactly one --user");
    refused({"db1", "--datastore", "mariadb", "--attach-volume", std::string(65, 's')},
            "attach_serial"); // the journal could not be read with it
}

TEST_CASE_METHOD(Scene, "what the agent refuses as written is taken back: nothing is left") {
    world.agents["db1"].refuses =
        proto::shape_of(Error{Code::reserved_name, "user 'root' is reserved"});
    CHECK(world.jackdaw(create_words) == 2);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
    CHECK(json().at("status") == "undone");
    CHECK(err().find("E-RESERVED-NAME") != std::string::npos);
    world.agents.clear();
    CHECK(world.jackdaw(create_words) == 0);
}

TEST_CASE_METHOD(
    Scene,
    "a name that another coordinator took meanwhile costs it nothing, and us only our volume") {
    cloud::Machine theirs;
    theirs.name = "db1";
    theirs.id = "theirs";
    world.machine_error = Error{Code::name_taken, "db1"};
    CHECK(world.jackdaw(create_words) == 6);
    CHECK(world.volumes.empty());
    CHECK(world.machines.empty());
    world.machine_error.reset();
}

TEST_CASE_METHOD(Scene,
                 "a failed create stays, and the same create resumes it with new passwords") {
    world.agents["db1"].ends_as = "failed";
    CHECK(world.jackdaw(create_words) == 1);
    CHECK(json().at("status") == "failed");
    CHECK(err().find("jackdaw op abort " + json().at("id").get<std::string>()) !=
          std::string::npos); // before a create with other words
    CHECK_FALSE(json().contains("result"));
    CHECK(world.machines.size() == 1);
    world.agents["db1"].ends_as = "done";
    CHECK(world.jackdaw(create_words) == 0);
    CHECK(world.agents["db1"].passwords["app@%"] ==
          json().at("result").at("credentials").at(0).at("password"));
}

TEST_CASE_METHOD(Scene, "an aborted create is undone with its machine and volume") {
    world.agents["db1"].ends_as = "undone";
    CHECK(world.jackdaw(create_words) == 1);
    CHECK(err().find("E-ABORTED") != std::string::npos);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
}

TEST_CASE_METHOD(Scene, "op abort takes back a create whose coordinator died") {
    world.kill_at = 5;
    REQUIRE_FALSE(world.jackdaw(create_words));
    world.kill_at.reset();
    const auto id = OpJournal{world.folders.ops("f1")}.newest_of("db1")->operation.id;
    CHECK(world.jackdaw({"op", "watch", id}) == 6); // nobody works on it
    CHECK(err().find("`jackdaw instance create db1` again") != std::string::npos);
    CHECK(world.jackdaw({"op", "abort", id}) == 0);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
    CHECK(world.jackdaw({"op", "show", id, "-o", "json"}) == 0);
    CHECK(json().at("status") == "undone");
    CHECK(world.jackdaw({"op", "resume", id}) == 6); // it would be another create
    CHECK(world.machines.empty());
}

TEST_CASE_METHOD(Scene, "killed at any moment, op abort takes back all that the create had made") {
    std::size_t kills = 0;
    for (std::size_t at = 0; at < 100; ++at) {
        INFO("killed at moment " << at);
        test::TemporaryFolder own;
        fakes::World other{own.path()};
        REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
        other.kill_at = at;
        if (other.jackdaw(create_words)) {
            break;
        }
        ++kills;
        other.kill_at.reset();
        const auto record = OpJournal{other.folders.ops("f1")}.newest_of("db1");
        REQUIRE(record);
        CHECK(other.jackdaw({"op", "abort", record->operation.id}) == 0);
        CHECK(other.machines.empty());
        CHECK(other.volumes.empty());
    }
    CHECK(kills >= 10);
}

TEST_CASE_METHOD(Scene, "op abort takes back a create whose machine is gone with its agent") {
    world.agents["db1"].ends_as = "failed";
    REQUIRE(world.jackdaw(create_words) == 1);
    const auto id = json().at("id").get<std::string>();
    world.machines.clear(); // another coordinator deleted it
    world.agents.clear();
    const bool kept = GENERATE(false, true); // by that delete
    world.volumes.front().kept = kept;
    CHECK(world.jackdaw({"op", "abort", id}) == 0);
    CHECK(world.volumes.size() == (kept ? 1 : 0));
    CHECK(world.jackdaw({"op", "show", id, "-o", "json"}) == 0);
    CHECK(json().at("status") == "undone");
    CHECK(world.jackdaw(create_words) == 0); // the name is free again
}

TEST_CASE_METHOD(Scene, "a create goes on with no machine that was made since under its name") {
    world.agents["db1"].ends_as = "failed";
    REQUIRE(world.jackdaw(create_words) == 1);
    const auto id = json().at("id").get<std::string>();
    const std::string other = "01a2288c-0f2a-73d0-a0bc-891e61edc632";
    world.machines.front().id = other; // deleted and made again by another coordinator
    world.volumes.front().tags = {};
    const auto calls = world.calls.size();
    CHECK(world.jackdaw(create_words) == 6);
    CHECK(err().find("another instance's by now") != std::string::npos);
    CHECK(err().find("jackdaw op abort " + id) != std::string::npos);
    CHECK(std::none_of(world.calls.begin() + static_cast<std::ptrdiff_t>(calls), world.calls.end(),
                       [](const std::string& call) { return call.starts_with("PUT"); }));
    CHECK(world.jackdaw({"op", "abort", id}) == 0);
    REQUIRE(world.machines.size() == 1);
    CHECK(world.machines.front().id == other);
}

TEST_CASE_METHOD(Scene, "an abort whose end its agent did not tell is ended by the same command") {
    world.agents["db1"].ends_as = "failed";
    REQUIRE(world.jackdaw(create_words) == 1);
    const auto id = json().at("id").get<std::string>();
    world.agents["db1"].quiet_streams = 100;
    CHECK(world.jackdaw({"op", "abort", id, "--timeout", "20s"}) == 7);
    CHECK(err().find("the same command again goes on with it") != std::string::npos);
    CHECK(world.machines.size() == 1);
    world.agents["db1"].operations.at(id).status = "undone"; // meanwhile
    REQUIRE(world.jackdaw({"op", "abort", id}) == 0);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
}

TEST_CASE_METHOD(Scene,
                 "killed at any moment of an abort, the same abort ends it, or another end") {
    enum class Next : std::uint8_t { abort, create, collect, destroy };
    for (const auto next : {Next::abort, Next::create, Next::collect, Next::destroy}) {
        std::size_t kills = 0;
        for (std::size_t at = 0; at < 50; ++at) {
            INFO("killed at moment " << at << ", then " << static_cast<int>(next));
            test::TemporaryFolder own;
            fakes::World other{own.path()};
            REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
            other.agents["db1"].ends_as = "failed";
            REQUIRE(other.jackdaw(create_words) == 1);
            const auto id = OpJournal{other.folders.ops("f1")}.newest_of("db1")->operation.id;
            other.agents["db1"].operations.at(id).status = "undone"; // as an abort leaves it
            other.kill_at = at;
            const bool ended = other.jackdaw({"op", "abort", id}).has_value();
            other.kill_at.reset();
            if (ended) {
                break;
            }
            ++kills;
            const bool has_begun = OpJournal{other.folders.ops("f1")}.find(id)->going_back;
            if (has_begun) {
                CHECK(other.jackdaw({"op", "resume", id}) == 6); // it only goes back
            }
            other.agents["db1"].ends_as = "done";
            if (next == Next::abort) {
                REQUIRE(other.jackdaw({"op", "abort", id}) == 0);
            } else if (next == Next::create && has_begun) {
                REQUIRE(other.jackdaw(create_words) == 0); // of its own: the old one is gone
                CHECK(other.volumes.size() == 1);
                CHECK(OpJournal{other.folders.ops("f1")}.newest_of("db1")->operation.id != id);
                continue;
            } else if (next == Next::collect && has_begun) {
                REQUIRE(other.jackdaw({"fleet", "gc"}) == 0);
            } else {
                REQUIRE(other.jackdaw({"fleet", "destroy", "f1", "--yes"}) == 0);
                continue;
            }
            CHECK(other.machines.empty());
            CHECK(other.volumes.empty());
            CHECK(OpJournal{other.folders.ops("f1")}.find(id)->operation.status == "undone");
            CHECK(other.jackdaw(create_words) == 0); // the name is free again
        }
        CHECK(kills >= 4);
    }
}

TEST_CASE_METHOD(Scene, "a create that is done is not resumed where its agent cannot be asked") {
    REQUIRE(world.jackdaw(create_words) == 0);
    const auto id = json().at("id").get<std::string>();
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    CHECK(world.jackdaw({"op", "resume", id}) == 6);
    CHECK(world.jackdaw({"op", "abort", id}) == 6);
    CHECK(world.machines.front().state == cloud::MachineState::off);
}

TEST_CASE_METHOD(
    Scene,
    "without waiting the passwords are told at once, and a repetition does not change them") {
    auto words = create_words;
    *std::ranges::find(words, "--wait") = "--no-wait";
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(json().at("status") == "running");
    const auto told = json().at("result").at("credentials").at(0).at("password");
    CHECK(world.agents["db1"].passwords["app@%"] == told);
    const auto steps = json().at("steps").size();
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(json().at("status") == "running");
    CHECK(json().at("steps").size() == steps);
    CHECK_FALSE(json().contains("result")); // what it generated itself is nobody's password
    REQUIRE(world.jackdaw(create_words) == 0);
    CHECK(json().at("status") == "done");
    CHECK(json().at("result").at("credentials").empty());
    CHECK(world.agents["db1"].passwords["app@%"] == told);
}

TEST_CASE_METHOD(Scene, "without waiting, a repetition says that the instance was made by now") {
    auto words = create_words;
    *std::ranges::find(words, "--wait") = "--no-wait";
    REQUIRE(world.jackdaw(words) == 0);
    REQUIRE(world.jackdaw({"op", "watch", json().at("id").get<std::string>()}) == 0);
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(json().at("status") == "done");
    CHECK(json().at("no_op") == true);
    CHECK(json().at("result").at("credentials").empty());
    CHECK(OpJournal{world.folders.ops("f1")}.newest_of("db1")->operation.status == "done");
}

TEST_CASE_METHOD(Scene, "a create that its agent has forgotten is done if the instance is there") {
    auto words = create_words;
    *std::ranges::find(words, "--wait") = "--no-wait";
    REQUIRE(world.jackdaw(words) == 0);
    world.agents["db1"].operations.clear(); // 10,000 later ones
    const auto spec = std::exchange(world.agents["db1"].spec, std::nullopt);
    CHECK(world.jackdaw(words) == 5); // it was deleted on its machine
    world.agents["db1"].spec = spec;
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(json().at("status") == "done");
    CHECK(json().at("no_op") == true);
    CHECK(OpJournal{world.folders.ops("f1")}.newest_of("db1")->operation.status == "done");
}

TEST_CASE_METHOD(Scene, "a repetition that finds the machine off tells no password that is not") {
    auto words = create_words;
    *std::ranges::find(words, "--wait") = "--no-wait";
    REQUIRE(world.jackdaw(words) == 0);
    const auto told = json().at("result").at("credentials").at(0).at("password");
    REQUIRE(world.jackdaw({"op", "watch", json().at("id").get<std::string>()}) == 0);
    REQUIRE(world.jackdaw({"machine", "power-off", "db1"}) == 0);
    CHECK(world.jackdaw(
              {"op", "watch", OpJournal{world.folders.ops("f1")}.newest_of("db1")->operation.id}) ==
          8); // nobody can tell
    REQUIRE(world.jackdaw(words) == 0);
    CHECK(world.machines.front().state == cloud::MachineState::on);
    CHECK(world.agents["db1"].passwords["app@%"] == told);
    CHECK(json().at("result").at("credentials").empty());
}

TEST_CASE_METHOD(Scene, "passwords that the output did not take are made anew by the same create") {
    for (const std::string wait : {"--wait", "--no-wait"}) {
        INFO(wait);
        test::TemporaryFolder own;
        fakes::World other{own.path()};
        REQUIRE(other.jackdaw({"fleet", "init", "f1"}) == 0);
        other.terminal.broken = true;
        auto words = create_words;
        *std::ranges::find(words, "--wait") = wait;
        CHECK(other.jackdaw(words) == 1);
        CHECK(other.terminal.stderr_text.find("E-OUTPUT-LOST") != std::string::npos);
        CHECK(other.machines.size() == 1); // it was made all the same
        const auto lost = other.agents["db1"].passwords["app@%"];
        other.terminal.broken = false;
        REQUIRE(other.jackdaw(create_words) == 0);
        const auto told = Json::parse(other.terminal.stdout_text)
                              .at("result")
                              .at("credentials")
                              .at(0)
                              .at("password");
        CHECK(told != lost);
        CHECK(other.agents["db1"].passwords["app@%"] == told);
        REQUIRE(other.jackdaw(create_words) == 0);
        CHECK(Json::parse(other.terminal.stdout_text).at("no_op") == true);
        CHECK(other.agents["db1"].passwords["app@%"] == told);
    }
}

TEST_CASE_METHOD(Scene,
                 "a change whose end could not be told has ended all the same, and exits 1") {
    REQUIRE(world.jackdaw(create_words) == 0);
    world.terminal.broken = true;
    CHECK(world.jackdaw({"instance", "list"}) == 1);
    CHECK(world.jackdaw({"instance", "list", "-o", "jsn"}) == 2); // the first failure counts
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 1);
    CHECK(world.machines.empty());
    CHECK(world.volumes.empty());
    world.terminal.broken = false;
    CHECK(world.jackdaw({"instance", "delete", "db1", "--yes"}) == 5);
}

TEST_CASE_METHOD(Scene,
                 "an agent that never answers is given up with 8, and the create can be resumed") {
    world.unreachable = true;
    CHECK(world.jackdaw(create_words) == 8);
    CHECK(world.machines.size() == 1);
    world.unreachable = false;
    CHECK(world.jackdaw(create_words) == 0);
}

TEST_CASE_METHOD(Scene, "a dry run makes nothing and says what it would make") {
    auto words = with(create_words, {"--dry-run"});
    CHECK(world.jackdaw(words) == 0);
    CHECK(json().at("would").size() == 5);
    CHECK(world.calls.empty());
    CHECK_FALSE(std::filesystem::exists(world.folders.ops("f1")));
}

TEST_CASE_METHOD(
    Scene,
    "a given password is used, is not told as generated, and one that cannot be is refused") {
    world.terminal.typed = {"s3cret word"};
    auto words = create_words;
    words.resize(words.size() - 2);
    REQUIRE(world.jackdaw(with(words, {"--password-stdin"})) == 0);
    CHECK(world.agents["db1"].passwords["app@%"] == "s3cret word");
    CHECK((world.terminal.stdout_text + err()).find("s3cret") == std::string::npos);
    world.terminal.typed = {""};
    CHECK(world.jackdaw({"user", "create", "b", "--password-stdin", "--wait"}) == 2);
    CHECK(err().find("E-BAD-PASSWORD") != std::string::npos);
}
