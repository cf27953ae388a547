// What jackdaw-host reads, from friend or foe: its protocol, the machine file, the config drive,
// the list of programs, networks and stamps; and quotas.
#include <cstring>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/host/host_firewall.h"
#include "agent/host/host_machine.h"
#include "agent/host/host_protocol.h"
#include "agent/host/host_spawn.h"
#include "agent/host/host_volume.h"
#include "agent/host/machine_file.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

constexpr const char* some_id = "018f3c1e-0000-7000-8000-000000000001";

std::string drive(const std::string& key, const std::string& json) {
    return fmt::format("{{\"{}\": {}}}", key, json);
}

} // namespace

TEST_CASE("a request is valid whole, and no more when any header field or the size is altered") {
    auto request = host::make_request(host::Verb::inspect_volume, 7);
    REQUIRE(host::set_text(request.serial, "vol-0001"));
    CHECK(host::request_valid(&request, sizeof request));
    CHECK_FALSE(host::request_valid(&request, sizeof request - 1));
    CHECK_FALSE(host::request_valid(nullptr, 0));
    const auto altered = [&](auto&& change) {
        auto copy = request;
        change(copy);
        return host::request_valid(&copy, sizeof copy);
    };
    CHECK_FALSE(altered([](host::Request& r) { r.header.magic ^= 1; }));
    CHECK_FALSE(altered([](host::Request& r) { ++r.header.version; }));
    CHECK_FALSE(altered([](host::Request& r) { r.header.verb = 0; }));
    CHECK_FALSE(altered([](host::Request& r) {
        r.header.verb = static_cast<std::uint16_t>(host::Verb::last) + 1;
    }));
    CHECK_FALSE(altered([](host::Request& r) {
        r.header.verb = static_cast<std::uint16_t>(host::Verb::spawn_job);
    }));
    CHECK_FALSE(altered([](host::Request& r) { --r.header.size; }));
    CHECK_FALSE(altered([](host::Request& r) { std::memset(r.serial, 'x', sizeof r.serial); }));
    CHECK_FALSE(altered([](host::Request& r) { r.serial[20] = 'x'; })); // behind the NUL
    CHECK_FALSE(altered([](host::Request& r) { r.count = host::allow_max + 1; }));
    CHECK_FALSE(altered([](host::Request& r) { r.port = 65536; }));
    CHECK_FALSE(altered([](host::Request& r) { r.overwrite = 2; }));
    CHECK_FALSE(altered([](host::Request& r) { r.fleet_file = 4; }));
    CHECK_FALSE(altered([](host::Request& r) { r.stamp.sealed = 2; }));
    CHECK_FALSE(altered([](host::Request& r) { r.log_owner = 2; }));
    CHECK_FALSE(altered([](host::Request& r) { r.keep = host::log_keep_limit + 1; }));
    CHECK_FALSE(altered([](host::Request& r) { std::memset(r.log, 'x', sizeof r.log); }));
    CHECK_FALSE(altered([](host::Request& r) { r.files[3].size = (1U << 20) + 1; }));
}

TEST_CASE("a log's name is a plain one") {
    for (const auto* name : {"slow.log", "a", "0", "mariadb-bin.000001", "x_y-z..log"}) {
        CHECK(host::is_log_name(name));
    }
    CHECK(host::is_log_name(std::string(60, 'a')));
    for (const std::string& name :
         {std::string{}, std::string{"."}, std::string{".."}, std::string{".log"},
          std::string{"_log"}, std::string{"a/b"}, std::string{"A"}, std::string{"a\n"},
          std::string{"a\0b", 3}, std::string{"\xc3\xa4"}, std::string(61, 'a')}) {
        INFO(name);
        CHECK_FALSE(host::is_log_name(name));
    }
    STATIC_REQUIRE(host::log_keep_limit == log_keep_max);
}

