// What a change entails: digest, timers, events, news, the record of why; and this member's own.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim {
namespace {

constexpr Duration later_boot_every = std::chrono::minutes{1};
constexpr Duration incompatible_kept = std::chrono::minutes{10};
constexpr Duration lost_kept = std::chrono::hours{7 * 24}; ///< it may be a stranger's by then

std::string_view text_of(const proto::PublicKey& key) noexcept {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

std::size_t hash_name(std::string_view name, std::uint64_t salt) noexcept {
    for (const char c : name) {
        salt = (salt ^ static_cast<unsigned char>(c)) * 0x9E3779B97F4A7C15ULL;
        salt ^= salt >> 32U;
    }
    return static_cast<std::size_t>(salt);
}

} // namespace

void Swim::set_state(Instant now, Entry& entry, Claim claim, Cause cause, NodeId who) {
    const auto before = entry.state;
    view_.set_state(entry, claim, now);
    view_changed(now);
    if (claim.state != Standing::alive) {
        doubts_.drop(entry.id());
    }
    if (!is_live(claim.state)) {
        note_why(now, entry, before, cause, who); // before its accusers go
        detours_.end(entry.id());
        suspicions_.close(entry.id());
        if (view_.dead() > limits_.dead) {
            if (auto* const oldest = view_.oldest_dead(entry); oldest != nullptr) {
                bury_member(now, *oldest);
            }
        }
    }
    switch (claim.state) {
    case Standing::suspect:
        if (before != Standing::suspect) {
            ++counters_.suspicions;
            tell(Event::Kind::suspected, entry);
        }
        suspicions_.close(entry.id()); // of a lower incarnation
        break;
    case Standing::down: tell(Event::Kind::down, entry); break;
    case Standing::left:
        if (cause != Cause::operator_) { // that is told as forgotten
            tell(Event::Kind::left, entry);
        }
        break;
    case Standing::alive: break;
    }
}

void Swim::note_why(Instant now, const Entry& entry, std::optional<Standing> from, Cause cause,
                    NodeId who) {
    Change change;
    change.id = entry.id();
    change.when = now;
    change.from = from;
    change.to = entry.state;
    change.incarnation = entry.incarnation;
    change.cause = cause;
    change.who = who;
    change.health = health_.value();
    if (const auto* const open = suspicions_.of(entry.id()); open != nullptr) {
        change.accusers_count = open->count;
        change.accusers = open->accusers;
    }
    if (evidence_ && evidence_->target == entry.id()) {
        change.pings = evidence_->pings;
        change.helpers = evidence_->helpers_count;
        change.nacks = evidence_->nacks;
        change.rto = evidence_->rto;
    }
    why_.note(change);
}

void Swim::tell(Event event) {
    if (events_.size() >= limits_.events) {
        events_.back() = Event{}; // overflow: whoever reads it looks at the view again
        ++counters_.events_lost;
        return;
    }
    events_.push_back(std::move(event));
}

void Swim::tell(Event::Kind kind, const Entry& entry) {
    Event event;
    event.kind = kind;
    event.id = entry.id();
    event.state = entry.state;
    event.record = entry.alive;
    tell(std::move(event));
}

void Swim::spread(const Source& source, News news) {
    if (source.via == Via::page || view_.live() <= 1) {
        return;
    }
    if (source.via == Via::sync) {
        ++counters_.synced;
        if (!sync_news_.take(source.now)) { // bulk travels by sync, from neighbour to neighbour
            sync_soon_at_ = std::min(sync_soon_at_, source.now + std::chrono::milliseconds{20});
            return;
        }
    }
    news.from = source.from;
    queue(source.now, std::move(news));
}

void Swim::queue(Instant now, News news) {
    queue_.put(std::move(news));
    wake_gossip(now);
    if (flush_at_ == never) {
        flush_at_ = std::max(now + config_.flush_after, flushed_at_ + config_.flush_gap);
    }
}

void Swim::wake_gossip(Instant now) {
    if (next_gossip_ <= now) { // it stood still; its phase did not
        next_gossip_ += ((now - next_gossip_) / config_.gossip_every + 1) * config_.gossip_every;
    }
}

// --- This member --------------------------------------------------------------------------------

void Swim::refute(Instant now, const Claim& claim) {
    if (leaving_) {
        return;
    }
    switch (judge_own(claim, own_.incarnation())) {
    case Verdict::refute: break;
    case Verdict::too_high: ++counters_.news_too_high; return;
    default:
        ++counters_.news_stale;
        ++counters_.accused_again;
        return;
    }
    if (claim.incarnation >= answered_end) {
        ++counters_.news_too_high;
        return;
    }
    if (!(own_.is_jump(claim.incarnation + 1) ? jumps_ : refuting_).take(now)) {
        postponed_ = postponed_ ? std::max(*postponed_, claim) : claim;
        return;
    }
    own_.raise_to(claim.incarnation + 1);
    ++counters_.refutations;
    health_.worse();
    publish_self(now);
    Event event;
    event.kind = Event::Kind::refuted;
    event.id = id_;
    event.state = claim.state;
    event.record = self_->alive;
    tell(std::move(event));
}

void Swim::publish_self(Instant now) {
    if (leaving_) {
        return; // an `alive` above its `left` would bring back who is silent in a moment
    }
    proto::AliveBody body;
    body.id = id_;
    body.incarnation = own_.incarnation();
    body.boot = own_.boot();
    body.address = identity_.address;
    body.name = identity_.name;
    body.zone = identity_.zone;
    body.caps = identity_.caps;
    body.version = proto::gossip_version;
    body.version_min = proto::gossip_version_min;
    body.ring = identity_.ring;
    body.sealing = identity_.sealing;
    std::array<char, proto::alive_body_bytes_max> bytes{};
    NewsItem item;
    item.kind = NewsKind::alive;
    item.bytes = {bytes.data(), proto::encode_alive_body(body, bytes)};
    [[maybe_unused]] const bool reads = proto::decode_alive_body(item.bytes, item.alive);
    assert(reads);
    item.id = id_;
    item.incarnation = body.incarnation;
    const auto signature =
        crypto_.sign(proto::to_sign(proto::SignedAs::alive, identity_.fleet, item.bytes));
    item.public_key = text_of(identity_.key);
    item.signature = {reinterpret_cast<const char*>(signature.data()), signature.size()};
    auto record = commons_.records.keep_signed(item);
    if (self_ == nullptr) {
        self_ = &view_.add(std::move(record), now);
        self_->zone = estimates_.zone(identity_.zone);
    } else {
        view_.set_alive(*self_, std::move(record), now);
    }
    view_changed(now);
    News news;
    news.kind = NewsKind::alive;
    news.id = id_;
    news.record = self_->alive;
    spread({now, {}, Via::news}, std::move(news));
}

void Swim::publish_status(Instant now) {
    if (status_counter_ == 0xFFFF'FFFFU) {
        new_boot(now, own_.boot() + 1);
    }
    const auto version = std::uint64_t{own_.boot()} << 32U | ++status_counter_;
    status_waits_ = false;
    status_at_ = never;
    status_sent_ = now;
    auto status = commons_.records.keep_status(id_, version, status_next_);
    view_.set_status(*self_, status);
    view_changed(now);
    News news;
    news.kind = NewsKind::status;
    news.id = id_;
    news.status = std::move(status);
    spread({now, {}, Via::news}, std::move(news));
}

void Swim::new_boot(Instant now, std::uint32_t boot) {
    own_.new_boot(boot);
    seq_ = 0;
    status_counter_ = 0;
    agreed_ = false;
    for (std::size_t i = 0; i < view_.live(); ++i) {
        view_.live_at(i).greeting = Greeting::unknown;
    }
    for (std::size_t i = 0; i < view_.dead(); ++i) { // which may hear it again
        view_.dead_at(i).greeting = Greeting::unknown;
    }
    own_.raise_to(own_.incarnation() + 1);
    publish_self(now);
    joiner_.ask(now, {}, identity_.address);
}

bool Swim::take_later_boot(Instant now, std::uint32_t boot) {
    if (leaving_ || (new_boot_at_ && now - *new_boot_at_ < later_boot_every)) {
        return false;
    }
    new_boot_at_ = now;
    new_boot(now, boot);
    return true;
}

// --- Now and then -------------------------------------------------------------------------------

void Swim::check_names() {
    if (!names_dirty_) {
        return;
    }
    names_dirty_ = false;
    // A table of names that lives as long as this: names are compared where their hashes fall
    // together.
    const auto n = view_.live();
    const auto salt = random_.next(); // nobody can choose names that fall together
    std::vector<const SignedRecord*> table(std::bit_ceil(n * 2));
    std::map<std::string_view, std::vector<NodeId>> shared;
    for (std::size_t i = 0; i < n; ++i) {
        const auto& entry = view_.live_at(i);
        const auto name = entry.alive->name();
        auto at = hash_name(name, salt) & (table.size() - 1);
        while (table[at] != nullptr && table[at]->name() != name) {
            at = (at + 1) & (table.size() - 1);
        }
        if (table[at] == nullptr) {
            table[at] = &*entry.alive;
            continue;
        }
        auto& all = shared[name];
        if (all.empty()) {
            all.push_back(table[at]->id);
        }
        all.push_back(entry.id());
    }
    std::set<std::pair<NodeId, NodeId>> found;
    for (auto& [name, all] : shared) {
        std::ranges::sort(all);
        for (std::size_t i = 1; i < all.size(); ++i) {
            const std::pair pair{all[i - 1], all[i]};
            if (!conflicts_.contains(pair)) {
                tell(Event::Kind::name_conflict, *view_.find(all[i]));
            }
            found.insert(pair);
        }
    }
    conflicts_ = std::move(found);
}

void Swim::reap(Instant now) {
    view_.reap(now - dead_kept, now - tombstone_kept, now, [this, now](const Entry& entry) {
        if (entry.state == Standing::down) { // perhaps it was cut off for as long
            remember(now, entry.alive->address);
        }
        tell(Event::Kind::forgotten, entry);
    });
    std::erase_if(lost_, [&](const Lost& one) { return now - one.since > lost_kept; });
    if (now < unmet_until_) {
        remember_unmet(now);
    }
    drop_graves(limits_.tombstones);
    // Who was given another version meanwhile, or is gone, is nothing to mend any more.
    std::erase_if(incompatible_,
                  [&](const auto& one) { return now - one.second > incompatible_kept; });
}

void Swim::remember(Instant now, const NetAddress& lost) {
    if (std::ranges::find(lost_, lost, &Lost::address) != lost_.end()) {
        return;
    }
    if (lost_.size() >= limits_.addresses) {
        lost_.erase(lost_.begin());
    }
    lost_.push_back({lost, now});
    addresses_dirty_ = true;
}

/// Asking ends with the first answer. It may be of a part of the fleet that began anew while it was
/// cut off: nobody of it knows of the others, and whoever has an address of theirs asks there.
void Swim::remember_unmet(Instant now) {
    const auto given = joiner_.addresses();
    std::set<NetAddress> unmet{given.begin(), given.end()};
    for (std::size_t i = 0; i < view_.live() && !unmet.empty(); ++i) {
        unmet.erase(view_.live_at(i).alive->address);
    }
    for (std::size_t i = 0; i < view_.dead() && !unmet.empty(); ++i) {
        unmet.erase(view_.dead_at(i).alive->address);
    }
    for (const auto& address : unmet) {
        remember(now, address);
    }
}

void Swim::keep_addresses(Instant now) {
    if (!addresses_dirty_ || now - addresses_at_ < addresses_every) {
        return;
    }
    addresses_dirty_ = false;
    addresses_at_ = now;
    std::vector<NetAddress> addresses;
    const auto has_room = [&] { return addresses.size() < limits_.addresses; };
    const auto keep = [&](const Entry& entry, Standing state) {
        if (entry.state == state) {
            addresses.push_back(entry.alive->address);
        }
    };
    const auto n = view_.live();
    const auto mine = view_.live_index(*self_);
    for (const auto state : {Standing::alive, Standing::suspect}) {
        for (std::size_t i = 1; i < n && has_room(); ++i) {
            keep(view_.live_at((mine + i) % n), state); // each keeps others: some still stand
        }
    }
    for (std::size_t i = 0; i < view_.dead() && has_room(); ++i) {
        keep(view_.dead_at(i), Standing::down); // perhaps it is this member that was cut off
    }
    for (std::size_t i = 0; i < lost_.size() && has_room(); ++i) {
        addresses.push_back(lost_[i].address);
    }
    if (!addresses.empty()) { // else those of before are still the last that were alive
        own_.keep_addresses(std::move(addresses));
    }
}

} // namespace jackdaw::swim
