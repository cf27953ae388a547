#pragma once
// All that one guard knows, in one static object: nothing is allocated after the start. C-style on
// purpose (ARCHITECTURE.md, "The guard"): no exceptions, no library but libc, no assert; it must
// outlive everything.

#include <stdint.h>
#include <sys/types.h>

#include "proto/machine/init_protocol.h"

namespace jackdaw::guard {

inline constexpr const char* program_name = "jackdaw-guard";
inline constexpr int64_t ns_per_ms = 1'000'000;
inline constexpr int64_t ns_per_s = 1'000'000'000;
inline constexpr int64_t log_limit_bytes = 1 << 20;
inline constexpr int log_files = 3;

/// Where it is. The client's view is jackdaw_guard_phase; this one knows the ways between.
enum class Phase : uint8_t {
    starting, ///< forked, not yet executed: nobody is answered
    running,
    stopping, ///< stop steps are being worked off
    sweeping, ///< killing and reaping until there are none
    ended,
    failed_to_start,
};

struct Output {
    int pipe_fd = -1; ///< read end; -1 after the last writer has closed it
    uint64_t total = 0;
    char ring[JACKDAW_GUARD_OUTPUT_SIZE]; ///< the last bytes; byte n is at n % size
    int log_folder_fd = -1;               ///< -1: cannot be used
    const char* log_name = nullptr;       ///< in that folder; null: no log asked for
    int log_fd = -1;
    int64_t log_size = 0;
    uint64_t log_lost = 0;
};

struct State {
    jackdaw_spawn_request spec;
    Phase phase = Phase::starting;

    // Held until the exit.
    int folder_fd = -1; ///< JACKDAW_GUARD_FOLDER
    int own_lock_fd = -1;
    int lock_fd = -1; ///< its open description is the child's, too
    int group_fd = -1;
    int listen_fd = -1;
    int signal_fd = -1;
    int start_fd = -1; ///< tells why the child could not execute; EOF: it has
    int clients[JACKDAW_GUARD_CLIENTS];

    pid_t child = 0;
    bool child_reaped = false;
    int wait_status = 0;
    uint32_t fail_reason = JACKDAW_GUARD_REASON_NONE;
    int32_t fail_errno = 0;
    int64_t started_boottime_ns = 0;
    int64_t ended_boottime_ns = 0;
    int64_t cpu_us = 0;

    bool stop_asked = false;  ///< clean; while starting it waits
    bool exit_at_end = false; ///< SIGTERM: nobody will come to release
    bool released = false;
    uint32_t stop_step = 0;     ///< the next one
    int64_t wake_at_ns = -1;    ///< CLOCK_MONOTONIC of the next step or sweep; -1: never
    int64_t sweep_pause_ns = 0; ///< grows while what is killed does not die (an I/O that hangs)

    Output output;
};

/// What a child writes into start_fd when it cannot execute.
struct StartFailure {
    uint32_t reason; ///< jackdaw_guard_reason
    int32_t error;   ///< errno
};

} // namespace jackdaw::guard
