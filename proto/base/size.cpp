#include "proto/base/size.h"

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace jackdaw {

Result<std::uint64_t> parse_size(std::string_view text) {
    const auto refuse = [&] {
        return Error{Errc::invalid,
                     fmt::format("'{}' is not a size such as 320M or 20G", text.substr(0, 40))};
    };
    double number = 0;
    const auto [end, ec] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (ec != std::errc{} || !(number >= 0)) {
        return refuse();
    }
    std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    int power = 0;
    if (!unit.empty() && unit != "B") {
        constexpr std::string_view units = "KMGT";
        const auto at = units.find(unit.front());
        unit.remove_prefix(1);
        if (at == std::string_view::npos || !(unit.empty() || unit == "B" || unit == "iB")) {
            return refuse();
        }
        power = static_cast<int>(at) + 1;
    }
    const double bytes = std::ldexp(number, 10 * power);
    if (!(bytes <= std::ldexp(1.0, 60))) {
        return refuse();
    }
    return static_cast<std::uint64_t>(bytes);
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double number = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (number >= 1024 && unit + 1 < units.size()) {
        number /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", number, units[unit]);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    using std::chrono::milliseconds;
    const auto refuse = [&] {
        return Error{Errc::invalid,
                     fmt::format("'{}' is not a time of 1ms to 30d, such as 30s, 10m or 1h30m",
                                 text.substr(0, 40))};
    };
    constexpr std::int64_t max_ms = std::int64_t{30} * 24 * 3600 * 1000;
    std::int64_t total = 0;
    std::string_view rest = text;
    while (!rest.empty()) {
        std::int64_t number = 0;
        const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (ec != std::errc{} || number < 0 || number > max_ms) {
            return refuse();
        }
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const auto take = [&](std::string_view unit, std::int64_t ms) {
            if (!rest.starts_with(unit)) {
                return false;
            }
            rest.remove_prefix(unit.size());
            total += number * ms;
            return true;
        };
        if (!(take("ms", 1) || take("s", 1000) || take("m", 60'000) || take("h", 3'600'000) ||
              take("d", 86'400'000)) ||
            total > max_ms) {
            return refuse();
        }
    }
    if (total == 0) {
        return refuse();
    }
    return milliseconds{total};
}

std::string format_duration(std::chrono::milliseconds span) {
    const auto ms = span.count() < 0 ? 0 : span.count();
    const auto s = ms / 1000;
    if (ms < 10'000) {
        return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
    }
    if (s < 60) {
        return fmt::format("{} s", s);
    }
    if (s < 3600) {
        return fmt::format("{} m {:02} s", s / 60, s % 60);
    }
    if (s < 86400) {
        return fmt::format("{} h {:02} m", s / 3600, s / 60 % 60);
    }
    return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

} // namespace jackdaw
