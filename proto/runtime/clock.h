#pragma once
// The one object that reads clocks. Cores are handed its answers and never ask themselves.

#include <cstdint>
#include <string>

#include "proto/base/time.h"

namespace jackdaw::runtime {

/// One moment, on the three scales that a deadline needs (ARCHITECTURE.md, Operations).
struct Moment {
    std::string boot_id; ///< of /proc/sys/kernel/random/boot_id, plus the machine's own start
    std::int64_t boottime_ns = 0; ///< CLOCK_BOOTTIME: counts on through suspend, never set
    std::int64_t wall_ms = 0;     ///< Unix time; may jump
};

/// Thread-safe after construction.
class Clock {
public:
    /// `machine_boot` tells two power-ons of a local machine apart, which share the host's boot id;
    /// may be empty. `faults_file`: read by builds with JACKDAW_FAULTS only, a line "wall +3600" or
    /// "wall -3600" shifts the wall clock by that many seconds for as long as it stands there.
    explicit Clock(std::string machine_boot = {}, std::string faults_file = {});

    [[nodiscard]] Moment now() const;
    [[nodiscard]] std::int64_t wall_ms() const;
    [[nodiscard]] static std::int64_t boottime_ns();
    /// Monotonic, for the cores of gossip.
    [[nodiscard]] static Instant instant();

private:
    std::string boot_id_;
    std::string faults_file_;
};

} // namespace jackdaw::runtime
