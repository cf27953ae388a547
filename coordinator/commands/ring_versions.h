#pragma once
// The versions of the gossip keys that an agent says it holds.

#include <cstdint>
#include <set>

#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

/// Of an answer to GET /v1/gossip; none when it does not say.
inline std::set<std::uint32_t> versions_of(const proto::Json& gossip) {
    std::set<std::uint32_t> all;
    const auto ring = gossip.find("ring");
    const auto versions = ring == gossip.end() || !ring->is_object()
                              ? proto::Json::array()
                              : ring->value("versions", proto::Json::array());
    for (const auto& one : versions) {
        if (one.is_number_unsigned()) {
            all.insert(one.get<std::uint32_t>());
        }
    }
    return all;
}

} // namespace jackdaw::cli
