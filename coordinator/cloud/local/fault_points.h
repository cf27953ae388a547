#pragma once
// Named places before and after each effect of the coordinator, where a test can have it killed. In
// a build with JACKDAW_FAULTS the environment's JACKDAW_KILL_AT=N sends SIGKILL to the process at
// its N-th point (from 1); any other build has no trace of them.

namespace jackdaw::cloud::local {

#ifdef JACKDAW_FAULTS
void fault_point(const char* name) noexcept;
#else
inline void fault_point(const char* /*name*/) noexcept {}
#endif

} // namespace jackdaw::cloud::local
