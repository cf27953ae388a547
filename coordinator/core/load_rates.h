#pragma once
// Rows of `jackdaw top`: how busy each instance is, from two looks at its counters.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/health_shapes.h"

namespace jackdaw::cli {

/// What was seen of one instance at one look.
struct LoadSample {
    std::string name;
    proto::LoadShape load; ///< of one that did not answer: name, status and reason alone
    bool answered = false;
};

/// Differences of two looks; nullopt: there was no earlier one, or the process is another.
struct LoadRates {
    std::optional<double> cpu_percent; ///< of the database; 100 is one core's time
    std::optional<double> agent_cpu_percent;
    std::optional<double> queries_per_second, slow_per_second;
    std::optional<double> seconds; ///< between the looks
};

struct LoadRow {
    LoadSample sample;
    LoadRates rates;
};

[[nodiscard]] LoadRates rates_between(const proto::LoadShape& before, const proto::LoadShape& now);

/// `now` with its rates against the samples of the same instances in `before`, of those whose name
/// has all of `words` in it.
[[nodiscard]] std::vector<LoadRow> load_rows(const std::vector<LoadSample>& before,
                                             const std::vector<LoadSample>& now,
                                             const std::vector<std::string>& words);

/// What `top` can sort by, in the order of its columns.
[[nodiscard]] const std::vector<std::string_view>& load_columns();
/// By one of load_columns(): the busiest first, names and words from A on; unknown figures last,
/// equals by name. `reversed` turns it, but for the unknown. `invalid` for another column.
[[nodiscard]] Result<void> sort_rows(std::vector<LoadRow>& rows, std::string_view column,
                                     bool reversed);

/// What is going on, a line: an operation with its progress, else what is not as usual.
[[nodiscard]] std::string doing(const proto::LoadShape& load);

} // namespace jackdaw::cli
