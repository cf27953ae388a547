#include "plugins/mariadb/parameter_values.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plugins/mariadb/names.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t words_max = 200;

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_digits(std::string_view text) noexcept {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && text.front() == ' ') {
        text.remove_prefix(1);
    }
    while (!text.empty() && text.back() == ' ') {
        text.remove_suffix(1);
    }
    return text;
}

/// What MariaDB sets beside a mode that stands for several (Knowledge Base, SQL_MODE; sql/sys_vars
/// expand_sql_mode()), so that it reads back as it was asked for.
struct Short {
    std::string_view parameter, word, means;
};
constexpr std::array shorts{
    Short{"sql_mode", "ANSI", "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE"},
    Short{"sql_mode", "ORACLE",
          "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,NO_KEY_OPTIONS,NO_TABLE_OPTIONS,"
          "NO_FIELD_OPTIONS,NO_AUTO_CREATE_USER,SIMULTANEOUS_ASSIGNMENT"},
    Short{"sql_mode", "MSSQL",
          "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,NO_KEY_OPTIONS,NO_TABLE_OPTIONS,"
          "NO_FIELD_OPTIONS"},
    Short{"sql_mode", "POSTGRESQL",
          "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,NO_KEY_OPTIONS,NO_TABLE_OPTIONS,"
          "NO_FIELD_OPTIONS"},
    Short{"sql_mode", "DB2",
          "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,NO_KEY_OPTIONS,NO_TABLE_OPTIONS,"
          "NO_FIELD_OPTIONS"},
    Short{"sql_mode", "MAXDB",
          "PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,NO_KEY_OPTIONS,NO_TABLE_OPTIONS,"
          "NO_FIELD_OPTIONS,NO_AUTO_CREATE_USER"},
    Short{"sql_mode", "MYSQL323", "HIGH_NOT_PRECEDENCE"},
    Short{"sql_mode", "MYSQL40", "HIGH_NOT_PRECEDENCE"},
    Short{"sql_mode", "TRADITIONAL",
          "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
          "ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"},
};

/// The position in `allowed`; nullopt when it is not one of them.
std::optional<std::size_t> find_word(const proto::Parameter& parameter, std::string_view word) {
    for (std::size_t i = 0; i < parameter.allowed.size(); ++i) {
        if (equal_words(parameter.allowed[i], word)) {
            return i;
        }
    }
    return std::nullopt;
}

Error not_allowed_word(const proto::Parameter& parameter, std::string_view word) {
    return Error{Errc::invalid,
                 fmt::format("{} takes no \"{}\"", parameter.name, word.substr(0, 64))}
        .with_hint(fmt::format("allowed: {}", fmt::join(parameter.allowed, ", ")));
}

Result<std::string> canonical_boolean(const proto::Parameter& parameter, std::string_view value) {
    for (const auto* yes : {"ON", "1", "TRUE", "YES"}) {
        if (equal_words(value, yes)) {
            return std::string{"ON"};
        }
    }
    for (const auto* no : {"OFF", "0", "FALSE", "NO"}) {
        if (equal_words(value, no)) {
            return std::string{"OFF"};
        }
    }
    // The server takes any other word of an option file for OFF, with a warning.
    return Error{Errc::invalid,
                 fmt::format("{} takes ON or OFF, not \"{}\"", parameter.name, value.substr(0, 64))}
        .with_hint("allowed: ON, OFF");
}

Result<std::string> canonical_enumeration(const proto::Parameter& parameter,
                                          std::string_view value) {
    if (parameter.allowed.empty()) { // the server does not list them
        return std::string{value};
    }
    if (const auto at = find_word(parameter, value)) {
        return parameter.allowed[*at];
    }
    std::size_t number = parameter.allowed.size();
    if (is_digits(value)) {
        std::from_chars(value.data(), value.data() + value.size(), number);
    }
    if (number < parameter.allowed.size()) {
        return parameter.allowed[number];
    }
    return not_allowed_word(parameter, value);
}

Result<std::string> canonical_set(const proto::Parameter& parameter, std::string_view value) {
    const auto words = split_words(value);
    std::vector<bool> present(parameter.allowed.size(), false);
    for (const auto word : words) {
        const auto at = find_word(parameter, word);
        if (!at) {
            return not_allowed_word(parameter, word);
        }
        present[*at] = true;
        for (const auto& one : shorts) {
            if (one.parameter != parameter.name || !equal_words(one.word, word)) {
                continue;
            }
            for (const auto meant : split_words(one.means)) {
                if (const auto also = find_word(parameter, meant)) {
                    present[*also] = true;
                }
            }
        }
    }
    std::string text;
    for (std::size_t i = 0; i < present.size(); ++i) {
        if (present[i]) {
            text += (text.empty() ? "" : ",") + parameter.allowed[i];
        }
    }
    return text;
}

/// "a=on,b=off" in the order of `allowed`; each at most once, the last one counts.
Result<std::string> canonical_flags(const proto::Parameter& parameter, std::string_view value) {
    std::vector<std::string_view> state(parameter.allowed.size());
    for (const auto word : split_words(value)) {
        const auto sign = word.find('=');
        const auto at = find_word(parameter, trim(word.substr(0, sign)));
        const auto to =
            sign == std::string_view::npos ? std::string_view{} : trim(word.substr(sign + 1));
        if (!at || equal_words(parameter.allowed[*at], "default")) {
            return not_allowed_word(parameter, word);
        }
        if (equal_words(to, "on")) {
            state[*at] = "on";
        } else if (equal_words(to, "off")) {
            state[*at] = "off";
        } else {
            return Error{Errc::invalid, fmt::format("{} takes NAME=on and NAME=off, not \"{}\"",
                                                    parameter.name, word.substr(0, 64))}
                .with_hint(fmt::format("names: {}", fmt::join(parameter.allowed, ", ")));
        }
    }
    std::string text;
    for (std::size_t i = 0; i < state.size(); ++i) {
        if (!state[i].empty()) {
            text += fmt::format("{}{}={}", text.empty() ? "" : ",", parameter.allowed[i], state[i]);
        }
    }
    return text;
}

} // namespace

