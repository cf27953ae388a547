#pragma once
// What is run of MariaDB: the jobs and the server. Pure; mariadb.jobs lists the same programs for
// root to check.

#include <cstddef>
#include <string>
#include <string_view>

#include "plugins/api/host.h"
#include "proto/base/error.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t version_bytes_max = 32; ///< of what a program or a server says it is

[[nodiscard]] plugins::Job version_job(const plugins::Place& place);
/// "10.11.14" of "mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for …"; `unsupported` for another
/// program or one older than 10.11, E-INSTALL-MISSING when there is no version in it at all.
[[nodiscard]] Result<std::string> parse_version(std::string_view output);

/// Fills the time-zone tables of a new data folder; made by make_timezones.py in the build and
/// installed, root-owned, beside the plug-in.
inline constexpr const char* timezone_file = "/usr/lib/jackdaw/plugins/mariadb-timezones.sql";
[[nodiscard]] plugins::Job initialise_job(const plugins::Place& place);
[[nodiscard]] plugins::Job check_config_job(const plugins::Place& place);
/// E-CONFIG-REFUSED naming the first line that refuses: an [ERROR], an unknown variable, or a value
/// that the server says it adjusted (it would run with another one than was asked for). The line is
/// made printable: it quotes values.
[[nodiscard]] Result<void> judge_config(int exit_status, std::string_view output);
/// What ended the init file, which the server tells in one line and goes on; empty: nothing did.
[[nodiscard]] std::string start_complaint(std::string_view output);
[[nodiscard]] plugins::LaunchSpec launch(const plugins::Place& place);

} // namespace jackdaw::mariadb
