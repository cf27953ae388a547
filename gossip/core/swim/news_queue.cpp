#include "gossip/core/swim/news_queue.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

namespace jackdaw::swim {
namespace {

constexpr std::size_t misfits_max = 4; ///< too long for what is left; then the class is done
constexpr std::size_t spare_max = 64;  ///< items for which room is kept when there is no news
constexpr std::int64_t age_max_ms = 65'535;

} // namespace

NewsClass News::klass() const noexcept {
    return kind == NewsKind::status ? NewsClass::statuses
           : kind == NewsKind::hint ? NewsClass::hints
                                    : NewsClass::members;
}

std::uint16_t age_ms(Instant since, Instant now) noexcept {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(age, 0, age_max_ms));
}

std::uint32_t sends_of(NewsClass klass, std::size_t n) noexcept {
    // ceil(log10(n+1)): the decimal digits of n.
    std::uint32_t digits = 0;
    for (auto rest = n; rest != 0; rest /= 10) {
        ++digits;
    }
    if (klass != NewsClass::hints) {
        return 4 * std::max(digits, 1U);
    }
    // ceil(4 log10(n+1)): the smallest q with (n+1)^4 <= 10^q.
    std::uint32_t quarters = 0;
    const auto target = std::uint64_t{n + 1} * (n + 1) * (n + 1) * (n + 1);
    for (std::uint64_t power = 1; power < target; power *= 10) {
        ++quarters;
    }
    return 4 + quarters;
}

