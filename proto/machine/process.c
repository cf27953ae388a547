#include "proto/machine/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/machine/guard_protocol.h"

int64_t jackdaw_now_ns(clockid_t clock) {
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int jackdaw_join(char* out, size_t size, const char* a, const char* b, const char* c) {
    const char* const parts[3] = {a, b, c};
    size_t at = 0;
    for (int i = 0; i < 3; ++i) {
        const size_t length = strlen(parts[i]);
        const size_t room = size - 1 - at;
        const size_t take = length < room ? length : room;
        memcpy(out + at, parts[i], take);
        at += take;
        out[at] = '\0';
        if (take < length) {
            return 0;
        }
    }
    return 1;
}

const char* jackdaw_decimal(char (*buffer)[24], int64_t value) {
    char* at = *buffer + sizeof *buffer - 1;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *at = '\0';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--at = '-';
    }
    return at;
}

void jackdaw_say(const char* program, const char* what, const char* detail, int error) {
    char line[512];
    char rest[256];
    char digits[24];
    jackdaw_join(rest, sizeof rest, detail != NULL ? " " : "", detail != NULL ? detail : "",
                 error != 0 ? " (errno " : "");
    if (error != 0) {
        const size_t at = strlen(rest);
        jackdaw_join(rest + at, sizeof rest - at, jackdaw_decimal(&digits, error), ")", "");
    }
    jackdaw_join(line, sizeof line - 1, program, ": ", what);
    size_t at = strlen(line);
    jackdaw_join(line + at, sizeof line - 1 - at, rest, "", "");
    at = strlen(line);
    line[at] = '\n';
    const ssize_t ignored = write(2, line, at + 1);
    (void)ignored;
}

int jackdaw_each_child(void (*visit)(int pid, void* context), void* context) {
    const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    char text[2048];
    int pid = 0;
    ssize_t got = 0;
    while ((got = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < got; ++i) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid != 0) { /* every pid ends with a space, the last one, too */
                visit(pid, context);
                pid = 0;
            }
        }
    }
    close(fd);
    return 0;
}

static int write_group(int group_fd, const char* file, const char* text) {
    const int fd = openat(group_fd, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    const ssize_t wrote = write(fd, text, strlen(text));
    const int error = errno;
    close(fd);
    errno = error;
    return wrote < 0 ? -1 : 0;
}

int jackdaw_group_kill(int group_fd) {
    return write_group(group_fd, "cgroup.kill", "1");
}

int jackdaw_group_enter(int group_fd) {
    return write_group(group_fd, "cgroup.procs", "0");
}

int jackdaw_group_populated(int group_fd) {
    char text[256];
    const int fd = openat(group_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    const ssize_t got = read(fd, text, sizeof text - 1);
    const int error = errno;
    close(fd);
    if (got < 0) {
        errno = error;
        return -1;
    }
    text[got] = '\0';
    return strstr(text, "populated 0") == NULL;
}

void jackdaw_reset_signals(void) {
    for (int number = 1; number <= SIGRTMAX; ++number) {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void jackdaw_harden_self(void) {
    struct rlimit core;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &core);
    }
}

int jackdaw_open_root_folder(const char* path) {
    struct stat status;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &status) != 0 || status.st_uid != 0 || (status.st_mode & 022) != 0) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

static int open_regular(int folder_fd, const char* name, struct stat* status) {
    /* O_NONBLOCK: a fifo of that name must not hang us. */
    const int fd = openat(
        folder_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, status) != 0 || !S_ISREG(status->st_mode)) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    /* So that the agent can read it; without that user (tests) it stays root's. */
    const int ignored = fchown(fd, 0, JACKDAW_AGENT_GID);
    (void)ignored;
    return fd;
}

int jackdaw_open_log(int folder_fd, const char* name, int64_t limit, int keep) {
    struct stat status;
    int fd = open_regular(folder_fd, name, &status);
    if (fd < 0 || status.st_size < limit) {
        return fd;
    }
    for (int i = keep - 1; i >= 1; --i) {
        char from[256];
        char to[256];
        const char old[3] = {'.', (char)('0' + i - 1), '\0'};
        const char next[3] = {'.', (char)('0' + i), '\0'};
        if (!jackdaw_join(from, sizeof from, name, i == 1 ? "" : old, "") ||
            !jackdaw_join(to, sizeof to, name, next, "")) {
            return fd;
        }
        if (renameat(folder_fd, from, folder_fd, to) != 0 && i == 1) {
            return fd; /* it grows on rather than losing lines */
        }
    }
    close(fd);
    fd = open_regular(folder_fd, name, &status);
    return fd;
}
