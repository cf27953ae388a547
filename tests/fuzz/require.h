#pragma once
// What a fuzz target promises of every input: broken, it ends the process, which the fuzzer and the
// replay see.

#include <cstdlib>

namespace jackdaw::fuzz {

inline void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

} // namespace jackdaw::fuzz