TEST_CASE("a spawn request is valid only with a whole order to the first process inside") {
    auto request = host::make_spawn_request(host::Verb::spawn_job, 1);
    CHECK_FALSE(host::request_valid(&request, sizeof request));
    const char* argv[] = {"/bin/true"};
    jackdaw_init_header_set(&request.spawn.header, JACKDAW_INIT_SPAWN, 0, sizeof request.spawn);
    request.spawn.kind = JACKDAW_SPAWN_JOB;
    REQUIRE(host::set_text(request.spawn.name, "host"));
    REQUIRE(jackdaw_spawn_request_pack(&request.spawn, "/", argv, 1, nullptr, 0) == 1);
    CHECK(host::request_valid(&request, sizeof request));
    request.header.verb = static_cast<std::uint16_t>(host::Verb::mount_volume);
    CHECK_FALSE(host::request_valid(&request, sizeof request));
}

TEST_CASE("where memory ends the kernel kills a job before the database, whatever was asked for") {
    auto wanted = host::new_request(JACKDAW_SPAWN_DATABASE);
    CHECK(wanted.oom_score_adj == 0);
    wanted.oom_score_adj = plugins::Limits{}.oom_score_adj;
    wanted.nofile = 4096;
    auto database = host::new_request(JACKDAW_SPAWN_DATABASE);
    host::take_over(database, wanted);
    CHECK(database.oom_score_adj == 200);
    CHECK(database.nofile == 4096);
    auto job = host::new_request(JACKDAW_SPAWN_JOB); // of the host's own, too
    CHECK(job.oom_score_adj == 1000);
    host::take_over(job, wanted);
    CHECK(job.oom_score_adj == 1000);
    CHECK(job.nofile == 4096);
}

TEST_CASE("an error goes through a reply with its row and its words, cut to the field") {
    auto reply = host::make_reply(host::make_request(host::Verb::mount_volume, 9).header);
    CHECK(host::error_of(reply));
    host::set_error(reply, Error{Code::volume_foreign, std::string(2000, 'w')});
    REQUIRE(host::reply_valid(&reply, sizeof reply));
    CHECK(reply.header.sequence == 9);
    const auto error = host::error_of(reply);
    REQUIRE_FALSE(error);
    CHECK(error.error().id() == Code::volume_foreign);
    CHECK(error.error().message().size() == sizeof reply.message - 1);
}

TEST_CASE("text with a NUL inside or too long does not go into a field") {
    char field[8];
    CHECK(host::set_text(field, "1234567"));
    CHECK_FALSE(host::set_text(field, "12345678"));
    CHECK_FALSE(host::set_text(field, std::string_view{"1\0002", 3}));
    CHECK(host::text_of(field).empty());
}

TEST_CASE("a machine file comes back as it was written") {
    MachineFile file;
    file.instance_id = some_id;
    file.instance_name = "db1";
    file.fleet = "lab";
    file.volume_serial = "vol-0001";
    file.address = "10.1.2.3";
    file.database_uid = 5;
    file.database_gid = 6;
    file.plugin_folder = "/usr/lib/jackdaw/plugins";
    const auto parsed = host::parse_machine_file(host::format_machine_file(file));
    REQUIRE(parsed);
    CHECK(host::format_machine_file(*parsed) == host::format_machine_file(file));
    CHECK(parsed->database_gid == 6);
}

TEST_CASE("an empty machine file has no instance and the fixed users") {
    const auto file = host::parse_machine_file("# nothing\n\n");
    REQUIRE(file);
    CHECK(file->instance_id.empty());
    CHECK(file->database_uid == 47413);
    CHECK(file->plugin_folder == "/usr/lib/jackdaw/plugins");
}

