#include <catch2/catch.hpp>

#include "proto/wire/member_status.h"
#include "proto/wire/msgpack_plain.h"

using namespace jackdaw;
using proto::MemberStatus;

namespace {
MemberStatus full() {
    MemberStatus status;
    status.cluster = ~std::uint64_t{0};
    status.role = 255;
    status.db_state = "degraded";
    status.epoch = ~std::uint64_t{0};
    status.lag_class = status.load_class = status.disk_class = 255;
    status.agent_version = "255.4095.4095";
    status.db_version = std::string(24, 'v');
    status.alerts = ~0U;
    status.datastore = std::string(16, 'd');
    status.instance_id = "018f3c1e-0000-7000-8000-0000000000aa";
    status.address = *proto::net_address("fd00::1", 3306);
    status.tells_upkeep = status.needs_restart = true;
    status.maintenance_until_s = 253'402'300'799;
    status.key_version = status.key_id = ~0U;
    return status;
}
} // namespace

TEST_CASE("a status at its longest fits and comes back; an empty one, too") {
    const auto bytes = proto::encode_member_status(full());
    CHECK(bytes.size() <= proto::gossip_status_bytes_max);
    CHECK(proto::decode_member_status(bytes) == full());
    CHECK(proto::decode_member_status(proto::encode_member_status({})) == MemberStatus{});
    for (const auto* const state :
         {"building", "running", "stopped", "degraded", "failed", "deleting"}) {
        MemberStatus status;
        status.db_state = state;
        CHECK(proto::decode_member_status(proto::encode_member_status(status))->db_state == state);
    }
}

TEST_CASE("what is too long is cut, what is none of it is left out") {
    MemberStatus status;
    status.db_version = std::string(40, 'v');
    status.datastore = "two\nlines";
    status.agent_version = "1.2";
    status.instance_id = "mine";
    status.db_state = "thinking";
    const auto read = proto::decode_member_status(proto::encode_member_status(status));
    REQUIRE(read);
    MemberStatus expected;
    expected.db_version = std::string(24, 'v');
    CHECK(*read == expected);
}

TEST_CASE(
    "another schema is none, a later state is unknown, fields of later versions are skipped") {
    std::array<char, 64> buffer{};
    proto::MsgpackWriter other{buffer};
    other.array(1);
    other.uint(2);
    CHECK_FALSE(proto::decode_member_status(other.written()));
    CHECK_FALSE(proto::decode_member_status(""));
    CHECK_FALSE(proto::decode_member_status("\x91"));

    proto::MsgpackWriter later{buffer};
    later.array(4);
    later.uint(1);
    later.uint(0);
    later.uint(0);
    later.uint(200);
    CHECK(proto::decode_member_status(later.written())->db_state == "unknown");

    const auto fields = proto::encode_member_status({}).substr(3); // without the array's head
    std::string grown{"\xdc\x00\x13", 3};                          // one more
    grown += fields;
    CHECK_FALSE(proto::decode_member_status(grown));
    CHECK(proto::decode_member_status(grown + '\x07') == MemberStatus{});
    CHECK_FALSE(proto::decode_member_status(proto::encode_member_status({}) + '\x07'));
}

TEST_CASE("an agent of before the upkeep's fields tells none of it") {
    MemberStatus status;
    status.db_state = "running";
    status.tells_upkeep = status.needs_restart = true;
    auto bytes = proto::encode_member_status(status);
    CHECK(proto::decode_member_status(bytes) == status);
    REQUIRE(bytes.starts_with(std::string_view{"\xdc\x00\x12", 3}));
    bytes.replace(0, 3, "\x9e"); // as it wrote them: 14 fields
    bytes.resize(bytes.size() - 4);
    status.tells_upkeep = status.needs_restart = false;
    CHECK(proto::decode_member_status(bytes) == status);
}

TEST_CASE("an agent of before its key was told tells none, and the rest") {
    MemberStatus status;
    status.db_state = "running";
    status.maintenance_until_s = 1'800'000'000;
    status.key_version = 2;
    status.key_id = 0xA1B2C3D4;
    auto bytes = proto::encode_member_status(status);
    CHECK(proto::decode_member_status(bytes) == status);
    bytes[2] = '\x10';              // as it wrote them: 16 fields
    bytes.resize(bytes.size() - 6); // version 2 and an id of five bytes
    status.key_version = status.key_id = 0;
    CHECK(proto::decode_member_status(bytes) == status);
}

TEST_CASE("classes may wait, the rest may not") {
    auto after = full();
    after.disk_class = after.load_class = after.lag_class = 0;
    CHECK_FALSE(proto::is_urgent(full(), after));
    after.db_state = "failed";
    CHECK(proto::is_urgent(full(), after));
    after = full();
    after.maintenance_until_s = 0;
    CHECK(proto::is_urgent(full(), after));
    after = full();
    after.key_id = 1; // the others wait for it
    CHECK(proto::is_urgent(full(), after));
}

TEST_CASE("a class does not go to and fro at its border") {
    CHECK(proto::eighth_of(0, 0, 3) == 0);
    CHECK(proto::eighth_of(0, 800, 0) == 0);
    CHECK(proto::eighth_of(800, 800, 0) == 7);
    CHECK(proto::eighth_of(101, 800, 0) == 0);
    CHECK(proto::eighth_of(120, 800, 0) == 1);
    CHECK(proto::eighth_of(99, 800, 1) == 1);
    CHECK(proto::eighth_of(80, 800, 1) == 0);
}

TEST_CASE("addresses are numeric, and come back as they were") {
    CHECK(proto::text_of(*proto::net_address("10.1.2.3", 7412)) == "10.1.2.3:7412");
    CHECK(proto::text_of(*proto::net_address("[fd00::1]", 1)) == "[fd00::1]:1");
    CHECK(proto::text_of(*proto::net_address("[::ffff:10.1.2.3]", 1)) == "10.1.2.3:1");
    CHECK_FALSE(proto::net_address("db1", 1));
    CHECK_FALSE(proto::net_address("10.1.2", 1));
    CHECK(proto::text_of({}).empty());
}
