// Gossip's messages and the members' blobs as bytes.
#include <random>
#include <span>

#include <catch2/catch.hpp>

#include "proto/base/ids.h"
#include "proto/wire/blob.h"
#include "proto/wire/swim_codec.h"

using namespace jackdaw;
using namespace jackdaw::proto;

namespace {

std::string hex(std::string_view bytes) {
    return to_hex(std::as_bytes(std::span{bytes}));
}

Member member_of(std::uint64_t id, Standing standing) {
    Member member;
    member.id = NodeId{id};
    member.address = "10.89.0.2:7412";
    member.incarnation = Incarnation{5};
    member.standing = standing;
    member.blob = "blob";
    member.age_s = 70;
    return member;
}

SwimMessage message_of() {
    SwimMessage message;
    message.kind = SwimKind::ping_request;
    message.probe = 258;
    message.sender = member_of(1, Standing::alive);
    message.target = member_of(2, Standing::suspect);
    message.news = {member_of(3, Standing::down), member_of(4, Standing::left)};
    return message;
}

MemberBlob blob_of() {
    MemberBlob blob;
    blob.name = "db1";
    blob.instance_id = "018f3c1e-0000-7000-8000-000000000001";
    blob.datastore = "mariadb";
    blob.version = "10.11.14";
    blob.status = "running";
    blob.address = "10.89.0.2";
    blob.port = 3306;
    blob.agent_version = "0.1.0";
    return blob;
}

} // namespace

TEST_CASE("swim codec: a message comes back, and its bytes never change", "[swim][codec]") {
    const auto bytes = encode(message_of());
    CHECK(hex(bytes) ==
          "97010101cd01029601ae31302e38392e302e323a37343132050046c404626c6f62919602ae31302e38392e30"
          "2e323a37343132050146c404626c6f62929603ae31302e38392e302e323a37343132050246c404626c6f6296"
          "04ae31302e38392e302e323a37343132050346c404626c6f62");
    CHECK(*decode_swim(bytes) == message_of());
    SwimMessage small;
    small.kind = SwimKind::ack;
    small.sender = member_of(1, Standing::alive);
    CHECK(*decode_swim(encode(small)) == small);
}

TEST_CASE("swim codec: a member never takes more than it is reckoned with", "[swim][codec]") {
    for (const std::size_t blob : {0U, 31U, 32U, 200U}) {
        for (const std::size_t address : {1U, 31U, 32U, 64U}) {
            auto message = message_of();
            message.target.reset();
            message.news.clear();
            message.sender.id = NodeId{~std::uint64_t{0}};
            message.sender.incarnation = Incarnation{incarnation_max};
            message.sender.age_s = ~0U;
            message.sender.blob.assign(blob, 'b');
            message.sender.address.assign(address, 'a');
            message.probe = ~0U;
            CHECK(encode(message).size() <= swim_header_bytes_max + wire_bytes_max(message.sender));
            CHECK(*decode_swim(encode(message)) == message);
        }
    }
}

TEST_CASE("swim codec: a later version's further fields are skipped, a later compat is refused",
          "[swim][codec]") {
    auto bytes = encode(message_of());
    auto longer = bytes + '\x07';
    longer[0] = static_cast<char>(longer[0] + 1); // one field more in the outermost array
    longer[1] = 2;                                // version 2, readable by version 1
    CHECK(*decode_swim(longer) == message_of());
    longer[2] = 2;
    CHECK(decode_swim(longer).error().code() == Errc::unsupported);
}

TEST_CASE("swim codec: cut, grown, altered or random bytes never pass for another message",
          "[swim][codec]") {
    const auto bytes = encode(message_of());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_swim(std::string_view{bytes}.substr(0, size)));
    }
    CHECK_FALSE(decode_swim(bytes + '\0'));
    CHECK_FALSE(decode_swim(std::string(swim_plain_bytes_max + 1, '\0')));
    using Break = void (*)(SwimMessage&);
    for (const auto& broken : std::initializer_list<Break>{
             [](SwimMessage& m) { m.sender.id = NodeId{0}; },
             [](SwimMessage& m) { m.sender.address.clear(); },
             [](SwimMessage& m) { m.sender.address.assign(65, 'a'); },
             [](SwimMessage& m) { m.news[1].blob.assign(201, 'b'); },
             [](SwimMessage& m) { m.target->incarnation = Incarnation{incarnation_max + 1}; },
             [](SwimMessage& m) { m.news[0].standing = static_cast<Standing>(4); },
             [](SwimMessage& m) { m.kind = static_cast<SwimKind>(5); },
         }) {
        auto message = message_of();
        broken(message);
        const auto read = decode_swim(encode(message));
        REQUIRE_FALSE(read);
        CHECK(read.error().code() == Errc::corrupt);
    }
    std::mt19937 random{5};
    for (int run = 0; run < 5000; ++run) {
        std::string garbage(random() % 200, '\0');
        for (auto& c : garbage) {
            c = static_cast<char>(random());
        }
        CHECK_FALSE(decode_swim(garbage));
    }
}

TEST_CASE("blob: what a member says of itself comes back, and its bytes never change",
          "[swim][blob]") {
    const auto bytes = encode_blob(blob_of());
    CHECK(hex(bytes) ==
          "9901a3646231c410018f3c1e000070008000000000000001a76d617269616462a831302e31312e3134a77275"
          "6e6e696e67a931302e38392e302e32cd0ceaa5302e312e30");
    CHECK(*decode_blob(bytes) == blob_of());
    CHECK(*decode_blob(encode_blob({})) == MemberBlob{});
    // Since then: a byte behind it, only while there is a warning.
    auto warned = blob_of();
    warned.warnings = 0x05;
    const auto more = encode_blob(warned);
    CHECK(hex(more) == "9a" + hex(bytes).substr(2) + "05");
    CHECK(*decode_blob(more) == warned);
    warned.warnings = 0xff;
    CHECK(decode_blob(encode_blob(warned))->warnings == 0x7f);
}

TEST_CASE("blob: the longest of everything fits; what is longer is cut", "[swim][blob]") {
    auto blob = blob_of();
    for (auto* text : {&blob.name, &blob.datastore, &blob.version, &blob.status, &blob.address,
                       &blob.agent_version}) {
        text->assign(300, 'x');
    }
    blob.port = 65535;
    blob.warnings = 0x7f;
    const auto bytes = encode_blob(blob);
    CHECK(bytes.size() <= member_blob_bytes_max);
    const auto read = decode_blob(bytes);
    REQUIRE(read);
    CHECK(read->name == std::string(63, 'x'));
    CHECK(read->agent_version == std::string(12, 'x'));
    CHECK(read->instance_id == blob.instance_id);
}

TEST_CASE("blob: nothing that could move a terminal's cursor passes", "[swim][blob]") {
    auto blob = blob_of();
    blob.name = "db\x1b[2J";
    CHECK(decode_blob(encode_blob(blob)).error().code() == Errc::corrupt);
    blob.name = "caf\xc3\xa9";
    CHECK_FALSE(decode_blob(encode_blob(blob)));
    const auto bytes = encode_blob(blob_of());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_blob(std::string_view{bytes}.substr(0, size)));
    }
}
