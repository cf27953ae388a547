#include "gossip/core/swim/view.h"

#include <algorithm>
#include <cassert>

namespace jackdaw::swim {

std::size_t View::bucket_of(NodeId id) const noexcept {
    auto z = raw(id) ^ salt_;
    z = (z ^ (z >> 33U)) * 0xFF51AFD7ED558CCDULL;
    z = (z ^ (z >> 33U)) * 0xC4CEB9FE1A85EC53ULL;
    // The top bits, scaled: the table need not be a power of two.
    return static_cast<std::size_t>((z >> 32U) * index_.size() >> 32U);
}

const Entry* View::find(NodeId id) const noexcept {
    if (index_.empty()) {
        return nullptr;
    }
    for (auto at = bucket_of(id); index_[at] != 0; at = at + 1 == index_.size() ? 0 : at + 1) {
        const auto& entry = entries_[index_[at] - 1];
        if (entry.id() == id) {
            return &entry;
        }
    }
    return nullptr;
}

Entry* View::find(NodeId id) noexcept {
    return const_cast<Entry*>(static_cast<const View*>(this)->find(id));
}

void View::grow_index() {
    if ((indexed_ + 1) * 4 <= index_.size() * 3) {
        return;
    }
    index_.assign(std::max<std::size_t>(8, index_.size() * 3 / 2), 0);
    index_.shrink_to_fit();
    for (const auto* const order : {&live_, &dead_}) {
        for (const auto slot : *order) {
            index_in(entries_[slot].id(), slot);
        }
    }
}

void View::index_in(NodeId id, Slot slot) {
    auto at = bucket_of(id);
    while (index_[at] != 0) {
        at = at + 1 == index_.size() ? 0 : at + 1;
    }
    index_[at] = slot + 1;
}

void View::index_out(NodeId id) {
    const auto size = index_.size();
    const auto after = [size](std::size_t at) { return at + 1 == size ? 0 : at + 1; };
    auto hole = bucket_of(id);
    while (entries_[index_[hole] - 1].id() != id) {
        hole = after(hole);
    }
    for (auto at = after(hole); index_[at] != 0; at = after(at)) { // what stands behind moves up
        const auto home = bucket_of(entries_[index_[at] - 1].id());
        const bool stays = hole <= at ? (hole < home && home <= at) : (hole < home || home <= at);
        if (!stays) {
            index_[hole] = index_[at];
            hole = at;
        }
    }
    index_[hole] = 0;
}

bool View::before(const Entry& entry, std::uint64_t place, NodeId id) const noexcept {
    return entry.place != place ? entry.place < place : entry.id() < id;
}

std::size_t View::position(const std::vector<Slot>& order, std::uint64_t place,
                           NodeId id) const noexcept {
    const auto at = std::partition_point(
        order.begin(), order.end(), [&](Slot slot) { return before(entries_[slot], place, id); });
    return static_cast<std::size_t>(at - order.begin());
}

std::size_t View::live_index(const Entry& entry) const noexcept {
    return position(live_, entry.place, entry.id());
}
std::size_t View::live_from(std::uint64_t place) const noexcept {
    return position(live_, place, NodeId{});
}
std::size_t View::dead_from(std::uint64_t place) const noexcept {
    return position(dead_, place, NodeId{});
}

void View::order_in(std::vector<Slot>& order, Slot slot) {
    if (order.size() ==
        order.capacity()) { // by an eighth: a simulation holds ten thousand of these
        order.reserve(order.size() + std::max<std::size_t>(8, order.size() / 8));
    }
    const auto& entry = entries_[slot];
    const auto at = position(order, entry.place, entry.id());
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(at), slot);
}

void View::order_out(std::vector<Slot>& order, const Entry& entry) {
    const auto at = position(order, entry.place, entry.id());
    assert(at < order.size() && &entries_[order[at]] == &entry);
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(at));
}

View::Slot View::slot_of(const Entry& entry) const noexcept {
    for (auto at = bucket_of(entry.id());; at = at + 1 == index_.size() ? 0 : at + 1) {
        if (&entries_[index_[at] - 1] == &entry) {
            return index_[at] - 1;
        }
    }
}

std::uint64_t View::digest_of(const Entry& entry) const noexcept {
    return key_.hash(raw(entry.id()), entry.incarnation, entry.status_version());
}

