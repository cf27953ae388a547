// What each option of a command changes, where no other test has it.

#include <algorithm>
#include <fstream>
#include <map>

#include <catch2/catch.hpp>

#include "coordinator/commands/command_table.h"
#include "tests/unit/cli_scene.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

namespace {

struct Options : Scene {
    int run(std::vector<std::string> words) { return world.jackdaw(std::move(words)).value_or(-1); }
    fakes::Agent& agent(const char* name) { return world.agents[name]; }
    std::string file(const std::string& name, std::string_view text) {
        const auto path = folder.path() / name;
        std::ofstream{path} << text;
        std::filesystem::permissions(path, std::filesystem::perms::owner_read);
        return path.string();
    }
};

} // namespace

TEST_CASE_METHOD(Options, "--instance and --host say of whom, in every command on users") {
    make_fleet({"db1", "db2"});
    const std::string key = "app@10.%";
    agent("db2").users[key] = {"app", "10.%", {}, {}, {}};
    CHECK(run({"user", "show", "app", "--instance", "db2"}) == 5); // that is app@%
    REQUIRE(run({"user", "show", "app", "--instance", "db2", "--host", "10.%"}) == 0);
    REQUIRE(run({"user", "grant", "app", "SELECT", "--instance", "db2", "--host", "10.%"}) == 0);
    CHECK(agent("db2").users[key].grants.size() == 1);
    REQUIRE(run({"user", "revoke", "app", "SELECT", "--instance", "db2", "--host", "10.%"}) == 0);
    CHECK(agent("db2").users[key].grants.empty());
    REQUIRE(run({"user", "update", "app", "--lock", "--instance", "db2", "--host", "10.%"}) == 0);
    CHECK(agent("db2").users[key].attributes.locked == true);
    REQUIRE(run({"user", "password", "app", "--instance", "db2", "--host", "10.%"}) == 0);
    CHECK(agent("db2").last_change.path == "/v1/users/app/password?host=10.%25");
    REQUIRE(run({"user", "delete", "app", "--instance", "db2", "--host", "10.%", "--yes"}) == 0);
    CHECK(agent("db2").last_change.path == "/v1/users/app?host=10.%25");
    REQUIRE(run({"user", "create", "app", "--instance", "db2", "--host", "10.%", "--database",
                 "shop", "--password-file", file("p", "from a file\n")}) == 0);
    CHECK(agent("db2").passwords[key] == "from a file");
    CHECK(agent("db2").last_change.body.at("databases") == Json::array({"shop"}));
    CHECK(run({"user", "password", "app", "--instance", "db2", "--password-file",
               file("two", "one\ntwo\n")}) == 2);
    CHECK(err().find("a second follows") != std::string::npos);
    REQUIRE(run({"user", "list", "--instance", "db2", "-o", "name"}) == 0);
    CHECK(out() == "app@10.%\n");
    CHECK(agent("db1").passwords.empty());
}

