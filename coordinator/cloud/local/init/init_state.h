#pragma once
// All that a local machine's first process knows, in one static object. C-style on purpose, like
// the guard: libc only, nothing allocated, no assert; when it ends the machine ends.

#include <stdint.h>
#include <sys/types.h>

#include "proto/machine/init_protocol.h"

namespace jackdaw::init {

inline constexpr const char* program_name = "jackdaw-init";
inline constexpr const char* program_folder = "/usr/lib/jackdaw";
inline constexpr const char* run_folder = "/run/jackdaw";
inline constexpr const char* log_folder = "/var/log/jackdaw";
inline constexpr const char* volume_folder = "/var/lib/jackdaw/volume";
inline constexpr const char* group_folder =
    "/run/jackdaw/cgroup"; ///< a cgroup2 mount, if the kernel has one

inline constexpr int64_t ns_per_ms = 1'000'000;
inline constexpr int64_t ns_per_s = 1'000'000'000;
inline constexpr int64_t never = INT64_MAX; ///< a time of CLOCK_MONOTONIC that does not come
inline constexpr int clients_at_once = 4;
inline constexpr int held_fds = 8;

/// A slot of the table; free while pid is 0.
struct Guard {
    pid_t pid;
    bool dead; ///< reaped; what it left is being killed, the name is still taken
    bool has_group;
    uint32_t kind; ///< jackdaw_spawn_kind
    int64_t stop_budget_ns;
    char name[JACKDAW_NAME_SIZE];
};

struct Agent {
    pid_t pid = 0;
    pid_t session = 0; ///< of the last one: its process group
    int group_fd = -1;
    int quick_deaths = 0;
    int64_t started_at_ns = 0;
    int64_t start_at_ns = 0; ///< when pid is 0
};

enum class PowerOff : uint8_t { no, ending_agent, killing_agent, ending_guards, killing_all, done };

struct State {
    int signal_fd = -1;
    int listen_fd = -1;
    int clients[clients_at_once] = {-1, -1, -1, -1};
    bool has_groups = false;
    Guard guards[JACKDAW_INIT_GUARDS];
    int64_t sweep_at_ns = never; ///< the next look at what dead guards left
    int64_t sweep_pause_ns = 0;
    Agent agent;
    PowerOff power_off = PowerOff::no;
    int64_t power_off_until_ns = never; ///< the end of its present stage
    int held[held_fds];
    int held_count = 0;
};

} // namespace jackdaw::init
