#pragma once
// The seal of gossip's datagrams (GOSSIP.md, section 11), without allocating. Pure: the nonce is
// handed in.
//
//   datagram = magic 0x4A, suite 1, key id u32 big-endian, nonce (24 bytes)   30 bytes in clear
//            + XChaCha20-Poly1305 of the message, tag (16 bytes) behind it
//   AAD      = the 30 clear bytes, then the fleet's id (8 bytes big-endian, never sent)
//   key id   = first 4 bytes of BLAKE2b-256 of the key
//
// The sender's id is inside; whether it may repeat itself is the core's to judge.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/wire/gossip_codec.h"
#include "proto/wire/gossip_identity.h"

namespace jackdaw::proto {

using SealNonce = std::array<std::uint8_t, 24>; ///< random and fresh for each datagram
using SealKey = std::array<std::uint8_t, 32>;

/// As each datagram under it has it in clear: no secret.
[[nodiscard]] std::uint32_t key_id(const SealKey& key) noexcept;
[[nodiscard]] std::string key_id_text(std::uint32_t id); ///< eight hex digits
/// Of the key that this datagram says it is sealed with; 0 for one that is too short.
[[nodiscard]] std::uint32_t key_id_of(std::string_view datagram) noexcept;

/// Up to 4 keys, each with a version: the primary seals, each opens. Wiped on destruction.
class SealRing {
public:
    static constexpr std::size_t keys_max = 4;

    /// `keys`: (version, key), the sealing one first. `invalid` for none or more than 4, version 0,
    /// a version twice; `conflict` for two keys of one id.
    [[nodiscard]] static Result<SealRing>
    make(FleetId fleet, std::span<const std::pair<std::uint32_t, SealKey>> keys);
    SealRing(SealRing&&) noexcept = default;
    SealRing& operator=(SealRing&& other) noexcept;
    SealRing(const SealRing&) = delete;
    SealRing& operator=(const SealRing&) = delete;
    ~SealRing();

    /// Newest version held, and the one of the key that seals: what `alive` says of the ring.
    [[nodiscard]] std::uint32_t newest() const noexcept;
    [[nodiscard]] std::uint32_t newest_id() const noexcept; ///< what its status says of it
    [[nodiscard]] std::uint32_t sealing() const noexcept { return keys_.front().version; }
    [[nodiscard]] std::vector<std::uint32_t> versions() const; ///< the sealing one first

    /// Seals `plain` into `out`, which has room for gossip_seal_bytes more; gives the size.
    std::size_t seal(const SealNonce& nonce, std::string_view plain, std::span<char> out) const;

    enum class Opened : std::uint8_t {
        ok,
        unknown_key, ///< sealed with a key that is not in the ring
        broken,      ///< altered, another fleet's, or no gossip: which is not told
    };
    /// Opens into `out`, which has room for the datagram; `plain` is then a view of it.
    [[nodiscard]] Opened open(std::string_view datagram, std::span<char> out,
                              std::string_view& plain) const;

private:
    struct Key {
        std::uint32_t version = 0;
        std::uint32_t id = 0;
        SealKey key{};
    };
    SealRing() = default;

    std::array<char, 8> fleet_{};
    std::vector<Key> keys_; ///< its room is made once: no copy of a key stays behind
};

/// What an agent does about its ring next, by its own view (section 11, rotation): each by itself.
/// Of all members, alive and suspect, me too:
struct RingSeen {
    std::uint32_t sealing_min = 0; ///< lowest version that one seals with
    /// Each says that its newest key is this ring's newest, by version and id. A version alone
    /// would let two keys of one version, of two operators, split the fleet; and whoever has a
    /// newer key was perhaps given it in place of this one.
    bool one_newest = false;
};
enum class RingStep : std::uint8_t {
    nothing,
    use,    ///< seal with the newest
    remove, ///< drop every key below the sealing one
};
/// `since_all_seal_s`: for how long every member has sealed with this ring's sealing key (AllSeal).
[[nodiscard]] RingStep next_ring_step(const SealRing& ring, const RingSeen& seen,
                                      std::uint64_t since_all_seal_s) noexcept;

/// Counts that time from look to look.
class AllSeal {
public:
    /// `now_s`: of a clock that never goes back. 0 while a member seals with an older key, and at
    /// the first look at which this agent itself seals with another than before.
    [[nodiscard]] std::uint64_t look(const SealRing& ring, const RingSeen& seen,
                                     std::uint64_t now_s) noexcept;

private:
    std::uint32_t sealing_ = 0; ///< with which all did at the last look; 0: not all
    std::uint64_t since_s_ = 0;
};

} // namespace jackdaw::proto
