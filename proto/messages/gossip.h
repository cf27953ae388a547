#pragma once
// What gossip's datagrams say, as plain values (GOSSIP.md, section 12). Encoded by
// proto/wire/gossip_codec.h, decided upon by gossip/core/swim. No behaviour here.
//
// A decoded text or run of bytes is a view into the datagram it came from: keep a copy, or nothing.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace jackdaw::proto {

enum class NodeId : std::uint64_t {};

/// A member's state, worst last: which news replaces which relies on the order.
enum class Standing : std::uint8_t { alive, suspect, down, left };

/// No member reaches it by living; more is refused, so that counting on never wraps.
inline constexpr std::uint64_t incarnation_end = std::uint64_t{1} << 63U;
inline constexpr std::size_t gossip_name_bytes_max = 63;
inline constexpr std::size_t gossip_zone_bytes_max = 16;
inline constexpr std::size_t gossip_status_bytes_max = 200;
inline constexpr std::size_t alive_body_bytes_max = 255;
inline constexpr std::size_t public_key_bytes = 32;
inline constexpr std::size_t signature_bytes = 64;

[[nodiscard]] constexpr std::uint64_t raw(NodeId id) noexcept {
    return static_cast<std::uint64_t>(id);
}

/// Where a member's socket is. `ip` in network order, zero behind its 4 or 16 bytes.
struct NetAddress {
    std::array<std::uint8_t, 16> ip{};
    std::uint16_t port = 0;
    std::uint8_t ip_bytes = 0; ///< 4 or 16; 0 is no address

    [[nodiscard]] bool is_set() const noexcept { return ip_bytes != 0; }
    friend auto operator<=>(const NetAddress&, const NetAddress&) = default;
};

enum class DatagramKind : std::uint8_t {
    ping = 1,
    ack,
    ping_req,
    ind_ack,
    nack,
    confirm,
    clear,
    gossip,
    join,
    tree,
    leaf,
    want,
    records,
    page_ask,
    page,
    busy,
    stale_boot,
};
inline constexpr std::size_t datagram_kinds = 18; ///< one more than the last: for counters by kind
/// Kinds of datagrams and of news from here on may be skipped by who does not know them.
inline constexpr std::uint8_t optional_kind_min = 64;

struct DatagramHeader {
    NodeId sender{};
    std::uint32_t boot = 0;
    std::uint32_t seq = 0;
    std::uint32_t period = 0;      ///< shared period number; 0: none yet
    std::uint64_t incarnation = 0; ///< of the sender; shown by `why`, changes nothing
    std::uint64_t digest = 0;      ///< of the sender's view; in ping and ack, else 0

    friend bool operator==(const DatagramHeader&, const DatagramHeader&) = default;
};

/// A node of the digest tree: the members whose hash begins with the `4 * depth` bits of `prefix`.
struct TreeNode {
    std::uint8_t depth = 0; ///< 0..8
    std::uint32_t prefix = 0;
    std::array<std::uint32_t, 16> children{}; ///< high half of each child's digest

    friend bool operator==(const TreeNode&, const TreeNode&) = default;
};
inline constexpr std::size_t tree_nodes_max = 14;
inline constexpr std::uint8_t tree_depth_max = 8;

struct Brief {
    NodeId id{};
    std::uint64_t incarnation = 0;
    Standing state = Standing::alive;
    std::uint64_t status_version = 0; ///< 0: none held

    friend bool operator==(const Brief&, const Brief&) = default;
};

struct LeafNode {
    std::uint8_t depth = 0;
    std::uint32_t prefix = 0;
    std::uint16_t first = 0; ///< of its briefs, in DatagramBody::briefs
    std::uint16_t count = 0;

    friend bool operator==(const LeafNode&, const LeafNode&) = default;
};

inline constexpr std::size_t want_ids_max = 100;
inline constexpr std::size_t busy_addresses_max = 4;

/// The fields of all kinds; a kind that has no such field leaves it at its default.
struct DatagramBody {
    DatagramKind kind = DatagramKind::gossip;
    bool known = true;                   ///< false: a kind >= 64; only the news is read
    std::uint32_t probe = 0;             ///< ping, ack, ping_req, ind_ack, nack
    std::uint32_t echo = 0;              ///< ping, ack: the pinger's stamp, opaque to others
    std::uint16_t quiet_ms = 0;          ///< ping, ack: since the sender's view changed
    NodeId target{};                     ///< ping_req, ind_ack, nack, confirm, clear
    NetAddress address{};                ///< ping_req
    std::uint16_t wait_ms = 0;           ///< ping_req: until the nack
    std::uint64_t incarnation = 0;       ///< confirm, clear
    std::uint16_t age_ms = 0;            ///< confirm: of the doubt
    std::uint64_t cursor = 0;            ///< page_ask; page: the next one, 0 at the end
    std::uint8_t following = 0;          ///< page: datagrams of the same answer behind this
    std::uint16_t retry_ms = 0;          ///< busy
    std::uint32_t boot = 0;              ///< stale_boot
    std::vector<NetAddress> addresses{}; ///< busy
    std::vector<TreeNode> trees{};
    std::vector<LeafNode> leaves{};
    std::vector<Brief> briefs{}; ///< of the leaves, one after the other
    std::vector<NodeId> ids{};   ///< want

    friend bool operator==(const DatagramBody&, const DatagramBody&) = default;
};

enum class NewsKind : std::uint8_t { alive, suspect, down, left, status, hint };

/// What a member signs of itself; decoded from the body of `alive`.
struct AliveBody {
    NodeId id{};
    std::uint64_t incarnation = 0;
    std::uint32_t boot = 0;
    NetAddress address{};
    std::string_view name{};
    std::string_view zone{};
    std::uint32_t caps = 0;
    std::uint8_t version = 0;
    std::uint8_t version_min = 0; ///< lowest version that can read it
    std::uint32_t ring = 0;       ///< newest version of the key ring that it holds
    std::uint32_t sealing = 0;    ///< version of the key that it seals with

    friend bool operator==(const AliveBody&, const AliveBody&) = default;
};

/// One piece of news. `id` and `incarnation` of alive and left are those in the signed body.
struct NewsItem {
    NewsKind kind = NewsKind::alive;
    NodeId id{};                   ///< whom it is about; none for a hint
    std::uint64_t incarnation = 0; ///< all but status and hint
    NodeId by{};                   ///< suspect: the accuser; down: who said it
    std::uint16_t age_ms = 0;      ///< suspect: since the first doubt
    std::uint64_t version = 0;     ///< status, hint
    std::uint8_t topic = 0;        ///< hint
    std::uint64_t key = 0;         ///< hint
    std::string_view bytes{};      ///< alive, left: the signed body as it came; status
    std::string_view public_key{}; ///< alive, left
    std::string_view signature{};  ///< alive, left
    AliveBody alive{};             ///< alive: its body, decoded; not encoded from

    friend bool operator==(const NewsItem&, const NewsItem&) = default;
};

/// A datagram as read. Reuse one object: its lists keep their room.
struct Datagram {
    DatagramHeader header;
    DatagramBody body;
    std::vector<NewsItem> news;

    friend bool operator==(const Datagram&, const Datagram&) = default;
};

} // namespace jackdaw::proto
