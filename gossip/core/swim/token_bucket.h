#pragma once
// So many per second, with a burst. Whole numbers only: the same everywhere.

#include <algorithm>
#include <cstdint>

#include "proto/base/time.h"

namespace jackdaw::swim {

class TokenBucket {
public:
    TokenBucket(std::uint64_t per_second, std::uint64_t burst) noexcept
        : per_second_{per_second}, burst_{burst}, have_{burst} {}

    /// Takes them, or nothing when there are not so many.
    [[nodiscard]] bool take(Instant now, std::uint64_t count = 1) noexcept {
        refill(now);
        if (have_ < count) {
            return false;
        }
        have_ -= count;
        return true;
    }
    /// Takes what there is of them, down to none: for what was done already.
    void charge(Instant now, std::uint64_t count) noexcept {
        refill(now);
        have_ -= std::min(have_, count);
    }
    [[nodiscard]] std::uint64_t available(Instant now) noexcept {
        refill(now);
        return have_;
    }
    /// When there will be `count`, at most a burst.
    [[nodiscard]] Instant ready_at(std::uint64_t count = 1) const noexcept {
        if (have_ >= count) {
            return at_;
        }
        const auto missing = std::min(count, burst_) - have_;
        return at_ + Duration{static_cast<std::int64_t>(missing * second / per_second_ + 1)};
    }

private:
    static constexpr std::uint64_t second = 1'000'000'000;

    void refill(Instant now) noexcept {
        if (now <= at_) {
            return;
        }
        const auto passed = static_cast<std::uint64_t>((now - at_).count());
        if (passed / second >= burst_ / per_second_ + 1) {
            have_ = burst_;
            at_ = now;
            return;
        }
        const auto earned = passed * per_second_ / second;
        have_ = std::min(burst_, have_ + earned);
        at_ = have_ == burst_
                  ? now
                  : at_ + Duration{static_cast<std::int64_t>(earned * second / per_second_)};
    }

    std::uint64_t per_second_;
    std::uint64_t burst_;
    std::uint64_t have_;
    Instant at_{};
};

} // namespace jackdaw::swim
