#pragma once
// /run/jackdaw/init.sock: requests of proto/machine/init_protocol.h, root only. Whatever is not a
// valid request ends its connection.

#include "coordinator/cloud/local/init/init_state.h"

namespace jackdaw::init {

/// False, with a line on standard error, when the socket cannot be made; the machine goes on
/// without.
bool listen(State& state);
void accept_client(State& state);
/// One request of one client.
void serve_client(State& state, int index);

} // namespace jackdaw::init
