#pragma once
// Guards and inits in a private world: the whole test program runs as first process of a PID
// namespace of its own, in a mount namespace whose root is a throwaway overlay of the machine's, in
// a cgroup of its own. Nothing outside is touched, and all of it ends with the program.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/base/unique_fd.h"
#include "proto/machine/guard_protocol.h"
#include "proto/machine/init_protocol.h"

namespace jackdaw::test {

inline constexpr unsigned database_uid = 47413;
inline constexpr int patience_ms = 20'000; ///< how long anything may take before the test fails

/// What to run; the defaults make a small shell job of the database's user.
struct Launch {
    std::string name = "job";
    std::vector<std::string> argv;
    std::vector<std::string> environment = {"PATH=/usr/bin:/bin"};
    std::string folder = "/";
    std::uint32_t kind = JACKDAW_SPAWN_JOB;
    unsigned uid = database_uid;
    std::vector<std::pair<int, unsigned>> stop; ///< signal, seconds
    std::string log;
    std::uint64_t nofile = 0;
    std::vector<int> extra_fds;
};

Launch shell(const std::string& script);
jackdaw_spawn_request request_of(const Launch& launch, bool with_control);

struct GuardProcess {
    pid_t pid = 0;
    UniqueFd control;
};

/// As init starts one; `in_group` also gives it the cgroup guards/NAME.
GuardProcess start_guard(const Launch& launch, bool in_group = true);
/// Any descriptor 3, any descriptors beside it.
pid_t start_guard_with(const std::string& spec_bytes,
                       const std::vector<std::pair<int, int>>& fds_at);

// ---- the client's end; each fails the test when nothing came in time ----
UniqueFd connect_to(const std::string& path);
UniqueFd connect_guard(const std::string& name);
/// The next message, empty at the end of the connection.
std::string receive(int fd);
/// Skips to the next status that is an event with that phase.
jackdaw_guard_status wait_phase(int fd, std::uint32_t phase);
/// Sends a request and skips to its answer.
std::string ask(int fd, std::uint16_t type, std::uint32_t argument = 0);
int ask_ack(int fd, std::uint16_t type, std::uint32_t argument = 0);
jackdaw_guard_status ask_status(int fd);
struct OutputTail {
    std::uint64_t total = 0;
    std::string data;
};
OutputTail ask_output(int fd);
void wait_output(int fd, const std::string& text);
bool send_bytes(int fd, const std::string& bytes, const std::vector<int>& fds = {});

// ---- looking at the world ----
/// Until it holds, with patience.
bool eventually(const std::function<bool()>& holds);
/// Exit status of a child of ours, 1000 + signal, or -1 when it does not end.
int wait_exit(pid_t pid);
void kill_and_reap(pid_t pid);
/// Processes, zombies not counted, with that real uid.
int processes_of(unsigned uid);
/// The guard's lock file can be locked, hence nobody below a guard holds it.
bool lock_is_free(const std::string& name);
bool group_is_empty(const std::string& name);
void kill_group(const std::string& name);
bool has_groups();
bool exists(const std::string& path);
std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text, unsigned mode = 0644);
/// A value in kB of /proc/PID/smaps_rollup.
long smaps_kb(pid_t pid, const std::string& key);
/// Our pid for a process that is `inner` in the namespace whose first process is our `first`.
pid_t outer_pid(pid_t first, pid_t inner);
/// Removes what earlier tests left below /run/jackdaw and /var/log/jackdaw.
void clean_machine();

/// A machine without its provider: jackdaw-init as the first process of a further PID namespace.
class Machine {
public:
    /// `agent`: the shell script that stands for jackdawd.
    /// `held_fd` is passed on as the volume file's.
    explicit Machine(const std::string& agent, bool with_groups = true, int held_fd = -1);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; } ///< ours
    /// SIGTERM, and init's exit status.
    int power_off();
    /// A connection of jackdaw-host's kind.
    UniqueFd connect();
    jackdaw_init_reply ask(int fd, std::uint16_t type);
    std::vector<std::string> list(int fd);
    struct Spawned {
        jackdaw_init_reply reply{};
        UniqueFd control;
    };
    Spawned spawn(int fd, const Launch& launch);

private:
    pid_t pid_ = 0;
};

} // namespace jackdaw::test
