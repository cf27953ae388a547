#include "agent/guard/guard_start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/guard/guard_child.h"
#include "proto/machine/process.h"

namespace jackdaw::guard {
namespace {

constexpr int path_size = 160;
constexpr int lock_tries = 16; // each lost to a guard that was just giving the name back

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

void close_on_exec(int fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/// The file that the name means now, locked; -1 with errno (EWOULDBLOCK: somebody holds it).
int lock_file(int folder_fd, const char* file) {
    for (int i = 0; i < lock_tries; ++i) {
        const int fd = openat(folder_fd, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) {
            return -1;
        }
        struct stat held;
        struct stat named;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            close(fd);
            errno = error;
            return -1;
        }
        if (fstat(fd, &held) == 0 && fstatat(folder_fd, file, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            held.st_ino == named.st_ino) {
            return fd;
        }
        close(fd); // its last holder has removed it between our open and our lock
    }
    errno = EWOULDBLOCK;
    return -1;
}

Started failed(uint32_t reason) {
    return {reason, errno};
}

} // namespace

Started take_over_descriptors(State& state) {
    for (int& client : state.clients) {
        client = -1;
    }
    auto& spec = state.spec;
    const ssize_t got = pread(JACKDAW_GUARD_SPEC_FD, &spec, sizeof spec, 0);
    const bool valid = got > 0 && jackdaw_spawn_request_valid(&spec, static_cast<size_t>(got)) != 0;
    // Even a guard that was given nonsense says so to whoever waits at the other end.
    if (is_open(JACKDAW_GUARD_CONTROL_FD)) {
        close_on_exec(JACKDAW_GUARD_CONTROL_FD);
        state.clients[0] = JACKDAW_GUARD_CONTROL_FD;
    }
    if (is_open(JACKDAW_GUARD_GROUP_FD)) {
        close_on_exec(JACKDAW_GUARD_GROUP_FD);
        state.group_fd = JACKDAW_GUARD_GROUP_FD;
    }
    close(JACKDAW_GUARD_SPEC_FD);
    if (!valid) {
        spec = {};
        memcpy(spec.name, "unknown", sizeof "unknown"); // so that the refusal is a valid message
        return {JACKDAW_GUARD_REASON_SPEC, EINVAL};
    }
    for (int i = 0; i < JACKDAW_SPAWN_EXTRA_FDS; ++i) {
        const int fd = JACKDAW_GUARD_EXTRA_FDS_FROM + i;
        const bool asked = i < static_cast<int>(spec.extra_fds);
        if (asked != is_open(fd)) {
            return {JACKDAW_GUARD_REASON_SPEC, EBADF};
        }
        if (asked) {
            close_on_exec(fd);
        }
    }
    return {};
}

Started take_name(State& state) {
    char file[path_size];
    state.folder_fd = jackdaw_open_root_folder(JACKDAW_GUARD_FOLDER);
    if (state.folder_fd < 0) {
        return failed(JACKDAW_GUARD_REASON_SETUP);
    }
    jackdaw_join(file, sizeof file, state.spec.name, ".own", "");
    state.own_lock_fd = lock_file(state.folder_fd, file);
    if (state.own_lock_fd < 0) {
        return failed(errno == EWOULDBLOCK ? JACKDAW_GUARD_REASON_LOCKED
                                           : JACKDAW_GUARD_REASON_SETUP);
    }
    jackdaw_join(file, sizeof file, state.spec.name, ".lock", "");
    state.lock_fd = lock_file(state.folder_fd, file);
    if (state.lock_fd < 0) {
        return failed(errno == EWOULDBLOCK ? JACKDAW_GUARD_REASON_LOCKED
                                           : JACKDAW_GUARD_REASON_SETUP);
    }
    if (state.group_fd >= 0) {
        const int populated = jackdaw_group_populated(state.group_fd);
        if (populated < 0) {
            return failed(JACKDAW_GUARD_REASON_SETUP);
        }
        if (populated > 0) {
            return {JACKDAW_GUARD_REASON_NOT_EMPTY, EBUSY};
        }
    }
    return {};
}

Started listen(State& state) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    char file[path_size];
    jackdaw_join(file, sizeof file, state.spec.name, ".sock", "");
    jackdaw_join(address.sun_path, sizeof address.sun_path, JACKDAW_GUARD_FOLDER, "/", file);
    state.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (state.listen_fd < 0) {
        return failed(JACKDAW_GUARD_REASON_SETUP);
    }
    // A stale one is of a guard that was killed: we hold the name's locks.
    unlinkat(state.folder_fd, file, 0);
    const mode_t before = umask(0177);
    const bool bound =
        bind(state.listen_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    umask(before);
    if (!bound || fchownat(state.folder_fd, file, 0, JACKDAW_AGENT_GID, AT_SYMLINK_NOFOLLOW) != 0 ||
        fchmodat(state.folder_fd, file, 0660, 0) != 0 ||
        ::listen(state.listen_fd, JACKDAW_GUARD_CLIENTS) != 0) {
        return failed(JACKDAW_GUARD_REASON_SETUP);
    }
    return {};
}

Started start_child(State& state) {
    int output[2];
    int start[2];
    if (pipe2(output, O_CLOEXEC) != 0) {
        return failed(JACKDAW_GUARD_REASON_SETUP);
    }
    if (pipe2(start, O_CLOEXEC) != 0) {
        return failed(JACKDAW_GUARD_REASON_SETUP);
    }
    const pid_t guard = getpid();
    state.started_boottime_ns = jackdaw_now_ns(CLOCK_BOOTTIME);
    const pid_t child = fork();
    if (child < 0) {
        return failed(JACKDAW_GUARD_REASON_SETUP);
    }
    if (child == 0) {
        become_child(state, guard, output[1], start[1]);
    }
    close(output[1]);
    close(start[1]);
    for (uint32_t i = 0; i < state.spec.extra_fds; ++i) {
        close(JACKDAW_GUARD_EXTRA_FDS_FROM + static_cast<int>(i));
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    fcntl(start[0], F_SETFL, O_NONBLOCK);
    state.output.pipe_fd = output[0];
    state.start_fd = start[0];
    state.child = child;
    return {};
}

void give_name_back(State& state) {
    constexpr const char* files[] = {".sock", ".lock", ".own"};
    for (const char* suffix : files) {
        char file[path_size];
        jackdaw_join(file, sizeof file, state.spec.name, suffix, "");
        unlinkat(state.folder_fd, file, 0);
    }
}

} // namespace jackdaw::guard
