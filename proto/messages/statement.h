#pragma once
// Who somebody is, in the words of the fleet's operator. A certificate takes its place in a later
// issue (SECURITY.md, Identities); what judges it is in proto/wire/statement.h.

#include <array>
#include <cstdint>
#include <string>

namespace jackdaw::proto {

using PublicKey = std::array<std::uint8_t, 32>;

enum class PeerRole : std::uint8_t { agent = 1, operator_ = 2, viewer = 3 };

struct Statement {
    std::string fleet;
    std::string instance_id; ///< of an agent's machine; empty for people
    std::string name;
    PeerRole role = PeerRole::agent;
    PublicKey sign_key{};  ///< Ed25519
    PublicKey noise_key{}; ///< X25519; must equal the channel's static key
    friend bool operator==(const Statement&, const Statement&) = default;
};

/// Whom this side believes: one fleet's operator.
struct TrustAnchor {
    std::string fleet;
    PublicKey operator_key{}; ///< Ed25519
};

} // namespace jackdaw::proto
