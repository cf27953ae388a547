#pragma once
// Examples of the commands that are typed most, for --help and the manual pages.

#include <string_view>
#include <vector>

namespace jackdaw::cli {

struct CommandRow;

struct ExampleRow {
    std::string_view noun, verb;
    std::string_view line; ///< "jackdaw …", words with one space between them, nothing quoted
    std::string_view text; ///< what it does
};

[[nodiscard]] const std::vector<ExampleRow>& example_table();
/// Of one command; empty for most.
[[nodiscard]] std::vector<ExampleRow> examples_of(const CommandRow& row);

} // namespace jackdaw::cli
