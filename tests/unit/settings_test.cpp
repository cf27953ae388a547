// The agent's settings file: what it takes, and how it says what it does not.
#include <array>
#include <fstream>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/hand_over.h"
#include "agent/settings.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

std::string refusal(std::string_view document) {
    Settings settings;
    const auto read = read_settings(settings, document, "f");
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code() == Errc::invalid);
    return read.error().message();
}

Result<CommandLine> with(std::vector<const char*> words) {
    words.insert(words.begin(), "jackdawd");
    words.insert(words.end(), {"--settings", "/dev/null"}); // none of this host's
    return parse_command_line(static_cast<int>(words.size()), words.data());
}

} // namespace

TEST_CASE("the sample that the agent prints is a settings file") {
    Settings settings;
    settings.name = "other";
    REQUIRE(read_settings(settings, settings_sample(), "sample").has_value());
}

TEST_CASE("numbers, texts, lists and comments are read") {
    Settings settings;
    const auto read = read_settings(settings,
                                    "# a comment, \xc3\xa4\r\n\n"
                                    "name = \"a\\\"b\\\\c\" # behind\n"
                                    "state = 'C:\\x'\n"
                                    "probe-period-ms = 2000\n"
                                    "seed = [ # one\n  \"10.0.0.1:7412\",\n'10.0.0.2:7412',]\n"
                                    "\tlog-level=\"debug\"",
                                    "f");
    INFO((read ? "" : read.error().message()));
    REQUIRE(read.has_value());
    CHECK(settings.name == "a\"b\\c");
    CHECK(settings.state_folder == "C:\\x");
    CHECK(settings.probe_period_ms == 2000);
    CHECK(settings.seeds == std::vector<std::string>{"10.0.0.1:7412", "10.0.0.2:7412"});
    CHECK(settings.log_level == "debug");
}

TEST_CASE("what is wrong is named with its line") {
    for (const auto& [document, line] : std::vector<std::pair<std::string_view, std::string_view>>{
             {"\n[table]\n", "f:2: unknown key 'table'"},
             {"[\n", "f:1: "},
             {"name = \"a\"\nname = \"b\"\n", "f:2: "},
             {"name = \"a", "f:1: "},
             {"name = \"a\nb\"", "f:1: "},
             {"name = \"\\q\"", "f:1: "},
             {"name = 2026-11-24\n", "f:1: 'name' has a type"},
             {"name = 2026-11-24T:00:06-00:00:06-", "f:1: "},
             {"name = true\n", "f:1: 'name' has a type"},
             {"name \"a\"\n", "f:1: "},
             {"seed = [\"a\"\n\"b\"]", "f:2: "},
             {"seed = [5]", "f:1: 'seed' must be a list of texts"},
             {"name = [\"a\"]", "f:1: 'name' has a type"},
             {"# \x01\n", "f:1: "},
             {"\n\xc8\xb1 = 1\n", "f:2: a letter beyond ASCII"},
             {"name = \"\xc3\xa4\"\n", "f:1: a letter beyond ASCII"},
             {"name = \"\"\"a\n#\\\xef\xbf\xbf", "f:1: a text of several lines"},
             {"name = '''a'''\n", "f:1: a text of several lines"},
             {"nam = \"a\"\n", "f:1: unknown key 'nam'"},
             {"probe-period-ms = -5\n", "f:1: 'probe-period-ms' must be"}}) {
        CAPTURE(document, line);
        CHECK(refusal(document).starts_with(line));
    }
}

TEST_CASE("metrics are off unless a setting says where, and then only where it says") {
    CHECK(with({})->settings.metrics_listen.empty());
    CHECK(ports_to_open(Settings{}).metrics == 0);
    CHECK(ports_to_open(Settings{}).agents == 7412);
    for (const auto* good : {"127.0.0.1:7413", "10.1.2.3:7413", "[::1]:7413", "[fd00::1]:9104"}) {
        INFO(good);
        const auto line = with({"--metrics-listen", good});
        REQUIRE(line);
        const auto where = parse_metrics_listen(good);
        REQUIRE(where);
        CHECK(std::string{good}.starts_with(where->host + ":"));
    }
    const auto everywhere = parse_metrics_listen("*:7413");
    REQUIRE(everywhere);
    CHECK(everywhere->host == "0.0.0.0");
    CHECK(everywhere->port == 7413);
    CHECK(with({"--metrics-listen=*:7413"}));
}

TEST_CASE("a wrong place for metrics is refused with what is wrong about it") {
    for (const auto* bad : {"7413",
                            ":7413",
                            "localhost:7413",
                            "10.1.2.3",
                            "10.1.2.3:",
                            "10.1.2.3:0",
                            "10.1.2.3:65536",
                            "10.1.2.3:7413x",
                            "*",
                            "*:",
                            "*:0",
                            "**:7413",
                            "[::1]",
                            "::1:7413",
                            "10.1.2.300:7413",
                            "0.0.0.0:7413",
                            "[::]:7413",
                            "[0::0]:7413",
                            "[::ffff:0.0.0.0]:7413",
                            "10.1.2.3:7412"}) {
        INFO(bad);
        const auto line = with({"--metrics-listen", bad});
        REQUIRE_FALSE(line);
        CHECK(line.error().code() == Errc::invalid);
        CHECK(line.error().to_string().find("metrics-listen") != std::string::npos);
    }
    CHECK(parse_metrics_listen("[::]:7413").error().hint().find("\"*:7413\"") != std::string::npos);
}

