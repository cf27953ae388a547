#include "gossip/core/swim/why.h"

namespace jackdaw::swim {

void Why::note(const Change& change) {
    auto& mine = numbers_[change.id];
    if (mine.size() >= per_member) {
        changes_.erase(mine.front());
        mine.pop_front();
    }
    mine.push_back(++next_);
    changes_.emplace(next_, change);
    if (changes_.size() > max_) {
        const auto oldest = changes_.begin();
        const auto whose = numbers_.find(oldest->second.id);
        whose->second.pop_front();
        if (whose->second.empty()) {
            numbers_.erase(whose);
        }
        changes_.erase(oldest);
    }
}

std::vector<Change> Why::of(NodeId id) const {
    std::vector<Change> all;
    if (const auto found = numbers_.find(id); found != numbers_.end()) {
        for (const auto number : found->second) {
            all.push_back(changes_.at(number));
        }
    }
    return all;
}

} // namespace jackdaw::swim
