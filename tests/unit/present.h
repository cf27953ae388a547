#pragma once
// What a test says must be there.

#include <optional>
#include <stdexcept>
#include <utility>

namespace jackdaw::testing {

/// The value; throws when there is none, which fails the test at the line that asked.
template <typename T>
[[nodiscard]] T present(std::optional<T> maybe) {
    if (!maybe) {
        throw std::logic_error{"nothing is there"};
    }
    return *std::move(maybe);
}

} // namespace jackdaw::testing
