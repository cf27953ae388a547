#pragma once
// What the fake's driver and its database agree on: words on a line, and verifiers. Standard
// library and libsodium only, since the database is a static program.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jackdaw::fake {

/// Of one request or reply, with its newline. A value of 64 KiB fits, encoded.
inline constexpr std::size_t line_bytes_max = std::size_t{256} * 1024;
inline constexpr std::string_view version = "1.0";

/// A word without space, newline, '%' or control characters: those become %XX, the empty word
/// becomes "%".
[[nodiscard]] std::string encode_word(std::string_view word);
/// nullopt when it was not encoded by encode_word().
[[nodiscard]] std::optional<std::string> decode_word(std::string_view word);

/// "MKDB a b" as decoded words; nullopt when one is malformed, or there are more than 1100.
[[nodiscard]] std::optional<std::vector<std::string>> decode_line(std::string_view line);
[[nodiscard]] std::string encode_line(const std::vector<std::string>& words);

/// "blake2b:" and 64 hexadecimal digits of BLAKE2b-256. Unsalted: a fake.
[[nodiscard]] std::string verifier_of(std::string_view password);
[[nodiscard]] bool is_verifier(std::string_view text) noexcept;

} // namespace jackdaw::fake
