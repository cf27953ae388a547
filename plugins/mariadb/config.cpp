#include "plugins/mariadb/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "plugins/mariadb/logs.h"
#include "plugins/mariadb/names.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t unit) noexcept {
    return value - value % unit;
}

} // namespace

Sizes sizes_for(const plugins::MachineFacts& machine) noexcept {
    Sizes sizes;
    const auto memory = std::max<std::uint64_t>(machine.memory_bytes, 256 * mib);
    const auto cores = std::clamp(machine.cores, 1U, 256U);

    // A quarter of the first GiB (kernel, agent, connections and the rest of the server live there,
    // too), half of what comes up to 4 GiB, 70 % of what lies above: what does not grow with the
    // machine has been paid by then.
    const auto first = std::min(memory, gib);
    const auto middle = std::min(memory, 4 * gib) - first;
    const auto above = memory - first - middle;
    sizes.buffer_pool_bytes =
        std::max(round_down(first / 4 + middle / 2 + above / 10 * 7, 16 * mib), 32 * mib);

    // Small enough for the smallest volume (320 MiB, of which XFS keeps 64): the driver does not
    // know the volume's size. A crash then recovers in seconds.
    sizes.redo_log_bytes = memory < gib ? 32 * mib : 48 * mib;

    // A temporary table that nobody stops must not fill the volume of a small machine: one eighth
    // of the memory, which is where the small machines' volumes are small, too.
    sizes.temporary_bytes_max = std::clamp(round_down(memory / 8, mib), 64 * mib, 16 * gib);

    // Internal temporary tables on disk are Aria; the default of 128 MiB is half of a small
    // machine.
    sizes.aria_cache_bytes = std::clamp(round_down(memory / 64, mib), 8 * mib, 128 * mib);

    // 8 MiB for each: a connection that sorts and joins takes 3 to 4, and not all do at once.
    sizes.connections_max =
        static_cast<unsigned>(std::clamp<std::uint64_t>(memory / (8 * mib), 64, 2048));

    // About 20 KiB for an open table; one per connection and then some.
    sizes.table_cache = static_cast<unsigned>(std::clamp<std::uint64_t>(memory / mib, 400, 4000));

    // As mariadbd computes it (mysqld.cc, init_common_variables): connections, two files for each
    // table in each of the cache's eight instances, its own. Where the hard limit is lower the
    // server makes the cache smaller.
    sizes.open_files = 100 + sizes.connections_max + 2ULL * 8 * sizes.table_cache;

    sizes.purge_threads = std::clamp(cores, 1U, 4U);
    return sizes;
}

bool is_plain_option_value(std::string_view value) noexcept {
    return !value.empty() && value.size() <= 255 &&
           std::all_of(value.begin(), value.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '/' || c == '.' || c == '_' || c == '-' || c == ':' || c == '%';
           });
}

std::string socket_path(const plugins::Place& place) {
    return place.run_folder + "/mysqld.sock";
}

std::string option_file_path(const plugins::Place& place) {
    return place.config_folder + "/" + option_file_name;
}

std::string option_file(const plugins::Place& place) {
    const auto sizes = sizes_for(place.machine);
    std::string text = "# Written by jackdawd; a change here is lost at the next start.\n"
                       "[mariadbd]\n";
    const auto set = [&text](std::string_view name, const auto& value) {
        text += fmt::format("{} = {}\n", name, value);
    };
    const auto set_size = [&](std::string_view name, std::uint64_t bytes) {
        set(name, bytes % mib == 0 ? fmt::format("{}M", bytes / mib) : fmt::format("{}", bytes));
    };

    text += "\n# where\n";
    set("datadir", place.data_folder);
    set("tmpdir",
        place.data_folder); // the volume: /tmp of a machine is memory. #sql* is removed at start
    set("socket", socket_path(place));
    set("pid_file", place.run_folder + "/mysqld.pid");
    set("bind_address", place.bind_address);
    set("port", place.port);
    set("init_file", place.config_folder + "/" + init_file_name);
    // No log_error: to standard error, which the guard keeps.

    text += "\n# logs in files of their own, off until asked for\n";
    set("log_output", "FILE");
    set("slow_query_log", "OFF");
    set("slow_query_log_file", place.log_folder + "/" + slow_log_file);
    set("long_query_time", 1); // the engine's 10 s would show only what everybody has noticed
    set("general_log", "OFF");
    set("general_log_file", place.log_folder + "/" + general_log_file);

    text += "\n# who may do what\n";
    set("skip_name_resolve", "ON"); // no login waits for a name server
    set("local_infile", "OFF");
    set("symbolic_links", "OFF");
    set("secure_file_priv",
        place.config_folder); // root's, and nothing in it is secret: no file in, none out
    set("lower_case_table_names", 0);

    text += "\n# what is meant when nobody says\n";
    set("character_set_server", default_charset);
    set("default_storage_engine", "InnoDB");

    text += "\n# an acknowledged row is on the volume\n";
    set("innodb_flush_log_at_trx_commit", 1);
    set("innodb_doublewrite", "ON");
    set("innodb_file_per_table", "ON");
    set("sync_frm", "ON");

    text += "\n# sized for this machine\n";
    set_size("innodb_buffer_pool_size", sizes.buffer_pool_bytes);
    set_size("innodb_log_file_size", sizes.redo_log_bytes);
    set("innodb_temp_data_file_path",
        fmt::format("ibtmp1:12M:autoextend:max:{}M", sizes.temporary_bytes_max / mib));
    set("innodb_purge_threads", sizes.purge_threads);
    set_size("aria_pagecache_buffer_size", sizes.aria_cache_bytes);
    set_size("key_buffer_size", 8 * mib); // MyISAM: what old dumps bring along
    // One thread for each connection, no thread pool: in a pool the agent's probe would queue
    // behind the statements of tenants, and a busy server would look like a dead one.
    set("thread_handling", "one-thread-per-connection");
    set("max_connections", sizes.connections_max);
    set("table_open_cache", sizes.table_cache);
    set("performance_schema", "OFF"); // some 100 MiB; a parameter of a later issue
    return text;
}

std::string init_file(const plugins::Place& place) {
    const auto account = quote_account(place.admin_user, "localhost");
    // One statement a line (the server's rule). Never replicated, never logged for others.
    return fmt::format("SET SESSION sql_log_bin = 0;\n"
                       "CREATE USER IF NOT EXISTS {0} IDENTIFIED VIA unix_socket;\n"
                       "ALTER USER {0} IDENTIFIED VIA unix_socket REQUIRE NONE WITH "
                       "MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 "
                       "MAX_USER_CONNECTIONS 0 ACCOUNT UNLOCK;\n"
                       "GRANT ALL PRIVILEGES ON *.* TO {0} WITH GRANT OPTION;\n",
                       account);
}

} // namespace jackdaw::mariadb
