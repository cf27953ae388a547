#pragma once
// What machine_test stands on: a network namespace and a state folder of its own, an image, a
// fleet, and eyes for what a machine leaves behind on the host.

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/cloud/local/local_provider.h"

#define REQUIRE_OK(...)                                                                            \
    do {                                                                                           \
        auto result_ = (__VA_ARGS__);                                                              \
        INFO((result_ ? std::string{} : result_.error().to_debug_string()));                       \
        REQUIRE(result_);                                                                          \
    } while (false)

#define SKIP_WITHOUT_MACHINES()                                                                    \
    if (const auto why = jackdaw::test::machines_impossible(); !why.empty()) {                     \
        WARN("skipped: " + why);                                                                   \
        return;                                                                                    \
    }                                                                                              \
    static_assert(true)

namespace jackdaw::test {

inline constexpr int patience_ms =
    10'000; ///< bounds what must succeed; nothing is asserted about how long it takes
inline constexpr int silence_ms = 300; ///< how long something is waited for that must not come
inline constexpr std::chrono::seconds budget{10};

/// Why machines cannot be made here; empty: they can. Enters a new network namespace at the first
/// call.
std::string machines_impossible();

class MachineWorld {
public:
    MachineWorld();
    MachineWorld(const MachineWorld&) = delete;
    MachineWorld& operator=(const MachineWorld&) = delete;
    /// Removes everything, also after a failed test.
    ~MachineWorld();

    [[nodiscard]] cloud::local::LocalProvider& provider() { return provider_; }
    [[nodiscard]] const std::filesystem::path& state() const { return settings_.state_root; }
    [[nodiscard]] const std::string& fleet() const { return settings_.fleet; }
    [[nodiscard]] const std::filesystem::path& programs() const { return programs_; }
    [[nodiscard]] static std::filesystem::path image_root();

    /// A spec of the stand-in; the id derives from the name.
    [[nodiscard]] cloud::MachineSpec spec(const std::string& name,
                                          const std::string& volume_id = "") const;
    [[nodiscard]] static cloud::Tags tags(const std::string& step);
    /// Volume and machine, as a create does it. The test fails if either does.
    cloud::Machine make(const std::string& name);

    /// Runs `case_name` of this very program in a process of its own, told of this world and to be
    /// killed at the given fault point (0: never). Its exit status, or 128 + the signal.
    int run_apart(const std::string& case_name, int kill_at) const;

    /// Links but the bridge, cgroups of machines, loop devices, mounts, rule tables, folders and
    /// files: what is left.
    [[nodiscard]] std::vector<std::string> leftovers() const;

private:
    cloud::local::LocalSettings settings_;
    std::filesystem::path programs_;
    cloud::local::LocalProvider provider_;
};

/// Of a process that run_apart() started.
cloud::local::LocalSettings told_settings();
std::filesystem::path told_programs();

/// Nothing is left, at the latest in 5 s: loop devices clear themselves, and cgroups empty, a
/// moment after the last process.
bool nothing_left(const MachineWorld& world);
std::string all_lines(const std::vector<std::string>& lines);
/// Exit status of a shell script in the machine; the test fails when none could run.
int inside(MachineWorld& world, const std::string& name, const std::string& script);

/// Did the stand-in greet? Bounded by `ms`.
bool greets(const std::string& address, int ms);

} // namespace jackdaw::test
