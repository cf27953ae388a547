#pragma once
// The gossip keys that an agent says it holds, and those of the fleet's profile.

#include <cstdint>

#include "proto/messages/key_holders.h"
#include "proto/wire/gossip_ring.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

struct HeldKeys {
    proto::KeyIds ids;
    std::uint32_t sealing = 0; ///< version; 0: not told
};

/// Of an answer to GET /v1/gossip; none when it does not say.
inline HeldKeys held_keys_of(const proto::Json& gossip) {
    HeldKeys held;
    const auto ring = gossip.find("ring");
    if (ring == gossip.end() || !ring->is_object()) {
        return held;
    }
    const auto versions = ring->value("versions", proto::Json::array());
    const auto ids = ring->value("ids", proto::Json::array());
    for (std::size_t i = 0; i < versions.size(); ++i) {
        if (versions[i].is_number_unsigned()) {
            const bool has_id = i < ids.size() && ids[i].is_string();
            held.ids[versions[i].get<std::uint32_t>()] =
                has_id ? ids[i].get<std::string>() : std::string{};
        }
    }
    held.sealing =
        static_cast<std::uint32_t>(proto::number_at(*ring, "sealing", 0, 0xFFFF'FFFFU).value_or(0));
    return held;
}

inline proto::KeyIds ids_of(const proto::GossipRing& ring) {
    proto::KeyIds ids;
    for (const auto& [version, key] : ring.keys()) {
        ids[version] = proto::key_id_text(proto::key_id(key));
    }
    return ids;
}

} // namespace jackdaw::cli
