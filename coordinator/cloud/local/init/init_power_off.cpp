#include "coordinator/cloud/local/init/init_power_off.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "coordinator/cloud/local/init/init_agent.h"
#include "coordinator/cloud/local/init/init_guards.h"
#include "proto/machine/process.h"

namespace jackdaw::init {
namespace {

constexpr int64_t agent_time_ns = 5 * ns_per_s;
constexpr int64_t agent_kill_time_ns = 5 * ns_per_s; // uninterruptible I/O
constexpr int64_t guard_extra_time_ns = 10 * ns_per_s;
constexpr int64_t kill_time_ns = 10 * ns_per_s;
constexpr int unmount_tries = 20;
constexpr long unmount_pause_ns = 50 * ns_per_ms;

void enter(State& state, PowerOff stage, int64_t until_ns) {
    state.power_off = stage;
    state.power_off_until_ns = until_ns;
}

/// Databases have their own stop budget; a job is nothing that a resumed operation would not do
/// again.
void end_guards(State& state, int64_t now_ns) {
    int64_t longest = 0;
    for (const Guard& guard : state.guards) {
        if (guard.pid == 0 || guard.dead) {
            continue;
        }
        const bool is_database = guard.kind == JACKDAW_SPAWN_DATABASE;
        kill(guard.pid, is_database ? SIGTERM : SIGKILL);
        if (is_database && guard.stop_budget_ns > longest) {
            longest = guard.stop_budget_ns;
        }
    }
    enter(state, PowerOff::ending_guards, now_ns + longest + guard_extra_time_ns);
}

bool has_children() {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

} // namespace

void begin_power_off(State& state, int64_t now_ns) {
    if (state.power_off != PowerOff::no) {
        return;
    }
    jackdaw_say(program_name, "powering off", nullptr, 0);
    if (state.agent.pid != 0) {
        kill(state.agent.pid, SIGTERM);
    }
    enter(state, PowerOff::ending_agent, now_ns + agent_time_ns);
}

void advance_power_off(State& state, int64_t now_ns) {
    const bool over = now_ns >= state.power_off_until_ns;
    switch (state.power_off) {
    case PowerOff::no:
    case PowerOff::done: break;
    case PowerOff::ending_agent:
        if (agent_gone(state)) {
            end_guards(state, now_ns);
        } else if (over) {
            kill_agent(state);
            enter(state, PowerOff::killing_agent, now_ns + agent_kill_time_ns);
        }
        break;
    case PowerOff::killing_agent:
        if (over || agent_gone(state)) {
            end_guards(state, now_ns);
        }
        break;
    case PowerOff::ending_guards:
        if (over || !any_guard(state)) {
            kill(-1, SIGKILL); // all but ourselves (kill(2))
            enter(state, PowerOff::killing_all, now_ns + kill_time_ns);
        }
        break;
    case PowerOff::killing_all:
        if (over || !has_children()) {
            enter(state, PowerOff::done, never);
        }
        break;
    }
}

void unmount_volume() {
    const int fd = open(volume_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        syncfs(fd);
        close(fd);
    }
    for (int i = 0; i < unmount_tries; ++i) {
        if (umount2(volume_folder, UMOUNT_NOFOLLOW) == 0 || errno != EBUSY) {
            return; // EINVAL, ENOENT: was not mounted
        }
        const timespec pause{0, unmount_pause_ns};
        nanosleep(&pause, nullptr);
    }
    // The mount namespace ends with us and unmounts; the flush above is what counts.
    jackdaw_say(program_name, "the volume stays busy:", volume_folder, errno);
}

} // namespace jackdaw::init
