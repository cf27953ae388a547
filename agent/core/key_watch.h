#pragma once
// Is this agent shut out of its fleet by its keys? Then datagrams come in and none of them opens:
// it missed a rotation while it was off and the others have removed what it holds, or it is the
// only one that did not miss it. Pure.

#include <cstdint>
#include <optional>

#include "proto/base/time.h"

namespace jackdaw::agent {

class KeyWatch {
public:
    enum class Turn : std::uint8_t {
        none,
        shut_out,
        let_in, ///< somebody is heard
        over,   ///< nobody is, but nothing comes any more that does not open
    };
    static constexpr unsigned looks_min = 2; ///< one may fall between the steps of a rotation
    /// Since the last such datagram: they were a stranger's. A fleet goes on asking its dead.
    static constexpr auto over_after = std::chrono::minutes{10};
    /// Some come for so long though others are heard: a part of the fleet has other keys.
    static constexpr auto foreign_after = std::chrono::seconds{30};
    static constexpr auto foreign_over = std::chrono::minutes{2}; ///< since the last

    /// Every few seconds, with what was counted since this life of gossip began: datagrams under a
    /// key that is not held, and those of others that were taken (no replays).
    Turn look(Instant now, std::uint64_t unknown, std::uint64_t heard) noexcept {
        const auto had = unknown_;
        const bool is_missing = unknown != had;
        const bool is_heard = heard != heard_;
        unknown_ = unknown;
        heard_ = heard;
        look_at_foreign(now, is_missing, had);
        if (is_heard) {
            const bool ends = is_shut_out();
            looks_ = 0;
            return ends ? Turn::let_in : Turn::none;
        }
        if (!is_missing) { // who is taken for down is asked now and then only
            const bool over = looks_ != 0 && now - missed_ >= over_after;
            const bool ends = over && is_shut_out();
            looks_ = over ? 0 : looks_;
            return ends ? Turn::over : Turn::none;
        }
        missed_ = now;
        if (looks_ == 0) {
            since_ = now;
            before_ = had;
        }
        if (is_shut_out()) {
            return Turn::none;
        }
        ++looks_;
        return is_shut_out() ? Turn::shut_out : Turn::none;
    }
    [[nodiscard]] bool is_shut_out() const noexcept { return looks_ == looks_min; }
    [[nodiscard]] Instant since() const noexcept { return since_; }
    /// Datagrams since then that did not open.
    [[nodiscard]] std::uint64_t missed() const noexcept { return unknown_ - before_; }

    /// Others are heard, and yet such datagrams go on coming: since when, and how many.
    [[nodiscard]] bool sees_foreign() const noexcept {
        return foreign_since_ && !is_shut_out() && foreign_last_ - *foreign_since_ >= foreign_after;
    }
    [[nodiscard]] Instant foreign_since() const noexcept {
        return foreign_since_.value_or(Instant{});
    }
    [[nodiscard]] std::uint64_t foreign() const noexcept { return unknown_ - foreign_before_; }

private:
    void look_at_foreign(Instant now, bool is_missing, std::uint64_t had) noexcept {
        if (foreign_since_ && now - foreign_last_ >= foreign_over) {
            foreign_since_.reset();
        }
        if (is_missing) {
            foreign_last_ = now;
            if (!foreign_since_) {
                foreign_since_ = now;
                foreign_before_ = had;
            }
        }
    }

    std::uint64_t unknown_ = 0, heard_ = 0;
    std::uint64_t before_ = 0;   ///< `unknown`, when it began
    Instant since_{}, missed_{}; ///< of the first, and of the last
    unsigned looks_ = 0;         ///< that saw some and heard nobody, since somebody was heard
    std::optional<Instant> foreign_since_;
    Instant foreign_last_{};
    std::uint64_t foreign_before_ = 0;
};

} // namespace jackdaw::agent
