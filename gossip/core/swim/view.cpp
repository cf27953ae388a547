#include "gossip/core/swim/view.h"

#include <algorithm>
#include <cassert>

namespace jackdaw::swim {
namespace {

constexpr std::uint32_t slot_bits = 20;
constexpr std::uint32_t slots_max = (1U << slot_bits) - 1;

/// May a cell of the index stand for an id of that hash? Its upper bits are the hash's lower ones.
bool is_tagged(std::uint32_t cell, std::uint32_t hash) noexcept {
    return (cell ^ (hash << slot_bits)) >> slot_bits == 0;
}
std::uint32_t slot_in(std::uint32_t cell) noexcept {
    return (cell & slots_max) - 1;
}

} // namespace

// Limits::members and Limits::dead together are far below 2^20, and one index is never fuller than
// three quarters.
std::size_t View::bucket_of(std::uint32_t hash) const noexcept {
    // The top bits, scaled: the table need not be a power of two.
    return static_cast<std::size_t>(std::uint64_t{hash} * index_.size() >> 32U);
}

const Entry* View::find(NodeId id) const noexcept {
    if (index_.empty()) {
        return nullptr;
    }
    const auto hash = spread_id(raw(id), salt_);
    for (auto at = bucket_of(hash); index_[at] != 0; at = at + 1 == index_.size() ? 0 : at + 1) {
        if (!is_tagged(index_[at], hash)) {
            continue; // without a look at its entry
        }
        const auto& entry = entry_at(slot_in(index_[at]));
        if (entry.id() == id) {
            return &entry;
        }
    }
    return nullptr;
}

void View::expect_index(NodeId id) const noexcept {
    if (!index_.empty()) {
        __builtin_prefetch(&index_[bucket_of(spread_id(raw(id), salt_))]);
    }
}

void View::expect_entry(NodeId id) const noexcept {
    if (index_.empty()) {
        return;
    }
    const auto hash = spread_id(raw(id), salt_);
    for (auto at = bucket_of(hash); index_[at] != 0; at = at + 1 == index_.size() ? 0 : at + 1) {
        if (is_tagged(index_[at], hash)) {
            __builtin_prefetch(&entry_at(slot_in(index_[at])));
            return;
        }
    }
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
        for (const auto ordered : *order) {
            index_in(entry_of(ordered).id(), static_cast<Slot>(ordered));
        }
    }
}

void View::index_in(NodeId id, Slot slot) {
    const auto hash = spread_id(raw(id), salt_);
    auto at = bucket_of(hash);
    while (index_[at] != 0) {
        at = at + 1 == index_.size() ? 0 : at + 1;
    }
    index_[at] = hash << slot_bits | (slot + 1);
}

void View::index_out(NodeId id) {
    const auto size = index_.size();
    const auto after = [size](std::size_t at) { return at + 1 == size ? 0 : at + 1; };
    const auto home_of = [this](NodeId of) { return bucket_of(spread_id(raw(of), salt_)); };
    auto hole = home_of(id);
    while (entry_at(slot_in(index_[hole])).id() != id) {
        hole = after(hole);
    }
    for (auto at = after(hole); index_[at] != 0; at = after(at)) { // what stands behind moves up
        const auto home = home_of(entry_at(slot_in(index_[at])).id());
        const bool stays = hole <= at ? (hole < home && home <= at) : (hole < home || home <= at);
        if (!stays) {
            index_[hole] = index_[at];
            hole = at;
        }
    }
    index_[hole] = 0;
}

bool View::before(Ordered ordered, std::uint64_t place, NodeId id) const noexcept {
    if (ordered >> 32U != place >> 32U) {
        return ordered >> 32U < place >> 32U;
    }
    const auto& entry = entry_of(ordered);
    return entry.place() != place ? entry.place() < place : entry.id() < id;
}

std::size_t View::position(const std::vector<Ordered>& order, std::uint64_t place,
                           NodeId id) const noexcept {
    const auto at = std::partition_point(
        order.begin(), order.end(), [&](Ordered ordered) { return before(ordered, place, id); });
    return static_cast<std::size_t>(at - order.begin());
}

