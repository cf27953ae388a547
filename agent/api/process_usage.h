#pragma once
// CPU time and memory of a process of this machine, from proc(5).

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace jackdaw::agent {

struct ProcessUsage {
    std::optional<std::uint64_t> cpu_us;       ///< in user mode and in the kernel, since its start
    std::optional<std::uint64_t> memory_bytes; ///< resident
};

/// Nothing of a process that is gone, or that /proc does not show.
[[nodiscard]] ProcessUsage usage_of_process(std::int64_t pid);

/// Fields 14 and 15 of /proc/PID/stat in microseconds, for so many clock ticks a second; nullopt
/// for another text. The name in it (field 2) may hold anything. Pure.
[[nodiscard]] std::optional<std::uint64_t> cpu_us_of(std::string_view stat, long ticks_per_second);

} // namespace jackdaw::agent
