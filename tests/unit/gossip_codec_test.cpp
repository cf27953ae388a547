// Gossip's datagrams as bytes: each kind and item against its golden file, sizes against the
// design's table, and what a reader of another version does.
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

#include "proto/wire/gossip_codec.h"
#include "proto/wire/gossip_identity.h"

using namespace jackdaw;
using namespace jackdaw::proto;

namespace {

constexpr std::uint64_t big = ~std::uint64_t{0};
const std::string key(public_key_bytes, 'k');
const std::string signature(signature_bytes, 's');

NetAddress v6(std::uint8_t last = 1) {
    NetAddress address;
    address.ip.fill(0xFD);
    address.ip[15] = last;
    address.ip_bytes = 16;
    address.port = 65535;
    return address;
}
NetAddress v4() {
    NetAddress address;
    address.ip = {10, 0, 0, 7};
    address.ip_bytes = 4;
    address.port = 7412;
    return address;
}

const std::string name63(63, 'n');
AliveBody body_of(bool worst) {
    return worst ? AliveBody{NodeId{big}, incarnation_end - 1, 0xFFFFFFFF, v6(),
                             name63,      "zone-zone-zone-z",  0xFFFFFFFF, 0xFF,
                             0xFF,        0xFFFFFFFF,          0xFFFFFFFF}
                 : AliveBody{NodeId{77}, 3, 1764400000, v4(), "db1", "az1", 5, 2, 2, 1, 1};
}
const std::string& alive_bytes(bool worst) {
    static const auto make = [](bool is_worst) {
        std::array<char, alive_body_bytes_max> out{};
        return std::string{out.data(), encode_alive_body(body_of(is_worst), out)};
    };
    static const std::array<std::string, 2> all{make(false), make(true)};
    return all[worst ? 1 : 0];
}
const std::string& left_bytes() {
    static const auto bytes = [] {
        std::array<char, 32> out{};
        return std::string{out.data(), encode_left_body(NodeId{big}, incarnation_end - 1, out)};
    }();
    return bytes;
}

NewsItem news(NewsKind kind, bool worst = true) {
    NewsItem item;
    item.kind = kind;
    item.id = worst ? NodeId{big} : NodeId{77};
    item.incarnation = worst ? incarnation_end - 1 : 3;
    switch (kind) {
    case NewsKind::alive:
        item.bytes = alive_bytes(worst);
        item.alive = body_of(worst);
        item.public_key = key;
        item.signature = signature;
        break;
    case NewsKind::left:
        item.bytes = left_bytes();
        item.public_key = key;
        item.signature = signature;
        item.id = NodeId{big};
        item.incarnation = incarnation_end - 1;
        break;
    case NewsKind::suspect:
        item.by = NodeId{big};
        item.age_ms = 65535;
        break;
    case NewsKind::down: item.by = NodeId{big}; break;
    case NewsKind::status:
        item.incarnation = 0;
        item.version = big;
        item.bytes = worst ? std::string_view{"0123456789012345678901234567890123456789"
                                              "0123456789012345678901234567890123456789"
                                              "0123456789012345678901234567890123456789"
                                              "0123456789012345678901234567890123456789"
                                              "0123456789012345678901234567890123456789"}
                           : std::string_view{"status"};
        break;
    case NewsKind::hint:
        item.id = {};
        item.incarnation = 0;
        item.topic = 255;
        item.key = big;
        item.version = big;
        break;
    }
    return item;
}

DatagramHeader worst_header(bool digest = true) {
    return {NodeId{big}, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, incarnation_end - 1, digest ? big : 0};
}

DatagramBody body(DatagramKind kind) {
    DatagramBody body;
    body.kind = kind;
    switch (kind) {
    case DatagramKind::ping:
    case DatagramKind::ack: body.probe = body.echo = 0xFFFFFFFF, body.quiet_ms = 65535; break;
    case DatagramKind::ping_req:
        body.probe = 0xFFFFFFFF, body.target = NodeId{big}, body.address = v6();
        body.wait_ms = 65535;
        break;
    case DatagramKind::ind_ack:
    case DatagramKind::nack: body.probe = 0xFFFFFFFF, body.target = NodeId{big}; break;
    case DatagramKind::confirm: body.age_ms = 65535; [[fallthrough]];
    case DatagramKind::clear:
        body.target = NodeId{big}, body.incarnation = incarnation_end - 1;
        break;
    case DatagramKind::tree:
        for (std::uint32_t i = 0; i < tree_nodes_max; ++i) {
            TreeNode node{7, 0x0FFFFFFF - i, {}};
            node.children.fill(0x01020304 + i);
            body.trees.push_back(node);
        }
        break;
    case DatagramKind::leaf:
        body.leaves = {{8, 0xFFFFFFFF, 0, 2}, {0, 0, 2, 0}, {3, 0xABC, 2, 1}};
        body.briefs = {{NodeId{big}, incarnation_end - 1, Standing::left, big},
                       {NodeId{1}, 0, Standing::alive, 0},
                       {NodeId{300}, 300, Standing::suspect, 70000}};
        break;
    case DatagramKind::want:
        for (std::uint64_t i = 0; i < want_ids_max; ++i) {
            body.ids.push_back(NodeId{big - i});
        }
        break;
    case DatagramKind::page_ask: body.cursor = big; break;
    case DatagramKind::page: body.cursor = big, body.following = 7; break;
    case DatagramKind::busy:
        body.retry_ms = 65535;
        body.addresses = {v6(1), v6(2), v6(3), v6(4)};
        break;
    case DatagramKind::stale_boot: body.boot = 0xFFFFFFFF; break;
    default: break;
    }
    return body;
}

std::string write(const DatagramHeader& header, const DatagramBody& body,
                  const std::vector<NewsItem>& items = {}) {
    std::array<char, gossip_plain_bytes_max> buffer{};
    GossipWriter writer{buffer};
    writer.begin(header, body);
    for (const auto& item : items) {
        const auto before = writer.finish();
        const auto needed = bytes_of(item);
        REQUIRE(writer.add(item));
        const auto grown = writer.finish() - before;
        CHECK((grown == needed || (writer.items() == 16 && grown == needed + 2)));
    }
    return {buffer.data(), writer.finish()};
}

std::string golden(const std::string& name) {
    std::ifstream file(JACKDAW_GOLDEN_FOLDER "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The bytes are the golden file's, and read as what was written.
void check_golden(const std::string& name, const DatagramHeader& header, const DatagramBody& body,
                  const std::vector<NewsItem>& items = {}) {
    CAPTURE(name);
    const auto bytes = write(header, body, items);
    if (std::getenv("JACKDAW_WRITE_GOLDEN") != nullptr && golden(name).empty()) {
        std::ofstream(JACKDAW_GOLDEN_FOLDER "/" + name, std::ios::binary) << bytes;
    }
    CHECK(bytes == golden(name));
    Datagram read;
    REQUIRE(decode_gossip(bytes, read) == Decoded::ok);
    CHECK(read.header == header);
    CHECK(read.body == body);
    CHECK(read.news == items);
}

const std::array<std::pair<DatagramKind, const char*>, 17> kinds{{
    {DatagramKind::ping, "ping"},
    {DatagramKind::ack, "ack"},
    {DatagramKind::ping_req, "ping_req"},
    {DatagramKind::ind_ack, "ind_ack"},
    {DatagramKind::nack, "nack"},
    {DatagramKind::confirm, "confirm"},
    {DatagramKind::clear, "clear"},
    {DatagramKind::gossip, "gossip"},
    {DatagramKind::join, "join"},
    {DatagramKind::tree, "tree"},
    {DatagramKind::leaf, "leaf"},
    {DatagramKind::want, "want"},
    {DatagramKind::records, "records"},
    {DatagramKind::page_ask, "page_ask"},
    {DatagramKind::page, "page"},
    {DatagramKind::busy, "busy"},
    {DatagramKind::stale_boot, "stale_boot"},
}};
const std::array<std::pair<NewsKind, const char*>, 6> items{{
    {NewsKind::alive, "alive"},
    {NewsKind::suspect, "suspect"},
    {NewsKind::down, "down"},
    {NewsKind::left, "left"},
    {NewsKind::status, "status"},
    {NewsKind::hint, "hint"},
}};

} // namespace

TEST_CASE("gossip codec: each kind of datagram is its golden file, and reads as written") {
    for (const auto& [kind, name] : kinds) {
        check_golden(std::string{"kind_"} + name, worst_header(), body(kind));
        check_golden(std::string{"kind_"} + name + "_small",
                     DatagramHeader{NodeId{1}, 1, 1, 0, 1, 0}, body(kind));
    }
}

TEST_CASE("gossip codec: each item of news is its golden file, and reads as written") {
    for (const auto& [kind, name] : items) {
        check_golden(std::string{"news_"} + name, worst_header(), body(DatagramKind::gossip),
                     {news(kind)});
        if (kind != NewsKind::left) {
            check_golden(std::string{"news_"} + name + "_small", worst_header(false),
                         body(DatagramKind::gossip), {news(kind, false)});
        }
    }
    check_golden("news_many", worst_header(), body(DatagramKind::gossip),
                 std::vector<NewsItem>(40, news(NewsKind::hint)));
}

TEST_CASE("gossip codec: nothing is larger than the design's table says") {
    const auto empty = write(worst_header(), body(DatagramKind::gossip)).size();
    CHECK(empty == 46 + 1 + 1); // header without body and news, the empty body, the empty news
    const auto grows = [&](DatagramKind kind) {
        return write(worst_header(), body(kind)).size() - empty + 1;
    };
    CHECK(grows(DatagramKind::ping) == 14);
    CHECK(grows(DatagramKind::ping_req) == 38);
    CHECK(grows(DatagramKind::ind_ack) == 15);
    CHECK(grows(DatagramKind::confirm) == 22);
    CHECK(grows(DatagramKind::clear) == 19);
    CHECK(grows(DatagramKind::page_ask) == 10);
    CHECK(grows(DatagramKind::busy) == 85);
    CHECK(grows(DatagramKind::stale_boot) == 6);
    CHECK(grows(DatagramKind::tree) <= 1 + 14 * 73);
    CHECK(grows(DatagramKind::want) == 3 + 100 * 9);
    CHECK(bytes_of(news(NewsKind::alive)) == 249);
    CHECK(bytes_of(news(NewsKind::suspect)) == 32);
    CHECK(bytes_of(news(NewsKind::down)) == 29);
    CHECK(bytes_of(news(NewsKind::left)) == 123);
    CHECK(bytes_of(news(NewsKind::status)) == 222);
    CHECK(bytes_of(news(NewsKind::hint)) == 22);
}

TEST_CASE("gossip codec: a full datagram takes no more, and stays readable") {
    std::array<char, gossip_plain_bytes_max> buffer{};
    for (const auto& [kind, name] : items) {
        GossipWriter writer{buffer};
        writer.begin(worst_header(), body(DatagramKind::ping));
        std::size_t count = 0;
        while (writer.add(news(kind))) {
            ++count;
        }
        CAPTURE(name);
        CHECK(writer.finish() <= gossip_plain_bytes_max);
        CHECK(writer.finish() + bytes_of(news(kind)) + 2 > gossip_plain_bytes_max);
        Datagram read;
        CHECK(decode_gossip({buffer.data(), writer.finish()}, read) == Decoded::ok);
        CHECK(read.news.size() == count);
    }
}

TEST_CASE("gossip codec: bytes cut anywhere, or with more behind them, are refused whole") {
    for (const auto& [kind, name] : kinds) {
        const auto bytes =
            write(worst_header(), body(kind), {news(NewsKind::suspect), news(NewsKind::hint)});
        Datagram read;
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            CHECK(decode_gossip(std::string_view{bytes}.substr(0, size), read) == Decoded::bad);
        }
        CHECK(decode_gossip(bytes + '\0', read) == Decoded::bad);
    }
}

namespace {

/// A datagram of numbers written by hand; `more` is put into the outer array behind the news.
std::string by_hand(std::uint8_t version, std::uint8_t version_min, std::uint64_t kind,
                    std::string_view body, std::string_view news, std::size_t more = 0) {
    std::array<char, 512> out{};
    MsgpackWriter writer{out};
    writer.array(11 + more);
    for (const std::uint64_t value :
         {std::uint64_t{version}, std::uint64_t{version_min}, std::uint64_t{7}, std::uint64_t{1},
          std::uint64_t{1}, std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0}, kind}) {
        writer.uint(value);
    }
    writer.raw(body);
    writer.raw(news);
    for (std::size_t i = 0; i < more; ++i) {
        writer.array(1);
        writer.str("later");
    }
    return std::string{writer.written()};
}

} // namespace

