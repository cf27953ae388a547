#include "gossip/core/swim/news_queue.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace jackdaw::swim {
namespace {

constexpr std::size_t misfits_max = 4; ///< too long for what is left; then the class is done
constexpr std::size_t spare_max = 64;
constexpr std::int64_t age_max_ms = 65'535;

} // namespace

NewsClass News::klass() const noexcept {
    return kind == NewsKind::status ? NewsClass::statuses
           : kind == NewsKind::hint ? NewsClass::hints
                                    : NewsClass::members;
}

NewsItem News::as_item(Instant now) const noexcept {
    if (record) {
        return record->as_news();
    }
    if (status) {
        return status->as_news();
    }
    NewsItem item;
    item.kind = kind;
    item.id = id;
    item.incarnation = incarnation;
    item.by = by;
    if (kind == NewsKind::suspect) {
        const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
        item.age_ms = static_cast<std::uint16_t>(std::clamp<std::int64_t>(age, 0, age_max_ms));
    }
    item.topic = topic;
    item.key = key;
    item.version = version;
    return item;
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

NewsQueue::NewsQueue(const Limits& limits) noexcept
    : limits_{limits.news_members, limits.news_statuses, limits.news_hints} {}

NewsQueue::Key NewsQueue::key_of(const News& news) noexcept {
    switch (news.klass()) {
    case NewsClass::members:
        return {NewsClass::members, raw(news.id),
                news.kind == NewsKind::suspect ? raw(news.by) : 0};
    case NewsClass::statuses: return {NewsClass::statuses, raw(news.id), 0};
    case NewsClass::hints: return {NewsClass::hints, news.topic, news.key};
    }
    return {};
}

NewsQueue::Rank NewsQueue::rank_of(Items::value_type& item) noexcept {
    return {item.second.sends, item.second.born, &item};
}

void NewsQueue::erase(Items::iterator at) {
    auto rank = order_of(at->first.klass).extract(rank_of(*at));
    assert(rank);
    retire(at, std::move(rank));
}

void NewsQueue::retire(Items::iterator at, Order::node_type rank) {
    auto node = items_.extract(at);
    node.mapped() = Item{};
    if (spare_items_.size() < spare_max) {
        spare_items_.push_back(std::move(node));
        spare_ranks_.push_back(std::move(rank));
    }
}

void NewsQueue::insert(const Key& key, Item item) {
    auto& order = order_of(key.klass);
    if (spare_items_.empty()) {
        order.insert(rank_of(*items_.emplace(key, std::move(item)).first));
        return;
    }
    auto node = std::move(spare_items_.back());
    spare_items_.pop_back();
    node.key() = key;
    node.mapped() = std::move(item);
    const auto at = items_.insert(std::move(node)).position;
    auto rank = std::move(spare_ranks_.back());
    spare_ranks_.pop_back();
    rank.value() = rank_of(*at);
    order.insert(std::move(rank));
}

void NewsQueue::drop_member(NodeId id) {
    auto at = items_.lower_bound({NewsClass::members, raw(id), 0});
    while (at != items_.end() && at->first.klass == NewsClass::members && at->first.a == raw(id)) {
        erase(at++);
    }
}

void NewsQueue::put(News news) {
    const auto key = key_of(news);
    if (key.klass == NewsClass::members) {
        auto at = items_.lower_bound({NewsClass::members, key.a, 0});
        while (at != items_.end() && at->first.klass == NewsClass::members &&
               at->first.a == key.a) {
            const auto& held = at->second.news;
            const bool stays = news.kind == NewsKind::suspect && held.kind == NewsKind::suspect &&
                               held.incarnation == news.incarnation && held.by != news.by;
            const auto next = std::next(at);
            if (!stays) {
                erase(at);
            }
            at = next;
        }
    } else if (const auto held = items_.find(key); held != items_.end()) {
        erase(held);
    }
    auto& order = order_of(key.klass);
    if (order.size() >= limits_[static_cast<std::size_t>(key.klass)]) {
        erase(items_.find(order.rbegin()->item->first));
        ++dropped_;
    }
    insert(key, Item{std::move(news), 0, ++born_});
}

void NewsQueue::fill_class(proto::GossipWriter& writer, NewsClass klass, std::size_t bytes,
                           NodeId to, Instant now, std::size_t n) {
    auto& order = order_of(klass);
    const auto floor = writer.room() - std::min(bytes, writer.room());
    std::size_t misfits = 0;
    for (auto at = order.begin(); at != order.end() && misfits < misfits_max;) {
        auto& item = at->item->second;
        if (to != NodeId{} && item.news.from == to) {
            if (n <= 2) { // there is nobody else: told, or it would wait for ever
                ++item.sends;
                sent_.push_back(order.extract(at++));
            } else {
                ++at;
            }
            continue;
        }
        const auto told = item.news.as_item(now);
        if (writer.room() < floor + proto::bytes_of(told) || !writer.add(told)) {
            ++misfits;
            ++at;
            continue;
        }
        ++item.sends;
        sent_.push_back(order.extract(at++));
    }
}

void NewsQueue::settle_sent(std::size_t n) {
    for (auto& rank : sent_) {
        auto& item = *rank.value().item;
        const auto klass = item.first.klass;
        if (item.second.sends >= sends_of(klass, n)) {
            retire(items_.find(item.first), std::move(rank));
        } else {
            rank.value() = rank_of(item);
            order_of(klass).insert(std::move(rank));
        }
    }
    sent_.clear();
}

void NewsQueue::fill(proto::GossipWriter& writer, NodeId to, Instant now, std::size_t n) {
    if (items_.empty()) {
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
        if (!order.empty()) {
            most = std::max(most, order.rbegin()->sends);
        }
    }
    return most;
}

} // namespace jackdaw::swim