TEST_CASE_METHOD(Options, "--instance says where, in every other command on an instance's inside") {
    make_fleet({"db1", "db2"});
    auto& two = agent("db2");
    two.sessions.resize(1);
    two.sessions[0].id = 9;
    two.parameters.resize(1);
    two.parameters[0].name = "sort_buffer_size";
    two.databases = {"shop"};
    REQUIRE(run({"root", "enable", "--instance", "db2", "--password-file", file("p", "of root")}) ==
            0);
    CHECK(two.passwords["root@%"] == "of root");
    REQUIRE(run({"root", "disable", "--instance", "db2"}) == 0);
    CHECK(two.root.level == "off");
    REQUIRE(run({"session", "list", "--instance", "db2", "-o", "name"}) == 0);
    CHECK(out() == "9\n");
    REQUIRE(run({"session", "kill", "9", "--instance", "db2"}) == 0);
    CHECK(two.sessions.empty());
    REQUIRE(run({"config", "set", "sort_buffer_size=4M", "--instance", "db2"}) == 0);
    REQUIRE(run({"config", "parameters", "buffer", "--instance", "db2", "-o", "name"}) == 0);
    CHECK(out() == "sort_buffer_size\n");
    REQUIRE(run({"config", "unset", "sort_buffer_size", "--instance", "db2"}) == 0);
    CHECK_FALSE(two.parameters[0].is_configured);
    REQUIRE(run({"datastore", "capabilities", "--instance", "db2", "-o", "json"}) == 0);
    CHECK(json().at("capabilities").at("users") == true);
    REQUIRE(run({"database", "create", "orders", "--instance", "db2", "--charset", "latin1",
                 "--collation", "latin1_bin"}) == 0);
    CHECK(two.last_change.body ==
          Json{{"name", "orders"}, {"charset", "latin1"}, {"collation", "latin1_bin"}});
    REQUIRE(run({"database", "list", "--instance", "db2", "-o", "name"}) == 0);
    CHECK(out() == "shop\n");
    REQUIRE(run({"database", "delete", "shop", "--instance", "db2", "--yes"}) == 0);
    CHECK(two.last_change.path == "/v1/databases/shop");
    REQUIRE(run({"connect", "--instance", "db2", "--user", "app", "--password-file",
                 file("c", "of a client\n")}) == 0);
    CHECK(world.client_options.find("\"of a client\"") != std::string::npos);
    CHECK(agent("db1").last_change.path == "/v1/instance"); // nothing after its create
}

TEST_CASE_METHOD(Options, "a create with less memory than its image asks for makes nothing") {
    REQUIRE(run({"fleet", "init", "f1", "--flavor", "tiny=cpu=0.5,mem=128M"}) == 0);
    const std::vector<std::string> words{"instance", "create", "db1",    "--datastore", "mariadb",
                                         "--volume", "1G",     "--wait", "--flavor",    "tiny"};
    world.images[0].memory_bytes_min = 256ULL << 20U;
    auto rehearsal = words;
    rehearsal.emplace_back("--dry-run");
    CHECK(run(rehearsal) == 2);
    CHECK(run(words) == 2);
    CHECK(err().find("E-MEMORY-TOO-SMALL") != std::string::npos);
    CHECK(err().find("at least 256.0 MiB") != std::string::npos);
    CHECK(world.volume_specs.empty());
    CHECK(world.machines.empty());
    world.images[0].memory_bytes_min = 0; // an older image: its agent judges
    CHECK(run(words) == 0);
}

TEST_CASE_METHOD(Options, "a create with more memory than its host has makes nothing") {
    REQUIRE(run({"fleet", "init", "f1"}) == 0);
    world.memory_bytes = 4ULL << 30U;
    for (const bool rehearsal : {true, false}) {
        std::vector<std::string> words{"instance", "create", "db1",    "--datastore", "mariadb",
                                       "--volume", "1G",     "--wait", "--flavor",    "mem=5G"};
        if (rehearsal) {
            words.emplace_back("--dry-run");
        }
        CHECK(run(words) == 2);
        CHECK(err().find("more memory than there is") != std::string::npos);
    }
    CHECK(world.volume_specs.empty());
    CHECK(world.machines.empty());
    CHECK(run({"instance", "create", "db1", "--datastore", "mariadb", "--volume", "1G", "--wait",
               "--flavor", "mem=4G"}) == 0);
}

TEST_CASE_METHOD(Options, "a create with a type of volume that the provider lacks makes nothing") {
    REQUIRE(run({"fleet", "init", "f1"}) == 0);
    for (const bool rehearsal : {true, false}) {
        std::vector<std::string> words{"instance", "create",        "db1", "--datastore",
                                       "mariadb",  "--volume-type", "sdd", "--volume",
                                       "1G",       "--wait"};
        if (rehearsal) {
            words.emplace_back("--dry-run");
        }
        CHECK(run(words) == 2);
        CHECK(err().find("no such type of volume") != std::string::npos);
    }
    CHECK(world.volume_specs.empty());
    CHECK(world.machines.empty());
}

