#pragma once
// The seal of gossip's datagrams (GOSSIP.md, section 11, first form). Pure: the nonce is handed in.
//
//   datagram = magic 0x4A, suite 1, key id u32 big-endian, nonce (24 bytes)   30 bytes in clear
//            + XChaCha20-Poly1305 of the message, tag (16 bytes) behind it
//   AAD      = the 30 clear bytes, then the fleet's tag (8 bytes, never sent)
//
// Not yet here: the window against replay. An old datagram may be delivered again; incarnations and
// probe numbers judge it, and it can at worst accuse, which the accused refutes.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/wire/swim_codec.h"

namespace jackdaw::proto {

using SealNonce = std::array<std::uint8_t, 24>; ///< random and fresh for each datagram
using FleetTag = std::array<std::uint8_t, 8>;

/// The first 8 bytes of BLAKE2b-256 of the fleet's name.
[[nodiscard]] FleetTag fleet_tag(std::string_view fleet);

/// Up to 4 keys; the first seals, each opens. Wiped on destruction.
class KeyRing {
public:
    static constexpr std::size_t keys_max = 4;
    struct Entry {
        std::uint32_t id = 0;
        std::array<std::uint8_t, 32> key{};
    };

    explicit KeyRing(std::vector<Entry> entries) : entries_{std::move(entries)} {}
    KeyRing(KeyRing&&) noexcept = default;
    KeyRing& operator=(KeyRing&&) = delete;
    KeyRing(const KeyRing&) = delete;
    KeyRing& operator=(const KeyRing&) = delete;
    ~KeyRing();

    /// At least one.
    [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

private:
    std::vector<Entry> entries_;
};

/// The ring file: a line "ID HEX64" per key, the sealing one first; empty lines and those that
/// begin with '#' are skipped. `corrupt`, without the text, for anything else, for none and for
/// more than four, and for one id twice.
[[nodiscard]] Result<KeyRing> parse_ring(std::string_view text);

[[nodiscard]] std::string seal(const KeyRing& ring, const FleetTag& fleet, const SealNonce& nonce,
                               std::string_view plain);
/// `not_found` for a key id that is not in the ring, `corrupt` for anything else that is not a
/// datagram of this fleet: which bit was wrong is not said.
[[nodiscard]] Result<std::string> unseal(const KeyRing& ring, const FleetTag& fleet,
                                         std::string_view datagram);

} // namespace jackdaw::proto
