#include "coordinator/cloud/local/fault_points.h"

#ifdef JACKDAW_FAULTS

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace jackdaw::cloud::local {
namespace {

long wanted_point() noexcept {
    const char* text = std::getenv("JACKDAW_KILL_AT"); // NOLINT(concurrency-mt-unsafe): tests only
    return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
}

} // namespace

void fault_point(const char* name) noexcept {
    static const long wanted = wanted_point();
    static std::atomic<long> reached{0};
    if (wanted > 0 && reached.fetch_add(1) + 1 == wanted) {
        std::fprintf(stderr, "killed at point %ld: %s\n", wanted, name);
        ::kill(::getpid(), SIGKILL);
    }
}

} // namespace jackdaw::cloud::local

#endif
