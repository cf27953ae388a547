#include "proto/wire/gossip_codec.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace jackdaw::proto {
namespace {

constexpr std::size_t datagram_fields = 11;
constexpr std::size_t brief_fields = 4;
constexpr std::size_t alive_body_fields = 11;
constexpr unsigned depth_max = 4; ///< of arrays, the datagram's own counted
constexpr std::uint64_t any64 = ~std::uint64_t{0};
constexpr std::uint64_t any8 = 0xFF;

void write(MsgpackWriter& out, const NetAddress& address) {
    std::array<char, 18> bytes{};
    for (std::size_t i = 0; i < address.ip_bytes; ++i) {
        bytes[i] = static_cast<char>(address.ip[i]);
    }
    if (address.is_set()) {
        bytes[address.ip_bytes] = static_cast<char>(address.port >> 8U);
        bytes[address.ip_bytes + 1U] = static_cast<char>(address.port & 0xFFU);
    }
    out.bin({bytes.data(), address.is_set() ? address.ip_bytes + 2U : 0U});
}

/// An address that is there must be one; none is none.
NetAddress read_address(MsgpackReader& in) {
    const auto bytes = in.bin(18);
    NetAddress address;
    if (bytes.empty()) {
        return address;
    }
    if (bytes.size() != 6 && bytes.size() != 18) {
        in.fail();
        return address;
    }
    address.ip_bytes = static_cast<std::uint8_t>(bytes.size() - 2);
    for (std::size_t i = 0; i < address.ip_bytes; ++i) {
        address.ip[i] = static_cast<std::uint8_t>(bytes[i]);
    }
    const auto high = static_cast<std::uint8_t>(bytes[bytes.size() - 2]);
    const auto low = static_cast<std::uint8_t>(bytes[bytes.size() - 1]);
    address.port = static_cast<std::uint16_t>(high << 8U | low);
    if (address.port == 0) {
        in.fail();
    }
    return address;
}

NodeId read_id(MsgpackReader& in) {
    const NodeId id{in.uint(any64)};
    if (id == NodeId{}) {
        in.fail();
    }
    return id;
}

NodeId read_id(MsgpackReader& in, MsgpackFields& fields) {
    if (!fields.next()) {
        in.fail();
        return {};
    }
    return read_id(in);
}

void read_incarnation(MsgpackFields& fields, std::uint64_t& into) {
    fields.into(into, incarnation_end - 1);
}

// --- Bodies -----------------------------------------------------------------------------------

void write_children(MsgpackWriter& out, const TreeNode& node) {
    std::array<char, 64> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(node.children[i / 4] >> (24 - 8 * (i % 4)) & 0xFFU);
    }
    out.bin({bytes.data(), bytes.size()});
}

void read_place(MsgpackReader& in, MsgpackFields& fields, std::uint8_t& depth,
                std::uint32_t& prefix) {
    fields.into(depth, tree_depth_max);
    fields.into(prefix);
    if (depth < 8 && prefix >> (4U * depth) != 0) {
        in.fail();
    }
}

void read_trees(MsgpackReader& in, DatagramBody& body) {
    const auto count = in.array();
    if (count > tree_nodes_max) {
        in.fail();
    }
    for (std::size_t i = 0; i < count && !in.is_bad(); ++i) {
        auto& node = body.trees.emplace_back();
        MsgpackFields fields{in, depth_max - 3};
        read_place(in, fields, node.depth, node.prefix);
        const auto children = fields.bin(64);
        if (children.size() != 64 || node.depth == tree_depth_max) {
            in.fail();
            return;
        }
        for (std::size_t at = 0; at < 64; ++at) {
            node.children[at / 4] =
                node.children[at / 4] << 8U | static_cast<std::uint8_t>(children[at]);
        }
        fields.skip_rest();
    }
}

