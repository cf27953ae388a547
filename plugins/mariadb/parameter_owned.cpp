#include "plugins/mariadb/parameter_owned.h"

#include <algorithm>
#include <array>

namespace jackdaw::mariadb {
namespace {

constexpr std::string_view places = "the agent lays out the machine's folders, ports and sockets";
constexpr std::string_view made_so = "the data folder was made with it, and does not start without";
constexpr std::string_view doors = "who may enter, and what of the machine is in reach, is the "
                                   "agent's to keep";
constexpr std::string_view logs = "the agent reads, rotates and bounds the logs as files";
constexpr std::string_view binlog = "the binary log comes with backups and replication";
constexpr std::string_view replication = "who replicates from whom is the agent's to say";
constexpr std::string_view galera = "clustering is the agent's to arrange";
constexpr std::string_view keys = "it needs a key management plug-in, and this server has none";
constexpr std::string_view tls = "a certificate that is missing or wrong turns TLS off silently; "
                                 "TLS is the agent's to set up";
constexpr std::string_view command = "it is a command to the server and no setting";
constexpr std::string_view chosen = "the server chooses by what the volume's file system can";
constexpr std::string_view files = "it follows from max_connections, table_open_cache and what the "
                                   "machine allows";
constexpr std::string_view effectless = "this server shows it and does nothing with it";
constexpr std::string_view rescue = "it keeps the agent from working; it is for rescuing data by "
                                    "hand";

struct Rule {
    std::string_view name; ///< ends with '*': a family
    std::string_view why;
};

constexpr std::array rules{
    // Where things are.
    Rule{"aria_log_dir_path", places},
    Rule{"basedir", places},
    Rule{"bind_address", places},
    Rule{"character_sets_dir", places},
    Rule{"datadir", places},
    Rule{"extra_port", places},
    Rule{"extra_max_connections", places},
    Rule{"ft_stopword_file", places},
    Rule{"init_file", places},
    Rule{"innodb_buffer_pool_filename", places},
    Rule{"innodb_data_home_dir", places},
    Rule{"innodb_log_group_home_dir", places},
    Rule{"innodb_tmpdir", places},
    Rule{"innodb_undo_directory", places},
    Rule{"lc_messages_dir", places},
    Rule{"pid_file", places},
    Rule{"plugin_dir", places},
    Rule{"port", places},
    Rule{"socket", places},
    Rule{"tmpdir", places},
    // What the data folder is.
    Rule{"aria_block_size", made_so},
    Rule{"innodb_data_file_path", made_so},
    Rule{"innodb_page_size", made_so},
    Rule{"innodb_undo_tablespaces", made_so},
    Rule{"lower_case_table_names", made_so},
    // Who may do what.
    Rule{"allow_suspicious_udfs", doors},
    Rule{"core_file", doors}, // core files hold secrets
    Rule{"local_infile", doors},
    Rule{"plugin_maturity", doors},
    Rule{"proxy_protocol_networks", doors}, // lets a client claim another address
    Rule{"secure_file_priv", doors},
    Rule{"skip_grant_tables", doors},
    Rule{"skip_name_resolve", doors},
    Rule{"skip_networking", doors},
    Rule{"ssl_*", tls},
    // Encryption at rest.
    Rule{"aria_encrypt_tables", keys},
    Rule{"encrypt_*", keys},
    Rule{"innodb_default_encryption_key_id", keys},
    Rule{"innodb_encrypt_*", keys},
    Rule{"innodb_encryption_*", keys},
    // Logs.
    Rule{"general_log_file", logs},
    Rule{"log_error", logs},
    Rule{"log_output", logs},
    Rule{"log_slow_query_file", logs},
    Rule{"slow_query_log_file", logs},
    // Binary log, replication, clusters.
    Rule{"log_bin", binlog},
    Rule{"log_bin_index", binlog},
    Rule{"log_slave_updates", binlog},
    Rule{"gtid_domain_id", replication},
    Rule{"gtid_ignore_duplicates", replication},
    Rule{"gtid_pos_auto_engines", replication},
    Rule{"gtid_strict_mode", replication},
    Rule{"init_slave", replication},
    Rule{"read_only", replication},
    Rule{"relay_log", replication},
    Rule{"relay_log_*", replication},
    Rule{"replicate_*", replication},
    Rule{"report_*", replication}, // one is a password
    Rule{"rpl_semi_sync_*", replication},
    Rule{"server_id", replication},
    Rule{"slave_exec_mode", replication}, // rows lost in silence
    Rule{"slave_load_tmpdir", places},
    Rule{"slave_skip_errors", replication},
    Rule{"slave_transaction_retry_errors", replication},
    Rule{"wsrep_*", galera},
    // Commands.
    Rule{"innodb_buffer_pool_dump_now", command},
    Rule{"innodb_buffer_pool_load_abort", command},
    Rule{"innodb_buffer_pool_load_now", command},
    Rule{"innodb_ft_aux_table", command},
    Rule{"innodb_log_checkpoint_now", command},
    Rule{"innodb_max_purge_lag_wait", command}, // SET waits for the purge
    Rule{"innodb_monitor_*", command},
    // What would take the ground from under the agent.
    Rule{"ignore_builtin_innodb", rescue},
    Rule{"ignore_db_dirs", rescue}, // hides databases from every list
    Rule{"innodb_force_recovery", rescue},
    Rule{"innodb_read_only", rescue}, // the init file could not write
    Rule{"innodb_log_file_buffering", chosen},
    Rule{"innodb_log_file_mmap", chosen},
    Rule{"open_files_limit", files},
    Rule{"table_open_cache_instances", files},
    Rule{"date_format", effectless},
    Rule{"datetime_format", effectless},
    Rule{"time_format", effectless},
    Rule{"large_pages", "the machine has no huge pages, and the server goes on without, silently"},
    Rule{"thread_handling", "in a pool the agent's probe would wait behind tenants' statements, "
                            "and a busy server would look like a dead one"},
};

struct Alias {
    std::string_view variable, option;
};
/// Variables whose option has another name (mariadbd --verbose --help of 10.11).
constexpr std::array aliases{
    Alias{"time_zone", "default_time_zone"},
    Alias{"tx_isolation", "transaction_isolation"},
    Alias{"tx_read_only", "transaction_read_only"},
};
/// COMMAND_LINE_ARGUMENT is NULL, and yet mariadbd --verbose --help has the option.
constexpr std::array<std::string_view, 10> options_all_the_same{"autocommit",
                                                                "character_set_filesystem",
                                                                "character_set_server",
                                                                "collation_server",
                                                                "default_storage_engine",
                                                                "default_tmp_storage_engine",
                                                                "enforce_storage_engine",
                                                                "lc_messages",
                                                                "lc_time_names",
                                                                "slave_parallel_mode"};

/// Those that a bare start of 10.11 gives another value than DEFAULT_VALUE.
constexpr std::array<std::string_view, 13> automatic{"back_log",
                                                     "collation_server", // the character set's own
                                                     "host_cache_size",
                                                     "innodb_buffer_pool_size_auto_min",
                                                     "innodb_io_capacity_max",
                                                     "innodb_log_file_buffering",
                                                     "innodb_log_file_mmap",
                                                     "innodb_open_files",
                                                     "max_relay_log_size",
                                                     "open_files_limit",
                                                     "table_open_cache_instances",
                                                     "thread_cache_size",
                                                     "thread_pool_size"};

/// Both show the same thing (sql/sys_vars.cc).
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> twins{{
    {"alter_algorithm", "old_alter_table"},
    {"log_slow_min_examined_row_limit", "min_examined_row_limit"},
    {"log_slow_query", "slow_query_log"},
    {"log_slow_query_file", "slow_query_log_file"},
    {"log_slow_query_time", "long_query_time"},
    {"slave_parallel_threads", "slave_parallel_workers"},
    {"tmp_memory_table_size", "tmp_table_size"},
}};

/// Found by starts with other values: DEFAULT_VALUE moves with them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> true_defaults{{
    {"character_set_filesystem", "binary"},
    {"character_set_server", "latin1"},
    {"collation_server", ""}, // the character set's own
    {"default_storage_engine", "InnoDB"},
    {"default_tmp_storage_engine", ""},
    {"enforce_storage_engine", ""},
    {"lc_messages", "en_US"},
    {"lc_time_names", "en_US"},
    {"time_zone", "SYSTEM"},
}};

} // namespace

