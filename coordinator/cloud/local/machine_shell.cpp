// run_in_machine: a command in the namespaces and groups of a running machine.
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "coordinator/cloud/local/machine_inside.h"

namespace jackdaw::cloud::local {
namespace {

constexpr int no_such_command = 127;
constexpr int not_entered = 126;

int exit_status(int status) noexcept {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int wait_for(pid_t pid) noexcept {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return not_entered;
        }
    }
    return exit_status(status);
}

struct Entry {
    int pidfd = -1;
    int root = -1;           ///< of the first process
    std::vector<int> groups; ///< cgroup.procs files, open for writing
    std::vector<char*> argv;
    std::vector<char*> environment;
    pid_t caller = 0;
};

/// Two processes: entering a PID namespace counts for children only (setns(2)). System calls only
/// from here on.
[[noreturn]] void enter(const Entry& entry) noexcept {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const int group : entry.groups) { // so that the machine's power-off ends it, too
        if (::write(group, "0", 1) != 1) {
            ::_exit(not_entered);
        }
    }
    if (::getppid() != entry.caller ||
        ::setns(entry.pidfd, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC |
                                 CLONE_NEWNET | CLONE_NEWCGROUP) != 0 ||
        // setns puts us at the root of the mount namespace, which is not the machine's when the
        // coordinator that started it was in a chroot itself.
        ::fchdir(entry.root) != 0 || ::chroot(".") != 0) {
        ::_exit(not_entered);
    }
    const pid_t inner = ::fork();
    if (inner < 0) {
        ::_exit(not_entered);
    }
    if (inner > 0) {
        ::signal(SIGINT, SIG_IGN); // a Ctrl-C is the command's
        ::signal(SIGQUIT, SIG_IGN);
        ::_exit(wait_for(inner));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    ::umask(022);
    if (::chdir("/root") != 0 && ::chdir("/") != 0) {
        ::_exit(not_entered);
    }
    // Not execvpe(3): it would search the PATH that the caller of this program has.
    ::environ = const_cast<char**>(entry.environment.data());
    ::execvp(entry.argv[0], entry.argv.data());
    const int failure = errno;
    ::dprintf(STDERR_FILENO, "error: the machine cannot run '%.200s': %s\n", entry.argv[0],
              ::strerrordesc_np(failure));
    ::_exit(failure == ENOENT ? no_such_command : not_entered);
}

/// The caller ignores the terminal's signals while the command has the terminal.
class TerminalSignals {
public:
    TerminalSignals() noexcept {
        struct sigaction ignore{};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGINT, &ignore, &interrupt_);
        ::sigaction(SIGQUIT, &ignore, &quit_);
    }
    TerminalSignals(const TerminalSignals&) = delete;
    TerminalSignals& operator=(const TerminalSignals&) = delete;
    ~TerminalSignals() {
        ::sigaction(SIGINT, &interrupt_, nullptr);
        ::sigaction(SIGQUIT, &quit_, nullptr);
    }

private:
    struct sigaction interrupt_{};
    struct sigaction quit_{};
};

} // namespace

Result<int> run_in_machine(const MachinePower& machine, const std::vector<std::string>& command) {
    pid_t pid = -1;
    JACKDAW_TRY(const UniqueFd first, machine.open_first_process(&pid));
    if (machine.cgroup().frozen()) {
        return Error{Errc::conflict, "the machine is frozen"}.with_hint(
            "`jackdaw machine thaw NAME`");
    }
    Entry entry;
    const std::string root_link = fmt::format("/proc/{}/root", pid);
    const UniqueFd root{::open(root_link.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!root) {
        return os_error("open the machine's root", errno);
    }
    entry.pidfd = first.get();
    entry.root = root.get();
    entry.caller = ::getpid();
    std::vector<UniqueFd> held;
    for (const Path& file : machine.cgroup().process_files()) {
        held.emplace_back(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
        if (!held.back()) {
            return os_error("open " + file.string(), errno);
        }
        entry.groups.push_back(held.back().get());
    }
    const char* terminal =
        std::getenv("TERM"); // NOLINT(concurrency-mt-unsafe): nobody sets it here
    std::vector<std::string> environment{
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
        "USER=root", "LANG=C.UTF-8",
        std::string{"TERM="} + (terminal == nullptr ? "dumb" : terminal)};
    std::vector<std::string> words =
        command.empty() ? std::vector<std::string>{"/bin/bash", "-l"} : command;
    for (std::string& word : words) {
        entry.argv.push_back(word.data());
    }
    for (std::string& variable : environment) {
        entry.environment.push_back(variable.data());
    }
    entry.argv.push_back(nullptr);
    entry.environment.push_back(nullptr);
    const pid_t outer = ::fork();
    if (outer < 0) {
        return os_error("fork", errno);
    }
    if (outer == 0) {
        enter(entry);
    }
    const TerminalSignals ignored;
    return wait_for(outer);
}

} // namespace jackdaw::cloud::local
