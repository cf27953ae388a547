#pragma once
// Which news replaces what is held (GOSSIP.md, section 3): the greater claim. Only an accusation is
// ignored all the same: of who is not known, of who has left (decision 37 of core/README.md), and
// above what the accused could refute.

#include <cstdint>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/records.h"

namespace jackdaw::swim {

/// (incarnation, rank): alive, suspect, down, left, worst last.
struct Claim {
    std::uint64_t incarnation = 0;
    Standing state = Standing::alive;

    friend auto operator<=>(const Claim&, const Claim&) = default;
};

[[nodiscard]] constexpr bool is_live(Standing state) noexcept {
    return state <= Standing::suspect;
}

enum class Verdict : std::uint8_t {
    ignore,   ///< old, or of nobody known
    add,      ///< a member not yet met
    bury,     ///< keep a tombstone of one not yet met
    replace,  ///< it is greater than what is held
    accuse,   ///< the same suspicion by perhaps another accuser
    too_high, ///< above what the accused could refute: drop and count
    refute,   ///< about this member itself, and at least as high as its own incarnation
};

/// What to do with news about another member. `held`: what is held of it, null if nothing;
/// `tombstone`: what is remembered of it instead, null if nothing; `signed_incarnation`: of the
/// `alive` held.
[[nodiscard]] constexpr Verdict judge(const Claim& news, const Claim* held, const Claim* tombstone,
                                      std::uint64_t signed_incarnation) noexcept {
    const bool is_accusation = news.state == Standing::suspect || news.state == Standing::down;
    if (held == nullptr) {
        if (is_accusation || (tombstone != nullptr && news <= *tombstone)) {
            return Verdict::ignore; // else a forged one would shut out a member not yet met
        }
        return news.state == Standing::alive ? Verdict::add : Verdict::bury;
    }
    if (is_accusation && held->state == Standing::left) {
        return Verdict::ignore; // it said itself that it goes; nobody signs an accusation
    }
    if (is_accusation && news.incarnation > signed_incarnation &&
        news.incarnation - signed_incarnation > incarnation_leap) {
        return Verdict::too_high;
    }
    if (news > *held) {
        return Verdict::replace;
    }
    return news == *held && news.state == Standing::suspect ? Verdict::accuse : Verdict::ignore;
}

/// What to do with suspect, down or left about this member itself, which runs.
[[nodiscard]] constexpr Verdict judge_own(const Claim& news, std::uint64_t mine) noexcept {
    if (news.incarnation < mine) {
        return Verdict::ignore;
    }
    const bool is_signed = news.state == Standing::left; // it signed that itself, or an operator
    return !is_signed && news.incarnation - mine > incarnation_leap ? Verdict::too_high
                                                                    : Verdict::refute;
}

} // namespace jackdaw::swim
