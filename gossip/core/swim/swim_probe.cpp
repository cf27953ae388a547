// Probes, doubts and suspicions: who is asked, and what it means when nobody answers.
#include <algorithm>
#include <cassert>
#include <vector>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim {
namespace {

using proto::DatagramKind;

constexpr std::uint32_t tries_per_helper = 16;
constexpr std::size_t soundings = 64;      ///< a period
constexpr std::size_t sounding_probes = 8; ///< the same, of members that may be dead
constexpr std::size_t accused_pings = 8;   ///< a period
constexpr std::size_t heal_pings = 2;      ///< a period, of all members together
constexpr std::size_t heal_pings_first = 6;
constexpr Duration heal_first = std::chrono::minutes{2}; ///< after somebody was called down
constexpr std::size_t lost_every = 60; ///< periods between two pings of who is lost, by all
constexpr std::size_t lost_every_first = 10;
constexpr Duration lost_first = std::chrono::minutes{10}; ///< since it was lost

std::uint32_t stamp(Instant now) noexcept {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
}

std::uint16_t to_ms(Duration d) noexcept {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(ms, 0, 65'535));
}

/// Who began a fleet was given no addresses: these are all it has when it is alone.
std::vector<NetAddress> addresses_of_down(const View& view, std::size_t most) {
    std::vector<NetAddress> known;
    for (std::size_t i = 0; i < view.dead() && known.size() < most; ++i) {
        if (const auto& entry = view.dead_at(i); entry.state == Standing::down) {
            known.push_back(entry.alive->address);
        }
    }
    return known;
}

} // namespace

// --- Probes -------------------------------------------------------------------------------------

void Swim::run_period(Instant now) {
    const auto periods = (now - next_period_) / config_.probe_period + 1;
    next_period_ += periods * config_.probe_period;
    early_period_ = never;
    period_.advance();
    const auto n = view_.live();
    if (n == 1) { // answered by one that told nothing of others, or that is gone since
        joiner_.add(addresses_of_down(view_, limits_.addresses), identity_.address);
        joiner_.ask_again(now, identity_.address);
    }
    if (n > 1 && !probes_.is_running(ProbeFor::period)) {
        const auto mine = view_.live_index(*self_);
        const auto step = view_.key().hash(period_.own()) % (n - 1);
        start_probe(now, view_.live_at((mine + 1 + step) % n), ProbeFor::period);
    }
    const bool deaf = is_deaf(now);
    ears_.look(now, misses_others(now), n - 1, config_.deaf_hold);
    if (ears_.has_spell() && n > 2) {
        sound(now);
    }
    if (deaf) {
        counters_.deaf_ms += to_ms(config_.probe_period);
        if (!isolated_ && ears_.silence(now) >= 3 * config_.probe_period) {
            isolated_ = true;
            Event event;
            event.kind = Event::Kind::isolated;
            tell(std::move(event));
        }
    }
    ask_accused(now);
    heal(now);
    check_names();
    keep_addresses(now);
}

void Swim::start_probe(Instant now, const Entry& target, ProbeFor purpose, Claim rumour,
                       NodeId rumour_by) {
    const auto stretch = purpose == ProbeFor::period ? health_.factor() : 1U;
    auto& probe = probes_.start(now, ++probe_number_, target.id(), purpose, rto(now, target),
                                stretch, config_);
    probe.rumour = rumour;
    probe.rumour_by = rumour_by;
    ping_probe(now,
               probe); // here, and not by run_probes(): input may start one, but runs no timers
}

void Swim::run_probes(Instant now) {
    while (const auto step = probes_.step(now)) {
        switch (step->kind) {
        case ProbeStep::Kind::ping:
            ++counters_.pings_again;
            if (auto* const target = view_.find(step->probe.target); target != nullptr) {
                target->greeting = Greeting::differs; // perhaps it dropped the first as unproved
            }
            ping_probe(now, step->probe);
            break;
        case ProbeStep::Kind::ask_helpers: ask_helpers(now, step->probe); break;
        case ProbeStep::Kind::failed: probe_failed(now, step->probe); break;
        }
    }
    while (const auto step = relays_.step(now)) {
        const auto& relay = step->relay;
        if (step->nack) {
            auto& body = body_of(DatagramKind::nack);
            body.probe = relay.theirs;
            body.target = relay.target;
            send(now, relay.answer_to, view_.find(relay.asker), body);
        } else {
            send(now, relay.target_address, view_.find(relay.target), ping_body(now, relay.number));
        }
    }
}

const proto::DatagramBody& Swim::ping_body(Instant now, std::uint32_t number) {
    auto& body = body_of(DatagramKind::ping);
    body.probe = number;
    body.echo = stamp(now);
    body.quiet_ms = quiet_ms(now);
    return body;
}

void Swim::ping(Instant now, const Entry& target, std::uint32_t number) {
    std::array<NewsItem, accusers_max + 2> first;
    const auto about = items_about(now, target, first);
    const auto& body = ping_body(now, number);
    send(now, target.alive->address, view_.find(target.id()), body,
         std::span{first}.first(std::min<std::size_t>(about, 1)));
}

void Swim::ping_probe(Instant now, const Probe& probe) {
    auto* const target = view_.find(probe.target);
    if (target == nullptr) {
        return;
    }
    if (probe.purpose != ProbeFor::rumour) {
        ping(now, *target, probe.number);
        return;
    }
    NewsItem rumour;
    rumour.kind = NewsKind::down;
    rumour.id = probe.target;
    rumour.incarnation = probe.rumour.incarnation;
    rumour.by = probe.rumour_by;
    const auto& body = ping_body(now, probe.number);
    send(now, target->alive->address, target, body, std::span{&rumour, 1});
}

Entry* Swim::pick_helper(const Probe& probe, std::optional<std::uint8_t> zone) {
    const auto fits = [&](const Entry& entry) {
        return entry.state == Standing::alive && entry.id() != id_ && entry.id() != probe.target &&
               !probe.has_helper(entry.id()) && (!zone || entry.zone == *zone);
    };
    const auto n = view_.live();
    for (std::uint32_t i = 0; i < tries_per_helper; ++i) {
        auto& entry = view_.live_at(random_.below(n));
        if (fits(entry)) {
            return &entry;
        }
    }
    const auto start = random_.below(n);
    for (std::size_t i = 0; i < n; ++i) {
        auto& entry = view_.live_at((start + i) % n);
        if (fits(entry)) {
            return &entry;
        }
    }
    return nullptr;
}

void Swim::ask_helpers(Instant now, const Probe& asked) {
    auto* const probe = probes_.by_number(asked.number);
    const auto* const target = view_.find(asked.target);
    if (probe == nullptr || target == nullptr || asked.purpose == ProbeFor::sounding) {
        return;
    }
    const auto wanted = asked.purpose == ProbeFor::period ? helpers_asked : helpers_asked - 1;
    const auto wait = (probe->fails_at - now) * 3 / 5;
    for (std::uint32_t i = 0; i < wanted; ++i) {
        std::optional<std::uint8_t> zone;
        if (i == 0) {
            zone = self_->zone;
        } else if (i == 1) {
            zone = target->zone;
        }
        auto* helper =
            estimates_.zones() > 1 ? pick_helper(*probe, zone) : pick_helper(*probe, std::nullopt);
        if (helper == nullptr && zone) {
            helper = pick_helper(*probe, std::nullopt);
        }
        if (helper == nullptr) {
            return;
        }
        probe->helpers[probe->helpers_count++] = helper->id();
        auto& body = body_of(DatagramKind::ping_req);
        body.probe = probe->number;
        body.target = probe->target;
        body.address = target->alive->address;
        body.wait_ms = to_ms(wait);
        send(now, helper->alive->address, helper, body);
    }
}

void Swim::probe_ok(Instant now, const Probe& probe, bool indirect) {
    ++counters_.probes_ok;
    if (indirect) {
        ++counters_.probes_indirect;
        detours_.by_others(probe.target, now);
    }
    if (probe.purpose == ProbeFor::period) {
        health_.better();
    }
}

void Swim::probe_failed(Instant now, const Probe& probe) {
    ++counters_.probes_failed;
    if (probe.purpose == ProbeFor::period) {
        std::uint32_t alive = 0;
        for (std::size_t i = 0; i < probe.helpers_count; ++i) {
            const auto* const helper = view_.find(probe.helpers[i]);
            alive += helper != nullptr && helper->state == Standing::alive ? 1 : 0;
        }
        if (probe.helpers_count == 0) {
            health_.worse();
        } else if (alive > probe.nacks) {
            health_.worse(alive - probe.nacks);
        }
    }
    auto* const entry = view_.find(probe.target);
    if (entry == nullptr || !is_live(entry->state)) {
        return;
    }
    if (is_deaf(now)) {
        doubts_.drop(probe.target);
        return;
    }
    evidence_ = probe;
    auto* const doubt = doubts_.of(probe.target);
    const bool outlasted = view_.live() > 2 && ears_.silence(now) > config_.deaf_hold;
    if (entry->state == Standing::suspect) {
        accuse(now, *entry, id_, now, {});
    } else if (doubt != nullptr && doubt->accuser != id_) {
        const auto noted = *doubt;
        publish_alone(now, *entry, noted.since);
        accuse(now, *entry, noted.accuser, noted.since, {});
    } else if (outlasted) {
        publish_alone(now, *entry, doubt != nullptr ? doubt->since : now);
    } else if (doubt == nullptr) {
        open_doubt(now, *entry);
    } else if (++doubt->failures >= 3) {
        publish_alone(now, *entry, doubt->since);
    } else {
        doubt->round = 1;
        ask_observers(now, *doubt);
    }
    evidence_.reset();
}

// --- Doubts -------------------------------------------------------------------------------------

void Swim::open_doubt(Instant now, Entry& about) {
    auto* doubt = doubts_.open(about.id(), id_, now);
    if (doubt == nullptr && doubts_.drop_noted()) { // what others ask for hides no death
        doubt = doubts_.open(about.id(), id_, now);
    }
    if (doubt == nullptr) {
        ++counters_.doubts_refused;
        return;
    }
    ++counters_.doubts;
    ask_observers(now, *doubt);
}

void Swim::ask_observers(Instant now, Doubt& doubt) {
    struct Scored {
        std::uint64_t score = 0;
        NodeId id{};
    };
    std::array<Scored, observers_asked> best{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < view_.live(); ++i) {
        const auto& entry = view_.live_at(i);
        const auto id = entry.id();
        if (entry.state != Standing::alive || id == id_ || id == doubt.about || doubts_.has(id)) {
            continue;
        }
        const Scored scored{view_.key().hash(raw(doubt.about), raw(id), doubt.round), id};
        auto at = count < best.size() ? count++ : best.size() - 1;
        if (at == best.size() - 1 && count == best.size() && best[at].id != NodeId{} &&
            best[at].score >= scored.score) {
            continue;
        }
        for (; at > 0 && best[at - 1].score < scored.score; --at) {
            best[at] = best[at - 1];
        }
        best[at] = scored;
    }
    auto* const about = view_.find(doubt.about);
    const auto since = doubt.since;
    if (count == 0) {
        publish_alone(now, *about, since);
        return;
    }
    doubt.asked_count = static_cast<std::uint8_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
        doubt.asked[i] = best[i].id;
    }
    doubt.probe_again_at = now + config_.probe_period;
    ping(now, *about, ++probe_number_);
    for (std::size_t i = 0; i < count; ++i) {
        auto* const observer = view_.find(best[i].id);
        auto& body = body_of(DatagramKind::confirm);
        body.target = about->id();
        body.incarnation = about->incarnation;
        body.age_ms = to_ms(now - since);
        send(now, observer->alive->address, observer, body);
    }
}

