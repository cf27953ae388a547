#include "gossip/core/swim/why.h"

#include <algorithm>

namespace jackdaw::swim {

void Why::Member::drop_first() noexcept {
    std::shift_left(of.begin(), of.end(), 1);
    --count;
}

void Why::drop_oldest() {
    while (changes_[turns_.front().slot].number != turns_.front().number) {
        turns_.pop_front();
    }
    const auto slot = turns_.front().slot;
    turns_.pop_front();
    const auto id = changes_[slot].change.id;
    auto& whose = *members_.find(id);
    whose.drop_first(); // the oldest of all is its member's oldest
    if (whose.count == 0) {
        members_.erase(id);
    }
    changes_[slot].number = 0;
    free_.push_back(slot);
}

void Why::note(const Change& change) {
    auto& mine = members_.put(change.id);
    Slot slot = 0;
    if (mine.count == per_member) {
        slot = mine.of[0];
        mine.drop_first();
    } else if (!free_.empty()) {
        slot = free_.back();
        free_.pop_back();
    } else {
        slot = static_cast<Slot>(changes_.size());
        changes_.emplace_back();
    }
    mine.of[mine.count++] = slot;
    changes_[slot] = {++next_, change};
    turns_.push_back({next_, slot});
    if (size() > max_) {
        drop_oldest();
    }
    if (turns_.size() > 2 * changes_.size()) { // one member changed again and again
        std::erase_if(
            turns_, [this](const Turn& turn) { return changes_[turn.slot].number != turn.number; });
    }
}

std::vector<Change> Why::of(NodeId id) const {
    std::vector<Change> all;
    if (const auto* const member = members_.find(id); member != nullptr) {
        for (std::size_t i = 0; i < member->count; ++i) {
            all.push_back(changes_[member->of[i]].change);
        }
    }
    return all;
}

} // namespace jackdaw::swim