TEST_CASE("a machine file with a mistyped, repeated or impossible line is refused") {
    for (const auto* text :
         {"instance_idd=x\n", "fleet\n", "fleet=a\nfleet=a\n", "instance_id=not-a-uuid\n",
          "volume_serial=../../sda\n", "volume_serial=123456789012345678901\n",
          "address=db.example\n", "database_uid=0\n", "database_uid=-1\n",
          "database_uid=4294967295\n", "database_uid=5x\n", "plugin_folder=plugins\n",
          "plugin_folder=/usr/../tmp\n", "fleet=Has Spaces\n", " fleet=a\n"}) {
        INFO(text);
        const auto file = host::parse_machine_file(text);
        REQUIRE_FALSE(file);
        CHECK(file.error().code() == Errc::invalid);
    }
    CHECK_FALSE(host::parse_machine_file(std::string(9000, '#')));
}

TEST_CASE("a config drive becomes a machine file; what is the agent's own in it is skipped") {
    const auto file = host::parse_config_drive(
        R"({"uuid": "the cloud's own", "name": "db1"})",
        fmt::format(R"({{"fleet": "lab", "instance_id": "{}", "instance_name": "db1",
                         "volume_serial": "vol-0001", "address": "10.1.2.3", "seeds": ["10.1.2.4:7412"]}})",
                    some_id));
    REQUIRE(file);
    CHECK(file->instance_id == some_id);
    CHECK(file->volume_serial == "vol-0001");
    CHECK(file->database_uid == 47413);
    CHECK(host::parse_config_drive("{}", "{}")->instance_id.empty());
}

