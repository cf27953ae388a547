#include "coordinator/cloud/local/cgroups.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "coordinator/cloud/local/fault_points.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::chrono::milliseconds freeze_time{5'000};
constexpr std::chrono::milliseconds kill_time{10'000};
constexpr std::uint64_t cpu_period_us = 100'000;
constexpr int depth_max = 16;
constexpr std::size_t mountinfo_bytes_max = std::size_t{4} * 1024 * 1024;

bool has_word(std::string_view list, std::string_view word, char separator) {
    std::istringstream words{std::string{list}};
    for (std::string one; std::getline(words, one, separator);) {
        if (one == word) {
            return true;
        }
    }
    return false;
}

/// Best effort: a controller that cannot be handed down shows as absent below.
void hand_down(const Path& group, std::string_view controller) {
    (void)write_kernel_file(group / "cgroup.subtree_control", fmt::format("+{}", controller));
}

bool has_line(const Path& file, std::string_view line) {
    const auto text = read_file(file);
    return text && has_word(*text, line, '\n');
}

/// Is it number 1 of a namespace that is a child of ours? "NSpid:\t4711\t1" (proc(5)).
bool is_first_of_child_namespace(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/status", pid));
    if (!text) {
        return false;
    }
    const std::size_t line = text->find("\nNSpid:");
    if (line == std::string::npos) {
        return false;
    }
    std::istringstream numbers{text->substr(line + 7, text->find('\n', line + 1) - line - 7)};
    std::vector<long> levels;
    for (long number = 0; numbers >> number && levels.size() < 32;) {
        levels.push_back(number);
    }
    return levels.size() == 2 && levels.back() == 1;
}

std::optional<pid_t> first_process_below(const Path& group, int depth) {
    const auto text = read_file(group / "cgroup.procs");
    std::istringstream pids{text ? *text : std::string{}};
    for (pid_t pid = 0; pids >> pid;) {
        if (is_first_of_child_namespace(pid)) {
            return pid;
        }
    }
    const auto names = names_in(group);
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        std::error_code failure;
        if (depth < depth_max && std::filesystem::is_directory(group / name, failure)) {
            if (const auto found = first_process_below(group / name, depth + 1)) {
                return found;
            }
        }
    }
    return std::nullopt;
}

Result<void> remove_groups(const Path& group, int depth) {
    JACKDAW_TRY(const auto names, names_in(group));
    for (const auto& name : names) {
        std::error_code failure;
        if (depth < depth_max && std::filesystem::is_directory(group / name, failure)) {
            JACKDAW_CHECK(remove_groups(group / name, depth + 1));
        }
    }
    if (::rmdir(group.c_str()) != 0 && errno != ENOENT) {
        return os_error("remove cgroup " + group.string(), errno);
    }
    return ok();
}

} // namespace

bool has_controller(const Path& group, std::string_view controller) {
    auto text = read_file(group / "cgroup.controllers");
    if (!text) {
        return false;
    }
    std::replace(text->begin(), text->end(), '\n', ' ');
    return has_word(*text, controller, ' ');
}

CgroupMounts parse_mounts(std::string_view mountinfo) {
    CgroupMounts mounts;
    std::istringstream lines{std::string{mountinfo}};
    for (std::string line; std::getline(lines, line);) {
        // "36 25 0:30 / /sys/fs/cgroup/cpu rw,nosuid shared:9 - cgroup cgroup rw,cpu"
        const std::size_t dash = line.find(" - ");
        if (dash == std::string::npos) {
            continue;
        }
        std::istringstream front{line.substr(0, dash)};
        std::istringstream back{line.substr(dash + 3)};
        std::string skip, root, place, options, type, source, super_options;
        front >> skip >> skip >> skip >> root >> place >> options;
        back >> type >> source >> super_options;
        if (root != "/" || place.find('\\') != std::string::npos || !has_word(options, "rw", ',')) {
            continue;
        }
        if (type == "cgroup2" && mounts.v2.empty()) {
            mounts.v2 = place;
        } else if (type == "cgroup" && has_word(super_options, "cpu", ',')) {
            mounts.v1_cpu = place;
        } else if (type == "cgroup" && has_word(super_options, "memory", ',')) {
            mounts.v1_memory = place;
        }
    }
    return mounts;
}

Result<CgroupMounts> find_cgroups() {
    JACKDAW_TRY(const std::string text, read_file("/proc/self/mountinfo", mountinfo_bytes_max));
    return parse_mounts(text);
}