TEST_CASE("gossip codec: a later version's fields, kinds and news are skipped, its break is not") {
    using namespace std::string_literals;
    Datagram read;
    const auto hint = "\x94\x05\x01\x02\x03"s;
    const auto hint_longer = "\x96\x05\x01\x02\x03\x91\x90\xC0"s;
    CHECK(decode_gossip(by_hand(9, 2, 8, "\x90"s, "\x91"s + hint, 2), read) == Decoded::ok);
    CHECK(read.news.size() == 1);
    CHECK(decode_gossip(by_hand(9, 2, 8, "\x91\x05"s, "\x91"s + hint_longer), read) == Decoded::ok);
    CHECK((read.news.size() == 1 && read.news[0].version == 3));

    // A kind from 64 on: its body is not looked at, its news is.
    CHECK(decode_gossip(by_hand(9, 2, 64, "\x81\x01\xA1x"s, "\x91"s + hint), read) == Decoded::ok);
    CHECK_FALSE(read.body.known);
    CHECK(read.news.size() == 1);
    CHECK(decode_gossip("\x99\x02\x02\x07\x01\x01\x00\x01\x00\x40"s, read) == Decoded::ok);
    CHECK_FALSE(read.body.known); // nor when there is none
    CHECK(decode_gossip(by_hand(9, 2, 63, "\x90"s, "\x90"s), read) == Decoded::bad);
    CHECK(decode_gossip(by_hand(9, 2, 0, "\x90"s, "\x90"s), read) == Decoded::bad);
    // News from 64 on is skipped, below it spoils the datagram.
    CHECK(decode_gossip(by_hand(9, 2, 8, "\x90"s, "\x92\x92\x40\xC3"s + hint), read) ==
          Decoded::ok);
    CHECK(read.news.size() == 1);
    CHECK(decode_gossip(by_hand(9, 2, 8, "\x90"s, "\x91\x92\x06\xC3"s), read) == Decoded::bad);

    std::uint8_t version = 0;
    CHECK(decode_gossip(by_hand(9, 3, 8, "\x90"s, "\x90"s), read, &version) ==
          Decoded::other_version);
    CHECK((version == 9 && read.header.sender == NodeId{7}));
    CHECK(decode_gossip(by_hand(1, 1, 8, "\x90"s, "\x90"s), read) == Decoded::other_version);
}

