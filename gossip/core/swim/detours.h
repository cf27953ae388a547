#pragma once
// Members that answer others and not this one: what a link that is cut, or open one way only, looks
// like from one end of it. For `doctor` alone; nothing is decided by it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gossip/core/swim/records.h"
#include "proto/base/time.h"

namespace jackdaw::swim {

struct Detour {
    NodeId id{};
    std::uint32_t times = 0; ///< that only others heard it, since its last answer to this member
    Instant since{};
    Instant last{};
};

/// At most `max`; who was missed longest ago makes room.
class Detours {
public:
    explicit Detours(std::size_t max) noexcept : max_{max} {}

    /// Others heard `id` while it did not answer here: a probe ended so, or a doubt was cleared.
    void by_others(NodeId id, Instant now) {
        auto at = std::ranges::find(all_, id, &Detour::id);
        if (at == all_.end()) {
            if (all_.size() >= max_) {
                all_.erase(std::ranges::min_element(all_, {}, &Detour::last));
            }
            at = all_.insert(all_.end(), Detour{id, 0, now, now});
        }
        ++at->times;
        at->last = now;
        const auto behind = std::ranges::find_if(
            all_.begin(), at, [&](const Detour& one) { return one.times < at->times; });
        std::rotate(behind, at, at + 1);
    }
    /// It answered here, or is no member any more.
    void end(NodeId id) {
        std::erase_if(all_, [&](const Detour& one) { return one.id == id; });
    }
    /// Those most often missed first.
    [[nodiscard]] std::span<const Detour> all() const noexcept { return all_; }

private:
    std::size_t max_;
    std::vector<Detour> all_;
};

} // namespace jackdaw::swim
