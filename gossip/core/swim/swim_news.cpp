// What is told of members: verified, judged by states.h, applied, passed on.
#include <algorithm>
#include <cassert>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim {
namespace {

constexpr Duration twin_within = std::chrono::seconds{60};

std::string_view text_of(const proto::PublicKey& key) noexcept {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

News news_of(const NewsItem& item, NodeId id) {
    News news;
    news.kind = item.kind;
    news.id = id;
    news.by = item.by;
    news.incarnation = item.incarnation;
    return news;
}

} // namespace

void Swim::take(const Source& source, const NewsItem& item) {
    if (silent_) {
        return;
    }
    if (item.kind == NewsKind::hint) {
        take_hint(source, item);
        return;
    }
    if (!waiting_ids_.empty() && waiting_ids_.contains(item.id)) {
        wait(source, item);
        return;
    }
    switch (item.kind) {
    case NewsKind::alive: item.id == id_ ? take_own(source, item) : take_alive(source, item); break;
    case NewsKind::suspect: take_suspect(source, item); break;
    case NewsKind::down: take_down(source, item); break;
    case NewsKind::left: take_left(source, item); break;
    case NewsKind::status: take_status(source, item); break;
    case NewsKind::hint: break;
    }
}

// --- Signatures ---------------------------------------------------------------------------------

bool Swim::is_operator(std::string_view key) const {
    return std::ranges::any_of(operators_, [&](const auto& held) { return text_of(held) == key; });
}

Swim::Check Swim::verify(const Source& source, const NewsItem& item, const Entry* held) {
    if (trusted_ == &item) {
        return Check::good;
    }
    auto what = item.kind == NewsKind::alive ? proto::SignedAs::alive : proto::SignedAs::left;
    const bool is_its_own = held != nullptr ? held->alive->public_key() == item.public_key
                                            : proto::node_id_of(item.public_key) == item.id;
    if (!is_its_own) {
        if (item.kind != NewsKind::left || !is_operator(item.public_key)) {
            forged(source);
            return Check::bad;
        }
        what = proto::SignedAs::forget;
    }
    if (forgers_.ignores(source.now, source.from)) {
        ++counters_.news_ignored; // digests repair it, if there was anything to it
        return Check::bad;
    }
    if (!verifying_.take(source.now)) {
        return Check::wait;
    }
    if (!crypto_.verify(item.public_key, proto::to_sign(what, identity_.fleet, item.bytes),
                        item.signature)) {
        forged(source);
        return Check::bad;
    }
    return Check::good;
}

void Swim::forged(const Source& source) {
    ++counters_.news_forged;
    forgers_.caught(source.now, source.from);
}

void Swim::wait(const Source& source, const NewsItem& item) {
    if (unverified_.size() >= limits_.unverified) {
        ++counters_.news_unverified; // digests repair it
        return;
    }
    auto& kept = unverified_.emplace_back();
    kept.bytes.reserve(item.bytes.size() + item.public_key.size() + item.signature.size());
    kept.bytes.append(item.bytes).append(item.public_key).append(item.signature);
    kept.item = item;
    kept.from = source.from;
    kept.via = source.via;
    ++waiting_ids_[item.id];
}

void Swim::take_verified(Instant now) {
    NodeId teller{};
    while (!unverified_.empty()) {
        const auto kind = unverified_.front().item.kind;
        const bool is_signed = kind == NewsKind::alive || kind == NewsKind::left;
        if (is_signed && verifying_.available(now) == 0) {
            break; // what came unsigned behind a signed item is taken with it
        }
        auto waiting = std::move(unverified_.front());
        unverified_.pop_front();
        const auto left = waiting_ids_.find(waiting.item.id);
        if (--left->second == 0) {
            waiting_ids_.erase(left);
        }
        auto& item = waiting.item;
        const std::string_view bytes{waiting.bytes};
        const auto key_at = bytes.size() - item.public_key.size() - item.signature.size();
        item.signature = bytes.substr(bytes.size() - item.signature.size());
        item.public_key = bytes.substr(key_at, item.public_key.size());
        item.bytes = bytes.substr(0, key_at);
        if (item.kind == NewsKind::alive) {
            [[maybe_unused]] const bool reads = proto::decode_alive_body(item.bytes, item.alive);
            assert(reads);
        }
        // A record is as it came: a member that this one brought is new to the rest of it.
        if (item.kind == NewsKind::alive || waiting.from != teller) {
            commons_.added.clear();
            teller = waiting.from;
        }
        // What waits behind it about the same id stays behind it: take() must not queue this one.
        const Source source{now, waiting.from, waiting.via};
        switch (item.kind) {
        case NewsKind::alive:
            item.id == id_ ? take_own(source, item) : take_alive(source, item);
            break;
        case NewsKind::suspect: take_suspect(source, item); break;
        case NewsKind::down: take_down(source, item); break;
        case NewsKind::left: take_left(source, item); break;
        case NewsKind::status: take_status(source, item); break;
        case NewsKind::hint: break;
        }
    }
}

// --- Items --------------------------------------------------------------------------------------

void Swim::take_alive(const Source& source, const NewsItem& item) {
    auto* entry = view_.find(item.id);
    const auto held = entry != nullptr ? entry->claim() : Claim{};
    const auto verdict =
        judge({item.incarnation, Standing::alive}, entry != nullptr ? &held : nullptr,
              view_.tombstone_of(item.id), entry != nullptr ? entry->alive->incarnation : 0);
    if (verdict != Verdict::add && verdict != Verdict::replace) {
        ++counters_.news_stale;
        return;
    }
    const bool comes_alive = entry == nullptr || !is_live(entry->state);
    if (comes_alive && view_.live() >= limits_.members) {
        ++counters_.members_refused;
        return;
    }
    const auto checked = verify(source, item, entry);
    if (checked != Check::good) {
        if (checked == Check::wait) {
            wait(source, item);
        }
        return;
    }
    auto record = commons_.records.keep_signed(item);
    const auto cause = source.via == Via::news && source.from == item.id ? Cause::itself
                       : source.via == Via::news                         ? Cause::heard
                                                                         : Cause::sync;
    names_dirty_ = names_dirty_ || comes_alive || entry->alive->name() != record->name();
    addresses_dirty_ = true;
    if (entry == nullptr) {
        entry = &view_.add(std::move(record), source.now);
        commons_.added.push_back(item.id);
        note_why(source.now, *entry, std::nullopt, cause, source.from);
        tell(Event::Kind::joined, *entry);
    } else {
        const auto before = entry->state;
        view_.set_alive(*entry, std::move(record), source.now);
        suspicions_.close(item.id);
        doubts_.drop(item.id);
        if (before != Standing::alive) {
            note_why(source.now, *entry, before, cause, source.from);
        }
        tell(before == Standing::alive  ? Event::Kind::updated
             : before == Standing::left ? Event::Kind::joined
                                        : Event::Kind::recovered,
             *entry);
    }
    entry->zone = estimates_.zone(entry->alive->zone());
    counters_.zones_refused += entry->zone == Estimates::no_zone ? 1 : 0;
    view_changed(source.now);
    if (comes_alive && view_.live() == 2) { // perhaps news of before waits for somebody to tell
        wake_gossip(source.now);
        flush_at_ = std::max(flush_at_, source.now);
    }
    News news;
    news.kind = NewsKind::alive;
    news.id = item.id;
    news.record = entry->alive;
    spread(source, std::move(news));
}

void Swim::take_own(const Source& source, const NewsItem& item) {
    const auto mine = own_.incarnation();
    const bool is_said_here = item.incarnation == mine && item.bytes == self_->alive->body();
    if (item.incarnation < mine || is_said_here || item.incarnation >= answered_end) {
        return;
    }
    const auto checked = verify(source, item, self_);
    if (checked != Check::good) {
        if (checked == Check::wait) {
            wait(source, item);
        }
        return;
    }
    // Signed with this key, and not here: an older disk was put back, or a second machine has it;
    // perhaps of the same boot, when copies of one disk start in the same second.
    if (twin_seen_ && source.now - *twin_seen_ <= twin_within) {
        const bool yields = item.alive.boot != own_.boot() ? own_.boot() < item.alive.boot
                                                           : identity_.address < item.alive.address;
        if (yields) {
            tell(Event::Kind::twin_detected, *self_);
            silent_ = true;
            outbox_.clear();
            return;
        }
    }
    twin_seen_ = source.now;
    own_.raise_to(item.incarnation + 1); // without limit: it was signed with this key
    publish_self(source.now);
}

Verdict Swim::weigh(const Source& source, const NewsItem& item, const Claim& claim, Entry*& about) {
    if (item.id == id_) {
        accused_ = true;
        refute(source.now, claim);
        return Verdict::ignore;
    }
    about = view_.find(item.id);
    const auto held = about != nullptr ? about->claim() : Claim{};
    const auto verdict = judge(claim, about != nullptr ? &held : nullptr, nullptr,
                               about != nullptr ? about->alive->incarnation : 0);
    counters_.news_too_high += verdict == Verdict::too_high ? 1 : 0;
    counters_.news_stale += verdict == Verdict::ignore ? 1 : 0;
    return verdict;
}

void Swim::take_suspect(const Source& source, const NewsItem& item) {
    const Claim claim{item.incarnation, Standing::suspect};
    Entry* entry = nullptr;
    const auto verdict = weigh(source, item, claim, entry);
    if (verdict != Verdict::replace && verdict != Verdict::accuse) {
        return;
    }
    const auto before = entry->state;
    if (!is_live(before) && view_.live() >= limits_.members) { // a suspect is a member again
        ++counters_.members_refused;
        return;
    }
    if (verdict == Verdict::replace) {
        set_state(source.now, *entry, claim, Cause::heard, source.from);
    }
    accuse(source.now, *entry, item.by, source.now - std::chrono::milliseconds{item.age_ms},
           source.from, before);
}

void Swim::take_down(const Source& source, const NewsItem& item) {
    const Claim claim{item.incarnation, Standing::down};
    Entry* entry = nullptr;
    if (weigh(source, item, claim, entry) != Verdict::replace) {
        return;
    }
    const bool from_sync = source.via != Via::news;
    const bool is_new = std::ranges::find(commons_.added, item.id) != commons_.added.end();
    const bool is_asked = probes_.running(item.id, ProbeFor::rumour) != nullptr;
    // Who was not even suspected here is asked, too: the teller may be who cannot reach it.
    const bool is_surprise = entry->state == Standing::alive && !is_asked && !leaving_ &&
                             probes_.count(ProbeFor::rumour) < limits_.rumour_probes;
    if ((from_sync || is_surprise) && !is_new && is_live(entry->state)) {
        // Not believed: asked itself, with the rumour on board. A suspect's timer decides.
        if (entry->state != Standing::alive || is_asked || leaving_) {
            return;
        }
        if (probes_.count(ProbeFor::rumour) < limits_.rumour_probes) {
            start_probe(source.now, *entry, ProbeFor::rumour, claim, item.by);
            if (!from_sync) {
                spread(source, news_of(item, item.id)); // it is to hear of it soon
            }
        } else {
            ++counters_.probes_refused; // the next digest finds it again
        }
        return;
    }
    set_state(source.now, *entry, claim, from_sync ? Cause::sync : Cause::heard, source.from);
    view_.set_death(item.id, {{}, item.by});
    spread(source, news_of(item, item.id));
}

void Swim::take_left(const Source& source, const NewsItem& item) {
    const Claim claim{item.incarnation, Standing::left};
    auto* const entry = view_.find(item.id);
    const bool about_me = item.id == id_;
    const auto held = entry != nullptr ? entry->claim() : Claim{};
    const auto verdict =
        about_me ? judge_own(claim, own_.incarnation())
                 : judge(claim, entry != nullptr ? &held : nullptr, view_.tombstone_of(item.id),
                         entry != nullptr ? entry->alive->incarnation : 0);
    const bool is_forgotten = entry != nullptr && entry->alive->public_key() != item.public_key;
    // Who left by itself is forgotten by the same claim in an operator's words.
    const bool is_of_left = is_forgotten && !about_me && held == claim;
    if (verdict != Verdict::refute && verdict != Verdict::replace && verdict != Verdict::bury &&
        !is_of_left) {
        accused_ = accused_ || about_me;
        ++counters_.news_stale;
        return;
    }
    const auto checked = verify(source, item, entry);
    if (checked != Check::good) {
        if (checked == Check::wait) {
            wait(source, item);
        }
        return;
    }
    if (about_me) {
        accused_ = true;
        refute(source.now, claim);
        return;
    }
    News news;
    news.kind = NewsKind::left;
    news.id = item.id;
    news.record = commons_.records.keep_signed(item);
    if (verdict == Verdict::bury) {
        drop_graves(limits_.tombstones - 1);
        view_.bury(item.id, claim, source.now);
    } else if (is_of_left) {
        bury_member(source.now, *entry);
    } else {
        const bool was_down = entry->state == Standing::down;
        set_state(source.now, *entry, claim, is_forgotten ? Cause::operator_ : Cause::itself,
                  source.from);
        view_.set_death(item.id, {news.record, {}});
        if (is_forgotten) {
            if (was_down) { // or only cut off from here, with others
                remember(source.now, entry->alive->address);
            }
            bury_member(source.now, *entry);
        }
    }
    spread(source, std::move(news));
}

void Swim::bury_member(Instant now, Entry& entry) {
    tell(Event::Kind::forgotten, entry);
    drop_graves(limits_.tombstones - 1);
    view_.bury(entry, now);
}

void Swim::drop_graves(std::size_t most) {
    if (const auto held = view_.graves().size(); held > most) {
        // Some more than must be: else each grave of a flood of them costs a look at all.
        view_.drop_oldest_graves(std::max(held - most, limits_.tombstones / 16));
        counters_.graves_dropped += held - view_.graves().size();
    }
}

void Swim::take_status(const Source& source, const NewsItem& item) {
    auto* const entry = view_.find(item.id);
    if (entry == nullptr || (item.version >> 32U) > entry->alive->boot) {
        ++counters_.news_stale;
        return;
    }
    if (item.id == id_) {
        const auto mine = self_->status_version();
        // Version 0 is that of none, which nobody can have said.
        if (item.version == 0 || item.version < mine ||
            (item.version == mine && self_->status->bytes() == item.bytes)) {
            return;
        }
        // Not made by this life: mine goes above it.
        const auto counter = static_cast<std::uint32_t>(item.version & 0xFFFF'FFFFU);
        if ((item.version >> 32U) == own_.boot()) {
            if (counter != 0xFFFF'FFFFU) {
                status_counter_ = counter;
            } else if (!take_later_boot(source.now, own_.boot() + 1)) {
                return; // a boot is a write that all waits for: whoever forges these waits, too
            }
        }
        if (self_->status && !status_waits_) {
            status_next_ = std::string{self_->status->bytes()};
        }
        publish_status(source.now);
        return;
    }
    if (item.version <= entry->status_version()) {
        ++counters_.news_stale;
        return;
    }
    auto status = commons_.records.keep_status(item.id, item.version, item.bytes);
    view_.set_status(*entry, status);
    if (is_live(entry->state)) {
        view_changed(source.now);
        tell(Event::Kind::updated, *entry);
    }
    News news;
    news.kind = NewsKind::status;
    news.id = item.id;
    news.status = std::move(status);
    spread(source, std::move(news));
}

void Swim::take_hint(const Source& source, const NewsItem& item) {
    if (!hints_.note(item.topic, item.key, item.version)) {
        ++counters_.news_stale;
        return;
    }
    Event event;
    event.kind = Event::Kind::hint;
    event.id = source.from;
    event.topic = item.topic;
    event.key = item.key;
    event.version = item.version;
    tell(std::move(event));
    auto news = news_of(item, {});
    news.topic = item.topic;
    news.key = item.key;
    news.version = item.version;
    spread(source, std::move(news));
}

} // namespace jackdaw::swim