void read_leaves(MsgpackReader& in, DatagramBody& body) {
    const auto count = in.array();
    if (count > leaf_nodes_max) {
        in.fail();
    }
    for (std::size_t i = 0; i < count && !in.is_bad(); ++i) {
        auto& node = body.leaves.emplace_back();
        MsgpackFields fields{in, depth_max - 3};
        read_place(in, fields, node.depth, node.prefix);
        node.first = static_cast<std::uint16_t>(body.briefs.size());
        while (fields.next() && !in.is_bad()) {
            auto& brief = body.briefs.emplace_back();
            MsgpackFields inner{in, 0};
            brief.id = read_id(in, inner);
            read_incarnation(inner, brief.incarnation);
            brief.state =
                static_cast<Standing>(inner.uint(static_cast<std::uint64_t>(Standing::left)));
            inner.into(brief.status_version, any64);
            inner.skip_rest();
        }
        node.count = static_cast<std::uint16_t>(body.briefs.size() - node.first);
    }
}

void read_wants(MsgpackReader& in, DatagramBody& body) {
    const auto count = in.array();
    if (count > want_ids_max) {
        in.fail();
    }
    for (std::size_t i = 0; i < count && !in.is_bad(); ++i) {
        body.ids.push_back(read_id(in));
    }
}

void read_busy(MsgpackReader& in, MsgpackFields& fields, DatagramBody& body) {
    fields.into(body.retry_ms);
    const auto count = fields.next() ? in.array() : 0;
    if (count > busy_addresses_max) {
        in.fail();
    }
    for (std::size_t i = 0; i < count && !in.is_bad(); ++i) {
        const auto address = read_address(in);
        if (!address.is_set()) {
            in.fail();
        }
        body.addresses.push_back(address);
    }
}

void read_fields(MsgpackReader& in, DatagramBody& body) {
    MsgpackFields fields{in, depth_max - 2};
    switch (body.kind) {
    case DatagramKind::ping:
    case DatagramKind::ack:
        fields.into(body.probe);
        fields.into(body.echo);
        fields.into(body.quiet_ms);
        break;
    case DatagramKind::ping_req:
        fields.into(body.probe);
        body.target = read_id(in, fields);
        if (fields.next()) {
            body.address = read_address(in);
        }
        fields.into(body.wait_ms);
        if (!body.address.is_set()) {
            in.fail();
        }
        break;
    case DatagramKind::ind_ack:
    case DatagramKind::nack:
        fields.into(body.probe);
        body.target = read_id(in, fields);
        break;
    case DatagramKind::confirm:
        body.target = read_id(in, fields);
        read_incarnation(fields, body.incarnation);
        fields.into(body.age_ms);
        break;
    case DatagramKind::clear:
        body.target = read_id(in, fields);
        read_incarnation(fields, body.incarnation);
        break;
    case DatagramKind::page_ask: fields.into(body.cursor, any64); break;
    case DatagramKind::page:
        fields.into(body.cursor, any64);
        fields.into(body.following);
        break;
    case DatagramKind::busy: read_busy(in, fields, body); break;
    case DatagramKind::stale_boot: fields.into(body.boot); break;
    default: break; // gossip, join, records: nothing
    }
    fields.skip_rest();
}

void read_body(MsgpackReader& in, DatagramBody& body) {
    if (!body.known) {
        in.skip(depth_max - 1);
        return;
    }
    switch (body.kind) {
    case DatagramKind::tree: read_trees(in, body); break;
    case DatagramKind::leaf: read_leaves(in, body); break;
    case DatagramKind::want: read_wants(in, body); break;
    default: read_fields(in, body);
    }
}

void write_leaves(MsgpackWriter& out, const DatagramBody& body) {
    out.array(body.leaves.size());
    for (const auto& node : body.leaves) {
        out.array(std::size_t{2} + node.count);
        out.uint(node.depth);
        out.uint(node.prefix);
        for (std::size_t i = node.first; i < std::size_t{node.first} + node.count; ++i) {
            const auto& brief = body.briefs[i];
            out.array(brief_fields);
            out.uint(raw(brief.id));
            out.uint(brief.incarnation);
            out.uint(static_cast<std::uint64_t>(brief.state));
            out.uint(brief.status_version);
        }
    }
}

