// The seal of gossip's datagrams with keys named by their hash, and the steps of a rotation.
#include <array>
#include <span>

#include <catch2/catch.hpp>

#include "proto/base/ids.h"
#include "proto/wire/gossip_seal.h"

using namespace jackdaw;
using namespace jackdaw::proto;

namespace {

using Keys = std::vector<std::pair<std::uint32_t, SealKey>>;

SealKey key_of(std::uint8_t value) {
    SealKey key;
    key.fill(value);
    return key;
}

constexpr FleetId fleet{0x1122334455667788};

SealRing ring_of(const Keys& keys, FleetId of = fleet) {
    auto ring = SealRing::make(of, keys);
    REQUIRE(ring);
    return std::move(*ring);
}

std::string seal(const SealRing& ring, std::string_view plain, std::uint8_t nonce_byte = 9) {
    SealNonce nonce;
    nonce.fill(nonce_byte);
    std::array<char, gossip_datagram_bytes_max> out{};
    return {out.data(), ring.seal(nonce, plain, out)};
}

SealRing::Opened open(const SealRing& ring, std::string_view datagram, std::string& plain) {
    std::array<char, gossip_datagram_bytes_max> out{};
    std::string_view view;
    const auto opened = ring.open(datagram, out, view);
    plain = view;
    return opened;
}

} // namespace

TEST_CASE("gossip seal: what is sealed opens, and its bytes never change", "[seal]") {
    const auto ring = ring_of({{1, key_of(0xAA)}});
    const auto datagram = seal(ring, "hello");
    CHECK(to_hex(std::as_bytes(std::span{datagram})) ==
          "4a01046c0d98090909090909090909090909090909090909090909090909ab2f8bf77256b9a"
          "098cf6c281085cea567bfedce0e");
    CHECK(datagram.size() == gossip_seal_bytes + 5);
    std::string plain;
    CHECK(open(ring, datagram, plain) == SealRing::Opened::ok);
    CHECK(plain == "hello");
}

TEST_CASE("gossip seal: a datagram altered in any bit, cut or grown is dropped", "[seal]") {
    const auto ring = ring_of({{1, key_of(0xAA)}});
    const auto datagram = seal(ring, "hello");
    std::string plain;
    for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
        auto altered = datagram;
        altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << (bit % 8)));
        CAPTURE(bit);
        CHECK(open(ring, altered, plain) != SealRing::Opened::ok);
    }
    for (std::size_t size = 0; size < datagram.size(); ++size) {
        CHECK(open(ring, std::string_view{datagram}.substr(0, size), plain) !=
              SealRing::Opened::ok);
    }
    CHECK(open(ring, datagram + '\0', plain) == SealRing::Opened::broken);
    CHECK(open(ring, datagram + std::string(1200, 'x'), plain) == SealRing::Opened::broken);
}

TEST_CASE("gossip seal: another fleet's key opens nothing, another version of the ring does",
          "[seal]") {
    const Keys old_first{{1, key_of(1)}, {2, key_of(2)}};
    const Keys new_first{{2, key_of(2)}, {1, key_of(1)}};
    const auto before = ring_of(old_first);
    const auto after = ring_of(new_first);
    std::string plain;
    CHECK(open(after, seal(before, "x"), plain) == SealRing::Opened::ok);
    CHECK(open(before, seal(after, "y"), plain) == SealRing::Opened::ok);
    CHECK(plain == "y");
    CHECK(open(ring_of(old_first, FleetId{5}), seal(before, "x"), plain) ==
          SealRing::Opened::broken);
    CHECK(open(ring_of({{1, key_of(3)}}), seal(before, "x"), plain) ==
          SealRing::Opened::unknown_key);
    CHECK((before.newest() == 2 && before.sealing() == 1));
    CHECK(before.newest_id() == key_id(key_of(2)));
    CHECK(after.newest_id() == before.newest_id());
    CHECK(key_id_of(seal(after, "y")) == after.newest_id());
    CHECK(key_id_of(seal(before, "x")) == key_id(key_of(1)));
    CHECK(key_id_of("") == 0);
    CHECK(key_id_of("12345") == 0);
    CHECK(key_id_text(key_id(key_of(0xAA))) == "046c0d98"); // as the datagram above has it
    CHECK((after.newest() == 2 && after.sealing() == 2));
}

TEST_CASE("gossip ring: none, five, version 0, a version or a key twice are refused", "[seal]") {
    const auto code = [](const Keys& keys) { return SealRing::make(fleet, keys).error().code(); };
    CHECK(code({}) == Errc::invalid);
    CHECK(code({{0, key_of(1)}}) == Errc::invalid);
    CHECK(code({{1, key_of(1)}, {1, key_of(2)}}) == Errc::invalid);
    CHECK(code({{1, key_of(1)}, {2, key_of(1)}}) == Errc::conflict);
    CHECK(code({{1, key_of(1)}, {2, key_of(2)}, {3, key_of(3)}, {4, key_of(4)}, {5, key_of(5)}}) ==
          Errc::invalid);
}

TEST_CASE("gossip ring: a rotation goes on only when every member shows that it may", "[seal]") {
    struct Row {
        const char* name;
        Keys keys;
        RingSeen seen;
        std::uint64_t since_s;
        RingStep step;
    };
    const Keys one{{1, key_of(1)}};
    const Keys installed{{1, key_of(1)}, {2, key_of(2)}};
    const Keys used{{2, key_of(2)}, {1, key_of(1)}};
    const std::array<Row, 8> rows{{
        {"one key: nothing to do", one, {1, true}, 1'000'000, RingStep::nothing},
        {"installed, somebody lacks it", installed, {1, false}, 0, RingStep::nothing},
        {"installed everywhere", installed, {1, true}, 0, RingStep::use},
        {"another one, too, and all seal with theirs", installed, {2, false}, 0, RingStep::nothing},
        {"used here, somebody seals with the old one", used, {1, true}, 0, RingStep::nothing},
        {"used everywhere, for a moment", used, {2, true}, 10, RingStep::nothing},
        {"used everywhere for a day", used, {2, true}, 86'400, RingStep::remove},
        {"a newer one is on its way", used, {3, false}, 86'400, RingStep::remove},
    }};
    for (const auto& row : rows) {
        CAPTURE(row.name);
        CHECK(next_ring_step(ring_of(row.keys), row.seen, row.since_s) == row.step);
    }
}

TEST_CASE("gossip ring: a day with the new key begins when this agent, too, seals with it",
          "[seal]") {
    const auto installed = ring_of({{1, key_of(1)}, {2, key_of(2)}});
    const auto used = ring_of({{2, key_of(2)}, {1, key_of(1)}});
    AllSeal all_seal;
    CHECK(all_seal.look(installed, {1}, 1000) == 0);
    CHECK(all_seal.look(installed, {1}, 200'000) == 199'000); // somebody is late to have key 2
    CHECK(all_seal.look(used, {2}, 200'010) == 0);            // the last to seal with it
    CHECK(next_ring_step(used, {2}, all_seal.look(used, {2}, 200'020)) == RingStep::nothing);
    CHECK(all_seal.look(used, {1}, 250'000) == 0); // one is back with the old key
    CHECK(all_seal.look(used, {2}, 250'010) == 0);
    CHECK(next_ring_step(used, {2}, all_seal.look(used, {2}, 340'000)) == RingStep::remove);
}
