#include "agent/host/fake_guard.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <cassert>

namespace jackdaw::agent {
namespace {

std::int64_t boottime_ns() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void signal_fd(int fd) {
    const std::uint64_t one = 1;
    (void)!::write(fd, &one, sizeof one);
}

bool readable(int fd) {
    pollfd wait{fd, POLLIN, 0};
    return fd >= 0 && ::poll(&wait, 1, 0) == 1;
}

Error guard_died() {
    return Error{Code::guard_died, "the guard has died"};
}

} // namespace

// ---- guards; the mutex is held ----------------------------------------------------------------

std::shared_ptr<FakeHost::Guard> FakeHost::start_guard(const std::string& name, JobScript script,
                                                       std::function<void()> at_good_end) {
    auto guard = std::make_shared<Guard>();
    guard->name = name;
    guard->status.child_pid = ++last_pid_;
    guard->status.started_boottime_ns = boottime_ns();
    guard->script = std::move(script);
    guard->at_good_end = std::move(at_good_end);
    guard->event = UniqueFd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    assert(guard->event);
    guards_[name] = guard;
    return guard;
}

FakeHost::Links FakeHost::link_to(std::shared_ptr<Guard> guard) {
    return std::unique_ptr<GuardLink>{std::make_unique<Link>(*this, std::move(guard))};
}

void FakeHost::play(Guard& guard) {
    if (guard.dead || guard.status.phase == GuardPhase::ended || guard.script.hangs) {
        return;
    }
    if (guard.script.guard_dies) {
        die(guard);
        return;
    }
    end(guard, guard.script.exit_status, 0);
}

void FakeHost::end(Guard& guard, std::optional<int> exit_status, int signal) {
    if (guard.dead || guard.status.phase == GuardPhase::ended) {
        return;
    }
    guard.status.phase = GuardPhase::ended;
    guard.status.ended_boottime_ns = boottime_ns();
    guard.status.exit_status = exit_status;
    guard.status.signal = signal;
    if (guard.status.succeeded() && guard.at_good_end) {
        guard.at_good_end();
    }
    signal_fd(guard.event.get());
}

void FakeHost::die(Guard& guard) {
    guard.dead = true;
    signal_fd(guard.event.get());
    const auto last_owner = guards_.extract(guard.name);
}

// ---- links ------------------------------------------------------------------------------------

Result<GuardStatus> FakeHost::Link::status() {
    const std::lock_guard lock{host_->mutex_};
    if (host_->cut_off_) {
        return nobody_answers();
    }
    if (guard_->dead) {
        return guard_died();
    }
    return guard_->status;
}

Result<void> FakeHost::Link::request_stop(StopKind kind) {
    return host_->call<void>("link.request_stop", false, [&]() -> Result<void> {
        if (guard_->dead) {
            return guard_died();
        }
        if (guard_->name == database_guard && kind == StopKind::clean) {
            host_->end(*guard_, 0, 0);
        } else {
            host_->end(*guard_, std::nullopt, 9);
        }
        return ok();
    });
}

Result<std::string> FakeHost::Link::output() {
    return host_->call<std::string>("link.output", false, [&]() -> Result<std::string> {
        if (guard_->dead) {
            return guard_died();
        }
        return guard_->script.output;
    });
}

Result<void> FakeHost::Link::release() {
    return host_->call<void>("link.release", false, [&]() -> Result<void> {
        if (guard_->dead) {
            return guard_died();
        }
        if (guard_->status.phase == GuardPhase::ended) {
            host_->die(*guard_);
        }
        return ok();
    });
}

Result<GuardStatus> FakeHost::Link::wait_end(std::chrono::milliseconds limit, int cancel_fd) {
    const auto until = std::chrono::steady_clock::now() + limit;
    // A fault of this call is one of its beginning: the job has not been looked at yet.
    auto began = host_->call<void>("link.wait_end", false, [&]() -> Result<void> {
        if (!guard_->dead && !readable(cancel_fd)) {
            host_->play(*guard_);
        }
        return ok();
    });
    if (!began) {
        return std::move(began).error();
    }
    for (;;) {
        JACKDAW_TRY(const auto seen, status());
        if (seen.phase == GuardPhase::ended) {
            return seen;
        }
        if (readable(cancel_fd)) {
            return Error{Errc::cancelled, "the wait was cancelled"};
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return Error{Errc::deadline, "the process goes on"};
        }
        pollfd waits[2] = {{guard_->event.get(), POLLIN, 0}, {cancel_fd, POLLIN, 0}};
        constexpr std::int64_t look_again_ms = 100; // cut_off() wakes nobody
        (void)::poll(waits, 2,
                     static_cast<int>(std::min<std::int64_t>(left.count(), look_again_ms)));
    }
}

} // namespace jackdaw::agent
