#pragma once
// Values of MariaDB's parameters: how they are written, and when two of them mean the same. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t value_bytes_max = 1024; ///< of one setting
/// An option file is read in lines of 4096 bytes (mysys/my_default.c): what follows would be
/// another line.
inline constexpr std::size_t option_line_bytes_max = 4000;

/// From -2^64 to 2^64: the server has signed and unsigned ones.
struct Number {
    bool negative = false;
    std::uint64_t magnitude = 0;
    friend bool operator==(const Number&, const Number&) = default;
};
[[nodiscard]] bool less(const Number& a, const Number& b) noexcept;
[[nodiscard]] std::string to_text(const Number& number);

/// "4096", "-1", "16K", "2G": suffixes K M G T P E of 1024 in either case, as an option file of
/// MariaDB has them (Knowledge Base, Configuring MariaDB with Option Files). nullopt for anything
/// else and for what is beyond 64 bits.
[[nodiscard]] std::optional<Number> parse_number(std::string_view text);

/// "10", "10.000000", "0.5" without sign and exponent, at most six decimals (what the server shows)
/// and twelve digits before them; in millionths. nullopt otherwise.
[[nodiscard]] std::optional<std::uint64_t> parse_millionths(std::string_view text);
/// Without zeros at the end: "0.5", "10".
[[nodiscard]] std::string millionths_text(std::uint64_t value);

/// A set that is written as "name=on,other=off" (optimizer_switch): what is not named keeps its
/// default.
[[nodiscard]] bool is_flag_set(const proto::Parameter& parameter) noexcept;

/// The words between commas, without spaces around them; none for the empty text. At most 200.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
std::vector<std::string_view> split_words(std::string&&) = delete; // the words would outlive it
[[nodiscard]] bool equal_words(std::string_view a, std::string_view b) noexcept; ///< ignoring case

/// The one way in which the value is written: ON and OFF; digits without suffix; an allowed name in
/// its own spelling; a set in the order of `allowed`, with what its short forms stand for.
/// `invalid` with what is allowed. Ranges are not looked at (parameter_rules.h).
[[nodiscard]] Result<std::string> canonical_value(const proto::Parameter& parameter,
                                                  std::string_view value);

/// Do both give the server the same? What has no canonical form is compared as it is written.
[[nodiscard]] bool is_same_value(const proto::Parameter& parameter, std::string_view a,
                                 std::string_view b);

/// 'name = "value"' for an option file, with backslash and quotes escaped (mysys/my_default.c):
/// nothing in `value` ends the line, begins a comment, a section or an include. `invalid` for
/// control characters, a name that is no word, and lines above option_line_bytes_max.
[[nodiscard]] Result<std::string> option_line(std::string_view name, std::string_view value);

/// As it stands in SET GLOBAL: numbers and ON/OFF bare, all else quoted. `value` is canonical.
[[nodiscard]] std::string sql_value(const proto::Parameter& parameter, std::string_view value);

} // namespace jackdaw::mariadb
