#pragma once
// Finding out in which members two views differ (GOSSIP.md, section 8): a 16-way tree of digests
// over the places of the live. Functions of a view alone: every message is answered from it,
// without state.

#include <cstdint>
#include <span>
#include <vector>

#include "gossip/core/swim/view.h"
#include "proto/wire/gossip_codec.h"

namespace jackdaw::swim {

inline constexpr std::size_t leaf_members_max = 8; ///< more below a node: its tree, else its leaf

/// A node's name. Root: depth 0, prefix 0.
struct TreePlace {
    std::uint8_t depth = 0;
    std::uint32_t prefix = 0;

    friend bool operator==(const TreePlace&, const TreePlace&) = default;
};

/// The live below a node: positions [first, last).
struct LiveRange {
    std::size_t first = 0;
    std::size_t last = 0;
    [[nodiscard]] std::size_t size() const noexcept { return last - first; }
};
[[nodiscard]] LiveRange range_of(const View& view, TreePlace place) noexcept;

/// The digests of a node's children; its depth is below the deepest.
[[nodiscard]] proto::TreeNode tree_of(const View& view, TreePlace place) noexcept;

/// For each child in which `theirs` differs from the view: its tree or its leaf.
void compare_tree(const View& view, const proto::TreeNode& theirs, std::vector<TreePlace>& deeper,
                  std::vector<TreePlace>& leaves);

/// Packs leaves of these places, from `next` on, into one datagram of at most `room` bytes: live
/// members first and whole, then dead and tombstones, newest first, while there is room. Gives the
/// number of places packed, at least one.
std::size_t pack_leaves(const View& view, std::span<const TreePlace> places, std::size_t room,
                        proto::DatagramBody& body);

/// The part of all places that a node is: [first, last) of 2^32.
struct PlaceSpan {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};
[[nodiscard]] PlaceSpan span_of(TreePlace place) noexcept;

/// Of one leaf of theirs: whose records they lack or hold older, and whose are newer there. Ends
/// when `send` holds `send_max`: more than that is in no answer.
void compare_leaf(const View& view, TreePlace place, std::span<const proto::Brief> theirs,
                  std::vector<NodeId>& send, std::vector<NodeId>& want, std::size_t send_max);

} // namespace jackdaw::swim
