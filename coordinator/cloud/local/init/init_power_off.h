#pragma once
// The machine's end, in stages that each have a time: the agent, the guards, whatever is left, the
// volume.

#include "coordinator/cloud/local/init/init_state.h"

namespace jackdaw::init {

/// Begins it (SIGTERM); again is no change.
void begin_power_off(State& state, int64_t now_ns);

/// Goes on to the next stage when the present one is done or its time is over.
void advance_power_off(State& state, int64_t now_ns);

/// Flushes and unmounts the volume; last of all, when nothing else runs.
void unmount_volume();

} // namespace jackdaw::init
