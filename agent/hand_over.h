#pragma once
// The hand-over: what the owner puts into a machine so that its agent belongs to a fleet.

#include <optional>
#include <string>
#include <vector>

#include "agent/host/host.h"
#include "agent/identity/identity.h"
#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/runtime/channel_client.h"

namespace jackdaw::agent {

/// Read and judged.
struct HandOver {
    runtime::ChannelKeys keys;
    proto::Statement statement;
    Secret ring;                    ///< proto/wire/gossip_ring.h; not judged yet
    std::vector<std::string> seeds; ///< as they came, at most 64
};

/// Reads the fleet files. nullopt while they are not all there; E-BAD-PEER when the statement is
/// not about this agent's keys or not signed by the operator's key beside it.
[[nodiscard]] Result<std::optional<HandOver>> read_hand_over(Host& host, const Identity& identity);

/// A plain member's ring, which the setting `ring` names. `invalid`, with what mends it, when it
/// cannot be read or is none.
[[nodiscard]] Result<Secret> read_ring_file(const std::string& path);

} // namespace jackdaw::agent
