#pragma once
// The inside of FakeHost: what a guard in memory is, and how a call is counted and spoilt.

#include <utility>

#include <fmt/format.h>

#include "agent/host/fake_host.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

struct FakeHost::Guard {
    std::string name;
    GuardStatus status;
    JobScript script;
    std::function<void()> at_good_end; ///< under the mutex
    bool dead = false;                 ///< the guard itself, and all it held
    UniqueFd event;                    ///< readable from the end or the death on
};

class FakeHost::Link final : public GuardLink {
public:
    Link(FakeHost& host, std::shared_ptr<Guard> guard) : host_{&host}, guard_{std::move(guard)} {}

    [[nodiscard]] int poll_fd() const noexcept override { return guard_->event.get(); }
    Result<GuardStatus> status() override;
    Result<void> request_stop(StopKind kind) override;
    Result<std::string> output() override;
    Result<void> release() override;
    Result<GuardStatus> wait_end(std::chrono::milliseconds limit, int cancel_fd) override;

private:
    FakeHost* host_; ///< outlives every link: it is the machine
    std::shared_ptr<Guard> guard_;
};

[[nodiscard]] inline Error nobody_answers() {
    return Error{Errc::unavailable, "the machine does not answer this agent any more"};
}

template <class T>
Result<T> FakeHost::call(std::string_view name, bool verb,
                         const std::function<Result<T>()>& effect) {
    std::unique_lock lock{mutex_};
    call_names_.emplace_back(name);
    const auto found = faults_.find(call_names_.size());
    Faults faults;
    if (found != faults_.end()) {
        faults = std::move(found->second);
        faults_.erase(found);
    }
    if (const auto next = fail_next_.find(std::string{name}); next != fail_next_.end()) {
        faults.error = std::move(next->second);
        fail_next_.erase(next);
    }
    if (verb && std::exchange(in_verb_, true)) {
        violations_.push_back(fmt::format("{}: two callers asked the host at the same time", name));
    }
    if (faults.before) {
        lock.unlock();
        faults.before();
        lock.lock();
    }
    Result<T> result = cut_off_       ? Result<T>{nobody_answers()}
                       : faults.error ? Result<T>{faults.error->clone()}
                                      : effect();
    if (faults.after) {
        lock.unlock();
        faults.after();
        lock.lock();
    }
    if (verb) {
        in_verb_ = false;
    }
    if (cut_off_) { // the effect may stand; its answer reaches nobody
        return nobody_answers();
    }
    return result;
}

} // namespace jackdaw::agent
