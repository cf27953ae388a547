#include "plugins/mariadb/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t letters_max = 128; ///< twice what an identifier has: the work is quadratic

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0U);
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto above = row[j + 1];
            row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row.back();
}

} // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
    std::string_view best;
    std::size_t least = std::max<std::size_t>(word.size() / 3, 2) + 1;
    for (const auto one : known) {
        if (word.size() > letters_max || one.size() > letters_max) {
            continue;
        }
        if (const auto far = distance(word, one); far < least) {
            least = far;
            best = one;
        }
    }
    return best;
}

} // namespace jackdaw::mariadb
