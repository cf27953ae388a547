#pragma once
// Who a member is, and what it signs (GOSSIP.md, sections 2 and 3): ids from keys, the fleet's view
// key, and the bytes under a signature. Pure; the hashes are libsodium's.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/messages/gossip.h"

namespace jackdaw::proto {

using PublicKey = std::array<std::uint8_t, public_key_bytes>; ///< Ed25519
using Signature = std::array<std::uint8_t, signature_bytes>;

/// Random, never 0; made with the fleet.
enum class FleetId : std::uint64_t {};

/// The first 8 bytes, big-endian, of BLAKE2b-256 of the key. 0 (once in 2^64) is no id: the caller
/// makes another key.
[[nodiscard]] NodeId node_id_of(std::string_view public_key) noexcept;

/// The key, known to all members of a fleet, under which they place each other: order of probing,
/// digests and observers. Not a secret: BLAKE2b-128 of the fleet's id and "view".
class ViewKey {
public:
    explicit ViewKey(FleetId fleet) noexcept;

    /// SipHash-2-4 of the values, each as 8 bytes big-endian; the result read little-endian.
    template <class... Values>
    [[nodiscard]] std::uint64_t hash(Values... values) const noexcept {
        const std::array<std::uint64_t, sizeof...(Values)> all{
            static_cast<std::uint64_t>(values)...};
        return hash_all(all);
    }

private:
    [[nodiscard]] std::uint64_t hash_all(std::span<const std::uint64_t> values) const noexcept;

    std::array<unsigned char, 16> key_{};
};

enum class SignedAs : std::uint8_t { alive, left, forget };

/// What is signed of a body: prefix, fleet, body.
[[nodiscard]] std::string to_sign(SignedAs what, FleetId fleet, std::string_view body);

} // namespace jackdaw::proto