void Swim::run_doubts(Instant now) {
    while (auto* const doubt = doubts_.due(now)) {
        if (doubt->ends_at <= now) {
            doubts_.drop(doubt->about);
            continue;
        }
        doubt->probe_again_at = never;
        const auto about = doubt->about;
        if (!probes_.running(about, ProbeFor::doubt)) {
            start_probe(now, *view_.find(about), ProbeFor::doubt);
        }
    }
}

void Swim::publish_alone(Instant now, Entry& about, Instant since) {
    ++counters_.doubts_published;
    if (about.state == Standing::alive) {
        set_state(now, about, {about.incarnation, Standing::suspect}, Cause::probe, {});
    }
    accuse(now, about, id_, since, {});
}

void Swim::on_confirm(Instant now, const NetAddress& from, NodeId sender) {
    const auto& in = commons_.in.body;
    auto* const about = view_.find(in.target);
    auto* const asker = view_.find(sender);
    if (about == nullptr || leaving_) {
        return;
    }
    if (about == self_) { // to be heard is the answer
        send(now, from, asker, body_of(DatagramKind::gossip));
        return;
    }
    if (about->state != Standing::alive) {
        std::array<NewsItem, accusers_max + 2> items;
        const auto count = items_about(now, *about, items);
        send(now, from, asker, body_of(DatagramKind::gossip), std::span{items}.first(count));
        return;
    }
    const auto age = std::min<Duration>(std::chrono::milliseconds{in.age_ms}, config_.probe_period);
    auto* const held = doubts_.of(in.target);
    if (held != nullptr) {
        if (held->accuser == id_ && !is_deaf(now)) { // both doubt it: that is two
            const auto since = held->since;
            publish_alone(now, *about, since);
            accuse(now, *about, sender, now - age, {});
        }
        return;
    }
    auto* const noted = doubts_.open(in.target, sender, now - age);
    if (noted == nullptr) {
        ++counters_.doubts_refused;
        return;
    }
    noted->ends_at = now + 10 * config_.probe_period;
    if (probes_.running(in.target, ProbeFor::observer) != nullptr) {
        return;
    }
    if (probes_.count(ProbeFor::observer) < limits_.observer_probes && observing_.take(now)) {
        start_probe(now, *about, ProbeFor::observer);
    } else {
        ++counters_.probes_refused; // noted all the same
    }
}

