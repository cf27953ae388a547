#pragma once
// How long an answer takes, by zone of the target, and how well this member itself does
// (GOSSIP.md, section 4).

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gossip/core/swim/config.h"

namespace jackdaw::swim {

/// Smoothed round trip and its variance (Jacobson 1988; RFC 6298, without its clock granularity).
struct RoundTrip {
    Duration srtt{};
    Duration rttvar{};
    Instant heard{};
    bool has_sample = false;

    void add(Instant now, Duration sample) noexcept;
};

class Estimates {
public:
    static constexpr std::uint8_t no_zone = 0; ///< estimated by that of all

    explicit Estimates(std::size_t zones_max) noexcept : zones_max_{zones_max} {}

    /// The zone's number, made if need be; no_zone when there are too many.
    [[nodiscard]] std::uint8_t zone(std::string_view name);
    void add(Instant now, std::uint8_t zone, Duration sample) noexcept;
    /// clamp(srtt + 4 rttvar), of the zone while it was heard in the last ten minutes, else of all.
    [[nodiscard]] Duration rto(Instant now, std::uint8_t zone, const Config& config) const noexcept;
    /// Smoothed, of that zone or else of all; none while nothing was measured.
    [[nodiscard]] std::optional<Duration> round_trip(Instant now, std::uint8_t zone) const noexcept;
    [[nodiscard]] std::size_t zones() const noexcept { return zones_.size(); }

private:
    [[nodiscard]] const RoundTrip& trip_of(Instant now, std::uint8_t zone) const noexcept;
    struct Zone {
        std::string name;
        RoundTrip trip;
    };
    std::size_t zones_max_;
    RoundTrip all_;
    std::vector<Zone> zones_; ///< zone n stands at n - 1
};

/// Lifeguard's local health, corrected: 0 good to 7 bad.
class Health {
public:
    [[nodiscard]] std::uint8_t value() const noexcept { return value_; }
    /// Steps and life of a periodic probe are so many times as long.
    [[nodiscard]] std::uint32_t factor() const noexcept { return value_ + 1U; }
    void worse(std::uint32_t by = 1) noexcept {
        value_ = static_cast<std::uint8_t>(std::min<std::uint32_t>(health_worst, value_ + by));
    }
    void better() noexcept { value_ = static_cast<std::uint8_t>(value_ - (value_ > 0 ? 1 : 0)); }

private:
    std::uint8_t value_ = 0;
};

} // namespace jackdaw::swim
