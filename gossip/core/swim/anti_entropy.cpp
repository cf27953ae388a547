#include "gossip/core/swim/anti_entropy.h"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace jackdaw::swim {
namespace {

constexpr std::size_t dead_shown_max = 40; ///< more briefs than that fit in no datagram

std::uint64_t first_place(TreePlace place) noexcept {
    return place.depth == 0 ? 0 : std::uint64_t{place.prefix} << (64U - 4U * place.depth);
}
std::uint64_t last_place(TreePlace place) noexcept {
    const auto below =
        place.depth == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (64U - 4U * place.depth)) - 1;
    return first_place(place) | below;
}

proto::Brief brief_of(const Entry& entry) noexcept {
    return {entry.id(), entry.incarnation, entry.state, entry.status_version()};
}

/// Newer: suspect counts as alive, since its accusers travel by news.
auto age_of(const proto::Brief& brief) noexcept {
    return std::tuple{brief.incarnation, brief.state >= Standing::down, brief.status_version};
}

struct Dated {
    Instant since;
    proto::Brief brief;
};

/// Of the dead and then the graves below a place, newest first.
std::vector<Dated> dead_below(const View& view, TreePlace place) {
    std::vector<Dated> dead;
    const auto last = last_place(place);
    for (auto i = view.dead_from(first_place(place));
         i < view.dead() && view.dead_at(i).place() <= last; ++i) {
        dead.push_back({view.dead_at(i).since, brief_of(view.dead_at(i))});
    }
    const auto newest_first = [&](auto from) {
        const auto keep = std::min<std::ptrdiff_t>(dead.end() - from, dead_shown_max);
        std::partial_sort(from, from + keep, dead.end(), [](const Dated& a, const Dated& b) {
            return std::tuple{b.since, raw(a.brief.id)} < std::tuple{a.since, raw(b.brief.id)};
        });
        dead.erase(from + keep, dead.end());
    };
    newest_first(dead.begin());
    const auto graves_at = static_cast<std::ptrdiff_t>(dead.size());
    for (auto at = view.graves().lower_bound({first_place(place), NodeId{}});
         at != view.graves().end() && at->first.first <= last; ++at) {
        const auto& grave = at->second;
        dead.push_back({grave.since, {grave.id, grave.claim.incarnation, grave.claim.state, 0}});
    }
    newest_first(dead.begin() + graves_at);
    return dead;
}

} // namespace

LiveRange range_of(const View& view, TreePlace place) noexcept {
    const auto last = last_place(place);
    return {view.live_from(first_place(place)),
            last == ~std::uint64_t{0} ? view.live() : view.live_from(last + 1)};
}

proto::TreeNode tree_of(const View& view, TreePlace place) noexcept {
    assert(place.depth < proto::tree_depth_max);
    proto::TreeNode node{place.depth, place.prefix, {}};
    const auto& kept = view.tree_digests();
    if (place.depth == 0) {
        for (std::size_t i = 0; i < kept.size(); ++i) {
            node.children[i / 16] ^= kept[i];
        }
        return node;
    }
    if (place.depth == 1) {
        std::ranges::copy_n(kept.begin() + 16 * (place.prefix & 0xFU), 16, node.children.begin());
        return node;
    }
    const auto range = range_of(view, place);
    const auto shift = 60U - 4U * place.depth;
    for (auto i = range.first; i < range.last; ++i) {
        const auto& entry = view.live_at(i);
        node.children[entry.place() >> shift & 0xFU] ^= digest_on_wire(entry.digest);
    }
    return node;
}

void compare_tree(const View& view, const proto::TreeNode& theirs, std::vector<TreePlace>& deeper,
                  std::vector<TreePlace>& leaves) {
    const auto mine = tree_of(view, {theirs.depth, theirs.prefix});
    for (std::uint32_t child = 0; child < mine.children.size(); ++child) {
        if (mine.children[child] == theirs.children[child]) {
            continue;
        }
        const TreePlace place{static_cast<std::uint8_t>(theirs.depth + 1),
                              theirs.prefix << 4U | child};
        const bool is_deep = place.depth >= proto::tree_depth_max;
        const bool many = range_of(view, place).size() > leaf_members_max;
        (many && !is_deep ? deeper : leaves).push_back(place);
    }
}

