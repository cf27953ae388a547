#include "coordinator/cloud/local/init/init_guards.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/machine/process.h"

namespace jackdaw::init {
namespace {

constexpr int64_t first_sweep_pause_ns = 5 * ns_per_ms;
constexpr int64_t longest_sweep_pause_ns = ns_per_s;
constexpr int lifted_from = 32; // above every number that a guard finds something at
constexpr int path_size = 128;

void group_path(char (&out)[path_size], const char* name) {
    char folder[path_size];
    jackdaw_join(folder, sizeof folder, group_folder, "/guards/", "");
    jackdaw_join(out, sizeof out, folder, name, "");
}

int open_group(const char* name) {
    char path[path_size];
    group_path(path, name);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

Guard* free_slot(State& state) {
    for (Guard& guard : state.guards) {
        if (guard.pid == 0) {
            return &guard;
        }
    }
    return nullptr;
}

/// A sealed copy, so that what the guard reads is what was checked. -1 with errno.
int spec_file(const jackdaw_spawn_request& request) {
    const int fd = memfd_create("jackdaw-spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    const ssize_t wrote = write(fd, &request, sizeof request);
    if (wrote != sizeof request ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    return fd;
}

bool is_seqpacket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/// In the child: descriptors to their numbers (process.h), then the guard.
[[noreturn]] void become_guard(const jackdaw_spawn_request& request, int spec_fd, int group_fd,
                               const int* fds) {
    struct Placed {
        int lifted;
        int number;
    };
    Placed placed[JACKDAW_SPAWN_EXTRA_FDS + 3];
    int count = 0;
    const auto add = [&](int fd, int number) {
        placed[count++] = {fcntl(fd, F_DUPFD_CLOEXEC, lifted_from), number};
    };
    const bool has_control = (request.flags & JACKDAW_SPAWN_HAS_CONTROL) != 0;
    add(spec_fd, JACKDAW_GUARD_SPEC_FD);
    if (has_control) {
        add(fds[0], JACKDAW_GUARD_CONTROL_FD);
    }
    for (uint32_t i = 0; i < request.extra_fds; ++i) {
        add(fds[i + (has_control ? 1 : 0)], JACKDAW_GUARD_EXTRA_FDS_FROM + static_cast<int>(i));
    }
    if (group_fd >= 0) {
        add(group_fd, JACKDAW_GUARD_GROUP_FD);
    }
    close_range(3, lifted_from - 1, 0);
    for (int i = 0; i < count; ++i) {
        if (placed[i].lifted < 0 || dup2(placed[i].lifted, placed[i].number) < 0) {
            _exit(127);
        }
    }
    close_range(JACKDAW_GUARD_FDS_END, ~0U, 0);
    char path[path_size];
    char program[] = "jackdaw-guard";
    char name[JACKDAW_NAME_SIZE];
    memcpy(name, request.name, sizeof name);
    char* argv[] = {program, name, nullptr};
    char* environment[] = {nullptr};
    jackdaw_join(path, sizeof path, program_folder, "/", program);
    setsid();
    jackdaw_reset_signals();
    execve(path, argv, environment);
    jackdaw_say(program_name, "cannot execute", path, errno);
    _exit(127);
}

void refuse(jackdaw_init_reply& reply, int error, uint32_t reason) {
    reply.error = error;
    reply.reason = reason;
}

/// Makes the guard's group and opens it; -1 when there are none, or with errno set when it cannot
/// be made.
int make_group(const State& state, const char* name) {
    char path[path_size];
    errno = 0;
    if (!state.has_groups) {
        return -1;
    }
    group_path(path, name);
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        return -1;
    }
    return open_group(name);
}

struct Orphans {
    const State* state;
    int count;
};

/// Without cgroups: a child of ours that is neither the agent nor a guard was adopted, hence
/// somebody dead's.
void kill_orphan(int pid, void* context) {
    auto& orphans = *static_cast<Orphans*>(context);
    if (pid == orphans.state->agent.pid) {
        return;
    }
    for (const Guard& guard : orphans.state->guards) {
        if (guard.pid == pid && !guard.dead) {
            return;
        }
    }
    ++orphans.count;
    kill(pid, SIGKILL);
}

/// Kills what a dead guard left. True when nothing remains.
bool end_leftovers(const State& state, const Guard& guard) {
    if (!guard.has_group) {
        Orphans orphans{&state, 0};
        return jackdaw_each_child(kill_orphan, &orphans) != 0 || orphans.count == 0;
    }
    const int group_fd = open_group(guard.name);
    if (group_fd < 0) {
        return true; // removed already
    }
    jackdaw_group_kill(group_fd);
    const bool empty = jackdaw_group_populated(group_fd) == 0;
    close(group_fd);
    char path[path_size];
    group_path(path, guard.name);
    return empty && (rmdir(path) == 0 || errno == ENOENT);
}

} // namespace

void prepare_groups(State& state) {
    char path[path_size];
    jackdaw_join(path, sizeof path, group_folder, "/cgroup.procs", "");
    if (access(path, W_OK) != 0) {
        jackdaw_say(program_name, "no cgroup2 mount: orphans are killed instead", nullptr, errno);
        return;
    }
    group_path(path, "");
    state.has_groups = mkdir(path, 0755) == 0 || errno == EEXIST;
    jackdaw_join(path, sizeof path, group_folder, "/agent", "");
    if (state.has_groups && (mkdir(path, 0755) == 0 || errno == EEXIST)) {
        state.agent.group_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (!state.has_groups) {
        jackdaw_say(program_name, "cannot make cgroups: orphans are killed instead", nullptr,
                    errno);
    }
}

void spawn_guard(State& state, const jackdaw_spawn_request& request, const int* fds,
                 jackdaw_init_reply& reply) {
    if (state.power_off != PowerOff::no) {
        return refuse(reply, ESHUTDOWN, JACKDAW_INIT_POWERING_OFF);
    }
    if ((request.flags & JACKDAW_SPAWN_HAS_CONTROL) != 0 && !is_seqpacket(fds[0])) {
        return refuse(reply, EINVAL, JACKDAW_INIT_INVALID);
    }
    if (find_guard(state, request.name) != nullptr) {
        return refuse(reply, EEXIST, JACKDAW_INIT_NAME_TAKEN);
    }
    Guard* guard = free_slot(state);
    if (guard == nullptr) {
        return refuse(reply, EAGAIN, JACKDAW_INIT_TOO_MANY);
    }
    const int group_fd = make_group(state, request.name);
    if (group_fd < 0 && state.has_groups) {
        return refuse(reply, errno, JACKDAW_INIT_FAILED);
    }
    const int spec_fd = spec_file(request);
    const pid_t pid = spec_fd >= 0 ? fork() : -1;
    if (pid == 0) {
        become_guard(request, spec_fd, group_fd, fds);
    }
    if (pid > 0) {
        *guard = {pid, false, group_fd >= 0, request.kind, 0, {}};
        guard->stop_budget_ns =
            static_cast<int64_t>(jackdaw_spawn_stop_seconds(&request)) * ns_per_s;
        memcpy(guard->name, request.name, sizeof guard->name);
        reply.guard_pid = pid;
    } else {
        refuse(reply, errno,
               JACKDAW_INIT_FAILED); // an empty group stays; the next of that name takes it
    }
    if (spec_fd >= 0) {
        close(spec_fd);
    }
    if (group_fd >= 0) {
        close(group_fd);
    }
}

bool guard_reaped(State& state, pid_t pid, int status) {
    for (Guard& guard : state.guards) {
        if (guard.pid == pid && !guard.dead) {
            guard.dead = true;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                jackdaw_say(program_name, "a guard ended early:", guard.name, 0);
            }
            state.sweep_pause_ns = first_sweep_pause_ns;
            state.sweep_at_ns = 0;
            return true;
        }
    }
    return false;
}

void sweep_guards(State& state, int64_t now_ns) {
    if (now_ns < state.sweep_at_ns) {
        return;
    }
    bool more = false;
    for (Guard& guard : state.guards) {
        if (guard.pid != 0 && guard.dead) {
            if (end_leftovers(state, guard)) {
                guard = {};
            } else {
                more = true;
            }
        }
    }
    state.sweep_at_ns = more ? now_ns + state.sweep_pause_ns : never;
    const int64_t longer = 2 * state.sweep_pause_ns;
    state.sweep_pause_ns = longer < longest_sweep_pause_ns ? longer : longest_sweep_pause_ns;
}

Guard* find_guard(State& state, const char* name) {
    for (Guard& guard : state.guards) {
        if (guard.pid != 0 && memcmp(guard.name, name, sizeof guard.name) == 0) {
            return &guard;
        }
    }
    return nullptr;
}

bool any_guard(const State& state) {
    for (const Guard& guard : state.guards) {
        if (guard.pid != 0) {
            return true;
        }
    }
    return false;
}

} // namespace jackdaw::init
