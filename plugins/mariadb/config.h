#pragma once
// MariaDB's option file, computed from the machine. Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/api/host.h"

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
    std::uint64_t open_files = 0; ///< what the server then wants of RLIMIT_NOFILE
    unsigned purge_threads = 0;
};
[[nodiscard]] Sizes sizes_for(const plugins::MachineFacts& machine) noexcept;

inline constexpr const char* option_file_name = "my.cnf";
inline constexpr const char* init_file_name = "init.sql";

/// my.cnf
[[nodiscard]] std::string option_file(const plugins::Place& place);
/// Read by the server at each start, before anybody can connect: the agent's account as it must be,
/// whatever a tenant with too many rights has made of it.
[[nodiscard]] std::string init_file(const plugins::Place& place);

/// May this stand in an option file as it is? Paths and names of a Place, which are ours, must.
[[nodiscard]] bool is_plain_option_value(std::string_view value) noexcept;

[[nodiscard]] std::string socket_path(const plugins::Place& place);
[[nodiscard]] std::string option_file_path(const plugins::Place& place);

} // namespace jackdaw::mariadb