void write_body(MsgpackWriter& out, const DatagramBody& body) {
    switch (body.kind) {
    case DatagramKind::ping:
    case DatagramKind::ack:
        out.array(3), out.uint(body.probe), out.uint(body.echo), out.uint(body.quiet_ms);
        break;
    case DatagramKind::ping_req:
        out.array(4), out.uint(body.probe), out.uint(raw(body.target));
        write(out, body.address), out.uint(body.wait_ms);
        break;
    case DatagramKind::ind_ack:
    case DatagramKind::nack: out.array(2), out.uint(body.probe), out.uint(raw(body.target)); break;
    case DatagramKind::confirm:
        out.array(3), out.uint(raw(body.target)), out.uint(body.incarnation);
        out.uint(body.age_ms);
        break;
    case DatagramKind::clear:
        out.array(2), out.uint(raw(body.target)), out.uint(body.incarnation);
        break;
    case DatagramKind::gossip:
    case DatagramKind::join:
    case DatagramKind::records: out.array(0); break;
    case DatagramKind::tree:
        assert(body.trees.size() <= tree_nodes_max);
        out.array(body.trees.size());
        for (const auto& node : body.trees) {
            out.array(3), out.uint(node.depth), out.uint(node.prefix);
            write_children(out, node);
        }
        break;
    case DatagramKind::leaf: write_leaves(out, body); break;
    case DatagramKind::want:
        assert(body.ids.size() <= want_ids_max);
        out.array(body.ids.size());
        for (const auto id : body.ids) {
            out.uint(raw(id));
        }
        break;
    case DatagramKind::page_ask: out.array(1), out.uint(body.cursor); break;
    case DatagramKind::page: out.array(2), out.uint(body.cursor), out.uint(body.following); break;
    case DatagramKind::busy:
        assert(body.addresses.size() <= busy_addresses_max);
        out.array(2), out.uint(body.retry_ms), out.array(body.addresses.size());
        for (const auto& address : body.addresses) {
            write(out, address);
        }
        break;
    case DatagramKind::stale_boot: out.array(1), out.uint(body.boot); break;
    }
}

// --- News -------------------------------------------------------------------------------------

bool decode_left_body(std::string_view bytes, NewsItem& into) {
    MsgpackReader in{bytes};
    MsgpackFields fields{in, depth_max};
    into.id = read_id(in, fields);
    read_incarnation(fields, into.incarnation);
    fields.skip_rest();
    return !in.is_bad() && in.at_end();
}

void read_signed(MsgpackReader& in, MsgpackFields& fields, NewsItem& item) {
    item.bytes = fields.bin(alive_body_bytes_max);
    item.public_key = fields.bin(public_key_bytes);
    item.signature = fields.bin(signature_bytes);
    const bool whole =
        item.public_key.size() == public_key_bytes && item.signature.size() == signature_bytes;
    bool reads = false;
    if (item.kind == NewsKind::alive) {
        reads = decode_alive_body(item.bytes, item.alive);
        item.id = item.alive.id;
        item.incarnation = item.alive.incarnation;
    } else {
        reads = decode_left_body(item.bytes, item);
    }
    if (!whole || !reads) {
        in.fail();
    }
}

/// True when the item is to be kept; false when it is of a kind that may be skipped.
bool read_item(MsgpackReader& in, NewsItem& item) {
    MsgpackFields fields{in, depth_max - 3};
    if (!fields.next()) {
        in.fail();
        return false;
    }
    const auto kind = in.uint(any8);
    if (kind >= optional_kind_min) {
        fields.skip_rest();
        return false;
    }
    item.kind = static_cast<NewsKind>(kind);
    switch (item.kind) {
    case NewsKind::alive:
    case NewsKind::left: read_signed(in, fields, item); break;
    case NewsKind::suspect:
    case NewsKind::down:
        item.id = read_id(in, fields);
        read_incarnation(fields, item.incarnation);
        item.by = read_id(in, fields);
        if (item.kind == NewsKind::suspect) {
            fields.into(item.age_ms);
        }
        break;
    case NewsKind::status:
        item.id = read_id(in, fields);
        fields.into(item.version, any64);
        item.bytes = fields.bin(gossip_status_bytes_max);
        break;
    case NewsKind::hint:
        fields.into(item.topic);
        fields.into(item.key, any64);
        fields.into(item.version, any64);
        break;
    default: in.fail();
    }
    fields.skip_rest();
    return !in.is_bad();
}

