#include "agent/guard/guard_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/guard_output.h"
#include "agent/guard/guard_server.h"
#include "proto/machine/process.h"

namespace jackdaw::guard {
namespace {

constexpr int64_t first_sweep_pause_ns = 10 * ns_per_ms;
constexpr int64_t longest_sweep_pause_ns = ns_per_s;
constexpr int reaps_per_turn = 4096;
constexpr int last_drains = 16;

void kill_one(int pid, void*) {
    kill(pid, SIGKILL);
}

void set_phase(State& state, Phase phase) {
    state.phase = phase;
    announce(state);
}

/// Kills what is below us now; those that they leave to us (we are their subreaper) come with the
/// next turn.
void kill_all(State& state) {
    if (state.group_fd >= 0) {
        jackdaw_group_kill(state.group_fd);
    }
    if (jackdaw_each_child(kill_one, nullptr) != 0 && !state.child_reaped) {
        kill(state.child, SIGKILL); // no /proc: at least the one that is known
    }
}

void sweep(State& state) {
    kill_all(state);
    state.wake_at_ns = jackdaw_now_ns(CLOCK_MONOTONIC) + state.sweep_pause_ns;
    const int64_t longer = 2 * state.sweep_pause_ns;
    state.sweep_pause_ns = longer < longest_sweep_pause_ns ? longer : longest_sweep_pause_ns;
}

void begin_sweep(State& state) {
    state.sweep_pause_ns = first_sweep_pause_ns;
    set_phase(state, Phase::sweeping);
    sweep(state);
}

void next_stop_step(State& state) {
    const jackdaw_spawn_request& spec = state.spec;
    if (state.stop_step >= spec.stop_count) {
        begin_sweep(state);
        return;
    }
    const jackdaw_stop_step& step = spec.stop[state.stop_step++];
    kill(state.child, step.signal); // not reaped yet, so the pid is still its
    state.wake_at_ns = jackdaw_now_ns(CLOCK_MONOTONIC) + step.seconds * ns_per_s;
}

void begin_stop(State& state) {
    set_phase(state, Phase::stopping);
    next_stop_step(state);
}

void read_start(State& state) {
    StartFailure failure{};
    const ssize_t got = read(state.start_fd, &failure, sizeof failure);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    close(state.start_fd);
    state.start_fd = -1;
    if (got == sizeof failure) {
        state.fail_reason = failure.reason;
        state.fail_errno = failure.error;
        return; // it is exiting; reap() goes on
    }
    if (state.phase != Phase::starting) {
        return;
    }
    set_phase(state, Phase::running);
    if (state.stop_asked) {
        begin_stop(state);
    }
}

int64_t microseconds(const timeval& time) {
    return time.tv_sec * 1'000'000 + time.tv_usec;
}

void finish(State& state) {
    for (int i = 0; i < last_drains && state.output.pipe_fd >= 0; ++i) {
        drain_output(state.output);
    }
    if (state.output.pipe_fd >= 0) { // a descriptor of it was passed to a stranger
        close(state.output.pipe_fd);
        state.output.pipe_fd = -1;
    }
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    state.cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    state.ended_boottime_ns = jackdaw_now_ns(CLOCK_BOOTTIME);
    state.wake_at_ns = -1;
    const bool never_ran = state.fail_reason != JACKDAW_GUARD_REASON_NONE;
    set_phase(state, never_ran ? Phase::failed_to_start : Phase::ended);
}

/// Reaps what has ended. When that was the child, the rest follows it.
void reap(State& state) {
    int status = 0;
    int last = 0;
    for (int i = 0; i < reaps_per_turn; ++i) {
        const pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            last = pid < 0 ? errno : 0;
            break;
        }
        if (pid == state.child) {
            state.child_reaped = true;
            state.wait_status = status;
        }
    }
    if (is_over(state) || !state.child_reaped) {
        return;
    }
    if (state.start_fd >= 0) {
        read_start(state); // its end closed that pipe before we could reap it
    }
    if (state.phase != Phase::sweeping) {
        begin_sweep(state);
    }
    const bool none = last == ECHILD;
    const bool group_left = state.group_fd >= 0 && jackdaw_group_populated(state.group_fd) > 0;
    if (none && !group_left) {
        finish(state);
    }
}

void read_signals(State& state) {
    signalfd_siginfo info;
    bool child = false;
    while (read(state.signal_fd, &info, sizeof info) ==
           sizeof info) { // pending ones are few and merge
        if (info.ssi_signo == SIGTERM) {
            state.exit_at_end = true;
            stop_clean(state);
        } else {
            child = true;
        }
    }
    if (child) {
        reap(state);
    }
}

void wake(State& state) {
    if (state.wake_at_ns < 0 || jackdaw_now_ns(CLOCK_MONOTONIC) < state.wake_at_ns) {
        return;
    }
    state.wake_at_ns = -1;
    if (state.phase == Phase::stopping) {
        next_stop_step(state);
    } else if (state.phase == Phase::sweeping) {
        sweep(state);
        reap(state);
    }
}

int timeout_ms(const State& state) {
    if (state.wake_at_ns < 0) {
        return -1;
    }
    const int64_t left = state.wake_at_ns - jackdaw_now_ns(CLOCK_MONOTONIC);
    return left <= 0
               ? 0
               : static_cast<int>((left + ns_per_ms - 1) / ns_per_ms); // a step is at most a day
}

} // namespace

bool is_over(const State& state) {
    return state.phase == Phase::ended || state.phase == Phase::failed_to_start;
}

void stop_clean(State& state) {
    state.stop_asked = true;
    if (state.phase == Phase::running) {
        begin_stop(state);
    }
}

void stop_kill(State& state) {
    if (!is_over(state) && state.phase != Phase::sweeping) {
        begin_sweep(state);
    }
}

void run(State& state) {
    enum {
        signals,
        output,
        start,
        listener,
        first_client,
        all = first_client + JACKDAW_GUARD_CLIENTS
    };
    while (!(is_over(state) && (state.released || state.exit_at_end))) {
        const bool deaf =
            state.phase == Phase::starting; // until it is known whether the child runs
        pollfd fds[all];
        fds[signals] = {state.signal_fd, POLLIN, 0};
        fds[output] = {state.output.pipe_fd, POLLIN, 0};
        fds[start] = {state.start_fd, POLLIN, 0};
        fds[listener] = {deaf ? -1 : state.listen_fd, POLLIN, 0};
        for (int i = 0; i < JACKDAW_GUARD_CLIENTS; ++i) {
            fds[first_client + i] = {deaf ? -1 : state.clients[i], POLLIN, 0};
        }
        if (poll(fds, all, timeout_ms(state)) < 0) {
            continue; // EINTR, ENOMEM
        }
        if (fds[output].revents != 0) {
            drain_output(state.output);
        }
        if (fds[start].revents != 0) {
            read_start(state);
        }
        if (fds[signals].revents != 0) {
            read_signals(state);
        }
        wake(state);
        for (int i = 0; i < JACKDAW_GUARD_CLIENTS; ++i) {
            if (fds[first_client + i].revents != 0 && state.clients[i] >= 0) {
                serve_client(state, i);
            }
        }
        if (fds[listener].revents != 0) {
            accept_client(state);
        }
    }
}

} // namespace jackdaw::guard