TEST_CASE("gossip codec: missing fields take their default, missing ids do not") {
    using namespace std::string_literals;
    Datagram read;
    REQUIRE(decode_gossip(by_hand(2, 2, 1, "\x91\x05"s, "\x90"s), read) == Decoded::ok);
    CHECK((read.body.probe == 5 && read.body.echo == 0 && read.body.quiet_ms == 0));
    CHECK(decode_gossip(by_hand(2, 2, 4, "\x91\x05"s, "\x90"s), read) == Decoded::bad);
    CHECK(decode_gossip(by_hand(2, 2, 8, "\x90"s, "\x91\x93\x01\x00\x03"s), read) == Decoded::bad);
    CHECK(decode_gossip(by_hand(2, 2, 8, "\x90"s, "\x91\x93\x02\x07\x03"s), read) == Decoded::bad);
}

TEST_CASE("gossip codec: what is out of range spoils the datagram") {
    using namespace std::string_literals;
    Datagram read;
    const auto item = [&](const std::string& bytes) {
        return decode_gossip(by_hand(2, 2, 8, "\x90"s, "\x91"s + bytes), read);
    };
    CHECK(item("\x95\x01\x07\x03\x08\x00"s) == Decoded::ok);
    // An incarnation of 2^63, an age over 16 bits, a negative number, a count without its items.
    CHECK(item("\x95\x01\x07\xCF\x80\x00\x00\x00\x00\x00\x00\x00\x08\x00"s) == Decoded::bad);
    CHECK(item("\x95\x01\x07\x03\x08\xCE\x00\x01\x00\x00"s) == Decoded::bad);
    CHECK(item("\x95\x01\x07\xFF\x08\x00"s) == Decoded::bad);
    CHECK(item("\xDD\x00\xFF\xFF\xFF\x01"s) == Decoded::bad);
    // A longer form of the same number is the same number.
    CHECK(item("\x95\x01\xCD\x00\x07\x03\x08\x00"s) == Decoded::ok);
    CHECK(read.news[0].id == NodeId{7});
    // A status of 201 bytes; nesting deeper than four.
    CHECK(item("\x94\x04\x07\x01\xC4\xC9"s + std::string(201, 'x')) == Decoded::bad);
    CHECK(item("\x96\x05\x01\x02\x03\x91\x91\x91\x90\xC0"s) == Decoded::bad);
    // Tree: a prefix longer than its depth, a node at depth 9, children of another length.
    const auto tree = [&](const std::string& node, std::size_t children) {
        return decode_gossip(by_hand(2, 2, 10,
                                     "\x91"s + node + "\xC4" + static_cast<char>(children) +
                                         std::string(children, 'c'),
                                     "\x90"s),
                             read);
    };
    CHECK(tree("\x93\x01\x0F"s, 64) == Decoded::ok);
    CHECK(tree("\x93\x01\x10"s, 64) == Decoded::bad);
    CHECK(tree("\x93\x08\x00"s, 64) == Decoded::bad);
    CHECK(tree("\x93\x01\x0F"s, 60) == Decoded::bad);
}

TEST_CASE("gossip codec: names are plain UTF-8") {
    CHECK(is_plain_utf8("db1 \xC3\xA4 \xF0\x9F\x90\xA6"));
    for (const std::string_view text :
         {"\x80", "\xC0\x80", "\xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE0\x80\x80", "a\n",
          "\x7F", "\xC2\x85", "\xF8\x88\x80\x80\x80"}) {
        CHECK_FALSE(is_plain_utf8(text));
    }
}

TEST_CASE("gossip identity: ids, view key and signed texts never change") {
    using namespace std::string_literals;
    CHECK(raw(node_id_of(std::string(32, '\1'))) == 0xF40CEAF86E577692ULL);
    const ViewKey view{FleetId{0x0102030405060708}};
    CHECK(view.hash(1) == 0x88C948CB4A7A6DE5ULL);
    CHECK(view.hash(1, 2) != view.hash(2, 1));
    CHECK(to_sign(SignedAs::left, FleetId{258}, "body") ==
          "jackdaw left v1\0\0\0\0\0\0\0\1\2body"s);
}
