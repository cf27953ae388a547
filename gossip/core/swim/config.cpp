#include "gossip/core/swim/config.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace jackdaw::swim {

using namespace std::chrono_literals;

Config Config::lan() {
    return Config{.probe_period = 1s,
                  .rto_min = 50ms,
                  .rto_max = 500ms,
                  .rto_start = 200ms,
                  .probe_floor = 500ms,
                  .suspicion_min = 2s,
                  .gossip_every = 100ms,
                  .gossip_fanout = 3,
                  .flush_after = 5ms,
                  .flush_gap = 50ms,
                  .sync_gap_quiet = 1s,
                  .sync_gap_busy = 2s,
                  .settle = 500ms,
                  .deaf_hold = 60s};
}

Config Config::local() {
    auto config = lan();
    config.probe_period = 500ms;
    config.probe_floor = 300ms;
    config.suspicion_min = 1s;
    return config;
}

Config Config::wan() {
    auto config = lan();
    config.probe_period = 2s;
    config.rto_min = 100ms;
    config.rto_max = 1500ms;
    config.rto_start = 800ms;
    config.probe_floor = 1500ms;
    config.suspicion_min = 6s;
    config.gossip_every = 250ms;
    config.gossip_fanout = 4;
    config.flush_after = 10ms;
    config.flush_gap = 100ms;
    config.sync_gap_quiet = 3s;
    config.sync_gap_busy = 6s;
    config.settle = 2s;
    config.deaf_hold = 120s;
    return config;
}

Result<void> Config::validate() const {
    const auto all = {probe_period,  rto_min,      rto_max,     rto_start, probe_floor,
                      suspicion_min, gossip_every, flush_after, flush_gap, sync_gap_quiet,
                      sync_gap_busy, settle,       deaf_hold};
    if (std::ranges::any_of(all, [](Duration d) { return d <= Duration{}; }) ||
        gossip_fanout == 0) {
        return Error{Errc::invalid, "every setting of gossip must be above 0"};
    }
    if (probe_floor > probe_period) {
        return Error{Errc::invalid, "gossip: probe-floor must not be above probe-period"};
    }
    if (suspicion_min < 2 * probe_floor || suspicion_min < probe_period) {
        return Error{
            Errc::invalid,
            "gossip: suspicion-min must be at least twice probe-floor, and at least probe-period"};
    }
    if (rto_min > rto_max || rto_max > probe_period) {
        const auto least = std::chrono::duration_cast<std::chrono::milliseconds>(rto_min).count();
        return Error{Errc::invalid, "gossip: rto-max must be at least " + std::to_string(least) +
                                        " ms and not above probe-period"};
    }
    if (rto_start > probe_period) {
        return Error{Errc::invalid, "gossip: rto_start must not be above probe-period"};
    }
    if (deaf_hold < 3 * probe_period) { // else nobody would be isolated before it judges
        return Error{Errc::invalid, "gossip: deaf_hold must be at least three times probe-period"};
    }
    return ok();
}

} // namespace jackdaw::swim