void Swim::on_clear(NodeId sender) {
    auto* const doubt = doubts_.of(commons_.in.body.target);
    if (doubt == nullptr || doubt->accuser != id_) {
        return;
    }
    const auto asked = std::span{doubt->asked}.first(doubt->asked_count);
    if (std::ranges::find(asked, sender) != asked.end()) {
        ++counters_.doubts_cleared;
        detours_.by_others(doubt->about, now_);
        doubts_.drop(doubt->about);
        health_.worse();
    }
}

// --- Suspicions ---------------------------------------------------------------------------------

std::uint32_t Swim::confirmers() const noexcept {
    const auto others = view_.live() - view_.suspects() - 1;
    return static_cast<std::uint32_t>(
        std::min<std::size_t>(confirmers_max, others - std::min(others, doubts_.size())));
}

void Swim::accuse(Instant now, Entry& about, NodeId accuser, Instant since, NodeId from,
                  Standing before) {
    const auto* const open = suspicions_.of(about.id());
    if (open == nullptr) {
        (void)suspicions_.open(now, about.id(), accuser, since);
        note_why(now, about, before, evidence_ ? Cause::probe : Cause::heard, from);
    } else if (!suspicions_.accuse(about.id(), accuser, since)) {
        ++counters_.news_stale;
        return;
    }
    News news;
    news.kind = NewsKind::suspect;
    news.id = about.id();
    news.by = accuser;
    news.incarnation = about.incarnation;
    news.since = since;
    if (!hears_nobody(now)) {
        spread({now, from, Via::news}, std::move(news));
    }
}

