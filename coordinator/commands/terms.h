#pragma once
// The words in which a command answers (columns and their values), for --help, the manual pages and
// the search.

#include <string_view>
#include <vector>

namespace jackdaw::cli {

struct CommandRow;

struct TermRow {
    std::string_view noun, verb;
    std::string_view term; ///< as it is shown: "suspect", "ZONE RTT"
    std::string_view text; ///< what it says
};

[[nodiscard]] const std::vector<TermRow>& term_table();
/// Of one command; empty for most.
[[nodiscard]] std::vector<TermRow> terms_of(const CommandRow& row);

} // namespace jackdaw::cli
