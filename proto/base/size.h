#pragma once
// Sizes and times as people write them.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/base/error.h"

namespace jackdaw {

/// "20G", "320M", "1T", "4096" (bytes), "1.5G"; K, M, G, T are powers of 1024, an "iB" or "B"
/// behind them is allowed. `invalid` for anything else, for a negative number and for more than
/// 2^60 bytes.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
/// "20.0 GiB", for people.
[[nodiscard]] std::string format_size(std::uint64_t bytes);
/// "10m", "1h30m", "45s", "500ms"; `invalid` otherwise, for zero and for more than 30 days.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// "2 m 05 s", "0.4 s", "3 d 4 h", for people.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds span);

} // namespace jackdaw
