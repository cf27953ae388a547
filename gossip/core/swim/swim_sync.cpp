// Anti-entropy, join and leave as messages.
#include <algorithm>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim {
namespace {

using proto::DatagramKind;
using namespace std::chrono_literals;

constexpr Duration differs_long = 10s; ///< syncs should have made them equal by then
constexpr std::size_t large_fleet = 1000;
constexpr Duration large_gap = 10s;
constexpr Duration join_sync_first = 60ms;
constexpr Duration join_sync_gap = 150ms;
constexpr Duration join_sync_jitter = 100ms;
constexpr std::uint32_t join_syncs = 24;   ///< in five seconds; then the gap of anybody
constexpr std::uint32_t unheard_after = 5; ///< rounds of asking: about 15 s
constexpr Duration unheard_boot_every = 1min;
constexpr std::size_t leave_told = 5;
constexpr std::size_t leave_acked = 3;
/// Members told of in the answer to leaves: far more than fit into answers_max datagrams.
constexpr std::size_t leaf_answers_max = 256;
/// Of news in a datagram of records or a page, beside the longest header.
constexpr std::size_t news_room = proto::gossip_plain_bytes_max - 46 - 14;

} // namespace

// --- Anti-entropy -------------------------------------------------------------------------------

void Swim::compare_digest(Instant now, const NetAddress& from, Entry* sender) {
    const auto& in = commons_.in;
    const bool quiet = std::chrono::milliseconds{in.body.quiet_ms} >= config_.settle &&
                       now - changed_at_ >= config_.settle;
    if (in.header.digest == view_.digest()) {
        if (sender != nullptr) {
            sender->greeting = Greeting::knows;
        }
        agreed_ = true;
        if (quiet) {
            queue_.drop_digested();
            join_sync_at_ = never; // two newcomers may agree in what little they know
        }
        return;
    }
    if (leaving_) {
        return;
    }
    ++counters_.digests_differ;
    const bool is_long = std::chrono::milliseconds{in.body.quiet_ms} >= differs_long &&
                         now - changed_at_ >= differs_long;
    counters_.digests_differ_long += is_long ? 1 : 0;
    if (sender != nullptr) {
        sender->greeting = Greeting::differs;
    }
    const auto gap = quiet                        ? config_.sync_gap_quiet
                     : view_.live() > large_fleet ? large_gap
                                                  : config_.sync_gap_busy;
    if (now - synced_at_ >= gap && unverified_.empty()) {
        start_sync(now, from, sender);
    }
}

void Swim::start_sync(Instant now, const NetAddress& to, Entry* who) {
    synced_at_ = now;
    ++counters_.syncs;
    if (view_.live() <= leaf_members_max) {
        auto& body = body_of(DatagramKind::leaf);
        const TreePlace root{};
        (void)pack_leaves(view_, std::span{&root, 1}, news_room, body);
        (void)send_bulk(now, to, who, body);
        return;
    }
    auto& body = body_of(DatagramKind::tree);
    body.trees.push_back(tree_of(view_, {}));
    (void)send_bulk(now, to, who, body);
}

bool Swim::affords_bulk(Instant now) noexcept {
    return sync_bytes_.available(now) >= proto::gossip_datagram_bytes_max;
}

bool Swim::send_bulk(Instant now, const NetAddress& to, Entry* who, const proto::DatagramBody& body,
                     std::span<const NewsItem> items) {
    if (!affords_bulk(now)) {
        return false;
    }
    const auto size = send(now, to, who, body, items, false);
    sync_bytes_.charge(now, size + proto::gossip_seal_bytes);
    counters_.sync_bytes += size;
    return size != 0;
}

void Swim::on_tree(Instant now, const NetAddress& from, Entry* sender) {
    auto& deeper = commons_.deeper;
    auto& leaves = commons_.leaves;
    deeper.clear();
    leaves.clear();
    if (!affords_bulk(now)) {
        return;
    }
    for (const auto& node : commons_.in.body.trees) {
        compare_tree(view_, node, deeper, leaves);
    }
    std::size_t sent = 0;
    for (std::size_t at = 0; at < deeper.size() && sent < answers_max; ++sent) {
        auto& body = body_of(DatagramKind::tree);
        for (; at < deeper.size() && body.trees.size() < proto::tree_nodes_max; ++at) {
            body.trees.push_back(tree_of(view_, deeper[at]));
        }
        if (!send_bulk(now, from, sender, body)) {
            return;
        }
    }
    for (std::size_t at = 0; at < leaves.size() && sent < answers_max; ++sent) {
        auto& body = body_of(DatagramKind::leaf);
        at += pack_leaves(view_, std::span{leaves}.subspan(at), news_room, body);
        if (!send_bulk(now, from, sender, body)) {
            return;
        }
    }
}

