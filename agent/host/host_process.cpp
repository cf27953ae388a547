#include "agent/host/host_process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "agent/host/host_files.h"
#include "agent/host/host_machine.h"
#include "agent/host/host_server.h"

namespace jackdaw::agent {
namespace {

constexpr const char* lock_path = "/run/jackdaw/host.lock";
constexpr int socket_number = 3;
constexpr int lock_retry_ms = 5; ///< mostly the moment in which a killed agent's host ends

Error system_error(const char* doing) {
    return Error{Errc::unavailable, doing, std::error_code{errno, std::generic_category()}};
}

void close_doors() {
    const rlimit none{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &none);
    (void)::prctl(PR_SET_DUMPABLE, 0);
    (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0,
                  0); // guards are spawned by the first process, not by us
}

/// The host of a killed agent may still be inside a verb: wait for its end, however long that verb
/// is. Ends this process when its own agent is gone meanwhile, as a second agent is that refused
/// (by the socket: an unprivileged parent's death sends root's process no PDEATHSIG).
Result<UniqueFd> take_lock() {
    JACKDAW_CHECK(host::ensure_folder("/run/jackdaw", 0, 0, 0755));
    UniqueFd lock{::open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!lock) {
        return system_error("open the host's lock");
    }
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return system_error("take the host's lock");
        }
        pollfd agent{socket_number, 0, 0};
        if (::poll(&agent, 1, lock_retry_ms) > 0) {
            ::_exit(0);
        }
    }
    return lock;
}

Result<MachineFile> start() {
    JACKDAW_CHECK(host::make_machine_folders());
    JACKDAW_TRY(auto machine, host::first_boot());
    // By the machine file: a database that runs already must not lose its folder.
    JACKDAW_CHECK(host::ensure_folder(std::string{database_run_folder}, machine.database_uid,
                                      machine.database_gid, 0755));
    return machine;
}

[[noreturn]] void live(int socket, OpenPorts ports) {
    (void)::prctl(PR_SET_NAME, "jackdaw-host");
    if (socket != socket_number) {
        ::dup2(socket, socket_number);
    }
    ::close_range(socket_number + 1, ~0U, 0);
    (void)::fcntl(socket_number, F_SETFD, FD_CLOEXEC);
    // It ends when its agent has ended, and never inside a verb: a signal for the agent's group is
    // not for it.
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
        ::signal(number, SIG_IGN);
    }
    ::umask(022);
    (void)::chdir("/");
    close_doors();
    const auto lock = take_lock();
    auto machine = lock ? start() : Result<MachineFile>{lock.error().clone()};
    std::optional<Error> broken;
    if (!machine) {
        broken = std::move(machine).error().while_doing("start jackdaw-host");
    }
    host::Server server{machine ? std::move(*machine) : MachineFile{}, std::move(broken), ports};
    server.run(socket_number);
    ::_exit(0);
}

} // namespace

Result<HostProcess> fork_host(OpenPorts ports) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return system_error("make the socket pair of jackdaw-host");
    }
    UniqueFd ours{ends[0]};
    const UniqueFd theirs{ends[1]};
    const auto child = ::fork();
    if (child < 0) {
        return system_error("fork jackdaw-host");
    }
    if (child == 0) {
        live(theirs.get(), ports);
    }
    return HostProcess{std::move(ours), child};
}

Result<void> drop_rights() {
    const std::array<gid_t, 2> groups{host::agent_gid, host::admin_gid};
    if (::setgroups(groups.size(), groups.data()) != 0 ||
        ::setresgid(host::agent_gid, host::agent_gid, host::agent_gid) != 0 ||
        ::setresuid(host::agent_uid, host::agent_uid, host::agent_uid) != 0) {
        return system_error("become the user jackdawd");
    }
    if (::setuid(0) == 0 || ::getuid() != host::agent_uid || ::geteuid() != host::agent_uid) {
        return Error{Errc::internal, "the rights of root did not go"};
    }
    close_doors();
    return ok();
}

} // namespace jackdaw::agent
