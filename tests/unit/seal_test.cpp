// The seal of gossip's datagrams, and the ring of keys.
#include <span>

#include <catch2/catch.hpp>

#include "proto/base/ids.h"
#include "proto/wire/seal.h"

using namespace jackdaw;
using namespace jackdaw::proto;

namespace {

const std::string key_a(64, 'a');
const std::string key_b(64, 'b');

SealNonce nonce_of(std::uint8_t value) {
    SealNonce nonce;
    nonce.fill(value);
    return nonce;
}

} // namespace

TEST_CASE("seal: what is sealed opens, and its bytes never change", "[seal]") {
    const auto ring = *parse_ring("7 " + key_a + "\n");
    const auto datagram = seal(ring, fleet_tag("prod"), nonce_of(9), "hello");
    CHECK(to_hex(std::as_bytes(std::span{datagram})) ==
          "4a0100000007090909090909090909090909090909090909090909090909ab2f8bf772ae6e9d91373a2e77e6"
          "003ace0fe545dc");
    CHECK(datagram.size() == seal_bytes + 5);
    CHECK(*unseal(ring, fleet_tag("prod"), datagram) == "hello");
}

TEST_CASE("seal: a datagram altered in any bit, cut or grown is dropped", "[seal]") {
    const auto ring = *parse_ring("7 " + key_a + "\n");
    const auto fleet = fleet_tag("prod");
    const auto datagram = seal(ring, fleet, nonce_of(9), "hello");
    for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
        auto altered = datagram;
        altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << (bit % 8)));
        CAPTURE(bit);
        CHECK_FALSE(unseal(ring, fleet, altered));
    }
    for (std::size_t size = 0; size < datagram.size(); ++size) {
        CHECK_FALSE(unseal(ring, fleet, std::string_view{datagram}.substr(0, size)));
    }
    CHECK_FALSE(unseal(ring, fleet, datagram + '\0'));
}

TEST_CASE("seal: another fleet with the same key, and another key with the same id, open nothing",
          "[seal]") {
    const auto ring = *parse_ring("7 " + key_a);
    const auto datagram = seal(ring, fleet_tag("prod"), nonce_of(1), "hello");
    CHECK(unseal(ring, fleet_tag("test"), datagram).error().code() == Errc::corrupt);
    CHECK(unseal(*parse_ring("7 " + key_b), fleet_tag("prod"), datagram).error().code() ==
          Errc::corrupt);
    CHECK(unseal(*parse_ring("8 " + key_a), fleet_tag("prod"), datagram).error().code() ==
          Errc::not_found);
}

TEST_CASE("ring: the first key seals, each opens", "[seal]") {
    const auto before = *parse_ring("1 " + key_a + "\n2 " + key_b + "\n");
    const auto after = *parse_ring("# the new one first\n\n2 " + key_b + "\n1 " + key_a + "\n");
    const auto fleet = fleet_tag("prod");
    CHECK(*unseal(after, fleet, seal(before, fleet, nonce_of(1), "x")) == "x");
    CHECK(*unseal(before, fleet, seal(after, fleet, nonce_of(2), "y")) == "y");
    CHECK(seal(after, fleet, nonce_of(3), "z")[5] == 2);
}

TEST_CASE("ring: a bad file is refused, and its text is not told", "[seal]") {
    const auto line = "1 " + key_a + "\n";
    const auto text = GENERATE_COPY(values<std::string>(
        {"", "# nothing\n", key_a, "1\n", "1  " + key_a, "x " + key_a, "-1 " + key_a,
         "4294967296 " + key_a, "1 " + key_a + "0", "1 " + key_a.substr(1),
         "1 " + std::string(64, 'G'), line + line,
         line + "2 " + key_b + "\n3 " + key_b + "\n4 " + key_b + "\n5 " + key_b}));
    CAPTURE(text);
    const auto ring = parse_ring(text);
    REQUIRE_FALSE(ring);
    CHECK(ring.error().code() == Errc::corrupt);
    CHECK(ring.error().to_debug_string().find(std::string(8, 'a')) == std::string::npos);
}
