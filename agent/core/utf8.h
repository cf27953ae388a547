#pragma once
// UTF-8 (RFC 3629) of bytes that came from outside. Pure.

#include <cstddef>
#include <optional>
#include <string_view>

namespace jackdaw::agent {

struct Character {
    std::size_t size; ///< in bytes
    char32_t code;
};
/// The character at the front of `text`; nullopt when there is none, or it is no UTF-8 (or longer
/// than it need be, a surrogate, or above U+10FFFF).
[[nodiscard]] std::optional<Character> utf8_character(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

} // namespace jackdaw::agent
