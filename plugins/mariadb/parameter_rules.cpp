#include "plugins/mariadb/parameter_rules.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "plugins/mariadb/names.h"
#include "plugins/mariadb/nearest.h"
#include "plugins/mariadb/parameter_list.h"
#include "plugins/mariadb/parameter_owned.h"
#include "plugins/mariadb/parameter_texts.h"
#include "plugins/mariadb/parameter_values.h"

namespace jackdaw::mariadb {
namespace {

using Known = std::vector<proto::Parameter>;

/// Values within the range that the server tells, and yet not taken as they are. Each was seen on
/// 10.11.19.
struct Refused {
    std::string_view name, value, why;
};
constexpr std::array refused_values{
    Refused{"event_scheduler", "ORIGINAL", "it is an internal state of the server"},
    Refused{"innodb_compression_algorithm", "bzip2", "its provider is not loaded"},
    Refused{"innodb_compression_algorithm", "lz4", "its provider is not loaded"},
    Refused{"innodb_compression_algorithm", "lzma", "its provider is not loaded"},
    Refused{"innodb_compression_algorithm", "lzo", "its provider is not loaded"},
    Refused{"innodb_compression_algorithm", "snappy", "its provider is not loaded"},
    Refused{"log_slow_filter", "", "a start takes nothing for everything"},
    Refused{"myisam_recover_options", "", "nothing is called OFF here"},
    Refused{"innodb_flush_method", "nosync",
            "a crash of the machine would lose rows that were acknowledged"},
    Refused{"innodb_flush_method", "littlesync",
            "a crash of the machine would lose rows that were acknowledged"},
};

/// A narrower range than the server tells.
struct Range {
    std::string_view name;
    std::uint64_t min, max;
    std::string_view why;
};
constexpr std::uint64_t query_cache_least = 40960; ///< sql/sql_cache.h
constexpr std::uint64_t no_max = ~std::uint64_t{0};
constexpr std::array ranges{
    // 16 pages of the default size in 256: below that SET refuses, and a start raises it.
    Range{"innodb_buffer_pool_size", 5U << 20U, no_max, "the server does not work with less"},
    // More than anybody has, and the server would try to make it on the volume.
    Range{"innodb_log_file_size", 4U << 20U, 512ULL << 30U,
          "MariaDB documents 512 GiB as the most"},
    Range{"innodb_max_undo_log_size", 10U << 20U, 1ULL << 46U, "2^32 pages of 16 KiB are the most"},
    Range{"query_cache_min_res_unit", 512, no_max, "the server takes no smaller one"},
    Range{"key_buffer_size", 4096, no_max, "the default key cache cannot be dropped"},
    Range{"back_log", 1, no_max, "0 lets the server compute it: unset it for that"},
    Range{"innodb_buffer_pool_size_max", 8U << 20U, 1ULL << 43U,
          "the server cannot map more than 8 TiB of addresses for it"},
    Range{"innodb_buffer_pool_size_auto_min", 8U << 20U, no_max,
          "0 lets the server compute it: unset it for that"},
    Range{"innodb_io_capacity_max", 100, (1ULL << 32U) - 2,
          "the largest number lets the server compute it: unset it for that"},
    Range{"innodb_open_files", 10, 1U << 20U, "beyond that the server takes its own choice"},
    Range{"log_warnings", 0, (1U << 31U) - 1, "a start takes a larger one for a negative number"},
    // Above 2^63 - 1 10.11.19 dies of signal 11 at start.
    Range{"max_session_mem_used", 1U << 20U, ~std::uint64_t{0} >> 1U,
          "no session could be served with less"},
};

constexpr std::array<std::string_view, 2> powers_of_two{"innodb_ft_sort_pll_degree",
                                                        "innodb_log_write_ahead_size"};

std::string normal_name(std::string_view name) {
    std::string normal{name};
    for (char& c : normal) {
        c = c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return std::string{variable_of(normal)};
}

Error unknown(const Known& known, const std::string& name) {
    std::vector<std::string_view> names;
    for (const auto& one : known) {
        names.emplace_back(one.name);
    }
    const auto near = nearest(name, names);
    return Error{Errc::not_found, fmt::format("this server has no parameter {}", name)}.with_hint(
        near.empty() ? "`jackdaw config parameters` lists what it has"
                     : fmt::format("did you mean {}?", near));
}

Error out_of_range(const proto::Parameter& parameter, std::string_view value, std::string_view min,
                   std::string_view max, std::string_view why = {}) {
    return Error{Errc::invalid, fmt::format("{} takes no {}{}{}", parameter.name, value,
                                            why.empty() ? "" : ": ", why)}
        .with_hint(fmt::format("from {} to {}{}{}{}{}", min, max, parameter.unit.empty() ? "" : " ",
                               parameter.unit, parameter.step.empty() ? "" : ", in steps of ",
                               parameter.step));
}

Result<void> check_integer(const proto::Parameter& parameter, const std::string& value) {
    const auto number = parse_number(value);
    const auto min = parse_number(parameter.min);
    const auto max = parse_number(parameter.max);
    if (!number || (min && less(*number, *min)) || (max && less(*max, *number))) {
        return out_of_range(parameter, value, parameter.min, parameter.max);
    }
    for (const auto& range : ranges) {
        if (range.name == parameter.name &&
            (number->negative || number->magnitude < range.min || number->magnitude > range.max)) {
            return out_of_range(parameter, value, fmt::format("{}", range.min),
                                range.max == no_max ? parameter.max : fmt::format("{}", range.max),
                                range.why);
        }
    }
    if (parameter.name == "query_cache_size" && number->magnitude != 0 &&
        number->magnitude < query_cache_least) {
        return Error{Errc::invalid, fmt::format("a query cache of {} bytes is too small, MariaDB "
                                                "would silently have none",
                                                value)}
            .with_hint(fmt::format("0, or {} and more", query_cache_least));
    }
    const auto step = parse_number(parameter.step);
    if (step && step->magnitude > 1 && number->magnitude % step->magnitude != 0) {
        const auto below = number->magnitude - number->magnitude % step->magnitude;
        const Number lower{false, below};
        const Number upper{false, below + step->magnitude};
        return Error{Errc::invalid, fmt::format("{} takes multiples of {} only, MariaDB would "
                                                "silently use another value than {}",
                                                parameter.name, parameter.step, value)}
            .with_hint(fmt::format("{} or {}",
                                   min && less(lower, *min) ? parameter.min : to_text(lower),
                                   max && less(*max, upper) ? parameter.max : to_text(upper)));
    }
    const bool wants_power = std::find(powers_of_two.begin(), powers_of_two.end(),
                                       parameter.name) != powers_of_two.end();
    if (wants_power && (number->magnitude & (number->magnitude - 1)) != 0) {
        return Error{Errc::invalid, fmt::format("{} takes powers of two only", parameter.name)};
    }
    return ok();
}

Result<void> check_real(const proto::Parameter& parameter, const std::string& value) {
    const auto number = parse_millionths(value);
    const auto min = parse_millionths(parameter.min);
    const auto max = parse_millionths(parameter.max);
    if (!number || (min && *number < *min) || (max && *max < *number)) {
        return out_of_range(parameter, value, parameter.min, parameter.max);
    }
    return ok();
}

} // namespace

std::string not_settable_text(const proto::Parameter& parameter) {
    const auto why = why_owned(parameter.name);
    if (!why.empty()) {
        return fmt::format("{} is not to be set: {}", parameter.name, why);
    }
    return fmt::format("{} is not to be set: the server computes it, or takes it from SQL alone",
                       parameter.name);
}

bool waits_for_restart(const proto::Parameter& parameter, std::string_view value) noexcept {
    // Event Scheduler (Knowledge Base, Events): DISABLED is for the option file only.
    if (parameter.name == "event_scheduler") {
        return value == "DISABLED" || parameter.current == "DISABLED";
    }
    // Both are dynamic by SYSTEM_VARIABLES, and SET GLOBAL refuses them: one is the session's
    // alone, the other wants a pool at work.
    if (parameter.name == "tcp_nodelay" || parameter.name == "thread_pool_size") {
        return true;
    }
    // A server that was started without a limit does not count (Knowledge Base, Server System
    // Variables, max_user_connections).
    return parameter.restart ||
           (parameter.name == "max_user_connections" && parameter.current == "0" && value != "0");
}

Result<std::pair<std::string, std::string>>
check_parameter(const Known& known, std::string_view name, std::string_view value) {
    if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '_' || c == '-';
        })) {
        return Error{Errc::not_found,
                     fmt::format("\"{}\" is no name of a parameter", printable(name, 64))};
    }
    if (value.size() > value_bytes_max) {
        return Error{Errc::invalid, fmt::format("a value has at most {} bytes", value_bytes_max)};
    }
    if (printable(value, value_bytes_max) != value) {
        return Error{Errc::invalid, fmt::format("the value of {} has a control character, or is "
                                                "not UTF-8",
                                                name)};
    }
    const auto normal = normal_name(name);
    const auto* const parameter = find_parameter(known, normal);
    if (parameter == nullptr) {
        return unknown(known, normal);
    }
    if (!parameter->settable) {
        return Error{Errc::not_allowed, not_settable_text(*parameter)}.with_hint(
            "`jackdaw config parameters` shows which may be set");
    }
    JACKDAW_TRY(auto canonical, canonical_value(*parameter, value));
    if (parameter->type == "integer") {
        JACKDAW_CHECK(check_integer(*parameter, canonical));
    } else if (parameter->type == "real") {
        JACKDAW_CHECK(check_real(*parameter, canonical));
    } else if (parameter->type == "string" ||
               (parameter->type == "enumeration" && parameter->allowed.empty())) {
        JACKDAW_TRY(canonical, check_text(known, *parameter, canonical));
    }
    for (const auto& one : refused_values) {
        if (one.name == parameter->name && one.value == canonical) {
            return Error{Errc::invalid,
                         fmt::format("{} takes no {}: {}", one.name, canonical, one.why)};
        }
    }
    return std::pair{parameter->name, std::move(canonical)};
}

} // namespace jackdaw::mariadb
