#pragma once
// Counts what a test program allocates by operator new, of every form. Linked in by what names it.

#include <cstddef>

namespace jackdaw::test {

[[nodiscard]] std::size_t allocations() noexcept; ///< since the program began, of all threads

} // namespace jackdaw::test
