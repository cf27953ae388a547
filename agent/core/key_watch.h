#pragma once
// Is this agent shut out of its fleet by its keys? Then datagrams come in and none of them opens:
// it missed a rotation while it was off and the others have removed what it holds, or it is the
// only one that did not miss it. Pure.

#include <cstdint>

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
    static constexpr std::int64_t over_ms = 600'000;

    /// Every few seconds, with what was counted since this life of gossip began: datagrams under a
    /// key that is not held, and those that opened.
    Turn look(std::int64_t wall_ms, std::uint64_t unknown, std::uint64_t opened) noexcept {
        const auto had = unknown_;
        const bool is_missing = unknown != had;
        const bool is_heard = opened != opened_;
        unknown_ = unknown;
        opened_ = opened;
        if (is_heard) {
            const bool ends = is_shut_out();
            looks_ = 0;
            return ends ? Turn::let_in : Turn::none;
        }
        if (!is_missing) { // who is taken for down is asked now and then only
            const bool over = looks_ != 0 && wall_ms - missed_ms_ >= over_ms;
            const bool ends = over && is_shut_out();
            looks_ = over ? 0 : looks_;
            return ends ? Turn::over : Turn::none;
        }
        missed_ms_ = wall_ms;
        if (looks_ == 0) {
            since_ms_ = wall_ms;
            before_ = had;
        }
        if (is_shut_out()) {
            return Turn::none;
        }
        ++looks_;
        return is_shut_out() ? Turn::shut_out : Turn::none;
    }
    [[nodiscard]] bool is_shut_out() const noexcept { return looks_ == looks_min; }
    [[nodiscard]] std::int64_t since_ms() const noexcept { return since_ms_; }
    /// Datagrams since then that did not open.
    [[nodiscard]] std::uint64_t missed() const noexcept { return unknown_ - before_; }

private:
    std::uint64_t unknown_ = 0, opened_ = 0;
    std::uint64_t before_ = 0;                  ///< `unknown`, when it began
    std::int64_t since_ms_ = 0, missed_ms_ = 0; ///< of the first, and of the last
    unsigned looks_ = 0; ///< that saw some and heard nobody, since somebody was heard
};

} // namespace jackdaw::agent
