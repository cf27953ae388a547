#pragma once
// The agent's settings, declared once: the table in settings.cpp is what parses flags and the file,
// prints --help, the sample file and the page in agent/README.md, and names an unknown key.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host/host.h"
#include "gossip/core/swim/config.h"
#include "proto/base/error.h"

namespace jackdaw::agent {

struct Settings {
    std::string state_folder = "/var/lib/jackdaw/state";
    std::string run_folder = "/run/jackdaw";
    std::string plugin_folder = "/usr/lib/jackdaw/plugins";
    std::string listen = "0.0.0.0:7412"; ///< UDP gossip and TCP channel
    std::string metrics_listen; ///< ADDRESS:PORT or *:PORT for metrics and health; empty: off
    std::string advertise;      ///< address that peers and clients use; empty: the machine file's
    std::vector<std::string> seeds; ///< ADDRESS:PORT
    std::string name;               ///< empty: the machine file's, or the host's name
    std::string ring_file;          ///< gossip keys of a plain member; empty: the hand-over's
    std::string gossip_profile = "lan";
    std::uint64_t gossip_probe_period_ms = 0; ///< these four: 0 is the profile's
    std::uint64_t gossip_probe_floor_ms = 0;
    std::uint64_t gossip_rto_max_ms = 0;
    std::uint64_t gossip_suspicion_min_ms = 0;
    std::string log_level = "info";
    std::uint64_t probe_period_ms = 1000;
    std::uint64_t operation_limit_s = 1800;
    std::uint64_t state_map_bytes = 64ULL << 20U;
};

/// What the command line asks for.
enum class Task : std::uint8_t {
    run,
    check,
    help,
    sample,
    document,
    version,
    restore_state,
    plans
};

struct CommandLine {
    Task task = Task::run;
    Settings settings;
};

/// Flags win over the file (`--settings FILE`, TOML; by default
/// /etc/jackdaw/jackdawd.toml if it exists). `invalid` names the key or flag, its place and what is
/// allowed; every rule between settings is checked, too.
[[nodiscard]] Result<CommandLine> parse_command_line(int argc, const char* const* argv);

/// What a settings file says, over what `settings` has. `invalid` names `where`, the line and the
/// key; then `settings` is half written. parse_command_line() checks what goes with what.
[[nodiscard]] Result<void> read_settings(Settings& settings, std::string_view document,
                                         const std::string& where);

[[nodiscard]] std::string settings_help();     ///< for --help
[[nodiscard]] std::string settings_sample();   ///< a TOML file with every key at its default
[[nodiscard]] std::string settings_document(); ///< a Markdown table

/// The profile's, with what the settings change of it. `invalid` with all four values as a hint for
/// a profile that is none, and for values that do not go together.
[[nodiscard]] Result<swim::Config> gossip_config_of(const Settings& settings);

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
/// "10.1.2.3:7412"; `invalid` otherwise. IPv4 or "[v6]".
[[nodiscard]] Result<HostPort> parse_host_port(const std::string& text);
/// The same of `metrics-listen`. "*:7413" is every IPv4 address; a wildcard written as an address
/// is refused, since it may stand there by mistake.
[[nodiscard]] Result<HostPort> parse_metrics_listen(const std::string& text);
/// What the machine's packet filter must let in for `listen` and `metrics-listen`. The settings are
/// valid ones.
[[nodiscard]] OpenPorts ports_to_open(const Settings& settings);

} // namespace jackdaw::agent