void write(MsgpackWriter& out, const NewsItem& item) {
    const auto kind = static_cast<std::uint64_t>(item.kind);
    switch (item.kind) {
    case NewsKind::alive:
    case NewsKind::left:
        out.array(4), out.uint(kind);
        out.bin(item.bytes), out.bin(item.public_key), out.bin(item.signature);
        break;
    case NewsKind::suspect:
        out.array(5), out.uint(kind), out.uint(raw(item.id)), out.uint(item.incarnation);
        out.uint(raw(item.by)), out.uint(item.age_ms);
        break;
    case NewsKind::down:
        out.array(4), out.uint(kind), out.uint(raw(item.id)), out.uint(item.incarnation);
        out.uint(raw(item.by));
        break;
    case NewsKind::status:
        out.array(4), out.uint(kind), out.uint(raw(item.id)), out.uint(item.version);
        out.bin(item.bytes);
        break;
    case NewsKind::hint:
        out.array(4), out.uint(kind), out.uint(item.topic), out.uint(item.key);
        out.uint(item.version);
        break;
    }
}

void read_news(MsgpackReader& in, Datagram& into) {
    const auto count = in.array();
    for (std::size_t i = 0; i < count && !in.is_bad(); ++i) {
        auto& item = into.news.emplace_back();
        if (!read_item(in, item)) {
            into.news.pop_back();
        }
    }
}

void clear(Datagram& datagram) {
    datagram.header = {};
    auto& body = datagram.body;
    auto addresses = std::move(body.addresses);
    auto trees = std::move(body.trees);
    auto leaves = std::move(body.leaves);
    auto briefs = std::move(body.briefs);
    auto ids = std::move(body.ids);
    addresses.clear(), trees.clear(), leaves.clear(), briefs.clear(), ids.clear();
    body = DatagramBody{};
    body.addresses = std::move(addresses); // their room is what is kept
    body.trees = std::move(trees);
    body.leaves = std::move(leaves);
    body.briefs = std::move(briefs);
    body.ids = std::move(ids);
    datagram.news.clear();
}

} // namespace

bool decode_alive_body(std::string_view bytes, AliveBody& into) {
    MsgpackReader in{bytes};
    MsgpackFields fields{in, depth_max};
    into.id = read_id(in, fields);
    read_incarnation(fields, into.incarnation);
    fields.into(into.boot);
    if (fields.next()) {
        into.address = read_address(in);
    }
    into.name = fields.str(gossip_name_bytes_max);
    into.zone = fields.str(gossip_zone_bytes_max);
    fields.into(into.caps);
    fields.into(into.version);
    fields.into(into.version_min);
    fields.into(into.ring);
    fields.into(into.sealing);
    fields.skip_rest();
    return !in.is_bad() && in.at_end() && into.address.is_set();
}

std::size_t encode_alive_body(const AliveBody& body, std::span<char> out) {
    assert(body.id != NodeId{} && body.incarnation < incarnation_end && body.address.is_set());
    assert(body.name.size() <= gossip_name_bytes_max && is_plain_utf8(body.name));
    assert(body.zone.size() <= gossip_zone_bytes_max && is_plain_utf8(body.zone));
    MsgpackWriter writer{out};
    writer.array(alive_body_fields);
    writer.uint(raw(body.id));
    writer.uint(body.incarnation);
    writer.uint(body.boot);
    write(writer, body.address);
    writer.str(body.name);
    writer.str(body.zone);
    writer.uint(body.caps);
    writer.uint(body.version);
    writer.uint(body.version_min);
    writer.uint(body.ring);
    writer.uint(body.sealing);
    return writer.size();
}