TEST_CASE_METHOD(Options, "a create's options reach provider and agent") {
    REQUIRE(run({"fleet", "init", "f1", "--flavor", "tiny=cpu=0.5,mem=512M"}) == 0);
    world.terminal.typed = {"given"};
    REQUIRE(run({"instance",
                 "create",
                 "db1",
                 "--datastore",
                 "mariadb",
                 "--volume",
                 "1G",
                 "--volume-type",
                 "ssd",
                 "--overcommit",
                 "--fs",
                 "ext4",
                 "--flavor",
                 "tiny",
                 "--root-disk",
                 "600M",
                 "--user",
                 "app",
                 "--password-stdin",
                 "--allow",
                 "10.1.0.0/16",
                 "--protect",
                 "--wait"}) == 0);
    REQUIRE(world.volume_specs.size() == 1);
    CHECK(world.volume_specs[0].type == "ssd");
    CHECK(world.volume_specs[0].overcommit);
    REQUIRE(world.machine_specs.size() == 1);
    CHECK(world.machine_specs[0].flavor.cpu_millis == 500);
    CHECK(world.machine_specs[0].flavor.memory_bytes == 512ULL << 20U);
    CHECK(world.machine_specs[0].root_disk_bytes == 600ULL << 20U);
    REQUIRE(agent("db1").spec);
    CHECK(agent("db1").spec->filesystem == "ext4");
    CHECK(agent("db1").spec->allow == std::vector<std::string>{"10.1.0.0/16"});
    CHECK(agent("db1").protect);
    CHECK(agent("db1").passwords["app@%"] == "given");
    REQUIRE(run({"instance", "create", "db2", "--datastore", "mariadb", "--volume", "1G", "--user",
                 "app", "--password-file", file("p", "of a file"), "--wait"}) == 0);
    CHECK(agent("db2").passwords["app@%"] == "of a file");
    REQUIRE(run({"instance", "create", "db3", "--datastore", "mariadb", "--volume", "1G",
                 "--user-file", file("u", "ann one\nbob two\n"), "--wait"}) == 0);
    CHECK(agent("db3").passwords["ann@%"] == "one");
    CHECK(agent("db3").passwords["bob@%"] == "two");
}

TEST_CASE_METHOD(Options, "a volume that is there is taken over or formatted only as it is named") {
    make_fleet({});
    for (const auto* id : {"vol-7", "vol-8"}) {
        cloud::Volume volume;
        volume.id = volume.serial = id;
        volume.size_bytes = 1ULL << 30U;
        volume.kept = true;
        world.volumes.push_back(volume);
    }
    const std::string old = "01890000-0000-7000-8000-000000000009";
    REQUIRE(run({"instance", "create", "db1", "--datastore", "mariadb", "--attach-volume", "vol-7",
                 "--take-over", old, "--wait"}) == 0);
    CHECK(agent("db1").spec->take_over_id == old);
    REQUIRE(run({"instance", "create", "db2", "--datastore", "mariadb", "--attach-volume", "vol-8",
                 "--format", "vol-8", "--wait"}) == 0);
    CHECK(agent("db2").spec->format_serial == "vol-8");
    CHECK(run({"instance", "create", "db3", "--datastore", "mariadb", "--volume", "1G",
               "--take-over", old}) == 2);
}

