#pragma once
// What MariaDB stores for a password. Pure.

#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/base/secret.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t password_bytes_max = 512;

/// mysql_native_password: '*' and SHA1(SHA1(password)) in 40 upper-case hexadecimal digits.
/// E-BAD-PASSWORD for an empty one, more than 512 bytes, or a NUL; the message never tells anything
/// of it.
[[nodiscard]] Result<std::string> native_verifier(const Secret& password);
/// Has it that form? An empty one does not: a user without a password is never made.
[[nodiscard]] bool is_native_verifier(std::string_view verifier) noexcept;

} // namespace jackdaw::mariadb
