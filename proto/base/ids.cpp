#include "proto/base/ids.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

namespace jackdaw {

std::string make_uuid7(std::int64_t unix_ms, std::span<const std::byte, 10> random) {
    std::array<std::byte, 16> raw{};
    for (std::size_t i = 0; i < 6; ++i) {
        raw[i] = static_cast<std::byte>(static_cast<std::uint64_t>(unix_ms) >> (8 * (5 - i)));
    }
    std::ranges::copy(random, raw.begin() + 6);
    raw[6] = (raw[6] & std::byte{0x0f}) | std::byte{0x70};
    raw[8] = (raw[8] & std::byte{0x3f}) | std::byte{0x80};
    const auto hex = to_hex(raw);
    return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                       hex.substr(16, 4), hex.substr(20));
}

bool is_uuid(std::string_view text) noexcept {
    if (text.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

std::string to_hex(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const auto byte : bytes) {
        text += digits[static_cast<unsigned>(byte) >> 4U];
        text += digits[static_cast<unsigned>(byte) & 15U];
    }
    return text;
}

Result<std::string> from_hex(std::string_view text) {
    const auto digit = [](char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    };
    if (text.size() % 2 != 0) {
        return Error{Errc::invalid, "hex text of odd length"};
    }
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) {
            return Error{Errc::invalid, "hex text with another character than 0-9a-f"};
        }
        bytes += static_cast<char>(high * 16 + low);
    }
    return bytes;
}

std::string volume_serial(std::string_view volume_id) {
    return std::string{volume_id.substr(0, 20)};
}

std::string rfc3339(std::int64_t unix_ms) {
    const auto seconds =
        static_cast<std::time_t>(unix_ms >= 0 ? unix_ms / 1000 : (unix_ms - 999) / 1000);
    std::tm broken{};
    gmtime_r(&seconds, &broken);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", broken.tm_year + 1900,
                       broken.tm_mon + 1, broken.tm_mday, broken.tm_hour, broken.tm_min,
                       broken.tm_sec, unix_ms - std::int64_t{seconds} * 1000);
}

Result<void> check_label(std::string_view name, std::string_view what) {
    const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto legal = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
    if (name.empty() || name.size() > 63 || !letter(name.front()) || name.back() == '-' ||
        !std::ranges::all_of(name, legal)) {
        return Error{Code::bad_name,
                     fmt::format("{} name: 1 to 63 of a-z, 0-9 and '-', a letter first", what)};
    }
    return ok();
}

} // namespace jackdaw
