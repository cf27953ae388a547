// Arbitrary bytes as a statement, and as the body of one that the operator truly signed: the second
// is what a signer of another version, or one that was tricked, could hand out.

#include <cstdint>
#include <string>
#include <string_view>

#include <sodium.h>

#include "proto/wire/statement.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;
using namespace jackdaw::proto;

namespace {

struct Signer {
    PublicKey open{};
    SignSecret secret{};
    Signer() {
        std::array<std::uint8_t, 32> seed{};
        seed.fill(1);
        crypto_sign_seed_keypair(open.data(), secret.data(), seed.data());
    }
};

void judge(const Signer& signer, const std::string& bytes) {
    const auto statement = open_statement(bytes, signer.open);
    if (!statement) {
        require(statement.error().id() == Code::bad_peer);
        return;
    }
    // One statement has one form: signed again it is the same to the bit.
    const auto again = sign_statement(*statement, signer.secret);
    require(again && open_statement(*again, signer.open).has_value());
    const TrustAnchor anchor{statement->fleet, signer.open};
    const auto peer = judge_peer(bytes, statement->noise_key, anchor);
    require(peer.has_value());
    require(peer->may_change() == (statement->role == PeerRole::operator_));
    auto other = statement->noise_key;
    other[0] ^= 1;
    require(!judge_peer(bytes, other, anchor));
    require(!judge_peer(bytes, statement->noise_key, {statement->fleet + "x", signer.open}));
}

/// msgpack [bin, bin], as sign_statement() writes it.
std::string signed_around(const Signer& signer, std::string_view body) {
    std::string text{"jackdaw statement v1\0", 21};
    text += body;
    std::array<std::uint8_t, crypto_sign_BYTES> signature{};
    crypto_sign_detached(signature.data(), nullptr,
                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                         signer.secret.data());
    std::string out{'\x92', '\xc5', static_cast<char>(body.size() >> 8U),
                    static_cast<char>(body.size())};
    out += body;
    out += std::string{'\xc4', static_cast<char>(signature.size())};
    out.append(reinterpret_cast<const char*>(signature.data()), signature.size());
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Signer signer;
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    judge(signer, bytes);
    if (size < 4096) {
        judge(signer, signed_around(signer, bytes));
    }
    return 0;
}
