#pragma once
// Times that people and programs write.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jackdaw {

/// Is it a time in UTC as rfc3339() (ids.h) prints them, with or without a fraction of at most nine
/// digits: "2026-11-24T10:51:00Z"? Its digits are not judged beyond their ranges.
[[nodiscard]] bool is_rfc3339_utc(std::string_view text) noexcept;

/// The milliseconds of "2026-11-24T10:51:00.123Z", as rfc3339() writes it; nullopt for another
/// text.
[[nodiscard]] std::optional<std::int64_t> unix_ms_of(const std::string& text);

} // namespace jackdaw
