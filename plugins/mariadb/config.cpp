#include "plugins/mariadb/config.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "plugins/mariadb/logs.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/parameter_owned.h"
#include "plugins/mariadb/parameter_values.h"

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

    // A quarter of the buffer pool: what is changed in it is written out without haste, and a crash
    // recovers in seconds. A sixteenth of the volume at most, since it is taken from the tenant's
    // room, but never less than what fits the smallest one (320 MiB, of which XFS keeps 64).
    sizes.redo_log_bytes = memory < gib ? 32 * mib : 48 * mib;
    if (machine.volume_bytes != 0) {
        const auto most = std::min(machine.volume_bytes / 16, gib);
        sizes.redo_log_bytes =
            std::max(round_down(std::min(sizes.buffer_pool_bytes / 4, most), 16 * mib), 32 * mib);
    }

    // A temporary table that nobody stops must not fill the volume of a small machine: one eighth
    // of the memory, which is where the small machines' volumes are small, too; a quarter of the
    // volume.
    sizes.temporary_bytes_max = std::clamp(round_down(memory / 8, mib), 64 * mib, 16 * gib);
    if (machine.volume_bytes != 0) {
        sizes.temporary_bytes_max =
            std::max(std::min(sizes.temporary_bytes_max, round_down(machine.volume_bytes / 4, mib)),
                     64 * mib);
    }

    // Internal temporary tables on disk are Aria; the default of 128 MiB is half of a small
    // machine.
    sizes.aria_cache_bytes = std::clamp(round_down(memory / 64, mib), 8 * mib, 128 * mib);

    // 8 MiB for each: a connection that sorts and joins takes 3 to 4, and not all do at once.
    sizes.connections_max =
        static_cast<unsigned>(std::clamp<std::uint64_t>(memory / (8 * mib), 64, 2048));

    // About 20 KiB for an open table; one per connection and then some.
    sizes.table_cache = static_cast<unsigned>(std::clamp<std::uint64_t>(memory / mib, 400, 4000));

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

namespace {

struct Group {
    std::string_view title;
    Settings settings;
};

std::string size_text(std::uint64_t bytes) {
    return bytes % mib == 0 ? fmt::format("{}M", bytes / mib) : fmt::format("{}", bytes);
}

std::vector<Group> computed_groups(const plugins::Place& place) {
    const auto sizes = sizes_for(place.machine);
    std::vector<Group> groups;
    groups.push_back({"where",
                      {{"datadir", place.data_folder},
                       // The volume: /tmp of a machine is memory. #sql* is removed at start.
                       {"tmpdir", place.data_folder},
                       {"socket", socket_path(place)},
                       {"pid_file", place.run_folder + "/mysqld.pid"},
                       {"bind_address", place.bind_address},
                       {"port", fmt::format("{}", place.port)},
                       {"init_file", place.config_folder + "/" + init_file_name}}});
    // No log_error: to standard error, which the guard keeps.
    groups.push_back({"logs in files of their own, off until asked for",
                      {{"log_output", "FILE"},
                       {"slow_query_log", "OFF"},
                       {"slow_query_log_file", place.log_folder + "/" + slow_log_file},
                       // The engine's 10 s would show only what everybody has noticed.
                       {"long_query_time", "1"},
                       {"general_log", "OFF"},
                       {"general_log_file", place.log_folder + "/" + general_log_file}}});
    groups.push_back({"who may do what",
                      {{"skip_name_resolve", "ON"}, // no login waits for a name server
                       {"local_infile", "OFF"},
                       {"symbolic_links", "OFF"},
                       // Root's, and nothing in it is secret: no file in, none out.
                       {"secure_file_priv", place.config_folder},
                       {"lower_case_table_names", "0"}}});
    groups.push_back({"what is meant when nobody says",
                      {{"character_set_server", std::string{default_charset}},
                       {"default_storage_engine", "InnoDB"}}});
    groups.push_back({"an acknowledged row is on the volume",
                      {{"innodb_flush_log_at_trx_commit", "1"},
                       {"innodb_doublewrite", "ON"},
                       {"innodb_file_per_table", "ON"},
                       {"sync_frm", "ON"}}});
    groups.push_back(
        {"sized for this machine",
         {{"innodb_buffer_pool_size", size_text(sizes.buffer_pool_bytes)},
          {"innodb_log_file_size", size_text(sizes.redo_log_bytes)},
          {"innodb_temp_data_file_path",
           fmt::format("ibtmp1:12M:autoextend:max:{}M", sizes.temporary_bytes_max / mib)},
          {"innodb_purge_threads", fmt::format("{}", sizes.purge_threads)},
          {"aria_pagecache_buffer_size", size_text(sizes.aria_cache_bytes)},
          {"key_buffer_size", size_text(8 * mib)}, // MyISAM: what old dumps bring along
          // One thread for each connection, no thread pool: in a pool the agent's probe would
          // queue behind the statements of tenants, and a busy server would look like a dead one.
          {"thread_handling", "one-thread-per-connection"},
          {"max_connections", fmt::format("{}", sizes.connections_max)},
          {"table_open_cache", fmt::format("{}", sizes.table_cache)},
          {"performance_schema", "OFF"}}}); // some 100 MiB
    return groups;
}

std::uint64_t own_number(const plugins::Place& place, const char* name, std::uint64_t otherwise) {
    const auto own = place.parameters.find(name);
    const auto number = own == place.parameters.end() ? std::nullopt : parse_number(own->second);
    return number && !number->negative ? number->magnitude : otherwise;
}

} // namespace

