// jackdaw-guard: parent, subreaper and fence of one database process or job (ARCHITECTURE.md, "The
// guard").
//
// Started by jackdaw-init, or by systemd's counterpart on a cloud machine, as root with the
// descriptors of proto/machine/process.h. Its argument, the guard's name, is for people who list
// processes. Exits with 0 after the release, JACKDAW_GUARD_EXIT_REFUSED when the name is another's,
// 71 (EX_OSERR) when it could not start.

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/guard/guard_output.h"
#include "agent/guard/guard_run.h"
#include "agent/guard/guard_server.h"
#include "agent/guard/guard_start.h"
#include "proto/machine/process.h"

namespace {

using namespace jackdaw::guard;

constexpr int exit_os_error = 71;

State state; // static: nothing is allocated

Started open_signals() {
    sigset_t all;
    sigset_t ours;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all,
                nullptr); // the rest is ignored: nothing but SIGKILL ends a guard early
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    state.signal_fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (state.signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return {JACKDAW_GUARD_REASON_SETUP, errno};
    }
    return {};
}

Started prepare() {
    Started (*const steps[])(State&) = {take_over_descriptors, take_name, listen};
    for (const auto step : steps) {
        const Started started = step(state);
        if (started.reason != JACKDAW_GUARD_REASON_NONE) {
            return started;
        }
    }
    const Started signals = open_signals();
    if (signals.reason != JACKDAW_GUARD_REASON_NONE) {
        return signals;
    }
    open_log(state);
    return start_child(state);
}

} // namespace

int main() {
    jackdaw_harden_self();
    close_range(JACKDAW_GUARD_FDS_END, ~0U, 0);
    const Started started = prepare();
    if (started.reason != JACKDAW_GUARD_REASON_NONE) {
        jackdaw_say(program_name, "refused to start", state.spec.name, started.error);
        announce_refusal(state, started.reason, started.error);
        const bool taken = started.reason == JACKDAW_GUARD_REASON_LOCKED ||
                           started.reason == JACKDAW_GUARD_REASON_NOT_EMPTY;
        return taken ? JACKDAW_GUARD_EXIT_REFUSED : exit_os_error;
    }
    run(state);
    give_name_back(state);
    return 0;
}
