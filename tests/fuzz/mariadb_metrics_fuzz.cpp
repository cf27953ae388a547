// Arbitrary bytes as MariaDB's answers (rows end in newlines, columns in tabs): whatever they say
// becomes a bounded text of metrics from which nothing had to be left out for its form.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/mariadb/metric_families.h"
#include "proto/wire/open_metrics.h"
#include "tests/fuzz/require.h"

using jackdaw::fuzz::require;
using namespace jackdaw::mariadb;

namespace {

Rows rows_of(std::string_view text) {
    Rows rows;
    while (!text.empty()) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        Row row;
        for (bool more = true; more;) {
            const auto tab = line.find('\t');
            const auto value = line.substr(0, tab);
            row.push_back(value == "\\N" ? std::nullopt : std::optional{std::string{value}});
            more = tab != std::string_view::npos;
            line.remove_prefix(more ? tab + 1 : line.size());
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto number = metric_number(text)) {
        require(std::isfinite(*number));
    }
    const auto rows = rows_of(text);
    Families families;
    add_status(families, rows);
    bool has_response_times = false;
    add_variables(families, rows, has_response_times);
    Table table;
    table.rows = rows;
    for (std::size_t i = 0; !rows.empty() && i < rows.front().size(); ++i) {
        table.columns.push_back(rows.front()[i].value_or(""));
    }
    add_slaves(families, table);
    add_compression(families, rows);
    add_response_times(families, rows);

    const auto taken = families.take();
    require(taken.size() <= families_max);
    std::size_t samples = 0;
    for (const auto& family : taken) {
        samples += family.samples.size();
    }
    require(samples <= samples_max);
    const auto written = jackdaw::proto::open_metrics_text(taken);
    require(written.ends_with("# EOF\n"));
    require(written.find('\0') == std::string::npos);
    return 0;
}
