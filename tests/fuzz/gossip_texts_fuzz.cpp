// What gossip carries or keeps that is not a datagram: a member's status, the key ring's text, and
// the addresses kept for the next start. The first byte chooses.

#include <cstdint>
#include <string_view>

#include "agent/gossip_records.h"
#include "proto/wire/gossip_ring.h"
#include "proto/wire/member_status.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

void read_status(std::string_view bytes) {
    const auto status = proto::decode_member_status(bytes);
    if (!status) {
        return;
    }
    auto known = *status;
    known.db_state = known.db_state == "unknown" ? "" : known.db_state;
    const auto written = proto::encode_member_status(known);
    require(written.size() <= proto::gossip_status_bytes_max);
    require(proto::decode_member_status(written) == known);
}

void read_ring(std::string_view text) {
    const auto ring = proto::parse_gossip_ring(text, "fleet");
    if (!ring) {
        require(ring.error().code() == Errc::corrupt);
        return;
    }
    require(!ring->keys().empty() && ring->fleet != proto::FleetId{});
    const auto written = proto::gossip_ring_text(*ring);
    const auto again = proto::parse_gossip_ring(written.reveal(), "another");
    require(again && again->keys() == ring->keys() && again->fleet == ring->fleet);
}

void read_addresses(std::string_view bytes) {
    const auto addresses = agent::decode_addresses(bytes);
    require(addresses ? agent::encode_addresses(*addresses) == bytes
                      : addresses.error().code() == Errc::corrupt);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 3) {
    case 0: read_status(text); break;
    case 1: read_ring(text); break;
    default: read_addresses(text);
    }
    return 0;
}