std::size_t pack_leaves(const View& view, std::span<const TreePlace> places, std::size_t room,
                        proto::DatagramBody& body) {
    body.kind = proto::DatagramKind::leaf;
    room -= std::min<std::size_t>(room, 3); // the list's own head
    std::size_t packed = 0;
    for (std::size_t used = 0; packed < places.size(); ++packed) {
        const auto range = range_of(view, places[packed]);
        auto bytes = proto::leaf_node_bytes_max;
        for (auto i = range.first; i < range.last; ++i) {
            bytes += proto::bytes_of(brief_of(view.live_at(i)));
        }
        if (packed != 0 && used + bytes > room) {
            break;
        }
        used += bytes;
    }
    auto spare = room;
    for (const auto place : places.first(packed)) {
        const auto range = range_of(view, place);
        spare -= std::min(spare, proto::leaf_node_bytes_max);
        for (auto i = range.first; i < range.last; ++i) {
            spare -= std::min(spare, proto::bytes_of(brief_of(view.live_at(i))));
        }
    }
    auto left = room;
    for (const auto place : places.first(packed)) {
        const auto range = range_of(view, place);
        auto& node = body.leaves.emplace_back();
        node.depth = place.depth;
        node.prefix = place.prefix;
        node.first = static_cast<std::uint16_t>(body.briefs.size());
        left -= std::min(left, proto::leaf_node_bytes_max);
        const auto take = [&](const proto::Brief& brief) {
            const auto bytes = proto::bytes_of(brief);
            if (bytes > left) { // only of a node at the deepest, full of ids made for it
                return false;
            }
            left -= bytes;
            body.briefs.push_back(brief);
            return true;
        };
        for (auto i = range.first; i < range.last && take(brief_of(view.live_at(i))); ++i) {
        }
        if (view.dead() != 0 || !view.graves().empty()) {
            for (const auto& dead : dead_below(view, place)) {
                const auto bytes = proto::bytes_of(dead.brief);
                if (bytes > spare) {
                    break;
                }
                spare -= bytes;
                (void)take(dead.brief);
            }
        }
        node.count = static_cast<std::uint16_t>(body.briefs.size() - node.first);
    }
    return packed;
}

PlaceSpan span_of(TreePlace place) noexcept {
    const auto bits = 32U - 4U * std::min<unsigned>(place.depth, 8);
    const auto first = std::uint64_t{place.prefix} << bits;
    return {first, first + (std::uint64_t{1} << bits)};
}

void compare_leaf(const View& view, TreePlace place, std::span<const proto::Brief> theirs,
                  std::vector<NodeId>& send, std::vector<NodeId>& want, std::size_t send_max) {
    for (const auto& brief : theirs) {
        const auto* const mine = view.find(brief.id);
        if (mine == nullptr) {
            const auto* const grave = view.tombstone_of(brief.id);
            if (grave == nullptr || Claim{brief.incarnation, brief.state} > *grave) {
                want.push_back(brief.id);
            }
            continue;
        }
        const auto my_age = age_of(brief_of(*mine));
        if (age_of(brief) > my_age) {
            want.push_back(brief.id);
        } else if (age_of(brief) < my_age) {
            send.push_back(brief.id);
        }
    }
    const auto range = range_of(view, place);
    for (auto i = range.first; i < range.last && send.size() < send_max; ++i) {
        const auto id = view.live_at(i).id();
        if (std::ranges::find(theirs, id, &proto::Brief::id) == theirs.end()) {
            send.push_back(id);
        }
    }
}

} // namespace jackdaw::swim
