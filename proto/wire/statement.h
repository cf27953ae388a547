#pragma once
// Statements as bytes: made by an operator, judged by everybody. Pure.
//
//   body   = canonical msgpack [1, fleet, instance id, name, role, sign key, noise key]
//   signed = msgpack [body, Ed25519 over "jackdaw statement v1\0" + body]

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/messages/statement.h"

namespace jackdaw::proto {

using SignSecret =
    std::array<std::uint8_t, 64>; ///< libsodium's Ed25519 secret key (seed and public half)

inline constexpr std::size_t statement_bytes_max = 1024;

[[nodiscard]] Result<std::string> sign_statement(const Statement& statement,
                                                 const SignSecret& operator_secret);
/// E-BAD-PEER for bytes that are no statement, not canonical, or not signed by that operator.
[[nodiscard]] Result<Statement> open_statement(std::string_view bytes,
                                               const PublicKey& operator_key);

/// The one place that answers "who is this peer, what may it do".
struct Peer {
    Statement statement;
    [[nodiscard]] bool may_change() const noexcept { return statement.role == PeerRole::operator_; }
    [[nodiscard]] std::string text() const; ///< for the audit: "operator admin 5f3c…", "agent db2"
};
/// E-BAD-PEER when the payload is no statement of this fleet's operator, or not about this
/// channel's static key.
[[nodiscard]] Result<Peer> judge_peer(std::string_view payload, const PublicKey& noise_static,
                                      const TrustAnchor& anchor);

} // namespace jackdaw::proto
