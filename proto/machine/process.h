#pragma once
/* What the two static programs, jackdaw-guard and jackdaw-init, do alike with processes, cgroups
 * and text: system calls and fixed buffers, no allocation, no stdio. Plain C. Compiled into each of
 * them; nobody else links it. */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Descriptors of a starting guard, set up by init. Each but the first may be absent. */
enum {
    JACKDAW_GUARD_SPEC_FD = 3,        /* a sealed memfd: one jackdaw_spawn_request */
    JACKDAW_GUARD_CONTROL_FD = 4,     /* the request's control end */
    JACKDAW_GUARD_EXTRA_FDS_FROM = 5, /* up to JACKDAW_SPAWN_EXTRA_FDS */
    JACKDAW_GUARD_GROUP_FD = 13,      /* the folder of the child's cgroup, O_PATH */
    JACKDAW_GUARD_FDS_END = 14,       /* nothing at or above */
};

/* Nanoseconds of a clock that cannot fail here (CLOCK_MONOTONIC, CLOCK_BOOTTIME). */
int64_t jackdaw_now_ns(clockid_t clock);

/* a + b + c into `out`, always ended. Returns 0 when it was cut. */
int jackdaw_join(char* out, size_t size, const char* a, const char* b, const char* c);

/* Decimal text of `value` in a buffer of the caller's. Returns its start, within the buffer. */
const char* jackdaw_decimal(char (*buffer)[24], int64_t value);

/* One line, "program: what detail (errno N)", to descriptor 2 in one write; errors of that are
 * ignored. `detail` may be NULL, `error` 0. */
void jackdaw_say(const char* program, const char* what, const char* detail, int error);

/* Calls `visit` with the pid of each child of this process's first thread (proc(5),
 * task/TID/children). A list that changes meanwhile may hide some: call again after reaping.
 * Returns 0, or -1 with errno without /proc. */
int jackdaw_each_child(void (*visit)(int pid, void* context), void* context);

/* Kills all processes of a cgroup v2 by its folder (cgroup.kill, Linux 5.14). 0 or -1 with errno.
 */
int jackdaw_group_kill(int group_fd);
/* 1 while processes, zombies not counted, are in it; 0; or -1 with errno. */
int jackdaw_group_populated(int group_fd);
/* Moves this process into it. 0 or -1 with errno. */
int jackdaw_group_enter(int group_fd);

/* Default dispositions and an empty mask: for a child, before exec. */
void jackdaw_reset_signals(void);

/* Not dumpable, no core file: the soft limit only, since a child of ours needs a hard limit of 1
 * (core(5)). */
void jackdaw_harden_self(void);

/* Opens an existing folder of root's that nobody else may write, without following a last symlink.
 * Descriptor, or -1 with errno; EPERM when owner or mode are wrong. */
int jackdaw_open_root_folder(const char* path);

/* Opens a log for appending in such a folder: regular, created 0640 with the agent's group. With
 * more than `limit` bytes it is first renamed NAME.1, that one NAME.2, as far as `keep` files (1 to
 * 9). Descriptor or -1. */
int jackdaw_open_log(int folder_fd, const char* name, int64_t limit, int keep);

#ifdef __cplusplus
}
#endif
