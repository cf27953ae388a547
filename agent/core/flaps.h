#pragma once
// Members that are suspected and recover again and again: when does this agent say so of itself,
// and what of it does the timeline tell of others? Pure.

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "proto/base/time.h"

namespace jackdaw::agent {

/// Is this agent reached at the address that it tells? Who is not is suspected, says otherwise, and
/// is suspected again. A few times are chance: lost datagrams, a pause.
class ReachWatch {
public:
    static constexpr std::size_t times_min = 10;
    static constexpr auto within = std::chrono::minutes{2};
    static constexpr auto over = std::chrono::minutes{5}; ///< since the last

    /// It refuted that it is suspect or down; or others go on telling it so after it did, and what
    /// it says reaches nobody.
    void taken_for_gone(Instant now) noexcept {
        if (times_ != 0 && now - last() >= over) {
            *this = {};
        }
        latest_[times_ % times_min] = now;
        ++times_;
        const auto oldest = latest_[times_ % times_min]; // of the last `times_min`
        if (!since_ && times_ >= times_min && now - oldest <= within) {
            since_ = oldest;
            before_ = times_ - times_min;
        }
    }
    [[nodiscard]] bool is_unreached(Instant now) const noexcept {
        return since_ && now - last() < over;
    }
    /// Only while it is unreached: the first of those times, and how many they are.
    [[nodiscard]] Instant since() const noexcept { return since_.value_or(Instant{}); }
    [[nodiscard]] std::uint64_t times() const noexcept { return times_ - before_; }

private:
    [[nodiscard]] Instant last() const noexcept {
        return latest_[(times_ + times_min - 1) % times_min];
    }
    std::array<Instant, times_min> latest_{}; ///< a ring
    std::uint64_t times_ = 0, before_ = 0;
    std::optional<Instant> since_;
};

/// What the timeline tells of suspicions: one of a member in a minute, with its end. By the numbers
/// of members; bounded: who finds no place in it is told each time.
class FlapBook {
public:
    static constexpr auto pause = std::chrono::minutes{1};
    static constexpr std::size_t members_max = 4096;

    /// Whether to tell it: how many were not told since the one before; nullopt: not.
    std::optional<std::uint64_t> suspected(std::uint64_t id, Instant now) {
        if (const auto at = book_.find(id); at != book_.end()) {
            auto& one = at->second;
            if (now - one.told < pause) {
                one.is_open = true;
                ++one.left_out;
                return std::nullopt;
            }
            const auto left_out = one.left_out;
            one = {now, 0, false};
            return left_out;
        }
        if (now - swept_ >= pause) { // who goes on is asked about soon after its minute
            std::erase_if(book_,
                          [&](const auto& one) { return now - one.second.told >= 2 * pause; });
            swept_ = now;
        }
        if (book_.size() < members_max) {
            book_.emplace(id, Told{now, 0, false});
        }
        return 0;
    }
    /// Whether to tell it: not what ends a suspicion that was not told.
    [[nodiscard]] bool recovered(std::uint64_t id) noexcept {
        const auto at = book_.find(id);
        return at == book_.end() || !std::exchange(at->second.is_open, false);
    }
    /// This is told, and so is what ends it.
    void down(std::uint64_t id) noexcept {
        if (const auto at = book_.find(id); at != book_.end()) {
            at->second.is_open = false;
        }
    }

private:
    struct Told {
        Instant told;
        std::uint64_t left_out = 0; ///< since then
        bool is_open = false;       ///< one that was left out goes on
    };
    std::unordered_map<std::uint64_t, Told> book_;
    Instant swept_{};
};

} // namespace jackdaw::agent
