#include "coordinator/core/suggest.h"

#include <algorithm>
#include <numeric>

namespace jackdaw::cli {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1); // of the letter before the last
    auto last = before;
    auto row = before;
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        before.swap(last);
        last.swap(row);
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto replaced = last[j] + (a[i] == b[j] ? 0 : 1);
            row[j + 1] = std::min({replaced, row[j] + 1, last[j + 1] + 1});
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) {
                row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
            }
        }
    }
    return row.back();
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    constexpr std::size_t letters_max = 40;
    std::string best;
    std::size_t best_distance = letters_max;
    if (word.size() > letters_max) {
        return best;
    }
    for (const auto& candidate : known) {
        const auto distance = edit_distance(word, candidate);
        const auto allowed = std::max<std::size_t>(1, candidate.size() / 3);
        if (distance <= allowed && distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

} // namespace jackdaw::cli