MachineCgroup::MachineCgroup(const CgroupMounts& mounts, const std::string& fleet_group,
                             const std::string& machine) {
    const auto below = [&](const Path& mount) {
        return mount.empty()     ? Path{}
               : machine.empty() ? mount / fleet_group
                                 : mount / fleet_group / machine;
    };
    v2_ = below(mounts.v2);
    v1_cpu_ = below(mounts.v1_cpu);
    v1_memory_ = below(mounts.v1_memory);
}

std::vector<Path> MachineCgroup::folders() const {
    std::vector<Path> all;
    for (const Path& folder : {v2_, v1_cpu_, v1_memory_}) {
        if (!folder.empty()) {
            all.push_back(folder);
        }
    }
    return all;
}

Result<std::vector<std::string>> MachineCgroup::make(const Flavor& flavor) {
    for (const Path& folder : folders()) {
        std::error_code failure; // no fsync: the kernel's tree has none
        std::filesystem::create_directories(folder, failure);
        if (failure) {
            return os_error("make cgroup " + folder.string(), failure.value());
        }
        fault_point("cgroup made");
    }
    std::vector<std::string> warnings;
    const auto limit = [&](std::string_view controller, const Path& v2_file,
                           std::string_view v2_text, const Path& v1, const Path& v1_file,
                           std::string_view v1_text) {
        for (const Path& above : {v2_.parent_path().parent_path(), v2_.parent_path()}) {
            hand_down(above, controller);
        }
        const bool by_v2 = has_controller(v2_, controller);
        if (!by_v2 && v1.empty()) {
            warnings.push_back(
                fmt::format("no {} limit: no mounted cgroup has the controller", controller));
            return;
        }
        if (const auto set = by_v2 ? write_kernel_file(v2_ / v2_file, v2_text)
                                   : write_kernel_file(v1 / v1_file, v1_text);
            !set) {
            warnings.push_back(fmt::format("no {} limit: {}", controller, set.error().to_string()));
        }
    };
    if (flavor.cpu_millis > 0) {
        const std::uint64_t quota =
            std::max<std::uint64_t>(1'000, flavor.cpu_millis * cpu_period_us / 1000);
        limit("cpu", "cpu.max", fmt::format("{} {}", quota, cpu_period_us), v1_cpu_,
              "cpu.cfs_quota_us", std::to_string(quota));
    }
    if (flavor.memory_bytes > 0) {
        const std::string bytes = std::to_string(flavor.memory_bytes);
        limit("memory", "memory.max", bytes, v1_memory_, "memory.limit_in_bytes", bytes);
    }
    return warnings;
}

Result<void> MachineCgroup::adopt(pid_t pid) const {
    for (const Path& file : process_files()) {
        JACKDAW_CHECK(write_kernel_file(file, std::to_string(pid)));
    }
    return ok();
}

std::vector<Path> MachineCgroup::process_files() const {
    auto files = folders();
    for (Path& file : files) {
        file /= "cgroup.procs";
    }
    return files;
}

bool MachineCgroup::exists() const {
    const auto all = folders();
    return std::any_of(all.begin(), all.end(), [](const Path& folder) {
        struct stat status{};
        return ::stat(folder.c_str(), &status) == 0;
    });
}

bool MachineCgroup::populated() const {
    return !v2_.empty() && has_line(v2_ / "cgroup.events", "populated 1");
}

bool MachineCgroup::frozen() const {
    return !v2_.empty() && has_line(v2_ / "cgroup.events", "frozen 1");
}

std::optional<pid_t> MachineCgroup::first_process() const {
    return v2_.empty() ? std::nullopt : first_process_below(v2_, 0);
}

Result<void> MachineCgroup::freeze(bool on) const {
    JACKDAW_CHECK(write_kernel_file(v2_ / "cgroup.freeze", on ? "1" : "0"));
    if (!wait_until(freeze_time, [&] { return frozen() == on; })) {
        return Error{Errc::deadline,
                     "cgroup " + v2_.string() + (on ? " did not freeze" : " did not thaw")};
    }
    return ok();
}

Result<void> MachineCgroup::kill() const {
    if (v2_.empty() || !populated()) {
        return ok();
    }
    JACKDAW_CHECK(write_kernel_file(v2_ / "cgroup.kill", "1"));
    if (!wait_until(kill_time, [&] { return !populated(); })) {
        return Error{Errc::deadline, "processes of " + v2_.string() + " outlive SIGKILL"};
    }
    return ok();
}

Result<void> MachineCgroup::remove() const {
    for (const Path& folder : folders()) {
        fault_point("before a cgroup is removed");
        JACKDAW_CHECK(remove_groups(folder, 0));
    }
    return ok();
}

} // namespace jackdaw::cloud::local
