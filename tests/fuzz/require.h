#pragma once
// What a fuzz target promises of every input: broken, it ends the process, which the fuzzer and the
// replay see.

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace jackdaw::fuzz {

inline void require(bool holds, std::source_location where = std::source_location::current()) {
    if (!holds) {
        std::fprintf(stderr, "%s:%u: a promise is broken\n", where.file_name(), where.line());
        std::abort();
    }
}

} // namespace jackdaw::fuzz
