#pragma once
// A run of random faults from one seed, and whether everything held.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/fleet_checks.h"

namespace jackdaw::sim {

enum class Fault : std::uint8_t {
    kill,      ///< and later a restart with its disk
    torn,      ///< killed between what was made durable and what was to be sent
    wiped,     ///< killed, restarted with an empty disk
    old_disk,  ///< killed, restarted with an older disk
    pause,     ///< stands still for 0.1 to 20 s, then goes on
    partition, ///< some do not hear the others
    one_way,   ///< one is not heard by the others
    pair,      ///< two do not hear each other
    loss,      ///< up to 40 %
    duplicate, ///< up to 20 %
    delay,     ///< up to 500 ms, each datagram its own: reordered
    leave,     ///< for good, and later a restart
    news,      ///< statuses and hints
    held,      ///< links keep what is sent over them, and deliver it later at once
    wall,      ///< killed, restarted with a wall clock years ahead or behind, perhaps without disk
    late,      ///< it hears, but its timers run up to 5 s late
    full,      ///< its socket is full for a part of what comes
    adversary, ///< a member that was taken over does what it likes (tests/sim/adversary.h)
};
inline constexpr std::size_t faults_count = 18;
[[nodiscard]] std::string_view name_of(Fault fault) noexcept;
[[nodiscard]] std::vector<Fault> all_faults();

struct Run {
    std::uint64_t seed = 1;
    std::size_t members = 0; ///< 0: 3 to 16, by the seed
    std::vector<Fault> faults = all_faults();
    /// Each fault on standard output as it comes, and whom it strikes: members by their places, of
    /// a part those in it; "all" links; "nobody", e.g. when fewer than two run.
    bool tell = false;
};
struct Outcome {
    std::string breach; ///< empty: everything held
    std::uint64_t trace = 0;
    std::uint64_t wrong_downs = 0;
    std::uint64_t datagrams = 0;
};
/// Starts a fleet, does ten faults to it, lets it rest, and looks.
[[nodiscard]] Outcome run_faults(const Run& run);

} // namespace jackdaw::sim
