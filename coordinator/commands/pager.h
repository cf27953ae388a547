#pragma once
// Long texts for people go through their pager.

#include <string>
#include <string_view>

namespace jackdaw::cli {

/// Shows `text` by `command` (a shell's command line, as PAGER has it), which gets standard output.
/// Returns when the person has left it. False: it could not be started, and nothing was shown.
[[nodiscard]] bool page_through(const std::string& command, std::string_view text);

/// Has it more lines than the terminal on standard output, or one that does not fit its rows?
[[nodiscard]] bool is_longer_than_screen(std::string_view text);

} // namespace jackdaw::cli