std::string_view formula_of(std::string_view name) noexcept {
    struct Formula {
        std::string_view name, text;
    };
    static constexpr Formula all[]{
        {"innodb_buffer_pool_size",
         "memory: 1/4 of the first GiB, 1/2 up to 4 GiB, 7/10 of what is "
         "above; at least 32M"},
        {"innodb_log_file_size", "1/4 of the buffer pool, at most 1/16 of the volume and 1G; at "
                                 "least 32M"},
        {"innodb_temp_data_file_path", "its max: memory / 8, at most 1/4 of the volume and 16G; at "
                                       "least 64M"},
        {"innodb_purge_threads", "cores, at most 4"},
        {"aria_pagecache_buffer_size", "memory / 64, from 8M to 128M"},
        {"max_connections", "memory / 8M, from 64 to 2048"},
        {"table_open_cache", "memory / 1M, from 400 to 4000"},
    };
    for (const auto& one : all) {
        if (one.name == name) {
            return one.text;
        }
    }
    return {};
}

Settings computed_settings(const plugins::Place& place) {
    Settings settings;
    for (auto& group : computed_groups(place)) {
        settings.insert(settings.end(), group.settings.begin(), group.settings.end());
    }
    return settings;
}

const std::string* find_setting(const Settings& settings, std::string_view name) noexcept {
    const auto found = std::find_if(settings.begin(), settings.end(),
                                    [&](const auto& one) { return one.first == name; });
    return found == settings.end() ? nullptr : &found->second;
}

const std::string* computed_value(const Settings& computed, std::string_view name) noexcept {
    const auto* const value = find_setting(computed, name);
    return value != nullptr ? value : find_setting(computed, twin_of(name));
}

std::uint64_t open_files_wanted(const plugins::Place& place) noexcept {
    const auto sizes = sizes_for(place.machine);
    const auto connections = std::min<std::uint64_t>(
        own_number(place, "max_connections", sizes.connections_max), connections_most);
    const auto tables = std::min<std::uint64_t>(
        own_number(place, "table_open_cache", sizes.table_cache), table_cache_most);
    return 100 + connections + 2 * table_cache_instances * tables;
}

Result<std::string> option_file(const plugins::Place& place) {
    std::string text = "# Written by jackdawd; a change here is lost at the next start.\n"
                       "[mariadbd]\n";
    for (const auto& group : computed_groups(place)) {
        text += fmt::format("\n# {}\n", group.title);
        for (const auto& [name, value] : group.settings) {
            if (!place.parameters.contains(name)) { // each once, the instance's own below
                text += fmt::format("{} = {}\n", name, value);
            }
        }
    }
    if (place.parameters.size() > own_settings_max) {
        return Error{Errc::invalid,
                     fmt::format("an instance has at most {} settings", own_settings_max)};
    }
    if (!place.parameters.empty()) {
        text += "\n# this instance's own\n";
    }
    for (const auto& [name, value] : place.parameters) {
        if (const auto why = why_owned(name); !why.empty()) {
            return Error{Errc::not_allowed, fmt::format("{} is not to be set: {}", name, why)};
        }
        JACKDAW_TRY(const auto line, option_line(option_of(name, true), value));
        text += line + "\n";
    }
    return text;
}

std::vector<std::string> account_statements(std::string_view admin) {
    const auto account = quote_account(admin, "localhost");
    // A row that a tenant has bent (a host in capitals, no JSON) is in the way of CREATE and ALTER
    // alike, so whatever has this name goes first. An init file ends at its first error: what the
    // account needs comes before what only tidies.
    std::vector<std::string> all{
        "SET SESSION sql_log_bin = 0", // never replicated
        fmt::format("DELETE FROM mysql.global_priv WHERE User = {}", quote_value(admin)),
        "FLUSH PRIVILEGES",
        fmt::format("CREATE OR REPLACE USER {} IDENTIFIED VIA unix_socket", account),
        fmt::format("GRANT ALL PRIVILEGES ON *.* TO {} WITH GRANT OPTION", account),
    };
    for (const auto* table :
         {"roles_mapping", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv"}) {
        all.push_back(
            fmt::format("DELETE FROM mysql.{} WHERE User = {}", table, quote_value(admin)));
    }
    all.emplace_back("FLUSH PRIVILEGES");
    return all;
}

std::string init_file(const plugins::Place& place) {
    // It begins with the option file's values, and one that a DBA sets for safety
    // (sql_safe_updates, tx_read_only), or too small or large, would end it at its first DELETE.
    // The limit of time alone and first: it counts until it is lifted.
    std::string text = "SET SESSION max_statement_time = 0;\n"
                       "SET SESSION sql_mode = '', SESSION sql_safe_updates = OFF, "
                       "SESSION autocommit = ON, SESSION sql_select_limit = 18446744073709551615, "
                       "SESSION sql_big_selects = ON, SESSION max_session_mem_used = 1073741824, "
                       "SESSION lock_wait_timeout = 20, SESSION range_alloc_block_size = 4096, "
                       "SESSION query_alloc_block_size = 16384, "
                       "SESSION transaction_alloc_block_size = 8192;\n"
                       "SET SESSION TRANSACTION READ WRITE;\n";
    for (const auto& statement : account_statements(place.admin_user)) {
        text += statement + ";\n"; // one a line: the server's rule
    }
    return text;
}

} // namespace jackdaw::mariadb
