// The agent's settings: what is refused, by name and with what to write instead.
#include <vector>

#include <catch2/catch.hpp>

#include "agent/settings.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

Result<CommandLine> with(std::vector<const char*> words) {
    words.insert(words.begin(), "jackdawd");
    words.insert(words.end(), {"--settings", "/dev/null"}); // none of this host's
    return parse_command_line(static_cast<int>(words.size()), words.data());
}

} // namespace

TEST_CASE("metrics are off unless a setting says where, and then only where it says") {
    CHECK(with({})->settings.metrics_listen.empty());
    CHECK(metrics_port_to_open(Settings{}) == 0);
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

TEST_CASE("the packet filter opens for metrics only what is told outside") {
    const auto port_of = [](const char* text) {
        Settings settings;
        settings.metrics_listen = text;
        return metrics_port_to_open(settings);
    };
    CHECK(port_of("127.0.0.1:7413") == 0);
    CHECK(port_of("127.8.8.8:7413") == 0);
    CHECK(port_of("[::1]:7413") == 0);
    CHECK(port_of("nonsense") == 0);
    CHECK(port_of("10.1.2.3:7413") == 7413);
    CHECK(port_of("*:7413") == 7413);
}
