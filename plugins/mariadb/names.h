#pragma once
// What may be a name in MariaDB and how it is written into a statement. Pure.
//
// Quoting assumes a session in sql_mode NO_BACKSLASH_ESCAPES (session.cpp sets it): then the
// closing quote is the only character with a meaning, and doubling it is the whole rule, in every
// character set whose bytes below 0x80 are ASCII. Identifiers are cut, refused or altered by the
// server in some corners; those are refused here first.

#include <cstddef>
#include <string>
#include <string_view>

#include "proto/base/error.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t database_name_chars_max = 64; ///< MariaDB: Identifier Names
inline constexpr std::size_t table_name_chars_max = 64;    ///< MariaDB: Identifier Names
inline constexpr std::size_t user_name_chars_max = 80;     ///< MariaDB: CREATE USER
inline constexpr std::size_t host_bytes_max = 255;         ///< column mysql.global_priv.Host
inline constexpr std::string_view default_charset = "utf8mb4";

/// 1 to 64 characters of valid UTF-8 from the basic plane, no control characters, no space at the
/// end. E-BAD-NAME, or E-RESERVED-NAME for the engine's own schemas and `test` (which secure()
/// removes).
[[nodiscard]] Result<void> check_database_name(std::string_view name);
[[nodiscard]] bool is_system_database(std::string_view name) noexcept;

/// 1 to 64 characters, same rule as databases. E-BAD-NAME.
[[nodiscard]] Result<void> check_table_name(std::string_view name);

/// 1 to 80 characters, same rule. E-RESERVED-NAME for the accounts of the engine and of the agent
/// (in any case of letters: mariadb's own tools and people confuse them).
[[nodiscard]] Result<void> check_user_name(std::string_view name);
[[nodiscard]] bool is_system_user(std::string_view name) noexcept;

/// "%", "localhost", an address, an address with wildcards ("10.0.%"), or IPv4 with a net mask
/// ("10.0.0.0/255.255.255.0"). What could never log in is refused: host names, since the server
/// does not resolve (skip_name_resolve); an IPv6 address that is not written as the server writes
/// it; an address with bits outside its mask. So one host has one spelling, in lower case.
/// E-BAD-NAME.
[[nodiscard]] Result<void> check_host(std::string_view host);
/// Of an account that is there, whatever host somebody gave it: 1 to 255 characters, same rule as
/// names. E-BAD-NAME.
[[nodiscard]] Result<void> check_known_host(std::string_view host);

/// A known character set and a collation of it, each perhaps empty. `invalid` otherwise, with a
/// name that is near, or with those that there are.
[[nodiscard]] Result<void> check_charset(std::string_view charset, std::string_view collation);
/// The character set that is meant: "utf8" is utf8mb3, empty is the collation's or the default.
[[nodiscard]] std::string charset_of(std::string_view charset, std::string_view collation);

/// `name`, with backticks doubled.
[[nodiscard]] std::string quote_identifier(std::string_view name);
/// 'value', with single quotes doubled.
[[nodiscard]] std::string quote_value(std::string_view value);
/// 'name'@'host'
[[nodiscard]] std::string quote_account(std::string_view name, std::string_view host);
/// A database name as a grant's pattern that means only itself: `_`, `%` and `\` are escaped.
[[nodiscard]] std::string grant_pattern(std::string_view database);
/// E-BAD-NAME when that pattern has more than 64 characters: MariaDB then has no grant for that
/// database alone (column mysql.db.Db).
[[nodiscard]] Result<void> check_grant_pattern(std::string_view database);
/// The database that a grant's pattern means; an unescaped wildcard stays as it is.
[[nodiscard]] std::string name_of_pattern(std::string_view pattern);

} // namespace jackdaw::mariadb
