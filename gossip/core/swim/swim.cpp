// Construction, commands, the order of a tick, and what is fetched from a core.
#include "gossip/core/swim/swim.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace jackdaw::swim {
namespace {

constexpr Duration reap_every = std::chrono::minutes{1};
constexpr Duration unmet_for = std::chrono::hours{1}; ///< after a start or a join
constexpr Duration status_every = std::chrono::seconds{30};
constexpr Duration leave_longest = std::chrono::seconds{1};

std::string_view text_of(const proto::PublicKey& key) noexcept {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

} // namespace

Swim::Swim(const Config& config, const Limits& limits, Identity identity, const Snapshot& kept,
           Crypto crypto, std::uint64_t seed, Instant now, Commons& commons)
    : config_{config},
      limits_{limits},
      identity_{std::move(identity)},
      crypto_{std::move(crypto)},
      commons_{commons},
      random_{seed},
      id_{proto::node_id_of(text_of(identity_.key))},
      own_{kept, identity_.unix_s},
      view_{commons.records.view_key(), random_.next()},
      estimates_{limits_.zones},
      relays_{limits_.relays},
      doubts_{limits_.doubts},
      detours_{limits_.detours},
      suspicions_{config_, random_.next()},
      queue_{limits_, random_.next()},
      hints_{limits_.hint_keys},
      why_{limits_.why, random_.next()},
      joiner_{limits_.addresses, config_.rto_start},
      outbox_{commons, limits_.outbox},
      input_{limits_.datagrams_per_s, limits_.datagrams_per_s},
      verifying_{limits_.verifies_per_s, limits_.verifies_per_s},
      strangers_{limits_.strangers},
      forgers_{limits_.strangers},
      now_{now},
      ears_{now},
      changed_at_{now},
      next_period_{now + random_.below(config_.probe_period)},
      next_gossip_{now + random_.below(config_.gossip_every)},
      flushed_at_{now - config_.flush_gap},
      synced_at_{now - config_.sync_gap_busy},
      reap_at_{now + reap_every},
      unmet_until_{now + unmet_for},
      addresses_at_{now + addresses_first - addresses_every},
      gossip_bytes_{limits_.gossip_bytes_per_s, limits_.gossip_bytes_burst},
      sync_bytes_{limits_.sync_bytes_per_s, limits_.sync_bytes_burst} {
    assert(config_.validate() && id_ != NodeId{} && identity_.address.is_set());
    publish_self(now);
    joiner_.ask(now, kept.addresses, identity_.address);
}

// --- Commands -----------------------------------------------------------------------------------

void Swim::join(Instant now, std::span<const NetAddress> addresses) {
    unmet_until_ = now + unmet_for;
    joiner_.ask(now, addresses, identity_.address);
}

void Swim::leave(Instant now) {
    if (leaving_ || silent_) {
        return;
    }
    own_.raise_to(own_.incarnation() + 1);
    std::array<char, 32> body{};
    const std::string_view text{body.data(),
                                proto::encode_left_body(id_, own_.incarnation(), body)};
    const auto signature =
        crypto_.sign(proto::to_sign(proto::SignedAs::left, identity_.fleet, text));
    NewsItem item;
    item.kind = NewsKind::left;
    item.id = id_;
    item.incarnation = own_.incarnation();
    item.bytes = text;
    item.public_key = text_of(identity_.key);
    item.signature = {reinterpret_cast<const char*>(signature.data()), signature.size()};
    left_ = commons_.records.keep_signed(item);
    News news;
    news.kind = NewsKind::left;
    news.id = id_;
    news.record = left_;
    queue(now, std::move(news));
    leaving_ = true;
    probes_.clear();
    relays_.clear();
    doubts_.clear();
    leave_at_ = now;
    leave_ends_ = now + leave_longest;
    // Nobody asks who has left: to come back it must know whom to ask.
    addresses_at_ = now - addresses_every;
    keep_addresses(now);
}

Result<void> Swim::set_status(Instant now, std::string bytes, bool urgent) {
    if (bytes.size() > proto::gossip_status_bytes_max) {
        return Error{Errc::invalid, "a member's status is longer than gossip carries"};
    }
    const auto& held = self_->status;
    if (held && held->bytes() == bytes) {
        status_waits_ = false;
        status_at_ = never;
        return ok();
    }
    status_next_ = std::move(bytes);
    status_waits_ = true;
    if (urgent) {
        status_at_ = std::min(status_at_, urgent_.take(now) ? now : urgent_.ready_at());
    } else {
        const auto due = status_sent_ ? std::max(now, *status_sent_ + status_every) : now;
        status_at_ = std::min(status_at_, due);
    }
    if (status_at_ <= now) {
        publish_status(now);
    }
    return ok();
}

void Swim::hint(Instant now, std::uint8_t topic, std::uint64_t key, std::uint64_t version) {
    if (!hints_.note(topic, key, version)) {
        return;
    }
    News news;
    news.kind = NewsKind::hint;
    news.topic = topic;
    news.key = key;
    news.version = version;
    spread({now, {}, Via::news}, std::move(news));
}

void Swim::set_address(Instant now, const NetAddress& address) {
    if (address == identity_.address) {
        return;
    }
    identity_.address = address;
    own_.raise_to(own_.incarnation() + 1);
    publish_self(now);
}

void Swim::set_name(Instant now, std::string name) {
    if (name == identity_.name) {
        return;
    }
    identity_.name = std::move(name);
    names_dirty_ = true;
    own_.raise_to(own_.incarnation() + 1);
    publish_self(now);
}

void Swim::set_ring(Instant now, std::uint32_t version, std::uint32_t sealing) {
    if (identity_.ring == version && identity_.sealing == sealing) {
        return;
    }
    identity_.ring = version;
    identity_.sealing = sealing;
    own_.raise_to(own_.incarnation() + 1);
    publish_self(now);
}

Result<void> Swim::set_operators(std::vector<proto::PublicKey> keys) {
    if (keys.size() > limits_.operators) {
        return Error{Errc::exhausted, "gossip takes at most 64 keys of operators"};
    }
    operators_ = std::move(keys);
    return ok();
}

Result<void> Swim::forget(Instant now, NodeId id, std::uint64_t incarnation,
                          std::string_view operator_key, std::string_view signature) {
    const auto* const entry = view_.find(id);
    if (entry == nullptr || id == id_) {
        return Error{Errc::not_found, "gossip holds no such other member"};
    }
    if (entry->incarnation != incarnation) {
        return Error{Errc::conflict, "the member has another incarnation by now; sign that one"};
    }
    std::array<char, 32> body{};
    const std::string_view text{body.data(), proto::encode_left_body(id, incarnation, body)};
    if (!is_operator(operator_key) || signature.size() != proto::signature_bytes ||
        !crypto_.verify(operator_key,
                        proto::to_sign(proto::SignedAs::forget, identity_.fleet, text),
                        signature)) {
        return Error{Errc::not_allowed, "only an operator's signature makes a member forgotten"};
    }
    NewsItem item;
    item.kind = NewsKind::left;
    item.id = id;
    item.incarnation = incarnation;
    item.bytes = text;
    item.public_key = operator_key;
    item.signature = signature;
    trusted_ = &item;
    take_left({now, {}, Via::news}, item);
    trusted_ = nullptr;
    return ok();
}

void Swim::persisted(Instant now, const Persist& record) {
    now_ = std::max(now_, now);
    own_.persisted(record);
}

void Swim::unreachable(Instant now, const NetAddress& address) {
    for (const auto& probe : probes_.all()) {
        const auto* const entry = view_.find(probe.target);
        if (entry != nullptr && entry->alive->address == address) {
            probes_.hurry(probe.target, now);
        }
    }
}

void Swim::lost_input(Instant now, std::uint64_t count) {
    counters_.lost_input += count;
    now_ = std::max(now_, now);
    if (losses_.take(now, forgiveness)) { // a stranger's flood makes the kernel drop for ever
        forgive(now);
    } else {
        ++counters_.losses_judged;
    }
}

// --- Time ---------------------------------------------------------------------------------------

void Swim::late(Instant now, Instant due) {
    ++counters_.late_ticks;
    // What is heard now waited in the sockets meanwhile, and so would the answers have: their
    // absence tells of the others. A machine that is late all the time must see deaths, too.
    const bool heard = ears_.heard_at() > due || ears_.silence(now) > config_.deaf_hold;
    if (!heard || lates_.take(now, late_forgiveness)) {
        forgive(now);
    } else {
        ++counters_.lates_judged;
    }
}

void Swim::tick(Instant now) {
    now_ = std::max(now_, now);
    if (silent_) {
        return;
    }
    const auto due = next_wakeup();
    if (due != never && now - due > late_after) {
        late(now, due);
    }
    take_verified(now);
    if (postponed_ && postponed_at() <= now) {
        refute(now, *std::exchange(postponed_, std::nullopt));
    }
    if (leaving_) {
        run_leave(now);
        run_gossip(now);
        return;
    }
    if (seq_ == numbers_end) {
        new_boot(now, own_.boot() + 1);
    }
    run_probes(now);
    run_doubts(now);
    if (std::min(next_period_, early_period_) <= now) {
        run_period(now);
    }
    run_suspicions(now); // last: the others change who could confirm
    if (status_waits_ && status_at_ <= now) {
        publish_status(now);
    }
    run_gossip(now);
    run_syncs(now);
    run_join(now);
    if (reap_at_ <= now) {
        reap_at_ = now + reap_every;
        reap(now);
    }
}

Instant Swim::next_wakeup() const {
    if (silent_) {
        return never;
    }
    auto next = unverified_.empty() ? never : verifying_.ready_at();
    if (!queue_.empty() && view_.live() > 1) {
        next = std::min({next, next_gossip_, flush_at_});
    }
    if (leaving_) {
        return std::min({next, leave_at_, leave_ends_});
    }
    next = std::min({next, next_period_, early_period_, reap_at_, probes_.next_due(),
                     relays_.next_due(), doubts_.next_due(), sync_soon_at_,
                     joiner_.next_due(unverified_.empty())});
    if (const auto over = suspicions_.next_due(confirmers()); over != never) {
        // What runs out while the deaf rule holds is due when that ends, and not late then.
        const auto hold_ends = std::min(ears_.heard_at() + config_.deaf_hold,
                                        ears_.over_at(view_.live() - 1, config_.deaf_hold));
        const auto from = misses_others(now_) ? hold_ends + Duration{1} : judges_from_;
        next = std::min(next, std::max(over, from));
    }
    next = std::min({next, join_sync_at_, postponed_at()});
    return status_waits_ ? std::min(next, status_at_) : next;
}

Instant Swim::postponed_at() const noexcept {
    if (!postponed_) {
        return never;
    }
    // What no longer waits for its bucket is due now, not since then: no tick is late by it.
    const auto& bucket = own_.is_jump(postponed_->incarnation + 1) ? jumps_ : refuting_;
    return std::max(now_, bucket.ready_at());
}

std::optional<Outgoing> Swim::poll_send() {
    if (silent_ || !own_.is_durable()) {
        return std::nullopt;
    }
    return outbox_.poll();
}

std::optional<Event> Swim::poll_event() {
    if (events_.empty()) {
        return std::nullopt;
    }
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

bool Swim::misses_others(Instant now) const noexcept {
    const auto silence = ears_.silence(now);
    return view_.live() > 2 && silence >= config_.deaf_after();
}

bool Swim::is_deaf(Instant now) const noexcept {
    return misses_others(now) && ears_.silence(now) <= config_.deaf_hold &&
           ears_.over_at(view_.live() - 1, config_.deaf_hold) >= now;
}

} // namespace jackdaw::swim
