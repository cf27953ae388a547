// Arbitrary text at the agent's settings file. What was understood lies within its bounds.

#include <cstdint>
#include <string_view>

#include "agent/settings.h"
#include "agent/settings_text.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

void check_form(std::string_view text) {
    const auto lines = agent::parse_settings_text(text, "settings");
    if (!lines) {
        require(lines.error().code() == Errc::invalid);
        return;
    }
    std::size_t bytes = 0;
    std::size_t before = 0;
    for (const auto& one : *lines) {
        require(!one.key.empty() && one.line > before);
        before = one.line;
        require(one.kind == agent::SettingLine::Kind::list || one.values.size() == 1);
        for (const auto& value : one.values) {
            bytes += value.size();
        }
    }
    require(bytes <= text.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    check_form(text);
    agent::Settings settings;
    const auto read = agent::read_settings(settings, text, "settings");
    require(settings.seeds.size() <= 64);
    require(settings.probe_period_ms >= 100 && settings.operation_limit_s >= 10);
    if (!read) {
        require(read.error().code() == Errc::invalid);
        return 0;
    }
    (void)agent::parse_host_port(settings.listen);
    if (const auto metrics = agent::parse_metrics_listen(settings.metrics_listen)) {
        require(metrics->port != 0);
        require(metrics->host != "0.0.0.0" || settings.metrics_listen.starts_with("*:"));
    }
    (void)agent::metrics_port_to_open(settings);
    return 0;
}