std::size_t View::live_index(const Entry& entry) const noexcept {
    return position(live_, entry.place(), entry.id());
}
std::size_t View::live_from(std::uint64_t place) const noexcept {
    return position(live_, place, NodeId{});
}
std::size_t View::dead_from(std::uint64_t place) const noexcept {
    return position(dead_, place, NodeId{});
}

void View::order_in(std::vector<Ordered>& order, Slot slot) {
    if (order.size() ==
        order.capacity()) { // by an eighth: a simulation holds ten thousand of these
        order.reserve(order.size() + std::max<std::size_t>(8, order.size() / 8));
    }
    const auto& entry = entry_at(slot);
    const auto at = position(order, entry.place(), entry.id());
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(at),
                 entry.place() >> 32U << 32U | slot);
}

void View::order_out(std::vector<Ordered>& order, const Entry& entry) {
    const auto at = position(order, entry.place(), entry.id());
    assert(at < order.size() && &entry_of(order[at]) == &entry);
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(at));
}

View::Slot View::slot_of(const Entry& entry) const noexcept {
    const auto hash = spread_id(raw(entry.id()), salt_);
    for (auto at = bucket_of(hash);; at = at + 1 == index_.size() ? 0 : at + 1) {
        const auto slot = slot_in(index_[at]);
        if (&entry_at(slot) == &entry) {
            return slot;
        }
    }
}

std::uint64_t View::digest_of(const Entry& entry) const noexcept {
    return key_.hash(raw(entry.id()), entry.incarnation, entry.status_version());
}

void View::flip(const Entry& entry) noexcept {
    digest_ ^= entry.digest;
    tree_digests_[entry.place() >> 56U] ^= digest_on_wire(entry.digest);
}

void View::redigest(Entry& entry, bool was_live) {
    if (was_live) {
        flip(entry);
    }
    entry.digest = digest_of(entry);
    if (is_live(entry.state)) {
        flip(entry);
    }
}

Entry& View::add(SignedRef alive, Instant now) {
    assert(find(alive->id) == nullptr);
    grow_index();
    graves_.erase({alive->place, alive->id});
    Slot slot = 0;
    if (free_.empty()) {
        slot = entries_++;
        if (slot / chunk == chunks_.size()) {
            chunks_.push_back(std::make_unique<std::array<Entry, chunk>>());
        }
        assert(entries_ < slots_max);
    } else {
        slot = free_.back();
        free_.pop_back();
    }
    auto& entry = entry_at(slot);
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
    return deaths_.find(id);
}

void View::bury(Entry& entry, Instant now) {
    const auto id = entry.id();
    const auto claim = entry.claim();
    const auto place = entry.place();
    const auto slot = slot_of(entry);
    if (is_live(entry.state)) {
        flip(entry);
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

Entry* View::oldest_dead(const Entry& except) noexcept {
    Entry* oldest = nullptr;
    for (const auto ordered : dead_) {
        auto& entry = entry_of(ordered);
        if (&entry != &except && (oldest == nullptr || entry.since < oldest->since)) {
            oldest = &entry;
        }
    }
    return oldest;
}

void View::drop_oldest_graves(std::size_t count) {
    std::vector<std::pair<Instant, Graves::key_type>> all;
    all.reserve(graves_.size());
    for (const auto& [key, grave] : graves_) {
        all.emplace_back(grave.since, key);
    }
    count = std::min(count, all.size());
    const auto last = all.begin() + static_cast<std::ptrdiff_t>(count);
    std::ranges::nth_element(all, last);
    for (auto at = all.begin(); at != last; ++at) {
        graves_.erase(at->second);
    }
}

std::size_t View::bytes() const noexcept {
    return chunks_.capacity() * sizeof(chunks_[0]) + chunks_.size() * sizeof(*chunks_[0]) +
           (live_.capacity() + dead_.capacity()) * sizeof(Ordered) +
           index_.capacity() * sizeof(index_[0]) + free_.capacity() * sizeof(Slot) +
           deaths_.bytes() + graves_.size() * (sizeof(Graves::value_type) + 32);
}

} // namespace jackdaw::swim
