#include "plugins/mariadb/metric_families.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "plugins/mariadb/metric_dates.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t number_bytes_max = 40;
constexpr std::size_t slave_rows_max = 64;
constexpr std::size_t bucket_rows_max = 64;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), lower);
    return result;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string_view text_of(const std::optional<std::string>& value) {
    return value ? std::string_view{*value} : std::string_view{};
}

/// A server's text for a label: cut, and without control characters.
std::string label_text(std::string_view text) {
    std::string result{text.substr(0, label_bytes_max)};
    std::replace_if(
        result.begin(), result.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return result;
}

constexpr const char* status_help = "As SHOW GLOBAL STATUS has it.";

/// Status variables of one prefix that are one family with a label for the rest of the name.
struct Group {
    std::string_view prefix;
    const char* family; ///< without "_total"
    const char* label;
    const char* help;
};
constexpr std::array groups{
    Group{"com_", "mysql_global_status_commands", "command", "Statements run, by command."},
    Group{"handler_", "mysql_global_status_handlers", "handler", "Calls of storage engines."},
    Group{"connection_errors_", "mysql_global_status_connection_errors", "error",
          "Connections that failed, by cause."},
    Group{"innodb_rows_", "mysql_global_status_innodb_row_ops", "operation",
          "Rows that InnoDB worked on, by operation."},
    Group{"performance_schema_", "mysql_global_status_performance_schema_lost", "instrumentation",
          "What the performance schema had no memory for."},
};

void add_buffer_pool(Families& families, const std::string& what, double value) {
    if (what == "data" || what == "free" || what == "misc" || what == "old") {
        families.add("mysql_global_status_buffer_pool_pages", "gauge",
                     "Pages of InnoDB's buffer pool, by state.", "", {{"state", what}}, value);
    } else if (what == "dirty") {
        families.add("mysql_global_status_buffer_pool_dirty_pages", "gauge",
                     "Pages of InnoDB's buffer pool that are not written yet.", "", {}, value);
    } else if (what != "total") { // the sum of the states
        families.add("mysql_global_status_buffer_pool_page_changes", "counter",
                     "Changes of pages of InnoDB's buffer pool, by operation.", "_total",
                     {{"operation", what}}, value);
    }
}

/// "0.0001/0.0002/0.0005/0.0001/12" of a Galera provider.
void add_latency(Families& families, std::string_view text) {
    constexpr std::array<std::pair<const char*, const char*>, 5> parts{{
        {"mysql_galera_evs_repl_latency_min_seconds", "Least latency of group communication."},
        {"mysql_galera_evs_repl_latency_avg_seconds", "Mean latency of group communication."},
        {"mysql_galera_evs_repl_latency_max_seconds", "Greatest latency of group communication."},
        {"mysql_galera_evs_repl_latency_stdev", "Its standard deviation."},
        {"mysql_galera_evs_repl_latency_sample_size", "Of how many messages."},
    }};
    std::array<double, parts.size()> values{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto end = text.find('/');
        const auto value = metric_number(text.substr(0, end));
        if (!value || (end == std::string_view::npos) != (i + 1 == parts.size())) {
            return;
        }
        values[i] = *value;
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        families.add(parts[i].first, "gauge", parts[i].second, "", {}, values[i]);
    }
}

/// The "gcache.size = 128M;" of a Galera provider's options; 0 without one, as the exporter has it.
double cache_bytes(std::string_view options) {
    constexpr std::string_view key = "gcache.size = ";
    const auto at = options.find(key);
    if (at == std::string_view::npos) {
        return 0;
    }
    options.remove_prefix(at + key.size());
    const auto end = std::find_if_not(options.begin(), options.end(), is_digit);
    const auto digits = static_cast<std::size_t>(end - options.begin());
    const auto value = metric_number(options.substr(0, digits));
    options.remove_prefix(digits);
    const double unit = options.starts_with("M;")   ? 1024.0 * 1024
                        : options.starts_with("G;") ? 1024.0 * 1024 * 1024
                                                    : 1;
    return value.value_or(0) * unit;
}

} // namespace

std::optional<double> metric_number(std::string_view text) {
    if (text.empty() || text.size() > number_bytes_max) {
        return std::nullopt;
    }
    const auto digits = text.front() == '-' ? text.substr(1) : text;
    if (!digits.empty() && is_digit(digits.front())) { // neither "inf" nor "nan"
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value,
                                                  std::chars_format::general);
        if (error == std::errc{} && end == text.data() + text.size() && std::isfinite(value)) {
            return value;
        }
        return date_seconds(text);
    }
    constexpr std::array<std::pair<std::string_view, double>, 9> words{{{"yes", 1},
                                                                        {"on", 1},
                                                                        {"no", 0},
                                                                        {"off", 0},
                                                                        {"disabled", 0},
                                                                        {"connecting", 0},
                                                                        {"primary", 1},
                                                                        {"non-primary", 0},
                                                                        {"disconnected", 0}}};
    const auto word = lowered(text);
    const auto* const found = std::find_if(words.begin(), words.end(),
                                           [&](const auto& one) { return one.first == word; });
    return found != words.end() ? std::optional{found->second} : date_seconds(text);
}

