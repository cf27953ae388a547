// Arbitrary answers of a server that lies about its parameters, and arbitrary names and values for
// them. Lines of cells between tabs ("\N": NULL) are the rows of SYSTEM_VARIABLES; the last line is
// a name and a value.

#include <cstdint>
#include <string_view>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/parameter_list.h"
#include "plugins/mariadb/parameter_rules.h"
#include "plugins/mariadb/parameter_texts.h"
#include "plugins/mariadb/parameter_together.h"
#include "plugins/mariadb/parameter_values.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;
using jackdaw::fuzz::require;

namespace {

plugins::Place place() {
    plugins::Place where;
    where.data_folder = "/v/data";
    where.config_folder = "/c";
    where.run_folder = "/r";
    where.machine = {512 * mib, 2, "m"};
    return where;
}

std::string_view take(std::string_view& rest, char end) {
    const auto at = rest.find(end);
    const auto part = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    return part;
}

bool is_one_line(const std::string& text) {
    return text.find_first_of(std::string_view{"\n\r\0", 3}) == std::string::npos;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    Rows rows;
    std::string_view line = take(rest, '\n');
    while (!rest.empty() && rows.size() < 64) {
        Row row;
        while (!line.empty() && row.size() < 20) {
            const auto cell = take(line, '\t');
            row.push_back(cell == "\\N" ? std::nullopt : std::optional{std::string{cell}});
        }
        rows.push_back(std::move(row));
        line = take(rest, '\n');
    }
    const auto name = take(line, '\t');
    const auto value = line;

    if (const auto number = parse_number(value)) {
        require(parse_number(to_text(*number)).has_value());
    }
    if (const auto millionths = parse_millionths(value)) {
        require(parse_millionths(millionths_text(*millionths)) == millionths);
    }
    if (const auto bytes = temporary_path_bytes(value)) {
        require(bytes->most == 0 || bytes->most >= bytes->first);
    }
    if (const auto option = option_line(name, value)) {
        require(is_one_line(*option) && option->size() <= option_line_bytes_max);
    }

    const auto known = parameters_of(rows, place());
    if (!known) {
        return 0;
    }
    for (const auto& one : *known) {
        require(one.name.size() <= 64 && one.current.size() <= 4096 && one.allowed.size() <= 200);
        require(is_one_line(one.current) && is_one_line(one.text));
    }
    const auto checked = check_parameter(*known, name, value);
    if (!checked) {
        return 0;
    }
    // What it takes it takes again as it wrote it, and my.cnf does, too.
    const auto again = check_parameter(*known, checked->first, checked->second);
    require(again && *again == *checked);
    require(option_line(checked->first, checked->second).has_value());
    auto wish = place();
    wish.parameters = {*checked};
    (void)check_parameters_together(*known, wish);
    require(option_file(wish).has_value());
    return 0;
}
