#pragma once
// Gossip's counters and gauges by name (GOSSIP.md, section 15): in /metrics, and as one object in
// GET /v1/gossip.

#include <vector>

#include "gossip/net/swim_pass.h"
#include "proto/messages/datastore_shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

/// Whose name begins with "jackdaw_gossip_". `hears_nobody`: as the agent judges it.
[[nodiscard]] std::vector<proto::MetricFamily> gossip_figures(const swim::Swim& core,
                                                              const gossip::SwimPass& pass,
                                                              bool hears_nobody, Instant now);

/// {"probes_ok": 3, "datagrams_in.ping": 7, …}: the same, without the prefix.
[[nodiscard]] proto::Json figures_json(const std::vector<proto::MetricFamily>& families);

} // namespace jackdaw::agent