std::size_t encode_left_body(NodeId id, std::uint64_t incarnation, std::span<char> out) {
    MsgpackWriter writer{out};
    writer.array(2);
    writer.uint(raw(id));
    writer.uint(incarnation);
    return writer.size();
}

std::size_t bytes_of(const NewsItem& item) noexcept {
    const auto id = msgpack_bytes(raw(item.id));
    const auto incarnation = msgpack_bytes(item.incarnation);
    const auto by = msgpack_bytes(raw(item.by));
    switch (item.kind) {
    case NewsKind::alive:
    case NewsKind::left:
        return 2 + msgpack_bin_bytes(item.bytes.size()) + msgpack_bin_bytes(public_key_bytes) +
               msgpack_bin_bytes(signature_bytes);
    case NewsKind::suspect: return 2 + id + incarnation + by + msgpack_bytes(item.age_ms);
    case NewsKind::down: return 2 + id + incarnation + by;
    case NewsKind::status:
        return 2 + id + msgpack_bytes(item.version) + msgpack_bin_bytes(item.bytes.size());
    case NewsKind::hint:
        return 2 + msgpack_bytes(item.topic) + msgpack_bytes(item.key) +
               msgpack_bytes(item.version);
    }
    return 0;
}

Decoded decode_gossip(std::string_view bytes, Datagram& into, std::uint8_t* version) {
    clear(into);
    if (bytes.size() > gossip_plain_bytes_max) {
        return Decoded::bad;
    }
    MsgpackReader in{bytes};
    MsgpackFields fields{in, depth_max - 1};
    const auto written_as = static_cast<std::uint8_t>(fields.uint(any8));
    const auto readable_by = fields.uint(any8);
    if (version != nullptr) {
        *version = written_as;
    }
    if (!in.is_bad() && (readable_by > gossip_version || written_as < gossip_version_min)) {
        into.header.sender = written_as < gossip_version_min ? NodeId{} : read_id(in, fields);
        return in.is_bad() ? Decoded::bad : Decoded::other_version;
    }
    auto& header = into.header;
    header.sender = read_id(in, fields);
    fields.into(header.boot);
    fields.into(header.seq);
    fields.into(header.period);
    read_incarnation(fields, header.incarnation);
    fields.into(header.digest, any64);
    const auto kind = fields.uint(any8);
    if (kind == 0 || (kind >= datagram_kinds && kind < optional_kind_min)) {
        return Decoded::bad;
    }
    into.body.kind = static_cast<DatagramKind>(kind);
    into.body.known = kind < optional_kind_min;
    if (fields.next()) {
        read_body(in, into.body);
    } else if (into.body.known) {
        return Decoded::bad;
    }
    if (fields.next()) {
        read_news(in, into);
    }
    fields.skip_rest();
    return in.is_bad() || !in.at_end() ? Decoded::bad : Decoded::ok;
}

void GossipWriter::begin(const DatagramHeader& header, const DatagramBody& body) {
    out_.cut(0);
    out_.array(datagram_fields);
    out_.uint(gossip_version);
    out_.uint(gossip_version_min);
    out_.uint(raw(header.sender));
    out_.uint(header.boot);
    out_.uint(header.seq);
    out_.uint(header.period);
    out_.uint(header.incarnation);
    out_.uint(header.digest);
    out_.uint(static_cast<std::uint64_t>(body.kind));
    write_body(out_, body);
    news_at_ = out_.size();
    count_ = 0;
    out_.array(0);
}

std::size_t GossipWriter::room() const noexcept {
    const std::size_t growth = count_ == 15 ? 2 : 0; // of the array's head
    return out_.room() < growth ? 0 : out_.room() - growth;
}

bool GossipWriter::add(const NewsItem& item) {
    if (bytes_of(item) > room()) {
        return false;
    }
    if (count_ == 15) {
        out_.open_gap(news_at_ + 1, 2);
    }
    write(out_, item);
    ++count_;
    std::array<char, 3> head{};
    MsgpackWriter counter{head};
    counter.array(count_);
    std::ranges::copy(counter.written(), out_.data() + news_at_);
    return true;
}

} // namespace jackdaw::proto
