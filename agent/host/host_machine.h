#pragma once
// First boot, the machine's folders, and what the machine has. Part of jackdaw-host.

#include <optional>
#include <string>
#include <vector>

#include "agent/host/host.h"
#include "agent/host/host_protocol.h"
#include "agent/host/host_volume.h"

namespace jackdaw::agent::host {

inline constexpr std::uint32_t agent_uid = 47412;
inline constexpr std::uint32_t agent_gid = 47412;
inline constexpr std::uint32_t admin_gid = 47414; ///< group jackdaw: may use admin.sock

/// A socket of the API, and by owner and mode who gets in.
struct ApiSocket {
    const char* path;
    std::uint32_t gid;
    std::uint32_t mode;
};
inline constexpr ApiSocket admin_socket{"/run/jackdaw/admin.sock", admin_gid, 0660};
inline constexpr ApiSocket public_socket{"/run/jackdaw/public.sock", 0, 0666};

/// /etc/jackdaw/machine.conf; written from the config drive when it is absent and the drive's
/// user_data is there. A machine with neither has a file without an instance, which is not written
/// down.
[[nodiscard]] Result<MachineFile> first_boot();
/// The folders that agent, guards and hand-over need, without the database's own; present is ok.
[[nodiscard]] Result<void> make_machine_folders();

/// Listening, in the place of an earlier one.
[[nodiscard]] Result<UniqueFd> bind_socket(const ApiSocket& which);

/// The hand-over's file, opened; nullopt without one.
[[nodiscard]] Result<std::optional<UniqueFd>> open_fleet_file(FleetFile which);

/// The data, run, log and configuration folders of the instance.
[[nodiscard]] Result<void> prepare_folders(const MachineFile& machine, const Volume& volume);
/// Removes the files that the database's user left in its run folder, which is memory; its folders
/// and what root put there stay. Only while no database runs: its socket goes, too.
[[nodiscard]] Result<void> clear_run_folder(const MachineFile& machine);
/// Empties the data folder; refuses when the stamp says sealed.
[[nodiscard]] Result<void> wipe_data(const Volume& volume);
/// All new files are written and synced before the first old one is replaced.
[[nodiscard]] Result<void> write_config(const std::vector<plugins::RenderedFile>& files);

/// Memory: the least of /proc/meminfo and the cgroups' limits (v2, v1). Cores: the affinity, cut by
/// the cpu quota. Limits of the groups above ours count, too.
[[nodiscard]] Result<plugins::MachineFacts> machine_facts();
/// The least cpu quota, in cores, that these folders of cgroup v2 have ("50000 100000" in cpu.max
/// is half a core); nullopt without one.
[[nodiscard]] std::optional<double> v2_cores(const std::vector<std::string>& groups);

} // namespace jackdaw::agent::host
