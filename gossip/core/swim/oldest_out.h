#pragma once
// Room in a bounded map of what was last seen of whom.

#include <algorithm>
#include <cstddef>

namespace jackdaw::swim {

/// Before one more is put in: while `held` has `most`, the one with the least `at` goes.
template <class Map>
void make_room(Map& held, std::size_t most) {
    while (!held.empty() && held.size() >= most) {
        held.erase(
            std::ranges::min_element(held, {}, [](const auto& one) { return one.second.at; }));
    }
}

} // namespace jackdaw::swim
