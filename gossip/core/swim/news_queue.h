#pragma once
// What is still to be told, in three classes, fewest sends first (GOSSIP.md, section 6).

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/records.h"
#include "gossip/core/swim/states.h"
#include "proto/wire/gossip_codec.h"

namespace jackdaw::swim {

enum class NewsClass : std::uint8_t { members, statuses, hints };
inline constexpr std::size_t news_classes = 3;

/// One item to be spread. Records are shared, so an item is small.
struct News {
    NewsKind kind = NewsKind::alive;
    NodeId id{};                   ///< of a hint: none
    NodeId by{};                   ///< suspect, down
    NodeId from{};                 ///< whom it is not told again; none: it began here
    std::uint64_t incarnation = 0; ///< suspect, down
    Instant since{};               ///< suspect: the first doubt
    SignedRef record;              ///< alive, left
    StatusRef status;
    std::uint8_t topic = 0; ///< hint
    std::uint64_t key = 0;
    std::uint64_t version = 0;

    [[nodiscard]] NewsItem as_item(Instant now) const noexcept;
    [[nodiscard]] NewsClass klass() const noexcept;
};

/// 4 ceil(log10(n+1)) for members and statuses, 4 + ceil(4 log10(n+1)) for hints, which no digest
/// repairs.
[[nodiscard]] std::uint32_t sends_of(NewsClass klass, std::size_t n) noexcept;

class NewsQueue {
public:
    explicit NewsQueue(const Limits& limits) noexcept;

    /// Newer news about the same replaces older and begins at no sends; suspects of one incarnation
    /// by different accusers stand side by side. At the class's limit the most sent one goes.
    void put(News news);
    /// Nothing of this member's standing is told any more.
    void drop_member(NodeId id);
    /// Fills what is left of a datagram to `to`, and counts the sends. `n`: members.
    void fill(proto::GossipWriter& writer, NodeId to, Instant now, std::size_t n);

    [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size(NewsClass klass) const noexcept {
        return order_[static_cast<std::size_t>(klass)].size();
    }
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
    /// Most sends that any item has had.
    [[nodiscard]] std::uint32_t sends_most() const noexcept;

private:
    struct Key {
        NewsClass klass{};
        std::uint64_t a = 0; ///< id, or a hint's topic
        std::uint64_t b = 0; ///< accuser of a suspect, or a hint's key
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    struct Item {
        News news;
        std::uint32_t sends = 0;
        std::uint64_t born = 0;
    };
    using Items = std::map<Key, Item>;
    struct Rank { ///< fewest sends first, newest first among equals
        std::uint32_t sends = 0;
        std::uint64_t born = 0;
        Items::value_type* item = nullptr;
        friend bool operator<(const Rank& x, const Rank& y) noexcept {
            return x.sends != y.sends ? x.sends < y.sends : x.born > y.born;
        }
    };
    using Order = std::set<Rank>;

    [[nodiscard]] static Key key_of(const News& news) noexcept;
    [[nodiscard]] static Rank rank_of(Items::value_type& item) noexcept;
    [[nodiscard]] Order& order_of(NewsClass klass) noexcept {
        return order_[static_cast<std::size_t>(klass)];
    }
    void erase(Items::iterator at);
    /// Keeps both nodes for the next item, so that a steady stream of news allocates nothing.
    void retire(Items::iterator at, Order::node_type rank);
    void insert(const Key& key, Item item);
    /// At most `bytes` of one class. What is sent leaves the order until settle_sent().
    void fill_class(proto::GossipWriter& writer, NewsClass klass, std::size_t bytes, NodeId to,
                    Instant now, std::size_t n);
    void settle_sent(std::size_t n);

    std::array<std::size_t, news_classes> limits_;
    Items items_;
    std::array<Order, news_classes> order_;
    std::vector<Order::node_type> sent_; ///< of the datagram being filled; keeps its room
    std::vector<Items::node_type> spare_items_;
    std::vector<Order::node_type> spare_ranks_;
    std::uint64_t born_ = 0;
    std::uint64_t dropped_ = 0;
};

} // namespace jackdaw::swim
