#include "plugins/mariadb/parameter_list.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/parameter_owned.h"
#include "plugins/mariadb/parameter_values.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t parameters_max = 2000;
constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t shown_bytes_max = 4096;
constexpr std::size_t text_bytes_max = 300;
constexpr std::size_t allowed_max = 200;

/// As parameters_statement() selects them.
enum Column : std::size_t {
    c_name,
    c_scope,
    c_type,
    c_read_only,
    c_current,
    c_origin,
    c_path,
    c_default,
    c_min,
    c_max,
    c_step,
    c_allowed,
    c_argument,
    c_text,
    c_count,
};

std::string text_of(const Row& row, Column column, std::size_t bytes_max = shown_bytes_max) {
    const auto& cell = row[column];
    return cell ? printable(*cell, bytes_max) : std::string{};
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

bool names_an_engine(std::string_view name) noexcept {
    return name == "default_storage_engine" || name == "default_tmp_storage_engine" ||
           name == "enforce_storage_engine";
}

std::string type_of(std::string_view type) {
    if (type == "BOOLEAN") {
        return "boolean";
    }
    if (type.starts_with("BIGINT") || type.starts_with("INT")) {
        return "integer";
    }
    if (type == "DOUBLE") {
        return "real";
    }
    if (type == "ENUM") {
        return "enumeration";
    }
    return type == "SET" || type == "FLAGSET" ? "set" : "string";
}

/// "10.000000" as "10"; what is no number stays.
std::string real_text(std::string text) {
    const auto number = parse_millionths(text);
    return number ? millionths_text(*number) : std::move(text);
}

void take_range(proto::Parameter& parameter, const Row& row) {
    parameter.min = text_of(row, c_min, name_bytes_max);
    parameter.max = text_of(row, c_max, name_bytes_max);
    if (parameter.type == "real") {
        return;
    }
    const auto step = parse_number(text_of(row, c_step, name_bytes_max));
    if (!step || step->negative || step->magnitude < 2) { // 0 and 1: any
        return;
    }
    parameter.step = to_text(*step);
    // The greatest that the server takes as it is: it rounds down to the step.
    if (auto max = parse_number(parameter.max); max && !max->negative) {
        max->magnitude -= max->magnitude % step->magnitude;
        parameter.max = to_text(*max);
    }
    if (auto min = parse_number(parameter.min); min && !min->negative) {
        if (const auto over = min->magnitude % step->magnitude; over != 0) {
            min->magnitude += step->magnitude - over;
            parameter.min = to_text(*min);
        }
    }
}

/// Where the present value comes from: what a start would give it, if that is what it has,
/// however it came to it (SET GLOBAL by the agent leaves the origin SQL).
std::string source_of(const proto::Parameter& parameter, std::string_view origin,
                      const std::string* computed, bool by_twin) {
    if ((parameter.is_configured && !parameter.pending) || by_twin) {
        return "configured";
    }
    if (computed != nullptr && is_same_value(parameter, parameter.current, *computed)) {
        return "computed";
    }
    if (origin == "SQL") {
        return parameter.current == parameter.default_value ? "default" : "runtime";
    }
    if (origin == "COMPILE-TIME") {
        return "default";
    }
    // CONFIG with another value than this file gives: an older file of ours. AUTO: the server.
    return "computed";
}

proto::Parameter parameter_of(const Row& row, const plugins::Place& place,
                              const Settings& computed) {
    proto::Parameter parameter;
    parameter.name = lower(text_of(row, c_name, name_bytes_max));
    parameter.type =
        names_an_engine(parameter.name) ? "enumeration" : type_of(row[c_type].value_or(""));
    parameter.text = text_of(row, c_text, text_bytes_max);
    parameter.current = text_of(row, c_current);
    const auto real = true_default(parameter.name);
    parameter.default_value = real ? std::string{*real} : text_of(row, c_default);
    if (parameter.type == "integer" || parameter.type == "real") {
        take_range(parameter, row);
        parameter.unit = unit_of(parameter.name, row[c_text].value_or(""));
    }
    if (parameter.type == "real") {
        parameter.current = real_text(std::move(parameter.current));
        parameter.default_value = real_text(std::move(parameter.default_value));
    }
    if (parameter.type == "enumeration" || parameter.type == "set") {
        const auto words = text_of(row, c_allowed, 16 * shown_bytes_max);
        for (const auto word : split_words(words)) {
            if (parameter.allowed.size() < allowed_max && word.size() <= name_bytes_max) {
                parameter.allowed.emplace_back(word); // a longer one, cut, would be another
            }
        }
    }
    parameter.restart = row[c_read_only] == "YES";
    parameter.settable = row[c_scope] != "SESSION ONLY" &&
                         !option_of(parameter.name, row[c_argument].has_value()).empty() &&
                         why_owned(parameter.name).empty();
    if (const auto own = place.parameters.find(parameter.name); own != place.parameters.end()) {
        parameter.is_configured = true;
        parameter.configured = own->second;
        parameter.pending = !is_same_value(parameter, own->second, parameter.current);
    }
    const auto* const ours = computed_value(computed, parameter.name);
    const auto twin = place.parameters.find(std::string{twin_of(parameter.name)});
    const bool by_twin =
        twin != place.parameters.end() && is_same_value(parameter, twin->second, parameter.current);
    parameter.source = source_of(parameter, row[c_origin].value_or(""), ours, by_twin);
    parameter.formula = formula_of(parameter.name);
    if (row[c_origin] == "CONFIG") {
        parameter.from = text_of(row, c_path, text_bytes_max);
    }
    return parameter;
}

} // namespace

