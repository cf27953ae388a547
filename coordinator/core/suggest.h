#pragma once
// "Did you mean …?" for words that nobody knows.

#include <string>
#include <string_view>
#include <vector>

namespace jackdaw::cli {

/// The number of letters to insert, delete or replace, and of neighbours to swap (Damerau, 1964;
/// no letter is touched twice). Quadratic: callers bound the length.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of the known words if it is near enough to be a slip (a third of its letters, at
/// least one), or empty.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& known);

} // namespace jackdaw::cli
