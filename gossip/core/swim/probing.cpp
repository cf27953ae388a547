#include "gossip/core/swim/probing.h"

#include <algorithm>

namespace jackdaw::swim {

bool Probe::has_helper(NodeId id) const noexcept {
    const auto end = helpers.begin() + helpers_count;
    return std::find(helpers.begin(), end, id) != end;
}

Instant Probe::due() const noexcept {
    return std::min({next_ping, ask_at, fails_at});
}

Probe& Probes::start(Instant now, std::uint32_t number, NodeId target, ProbeFor purpose,
                     Duration rto, std::uint32_t stretch, const Config& config) {
    auto& probe = probes_.emplace_back();
    probe.number = number;
    probe.target = target;
    probe.purpose = purpose;
    probe.rto = rto * stretch;
    probe.pings = 1;
    probe.start = now;
    probe.next_ping = probe.ask_at = now + probe.rto;
    const auto life = std::min(config.probe_period, std::max(config.probe_floor, 5 * rto));
    probe.fails_at = now + life * stretch;
    return probe;
}

std::optional<ProbeStep> Probes::step(Instant now) {
    const auto next = std::ranges::min_element(probes_, {}, &Probe::due);
    if (next == probes_.end() || next->due() > now) {
        return std::nullopt;
    }
    if (next->fails_at <= now) {
        ProbeStep step{ProbeStep::Kind::failed, *next};
        probes_.erase(next);
        return step;
    }
    if (next->next_ping <= now) {
        ++next->pings;
        next->next_ping = next->pings > pings_again_max ? never : now + next->rto;
        return ProbeStep{ProbeStep::Kind::ping, *next};
    }
    next->ask_at = never;
    next->asked = true;
    return ProbeStep{ProbeStep::Kind::ask_helpers, *next};
}

Probe* Probes::by_number(std::uint32_t number) noexcept {
    const auto found = std::ranges::find(probes_, number, &Probe::number);
    return found == probes_.end() ? nullptr : &*found;
}

const Probe* Probes::running(NodeId target, ProbeFor purpose) const noexcept {
    const auto found = std::ranges::find_if(probes_, [&](const Probe& probe) {
        return probe.target == target && probe.purpose == purpose;
    });
    return found == probes_.end() ? nullptr : &*found;
}

bool Probes::is_running(NodeId target) const noexcept {
    return std::ranges::find(probes_, target, &Probe::target) != probes_.end();
}

std::size_t Probes::count(ProbeFor purpose) const noexcept {
    return static_cast<std::size_t>(std::ranges::count(probes_, purpose, &Probe::purpose));
}

void Probes::hurry(NodeId target, Instant now) noexcept {
    for (auto& probe : probes_) {
        if (probe.target == target && !probe.asked) {
            probe.ask_at = now;
        }
    }
}

Instant Probes::next_due() const noexcept {
    auto next = never;
    for (const auto& probe : probes_) {
        next = std::min(next, probe.due());
    }
    return next;
}

bool Relays::add(const Relay& relay) {
    if (relays_.size() >= max_) {
        return false;
    }
    relays_.push_back(relay);
    return true;
}

std::optional<Relays::Step> Relays::step(Instant now) {
    for (auto at = relays_.begin(); at != relays_.end(); ++at) {
        if (at->nack_at <= now) {
            Step step{true, *at};
            relays_.erase(at);
            return step;
        }
        if (at->again_at <= now) {
            at->again_at = never;
            return Step{false, *at};
        }
    }
    return std::nullopt;
}

const Relay* Relays::by_number(std::uint32_t number) const noexcept {
    const auto found = std::ranges::find(relays_, number, &Relay::number);
    return found == relays_.end() ? nullptr : &*found;
}

Instant Relays::next_due() const noexcept {
    auto next = never;
    for (const auto& relay : relays_) {
        next = std::min({next, relay.again_at, relay.nack_at});
    }
    return next;
}

void Period::hear(std::uint32_t number) noexcept {
    heard_any_ = true;
    if (number != 0 && (heard_ == 0 || is_later(number, heard_))) {
        heard_ = number;
    }
}

void Period::advance() noexcept {
    if (!heard_any_) {
        return;
    }
    if (own_ == 0 && heard_ != 0) { // the first that is heard, whatever it is
        own_ = heard_;
        return;
    }
    ++own_;
    own_ += own_ == 0 ? 1 : 0;
    if (heard_ != 0 && is_later(heard_, own_)) {
        own_ = heard_;
    }
}

std::uint32_t Period::told() const noexcept {
    return own_ == 0 || (heard_ != 0 && is_later(heard_, own_)) ? heard_ : own_;
}

} // namespace jackdaw::swim
