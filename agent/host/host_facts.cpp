// What the machine has: memory and cores, after the limits that a container or a local machine
// lives under.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>

#include "agent/host/host_machine.h"

namespace jackdaw::agent::host {
namespace {

constexpr std::size_t proc_file_max = 16384;
/// v1 says "no limit" by a number near 2^63.
constexpr std::uint64_t no_limit = std::uint64_t{1} << 60;

std::string read_text(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    std::string text(proc_file_max, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
    const auto from = text.find_first_of("0123456789");
    std::uint64_t value = 0;
    if (from == std::string_view::npos ||
        std::from_chars(text.data() + from, text.data() + text.size(), value).ec != std::errc{}) {
        return std::nullopt;
    }
    return value;
}

/// The path of this process in one hierarchy: "" names v2.
std::string cgroup_path(std::string_view controller) {
    std::istringstream lines{read_text("/proc/self/cgroup")};
    for (std::string line; std::getline(lines, line);) { // "4:memory:/a/b", "0::/a/b"
        const auto first = line.find(':');
        const auto second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) {
            continue;
        }
        const auto names = "," + line.substr(first + 1, second - first - 1) + ",";
        if (names.find(fmt::format(",{},", controller)) != std::string::npos) {
            return line.substr(second + 1);
        }
    }
    return {};
}

/// A v1 hierarchy, mounted for the moment: a local machine's limits may live there while nothing of
/// it is mounted.
class OldHierarchy {
public:
    explicit OldHierarchy(const char* controller)
        : folder_{fmt::format("/run/jackdaw/.cgroup-{}", controller)},
          path_{cgroup_path(controller)} {
        (void)::mkdir(folder_.c_str(), 0700);
        mounted_ = !path_.empty() &&
                   ::mount("cgroup", folder_.c_str(), "cgroup",
                           MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, controller) == 0;
    }
    ~OldHierarchy() {
        if (mounted_) {
            (void)::umount2(folder_.c_str(), MNT_DETACH);
        }
        (void)::rmdir(folder_.c_str());
    }
    OldHierarchy(const OldHierarchy&) = delete;
    OldHierarchy& operator=(const OldHierarchy&) = delete;

    /// Of the process's own group, or of the namespace's top when its path is not below that.
    [[nodiscard]] std::string read(const char* file) const {
        if (!mounted_) {
            return {};
        }
        auto text = read_text(fmt::format("{}{}/{}", folder_, path_, file));
        return text.empty() ? read_text(fmt::format("{}/{}", folder_, file)) : text;
    }

private:
    std::string folder_;
    std::string path_;
    bool mounted_ = false;
};

/// Our group of v2 and those above it, wherever the tree is mounted: a limit may be set on any of
/// them, and a local machine's is set on the topmost that is seen inside.
std::vector<std::string> v2_groups() {
    std::vector<std::string> groups;
    for (const char* root : {"/run/jackdaw/cgroup", "/sys/fs/cgroup"}) {
        auto path = cgroup_path("");
        for (int depth = 0; depth < 32; ++depth) {
            groups.push_back(root + path);
            if (path.empty() || path == "/") {
                break;
            }
            path.erase(std::min(path.rfind('/'), path.size()));
        }
    }
    return groups;
}

std::optional<std::uint64_t> v2_memory(const std::vector<std::string>& groups) {
    std::optional<std::uint64_t> least;
    for (const auto& group : groups) {
        if (const auto limit = number_in(read_text(group + "/memory.max"))) {
            least = std::min(least.value_or(*limit), *limit);
        }
    }
    return least;
}

std::uint64_t memory_bytes() {
    const auto meminfo = read_text("/proc/meminfo");
    const auto at = meminfo.find("MemTotal:");
    const auto total_kb =
        at == std::string::npos ? std::nullopt : number_in(std::string_view{meminfo}.substr(at));
    std::uint64_t bytes = total_kb.value_or(0) * 1024;
    const auto old = number_in(OldHierarchy{"memory"}.read("memory.limit_in_bytes"));
    for (const auto& limit : {v2_memory(v2_groups()), old}) {
        if (limit && *limit > 0 && *limit < no_limit) {
            bytes = bytes == 0 ? *limit : std::min(bytes, *limit);
        }
    }
    return bytes;
}

unsigned core_count() {
    cpu_set_t set;
    CPU_ZERO(&set);
    double cores = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    auto quota = v2_cores(v2_groups());
    if (!quota) {
        const OldHierarchy cpu{"cpu"};
        const auto text = cpu.read("cpu.cfs_quota_us");
        const auto used = text.starts_with('-') ? std::nullopt : number_in(text);
        const auto period = number_in(cpu.read("cpu.cfs_period_us"));
        if (used && period && *used > 0 && *period > 0) {
            quota = static_cast<double>(*used) / static_cast<double>(*period);
        }
    }
    if (quota) {
        cores = std::min(cores, std::ceil(*quota));
    }
    return static_cast<unsigned>(std::max(1.0, cores));
}

} // namespace

std::optional<double> v2_cores(const std::vector<std::string>& groups) {
    std::optional<double> least;
    for (const auto& group : groups) {
        std::istringstream words{read_text(group + "/cpu.max")};
        double quota = 0;
        double period = 0;
        if (words >> quota >> period && quota > 0 && period > 0) { // else "max 100000", or none
            least = std::min(least.value_or(quota / period), quota / period);
        }
    }
    return least;
}

Result<plugins::MachineFacts> machine_facts() {
    plugins::MachineFacts facts;
    facts.memory_bytes = memory_bytes();
    facts.cores = core_count();
    std::array<char, 65> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0) {
        facts.hostname = name.data();
    }
    return facts;
}

} // namespace jackdaw::agent::host
