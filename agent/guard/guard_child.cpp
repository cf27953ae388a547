#include "agent/guard/guard_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/machine/process.h"

namespace jackdaw::guard {
namespace {

constexpr int high_fd = JACKDAW_GUARD_LOCK_FD + 10; // above all that the child keeps

[[noreturn]] void fail(int start_fd, uint32_t reason) {
    const StartFailure failure{reason, errno};
    const ssize_t ignored =
        write(start_fd, &failure, sizeof failure); // 8 bytes: always whole (pipe(7))
    (void)ignored;
    _exit(127);
}

/// The child raises its own score above the guard's. Best effort: lowering is never asked for,
/// raising never refused.
void raise_oom_score(int by) {
    constexpr const char* path = "/proc/self/oom_score_adj";
    char text[24] = {};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    const ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    int now = 0;
    for (ssize_t i = 0; i < got && now < 1000; ++i) {
        if (text[i] >= '0' && text[i] <= '9') {
            now = now * 10 + (text[i] - '0');
        }
    }
    now = got > 0 && text[0] == '-' ? -now : now;
    const int wanted = now + by > 1000 ? 1000 : now + by;
    char digits[24];
    const char* value = jackdaw_decimal(&digits, wanted);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        const ssize_t ignored = write(fd, value, strlen(value));
        (void)ignored;
        close(fd);
    }
}

/// The soft limit, as far as the hard one lets it.
void limit(__rlimit_resource resource, uint64_t asked) {
    struct rlimit value;
    if (asked == 0 || getrlimit(resource, &value) != 0) {
        return;
    }
    value.rlim_cur = asked < value.rlim_max ? asked : value.rlim_max;
    setrlimit(resource, &value);
}

void set_limits(const jackdaw_spawn_request& spec) {
    // 1, not 0: a piped core_pattern ignores 0 and takes nothing with 1 (core(5)).
    constexpr struct rlimit core{1, 1};
    setrlimit(RLIMIT_CORE, &core);
    limit(RLIMIT_NOFILE, spec.nofile);
    limit(RLIMIT_MEMLOCK, spec.memlock_bytes);
}

/// Moves `fd` above everything that gets a fixed number, so that no dup2 overwrites what the next
/// one needs.
int lift(int start_fd, int fd) {
    const int lifted = fcntl(fd, F_DUPFD_CLOEXEC, high_fd);
    if (lifted < 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
    return lifted;
}

void place(int start_fd, int fd, int number) {
    if (dup2(fd, number) < 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
}

/// 0 /dev/null, 1 and 2 the output, 10… the request's, 200 the lock; all others end at exec.
void arrange_descriptors(const State& state, int output_fd, int start_fd) {
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
    const int null_high = lift(start_fd, null_fd);
    const int output_high = lift(start_fd, output_fd);
    const int lock_high = lift(start_fd, state.lock_fd);
    int extra[JACKDAW_SPAWN_EXTRA_FDS];
    for (uint32_t i = 0; i < state.spec.extra_fds; ++i) {
        extra[i] = lift(start_fd, JACKDAW_GUARD_EXTRA_FDS_FROM + static_cast<int>(i));
    }
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
    place(start_fd, null_high, 0);
    place(start_fd, output_high, 1);
    place(start_fd, output_high, 2);
    for (uint32_t i = 0; i < state.spec.extra_fds; ++i) {
        place(start_fd, extra[i], JACKDAW_GUARD_FIRST_EXTRA_FD + static_cast<int>(i));
    }
    place(start_fd, lock_high, JACKDAW_GUARD_LOCK_FD);
}

} // namespace

void become_child(State& state, pid_t guard, int output_fd, int report_fd) {
    const int start_fd = lift(report_fd, report_fd);
    jackdaw_spawn_request& spec = state.spec;
    setsid();
    if (state.group_fd >= 0 && jackdaw_group_enter(state.group_fd) != 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
    raise_oom_score(spec.oom_score_adj);
    arrange_descriptors(state, output_fd, start_fd); // before the limit on open files is lowered
    set_limits(spec);
    const gid_t gid = spec.gid;
    const uid_t uid = spec.uid;
    if (setgroups(0, nullptr) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(uid, uid, uid) != 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
    // Changing ids clears it (prctl(2)), hence here; a guard that died before is seen by getppid.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != guard) {
        fail(start_fd, JACKDAW_GUARD_REASON_CHILD);
    }
    umask(022);
    jackdaw_reset_signals();
    static char* argv[JACKDAW_SPAWN_ARGUMENTS + 1];
    static char* environment[JACKDAW_SPAWN_ENVIRONMENT + 1];
    const char* folder = jackdaw_spawn_request_unpack(&spec, argv, environment);
    if (chdir(folder) != 0) {
        fail(start_fd, JACKDAW_GUARD_REASON_WORKING_FOLDER);
    }
    execve(argv[0], argv, environment);
    fail(start_fd, JACKDAW_GUARD_REASON_EXECUTE);
}

} // namespace jackdaw::guard
