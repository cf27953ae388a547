#pragma once
// What is still to be told, in three classes, fewest sends first (GOSSIP.md, section 6).

#include <array>
#include <cstdint>
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

    [[nodiscard]] NewsClass klass() const noexcept;
};

/// How old a suspicion is, in what its item has room for.
[[nodiscard]] std::uint16_t age_ms(Instant since, Instant now) noexcept;

/// 4 ceil(log10(n+1)) for members and statuses, 4 + ceil(4 log10(n+1)) for hints, which no digest
/// repairs.
[[nodiscard]] std::uint32_t sends_of(NewsClass klass, std::size_t n) noexcept;

class NewsQueue {
public:
    /// `salt`: random, so that nobody can choose ids that fall together.
    explicit NewsQueue(const Limits& limits, std::uint64_t salt = 0) noexcept;

    /// Newer news about the same replaces older and begins at no sends; suspects of one incarnation
    /// by different accusers stand side by side. At the class's limit the most sent one goes.
    void put(News news);
    /// A quiet view's digest is another's: what digests cover (alive, status) is told no more,
    /// since they find whoever lacks it.
    void drop_digested();
    /// Fills what is left of a datagram to `to`, and counts the sends. `n`: members.
    void fill(proto::GossipWriter& writer, NodeId to, Instant now, std::size_t n);

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] std::size_t size(NewsClass klass) const noexcept {
        return order_[static_cast<std::size_t>(klass)].size();
    }
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
    /// Most sends that any item has had.
    [[nodiscard]] std::uint32_t sends_most() const noexcept;

private:
    using Slot = std::uint32_t;
    static constexpr Slot no_slot = ~Slot{0};
    /// As News, with the fields that no kind needs together in one place: a fleet in a storm holds
    /// thousands of these per member.
    struct Item {
        std::uint64_t a = 0; ///< id, or a hint's key
        std::uint64_t b = 0; ///< who accused or said down, or a hint's topic
        std::uint64_t c = 0; ///< incarnation, or a hint's version
        NodeId from{};
        Instant since{};
        SignedRef record;
        StatusRef status;
        Slot next = no_slot; ///< of its bucket, or of the free
        std::uint32_t born = 0;
        std::uint8_t sends = 0;
        NewsKind kind{};
        NewsClass klass{};
    };
    /// Fewest sends first, newest first among equals: the lower comes first. Sends (8 bits), age
    /// backwards (32 bits, round after 2^32 items), slot (24 bits).
    using Rank = std::uint64_t;
    /// Sorted, the first to be told at the back. What was told most goes at the front, where a full
    /// queue drops it: `head` such places are empty.
    struct Order {
        std::vector<Rank> ranks;
        std::size_t head = 0;
        [[nodiscard]] std::size_t size() const noexcept { return ranks.size() - head; }
    };

    [[nodiscard]] static Rank rank_of(const Item& item, Slot slot) noexcept;
    [[nodiscard]] static Slot slot_of(Rank rank) noexcept {
        return static_cast<Slot>(rank & 0xFF'FFFFU);
    }
    [[nodiscard]] static NewsItem told(const Item& item, Instant now) noexcept;
    [[nodiscard]] Order& order_of(NewsClass klass) noexcept {
        return order_[static_cast<std::size_t>(klass)];
    }
    [[nodiscard]] std::size_t bucket_of(NewsClass klass, std::uint64_t a) const noexcept;
    /// Erases those of the class and `a` for which `goes` holds.
    template <class Goes>
    void erase_if(NewsClass klass, std::uint64_t a, Goes goes);
    void order_in(Order& order, Rank rank);
    void order_out(Order& order, Rank rank);
    /// The item of a slot that stands in no order any more.
    void retire(Slot slot);
    void drop_most_sent(Order& order);
    void grow_buckets();
    /// Gives back what a storm took.
    void release_if_empty();
    /// At most `bytes` of one class. What is sent leaves the order until settle_sent().
    void fill_class(proto::GossipWriter& writer, NewsClass klass, std::size_t bytes, NodeId to,
                    Instant now, std::size_t n);
    void settle_sent(std::size_t n);

    std::array<std::size_t, news_classes> limits_;
    std::uint64_t salt_;
    std::vector<Item> items_;
    std::vector<Slot> buckets_; ///< a power of two of them
    Slot free_ = no_slot;
    std::size_t count_ = 0;
    std::array<Order, news_classes> order_;
    std::vector<Slot> sent_; ///< of the datagram being filled; keeps its room
    std::vector<Rank> kept_; ///< of the class being filled
    std::uint32_t born_ = 0;
    std::uint64_t dropped_ = 0;
};

} // namespace jackdaw::swim
