#include <catch2/catch.hpp>

#include "proto/wire/gossip_ring.h"

using namespace jackdaw;
using proto::parse_gossip_ring;

namespace {
const std::string one(64, '1');
const std::string two(64, '2');
proto::SealKey key_of(std::uint8_t byte) {
    proto::SealKey key{};
    key.fill(byte);
    return key;
}
} // namespace

TEST_CASE("a ring's text and its keys are the same, the sealing one first") {
    const auto ring =
        parse_gossip_ring("# kept\nfleet 00000000000000ff\n\n2 " + two + "\n1 " + one, "f");
    REQUIRE(ring);
    CHECK(ring->fleet == proto::FleetId{0xff});
    CHECK(ring->newest() == 2);
    REQUIRE(ring->keys().size() == 2);
    CHECK(ring->keys()[0] == std::pair{2U, key_of(0x22)});
    CHECK(std::string{gossip_ring_text(*ring).reveal()} ==
          "fleet 00000000000000ff\n2 " + two + "\n1 " + one + "\n");
}

TEST_CASE("a ring without a fleet's id has that of the fleet's name, for everybody the same") {
    const auto ring = parse_gossip_ring("1 " + one + "\n", "demo");
    REQUIRE(ring);
    CHECK(ring->fleet == proto::fleet_id_of_name("demo"));
    // Kept for ever: fleets live by it.
    CHECK(proto::fleet_id_of_name("demo") == proto::FleetId{0x821851cb290c12b7});
    CHECK(proto::fleet_id_of_name("demo") != proto::fleet_id_of_name("demo2"));
    CHECK(proto::fleet_id_of_name("") != proto::FleetId{});
}

TEST_CASE("what is no ring is refused, and no key stands in the error") {
    for (const auto& text : std::vector<std::string>{
             "", "# nothing\n", "fleet 00000000000000ff\n", "1 " + one + "1\n", "0 " + one,
             "x " + one, "1  " + one, one, "1 " + one + "\n1 " + two, "1 " + one + "\n2 " + one,
             "fleet 0\n1 " + one, "fleet 0000000000000000\n1 " + one,
             "fleet 00000000000000ff\nfleet 00000000000000ff\n1 " + one,
             "1 " + one + "\n2 " + two + "\n3 " + std::string(64, '3') + "\n4 " +
                 std::string(64, '4') + "\n5 " + std::string(64, '5'),
             std::string(5000, '\n') + "1 " + one}) {
        const auto ring = parse_gossip_ring(text, "f");
        INFO(text.substr(0, 80));
        REQUIRE_FALSE(ring);
        CHECK(ring.error().code() == Errc::corrupt);
        CHECK(ring.error().to_string().find("1111") == std::string::npos);
    }
}

TEST_CASE("keys come, seal and go by their version") {
    auto ring = *parse_gossip_ring("1 " + one, "f");
    REQUIRE(ring.add(2, key_of(2)));
    CHECK(ring.add(2, key_of(3)).error().code() == Errc::conflict);
    CHECK(ring.keys().front().first == 1);
    REQUIRE(ring.seal_with(2));
    CHECK(ring.keys().front() == std::pair{2U, key_of(2)});
    CHECK_FALSE(ring.seal_with(7));
    ring.drop([](std::uint32_t version) { return version < 2; });
    REQUIRE(ring.keys().size() == 1);
    CHECK(ring.keys().front().first == 2);
    for (std::uint32_t version = 3; version < 6; ++version) {
        REQUIRE(ring.add(version, key_of(static_cast<std::uint8_t>(version))));
    }
    CHECK(ring.add(6, key_of(6)).error().code() == Errc::exhausted);
}
