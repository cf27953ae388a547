#pragma once
// One line from a terminal that does not show it: a password.

#include <cstddef>

#include "proto/base/error.h"
#include "proto/base/secret.h"

namespace jackdaw::cli {

/// Takes the echo from the terminal `fd` while it reads, and gives it back whatever happens: also
/// when SIGINT, SIGTERM, SIGHUP, SIGQUIT or SIGTSTP comes, which then does what it always does.
/// After a stop (SIGTSTP) the line is asked for again. `unavailable` when the terminal refuses.
/// Uses the process's signal handlers: one call at a time.
[[nodiscard]] Result<Secret> read_hidden(int fd, std::size_t bytes_max);

} // namespace jackdaw::cli