TEST_CASE(
    "a config drive that lies about its shape is refused, and cannot choose users or folders") {
    std::string deep = "1";
    for (int i = 0; i < 200; ++i) {
        deep = "[" + deep + "]";
    }
    for (const auto& user :
         {std::string{"[]"}, std::string{"{"}, std::string{}, drive("fleet", "7"),
          drive("address", "\"\\n\""), drive("volume_serial", "\"a/b\""),
          drive("instance_id", "\"\\u0000\""), drive("x", deep)}) {
        INFO(user.substr(0, 60));
        CHECK_FALSE(host::parse_config_drive("{}", user));
    }
    CHECK_FALSE(host::parse_config_drive("7", "{}"));
    CHECK_FALSE(host::parse_config_drive("{}", "{\"x\":\"" + std::string(70'000, 'x') + "\"}"));
    const auto file =
        host::parse_config_drive("{}", R"({"database_uid": "1", "plugin_folder": "/tmp"})");
    REQUIRE(file);
    CHECK(file->database_uid == 47413);
    CHECK(file->plugin_folder == "/usr/lib/jackdaw/plugins");
}

TEST_CASE("only what the list beside the plug-in names may run, by name and by path") {
    const auto list =
        host::ProgramList::parse("# comment\njob fake-init /usr/bin/init\ndatabase /usr/sbin/db\n");
    REQUIRE(list);
    CHECK(list->allows_database("/usr/sbin/db"));
    CHECK_FALSE(list->allows_database("/usr/bin/init"));
    CHECK(list->allows_job("fake-init", "/usr/bin/init"));
    CHECK_FALSE(list->allows_job("fake-init", "/usr/sbin/db"));
    CHECK_FALSE(list->allows_job("", "/usr/sbin/db"));
    for (const auto* text : {"job x\n", "job x y\n", "database bin/x\n", "anything /x\n",
                             "job A /x\n", "job a /x extra\n", "database /a /b\n"}) {
        INFO(text);
        CHECK_FALSE(host::ProgramList::parse(text));
    }
}

TEST_CASE("networks are written anew from their bytes, so nothing else can stand in a rule") {
    CHECK(*host::canonical_network("10.1.2.3") == "10.1.2.3/32");
    CHECK(*host::canonical_network("10.1.2.3/16") == "10.1.0.0/16");
    CHECK(*host::canonical_network("0.0.0.0/0") == "0.0.0.0/0");
    CHECK(*host::canonical_network("fd00::1/8") == "fd00::/8");
    for (const auto* text :
         {"", "10.1.2", "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/-1", "10.1.2.3/8 accept", "::/129",
          "any", "10.1.2.3;drop", "10.1.2.3/1e1"}) {
        INFO(text);
        CHECK_FALSE(host::canonical_network(text));
    }
}

TEST_CASE("the database's port is open to the allowed networks alone") {
    const auto rules = host::render_rules({"10.1.0.0/16", "fd00::/8"}, 3306, 47413);
    CHECK(rules.find("ip saddr 10.1.0.0/16 tcp dport 3306 accept\n") != std::string::npos);
    CHECK(rules.find("ip6 saddr fd00::/8 tcp dport 3306 accept\n") != std::string::npos);
    CHECK(rules.find("policy drop;\n") != std::string::npos);
    CHECK(rules.find("meta skuid 47413 ip daddr 169.254.169.254 drop\n") != std::string::npos);
    CHECK(rules.find("meta skuid 47413 ip6 daddr fe80::a9fe:a9fe drop\n") != std::string::npos);
    CHECK(rules.find("3306") == rules.find("3306 accept\nip6"));
}

TEST_CASE("the port for metrics is open to the same networks, and only when there is one") {
    OpenPorts ports;
    ports.metrics = 7413;
    const auto rules = host::render_rules({"10.1.0.0/16", "fd00::/8"}, 3306, 47413, ports);
    CHECK(rules.find("ip saddr 10.1.0.0/16 tcp dport 7413 accept\n") != std::string::npos);
    CHECK(rules.find("ip6 saddr fd00::/8 tcp dport 7413 accept\n") != std::string::npos);
    CHECK(host::render_rules({"10.1.0.0/16"}, 3306, 47413).find("dport 0") == std::string::npos);
}

TEST_CASE("the agents' port is the one that they listen on, and no other one is open") {
    OpenPorts ports;
    CHECK(ports.agents == 7412);
    for (const std::uint16_t port : {std::uint16_t{7412}, std::uint16_t{7500}}) {
        ports.agents = port;
        const auto rules = host::render_rules({"10.1.0.0/16"}, 3306, 47413, ports);
        for (const std::string_view kind : {"tcp", "udp"}) {
            const auto opens = [&](int one) {
                return rules.find(fmt::format("\n{} dport {} accept\n", kind, one)) !=
                       std::string::npos;
            };
            CHECK(opens(port));
            CHECK_FALSE(opens(port == 7412 ? 7500 : 7412));
        }
    }
}

TEST_CASE("a stamp comes back as it was written, and a damaged one is corrupt") {
    const VolumeStamp stamp{some_id, "mariadb", "10.11.14", true};
    const auto text = host::format_stamp(stamp);
    const auto parsed = host::parse_stamp(text);
    REQUIRE(parsed);
    CHECK(parsed->instance_id == some_id);
    CHECK(parsed->version == "10.11.14");
    CHECK(parsed->sealed);
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
        CHECK_FALSE(host::parse_stamp(text.substr(0, cut)));
    }
    CHECK_FALSE(host::parse_stamp(text + "more"));
    CHECK(host::parse_stamp("nonsense").error().code() == Errc::corrupt);
}

TEST_CASE("the least cpu quota of our group and those above it counts") {
    const test::TemporaryFolder folder;
    const auto group = [&](const char* name, const char* quota) {
        const auto path = folder.path() / name;
        std::filesystem::create_directory(path);
        if (*quota != '\0') {
            std::ofstream{path / "cpu.max"} << quota;
        }
        return path.string();
    };
    const auto agents = group("agent", ""); // no controller was handed down to it
    const auto free_one = group("free", "max 100000\n");
    const auto machine = group("machine", "150000 100000\n");
    const auto half = group("half", "50000 100000\n");
    CHECK_FALSE(host::v2_cores({agents, free_one, (folder.path() / "absent").string()}));
    CHECK(host::v2_cores({agents, machine}) == 1.5);
    CHECK(host::v2_cores({half, machine}) == 0.5);
}
