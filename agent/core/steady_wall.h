#pragma once
// When did it happen, by the wall clock, if the monotonic one was read then? The same answer at
// every look: how far the clocks are apart is measured with some error each time, so what was
// measured first stands until the wall clock has been set. Pure.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "proto/base/time.h"

namespace jackdaw::agent {

class SteadyWall {
public:
    /// Further apart than two readings in a row are on a starved machine: the clock was set.
    static constexpr std::int64_t apart_max_ms = 1'000;

    /// Before each use, with both clocks read one behind the other.
    void look(Instant now, std::int64_t wall_ms) noexcept {
        const auto apart = wall_ms - ms_of(now);
        if (!apart_ms_ || std::abs(apart - *apart_ms_) > apart_max_ms) {
            apart_ms_ = apart;
        }
    }
    /// Unix time; look() came before.
    [[nodiscard]] std::int64_t ms_at(Instant then) const noexcept {
        return ms_of(then) + apart_ms_.value_or(0);
    }

private:
    [[nodiscard]] static std::int64_t ms_of(Instant at) noexcept {
        return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
    }
    std::optional<std::int64_t> apart_ms_;
};

} // namespace jackdaw::agent
