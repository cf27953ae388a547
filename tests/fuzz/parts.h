#pragma once
// An input of several parts, such as the answers of one conversation: lines of "%%" stand between
// them.

#include <string_view>

namespace jackdaw::fuzz {

inline constexpr std::string_view between = "\n%%\n";

/// What stands before `end`, all of it without one; `rest` goes on behind it.
inline std::string_view take(std::string_view& rest, std::string_view end) {
    const auto at = rest.find(end);
    const auto part = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + end.size());
    return part;
}

} // namespace jackdaw::fuzz
