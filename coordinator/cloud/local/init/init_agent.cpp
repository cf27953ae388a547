#include "coordinator/cloud/local/init/init_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/machine/process.h"

namespace jackdaw::init {
namespace {

constexpr const char* arguments_file = "/etc/jackdaw/agent.argv";
constexpr int most_arguments = 64;
constexpr int arguments_size = 8192;
constexpr const char* log_name = "agent.log";
constexpr const char* older_log_name = "agent.log.1";
constexpr int64_t log_limit_bytes = 4 << 20;
constexpr int log_files = 2;

// Three deaths at once are forgiven at once; then the pause doubles to a second and never more: a
// machine whose agent stays away longer looks dead to its fleet.
constexpr int64_t quick_ns = 10 * ns_per_s;
constexpr int forgiven_deaths = 3;
constexpr int64_t first_pause_ns = 100 * ns_per_ms;
constexpr int64_t longest_pause_ns = ns_per_s;

int64_t pause_after(int quick_deaths) {
    int64_t pause = quick_deaths <= forgiven_deaths ? 0 : first_pause_ns;
    for (int i = forgiven_deaths + 1; i < quick_deaths && pause < longest_pause_ns; ++i) {
        pause *= 2;
    }
    return pause < longest_pause_ns ? pause : longest_pause_ns;
}

/// One argument a line, after argv[0]; without the file none.
void read_arguments(char (&text)[arguments_size], char** argv) {
    int count = 1;
    const int fd = open(arguments_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = '\0';
    char* at = text;
    while (*at != '\0' && count < most_arguments) {
        char* end = strchr(at, '\n');
        if (*at != '\n') {
            argv[count++] = at;
        }
        if (end == nullptr) {
            break;
        }
        *end = '\0';
        at = end + 1;
    }
    argv[count] = nullptr;
}

[[noreturn]] void become_agent(const Agent& agent) {
    static char text[arguments_size];
    static char* argv[most_arguments + 1];
    char path[128];
    char path_variable[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char language[] = "LANG=C.UTF-8";
    char* environment[] = {path_variable, language, nullptr};
    setsid();
    if (agent.group_fd >= 0) {
        jackdaw_group_enter(agent.group_fd);
    }
    const int folder_fd = jackdaw_open_root_folder(log_folder);
    const int log_fd =
        folder_fd >= 0 ? jackdaw_open_log(folder_fd, log_name, log_limit_bytes, log_files) : -1;
    if (log_fd >= 0) {
        fcntl(log_fd, F_SETFL, O_APPEND); // without O_NONBLOCK: its writers expect plain files
        dup2(log_fd, 1);
        dup2(log_fd, 2);
    }
    close_range(3, ~0U, 0);
    jackdaw_reset_signals();
    jackdaw_join(path, sizeof path, program_folder, "/jackdawd", "");
    argv[0] = path;
    read_arguments(text, argv);
    execve(path, argv, environment);
    jackdaw_say(program_name, "cannot execute", path, errno);
    _exit(127);
}

/// The last bytes of the log, as a file of their own; on a full disk as many as there is room for.
void keep_end(int folder_fd, int log_fd, off_t size) {
    unlinkat(folder_fd, older_log_name, 0);
    const int fd = openat(folder_fd, older_log_name,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0) {
        return;
    }
    const int ignored = fchown(fd, 0, JACKDAW_AGENT_GID);
    (void)ignored;
    off_t at = size - log_limit_bytes;
    while (at < size && sendfile(fd, log_fd, &at, static_cast<size_t>(size - at)) > 0) {
    }
    close(fd);
}

} // namespace

void bound_agent_log() {
    struct stat status;
    const int folder_fd = jackdaw_open_root_folder(log_folder);
    if (folder_fd < 0) {
        return;
    }
    if (fstatat(folder_fd, log_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode) && status.st_size > log_limit_bytes) {
        const int fd = openat(folder_fd, log_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            keep_end(folder_fd, fd, status.st_size);
            const int ignored = ftruncate(fd, 0);
            (void)ignored;
            close(fd);
        }
    }
    close(folder_fd);
}

void start_agent_if_due(State& state, int64_t now_ns) {
    Agent& agent = state.agent;
    if (agent.pid != 0 || state.power_off != PowerOff::no || now_ns < agent.start_at_ns) {
        return;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        become_agent(agent);
    }
    if (pid < 0) {
        agent.start_at_ns = now_ns + longest_pause_ns;
        return;
    }
    agent.pid = pid;
    agent.session = pid;
    agent.started_at_ns = now_ns;
}

bool agent_reaped(State& state, pid_t pid, int64_t now_ns) {
    Agent& agent = state.agent;
    if (pid != agent.pid) {
        return false;
    }
    const bool quick = now_ns - agent.started_at_ns < quick_ns;
    agent.pid = 0;
    agent.quick_deaths = quick ? agent.quick_deaths + 1 : 0;
    agent.start_at_ns = now_ns + pause_after(agent.quick_deaths);
    return true;
}

bool agent_gone(const State& state) {
    const Agent& agent = state.agent;
    if (agent.pid != 0) {
        return false;
    }
    if (agent.group_fd >= 0) {
        return jackdaw_group_populated(agent.group_fd) <= 0;
    }
    return agent.session == 0 || kill(-agent.session, 0) != 0;
}

void kill_agent(const State& state) {
    const Agent& agent = state.agent;
    if (agent.group_fd >= 0) {
        jackdaw_group_kill(agent.group_fd);
    }
    if (agent.session != 0) {
        kill(-agent.session, SIGKILL);
    }
}

} // namespace jackdaw::init
