#include "coordinator/core/load_rates.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

using Count = std::optional<std::uint64_t>;

/// A counter that went back began anew: no rate can be told.
std::optional<double> rate(Count before, Count now, double seconds) {
    if (!before || !now || *now < *before || seconds <= 0) {
        return std::nullopt;
    }
    return static_cast<double>(*now - *before) / seconds;
}

std::optional<double> times(std::optional<double> value, double factor) {
    return value ? std::optional{*value * factor} : std::nullopt;
}

std::optional<double> number(Count value) {
    return value ? std::optional{static_cast<double>(*value)} : std::nullopt;
}

std::optional<double> fill(const proto::LoadShape& load) {
    if (load.volume_size_bytes == 0) {
        return std::nullopt;
    }
    return static_cast<double>(load.volume_used_bytes) /
           static_cast<double>(load.volume_size_bytes);
}

std::optional<double> figure(const LoadRow& row, std::string_view column) {
    const auto& load = row.sample.load;
    const proto::DatabaseLoad none;
    const auto& database = load.database ? *load.database : none;
    if (column == "cpu") {
        return row.rates.cpu_percent;
    }
    if (column == "memory") {
        return number(load.database_memory_bytes);
    }
    if (column == "disk") {
        return fill(load);
    }
    if (column == "connections") {
        return number(database.connections);
    }
    if (column == "running") {
        return number(database.running);
    }
    return column == "queries" ? row.rates.queries_per_second : row.rates.slow_per_second;
}

const std::string& word(const LoadRow& row, std::string_view column) {
    return column == "status" ? row.sample.load.status
           : column == "role" ? row.sample.load.role
                              : row.sample.name;
}

bool is_word(std::string_view column) {
    return column == "name" || column == "status" || column == "role";
}

} // namespace

LoadRates rates_between(const proto::LoadShape& before, const proto::LoadShape& now) {
    LoadRates rates;
    if (before.id != now.id || now.clock_us <= before.clock_us) {
        return rates;
    }
    const auto seconds = static_cast<double>(now.clock_us - before.clock_us) / 1e6;
    rates.seconds = seconds;
    constexpr double percent_of_us = 100.0 / 1e6;
    rates.agent_cpu_percent =
        times(rate(before.agent_cpu_us, now.agent_cpu_us, seconds), percent_of_us);
    if (before.database_pid != now.database_pid || now.database_pid == 0) {
        return rates;
    }
    rates.cpu_percent =
        times(rate(before.database_cpu_us, now.database_cpu_us, seconds), percent_of_us);
    if (before.database && now.database) {
        rates.queries_per_second = rate(before.database->queries, now.database->queries, seconds);
        rates.slow_per_second =
            rate(before.database->slow_queries, now.database->slow_queries, seconds);
    }
    return rates;
}

std::vector<LoadRow> load_rows(const std::vector<LoadSample>& before,
                               const std::vector<LoadSample>& now,
                               const std::vector<std::string>& words) {
    std::vector<LoadRow> rows;
    for (const auto& sample : now) {
        if (!std::ranges::all_of(words, [&](const auto& one) {
                return sample.name.find(one) != std::string::npos;
            })) {
            continue;
        }
        LoadRow row{sample, {}};
        const auto earlier = std::ranges::find(before, sample.name, &LoadSample::name);
        if (sample.answered && earlier != before.end() && earlier->answered) {
            row.rates = rates_between(earlier->load, sample.load);
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

const std::vector<std::string_view>& load_columns() {
    static const std::vector<std::string_view> all{"name",    "status", "role",        "cpu",
                                                   "memory",  "disk",   "connections", "running",
                                                   "queries", "slow"};
    return all;
}

Result<void> sort_rows(std::vector<LoadRow>& rows, std::string_view column, bool reversed) {
    if (std::ranges::find(load_columns(), column) == load_columns().end()) {
        return Error{Errc::invalid, fmt::format("there is no column '{}'", column.substr(0, 40))}
            .with_hint(fmt::format("one of {}", fmt::join(load_columns(), ", ")));
    }
    std::ranges::sort(rows, {}, [](const LoadRow& row) { return row.sample.name; });
    if (is_word(column)) {
        std::ranges::stable_sort(rows, [&](const LoadRow& a, const LoadRow& b) {
            return reversed ? word(b, column) < word(a, column) : word(a, column) < word(b, column);
        });
        return ok();
    }
    std::ranges::stable_sort(rows, [&](const LoadRow& a, const LoadRow& b) {
        const auto left = figure(a, column), right = figure(b, column);
        if (!left || !right) {
            return left.has_value() && !right.has_value();
        }
        return reversed ? *left < *right : *left > *right;
    });
    return ok();
}

std::string doing(const proto::LoadShape& load) {
    if (load.work) {
        auto text = fmt::format("{} {:.0f} %", load.work->action, load.work->progress * 100);
        if (!load.work->step.empty()) {
            text += " " + load.work->step;
        }
        if (load.work->seconds_left) {
            const auto left = static_cast<std::int64_t>(
                std::clamp(*load.work->seconds_left, 0.0, 30.0 * 86'400) * 1000);
            text += fmt::format(", {} left", format_duration(std::chrono::milliseconds{left}));
        }
        return text;
    }
    if (!load.reason.empty()) {
        return load.reason;
    }
    if (!load.maintenance_until.empty()) {
        return "maintenance until " + load.maintenance_until;
    }
    return load.pending_restart > 0
               ? fmt::format("{} parameter{} for {}", load.pending_restart,
                             load.pending_restart == 1 ? " waits" : "s wait",
                             load.status == "stopped" ? "the next start" : "a restart")
               : "";
}

} // namespace jackdaw::cli
