#pragma once
// The composition root of jackdawd: every object, its order of start and of stop.

#include "agent/settings.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

inline constexpr const char* agent_version = JACKDAW_VERSION;

/// Runs the agent until SIGTERM or SIGINT (ok) or until it must be started again (an Error: the
/// host process or the state store is gone). `host_socket`: this end of the pair to jackdaw-host;
/// none for a plain member.
[[nodiscard]] Result<void> run_agent(const Settings& settings, UniqueFd host_socket);

} // namespace jackdaw::agent