TEST_CASE_METHOD(Options, "machines are frozen, thawed, cut as it was said, and healed") {
    make_fleet({"db1", "db2"});
    REQUIRE(run({"machine", "freeze", "db1"}) == 0);
    REQUIRE(run({"machine", "thaw", "db1"}) == 0);
    REQUIRE(run({"machine", "cut", "db1", "--from", "db2", "--one-way", "--loss", "10%"}) == 0);
    CHECK(out().find("machine 'db1' loses 10% of what it sends to 'db2'\n") != std::string::npos);
    REQUIRE(run({"machine", "heal", "db1"}) == 0);
    CHECK(run({"machine", "shell", "db1", "--", "ls", "-l"}) == 3);
    REQUIRE(run({"machine", "power-off", "db1", "--crash"}) == 0);
    CHECK(world.local_calls == std::vector<std::string>{"freeze db1", "thaw db1",
                                                        "cut db1 from 'db2' one way 10", "heal db1",
                                                        "inside db1: 2", "crash db1"});
    REQUIRE(run({"machine", "power-off", "db2", "--timeout", "5s"}) == 0);
    CHECK(run({"machine", "power-off", "db2", "--timeout", "soon"}) == 2);
    CHECK(run({"machine", "cut", "db1", "--from", "none"}) == 5);
    CHECK(run({"machine", "cut", "db1", "--loss", "0%"}) == 2);
    REQUIRE(run({"fleet", "up"}) == 0);
    CHECK(world.local_calls.back() == "up");

    using Said = std::pair<std::vector<std::string>, std::string>;
    for (const auto& [more, said] : std::vector<Said>{
             {{}, "is cut from the network"},
             {{"--from", "db2"}, "is cut from 'db2'"},
             {{"--one-way"}, "loses 100% of what it sends"},
             {{"--loss", "30%"}, "loses 30% of its packets"},
             {{"--loss", "30%", "--from", "db2"}, "loses 30% of its packets to and from 'db2'"}}) {
        INFO(said);
        std::vector<std::string> words{"machine", "cut", "db1"};
        words.insert(words.end(), more.begin(), more.end());
        REQUIRE(run(words) == 0);
        CHECK(out().find("machine 'db1' " + said + "\n") != std::string::npos);
    }
}

TEST_CASE_METHOD(Options, "a dry run of any change changes nothing") {
    make_fleet({"db1"});
    proto::MemberShape gone;
    gone.name = "db9";
    gone.id = "8899aabbccddeeff";
    gone.status = "down";
    world.members.push_back(gone);
    for (int key = 1; key <= 2; ++key) { // the first one is handed out, the second one made
        REQUIRE(run({"key", "rotate"}) == 0);
    }
    REQUIRE(run({"instance", "restart", "db1", "--no-wait", "-o", "name"}) == 0);
    const auto id = out().substr(0, 36);
    const std::map<std::string, std::vector<std::string>> words{
        {"fleet init", {"f1"}},
        {"fleet use", {"f1"}},
        {"fleet up", {}},
        {"fleet gc", {}},
        {"fleet destroy", {}},
        {"instance create", {"db2", "--datastore", "mariadb", "--volume", "1G"}},
        {"instance delete", {"db1"}},
        {"instance start", {"db1"}},
        {"instance stop", {"db1"}},
        {"instance restart", {"db1"}},
        {"instance repair", {"db1"}},
        {"instance rename", {"db1", "sales"}},
        {"instance resize", {"db1", "--volume", "2G"}},
        {"instance pause", {"db1"}},
        {"instance resume", {"db1"}},
        {"instance protect", {"db1"}},
        {"instance unprotect", {"db1"}},
        {"database create", {"shop"}},
        {"database delete", {"shop"}},
        {"user create", {"ann"}},
        {"user delete", {"app"}},
        {"user password", {"app"}},
        {"user grant", {"app", "SELECT", "--on", "shop"}},
        {"user revoke", {"app", "SELECT", "--on", "shop"}},
        {"user update", {"app", "--lock"}},
        {"root enable", {}},
        {"root disable", {}},
        {"session kill", {"7"}},
        {"config set", {"db1", "a=1"}},
        {"config unset", {"db1", "a"}},
        {"op abort", {id}},
        {"op resume", {id}},
        {"member forget", {"db9"}},
        {"key rotate", {}},
        {"key remove", {"1"}},
        {"machine power-on", {"db1"}},
        {"machine power-off", {"db1"}},
        {"machine freeze", {"db1"}},
        {"machine thaw", {"db1"}},
        {"machine cut", {"db1"}},
        {"machine heal", {"db1"}},
        {"image build", {"mariadb:10.11"}},
        {"image delete", {"mariadb:10.11.14"}}};
    for (const auto& row : command_table()) {
        if (!row.nature.change) {
            continue;
        }
        const auto command = std::string{row.noun} + " " + std::string{row.verb};
        INFO(command);
        REQUIRE(words.contains(command)); // a new one stands here, too
        std::vector<std::string> typed{std::string{row.noun}, std::string{row.verb}};
        typed.insert(typed.end(), words.at(command).begin(), words.at(command).end());
        typed.insert(typed.end(), {"--dry-run", "-o", "json"});
        CHECK(run(typed) == 0);
        CHECK(json().at("kind") == (command == "fleet gc" ? "GarbageList" : "DryRun"));
        for (const auto& call : world.calls) { // of the provider, and changes at agents
            CHECK(call.ends_with("POST /v1/rehearsals"));
        }
    }
    CHECK(world.local_calls.empty());
    CHECK(world.image_words.empty());
    CHECK(default_fleet(world.folders) == "f1");
}

