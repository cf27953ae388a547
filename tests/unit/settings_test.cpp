// The agent's settings file: what it takes, and how it says what it does not.
#include <catch2/catch.hpp>

#include "agent/settings.h"
#include "agent/settings_text.h"

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

} // namespace

TEST_CASE("the sample that the agent prints is a settings file") {
    Settings settings;
    settings.name = "other";
    REQUIRE(read_settings(settings, settings_sample(), "sample").has_value());
}

TEST_CASE("numbers, texts, lists and comments are read") {
    Settings settings;
    const auto read = read_settings(settings,
                                    "# a comment\r\n\n"
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
    CHECK(refusal("\n[table]\n") == "f:2: settings have no tables");
    CHECK(refusal("[\n") == "f:1: settings have no tables");
    CHECK(refusal("name = \"a\"\nname = \"b\"\n") == "f:2: this key is there already");
    CHECK(refusal("name = \"a").starts_with("f:1: a text ends in its own line"));
    CHECK(refusal("name = \"a\nb\"").starts_with("f:1: a text ends in its own line"));
    CHECK(refusal("name = \"\\q\"") == "f:1: there is no such escape");
    CHECK(refusal("name = 2026-11-24\n") == "f:1: something stands behind the value");
    CHECK(refusal("name = true\n").starts_with("f:1: a value is a whole number"));
    CHECK(refusal("name \"a\"\n") == "f:1: a '=' was to follow the key");
    CHECK(refusal("seed = [\"a\"\n\"b\"]") == "f:2: a ',' or ']' was to follow");
    CHECK(refusal("seed = [5]") == "f:1: a list is of texts in quotes");
    CHECK(refusal("name = [\"a\"]") == "f:1: 'name' is no list");
    CHECK(refusal("# \x01\n") == "f:1: a control character");
    CHECK(refusal("\xc8\xb1 = 1\n") == "f:1: a key was to begin here");
    CHECK(refusal("nam = \"a\"\n").starts_with("f:1: unknown key 'nam'"));
    CHECK(refusal("probe-period-ms = -5\n").starts_with("f:1: 'probe-period-ms' must be"));
}
