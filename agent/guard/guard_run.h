#pragma once
// The life of a guard after its start: one poll(2) loop that drains, reaps, stops and answers.

#include "agent/guard/guard_state.h"

namespace jackdaw::guard {

/// Runs until the child has ended and a client has released it, or SIGTERM has asked for that.
/// Never returns before every process below it is reaped.
void run(State& state);

/// Nothing of the child is left.
bool is_over(const State& state);

/// Begins the spec's stop steps; no effect when that, or the end, has happened already.
void stop_clean(State& state);

/// Kills everything now.
void stop_kill(State& state);

} // namespace jackdaw::guard
