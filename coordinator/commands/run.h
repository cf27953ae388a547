#pragma once
// From words to an exit status: what main does once everything is made, and what tests call.

#include <string>
#include <vector>

#include "coordinator/commands/session.h"

namespace jackdaw::cli {

/// `words` without the program's name.
[[nodiscard]] int run(Session& session, const std::vector<std::string>& words);

} // namespace jackdaw::cli