std::uint64_t View::digest_of(std::size_t first, std::size_t last) const noexcept {
    std::uint64_t digest = 0;
    for (auto i = first; i < last; ++i) {
        digest ^= entries_[live_[i]].digest;
    }
    return digest;
}

void View::redigest(Entry& entry, bool was_live) {
    if (was_live) {
        digest_ ^= entry.digest;
    }
    entry.digest = digest_of(entry);
    if (is_live(entry.state)) {
        digest_ ^= entry.digest;
    }
}

Entry& View::add(SignedRef alive, Instant now) {
    assert(find(alive->id) == nullptr);
    grow_index();
    graves_.erase({alive->place, alive->id});
    Slot slot = 0;
    if (free_.empty()) {
        slot = static_cast<Slot>(entries_.size());
        entries_.emplace_back();
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    auto& entry = entries_[slot];
    entry.place = alive->place;
    entry.incarnation = alive->incarnation;
    entry.replay.restart(alive->boot);
    entry.since = now;
    entry.alive = std::move(alive);
    index_in(entry.id(), slot);
    ++indexed_;
    order_in(live_, slot);
    redigest(entry, false);
    return entry;
}

void View::set_alive(Entry& entry, SignedRef alive, Instant now) {
    assert(alive->id == entry.id());
    if (alive->boot > entry.replay.boot) {
        entry.replay.restart(alive->boot);
    }
    const auto incarnation = alive->incarnation;
    entry.alive = std::move(alive);
    set_state(entry, {incarnation, Standing::alive}, now);
}

void View::set_state(Entry& entry, Claim claim, Instant now) {
    const bool was_live = is_live(entry.state);
    const bool is = is_live(claim.state);
    if (was_live != is) {
        const auto slot = slot_of(entry);
        order_out(was_live ? live_ : dead_, entry);
        order_in(is ? live_ : dead_, slot);
    }
    suspects_ -= entry.state == Standing::suspect ? 1 : 0;
    suspects_ += claim.state == Standing::suspect ? 1 : 0;
    if (entry.state != claim.state) {
        entry.since = now;
    }
    entry.incarnation = claim.incarnation;
    entry.state = claim.state;
    redigest(entry, was_live);
    if (is) {
        deaths_.erase(entry.id());
    }
}

void View::set_status(Entry& entry, StatusRef status) {
    entry.status = std::move(status);
    redigest(entry, is_live(entry.state));
}

const Claim* View::tombstone_of(NodeId id) const noexcept {
    if (graves_.empty()) {
        return nullptr;
    }
    const auto found = graves_.find({key_.hash(raw(id)), id});
    return found == graves_.end() ? nullptr : &found->second.claim;
}

const Death* View::death_of(NodeId id) const noexcept {
    const auto found = deaths_.find(id);
    return found == deaths_.end() ? nullptr : &found->second;
}

void View::bury(Entry& entry, Instant now) {
    const auto id = entry.id();
    const auto claim = entry.claim();
    const auto place = entry.place;
    const auto slot = slot_of(entry);
    if (is_live(entry.state)) {
        digest_ ^= entry.digest;
        suspects_ -= entry.state == Standing::suspect ? 1 : 0;
        order_out(live_, entry);
    } else {
        order_out(dead_, entry);
    }
    index_out(id);
    --indexed_;
    deaths_.erase(id);
    entry = Entry{};
    free_.push_back(slot);
    graves_[{place, id}] = Tombstone{id, claim, now};
}

void View::bury(NodeId id, Claim claim, Instant now) {
    graves_[{key_.hash(raw(id)), id}] = Tombstone{id, claim, now};
}

Entry& View::oldest_dead() noexcept {
    assert(!dead_.empty());
    return entries_[*std::ranges::min_element(dead_, {},
                                              [this](Slot slot) { return entries_[slot].since; })];
}

void View::drop_oldest_grave() {
    const auto oldest =
        std::ranges::min_element(graves_, {}, [](const auto& grave) { return grave.second.since; });
    graves_.erase(oldest);
}

std::size_t View::bytes() const noexcept {
    return entries_.size() * sizeof(Entry) +
           (index_.capacity() + live_.capacity() + dead_.capacity() + free_.capacity()) *
               sizeof(Slot) +
           graves_.size() * (sizeof(Graves::value_type) + 32) + deaths_.size() * (24 + 32 + 8);
}

} // namespace jackdaw::swim
