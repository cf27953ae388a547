#pragma once
// The shell around the membership core: what its records wait for, and the names of the two.

#include "gossip/core/swim/swim.h"
#include "gossip/net/gossip_loop.h"
#include "gossip/net/gossip_pass.h"

namespace jackdaw::swim {

[[nodiscard]] inline gossip::Durability durability(const Persist& record) noexcept {
    if (record.kind == Persist::Kind::addresses) {
        return gossip::Durability::cache;
    }
    return record.ahead ? gossip::Durability::ahead : gossip::Durability::awaited;
}

} // namespace jackdaw::swim

namespace jackdaw::gossip {

using SwimPass = GossipPass<swim::Swim>;
using SwimLoop = GossipLoop<swim::Swim>;

} // namespace jackdaw::gossip