std::string_view why_owned(std::string_view name) noexcept {
    for (const auto& rule : rules) {
        const bool fits = rule.name.ends_with('*')
                              ? name.starts_with(rule.name.substr(0, rule.name.size() - 1))
                              : name == rule.name;
        if (fits) {
            return rule.why;
        }
    }
    return {};
}

std::string_view option_of(std::string_view name, bool has_argument) noexcept {
    for (const auto& alias : aliases) {
        if (alias.variable == name) {
            return alias.option;
        }
    }
    const bool known = std::find(options_all_the_same.begin(), options_all_the_same.end(), name) !=
                       options_all_the_same.end();
    return has_argument || known ? name : std::string_view{};
}

std::string_view variable_of(std::string_view name) noexcept {
    for (const auto& alias : aliases) {
        if (alias.option == name) {
            return alias.variable;
        }
    }
    return name == "table_cache" ? "table_open_cache" : name;
}

bool is_automatic(std::string_view name) noexcept {
    return std::find(automatic.begin(), automatic.end(), name) != automatic.end() ||
           name.starts_with("performance_schema_");
}

std::string_view twin_of(std::string_view name) noexcept {
    for (const auto& [one, other] : twins) {
        if (name == one) {
            return other;
        }
        if (name == other) {
            return one;
        }
    }
    return {};
}

std::string_view linked_to(std::string_view name) noexcept {
    // "changes in one are converted into the other" (its VARIABLE_COMMENT).
    if (name == "binlog_expire_logs_seconds") {
        return "expire_logs_days";
    }
    return name == "expire_logs_days" ? "binlog_expire_logs_seconds" : "";
}

std::optional<std::string_view> true_default(std::string_view name) noexcept {
    for (const auto& [variable, value] : true_defaults) {
        if (variable == name) {
            return value;
        }
    }
    return std::nullopt;
}

} // namespace jackdaw::mariadb
