#pragma once
// "Did you mean …?" for words that the server does not have. Pure.

#include <string_view>
#include <vector>

namespace jackdaw::mariadb {

/// The first of those with the fewest letters that would have to change (Levenshtein), if it is
/// near enough to be a slip: two, or a third of the word's. Empty: none is, or the word is longer
/// than any of the server's.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       const std::vector<std::string_view>& known);

} // namespace jackdaw::mariadb
