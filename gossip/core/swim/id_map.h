#pragma once
// Values by member id, flat: the values stand in one array, and an index of open addressing finds
// them. For what only some members have at a time (suspicions, deaths): nothing is held while there
// are none, and a storm's room is given back when it is over.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "proto/messages/gossip.h"

namespace jackdaw::swim {

/// Spreads ids over a table. `salt`: random, so that nobody can choose ids that fall together.
[[nodiscard]] constexpr std::uint32_t spread_id(std::uint64_t id, std::uint64_t salt) noexcept {
    auto z = id ^ salt;
    z = (z ^ (z >> 33U)) * 0xFF51AFD7ED558CCDULL;
    z = (z ^ (z >> 33U)) * 0xC4CEB9FE1A85EC53ULL;
    return static_cast<std::uint32_t>(z >> 32U);
}

/// What it gives stands until the next put() or erase().
template <class Value>
class IdMap {
public:
    using Item = std::pair<proto::NodeId, Value>;

    explicit IdMap(std::uint64_t salt = 0) noexcept : salt_{salt} {}

    [[nodiscard]] const Value* find(proto::NodeId id) const noexcept {
        if (items_.empty()) {
            return nullptr;
        }
        const auto slot = index_[place_of(id)];
        return slot == 0 ? nullptr : &items_[slot - 1].second;
    }
    [[nodiscard]] Value* find(proto::NodeId id) noexcept {
        return const_cast<Value*>(std::as_const(*this).find(id));
    }
    /// Its value, a new one when there was none.
    Value& put(proto::NodeId id) {
        if (auto* const held = find(id); held != nullptr) {
            return *held;
        }
        if ((items_.size() + 1) * 4 > index_.size() * 3) {
            index_.assign(std::max<std::size_t>(8, index_.size() * 2), 0);
            for (std::size_t i = 0; i < items_.size(); ++i) {
                index_[place_of(items_[i].first)] = static_cast<std::uint32_t>(i + 1);
            }
        }
        if (items_.size() ==
            items_.capacity()) { // by a quarter: a simulation has thousands of them
            items_.reserve(items_.size() + std::max<std::size_t>(4, items_.size() / 4));
        }
        items_.emplace_back(id, Value{});
        index_[place_of(id)] = static_cast<std::uint32_t>(items_.size());
        return items_.back().second;
    }
    bool erase(proto::NodeId id) noexcept {
        if (items_.empty()) {
            return false;
        }
        auto hole = place_of(id);
        const auto slot = index_[hole];
        if (slot == 0) {
            return false;
        }
        const auto mask = index_.size() - 1;
        for (auto at = (hole + 1) & mask; index_[at] != 0; at = (at + 1) & mask) {
            // What stands behind moves up, unless its own place is behind the hole.
            const auto home = home_of(items_[index_[at] - 1].first);
            if (((at - home) & mask) >= ((at - hole) & mask)) {
                index_[hole] = index_[at];
                hole = at;
            }
        }
        index_[hole] = 0;
        if (slot != items_.size()) { // the last takes its place among the values
            index_[place_of(items_.back().first)] = slot;
            items_[slot - 1] = std::move(items_.back());
        }
        items_.pop_back();
        if (items_.empty()) {
            clear();
        }
        return true;
    }
    void clear() noexcept {
        items_ = std::vector<Item>{}; // `= {}` would keep its room
        index_ = std::vector<std::uint32_t>{};
    }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return items_.capacity() * sizeof(Item) + index_.capacity() * sizeof(std::uint32_t);
    }
    /// In no order that means anything; the same for the same calls.
    [[nodiscard]] auto begin() noexcept { return items_.begin(); }
    [[nodiscard]] auto end() noexcept { return items_.end(); }
    [[nodiscard]] auto begin() const noexcept { return items_.begin(); }
    [[nodiscard]] auto end() const noexcept { return items_.end(); }

private:
    [[nodiscard]] std::size_t home_of(proto::NodeId id) const noexcept {
        return spread_id(proto::raw(id), salt_) & (index_.size() - 1);
    }
    /// Where its slot stands, or would.
    [[nodiscard]] std::size_t place_of(proto::NodeId id) const noexcept {
        auto at = home_of(id);
        while (index_[at] != 0 && items_[index_[at] - 1].first != id) {
            at = (at + 1) & (index_.size() - 1);
        }
        return at;
    }

    std::uint64_t salt_;
    std::vector<Item> items_;
    std::vector<std::uint32_t> index_; ///< slot + 1; 0 is empty
};

} // namespace jackdaw::swim
