#pragma once
// Gossip's datagrams as bytes (GOSSIP.md, section 12): what is inside the seal.
//
//   datagram = msgpack [version, lowest version that can read it, sender, boot, seq, period,
//                       incarnation, digest, kind, body, [news…]]
//
// Fields are only ever appended: a reader skips those at the end that it does not know and takes
// the default for those that are missing. Nothing here allocates once the lists of a reused
// Datagram have their room.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proto/messages/gossip.h"
#include "proto/wire/msgpack_plain.h"

namespace jackdaw::proto {

inline constexpr std::uint8_t gossip_version = 2; ///< 1 was the first form, which shares nothing
inline constexpr std::uint8_t gossip_version_min = 2;

/// Of the UDP payload: IPv6's smallest MTU with room for tunnels.
inline constexpr std::size_t gossip_datagram_bytes_max = 1200;
/// What the seal adds (proto/wire/gossip_seal.h).
inline constexpr std::size_t gossip_seal_bytes = 46;
inline constexpr std::size_t gossip_plain_bytes_max = gossip_datagram_bytes_max - gossip_seal_bytes;

enum class Decoded : std::uint8_t {
    ok,
    bad,           ///< malformed or out of range; nothing of it is to be used
    other_version, ///< only header.sender and `version` are meant
};

/// Reads all of `bytes`, or nothing: one bad item spoils the datagram. `into` holds views into
/// `bytes`. Signatures are not looked at. `version`, if given, is the writer's.
[[nodiscard]] Decoded decode_gossip(std::string_view bytes, Datagram& into,
                                    std::uint8_t* version = nullptr);

/// The body of `alive` as its member signed it; false when it is none.
[[nodiscard]] bool decode_alive_body(std::string_view bytes, AliveBody& into);

/// Writes the bodies that are signed; gives the bytes used of `out`, which has room for
/// alive_body_bytes_max. Name and zone must be within their limits and plain UTF-8 (asserted).
std::size_t encode_alive_body(const AliveBody& body, std::span<char> out);
std::size_t encode_left_body(NodeId id, std::uint64_t incarnation, std::span<char> out);

/// Exact size of an item on the wire.
[[nodiscard]] std::size_t bytes_of(const NewsItem& item) noexcept;
[[nodiscard]] constexpr std::size_t bytes_of(const Brief& brief) noexcept {
    return 2 + msgpack_bytes(raw(brief.id)) + msgpack_bytes(brief.incarnation) +
           msgpack_bytes(brief.status_version);
}
inline constexpr std::size_t leaf_node_bytes_max = 9;
/// A node takes three bytes at least; who packs them reckons with the most.
inline constexpr std::size_t leaf_nodes_max = gossip_plain_bytes_max / leaf_node_bytes_max;
inline constexpr std::size_t tree_node_bytes_max = 73;

/// One datagram, front to back: begin(), add() while it returns true, finish().
class GossipWriter {
public:
    /// `out`: gossip_plain_bytes_max bytes that outlive the writer.
    explicit GossipWriter(std::span<char> out) noexcept : out_{out} {}

    /// Asserts that the body's lists are within their limits and fit.
    void begin(const DatagramHeader& header, const DatagramBody& body);
    /// False, with nothing written, when the item does not fit any more.
    [[nodiscard]] bool add(const NewsItem& item);
    /// Bytes that the next item may have.
    [[nodiscard]] std::size_t room() const noexcept;
    [[nodiscard]] std::size_t items() const noexcept { return count_; }
    /// The datagram's size; a view of it is `out`'s front.
    [[nodiscard]] std::size_t finish() const noexcept { return out_.size(); }

private:
    MsgpackWriter out_;
    std::size_t news_at_ = 0;
    std::size_t count_ = 0;
};

} // namespace jackdaw::proto
