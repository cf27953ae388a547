#include "coordinator/cloud/local/machine_power.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/network.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::chrono::milliseconds stop_budget_max{3'600'000};
constexpr std::chrono::milliseconds settle_time{5'000};

/// True when the process ended within the time.
bool ended_within(int pidfd, std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waited{.fd = pidfd, .events = POLLIN, .revents = 0};
        const int ready =
            ::poll(&waited, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready > 0) {
            return true;
        }
        if (left.count() <= 0) {
            return false;
        }
    }
}

/// A machine that this very process started is its child: no zombie of it stays.
void reap_if_child(int pidfd) {
    siginfo_t info{};
    (void)::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
}

} // namespace

MachinePower::MachinePower(Layout layout, const CgroupMounts& mounts, std::string name)
    : layout_{std::move(layout)},
      name_{std::move(name)},
      cgroup_{mounts, layout_.cgroup(), name_} {}

bool MachinePower::is_on() const {
    return is_locked(layout_.machine_lock(name_)) || cgroup_.populated();
}

MachineState MachinePower::state() const {
    if (!is_on()) {
        return MachineState::off;
    }
    return cgroup_.frozen() ? MachineState::frozen : MachineState::on;
}

Result<UniqueFd> MachinePower::open_first_process(pid_t* pid) const {
    const auto found = cgroup_.first_process();
    if (!found) {
        return Error{Code::machine_down, "machine " + name_ + " is off"}.with_hint(
            "`jackdaw machine power-on " + name_ + "`");
    }
    UniqueFd fd{static_cast<int>(::syscall(SYS_pidfd_open, *found, 0U))};
    // The pid could have become another's between the two looks.
    if (!fd || cgroup_.first_process() != found) {
        return Error{Code::machine_down, "machine " + name_ + " just went off"};
    }
    *pid = *found;
    return fd;
}

Result<void> MachinePower::stop(std::chrono::milliseconds budget, const MachineRecord& record) {
    pid_t pid = -1;
    const auto first = open_first_process(&pid);
    if (first) {
        if (cgroup_.frozen()) {
            JACKDAW_CHECK(cgroup_.freeze(false)); // a frozen process hears no SIGTERM
        }
        if (::syscall(SYS_pidfd_send_signal, first->get(), SIGTERM, nullptr, 0U) != 0 &&
            errno != ESRCH) {
            return os_error("ask machine " + name_ + " to end", errno);
        }
        fault_point("machine asked to end");
        (void)ended_within(first->get(),
                           std::clamp(budget, std::chrono::milliseconds{0}, stop_budget_max));
        JACKDAW_CHECK(cgroup_.kill());
        reap_if_child(first->get());
    }
    return kill(record);
}

Result<void> MachinePower::kill(const MachineRecord& record) {
    pid_t pid = -1;
    const auto first = open_first_process(&pid);
    JACKDAW_CHECK(cgroup_.kill());
    if (first) {
        reap_if_child(first->get());
    }
    fault_point("machine killed");
    return settle(record);
}

/// The kernel takes a machine apart after its processes are gone. The loop device shares the volume
/// file's open description, so that the lock on it is free no sooner than the file system is
/// unmounted.
Result<void> MachinePower::settle(const MachineRecord& record) const {
    const std::string& volume = record.spec.volume_id;
    if (!wait_until(settle_time, [&] {
            return !is_on() && (volume.empty() || !is_locked(layout_.volume_image(volume)));
        })) {
        return Error{Errc::deadline,
                     "machine " + name_ + " ended, but the kernel still holds a part of it"};
    }
    const auto address = parse_address(record.spec.address);
    if (!address) {
        return ok(); // it never got one, so it never had a veth
    }
    JACKDAW_TRY(auto netlink, Netlink::open());
    return remove_link(netlink, layout_.veth(*address));
}

} // namespace jackdaw::cloud::local