std::string parameters_statement(const std::vector<std::string>& names) {
    std::string sql =
        "SELECT VARIABLE_NAME, VARIABLE_SCOPE, VARIABLE_TYPE, READ_ONLY, GLOBAL_VALUE, "
        "GLOBAL_VALUE_ORIGIN, GLOBAL_VALUE_PATH, DEFAULT_VALUE, NUMERIC_MIN_VALUE, "
        "NUMERIC_MAX_VALUE, NUMERIC_BLOCK_SIZE, "
        // The two that are a name of an engine, which is a list the server has elsewhere.
        "IF(VARIABLE_NAME IN ('DEFAULT_STORAGE_ENGINE', 'DEFAULT_TMP_STORAGE_ENGINE', "
        "'ENFORCE_STORAGE_ENGINE'), (SELECT GROUP_CONCAT(ENGINE ORDER BY ENGINE) FROM "
        "information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT') AND ENGINE <> "
        "'PERFORMANCE_SCHEMA'), ENUM_VALUE_LIST), COMMAND_LINE_ARGUMENT, VARIABLE_COMMENT "
        "FROM information_schema.SYSTEM_VARIABLES";
    for (std::size_t i = 0; i < names.size(); ++i) {
        sql += (i == 0 ? " WHERE VARIABLE_NAME IN (" : ", ") + quote_value(names[i]);
    }
    return sql + (names.empty() ? "" : ")");
}

Result<std::vector<proto::Parameter>> parameters_of(const Rows& rows, const plugins::Place& place) {
    const auto computed = computed_settings(place);
    std::vector<proto::Parameter> parameters;
    if (rows.size() > parameters_max) {
        return Error{Errc::corrupt, "MariaDB tells of more parameters than it can have"};
    }
    parameters.reserve(rows.size());
    for (const auto& row : rows) {
        if (row.size() != c_count || !row[c_name] || !row[c_type]) {
            return Error{Errc::corrupt, "MariaDB's list of parameters has another shape"};
        }
        parameters.push_back(parameter_of(row, place, computed));
    }
    std::sort(parameters.begin(), parameters.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return parameters;
}

std::string_view unit_of(std::string_view name, std::string_view text) noexcept {
    struct Rule {
        std::string_view what, unit;
    };
    const auto ends = [&](std::string_view what) { return name.ends_with(what); };
    const auto says = [&](std::string_view what) {
        return text.find(what) != std::string_view::npos;
    };
    // 1. Names that would mislead the rules below: they count something else.
    for (const auto what :
         {"host_cache_size", "thread_cache_size", "thread_pool_size", "innodb_lru_flush_size",
          "metadata_locks_cache_size", "gtid_cleanup_batch_size", "innodb_purge_batch_size",
          "profiling_history_size", "innodb_ft_max_token_size", "innodb_ft_min_token_size",
          "wsrep_trx_fragment_size", "log_slow_rate_limit"}) {
        if (name == what) {
            return {};
        }
    }
    if (name.starts_with("performance_schema_") || ends("_file_hash_size")) {
        return {};
    }
    if (name == "delayed_queue_size" || name == "max_join_size" || ends("_row_limit") ||
        name == "sql_select_limit" || name == "innodb_stats_modified_counter") {
        return "rows";
    }
    if (name == "innodb_change_buffer_max_size") {
        return "percent";
    }
    // 2. What the end of the name says.
    for (const auto& [end, unit] : {Rule{"_usec", "microseconds"},
                                    {"_seconds", "seconds"},
                                    {"_pct", "percent"},
                                    {"_pct_max", "percent"},
                                    {"_pct_lwm", "percent"},
                                    {"_percentage", "percent"},
                                    {"_bytes", "bytes"}}) {
        if (ends(end)) {
            return unit;
        }
    }
    // 3. What the server says, the smallest unit first: "microsecond" has "second" in it.
    if (ends("_timeout") || ends("_time") || ends("_interval") || ends("_delay") || ends("_usec") ||
        ends("_timer") || ends("_limit") || ends("_threshold") || ends("_timeout_long") ||
        ends("_timeout_short") || ends("_probes")) {
        if (says("microsecond") || says("micro-second")) {
            // "decimal value with microsecond precision" is of seconds
            return says("precision") ? "seconds" : "microseconds";
        }
        if (says("millisecond")) {
            return "milliseconds";
        }
        if (says("econds") || ends("_timeout") || says("second)")) {
            return ends("_probes") ? "" : "seconds";
        }
    }
    // 4. Sizes.
    if (ends("_size") || ends("_size_max") || ends("_size_auto_min") || ends("_buffer_length") ||
        ends("_allowed_packet") || ends("_unit") || ends("_stack") || ends("_mem_used") ||
        ends("_space_limit") || ends("_log_activity") || says("in bytes") ||
        says("umber of bytes") || name == "query_cache_limit" ||
        name == "innodb_ft_result_cache_limit") {
        return "bytes";
    }
    return says("ercentage of") || says("ercent ") ? "percent" : "";
}

const proto::Parameter* find_parameter(const std::vector<proto::Parameter>& known,
                                       std::string_view name) noexcept {
    const auto found = std::lower_bound(
        known.begin(), known.end(), name,
        [](const auto& one, std::string_view wanted) { return one.name < wanted; });
    return found != known.end() && found->name == name ? &*found : nullptr;
}

} // namespace jackdaw::mariadb