TEST_CASE_METHOD(Options, "an operation is followed as long as it was said") {
    make_fleet({"db1"});
    REQUIRE(run({"instance", "restart", "db1", "--no-wait", "-o", "name"}) == 0);
    const auto id = out().substr(0, 36);
    agent("db1").stopped = true;
    const auto began = world.clock.now();
    CHECK(run({"op", "watch", id, "--timeout", "20s"}) != 0);
    agent("db1").stopped = false;
    agent("db1").quiet_streams = 100;
    CHECK(run({"op", "watch", id, "--timeout", "20s"}) == 7);
    CHECK(world.clock.now() - began < std::chrono::seconds{60});
}

TEST_CASE_METHOD(Options, "images are baked again when it is said, and listed; a member is shown") {
    REQUIRE(run({"image", "build", "mariadb:10.11", "--programs", "/stage", "--force"}) == 0);
    CHECK(world.image_words == std::vector<std::string>{"mariadb:10.11", "--programs", "/stage",
                                                        "--force", "--output",
                                                        world.folders.images().string()});
    REQUIRE(run({"image", "list", "-o", "json"}) == 0);
    CHECK(json().at("items").at(0).at("version") == "10.11.14");
    make_fleet({"db1"});
    proto::MemberShape member;
    member.name = "db1";
    member.id = "0011223344556677";
    member.address = "10.9.0.2:7000";
    member.status = "alive";
    world.members.push_back(member);
    REQUIRE(run({"member", "show", "db1"}) == 0);
    CHECK(out().find("alive") != std::string::npos);
    CHECK(run({"member", "show", "none"}) == 5);
}

