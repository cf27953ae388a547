#pragma once
// MariaDB's option file, computed from the machine. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/api/host.h"
#include "proto/base/error.h"

namespace jackdaw::mariadb {

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;
inline constexpr std::uint64_t gib = 1024 * mib;

/// The values that depend on the machine. Formulas in config.cpp, each with its reason.
struct Sizes {
    std::uint64_t buffer_pool_bytes = 0;
    std::uint64_t redo_log_bytes = 0;
    std::uint64_t temporary_bytes_max = 0; ///< of ibtmp1
    std::uint64_t aria_cache_bytes = 0;
    unsigned connections_max = 0;
    unsigned table_cache = 0;
    unsigned purge_threads = 0;
};
[[nodiscard]] Sizes sizes_for(const plugins::MachineFacts& machine) noexcept;

inline constexpr const char* option_file_name = "my.cnf";
inline constexpr const char* init_file_name = "init.sql";

/// Name and value, each name once.
using Settings = std::vector<std::pair<std::string, std::string>>;
inline constexpr std::size_t own_settings_max = 1000; ///< more than there are parameters

inline constexpr std::uint64_t connections_most = 100'000;   ///< MariaDB: max_connections
inline constexpr std::uint64_t table_cache_most = 1'048'576; ///< MariaDB: table_open_cache
inline constexpr std::uint64_t table_cache_instances = 8;    ///< MariaDB's default

/// What my.cnf says of the machine, whatever the instance's own settings are. Some are options that
/// are no variables.
[[nodiscard]] Settings computed_settings(const plugins::Place& place);
/// How a value in computed_settings() comes from the machine; empty: it is the same everywhere.
[[nodiscard]] std::string_view formula_of(std::string_view name) noexcept;
/// Null when it is not there.
[[nodiscard]] const std::string* find_setting(const Settings& settings,
                                              std::string_view name) noexcept;
/// The same, under the other name of the same thing, too: its line of my.cnf speaks for both.
[[nodiscard]] const std::string* computed_value(const Settings& computed,
                                                std::string_view name) noexcept;

/// What the server wants of RLIMIT_NOFILE, own settings counted: connections, two files for each
/// table in each of the cache's instances, its own (mysqld.cc, init_common_variables). Where the
/// hard limit is lower the server makes the cache smaller.
[[nodiscard]] std::uint64_t open_files_wanted(const plugins::Place& place) noexcept;

/// my.cnf: what is computed, without what the instance sets by itself; then Place::parameters, in
/// quotes. `invalid` for a value that would not stay in its line, `not_allowed` for what the agent
/// owns.
[[nodiscard]] Result<std::string> option_file(const plugins::Place& place);
/// What makes the agent's account what it must be, whatever was made of it.
[[nodiscard]] std::vector<std::string> account_statements(std::string_view admin);
/// Read by the server at each start, before anybody can connect: the agent's account as it must be,
/// whatever a tenant with too many rights has made of it.
[[nodiscard]] std::string init_file(const plugins::Place& place);

/// May this stand in an option file as it is? Paths and names of a Place, which are ours, must.
[[nodiscard]] bool is_plain_option_value(std::string_view value) noexcept;

[[nodiscard]] std::string socket_path(const plugins::Place& place);
[[nodiscard]] std::string option_file_path(const plugins::Place& place);

} // namespace jackdaw::mariadb