void Swim::run_suspicions(Instant now) {
    if (is_deaf(now)) {
        return;
    }
    while (const auto about = suspicions_.expired(now, confirmers())) {
        auto* const entry = view_.find(*about);
        ++counters_.downs;
        set_state(now, *entry, {entry->incarnation, Standing::down}, Cause::timer, {});
        view_.set_death(*about, {{}, id_});
        if (hears_nobody(now)) {
            continue; // nobody would hear of it but who is heard first after an own outage
        }
        News news;
        news.kind = NewsKind::down;
        news.id = *about;
        news.by = id_;
        news.incarnation = entry->incarnation;
        spread({now, {}, Via::news}, std::move(news));
    }
}

void Swim::ask_accused(Instant now) {
    if (suspicions_.size() == 0) {
        return;
    }
    for (const auto about :
         suspicions_.accused_by(id_, random_.below(suspicions_.size()), accused_pings)) {
        ping(now, *view_.find(about), ++probe_number_);
    }
}

void Swim::withdraw(Instant now, NodeId heard) {
    for (const auto about : suspicions_.begun_after(ears_.heard_at())) {
        auto* const entry = view_.find(about);
        suspicions_.close(about);
        set_state(now, *entry, {entry->incarnation, Standing::alive}, Cause::withdrawn, heard);
        note_why(now, *entry, Standing::suspect, Cause::withdrawn, heard);
        tell(Event::Kind::recovered, *entry);
    }
}

