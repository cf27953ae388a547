// Arbitrary text at the agent's settings file (TOML). What was understood lies within its bounds.

#include <cstdint>
#include <string_view>

#include "agent/settings.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    agent::Settings settings;
    const auto read = agent::read_settings(settings, text, "settings");
    require(settings.seeds.size() <= 64);
    require(settings.probe_period_ms >= 100 && settings.operation_limit_s >= 10);
    if (!read) {
        require(read.error().code() == Errc::invalid);
        return 0;
    }
    (void)agent::parse_host_port(settings.listen);
    return 0;
}
