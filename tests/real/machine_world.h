#pragma once
// What machine_test stands on: a network namespace and a state folder of its own, an image, a
// fleet, and eyes for what a machine leaves behind on the host.

#include <filesystem>
#include <string>
#include <vector>

#include "coordinator/cloud/local/local_provider.h"

namespace jackdaw::test {

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

/// Did the stand-in greet? Bounded by `ms`.
bool greets(const std::string& address, int ms);

} // namespace jackdaw::test
