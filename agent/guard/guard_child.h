#pragma once
// The way of the forked child from the guard's rights to the program's.

#include "agent/guard/guard_state.h"

namespace jackdaw::guard {

/// Enters the cgroup, gives up every right, and executes. On failure writes a StartFailure into
/// `start_fd` and exits.
[[noreturn]] void become_child(State& state, pid_t guard, int output_fd, int start_fd);

} // namespace jackdaw::guard
