#include "gossip/core/swim/suspicion.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace jackdaw::swim {

Doubt* Doubts::of(NodeId id) noexcept {
    const auto found = std::ranges::find(doubts_, id, &Doubt::about);
    return found == doubts_.end() ? nullptr : &*found;
}

bool Doubts::has(NodeId id) const noexcept {
    return std::ranges::find(doubts_, id, &Doubt::about) != doubts_.end();
}

Doubt* Doubts::open(NodeId about, NodeId accuser, Instant since) {
    assert(!has(about));
    if (doubts_.size() >= max_) {
        return nullptr;
    }
    auto& doubt = doubts_.emplace_back();
    doubt.about = about;
    doubt.accuser = accuser;
    doubt.since = since;
    return &doubt;
}

bool Doubts::drop(NodeId id) noexcept {
    const auto found = std::ranges::find(doubts_, id, &Doubt::about);
    if (found == doubts_.end()) {
        return false;
    }
    doubts_.erase(found);
    return true;
}

Doubt* Doubts::due(Instant now) noexcept {
    const auto found = std::ranges::find_if(doubts_, [now](const Doubt& doubt) {
        return doubt.probe_again_at <= now || doubt.ends_at <= now;
    });
    return found == doubts_.end() ? nullptr : &*found;
}

Instant Doubts::next_due() const noexcept {
    auto next = never;
    for (const auto& doubt : doubts_) {
        next = std::min({next, doubt.probe_again_at, doubt.ends_at});
    }
    return next;
}

bool Suspicion::has(NodeId accuser) const noexcept {
    return std::any_of(accusers.begin(), accusers.begin() + count,
                       [&](const Accuser& held) { return held.id == accuser; });
}

Duration suspicion_time(const Config& config, std::uint32_t c, std::uint32_t k) noexcept {
    if (k == 0) {
        return 2 * config.suspicion_min;
    }
    // ln(c+1)/ln(k+1) in millionths, so that no machine rounds it otherwise.
    static constexpr std::array<std::array<std::int64_t, 4>, 4> share{{
        {0, 0, 0, 0},
        {0, 1'000'000, 1'000'000, 1'000'000},
        {0, 630'930, 1'000'000, 1'000'000},
        {0, 500'000, 792'481, 1'000'000},
    }};
    const auto span = config.suspicion_max() - config.suspicion_min;
    return config.suspicion_max() -
           span / 1'000'000 * share[std::min(k, confirmers_max)][std::min(c, 3U)];
}

const Suspicion& Suspicions::open(Instant now, NodeId about, NodeId accuser, Instant since) {
    close(about);
    auto& suspicion = open_[about];
    suspicion.count = 1;
    suspicion.accusers[0] = {accuser, since};
    suspicion.start = std::min(now, std::max(since, now - config_.suspicion_min / 2));
    by_start_[0].emplace(suspicion.start, about);
    return suspicion;
}

bool Suspicions::accuse(NodeId about, NodeId accuser, Instant since) {
    const auto found = open_.find(about);
    if (found == open_.end() || found->second.count >= accusers_max || found->second.has(accuser)) {
        return false;
    }
    auto& suspicion = found->second;
    suspicion.accusers[suspicion.count++] = {accuser, since};
    reset(about, suspicion, suspicion.start,
          static_cast<std::uint8_t>(std::min<std::uint32_t>(suspicion.confirmed + 1U, 3U)));
    return true;
}

void Suspicions::reset(NodeId about, Suspicion& suspicion, Instant start, std::uint8_t confirmed) {
    by_start_[suspicion.confirmed].erase({suspicion.start, about});
    suspicion.start = start;
    suspicion.confirmed = confirmed;
    by_start_[confirmed].emplace(start, about);
}

void Suspicions::close(NodeId about) {
    const auto found = open_.find(about);
    if (found != open_.end()) {
        by_start_[found->second.confirmed].erase({found->second.start, about});
        open_.erase(found);
    }
}

const Suspicion* Suspicions::of(NodeId about) const noexcept {
    const auto found = open_.find(about);
    return found == open_.end() ? nullptr : &found->second;
}

std::optional<NodeId> Suspicions::expired(Instant now, std::uint32_t k) const {
    for (std::uint32_t c = 0; c < by_start_.size(); ++c) {
        if (!by_start_[c].empty() &&
            by_start_[c].begin()->first + suspicion_time(config_, c, k) <= now) {
            return by_start_[c].begin()->second;
        }
    }
    return std::nullopt;
}

Instant Suspicions::next_due(std::uint32_t k) const {
    auto next = never;
    for (std::uint32_t c = 0; c < by_start_.size(); ++c) {
        if (!by_start_[c].empty()) {
            next = std::min(next, by_start_[c].begin()->first + suspicion_time(config_, c, k));
        }
    }
    return next;
}

void Suspicions::restart_not_before(Instant earliest) {
    for (auto& [about, suspicion] : open_) {
        if (suspicion.start < earliest) {
            reset(about, suspicion, earliest, suspicion.confirmed);
        }
    }
}

void Suspicions::begin_anew(Instant now) {
    for (auto& [about, suspicion] : open_) {
        suspicion.count = 1;
        reset(about, suspicion, now, 0);
    }
}

} // namespace jackdaw::swim
