#include "plugins/mariadb/metric_dates.h"

#include <array>
#include <chrono>

namespace jackdaw::mariadb {
namespace {

/// Two or four digits at `at`; a leading space may stand for 0 where `padded`.
std::optional<int> number_at(std::string_view text, std::size_t at, std::size_t digits,
                             bool padded = false) {
    int value = 0;
    for (std::size_t i = at; i < at + digits; ++i) {
        if (i == at && padded && text[i] == ' ') {
            continue;
        }
        if (text[i] < '0' || text[i] > '9') {
            return std::nullopt;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

std::optional<int> month_of(std::string_view name) {
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (std::size_t i = 0; i < months.size(); ++i) {
        if (months[i] == name) {
            return static_cast<int>(i) + 1;
        }
    }
    return std::nullopt;
}

std::optional<double> seconds(std::optional<int> year, std::optional<int> month,
                              std::optional<int> day, std::string_view clock) {
    const auto hour = number_at(clock, 0, 2);
    const auto minute = number_at(clock, 3, 2);
    const auto second = number_at(clock, 6, 2);
    if (!year || !month || !day || !hour || !minute || !second || clock[2] != ':' ||
        clock[5] != ':' || *year < 1970 || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) {
        return std::nullopt;
    }
    const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
    return static_cast<double>(days) * 86400 + *hour * 3600 + *minute * 60 + *second;
}

} // namespace

std::optional<double> date_seconds(std::string_view text) {
    if (text.size() == 24 && text.ends_with(" GMT") && text[3] == ' ' && text[6] == ' ' &&
        text[15] == ' ') { // Nov 12 10:12:13 2027 GMT
        return seconds(number_at(text, 16, 4), month_of(text.substr(0, 3)),
                       number_at(text, 4, 2, true), text.substr(7, 8));
    }
    if (text.size() == 19 && text[4] == '-' && text[7] == '-' && text[10] == ' ') {
        return seconds(number_at(text, 0, 4), number_at(text, 5, 2), number_at(text, 8, 2),
                       text.substr(11, 8));
    }
    return std::nullopt;
}

} // namespace jackdaw::mariadb