TEST_CASE_METHOD(Options, "a log is listed, its end shown without escapes, and followed") {
    make_fleet({"db1"});
    agent("db1").log = {"one", "two \x1b[2J", "three"};
    REQUIRE(run({"log", "list", "db1"}) == 0);
    CHECK(out().find("no: `jackdaw config set db1 slow_query_log=ON`") != std::string::npos);
    REQUIRE(run({"log", "list", "--instance", "db1", "-o", "name"}) == 0);
    CHECK(out() == "error\nslow\n");
    REQUIRE(run({"log", "tail", "db1", "error", "--lines", "2"}) == 0);
    CHECK(out() == "two ?[2J\nthree\n");
    agent("db1").log_news = {"four", "five"};
    REQUIRE(run({"log", "tail", "--instance", "db1", "--lines", "1", "--follow", "--timeout",
                 "5s"}) == 0);
    CHECK(out() == "three\nfour\nfive\n");
    agent("db1").log.emplace_back(20'000, 'q'); // a statement of the tenant's
    REQUIRE(run({"log", "tail", "db1", "error", "--lines", "2"}) == 0);
    CHECK(out() == "five\n" + std::string(20'000, 'q') + "\n");
    agent("db1").log.back().assign(65'536, 'x'); // all of it in four letters a byte, and cut
    agent("db1").log.back() += " ... [18446744073709551615 bytes more]";
    REQUIRE(run({"log", "tail", "db1", "error", "--lines", "1"}) == 0);
    CHECK(out() == agent("db1").log.back() + "\n");
    agent("db1").log.pop_back();
    agent("db1").busy_looks = 200; // an operation speaks to the database meanwhile, for minutes
    REQUIRE(run({"log", "tail", "db1", "--lines", "1", "--follow", "--timeout", "3m"}) == 0);
    CHECK(out() == "five\n");
    CHECK(agent("db1").busy_looks == 0);
    REQUIRE(run({"log", "tail", "db1", "error", "-o", "json"}) == 0);
    CHECK(json().at("lines").size() == 5);
    REQUIRE(run({"log", "tail", "db1", "error", "-o", "jsonl"}) == 0);
    CHECK(std::ranges::count(out(), '\n') == 5); // one each
    CHECK(out().find(R"("kind":"LogLine")") != std::string::npos);
    REQUIRE(run({"log", "tail", "error", "--lines", "1"}) == 0); // the only instance's
    CHECK(out() == "five\n");
    REQUIRE(run({"log", "tail", "db1", "slow"}) == 0);
    CHECK(out().empty());
    CHECK(err().find("`jackdaw config set db1 slow_query_log=ON` turns it on") !=
          std::string::npos);
    CHECK(run({"log", "tail", "db1", "none"}) == 5);
    CHECK(run({"log", "tail", "db1", "error", "--lines", "0"}) == 2);
    world.terminal.broken = true; // a reader that went away ends it
    CHECK(run({"log", "tail", "db1", "error", "-f"}) == 1);
    world.terminal.closed = true; // `| head`: it has seen enough
    for (const auto& looks : {std::vector<std::string>{"log", "tail", "db1", "error", "-f"},
                              {"instance", "list"},
                              {"instance", "list", "-o", "json"},
                              {"help"}}) {
        CHECK(run(looks) == 141);
        CHECK(err().empty());
    }
    CHECK(run({"instance", "show", "nobody"}) == 5);
    CHECK(run({"instance", "restart", "db1", "--wait"}) == 1); // a change is told, or lost
    CHECK(err().find("E-OUTPUT-LOST") != std::string::npos);
    world.terminal.broken = world.terminal.closed = false;
}

TEST_CASE_METHOD(Options, "events are shown and followed") {
    make_fleet({"db1"});
    for (const int sequence : {1, 2}) {
        agent("db1").events.push_back(Json{{"sequence", sequence},
                                           {"at", "2026-01-01T00:00:00.000Z"},
                                           {"kind", "database.ended"},
                                           {"weight", "warning"},
                                           {"subject", "db1"},
                                           {"text", "it ended\x1b"},
                                           {"operation", nullptr}});
    }
    REQUIRE(run({"events", "--limit", "10"}) == 0);
    CHECK(out().find("database.ended  db1      it ended?") != std::string::npos);
    REQUIRE(run({"events", "--instance", "db1", "--follow", "--timeout", "2s", "-o", "jsonl"}) ==
            0);
    CHECK(std::ranges::count(out(), '\n') == 2); // each once
    CHECK(run({"events", "--limit", "none"}) == 2);

    REQUIRE(run({"events", "--kind", "volume", "--weight", "warning", "--since",
                 "2026-01-01T00:00:00Z"}) == 0);
    CHECK(agent("db1").events_asked ==
          "/v1/events?limit=100&kind=volume&weight=warning&since=2026-01-01T00%3A00%3A00Z");
    REQUIRE(run({"events", "--since", "1h"}) == 0); // an hour before the clock's 2026-01-01
    CHECK(agent("db1").events_asked.find("&since=2025-12-31T23%3A00%3A00.") != std::string::npos);
    CHECK(run({"events", "--since", "yesterday"}) == 2);
    agent("db1").events = Json::array({"text"});
    CHECK(run({"events"}) == 8); // an item of a list is an object
}

TEST_CASE_METHOD(Options, "events of an agent that runs no instance are shown on its machine") {
    agent("local").events.push_back(Json{{"sequence", 1},
                                         {"at", "2026-01-01T00:00:00.000Z"},
                                         {"kind", "member.joined"},
                                         {"weight", "info"},
                                         {"subject", "n2"},
                                         {"text", "joined"},
                                         {"operation", nullptr}});
    REQUIRE(run({"events", "--local", "--kind", "member"}) == 0);
    CHECK(agent("local").events_asked == "/v1/events?limit=100&kind=member");
    CHECK(out().find("member.joined  n2       joined") != std::string::npos);
    REQUIRE(run({"events", "--local", "--follow", "--timeout", "2s", "-o", "jsonl"}) == 0);
    CHECK(std::ranges::count(out(), '\n') == 1);
    CHECK(run({"events", "db1", "--local"}) == 5);
}

TEST_CASE_METHOD(Options,
                 "events of a whole fleet are one timeline, without those who are silent") {
    make_fleet({"db1", "db2", "db3"});
    const auto happened = [&](const char* name, int sequence, int second) {
        agent(name).events.push_back(
            Json{{"sequence", sequence},
                 {"at", "2026-01-01T00:00:0" + std::to_string(second) + ".000Z"},
                 {"kind", "database.started"},
                 {"weight", "info"},
                 {"subject", "it"},
                 {"text", std::string{name} + std::to_string(sequence)},
                 {"operation", nullptr}});
    };
    happened("db1", 7, 1);
    happened("db2", 1, 2);
    happened("db1", 8, 3);
    happened("db2", 2, 4);
    REQUIRE(run({"events"}) == 0);
    CHECK(err().empty());
    CHECK(out().find("AT                        INSTANCE  WEIGHT") == 0);
    CHECK(out().find("db1       info") != std::string::npos);
    const auto texts = [&] {
        std::string all;
        const auto list = json();
        for (const auto& item : list.at("items")) {
            all += item.at("text").get<std::string>() + " ";
            CHECK(item.at("text").get<std::string>().starts_with(
                item.at("instance").get<std::string>()));
        }
        return all;
    };
    REQUIRE(run({"events", "-o", "json", "--kind", "database"}) == 0);
    CHECK(texts() == "db17 db21 db18 db22 ");
    CHECK(agent("db3").events_asked == "/v1/events?limit=100&kind=database");
    REQUIRE(run({"events", "-o", "json", "-n", "3"}) == 0);
    CHECK(texts() == "db21 db18 db22 ");
    REQUIRE(run({"events", "db1", "-o", "json"}) == 0);
    CHECK(texts() == "db17 db18 ");

    agent("db1").stopped = true;
    REQUIRE(run({"events"}) == 0);
    CHECK(err().find("warning: the events of 'db1' are missing") != std::string::npos);
    REQUIRE(run({"events", "-o", "json"}) == 0);
    CHECK(texts() == "db21 db22 ");
    CHECK(json().at("unreachable") == Json::array({"db1"}));
    REQUIRE(run({"events", "--follow", "--timeout", "30s", "-o", "jsonl"}) == 0);
    CHECK(std::ranges::count(out(), '\n') == 2); // each once
    const auto warnings = err();
    CHECK(std::ranges::count(warnings, '\n') == 1); // said once
    agent("db1").stopped = false;
    agent("db1").events = Json::array({Json{{"sequence", "one"}}});
    REQUIRE(run({"events"}) == 0);
    CHECK(err().find("the events of 'db1' are missing: its timeline has another shape") !=
          std::string::npos);
    world.unreachable = true;
    CHECK(run({"events"}) == 8);
    CHECK(run({"events", "--follow"}) == 8);
}

TEST_CASE_METHOD(Options, "an instance's warnings stand in show and list with what mends them") {
    make_fleet({"db1"});
    agent("db1").concerns = {{"connections", "2026-01-01T00:00:00.000Z", "90 of 100 are taken",
                              "jackdaw session list db1"}};
    REQUIRE(run({"instance", "show", "db1"}) == 0);
    CHECK(out().find("connections: 90 of 100 are taken, since 2026-01-01") != std::string::npos);
    CHECK(out().find("jackdaw session list db1") != std::string::npos);
    REQUIRE(run({"instance", "show", "db1", "-o", "json"}) == 0);
    CHECK(json().at("warnings").at(0).at("mend") == "jackdaw session list db1");
    REQUIRE(run({"instance", "list"}) == 0);
    CHECK(out().find("running (connections!)") != std::string::npos);
    REQUIRE(run({"instance", "repair", "db1", "--wait"}) == 0);
    CHECK(agent("db1").last_change.path == "/v1/instance/repair");
}
