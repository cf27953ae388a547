#pragma once
// What the child and its children write: a ring of the last bytes, and a log file with rotation.

#include "agent/guard/guard_state.h"

namespace jackdaw::guard {

/// Opens the log that the request names. A folder that is missing or not root's counts as a full
/// disk: a database does not stop for its log.
void open_log(State& state);

/// Reads what is there, bounded per call, never waits. Closes the pipe at its end.
void drain_output(Output& output);

/// The ring's content as two pieces in order; sizes may be 0.
struct Tail {
    const char* first;
    size_t first_size;
    const char* second;
    size_t second_size;
};
Tail tail(const Output& output);

} // namespace jackdaw::guard