NewsQueue::NewsQueue(const Limits& limits, std::uint64_t salt) noexcept
    : limits_{limits.news_members, limits.news_statuses, limits.news_hints}, salt_{salt} {
    assert(limits_[0] + limits_[1] + limits_[2] < 0xFF'FFFFU);
}

NewsQueue::Rank NewsQueue::rank_of(const Item& item, Slot slot) noexcept {
    return std::uint64_t{item.sends} << 56U |
           std::uint64_t{static_cast<std::uint32_t>(~item.born)} << 24U | slot;
}

NewsItem NewsQueue::told(const Item& item, Instant now) noexcept {
    if (item.record) {
        return item.record->as_news();
    }
    if (item.status) {
        return item.status->as_news();
    }
    NewsItem news;
    news.kind = item.kind;
    if (item.kind == NewsKind::hint) {
        news.topic = static_cast<std::uint8_t>(item.b);
        news.key = item.a;
        news.version = item.c;
        return news;
    }
    news.id = NodeId{item.a};
    news.incarnation = item.c;
    news.by = NodeId{item.b};
    if (item.kind == NewsKind::suspect) {
        news.age_ms = age_ms(item.since, now);
    }
    return news;
}

// --- Finding and ordering -----------------------------------------------------------------------

std::size_t NewsQueue::bucket_of(NewsClass klass, std::uint64_t a) const noexcept {
    auto z = (a ^ salt_) + static_cast<std::uint64_t>(klass);
    z = (z ^ (z >> 33U)) * 0xFF51AFD7ED558CCDULL;
    z = (z ^ (z >> 33U)) * 0xC4CEB9FE1A85EC53ULL;
    return static_cast<std::size_t>(z >> 32U) & (buckets_.size() - 1);
}

void NewsQueue::grow_buckets() {
    if (count_ < buckets_.size()) {
        return;
    }
    buckets_.assign(std::max<std::size_t>(16, buckets_.size() * 2), no_slot);
    for (const auto& order : order_) {
        for (auto at = order.head; at < order.ranks.size(); ++at) {
            const auto slot = slot_of(order.ranks[at]);
            auto& bucket = buckets_[bucket_of(items_[slot].klass, items_[slot].a)];
            items_[slot].next = std::exchange(bucket, slot);
        }
    }
}

void NewsQueue::order_in(Order& order, Rank rank) {
    const auto at = std::upper_bound(order.ranks.begin() + static_cast<std::ptrdiff_t>(order.head),
                                     order.ranks.end(), rank, std::greater{});
    order.ranks.insert(at, rank);
}

void NewsQueue::order_out(Order& order, Rank rank) {
    const auto at = std::lower_bound(order.ranks.begin() + static_cast<std::ptrdiff_t>(order.head),
                                     order.ranks.end(), rank, std::greater{});
    assert(at != order.ranks.end() && *at == rank);
    order.ranks.erase(at);
}

void NewsQueue::retire(Slot slot) {
    auto& item = items_[slot];
    auto* link = &buckets_[bucket_of(item.klass, item.a)];
    while (*link != slot) {
        link = &items_[*link].next;
    }
    *link = item.next;
    item = Item{};
    item.next = std::exchange(free_, slot);
    --count_;
}

void NewsQueue::release_if_empty() {
    if (count_ != 0 || items_.capacity() <= spare_max) {
        return;
    }
    items_ = std::vector<Item>{}; // `= {}` would keep its room
    buckets_ = std::vector<Slot>{};
    free_ = no_slot;
    for (auto& order : order_) {
        order = {};
    }
    sent_ = std::vector<Slot>{};
    kept_ = std::vector<Rank>{};
}

template <class Goes>
void NewsQueue::erase_if(NewsClass klass, std::uint64_t a, Goes goes) {
    if (buckets_.empty()) {
        return;
    }
    for (auto slot = buckets_[bucket_of(klass, a)]; slot != no_slot;) {
        const auto& item = items_[slot];
        const auto next = item.next;
        if (item.klass == klass && item.a == a && goes(item)) {
            order_out(order_of(klass), rank_of(item, slot));
            retire(slot);
        }
        slot = next;
    }
}

void NewsQueue::drop_most_sent(Order& order) {
    retire(slot_of(order.ranks[order.head++]));
    if (order.head * 2 > order.ranks.size()) {
        order.ranks.erase(order.ranks.begin(),
                          order.ranks.begin() + static_cast<std::ptrdiff_t>(order.head));
        order.head = 0;
    }
    ++dropped_;
}

// --- In -----------------------------------------------------------------------------------------

void NewsQueue::drop_digested() {
    for (const auto klass : {NewsClass::members, NewsClass::statuses}) {
        auto& order = order_of(klass);
        std::erase_if(order.ranks, [&, at = std::size_t{0}](Rank rank) mutable {
            const auto slot = slot_of(rank);
            const bool is_gone = at++ < order.head; // an empty place
            const bool goes = is_gone || items_[slot].kind == NewsKind::alive ||
                              items_[slot].kind == NewsKind::status;
            if (goes && !is_gone) {
                retire(slot);
            }
            return goes;
        });
        order.head = 0;
    }
    release_if_empty();
}

void NewsQueue::put(News news) {
    const auto klass = news.klass();
    Item item;
    item.kind = news.kind;
    item.klass = klass;
    item.from = news.from;
    const bool is_hint = klass == NewsClass::hints;
    item.a = is_hint ? news.key : raw(news.id);
    item.b = is_hint ? news.topic : raw(news.by);
    item.c = is_hint ? news.version : news.incarnation;
    item.since = news.since;
    item.record = std::move(news.record);
    item.status = std::move(news.status);
    erase_if(klass, item.a, [&](const Item& held) {
        if (is_hint) {
            return held.b == item.b;
        }
        return item.kind != NewsKind::suspect || held.kind != NewsKind::suspect ||
               held.c != item.c || held.b == item.b;
    });
    auto& order = order_of(klass);
    if (order.size() >= limits_[static_cast<std::size_t>(klass)]) {
        drop_most_sent(order);
    }
    grow_buckets();
    Slot slot = free_;
    if (slot == no_slot) {
        slot = static_cast<Slot>(items_.size());
        items_.emplace_back();
    } else {
        free_ = items_[slot].next;
    }
    item.born = ++born_;
    item.next = std::exchange(buckets_[bucket_of(klass, item.a)], slot);
    items_[slot] = std::move(item);
    ++count_;
    order_in(order, rank_of(items_[slot], slot));
}

// --- Out ----------------------------------------------------------------------------------------

void NewsQueue::fill_class(proto::GossipWriter& writer, NewsClass klass, std::size_t bytes,
                           NodeId to, Instant now, std::size_t n) {
    auto& order = order_of(klass);
    const auto floor = writer.room() - std::min(bytes, writer.room());
    std::size_t misfits = 0;
    auto at = order.ranks.size();
    kept_.clear(); // of what was looked at
    for (; at > order.head && misfits < misfits_max; --at) {
        const auto rank = order.ranks[at - 1];
        auto& item = items_[slot_of(rank)];
        if (to != NodeId{} && item.from == to) {
            if (n <= 2) { // there is nobody else: told, or it would wait for ever
                ++item.sends;
                sent_.push_back(slot_of(rank));
            } else {
                kept_.push_back(rank);
            }
            continue;
        }
        const auto news = told(item, now);
        if (writer.room() < floor + proto::bytes_of(news) || !writer.add(news)) {
            ++misfits;
            kept_.push_back(rank);
            continue;
        }
        ++item.sends;
        sent_.push_back(slot_of(rank));
    }
    order.ranks.resize(at);
    order.ranks.insert(order.ranks.end(), kept_.rbegin(), kept_.rend());
}

void NewsQueue::settle_sent(std::size_t n) {
    for (const auto slot : sent_) {
        const auto& item = items_[slot];
        if (item.sends >= sends_of(item.klass, n)) {
            retire(slot);
        } else {
            order_in(order_of(item.klass), rank_of(item, slot));
        }
    }
    sent_.clear();
    release_if_empty();
}

void NewsQueue::fill(proto::GossipWriter& writer, NodeId to, Instant now, std::size_t n) {
    if (empty()) {
        return;
    }
    const auto room = writer.room();
    const bool statuses_wait = size(NewsClass::statuses) != 0;
    const bool hints_wait = size(NewsClass::hints) != 0;
    const bool others_wait = statuses_wait || hints_wait;
    fill_class(writer, NewsClass::members, others_wait ? room * 3 / 4 : room, to, now, n);
    if (statuses_wait) {
        const auto rest = writer.room();
        fill_class(writer, NewsClass::statuses, hints_wait ? rest * 2 / 3 : rest, to, now, n);
    }
    if (hints_wait) {
        fill_class(writer, NewsClass::hints, writer.room(), to, now, n);
    }
    if (statuses_wait && hints_wait) {
        fill_class(writer, NewsClass::statuses, writer.room(), to, now, n);
    }
    if (others_wait) {
        fill_class(writer, NewsClass::members, writer.room(), to, now, n);
    }
    settle_sent(n);
}

std::uint32_t NewsQueue::sends_most() const noexcept {
    std::uint32_t most = 0;
    for (const auto& order : order_) {
        if (order.size() != 0) {
            most = std::max(most, static_cast<std::uint32_t>(order.ranks[order.head] >> 56U));
        }
    }
    return most;
}

} // namespace jackdaw::swim
