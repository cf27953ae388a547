#include "gossip/core/swim/suspicion.h"

#include <algorithm>
#include <cassert>
#include <functional>

namespace jackdaw::swim {
namespace {

constexpr std::size_t spare_max = 16; ///< places of a heap that stand for nothing

} // namespace

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

bool Doubts::drop_noted() noexcept {
    const auto found =
        std::ranges::find_if(doubts_, [](const Doubt& doubt) { return doubt.ends_at != never; });
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

void Suspicions::put(NodeId about, const Suspicion& suspicion) {
    auto& heap = by_start_[suspicion.confirmed];
    heap.push_back({suspicion.start, about});
    std::ranges::push_heap(heap, std::greater{});
}

bool Suspicions::stands(const Due& due, std::size_t confirmed) const noexcept {
    const auto* const suspicion = open_.find(due.about);
    return suspicion != nullptr && suspicion->start == due.start &&
           suspicion->confirmed == confirmed;
}

void Suspicions::settle(std::optional<NodeId> about) {
    std::size_t held = 0;
    for (std::size_t confirmed = 0; confirmed < by_start_.size(); ++confirmed) {
        auto& heap = by_start_[confirmed];
        const bool is_touched = !heap.empty() && (!about || heap.front().about == *about);
        while (is_touched && !heap.empty() && !stands(heap.front(), confirmed)) {
            std::ranges::pop_heap(heap, std::greater{});
            heap.pop_back();
        }
        held += heap.size();
    }
    if (held <= 2 * open_.size() + spare_max) {
        return;
    }
    by_start_.fill(Heap{});
    for (const auto& [id, suspicion] : open_) {
        put(id, suspicion);
    }
}

const Suspicion& Suspicions::open(Instant now, NodeId about, NodeId accuser, Instant since) {
    auto& suspicion = open_.put(about);
    suspicion = Suspicion{};
    suspicion.count = 1;
    suspicion.accusers[0] = {accuser, since};
    suspicion.start = std::min(now, std::max(since, now - config_.suspicion_min / 2));
    put(about, suspicion);
    settle(about);
    return suspicion;
}

bool Suspicions::accuse(NodeId about, NodeId accuser, Instant since) {
    auto* const suspicion = open_.find(about);
    if (suspicion == nullptr || suspicion->count >= accusers_max || suspicion->has(accuser)) {
        return false;
    }
    suspicion->accusers[suspicion->count++] = {accuser, since};
    reset(about, *suspicion, suspicion->start,
          static_cast<std::uint8_t>(std::min<std::uint32_t>(suspicion->confirmed + 1U, 3U)));
    settle(about);
    return true;
}

void Suspicions::reset(NodeId about, Suspicion& suspicion, Instant start, std::uint8_t confirmed) {
    if (suspicion.start != start || suspicion.confirmed != confirmed) {
        suspicion.start = start;
        suspicion.confirmed = confirmed;
        put(about, suspicion);
    }
}

void Suspicions::close(NodeId about) {
    if (open_.erase(about)) {
        settle(about);
    }
}

const Suspicion* Suspicions::of(NodeId about) const noexcept {
    return open_.find(about);
}

std::optional<NodeId> Suspicions::expired(Instant now, std::uint32_t k) const {
    for (std::uint32_t c = 0; c < by_start_.size(); ++c) {
        if (!by_start_[c].empty() &&
            by_start_[c].front().start + suspicion_time(config_, c, k) <= now) {
            return by_start_[c].front().about;
        }
    }
    return std::nullopt;
}

Instant Suspicions::next_due(std::uint32_t k) const {
    auto next = never;
    for (std::uint32_t c = 0; c < by_start_.size(); ++c) {
        if (!by_start_[c].empty()) {
            next = std::min(next, by_start_[c].front().start + suspicion_time(config_, c, k));
        }
    }
    return next;
}

std::vector<NodeId> Suspicions::accused_by(NodeId accuser, std::uint64_t place,
                                           std::size_t most) const {
    std::vector<NodeId> ids;
    const auto count = open_.size();
    for (std::size_t i = 0; i < count && ids.size() < most; ++i) {
        const auto& [about, suspicion] =
            *(open_.begin() + static_cast<std::ptrdiff_t>((place + i) % count));
        if (suspicion.has(accuser)) {
            ids.push_back(about);
        }
    }
    return ids;
}

std::vector<NodeId> Suspicions::begun_after(Instant when) const {
    std::vector<NodeId> ids;
    for (const auto& [about, suspicion] : open_) {
        if (suspicion.start > when) {
            ids.push_back(about);
        }
    }
    return ids;
}

void Suspicions::restart_not_before(Instant earliest) {
    for (auto& [about, suspicion] : open_) {
        if (suspicion.start < earliest) {
            reset(about, suspicion, earliest, suspicion.confirmed);
        }
    }
    settle({});
}

void Suspicions::begin_anew(Instant now) {
    for (auto& [about, suspicion] : open_) {
        suspicion.count = 1;
        reset(about, suspicion, now, 0);
    }
    settle({});
}

} // namespace jackdaw::swim
