#pragma once
// How a test makes the fake slow, or makes it fail: lines "name number" in a file that the fake
// reads once, each time it is run. In a machine that is /run/jackdaw/database/fake.options. Absent:
// none of it.

#include <string>

namespace jackdaw::fake {

struct Options {
    long init_delay_ms = 0;   ///< before each step of --init
    long init_fail_step = 0;  ///< --init exits with 1 at that step, 1 being the first
    long init_crash_step = 0; ///< --init kills itself with SIGKILL in the middle of that step
    long check_fail = 0;      ///< --check refuses
    long start_delay_ms = 0;  ///< before --serve listens
    long start_fail = 0;      ///< --serve exits with 1 before it listens
    long stop_delay_ms = 0;   ///< after SIGTERM
    long ignore_term = 0;     ///< SIGTERM does nothing
    long examine_fail = 0;    ///< does not tell how many connections there are
};

[[nodiscard]] Options read_options(const std::string& path);

/// Sleeps; at most a minute.
void delay(long milliseconds);

} // namespace jackdaw::fake
