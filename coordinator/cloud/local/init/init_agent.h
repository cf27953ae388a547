#pragma once
// The agent: started, restarted for ever, ended at power-off.

#include "coordinator/cloud/local/init/init_state.h"

namespace jackdaw::init {

/// Over its limit the log's end is kept beside it and the log cut off. The agent holds it open for
/// as long as it lives and writes at its end, wherever that is.
void bound_agent_log();

/// Starts it when its time has come.
void start_agent_if_due(State& state, int64_t now_ns);

/// Whether `pid`, just reaped, was the agent; then the time of its restart is set.
bool agent_reaped(State& state, pid_t pid, int64_t now_ns);

/// Nothing of the agent is left: neither it, nor its helper, nor what they forked.
bool agent_gone(const State& state);

/// SIGKILL to all of it.
void kill_agent(const State& state);

} // namespace jackdaw::init
