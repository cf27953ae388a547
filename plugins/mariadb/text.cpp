#include "plugins/mariadb/text.h"

#include <algorithm>
#include <array>

namespace jackdaw::mariadb {
namespace {

bool is_control(std::uint32_t point) noexcept {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
           point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

constexpr std::string_view cut_mark = " ... (cut: a password may follow)";

bool is_letter(char c) noexcept {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

bool starts_with_word(std::string_view text, std::string_view capitals) noexcept {
    return text.size() >= capitals.size() &&
           std::equal(capitals.begin(), capitals.end(), text.begin(), [](char wanted, char c) {
               return c == wanted || (c >= 'a' && c <= 'z' && c - 'a' + 'A' == wanted);
           });
}

/// The same, and the word ends there.
bool is_word_at(std::string_view text, std::string_view capitals) noexcept {
    return starts_with_word(text, capitals) &&
           (text.size() == capitals.size() || !is_letter(text[capitals.size()]));
}

/// Behind the word, where a password may begin; npos: nowhere.
std::size_t find_secret(std::string_view statement) noexcept {
    constexpr std::string_view identified = "IDENTIFIED";
    constexpr std::string_view password = "PASSWORD";
    for (std::size_t at = 0; at < statement.size(); ++at) {
        const auto rest = statement.substr(at);
        if (is_word_at(rest, identified) && (at == 0 || !is_letter(statement[at - 1]))) {
            return at + identified.size();
        }
        if (starts_with_word(rest, password)) {
            // A closing backtick, spaces and comments may stand between.
            const auto next = rest.find_first_not_of(" \t\r\n\f\v`", password.size());
            if (next != std::string_view::npos &&
                (std::string_view{"(=:'\"/#-"}.find(rest[next]) != std::string_view::npos ||
                 is_word_at(rest.substr(next), "FOR"))) {
                return at + password.size();
            }
        }
    }
    return std::string_view::npos;
}

} // namespace

std::optional<CodePoint> decode_utf8(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) {
        return CodePoint{first, 1};
    }
    const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < bytes) {
        return std::nullopt;
    }
    std::uint32_t point = first & (0xffU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) {
            return std::nullopt;
        }
        point = (point << 6) | (byte(i) & 0x3fU);
    }
    constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    if (point < smallest[bytes] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return std::nullopt;
    }
    return CodePoint{point, bytes};
}

std::string printable(std::string_view text, std::size_t bytes_max) {
    std::string clean;
    while (!text.empty()) {
        const auto next = decode_utf8(text);
        const bool shown = next && !is_control(next->value);
        const bool parts = text.front() == '\n' || text.front() == '\r' || text.front() == '\t';
        const auto bytes = next ? next->bytes : 1;
        if (clean.size() + (shown ? bytes : 1) > bytes_max) {
            break;
        }
        if (shown) {
            clean += text.substr(0, bytes);
        } else {
            clean += parts ? ' ' : '?';
        }
        text.remove_prefix(bytes);
    }
    return clean;
}

std::string statement_without_secrets(std::string_view statement, std::size_t bytes_max) {
    const auto secret = find_secret(statement);
    if (secret == std::string_view::npos) {
        return printable(statement, bytes_max);
    }
    const auto room = bytes_max > cut_mark.size() ? bytes_max - cut_mark.size() : 0;
    return printable(statement.substr(0, secret), room) +
           std::string{cut_mark.substr(0, bytes_max)};
}

} // namespace jackdaw::mariadb
