#pragma once
// What a shell asks while somebody types. `jackdaw completion SHELL` prints the script that asks.

#include <string>
#include <vector>

#include "coordinator/commands/session.h"

namespace jackdaw::cli {

/// All names together may take so long to be asked for; what is not there by then is left out.
inline constexpr std::chrono::milliseconds completion_limit{100};

/// `words` without the program's name; the last one is being typed (empty: it has not begun).
/// Prints "WORD<tab>WHAT IT IS" lines, or ":files" or ":folders" when the shell's own names are
/// meant. Always 0: whoever types wants no errors. Changes nothing and asks at most one agent.
[[nodiscard]] int complete(Session& session, const std::vector<std::string>& words);

} // namespace jackdaw::cli
