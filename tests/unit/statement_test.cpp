// Who a peer is: the signed statement, and the one function that judges it.
#include <cstring>
#include <span>

#include <catch2/catch.hpp>
#include <sodium.h>

#include "proto/base/ids.h"
#include "proto/wire/statement.h"

using namespace jackdaw;
using namespace jackdaw::proto;

namespace {

struct SignPair {
    PublicKey open{};
    SignSecret secret{};
};

SignPair pair_of(std::uint8_t seed_byte) {
    std::array<std::uint8_t, 32> seed;
    seed.fill(seed_byte);
    SignPair pair;
    crypto_sign_seed_keypair(pair.open.data(), pair.secret.data(), seed.data());
    return pair;
}

PublicKey filled(std::uint8_t value) {
    PublicKey key;
    key.fill(value);
    return key;
}

Statement statement_of(PeerRole role) {
    Statement statement;
    statement.fleet = "prod";
    statement.instance_id = "018f3c1e-0000-7000-8000-000000000001";
    statement.name = "db1";
    statement.role = role;
    statement.sign_key = filled(0x11);
    statement.noise_key = filled(0x22);
    return statement;
}

Code refusal(const Result<Peer>& judged) {
    REQUIRE_FALSE(judged);
    return judged.error().id();
}

} // namespace

TEST_CASE("statement: what was signed comes back, and its bytes never change", "[statement]") {
    const auto signer = pair_of(1);
    const auto statement = statement_of(PeerRole::agent);
    const auto bytes = sign_statement(statement, signer.secret);
    REQUIRE(bytes);
    CHECK(to_hex(std::as_bytes(std::span{*bytes})) ==
          "92c4769701a470726f64d92430313866336331652d303030302d373030302d383030302d3030303030303030"
          "30303031a364623101c4201111111111111111111111111111111111111111111111111111111111111111c4"
          "202222222222222222222222222222222222222222222222222222222222222222c440fbac07211955f78a08"
          "d2dcec2860adfc7a49ead395990614124ecef8bcb1fc31de12df64e67d804bc7c8afe95ea866a1e931eb6c6e"
          "db42500f16ef3444a43b0b");
    CHECK(*open_statement(*bytes, signer.open) == statement);
}

TEST_CASE("statement: an altered bit, a cut or something behind it is refused", "[statement]") {
    const auto signer = pair_of(1);
    const auto bytes = *sign_statement(statement_of(PeerRole::operator_), signer.secret);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto altered = bytes;
        altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << (bit % 8)));
        CAPTURE(bit);
        CHECK_FALSE(open_statement(altered, signer.open));
    }
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(open_statement(bytes.substr(0, size), signer.open));
    }
    CHECK_FALSE(open_statement(bytes + '\0', signer.open));
    CHECK_FALSE(open_statement(std::string(statement_bytes_max + 1, '\0'), signer.open));
}

TEST_CASE("statement: a name too long is not signed", "[statement]") {
    auto statement = statement_of(PeerRole::agent);
    statement.name = std::string(129, 'x');
    CHECK(sign_statement(statement, pair_of(1).secret).error().code() == Errc::invalid);
}

TEST_CASE("judge_peer: one of this fleet, about this key, signed by this operator", "[statement]") {
    const auto signer = pair_of(1);
    const TrustAnchor anchor{"prod", signer.open};
    const auto judged = [&](const Statement& statement, const SignPair& by, std::uint8_t key) {
        return judge_peer(*sign_statement(statement, by.secret), filled(key), anchor);
    };

    SECTION("an agent is let in and may change nothing") {
        const auto peer = judged(statement_of(PeerRole::agent), signer, 0x22);
        REQUIRE(peer);
        CHECK_FALSE(peer->may_change());
        CHECK(peer->text() == "agent db1");
    }
    SECTION("a viewer may change nothing") {
        const auto peer = judged(statement_of(PeerRole::viewer), signer, 0x22);
        REQUIRE(peer);
        CHECK_FALSE(peer->may_change());
    }
    SECTION("an operator may") {
        const auto peer = judged(statement_of(PeerRole::operator_), signer, 0x22);
        REQUIRE(peer);
        CHECK(peer->may_change());
        CHECK(peer->text() == "operator db1 11111111");
        auto unnamed = *peer;
        unnamed.statement.name = "operator";
        CHECK(unnamed.text() == "operator 11111111");
    }
    SECTION("another fleet is refused, though the same operator signed it") {
        auto other = statement_of(PeerRole::operator_);
        other.fleet = "test";
        CHECK(refusal(judged(other, signer, 0x22)) == Code::bad_peer);
    }
    SECTION("another operator is refused") {
        CHECK(refusal(judged(statement_of(PeerRole::operator_), pair_of(2), 0x22)) ==
              Code::bad_peer);
    }
    SECTION("a true statement shown by somebody else is refused") {
        CHECK(refusal(judged(statement_of(PeerRole::operator_), signer, 0x23)) == Code::bad_peer);
    }
    SECTION("no statement at all is refused") {
        CHECK(refusal(judge_peer({}, filled(0x22), anchor)) == Code::bad_peer);
    }
}
