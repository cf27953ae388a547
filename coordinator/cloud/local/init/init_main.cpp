// jackdaw-init [--loop-fd N] [--volume-fd N] [--hold-fd N]…: first process of a local machine, what
// systemd is on a cloud machine. Reaps, starts and restarts the agent, spawns guards at
// jackdaw-host's request, and ends the machine at SIGTERM. The named descriptors are held, nothing
// more: the loop device's AUTOCLEAR, the lock on the volume file and that on the machine's folder
// last exactly as long as the machine.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "coordinator/cloud/local/init/init_agent.h"
#include "coordinator/cloud/local/init/init_guards.h"
#include "coordinator/cloud/local/init/init_power_off.h"
#include "coordinator/cloud/local/init/init_server.h"
#include "proto/machine/process.h"

namespace {

using namespace jackdaw::init;

constexpr int exit_usage = 64;
constexpr int reaps_per_turn = 4096;
constexpr int64_t power_off_turn_ns = 20 * ns_per_ms; // some of its conditions raise no event
constexpr int64_t longest_wait_ns = 60 * ns_per_s;

State state; // static: nothing is allocated

/// A descriptor's number, or -1.
int number(const char* text) {
    int value = 0;
    if (text == nullptr || text[0] == '\0') {
        return -1;
    }
    for (const char* at = text; *at != '\0'; ++at) {
        if (*at < '0' || *at > '9' || value > 99999) {
            return -1;
        }
        value = value * 10 + (*at - '0');
    }
    return value;
}

bool is_hold_option(const char* text) {
    return strcmp(text, "--loop-fd") == 0 || strcmp(text, "--volume-fd") == 0 ||
           strcmp(text, "--hold-fd") == 0;
}

/// An argument that means nothing is said and ignored: the machine comes up.
void hold_descriptors(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const int fd = is_hold_option(argv[i]) && i + 1 < argc ? number(argv[i + 1]) : -1;
        if (fd < 3 || state.held_count == held_fds || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            jackdaw_say(program_name, "ignored argument", argv[i], 0);
            continue;
        }
        state.held[state.held_count++] = fd;
        ++i;
    }
}

/// Closes all that was inherited but 0 to 2 and what is held.
void close_others() {
    unsigned from = 3;
    for (int round = 0; round <= state.held_count; ++round) {
        unsigned next = ~0U; // the lowest held one that is not below `from`
        for (int i = 0; i < state.held_count; ++i) {
            const auto fd = static_cast<unsigned>(state.held[i]);
            next = fd >= from && fd < next ? fd : next;
        }
        if (next == ~0U) {
            close_range(from, ~0U, 0);
            return;
        }
        if (next > from) {
            close_range(from, next - 1, 0);
        }
        from = next + 1;
    }
}

void use_null_for_input() {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        dup2(fd, 0);
        close(fd);
    }
}

void block_signals() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
}

void open_signals() {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    state.signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

void make_folders() {
    umask(022);
    for (const char* path : {run_folder, JACKDAW_GUARD_FOLDER, log_folder}) {
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            jackdaw_say(program_name, "cannot make", path, errno);
        }
    }
}

void reap(int64_t now_ns) {
    for (int i = 0; i < reaps_per_turn; ++i) {
        int status = 0;
        const pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            return;
        }
        if (!agent_reaped(state, pid, now_ns)) {
            guard_reaped(state, pid, status);
        }
    }
}

void read_signals(int64_t now_ns) {
    signalfd_siginfo info;
    while (read(state.signal_fd, &info, sizeof info) ==
           sizeof info) { // pending ones are few and merge
        if (info.ssi_signo == SIGTERM) {
            begin_power_off(state, now_ns);
        }
    }
}

int timeout_ms(int64_t now_ns) {
    int64_t until = now_ns + longest_wait_ns;
    const auto at_most = [&](int64_t time) { until = time < until ? time : until; };
    at_most(state.sweep_at_ns);
    if (state.agent.pid == 0 && state.power_off == PowerOff::no) {
        at_most(state.agent.start_at_ns);
    }
    if (state.power_off != PowerOff::no) {
        at_most(now_ns + power_off_turn_ns);
    }
    return until <= now_ns ? 0 : static_cast<int>((until - now_ns + ns_per_ms - 1) / ns_per_ms);
}

void run() {
    enum { signals, listener, first_client, all = first_client + clients_at_once };
    while (state.power_off != PowerOff::done) {
        pollfd fds[all];
        fds[signals] = {state.signal_fd, POLLIN, 0};
        fds[listener] = {state.listen_fd, POLLIN, 0};
        for (int i = 0; i < clients_at_once; ++i) {
            fds[first_client + i] = {state.clients[i], POLLIN, 0};
        }
        const bool polled = poll(fds, all, timeout_ms(jackdaw_now_ns(CLOCK_MONOTONIC))) >= 0;
        const int64_t now_ns = jackdaw_now_ns(CLOCK_MONOTONIC);
        read_signals(now_ns);
        reap(now_ns); // always: a merged or lost signal must not leave a zombie
        sweep_guards(state, now_ns);
        bound_agent_log();
        start_agent_if_due(state, now_ns);
        advance_power_off(state, now_ns);
        for (int i = 0; polled && i < clients_at_once; ++i) {
            if (fds[first_client + i].revents != 0) {
                serve_client(state, i);
            }
        }
        if (polled && fds[listener].revents != 0) {
            accept_client(state);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    block_signals(); // first: blocked ones reach even a first process, others are dropped
                     // (pid_namespaces(7))
    if (getpid() != 1) {
        jackdaw_say(program_name, "is the first process of a local machine, nothing else", nullptr,
                    0);
        return exit_usage;
    }
    jackdaw_harden_self();
    hold_descriptors(argc, argv);
    close_others();
    use_null_for_input();
    make_folders();
    open_signals();
    prepare_groups(state);
    listen(state);
    run();
    unmount_volume();
    return 0;
}
