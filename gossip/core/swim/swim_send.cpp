// Datagrams out, and the spreading of news.
#include <algorithm>
#include <array>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim {
namespace {

using proto::DatagramKind;

constexpr std::uint32_t tries_per_target = 8;
constexpr std::uint64_t cross_zone = 4; ///< one gossip in so many goes to another zone

} // namespace

proto::DatagramBody& Swim::body_of(DatagramKind kind) {
    auto& body = commons_.body;
    body.addresses.clear();
    body.trees.clear();
    body.leaves.clear();
    body.briefs.clear();
    body.ids.clear();
    body.kind = kind;
    return body;
}

std::size_t Swim::send(Instant now, const NetAddress& to, Entry* who,
                       const proto::DatagramBody& body, std::span<const NewsItem> first,
                       bool fill) {
    // Without numbers the next tick begins another boot, not this call: `first` may be a view of
    // the present `alive`, which would go.
    if (outbox_.is_full() || seq_ == numbers_end) {
        ++counters_.dropped_outbox;
        return 0;
    }
    const bool has_digest = body.kind == DatagramKind::ping || body.kind == DatagramKind::ack;
    proto::DatagramHeader header;
    header.sender = id_;
    header.boot = own_.boot();
    header.seq = ++seq_;
    header.period = period_.told();
    header.incarnation = own_.incarnation();
    header.digest = has_digest ? view_.digest() : 0;
    auto buffer = commons_.take_buffer();
    proto::GossipWriter writer{*buffer};
    writer.begin(header, body);
    for (const auto& item : first) {
        (void)writer.add(item); // an accusation more or less: it comes again
    }
    // Its proof to who may not know this life; that the living agree says nothing of the dead.
    const bool knows =
        who != nullptr && (who->greeting == Greeting::knows ||
                           (who->greeting == Greeting::unknown && agreed_ && is_live(who->state)));
    if (!knows) {
        (void)writer.add(self_->alive->as_news());
    }
    if (fill) {
        queue_.fill(writer, who == nullptr ? NodeId{} : who->id(), now, view_.live());
    }
    if (body.kind == DatagramKind::gossip && writer.items() == 0) {
        commons_.buffers.push_back(std::move(buffer));
        return 0;
    }
    const auto size = writer.finish();
    auto& count = counters_.out[static_cast<std::size_t>(body.kind)];
    ++count.datagrams;
    count.bytes += size;
    outbox_.push(to, std::move(buffer), size);
    return size;
}

std::uint16_t Swim::quiet_ms(Instant now) const noexcept {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - changed_at_).count();
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(ms, 0, 65'535));
}

Entry* Swim::random_live(NodeId except) {
    const auto n = view_.live();
    for (std::uint32_t i = 0; n > 1 && i < tries_per_target; ++i) {
        auto& entry = view_.live_at(random_.below(n));
        if (&entry != self_ && entry.id() != except) {
            return &entry;
        }
    }
    return nullptr;
}

std::size_t Swim::pick_targets(std::span<Entry*> into) {
    const bool has_zones = estimates_.zones() > 1;
    std::size_t count = 0;
    for (std::size_t i = 0; i < into.size(); ++i) {
        const bool other_zone = has_zones && random_.below(cross_zone) == 0;
        for (std::uint32_t tries = 0; tries < tries_per_target; ++tries) {
            auto* const entry = random_live();
            const auto taken = into.first(count);
            if (entry != nullptr && std::ranges::find(taken, entry) == taken.end() &&
                (!other_zone || entry->zone != self_->zone)) {
                into[count++] = entry;
                break;
            }
        }
    }
    return count;
}

void Swim::run_gossip(Instant now) {
    const bool flush = flush_at_ <= now;
    const bool regular = next_gossip_ <= now;
    wake_gossip(now);
    if (flush) {
        flush_at_ = never;
    }
    if ((!flush && !regular) || queue_.empty() || view_.live() <= 1) {
        return;
    }
    if (flush) {
        flushed_at_ = now;
    }
    std::array<Entry*, 8> targets{};
    const auto fanout = std::min<std::size_t>(targets.size(), config_.gossip_fanout);
    const auto count = pick_targets(std::span{targets}.first(fanout));
    for (std::size_t i = 0; i < count && !queue_.empty(); ++i) {
        if (gossip_bytes_.available(now) < proto::gossip_datagram_bytes_max) {
            return; // the next round finds some more
        }
        const auto size =
            send(now, targets[i]->alive->address, targets[i], body_of(DatagramKind::gossip));
        gossip_bytes_.charge(now, size == 0 ? 0 : size + proto::gossip_seal_bytes);
    }
}

} // namespace jackdaw::swim
