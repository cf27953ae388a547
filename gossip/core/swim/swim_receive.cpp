// One datagram: is it to be believed that its sender sent it now, and what does it ask?
#include <algorithm>
#include <utility>

#include "gossip/core/swim/swim.h"

namespace jackdaw::swim {
namespace {

using proto::DatagramKind;

constexpr Duration stale_told_every = std::chrono::seconds{1};
constexpr std::size_t stale_told_max = 256;
constexpr std::uint8_t replays_told = 8;
constexpr std::uint32_t boot_end = 4'000'000'000U;
constexpr std::uint32_t rtt_longest_us = 60'000'000;

std::uint32_t stamp(Instant now) noexcept {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
}

} // namespace

void Swim::receive(Instant now, const NetAddress& from, std::string_view plain) {
    now_ = std::max(now_, now);
    if (silent_) {
        return;
    }
    if (!input_.take(now)) {
        ++counters_.dropped_rate;
        if (now - rate_lost_at_ >= late_after) {
            rate_lost_at_ = now;
            lost_input(now, 1);
        }
        return;
    }
    auto& in = commons_.in;
    std::uint8_t version = 0;
    const auto decoded = proto::decode_gossip(plain, in, &version);
    if (decoded == proto::Decoded::other_version) {
        note_incompatible(version);
        return;
    }
    if (decoded == proto::Decoded::bad) {
        ++counters_.dropped_malformed;
        return;
    }
    auto& count = counters_.in[in.body.known ? static_cast<std::size_t>(in.body.kind) : 0];
    ++count.datagrams;
    count.bytes += plain.size();
    if (in.header.sender == id_) {
        ++counters_.dropped_own_id;
        return;
    }
    commons_.added.clear();
    accused_ = false;
    trusted_ = nullptr;
    if (!admit(now, from, view_.find(in.header.sender))) {
        trusted_ = nullptr;
        return;
    }
    heard(now, in.header.sender);
    period_.hear(in.header.period);
    for (const auto& item : in.news) {
        view_.expect_index(item.id);
    }
    for (const auto& item : in.news) {
        view_.expect_entry(item.id);
    }
    const auto via = !in.body.known                          ? Via::news
                     : in.body.kind == DatagramKind::records ? Via::sync
                     : in.body.kind == DatagramKind::page    ? Via::page
                                                             : Via::news;
    for (const auto& item : in.news) {
        take({now, in.header.sender, via}, item);
    }
    trusted_ = nullptr;
    if (in.body.known && !silent_) {
        dispatch(now, from);
    }
}

void Swim::note_incompatible(std::uint8_t version) {
    ++counters_.dropped_version;
    const auto sender = commons_.in.header.sender;
    if (const auto held = incompatible_.find(sender); held != incompatible_.end()) {
        held->second = now_;
    } else if (incompatible_.size() < limits_.incompatible) {
        incompatible_.emplace(sender, now_);
        Event event;
        event.kind = Event::Kind::incompatible;
        event.id = sender;
        event.version = version;
        tell(std::move(event));
    }
}

bool Swim::admit(Instant now, const NetAddress& from, Entry* sender) {
    const auto& header = commons_.in.header;
    if (sender == nullptr) {
        if (!admit_stranger()) {
            ++counters_.dropped_stranger;
            return false;
        }
        if (!strangers_.accept(now, header.sender, header.boot, header.seq)) {
            ++counters_.dropped_replay;
            return false;
        }
        return true;
    }
    if (header.boot != sender->replay.boot && !admit_boot(now, from, *sender)) {
        ++counters_.dropped_boot;
        return false;
    }
    if (!sender->replay.accept(header.seq)) {
        ++counters_.dropped_replay;
        // Its numbers of this boot are used up, by somebody in its name or because its machine was
        // put back to an earlier moment: it is heard again in another boot.
        const bool is_far = sender->replay.is_far_below(header.seq);
        if (is_far && ++sender->replays >= replays_told) {
            sender->replays = 0;
            tell_stale_boot(now, from, *sender);
        }
        return false;
    }
    sender->replays = 0;
    return true;
}

bool Swim::admit_stranger() const {
    const auto& body = commons_.in.body;
    if (!body.known) {
        return false;
    }
    switch (body.kind) {
    case DatagramKind::join:
    case DatagramKind::ping:
    case DatagramKind::gossip: return true;
    case DatagramKind::page:
    case DatagramKind::busy:
    case DatagramKind::stale_boot: return joiner_.is_asking() || joiner_.is_paging();
    case DatagramKind::ack: return relays_.by_number(body.probe) != nullptr;
    default: return false;
    }
}

void Swim::tell_stale_boot(Instant now, const NetAddress& from, Entry& sender) {
    const auto& in = commons_.in;
    const bool asks =
        in.body.known && (in.body.kind == DatagramKind::join || in.body.kind == DatagramKind::ping);
    std::erase_if(stale_told_,
                  [&](const auto& told) { return now - told.second >= stale_told_every; });
    if (asks && stale_told_.size() < stale_told_max &&
        stale_told_.try_emplace(sender.id(), now).second) {
        auto& body = body_of(DatagramKind::stale_boot);
        body.boot = sender.replay.boot;
        // With what was signed in that boot: else two machines with one key, each answered so,
        // would only ever overtake each other.
        const auto proof = sender.alive->as_news();
        const bool proves = sender.alive->boot == sender.replay.boot;
        send(now, from, &sender, body, std::span{&proof, proves ? 1U : 0U}, false);
    }
}

bool Swim::admit_boot(Instant now, const NetAddress& from, Entry& sender) {
    const auto& in = commons_.in;
    if (in.header.boot < sender.replay.boot) {
        tell_stale_boot(now, from, sender);
        return false;
    }
    // A higher one stands proved by what its member signed: in this datagram, or nowhere.
    const auto proof = std::ranges::find_if(in.news, [&](const NewsItem& item) {
        return item.kind == NewsKind::alive && item.id == sender.id() &&
               item.alive.boot == in.header.boot;
    });
    if (proof == in.news.end() ||
        verify({now, sender.id(), Via::news}, *proof, &sender) != Check::good) {
        return false;
    }
    trusted_ = &*proof;
    sender.replay.restart(in.header.boot);
    return true;
}

void Swim::heard(Instant now, NodeId sender) {
    ++counters_.heard;
    const auto silence = ears_.silence(now);
    const bool was_deaf = is_deaf(now);
    // One of the few judges on; an end of its own outage has everybody answer first.
    const bool judged =
        silence <= config_.deaf_hold && ears_.over_at(view_.live() - 1, config_.deaf_hold) < now;
    judges_from_ = was_deaf ? now : judges_from_;
    if (hears_nobody(now)) {
        withdraw(now, sender);
    }
    ears_.heard(now, sender, misses_others(now));
    if (silence > 2 * config_.probe_period && view_.live() > 2 && !judged) {
        doubts_.clear();
        suspicions_.begin_anew(now);
    }
    if (std::exchange(isolated_, false)) { // also when all others were called down since
        Event event;
        event.kind = Event::Kind::reconnected;
        tell(std::move(event));
    }
    asked_sender_ = probes_.is_running(sender);
    if (asked_sender_) {
        const auto& in = commons_.in;
        if (in.body.known && in.body.kind == DatagramKind::ack) {
            const auto* const probe = probes_.by_number(in.body.probe);
            const auto* const entry = view_.find(sender);
            const auto trip = stamp(now) - in.body.echo;
            if (probe != nullptr && probe->target == sender && entry != nullptr &&
                trip < rtt_longest_us) {
                estimates_.add(now, entry->zone, std::chrono::microseconds{trip});
            }
        }
        probes_.end(sender, [&](const Probe& probe) { probe_ok(now, probe, false); });
    }
    if (relays_.size() != 0) {
        relays_.end(sender, [&](const Relay& relay) {
            auto& body = body_of(DatagramKind::ind_ack);
            body.probe = relay.theirs;
            body.target = sender;
            send(now, relay.answer_to, view_.find(relay.asker), body);
        });
    }
    end_doubt(now, sender);
}

void Swim::end_doubt(Instant now, NodeId about) {
    const auto* const doubt = doubts_.of(about);
    if (doubt == nullptr) {
        return;
    }
    const auto accuser = doubt->accuser;
    doubts_.drop(about);
    if (auto* const asker = view_.find(accuser); accuser != id_ && asker != nullptr) {
        auto& body = body_of(DatagramKind::clear);
        body.target = about;
        body.incarnation = view_.find(about)->incarnation;
        send(now, asker->alive->address, asker, body);
    }
}

void Swim::dispatch(Instant now, const NetAddress& from) {
    const auto sender_id = commons_.in.header.sender;
    const auto& body = commons_.in.body;
    auto* const sender = view_.find(sender_id);
    switch (body.kind) {
    case DatagramKind::ping:
        on_ping(now, from, sender);
        // To be woken costs more than a period does: it is run now if half of it is over. By pings
        // alone, which come evenly: news would make all members run theirs at once.
        if (next_period_ - now <= config_.probe_period / 2 &&
            !probes_.is_running(ProbeFor::period)) {
            early_period_ = std::min(early_period_, now);
        }
        break;
    case DatagramKind::ack: on_ack(now, from, sender); break;
    case DatagramKind::ping_req: on_ping_req(now, from); break;
    case DatagramKind::ind_ack: on_indirect(now); break;
    case DatagramKind::nack:
        if (auto* const probe = probes_.by_number(body.probe);
            probe != nullptr && probe->target == body.target && probe->has_helper(sender_id) &&
            probe->nacks < probe->helpers_count) {
            ++probe->nacks;
        }
        break;
    case DatagramKind::confirm: on_confirm(now, from, sender_id); break;
    case DatagramKind::clear: on_clear(sender_id); break;
    case DatagramKind::join:
        if (!leaving_) {
            serve_pages(now, from, sender, 0);
        }
        break;
    case DatagramKind::page_ask: serve_pages(now, from, sender, body.cursor); break;
    case DatagramKind::page: on_page(now, from, sender); break;
    case DatagramKind::busy:
        if (joiner_.awaits(from)) {
            joiner_.busy(now, std::chrono::milliseconds{body.retry_ms}, body.addresses,
                         identity_.address);
        }
        break;
    case DatagramKind::tree: on_tree(now, from, sender); break;
    case DatagramKind::leaf: on_leaf(now, from, sender); break;
    case DatagramKind::want: on_want(now, from, sender); break;
    case DatagramKind::stale_boot: on_stale_boot(now); break;
    case DatagramKind::gossip:
    case DatagramKind::records: break; // their news was the point
    }
}

void Swim::on_ping(Instant now, const NetAddress& from, Entry* sender) {
    const auto probe = commons_.in.body.probe;
    const auto echo = commons_.in.body.echo;
    const auto incarnation = commons_.in.header.incarnation;
    compare_digest(now, from, sender);
    auto& body = body_of(DatagramKind::ack);
    body.probe = probe;
    body.echo = echo;
    body.quiet_ms = quiet_ms(now);
    std::array<NewsItem, accusers_max + 2> first;
    std::size_t count = 0;
    if (accused_) { // who said it must hear the answer, and not wait for the rumour
        first[count++] = leaving_ ? left_->as_news() : self_->alive->as_news();
    } else if (sender != nullptr && sender->state != Standing::alive) {
        count = std::min<std::size_t>(1, items_about(now, *sender, first));
    } else if (sender != nullptr && incarnation < sender->alive->incarnation) {
        first[count++] = sender->alive->as_news(); // an older disk was put back: it must go above
    }
    send(now, from, sender, body, std::span{first}.first(count));
    const auto* const grave =
        sender == nullptr ? view_.tombstone_of(commons_.in.header.sender) : nullptr;
    if (grave != nullptr && incarnation <= grave->incarnation) {
        // Buried alive: it must go above that. Not in the ack, which who buried this one ignores.
        NewsItem item;
        item.kind = NewsKind::down;
        item.id = commons_.in.header.sender;
        item.incarnation = grave->incarnation;
        item.by = id_;
        send(now, from, nullptr, body_of(DatagramKind::gossip), std::span{&item, 1}, false);
    }
}

void Swim::on_ack(Instant now, const NetAddress& from, Entry* sender) {
    if (sender == nullptr) {
        return;
    }
    sender->greeting = Greeting::knows;
    detours_.end(sender->id());
    if (leaving_ && leave_told_.contains(sender->id())) {
        leave_acked_.insert(sender->id());
        return;
    }
    compare_digest(now, from, sender);
}

void Swim::on_ping_req(Instant now, const NetAddress& from) {
    const auto& in = commons_.in.body;
    if (in.target == id_ || leaving_) {
        return;
    }
    auto* const target = view_.find(in.target);
    Relay relay;
    relay.number = ++probe_number_;
    relay.theirs = in.probe;
    relay.asker = commons_.in.header.sender;
    relay.answer_to = from;
    relay.target = in.target;
    relay.target_address = in.address;
    const auto zone = target == nullptr ? Estimates::no_zone : target->zone;
    relay.again_at = now + estimates_.rto(now, zone, config_);
    // No honest one waits for longer; places that stay taken are nacks that nobody gets.
    relay.nack_at = now + std::min<Duration>(std::chrono::milliseconds{in.wait_ms},
                                             (health_worst + 1) * config_.probe_period);
    if (!relays_.add(relay)) {
        ++counters_.relays_refused; // as if it were lost
        return;
    }
    const auto& body = ping_body(now, relay.number);
    send(now, relay.target_address, target, body);
}

void Swim::on_indirect(Instant now) {
    const auto& in = commons_.in;
    const auto* const probe = probes_.by_number(in.body.probe);
    if (probe == nullptr || probe->target != in.body.target ||
        !probe->has_helper(in.header.sender)) {
        return;
    }
    const auto target = probe->target;
    probes_.end(target, [&](const Probe& ended) { probe_ok(now, ended, true); });
    end_doubt(now, target);
}

void Swim::on_stale_boot(Instant now) {
    const auto& in = commons_.in;
    const auto known = in.body.boot;
    const bool asked = asked_sender_ || joiner_.is_asking() || joiner_.is_paging();
    if (!asked || known < own_.boot() || known == numbers_end) {
        return;
    }
    // A boot of a clock that was far ahead, once, is believed if it was signed with this key.
    const auto is_proof = [&](const NewsItem& item) {
        return item.kind == NewsKind::alive && item.id == id_ && item.alive.boot == known &&
               verify({now, in.header.sender, Via::news}, item, self_) == Check::good;
    };
    if (known < boot_end || std::ranges::any_of(in.news, is_proof)) {
        (void)take_later_boot(now, known + 1);
    }
}

} // namespace jackdaw::swim