bool less(const Number& a, const Number& b) noexcept {
    const bool a_below = a.negative && a.magnitude != 0;
    const bool b_below = b.negative && b.magnitude != 0;
    if (a_below != b_below) {
        return a_below;
    }
    return a_below ? a.magnitude > b.magnitude : a.magnitude < b.magnitude;
}

std::string to_text(const Number& number) {
    return fmt::format("{}{}", number.negative && number.magnitude != 0 ? "-" : "",
                       number.magnitude);
}

std::optional<Number> parse_number(std::string_view text) {
    Number number;
    if (text.starts_with('-')) {
        number.negative = true;
        text.remove_prefix(1);
    }
    unsigned shift = 0;
    if (!text.empty()) {
        constexpr std::string_view suffixes = "kmgtpe";
        if (const auto at = suffixes.find(lower(text.back())); at != std::string_view::npos) {
            shift = 10 * (static_cast<unsigned>(at) + 1);
            text.remove_suffix(1);
        }
    }
    if (!is_digits(text)) {
        return std::nullopt;
    }
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number.magnitude);
    if (error != std::errc{} || end != text.data() + text.size() ||
        (number.magnitude << shift) >> shift != number.magnitude) {
        return std::nullopt;
    }
    number.magnitude <<= shift;
    return number;
}

std::optional<std::uint64_t> parse_millionths(std::string_view text) {
    const auto point = text.find('.');
    const auto whole = text.substr(0, point);
    const auto part =
        point == std::string_view::npos ? std::string_view{"0"} : text.substr(point + 1);
    if (!is_digits(whole) || !is_digits(part) || whole.size() > 12 || part.size() > 6) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char c : whole) {
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    for (std::size_t i = 0; i < 6; ++i) {
        value = value * 10 + (i < part.size() ? static_cast<std::uint64_t>(part[i] - '0') : 0);
    }
    return value;
}

std::string millionths_text(std::uint64_t value) {
    auto text = fmt::format("{}.{:06}", value / 1'000'000, value % 1'000'000);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) {
        text.pop_back();
    }
    return text;
}

bool is_flag_set(const proto::Parameter& parameter) noexcept {
    return parameter.type == "set" && (parameter.default_value.find('=') != std::string::npos ||
                                       parameter.current.find('=') != std::string::npos);
}

std::vector<std::string_view> split_words(std::string_view text) {
    std::vector<std::string_view> words;
    while (!text.empty() && words.size() < words_max) {
        const auto end = text.find(',');
        if (const auto word = trim(text.substr(0, end)); !word.empty()) {
            words.push_back(word);
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return words;
}

bool equal_words(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

Result<std::string> canonical_value(const proto::Parameter& parameter, std::string_view value) {
    if (parameter.type == "boolean") {
        return canonical_boolean(parameter, trim(value));
    }
    if (parameter.type == "integer") {
        if (const auto number = parse_number(trim(value))) {
            return to_text(*number);
        }
        return Error{Errc::invalid, fmt::format("{} takes a whole number, not \"{}\"",
                                                parameter.name, value.substr(0, 64))}
            .with_hint("digits, perhaps with K, M, G, T, P or E behind them, within 64 bits");
    }
    if (parameter.type == "real") {
        if (const auto number = parse_millionths(trim(value))) {
            return millionths_text(*number);
        }
        return Error{Errc::invalid, fmt::format("{} takes a number, not \"{}\"", parameter.name,
                                                value.substr(0, 64))}
            .with_hint("digits with a point and at most six decimals, which is what MariaDB keeps");
    }
    if (parameter.type == "enumeration") {
        return canonical_enumeration(parameter, trim(value));
    }
    if (parameter.type == "set") {
        return is_flag_set(parameter) ? canonical_flags(parameter, value)
                                      : canonical_set(parameter, value);
    }
    return std::string{value};
}

bool is_same_value(const proto::Parameter& parameter, std::string_view a, std::string_view b) {
    if (is_flag_set(parameter)) { // what is not named has its default
        const auto whole = [&](std::string_view value) {
            return canonical_value(parameter, fmt::format("{},{}", parameter.default_value, value));
        };
        const auto x = whole(a);
        const auto y = whole(b);
        return x && y ? *x == *y : a == b;
    }
    const auto x = canonical_value(parameter, a);
    const auto y = canonical_value(parameter, b);
    return x && y ? *x == *y : a == b;
}

Result<std::string> option_line(std::string_view name, std::string_view value) {
    if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        })) {
        return Error{Errc::invalid, "the name of a setting has a-z, 0-9 and _ only"};
    }
    auto line = fmt::format("{} = \"", name);
    for (const char c : value) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return Error{Errc::invalid,
                         fmt::format("the value of {} has a control character", name)};
        }
        if (c == '\\' || c == '"') {
            line += '\\';
        }
        line += c;
    }
    line += "\"";
    if (line.size() > option_line_bytes_max) {
        return Error{Errc::invalid, fmt::format("the value of {} is longer than an option file "
                                                "takes in a line",
                                                name)};
    }
    return line;
}

std::string sql_value(const proto::Parameter& parameter, std::string_view value) {
    const bool is_bare =
        parameter.type == "boolean" || parameter.type == "integer" || parameter.type == "real";
    return is_bare ? std::string{value} : quote_value(value);
}

} // namespace jackdaw::mariadb