void Swim::on_leaf(Instant now, const NetAddress& from, Entry* sender) {
    auto& to_send = commons_.send;
    auto& to_want = commons_.want;
    to_send.clear();
    to_want.clear();
    if (!affords_bulk(now)) {
        return; // before the work is done, not after
    }
    const auto& in = commons_.in.body;
    std::uint64_t told = 0; // of the places, up to here
    for (const auto& leaf : in.leaves) {
        const TreePlace place{leaf.depth, leaf.prefix};
        const auto span = span_of(place);
        if (span.first < told) { // nobody tells of a place twice, or out of order
            ++counters_.dropped_malformed;
            return;
        }
        told = span.last;
        compare_leaf(view_, place, std::span{in.briefs}.subspan(leaf.first, leaf.count), to_send,
                     to_want, leaf_answers_max);
    }
    std::size_t sent = 0;
    if (!to_want.empty()) {
        auto& body = body_of(DatagramKind::want);
        const auto count = std::min(to_want.size(), proto::want_ids_max);
        body.ids.assign(to_want.begin(), to_want.begin() + static_cast<std::ptrdiff_t>(count));
        sent += send_bulk(now, from, sender, body) ? 1U : 0U;
    }
    send_records(now, from, sender, to_send, answers_max - sent);
}

void Swim::on_want(Instant now, const NetAddress& from, Entry* sender) {
    send_records(now, from, sender, commons_.in.body.ids, answers_max);
}

void Swim::append_record(const Entry& entry, std::vector<NewsItem>& into) const {
    into.push_back(entry.alive->as_news());
    if (entry.status) {
        into.push_back(entry.status->as_news());
    }
    if (!is_live(entry.state)) {
        std::array<NewsItem, accusers_max + 2> about;
        const auto count = items_about(now_, entry, about);
        into.insert(into.end(), about.begin(), about.begin() + static_cast<std::ptrdiff_t>(count));
    }
}

void Swim::send_records(Instant now, const NetAddress& to, Entry* who, std::span<const NodeId> ids,
                        std::size_t datagrams) {
    auto& items = commons_.items;
    std::size_t at = 0;
    while (at < ids.size() && datagrams-- != 0) {
        items.clear();
        std::size_t used = 2;
        for (; at < ids.size(); ++at) {
            const auto* const entry = view_.find(ids[at]);
            if (entry == nullptr) {
                continue;
            }
            const auto bytes = record_bytes(view_, *entry);
            if (used + bytes > news_room && !items.empty()) {
                break;
            }
            used += bytes;
            append_record(*entry, items);
        }
        if (items.empty() || !send_bulk(now, to, who, body_of(DatagramKind::records), items)) {
            return;
        }
    }
}

void Swim::run_syncs(Instant now) {
    const auto sync_with_somebody = [&] {
        if (auto* const entry = random_live(); entry != nullptr) {
            start_sync(now, entry->alive->address, entry);
        }
    };
    if (!unverified_.empty()) { // not before what came is verified, as with pages
        const auto later = now + join_sync_first;
        sync_soon_at_ = sync_soon_at_ <= now ? later : sync_soon_at_;
        join_sync_at_ = join_sync_at_ <= now ? later : join_sync_at_;
        return;
    }
    if (sync_soon_at_ <= now) {
        sync_soon_at_ = never;
        sync_with_somebody();
    }
    if (join_sync_at_ > now) {
        return;
    }
    join_sync_at_ =
        --join_syncs_left_ == 0 ? never : now + join_sync_gap + random_.below(join_sync_jitter);
    if (!lags_) {
        sync_with_somebody();
    } else if (const auto* const other = random_live();
               other != nullptr && !joiner_.is_paging() && !joiner_.is_asking()) {
        joiner_.read_round(now, other->alive->address, random_.next());
    }
}

// --- Join ---------------------------------------------------------------------------------------

