#pragma once
// How a guard comes to be: what init gave it, its name's locks, its socket, and the child.

#include "agent/guard/guard_state.h"

namespace jackdaw::guard {

/// Why a guard could not start; `reason` NONE means that it did.
struct Started {
    uint32_t reason = JACKDAW_GUARD_REASON_NONE; ///< jackdaw_guard_reason
    int error = 0;                               ///< errno
};

/// Reads and checks the spawn request in descriptor 3, takes over the control end and the cgroup.
Started take_over_descriptors(State& state);

/// NAME.own and NAME.lock, both exclusive, then an empty cgroup. LOCKED or NOT_EMPTY: somebody
/// else's.
Started take_name(State& state);

/// NAME.sock, for root and the agent.
Started listen(State& state);

/// Forks the child. Whether it could execute comes later, through state.start_fd.
Started start_child(State& state);

/// Gives the name back; only after the end. The files go while both locks are held, so nobody loses
/// one.
void give_name_back(State& state);

} // namespace jackdaw::guard
