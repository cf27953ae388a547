#pragma once
// When to start a database that has ended: at once, then with growing pauses, then not any more.
// Pure.
//
// A table (observation → action), enumerated in tests/unit/supervisor_test.cpp:
//
//                      wanted running                     wanted stopped
//   ended by itself    start after the pause; after       nothing
//                      `deaths_max` within `window`: give up
//   ended by order     nothing (the operation that        nothing
//                      stopped it starts it again)
//   lives, answers     forget the deaths after `window`   –

#include <cstdint>
#include <deque>
#include <optional>

#include "proto/base/time.h"

namespace jackdaw::agent {

struct SupervisorConfig {
    Duration first_pause{};                        ///< before the first restart
    Duration pause_step = std::chrono::seconds{1}; ///< the second waits this long, then doubled
    Duration pause_max = std::chrono::seconds{30};
    std::uint32_t deaths_max = 5; ///< this many within `window` is a crash loop
    Duration window = std::chrono::minutes{5};
};

class Supervisor {
public:
    explicit Supervisor(SupervisorConfig config = {}) : config_{config} {}

    /// The database ended without an order of ours.
    void ended(Instant now);
    /// Somebody asked for a start: a crash loop is forgiven.
    void forgive();
    /// The start that was due has been handed to an operation.
    void start_taken() { due_.reset(); }

    [[nodiscard]] bool gave_up() const noexcept { return gave_up_; }
    [[nodiscard]] std::uint32_t deaths() const noexcept {
        return static_cast<std::uint32_t>(deaths_.size());
    }
    [[nodiscard]] bool start_due(Instant now) const noexcept { return due_ && now >= *due_; }
    [[nodiscard]] Instant next_wakeup() const noexcept { return due_.value_or(never); }

private:
    SupervisorConfig config_;
    std::deque<Instant> deaths_; ///< at most deaths_max
    std::optional<Instant> due_;
    bool gave_up_ = false;
};

} // namespace jackdaw::agent
