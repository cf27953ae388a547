#pragma once
// Has nobody ever answered this agent? Who starts in a cut, with a ring that is not the fleet's, or
// with a seed where nobody is, knows of no other whom it could miss. Pure.

#include <cstdint>
#include <optional>

#include "proto/base/time.h"

namespace jackdaw::agent {

class AnswerWatch {
public:
    enum class Turn : std::uint8_t { none, unanswered, answered };
    /// Some eight seconds; a fleet whose machines start together is faster.
    static constexpr std::uint32_t rounds_min = 5;

    /// Every few seconds. `rounds`: of asking without an answer; `heard`: datagrams of others that
    /// were taken since this life of gossip began.
    Turn look(Instant now, std::uint32_t rounds, std::uint64_t heard) noexcept {
        const bool was = is_unanswered_;
        if (rounds != 0 && !since_) {
            since_ = now;
        }
        is_unanswered_ = heard == 0 && (was || rounds >= rounds_min);
        return was == is_unanswered_ ? Turn::none : was ? Turn::answered : Turn::unanswered;
    }
    [[nodiscard]] bool is_unanswered() const noexcept { return is_unanswered_; }
    /// Only while it is: since when it asks.
    [[nodiscard]] Instant since() const noexcept { return since_.value_or(Instant{}); }

private:
    std::optional<Instant> since_;
    bool is_unanswered_ = false;
};

} // namespace jackdaw::agent
