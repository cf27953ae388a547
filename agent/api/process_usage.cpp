#include "agent/api/process_usage.h"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace jackdaw::agent {

std::optional<std::uint64_t> cpu_us_of(std::string_view stat, long ticks_per_second) {
    const auto behind_name = stat.rfind(')');
    if (behind_name == std::string_view::npos || ticks_per_second <= 0) {
        return std::nullopt;
    }
    std::istringstream fields{std::string{stat.substr(behind_name + 1)}};
    std::string skipped;
    for (int number = 3; number < 14; ++number) {
        fields >> skipped;
    }
    std::uint64_t user = 0, system = 0;
    if (!(fields >> user >> system)) {
        return std::nullopt;
    }
    return (user + system) * 1'000'000 / static_cast<std::uint64_t>(ticks_per_second);
}

ProcessUsage usage_of_process(std::int64_t pid) {
    ProcessUsage usage;
    std::ifstream stat{fmt::format("/proc/{}/stat", pid)};
    std::string text;
    std::getline(stat, text);
    usage.cpu_us = cpu_us_of(text, ::sysconf(_SC_CLK_TCK));
    std::ifstream memory{fmt::format("/proc/{}/statm", pid)};
    std::uint64_t size = 0, resident = 0;
    if (memory >> size >> resident) {
        usage.memory_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    }
    return usage;
}

} // namespace jackdaw::agent
