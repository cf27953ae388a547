#pragma once
// The settings of membership and its limits (GOSSIP.md, sections 13 and 14). Each setting says how
// to choose it; a fleet's members may differ in them.

#include <cstddef>
#include <cstdint>

#include "proto/base/error.h"
#include "proto/base/time.h"

namespace jackdaw::swim {

struct Config {
    /// One member is probed per period: two datagrams per period and member are the idle load.
    Duration probe_period;
    Duration rto_min;   ///< above the scheduler's noise
    Duration rto_max;   ///< half a period or more; at most a period
    Duration rto_start; ///< while nothing was measured
    /// A probe fails after min(period, max(this, 5 RTO)): so long that 30 % loss rarely fails one.
    Duration probe_floor;
    /// A healthy machine whose pause is shorter than this plus probe_floor is not called down; one
    /// whose pause is a period longer may be.
    Duration suspicion_min;
    Duration gossip_every; ///< while there is news
    std::uint32_t gossip_fanout;
    Duration flush_after;    ///< the first gossip of an item
    Duration flush_gap;      ///< between two flushes; at least the one-way delay of most links
    Duration sync_gap_quiet; ///< between two syncs that this member starts
    Duration sync_gap_busy;  ///< the same while the view changes
    Duration settle;         ///< a view is quiet when it did not change for so long
    Duration deaf_hold;      ///< longest outage of one's own to sit out without judging

    [[nodiscard]] static Config local();
    [[nodiscard]] static Config lan();
    [[nodiscard]] static Config wan();
    /// `invalid`, naming an agent's settings as it does, unless all are positive,
    /// floor <= period, suspicion_min >= max(2 floors, period), rto_min <= rto_max <= period,
    /// rto_start <= period, and deaf_hold >= 3 periods.
    [[nodiscard]] Result<void> validate() const;

    [[nodiscard]] Duration deaf_after() const noexcept { return probe_period * 3 / 2; }
    [[nodiscard]] Duration suspicion_max() const noexcept { return 6 * suspicion_min; }
};

/// Each refuses or drops, and counts.
struct Limits {
    std::size_t members = 16384; ///< alive and suspect, this one too
    std::size_t dead = 4096;     ///< records kept of members down or left
    std::size_t tombstones = 16384;
    std::size_t news_members = 8192;
    std::size_t news_statuses = 4096;
    std::size_t news_hints = 512;
    std::size_t doubts = 64;
    std::size_t detours = 64;
    std::size_t relays = 256;
    std::size_t observer_probes = 16;
    std::size_t rumour_probes = 16;
    std::size_t sounding_probes = 16;
    std::size_t zones = 64;
    std::size_t operators = 64;
    std::size_t unverified = 4096;
    std::size_t hint_keys = 4096;
    std::size_t incompatible = 256;
    std::size_t strangers = 256;
    std::size_t outbox = 4096;
    std::size_t events = 16384;
    std::size_t why = 4096;
    std::size_t addresses = 256;
    std::uint64_t verifies_per_s = 2000;
    std::uint64_t datagrams_per_s = 20'000;
    std::uint64_t gossip_bytes_per_s = 64 * 1024;
    std::uint64_t gossip_bytes_burst = 128 * 1024;
    std::uint64_t sync_bytes_per_s = 2 * 1024 * 1024;
    std::uint64_t sync_bytes_burst = 256 * 1024;
};

// What no setting changes.
inline constexpr std::uint32_t observers_asked = 5; ///< K + 2: two may be dead
inline constexpr std::uint32_t helpers_asked = 3;   ///< by a periodic probe; by others one less
inline constexpr std::uint32_t pings_again_max = 8;
inline constexpr std::uint32_t accusers_max = 4;
inline constexpr std::uint32_t confirmers_max = 3; ///< K of the suspicion's time
inline constexpr std::uint8_t health_worst = 7;
inline constexpr std::uint64_t incarnation_leap = 1'000'000; ///< above the signed one: dropped
inline constexpr std::uint32_t numbers_end = 0xFFFF'FFFF;    ///< of datagrams in one boot
inline constexpr std::uint64_t reserve_step = 64;
inline constexpr std::uint64_t reserve_low = 16;
inline constexpr Duration late_after = std::chrono::milliseconds{250};
inline constexpr Duration dead_kept = std::chrono::hours{24};
inline constexpr Duration addresses_first = std::chrono::seconds{5}; ///< then they are kept first
inline constexpr Duration addresses_every = std::chrono::seconds{60};
inline constexpr Duration tombstone_kept = std::chrono::hours{72};
inline constexpr std::size_t answers_max = 4; ///< datagrams that answer one; pages: 8
inline constexpr std::size_t pages_max = 8;

} // namespace jackdaw::swim
