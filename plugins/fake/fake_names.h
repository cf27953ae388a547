#pragma once
// What may be a name in the fake. Pure.

#include <cstddef>
#include <string_view>

#include "proto/base/error.h"

namespace jackdaw::fake {

inline constexpr std::size_t name_bytes_max = 64;

/// 1 to 64 bytes of what may be UTF-8, without control characters. E-BAD-NAME.
[[nodiscard]] Result<void> check_name(std::string_view name, std::string_view what);
/// The same, and E-RESERVED-NAME for "system".
[[nodiscard]] Result<void> check_database(std::string_view name);
/// The same for both, and E-RESERVED-NAME for "", "root" and "jackdawd".
[[nodiscard]] Result<void> check_account(std::string_view name, std::string_view host);

} // namespace jackdaw::fake
