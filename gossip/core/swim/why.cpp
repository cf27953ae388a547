#include "gossip/core/swim/why.h"

#include <algorithm>

namespace jackdaw::swim {

void Why::Numbers::drop_first() noexcept {
    std::shift_left(of.begin(), of.end(), 1);
    --count;
}

void Why::note(const Change& change) {
    auto& mine = numbers_[change.id];
    if (mine.count == per_member) {
        changes_.erase(mine.of[0]);
        mine.drop_first();
    }
    mine.of[mine.count++] = ++next_;
    changes_.emplace(next_, change);
    if (changes_.size() > max_) {
        const auto oldest = changes_.begin();
        const auto whose = numbers_.find(oldest->second.id);
        whose->second.drop_first(); // the oldest of all is its member's oldest
        if (whose->second.count == 0) {
            numbers_.erase(whose);
        }
        changes_.erase(oldest);
    }
}

std::vector<Change> Why::of(NodeId id) const {
    std::vector<Change> all;
    if (const auto found = numbers_.find(id); found != numbers_.end()) {
        for (std::size_t i = 0; i < found->second.count; ++i) {
            all.push_back(changes_.at(found->second.of[i]));
        }
    }
    return all;
}

} // namespace jackdaw::swim