TEST_CASE("others know an agent by an address that is its machine's alone") {
    for (const auto* bad :
         {"0.0.0.0", "224.0.0.1", "255.255.255.255", "[::]", "[ff02::1]", "db1", "10.1.2.3:7412"}) {
        INFO(bad);
        const auto line = with({"--advertise", bad});
        REQUIRE_FALSE(line);
        CHECK(line.error().code() == Errc::invalid);
        CHECK(line.error().message().find("advertise") != std::string::npos);
    }
    for (const auto* good : {"10.1.2.3", "127.0.0.1", "[fe80::1]", "[::1]", "[::ffff:10.1.2.3]"}) {
        INFO(good);
        CHECK(with({"--advertise", good}));
    }
}

TEST_CASE("the packet filter opens for metrics only what is told outside") {
    const auto port_of = [](const char* text) {
        Settings settings;
        settings.metrics_listen = text;
        return ports_to_open(settings).metrics;
    };
    CHECK(port_of("127.0.0.1:7413") == 0);
    CHECK(port_of("127.8.8.8:7413") == 0);
    CHECK(port_of("[::1]:7413") == 0);
    CHECK(port_of("nonsense") == 0);
    CHECK(port_of("10.1.2.3:7413") == 7413);
    CHECK(port_of("*:7413") == 7413);
}

TEST_CASE("the packet filter opens for the agents the port that they listen on") {
    const auto port_of = [](const char* text) {
        Settings settings;
        settings.listen = text;
        return ports_to_open(settings).agents;
    };
    CHECK(port_of("0.0.0.0:7412") == 7412);
    CHECK(port_of("0.0.0.0:7500") == 7500);
    CHECK(port_of("[::]:7501") == 7501);
}

TEST_CASE("gossip goes by its profile, and by what is set of it as far as that goes together") {
    Settings settings;
    CHECK(gossip_config_of(settings)->probe_period == std::chrono::seconds{1});
    settings.gossip_profile = "wan";
    CHECK(gossip_config_of(settings)->suspicion_min == std::chrono::seconds{6});
    settings.gossip_profile = "local";
    CHECK(gossip_config_of(settings)->probe_period == std::chrono::milliseconds{500});
    settings.gossip_suspicion_min_ms = 3000;
    settings.gossip_probe_period_ms = 700;
    settings.gossip_probe_floor_ms = 200;
    settings.gossip_rto_max_ms = 150;
    const auto config = gossip_config_of(settings);
    REQUIRE(config);
    CHECK(config->suspicion_min == std::chrono::seconds{3});
    CHECK(config->probe_period == std::chrono::milliseconds{700});
    CHECK(config->probe_floor == std::chrono::milliseconds{200});
    CHECK(config->rto_max == std::chrono::milliseconds{150});
    CHECK(config->rto_start == std::chrono::milliseconds{150});
    CHECK(config->deaf_hold == std::chrono::seconds{60});
    settings = {};
    settings.gossip_probe_period_ms = 45'000; // it is not deaf before a period and a half is over
    settings.gossip_suspicion_min_ms = 45'000;
    REQUIRE(gossip_config_of(settings));
    CHECK(gossip_config_of(settings)->deaf_hold == std::chrono::seconds{450});

    settings = {};
    settings.gossip_profile = "moon";
    CHECK_FALSE(gossip_config_of(settings));
    struct Refused {
        int period, floor, rto, suspicion;
        const char* text;
    };
    // By the settings' own names, but for "gossip-" and "-ms".
    for (const auto& [period, floor, rto, suspicion, text] :
         {Refused{400, 0, 0, 0, "gossip: probe-floor must not be above probe-period"},
          {0, 1001, 0, 0, "gossip: probe-floor must not be above probe-period"},
          {0, 0, 1001, 0, "gossip: rto-max must be at least 50 ms and not above probe-period"},
          {0, 0, 49, 0, "gossip: rto-max must be at least 50 ms and not above probe-period"},
          {0, 0, 0, 999,
           "gossip: suspicion-min must be at least twice probe-floor, and at least "
           "probe-period"}}) {
        settings = {};
        settings.gossip_probe_period_ms = static_cast<std::uint64_t>(period);
        settings.gossip_probe_floor_ms = static_cast<std::uint64_t>(floor);
        settings.gossip_rto_max_ms = static_cast<std::uint64_t>(rto);
        settings.gossip_suspicion_min_ms = static_cast<std::uint64_t>(suspicion);
        const auto refused = gossip_config_of(settings);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code() == Errc::invalid);
        CHECK(refused.error().message() == text);
        CHECK(refused.error().hint().find("with profile lan, gossip-probe-period-ms ") == 0);
    }
    CHECK_FALSE(with({"--gossip-suspicion-min-ms", "999"}));
    CHECK_FALSE(with({"--gossip-suspicion-min-ms", "600001"}));
    CHECK(with({"--gossip-suspicion-min-ms", "2500"}));
}

TEST_CASE("a plain member's ring is refused with what mends it, and without its keys") {
    const test::TemporaryFolder folder;
    const auto path = std::string{folder.path()} + "/ring";
    const std::string key(64, 'a');
    const auto refused = [&](std::string_view text) {
        std::ofstream{path} << text;
        const auto ring = read_ring_file(path);
        REQUIRE_FALSE(ring.has_value());
        CHECK(ring.error().code() == Errc::invalid);
        CHECK(ring.error().hint().find("VERSION HEX64") != std::string::npos);
        CHECK(ring.error().message().find(key) == std::string::npos);
        return ring.error().message();
    };
    CHECK_FALSE(read_ring_file(path)); // there is none yet
    CHECK(refused("").find("without a key") != std::string::npos);
    CHECK(refused("0 " + key + "\n").find(path + ": ") == 0);
    CHECK(refused("fleet 1\n1 " + key + "\n").find("line 1 of the gossip ring") !=
          std::string::npos);
    const auto good = "fleet 1122334455667788\n1 " + key + "\n";
    std::ofstream{path} << good;
    CHECK(read_ring_file(path)->reveal() == good);
}
