#include "proto/base/rfc3339.h"

#include <algorithm>
#include <ctime>
#include <iomanip>
#include <sstream>

namespace jackdaw {

bool is_rfc3339_utc(std::string_view text) noexcept {
    constexpr std::string_view shape = "0000-00-00T00:00:00";
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.size() <= shape.size() || text.back() != 'Z') {
        return false;
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == '0' ? !is_digit(text[i]) : text[i] != shape[i]) {
            return false;
        }
    }
    const auto pair = [&](std::size_t at) { return (text[at] - '0') * 10 + text[at + 1] - '0'; };
    const auto fraction = text.substr(shape.size(), text.size() - shape.size() - 1);
    return pair(5) >= 1 && pair(5) <= 12 && pair(8) >= 1 && pair(8) <= 31 && pair(11) <= 23 &&
           pair(14) <= 59 && pair(17) <= 60 &&
           (fraction.empty() ||
            (fraction.front() == '.' && fraction.size() >= 2 && fraction.size() <= 10 &&
             std::all_of(fraction.begin() + 1, fraction.end(), is_digit)));
}

std::optional<std::int64_t> unix_ms_of(const std::string& text) {
    std::tm broken{};
    std::istringstream in{text};
    in >> std::get_time(&broken, "%Y-%m-%dT%H:%M:%S");
    char dot = 0, zone = 0;
    int milliseconds = 0;
    if (!(in >> dot >> milliseconds >> zone) || dot != '.' || zone != 'Z' || milliseconds < 0 ||
        milliseconds > 999) {
        return std::nullopt;
    }
    return std::int64_t{::timegm(&broken)} * 1000 + milliseconds;
}

} // namespace jackdaw
