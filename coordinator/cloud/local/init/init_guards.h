#pragma once
// Guards: started at jackdaw-host's request, and cleaned up after. A guard's death is the death of
// all it had.

#include "coordinator/cloud/local/init/init_state.h"

namespace jackdaw::init {

/// Makes the groups' folder. Without a writable cgroup2 mount the machine works too, by killing
/// orphans.
void prepare_groups(State& state);

/// Starts a guard; `fds` are the request's descriptors in their order and stay the caller's.
void spawn_guard(State& state, const jackdaw_spawn_request& request, const int* fds,
                 jackdaw_init_reply& reply);

/// Whether `pid`, just reaped, was a guard; then everything it left gets killed.
bool guard_reaped(State& state, pid_t pid, int status);

/// Kills and forgets what dead guards left; again at state.sweep_at_ns while something remains.
void sweep_guards(State& state, int64_t now_ns);

Guard* find_guard(State& state, const char* name);
bool any_guard(const State& state);

} // namespace jackdaw::init
