#pragma once
// The machine file and the config drive that it is made from at first boot. Pure parsers of bounded
// input; the config drive is an outsider's bytes (a cloud's, or the local provider's).

#include <string>
#include <string_view>

#include "agent/host/host.h"
#include "proto/base/error.h"

namespace jackdaw::agent::host {

inline constexpr std::size_t machine_file_max_bytes = 8192;
inline constexpr std::size_t config_drive_max_bytes = std::size_t{64} << 10;
inline constexpr std::string_view default_plugin_folder = "/usr/lib/jackdaw/plugins";
inline constexpr std::uint32_t default_database_uid = 47413;
inline constexpr std::uint32_t default_database_gid = 47413;

/// A volume's serial, as it stands in a path: 1 to 20 of A-Z a-z 0-9 '_' '-'.
[[nodiscard]] bool is_serial(std::string_view text) noexcept;

/// "key=value" lines, '#' starts a comment line; unknown keys are errors (a mistyped one must not
/// mean its default), a repeated one, too. `invalid` names the line.
[[nodiscard]] Result<MachineFile> parse_machine_file(std::string_view text);
[[nodiscard]] std::string format_machine_file(const MachineFile& file);

/// From user_data (a JSON object; keys: fleet, instance_id, instance_name, volume_serial, address;
/// others are the agent's and are skipped); meta_data.json must be a JSON object, too. Depth, count
/// and sizes are bounded. `invalid` names the key.
[[nodiscard]] Result<MachineFile> parse_config_drive(std::string_view meta_data,
                                                     std::string_view user_data);

} // namespace jackdaw::agent::host
