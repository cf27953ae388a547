#pragma once
// Text that comes from the server, which may be hostile, before it goes on. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jackdaw::mariadb {

struct CodePoint {
    std::uint32_t value;
    std::size_t bytes;
};
/// The character at the front of `text`, which is not empty (RFC 3629, without overlong forms and
/// surrogates); nullopt if it is none.
[[nodiscard]] std::optional<CodePoint> decode_utf8(std::string_view text) noexcept;

/// At most `bytes_max` bytes of `text`, cut between characters; the ends of its lines and tabs
/// become spaces, other control characters (C0, C1, the marks that turn the direction of writing)
/// and what is not UTF-8 become '?'.
[[nodiscard]] std::string printable(std::string_view text, std::size_t bytes_max);

/// A statement that somebody runs, likewise, and cut where a password may follow: after IDENTIFIED,
/// and after a word that ends in PASSWORD before '(', '=', ':', a quote, a comment or FOR. Whoever
/// may read the list of sessions need not be who wrote the statement.
[[nodiscard]] std::string statement_without_secrets(std::string_view statement,
                                                    std::size_t bytes_max);

} // namespace jackdaw::mariadb
