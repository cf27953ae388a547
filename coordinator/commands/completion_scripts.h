#pragma once
// The scripts that `jackdaw completion` prints.

#include <string_view>

namespace jackdaw::cli {

/// Of "bash", "zsh" or "fish"; empty for another shell. Each asks `jackdaw __complete WORDS…`.
[[nodiscard]] std::string_view script_for(std::string_view shell);

} // namespace jackdaw::cli
