#pragma once
// Which datagrams of one sender came already (GOSSIP.md, section 11): the highest number and a
// window of the 64 below it, as in IPsec (RFC 4303, section 3.4.3).

#include <cstdint>

namespace jackdaw::swim {

struct ReplayWindow {
    std::uint64_t seen = 0; ///< bit i: highest - i came
    std::uint32_t boot = 0; ///< of which the numbers are
    std::uint32_t highest = 0;

    /// False for one that came already, or is too old to tell. Numbers begin at 1.
    [[nodiscard]] bool accept(std::uint32_t seq) noexcept {
        if (seq == 0) {
            return false;
        }
        if (seq > highest) {
            const auto ahead = seq - highest;
            seen = ahead >= 64 ? 0 : seen << ahead;
            seen |= 1;
            highest = seq;
            return true;
        }
        const auto behind = highest - seq;
        if (behind >= 64 || (seen >> behind & 1) != 0) {
            return false;
        }
        seen |= std::uint64_t{1} << behind;
        return true;
    }
    /// So far below that no reordering explains it.
    [[nodiscard]] bool is_far_below(std::uint32_t seq) const noexcept {
        return seq < highest && highest - seq >= 64;
    }
    void restart(std::uint32_t with_boot) noexcept { *this = ReplayWindow{0, with_boot, 0}; }
};

} // namespace jackdaw::swim
