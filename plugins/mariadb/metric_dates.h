#pragma once
// Dates among MariaDB's status values (Ssl_server_not_after and its like). Pure.

#include <optional>
#include <string_view>

namespace jackdaw::mariadb {

/// Seconds since 1970 of "Nov 12 10:12:13 2027 GMT" (the day padded with 0 or a space) or
/// "2027-11-12 10:12:13", taken as UTC; years 1970 to 9999. nullopt: neither.
[[nodiscard]] std::optional<double> date_seconds(std::string_view text);

} // namespace jackdaw::mariadb
