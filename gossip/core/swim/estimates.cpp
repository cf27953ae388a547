#include "gossip/core/swim/estimates.h"

namespace jackdaw::swim {
namespace {
constexpr Duration zone_stale = std::chrono::minutes{10};
} // namespace

void RoundTrip::add(Instant now, Duration sample) noexcept {
    if (!has_sample) {
        srtt = sample;
        rttvar = sample / 2;
        has_sample = true;
    } else {
        const auto error = srtt > sample ? srtt - sample : sample - srtt;
        rttvar += (error - rttvar) / 4;
        srtt += (sample - srtt) / 8;
    }
    heard = now;
}

std::uint8_t Estimates::zone(std::string_view name) {
    for (std::size_t i = 0; i < zones_.size(); ++i) {
        if (zones_[i].name == name) {
            return static_cast<std::uint8_t>(i + 1);
        }
    }
    if (zones_.size() >= zones_max_) {
        return no_zone;
    }
    zones_.push_back(Zone{std::string{name}, {}});
    return static_cast<std::uint8_t>(zones_.size());
}

void Estimates::add(Instant now, std::uint8_t zone, Duration sample) noexcept {
    all_.add(now, sample);
    if (zone != no_zone) {
        zones_[zone - 1U].trip.add(now, sample);
    }
}

const RoundTrip& Estimates::trip_of(Instant now, std::uint8_t zone) const noexcept {
    if (zone != no_zone) {
        const auto& own = zones_[zone - 1U].trip;
        if (own.has_sample && now - own.heard <= zone_stale) {
            return own;
        }
    }
    return all_;
}

Duration Estimates::rto(Instant now, std::uint8_t zone, const Config& config) const noexcept {
    const auto& trip = trip_of(now, zone);
    return trip.has_sample ? std::clamp(trip.srtt + 4 * trip.rttvar, config.rto_min, config.rto_max)
                           : config.rto_start;
}

std::optional<Duration> Estimates::round_trip(Instant now, std::uint8_t zone) const noexcept {
    const auto& trip = trip_of(now, zone);
    return trip.has_sample ? std::optional{trip.srtt} : std::nullopt;
}

} // namespace jackdaw::swim
