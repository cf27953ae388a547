// Arbitrary bytes as a sealed datagram of gossip, and as what stands inside one. Who has no key
// gets no further than this.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/wire/gossip_codec.h"
#include "proto/wire/gossip_seal.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;
using Room = std::array<char, proto::gossip_datagram_bytes_max>;
using Opened = proto::SealRing::Opened;

namespace {

proto::SealRing make_ring(std::uint8_t value) {
    proto::SealKey key;
    key.fill(value);
    const std::array keys{std::pair{std::uint32_t{1}, key}};
    auto ring = proto::SealRing::make(proto::FleetId{0x1122334455667788}, keys);
    require(ring.has_value());
    return std::move(*ring);
}

/// What opened was sealed under that very key: sealing it with its nonce gives it again.
void seal_again(const proto::SealRing& ring, std::string_view datagram, std::string_view plain) {
    require(plain.size() + proto::gossip_seal_bytes == datagram.size());
    proto::SealNonce nonce;
    std::ranges::copy(datagram.substr(6, nonce.size()), nonce.begin());
    Room room;
    require(std::string_view(room.data(), ring.seal(nonce, plain, room)) == datagram);
}

/// Sealed, they come out as they went in; with any bit altered they do not come out.
void there_and_back(const proto::SealRing& ring, std::string_view plain) {
    proto::SealNonce nonce{};
    std::ranges::copy(plain.substr(0, nonce.size()), nonce.begin());
    Room sealed;
    const auto size = ring.seal(nonce, plain, sealed);
    Room room;
    std::string_view back;
    require(ring.open({sealed.data(), size}, room, back) == Opened::ok && back == plain);
    const auto at =
        plain.empty() ? 0 : std::size_t{static_cast<unsigned char>(plain.front())} * 251 % size;
    sealed[at] = static_cast<char>(sealed[at] ^ 0x10);
    require(ring.open({sealed.data(), size}, room, back) != Opened::ok);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto ring = make_ring(0xAA);
    const std::string bytes(reinterpret_cast<const char*>(data), size); // its end is watched
    Room room;
    std::string_view plain;
    if (ring.open(bytes, room, plain) == Opened::ok) {
        seal_again(ring, bytes, plain);
    }
    if (bytes.size() <= proto::gossip_plain_bytes_max) {
        there_and_back(ring, bytes);
    }
    return 0;
}