std::string metric_name(std::string_view name) {
    auto result = lowered(name.substr(0, metric_name_bytes_max));
    std::replace_if(
        result.begin(), result.end(),
        [](char c) { return !(c >= 'a' && c <= 'z') && !is_digit(c) && c != '_'; }, '_');
    return result;
}

void Families::add(const std::string& name, const char* type, const char* help, const char* suffix,
                   Labels labels, double value) {
    auto place = places_.find(name);
    const bool is_new = place == places_.end();
    if (samples_ >= samples_max || (is_new && families_.size() >= families_max) ||
        (!is_new && families_[place->second].type != type)) {
        ++left_out_;
        return;
    }
    if (is_new) {
        place = places_.emplace(name, families_.size()).first;
        families_.push_back({name, type, help, {}});
    }
    ++samples_;
    families_[place->second].samples.push_back({suffix, std::move(labels), value});
}

void Families::add_own(const std::string& name, const char* help, double value) {
    proto::MetricSample sample;
    sample.value = value;
    families_.push_back({name, "gauge", help, {std::move(sample)}});
}

std::vector<proto::MetricFamily> Families::take() {
    std::sort(families_.begin(), families_.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    places_.clear();
    samples_ = left_out_ = 0;
    return std::exchange(families_, {});
}

void add_status(Families& families, const Rows& rows) {
    std::string local_state, cluster_state, provider;
    for (const auto& row : rows) {
        if (row.size() != 2) {
            continue;
        }
        const auto key = metric_name(text_of(row[0])); // NULL: empty, and left out below
        const auto text = text_of(row[1]);
        if (key == "wsrep_local_state_uuid") {
            local_state = label_text(text);
        } else if (key == "wsrep_cluster_state_uuid") {
            cluster_state = label_text(text);
        } else if (key == "wsrep_provider_version") {
            provider = label_text(text);
        } else if (key == "wsrep_evs_repl_latency") {
            add_latency(families, text);
        }
        const auto value = metric_number(text);
        if (!value || key.empty()) {
            continue;
        }
        constexpr std::string_view pages = "innodb_buffer_pool_pages_";
        if (key.starts_with(pages)) {
            add_buffer_pool(families, key.substr(pages.size()), *value);
            continue;
        }
        const auto* const group = std::find_if(groups.begin(), groups.end(), [&](const auto& one) {
            return key.starts_with(one.prefix);
        });
        if (group != groups.end()) {
            families.add(group->family, "counter", group->help, "_total",
                         {{group->label, key.substr(group->prefix.size())}}, *value);
        } else {
            families.add("mysql_global_status_" + key, "unknown", status_help, "", {}, *value);
        }
    }
    if (!local_state.empty()) {
        families.add("mysql_galera_status", "info", "State of the Galera cluster.", "_info",
                     {{"wsrep_local_state_uuid", local_state},
                      {"wsrep_cluster_state_uuid", cluster_state},
                      {"wsrep_provider_version", provider}},
                     1);
    }
}

void add_variables(Families& families, const Rows& rows, bool& has_response_times) {
    has_response_times = false;
    std::unordered_map<std::string, std::string> texts{
        {"innodb_version", ""},         {"version", ""},
        {"version_comment", ""},        {"wsrep_cluster_name", ""},
        {"wsrep_provider_options", ""}, {"tx_isolation", ""},
        {"transaction_isolation", ""}};
    for (const auto& row : rows) {
        if (row.size() != 2) {
            continue;
        }
        const auto key = metric_name(text_of(row[0])); // NULL: empty, and left out below
        const auto text = text_of(row[1]);
        if (const auto value = metric_number(text); value && !key.empty()) {
            families.add("mysql_global_variables_" + key, "gauge",
                         "As SHOW GLOBAL VARIABLES has it.", "", {}, *value);
            has_response_times =
                has_response_times || (key == "query_response_time_stats" && *value == 1);
        } else if (const auto found = texts.find(key); found != texts.end()) {
            found->second = text.substr(0, 4096);
        }
    }
    families.add("mysql_version", "info", "Version and distribution of the server.", "_info",
                 {{"innodb_version", label_text(texts["innodb_version"])},
                  {"version", label_text(texts["version"])},
                  {"version_comment", label_text(texts["version_comment"])}},
                 1);
    if (!texts["wsrep_cluster_name"].empty()) {
        families.add("mysql_galera_variables", "info", "Settings of Galera.", "_info",
                     {{"wsrep_cluster_name", label_text(texts["wsrep_cluster_name"])}}, 1);
    }
    if (!texts["wsrep_provider_options"].empty()) {
        families.add("mysql_galera_gcache_size_bytes", "gauge", "Size of Galera's cache.", "", {},
                     cache_bytes(texts["wsrep_provider_options"]));
    }
    const auto& isolation = texts["transaction_isolation"].empty() ? texts["tx_isolation"]
                                                                   : texts["transaction_isolation"];
    if (!isolation.empty()) {
        families.add("mysql_transaction_isolation", "gauge", "Isolation of transactions.", "",
                     {{"level", label_text(isolation)}}, 1);
    }
}

void add_slaves(Families& families, const Table& table) {
    const auto value_of = [&](const Row& row, std::string_view column) {
        const auto found = std::find(table.columns.begin(), table.columns.end(), column);
        const auto at = static_cast<std::size_t>(found - table.columns.begin());
        return at < row.size() ? label_text(text_of(row[at])) : std::string{};
    };
    const auto rows = std::min(table.rows.size(), slave_rows_max);
    for (std::size_t i = 0; i < rows; ++i) {
        const auto& row = table.rows[i];
        const Families::Labels labels{{"master_host", value_of(row, "Master_Host")},
                                      {"master_uuid", value_of(row, "Master_UUID")},
                                      {"channel_name", value_of(row, "Channel_Name")},
                                      {"connection_name", value_of(row, "Connection_name")}};
        for (std::size_t c = 0; c < std::min(row.size(), table.columns.size()); ++c) {
            if (const auto value = metric_number(text_of(row[c]))) {
                families.add("mysql_slave_status_" + metric_name(table.columns[c]), "unknown",
                             "As SHOW ALL SLAVES STATUS has it.", "", labels, *value);
            }
        }
    }
}

void add_compression(Families& families, const Rows& rows) {
    constexpr double milli = 1000; // relocation_time is in milliseconds
    for (const auto& row : rows) {
        if (row.size() != 8) {
            continue;
        }
        std::array<double, 5> values{};
        bool fine = true;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto value = metric_number(text_of(row[i + 3]));
            fine = fine && value.has_value();
            values[i] = value.value_or(0);
        }
        const auto size = label_text(text_of(row[1]));
        const auto add = [&](const char* name, const char* type, const char* help, double value) {
            Families::Labels labels{{"page_size", size}};
            if (row[0] == "mem") {
                labels.emplace_back("buffer_pool", label_text(text_of(row[2])));
            }
            const bool counter = std::string_view{type} == "counter";
            families.add(std::string{"mysql_info_schema_innodb_"} + name, type, help,
                         counter ? "_total" : "", std::move(labels), value);
        };
        if (fine && row[0] == "cmp") {
            add("cmp_compress_ops", "counter", "Pages compressed.", values[0]);
            add("cmp_compress_ops_ok", "counter", "Pages that became small enough.", values[1]);
            add("cmp_compress_time_seconds", "counter", "Time spent compressing.", values[2]);
            add("cmp_uncompress_ops", "counter", "Pages uncompressed.", values[3]);
            add("cmp_uncompress_time_seconds", "counter", "Time spent uncompressing.", values[4]);
        } else if (fine && row[0] == "mem") {
            // Levels, whatever the names end in: no counters here.
            add("cmpmem_pages_used_total", "unknown", "Blocks in use.", values[0]);
            add("cmpmem_pages_free_total", "unknown", "Blocks that are free.", values[1]);
            add("cmpmem_relocation_ops", "counter", "Blocks moved.", values[2]);
            add("cmpmem_relocation_time_seconds", "counter", "Time spent moving blocks.",
                values[3] / milli);
        }
    }
}

void add_response_times(Families& families, const Rows& rows) {
    constexpr const char* name = "mysql_info_schema_query_response_time_seconds";
    constexpr const char* help = "Time that statements took.";
    double count = 0;
    double sum = 0;
    for (std::size_t i = 0; i < std::min(rows.size(), bucket_rows_max); ++i) {
        const auto trimmed = [&](std::size_t column) {
            auto text = column < rows[i].size() ? text_of(rows[i][column]) : std::string_view{};
            text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
            return text.substr(0, text.find(' '));
        };
        const auto in_bucket = metric_number(trimmed(1));
        if (!in_bucket) {
            continue;
        }
        count += *in_bucket;
        sum += metric_number(trimmed(2)).value_or(0);
        // The last row is "TOO LONG": it is in the whole count alone.
        if (const auto most = metric_number(trimmed(0)); most && *most > 0) {
            families.add(name, "histogram", help, "_bucket", {{"le", fmt::format("{}", *most)}},
                         count);
        }
    }
    families.add(name, "histogram", help, "_bucket", {{"le", "+Inf"}}, count);
    families.add(name, "histogram", help, "_sum", {}, sum);
    families.add(name, "histogram", help, "_count", {}, count);
}

} // namespace jackdaw::mariadb
