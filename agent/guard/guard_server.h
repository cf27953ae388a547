#pragma once
// The guard's end of its protocol (proto/machine/guard_protocol.h). No client can make it wait:
// what does not fit into a client's socket is dropped, and each is served one message per turn.

#include "agent/guard/guard_state.h"

namespace jackdaw::guard {

/// One waiting connection: taken and greeted with a status, or closed (another's uid, too many).
void accept_client(State& state);

/// One message of one client. Stops and releases change the state through guard_run.h.
void serve_client(State& state, int index);

/// The status to every client, unasked.
void announce(const State& state);

/// FAILED_TO_START to the control end, for a guard that gives up before it has a socket.
void announce_refusal(State& state, uint32_t reason, int error);

} // namespace jackdaw::guard