std::size_t Swim::items_about(Instant now, const Entry& entry,
                              std::array<NewsItem, accusers_max + 2>& into) const {
    std::size_t count = 0;
    if (entry.state == Standing::suspect) {
        const auto* const open = suspicions_.of(entry.id());
        for (std::size_t i = 0; open != nullptr && i < open->count; ++i) {
            auto& item = into[count++];
            item = NewsItem{};
            item.kind = NewsKind::suspect;
            item.id = entry.id();
            item.by = open->accusers[i].id;
            item.incarnation = entry.incarnation;
            item.age_ms = age_ms(open->accusers[i].since, now);
        }
    } else if (!is_live(entry.state)) {
        const auto* const death = view_.death_of(entry.id());
        if (death != nullptr && death->left) {
            into[count++] = death->left->as_news();
        } else {
            auto& item = into[count++];
            item = NewsItem{};
            item.kind = NewsKind::down;
            item.id = entry.id();
            item.incarnation = entry.incarnation;
            item.by = death != nullptr ? death->by : id_;
        }
    }
    return count;
}

void Swim::sound(Instant now) {
    const auto others = view_.live() - 1;
    const auto count = std::min(others, soundings);
    const auto start = view_.live_index(*self_) + 1;
    for (std::size_t i = 0; i < count; ++i) {
        const auto step = count == others ? i : random_.below(others);
        ping(now, view_.live_at((start + step) % view_.live()), ++probe_number_);
    }
    ears_.asked(count);
    counters_.soundings += count;
    // Most may be dead: one probe a period would take a period for each.
    for (std::size_t i = 0; i < sounding_probes; ++i) {
        const auto& target = view_.live_at((start + random_.below(others)) % view_.live());
        if (probes_.count(ProbeFor::sounding) < limits_.sounding_probes &&
            !probes_.is_running(target.id())) {
            start_probe(now, target, ProbeFor::sounding);
        }
    }
}

void Swim::ask_lost(Instant now) {
    const auto n = view_.live();
    if (lost_.empty()) {
        return;
    }
    const auto at = lost_.begin() + static_cast<std::ptrdiff_t>(random_.below(lost_.size()));
    if (random_.below((now - at->since < lost_first ? lost_every_first : lost_every) * n) != 0) {
        return;
    }
    for (std::size_t i = 0; i < n; ++i) {
        if (view_.live_at(i).alive->address == at->address) {
            lost_.erase(at); // it is back, or another has its address
            return;
        }
    }
    const auto& body = ping_body(now, ++probe_number_);
    send(now, at->address, nullptr, body);
}

void Swim::heal(Instant now) {
    ask_lost(now);
    if (view_.dead() == 0) {
        return;
    }
    const auto n = view_.live();
    const auto drawn = n > 2 ? random_.below(n) : 0;
    if (drawn >= heal_pings_first) {
        return;
    }
    const auto start = random_.below(view_.dead());
    for (std::size_t i = 0; i < view_.dead(); ++i) {
        const auto& entry = view_.dead_at((start + i) % view_.dead());
        if (entry.state == Standing::down) {
            // Cuts are short more often than long, and who came back is to be heard of soon.
            if (drawn < (now - entry.since <= heal_first ? heal_pings_first : heal_pings)) {
                ping(now, entry, ++probe_number_);
            }
            return;
        }
    }
}

void Swim::forgive(Instant now) {
    probes_.clear();
    relays_.clear();
    doubts_.clear();
    suspicions_.restart_not_before(now - config_.suspicion_min / 2);
    health_.worse();
}

} // namespace jackdaw::swim
