// The options that commands share.

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"

namespace jackdaw::cli {

const std::vector<OptionRow>& common_options() {
    static const std::vector<OptionRow> options{
        {"--output", "FORMAT", "table, wide, json, jsonl, yaml or name"},
        {"--fleet", "NAME", "this fleet (else JACKDAW_FLEET, else the default)"},
        {local_option, "", "the agent on this machine, over its socket"},
    };
    return options;
}

std::vector<OptionRow> shared_options(const CommandRow& row) {
    std::vector<OptionRow> options;
    if (row.nature.change) {
        options.push_back({"--dry-run", "", "say what would be done, change nothing"});
    }
    if (row.nature.waits) {
        options.push_back({"--wait", "",
                           row.nature.always_waits ? "until it has ended (as always)"
                           : row.nature.is_short   ? "until it has ended (default)"
                                                   : "until it has ended (default on a terminal)"});
        if (!row.nature.always_waits) {
            options.push_back({"--no-wait", "", "return as soon as it has begun"});
        }
        options.push_back({"--timeout", "TIME", "how long to wait, e.g. 10m (default: an hour)"});
    }
    if (row.nature.destroys) {
        options.push_back({"--yes", "", "do not ask"});
    }
    std::ranges::copy_if(common_options(), std::back_inserter(options), [&](const OptionRow& one) {
        return !row.nature.of_fleet || one.flag != local_option;
    });
    return options;
}

bool takes_local(std::string_view words) {
    return std::ranges::none_of(command_table(), [&](const CommandRow& row) {
        const auto begin = fmt::format("{} {}", row.noun, row.verb);
        return row.nature.of_fleet && (words == begin || words.starts_with(begin + " "));
    });
}

std::string_view short_form(std::string_view flag) {
    const bool counts = flag == "--lines" || flag == "--limit" || flag == "--iterations";
    return flag == "--output" ? "-o" : flag == "--follow" ? "-f" : counts ? "-n" : "";
}

std::string spelled(const OptionRow& option) {
    const auto form = short_form(option.flag);
    return fmt::format("{}{}{}", form, form.empty() ? "" : ", ", option.flag);
}

} // namespace jackdaw::cli
