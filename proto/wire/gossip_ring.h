#pragma once
// The key ring of gossip as text: what `fleet init` makes, the hand-over carries, a plain member
// reads from a file, and an agent keeps. A secret.
//
//   fleet HEX16            the fleet's id; a ring of before there were ids has no such line
//   VERSION HEX64          a key; the sealing one first
//
// Empty lines and those that begin with '#' are skipped.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/wire/gossip_seal.h"

namespace jackdaw::proto {

inline constexpr std::size_t ring_text_bytes_max = 4096;

/// Wiped on destruction.
class GossipRing {
public:
    using Keys = std::vector<std::pair<std::uint32_t, SealKey>>; ///< the sealing one first

    GossipRing() {
        keys_.reserve(SealRing::keys_max);
    } // never moved: no copy of a key stays behind
    GossipRing(GossipRing&&) noexcept = default;
    GossipRing& operator=(GossipRing&& other) noexcept;
    GossipRing(const GossipRing&) = delete;
    GossipRing& operator=(const GossipRing&) = delete;
    ~GossipRing();

    FleetId fleet{};
    [[nodiscard]] const Keys& keys() const noexcept { return keys_; }
    [[nodiscard]] std::uint32_t newest() const noexcept;
    /// `exhausted` for a fifth key, `conflict` for a version there is already.
    [[nodiscard]] Result<void> add(std::uint32_t version, const SealKey& key);
    /// The key that seals from now on; false when there is none of this version.
    [[nodiscard]] bool seal_with(std::uint32_t version) noexcept;
    /// Drops the keys of which `is_gone` says so.
    template <class IsGone>
    void drop(IsGone is_gone) {
        for (auto at = keys_.size(); at-- > 0;) {
            if (is_gone(keys_[at].first)) {
                take_out(at);
            }
        }
    }

private:
    void take_out(std::size_t at) noexcept;

    Keys keys_;
};

/// `corrupt`, without the text, for anything else than the above: none or more than four keys,
/// version 0, a version or a key twice. `fleet_name` gives the id of a ring that has none.
[[nodiscard]] Result<GossipRing> parse_gossip_ring(std::string_view text,
                                                   std::string_view fleet_name);
[[nodiscard]] Secret gossip_ring_text(const GossipRing& ring);

/// The id of a fleet that was made before there were ids: of its name, so that its agents and its
/// operator find the same one without a word. The first 8 bytes, big-endian, of BLAKE2b-128 of
/// "jackdaw fleet id v1\0" and the name; never 0.
[[nodiscard]] FleetId fleet_id_of_name(std::string_view name);

} // namespace jackdaw::proto