void Swim::send_busy(Instant now, const NetAddress& from, Entry* sender) {
    ++counters_.joins_busy;
    auto& body = body_of(DatagramKind::busy);
    body.retry_ms = static_cast<std::uint16_t>(50 + random_.below(200));
    std::array<Entry*, proto::busy_addresses_max> others{};
    const auto count = pick_targets(others);
    for (std::size_t i = 0; i < count; ++i) {
        body.addresses.push_back(others[i]->alive->address);
    }
    send(now, from, sender, body, {}, false);
}

void Swim::serve_pages(Instant now, const NetAddress& from, Entry* sender, std::uint64_t cursor) {
    const auto affordable = sync_bytes_.available(now) / proto::gossip_datagram_bytes_max;
    const bool is_full = sender == nullptr && view_.live() >= limits_.members;
    if (affordable == 0 || is_full) {
        send_busy(now, from, sender);
        return;
    }
    ++counters_.joins_served;
    auto& plan = commons_.plan;
    plan_pages(view_, cursor, std::min<std::size_t>(pages_max, affordable), news_room, plan);
    for (std::size_t i = 0; i < plan.pages.size(); ++i) {
        auto& items = commons_.items;
        items.clear();
        const auto& page = plan.pages[i];
        for (auto at = page.first; at < page.last; ++at) {
            append_record(*plan.items[at].entry, items);
        }
        auto& body = body_of(DatagramKind::page);
        body.cursor = page.next;
        body.following = static_cast<std::uint8_t>(plan.pages.size() - 1 - i);
        if (!send_bulk(now, from, sender, body, items)) {
            return;
        }
    }
}

void Swim::on_page(Instant now, const NetAddress& from, Entry* sender) {
    const auto& in = commons_.in;
    const auto& body = in.body;
    const auto told = std::ranges::count(in.news, NewsKind::alive, &NewsItem::kind);
    const bool is_known = unverified_.empty() && 2 * std::ssize(commons_.added) < told;
    if (joiner_.is_round() && body.following == 0 && is_known) {
        // What is missing yet is found by digests with less to read.
        joiner_.stop_reading();
        lags_ = false;
        start_sync(now, from, sender);
        return;
    }
    if (told == 0 && body.cursor != 0 && joiner_.is_paging()) {
        joiner_.told_nothing(now, from);
        return;
    }
    if (joiner_.page(now, from, body.cursor, body.following)) {
        lags_ = true;
        join_syncs_left_ = join_syncs;
        join_sync_at_ = now + join_sync_first + random_.below(join_sync_jitter);
    }
}

void Swim::run_join(Instant now) {
    if (joiner_.wants_another()) {
        if (const auto* const other = random_live(); other != nullptr) {
            joiner_.read_from(now, other->alive->address);
        } else {
            joiner_.stop_reading(); // alone: the next period asks all addresses again
        }
    }
    // Perhaps a copy of this disk began in the same second: what is sent here is then dropped as
    // the other's, come again. A later boot is heard.
    const bool again = unheard_boot_at_ && now - *unheard_boot_at_ < unheard_boot_every;
    if (view_.live() == 1 && joiner_.unanswered() >= unheard_after && !again && !shut_out_) {
        unheard_boot_at_ = now;
        new_boot(now, own_.boot() + 1);
    }
    auto& asks = commons_.asks;
    asks.clear();
    joiner_.due(now, random_, unverified_.empty(), asks);
    for (const auto& ask : asks) {
        auto& body = body_of(ask.page ? DatagramKind::page_ask : DatagramKind::join);
        body.cursor = ask.cursor;
        send(now, ask.to, nullptr, body, {}, false);
    }
}

// --- Leave --------------------------------------------------------------------------------------

void Swim::run_leave(Instant now) {
    const auto others = view_.live() - 1;
    if (leave_ends_ <= now || leave_acked_.size() >= std::min(leave_acked, others)) {
        silent_ = true;
        tell(Event::Kind::left, *self_);
        return;
    }
    if (leave_at_ > now) {
        return;
    }
    leave_at_ = now + estimates_.rto(now, Estimates::no_zone, config_);
    std::array<Entry*, leave_told> targets{};
    const auto count = pick_targets(targets);
    const auto item = left_->as_news();
    for (std::size_t i = 0; i < count; ++i) {
        if (leave_acked_.contains(targets[i]->id())) {
            continue;
        }
        auto& body = body_of(DatagramKind::ping);
        body.probe = ++probe_number_;
        body.quiet_ms = quiet_ms(now);
        leave_told_.insert(targets[i]->id());
        send(now, targets[i]->alive->address, targets[i], body, std::span{&item, 1});
    }
}

} // namespace jackdaw::swim
