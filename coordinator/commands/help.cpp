#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/examples.h"
#include "coordinator/commands/terms.h"

namespace jackdaw::cli {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string aligned(const Lines& lines) {
    constexpr std::size_t widest = 34; // a longer one gets a line of its own
    std::size_t width = 0;
    for (const auto& [left, right] : lines) {
        width = left.size() <= widest ? std::max(width, left.size()) : width;
    }
    std::string text;
    for (const auto& [left, right] : lines) {
        text += left.size() <= widest ? fmt::format("  {:<{}}  {}\n", left, width, right)
                                      : fmt::format("  {}\n  {:<{}}  {}\n", left, "", width, right);
    }
    return text;
}

Lines option_lines(const std::vector<OptionRow>& options) {
    Lines lines;
    for (const auto& option : options) {
        const auto value = option.value.empty() ? "" : fmt::format(" {}", option.value);
        lines.emplace_back(spelled(option) + value,
                           fmt::format("{}{}{}", option.text, option.required ? " (required)" : "",
                                       option.many ? " (may be repeated)" : ""));
    }
    return lines;
}

std::string program_help() {
    Lines lines;
    for (const auto& noun : noun_table()) {
        std::string verbs;
        for (const auto& row : command_table()) {
            if (row.noun == noun.noun && !row.verb.empty()) {
                verbs += (verbs.empty() ? "" : "|") + std::string{row.verb};
            }
        }
        lines.emplace_back(noun.noun, noun.text);
        if (!verbs.empty()) {
            lines.emplace_back("", verbs);
        }
    }
    return "Usage: jackdaw NOUN VERB [NAME] [options]\n\n" + aligned(lines) + "\nEverywhere:\n" +
           aligned(option_lines(common_options())) +
           "\n`jackdaw NOUN --help` and `jackdaw NOUN VERB --help` tell more.\n"
           "Exit status: 0 done, 1 failed, 2 usage, 3 degraded, 4 not allowed, 5 not found, 6 "
           "conflict or precondition,\n"
           "7 timed out and still running, 8 unreachable, 130 interrupted, 141 nobody reads on.\n";
}

std::string noun_help(std::string_view noun) {
    Lines lines;
    for (const auto& row : command_table()) {
        if (row.noun == noun) {
            lines.emplace_back(row.verb, row.text);
        }
    }
    return fmt::format("Usage: jackdaw {} VERB [options]\n\n", noun) + aligned(lines);
}

std::string command_help(const CommandRow& row) {
    std::string usage =
        fmt::format("Usage: jackdaw {}{}{}", row.noun, row.verb.empty() ? "" : " ", row.verb);
    Lines arguments;
    for (const auto& one : row.arguments) {
        const auto shown =
            fmt::format("{}{}{}", one.rest ? "-- " : "", one.name, one.rest || one.many ? "…" : "");
        usage += one.required ? " " + shown : " [" + shown + "]";
        arguments.emplace_back(one.name, one.text);
    }
    auto text = fmt::format("{} [options]\n\n{}.\n", usage, row.text);
    if (!arguments.empty()) {
        text += "\n" + aligned(arguments);
    }
    if (!row.options.empty()) {
        text += "\nOptions:\n" + aligned(option_lines(row.options));
    }
    text += "\nShared options:\n" + aligned(option_lines(shared_options(row)));
    Lines terms;
    for (const auto& one : terms_of(row)) {
        terms.emplace_back(one.term, one.text);
    }
    text += terms.empty() ? "" : "\nIts words:\n" + aligned(terms);
    const auto examples = examples_of(row);
    text += examples.empty() ? "" : "\nExamples:\n";
    for (const auto& example : examples) {
        text += fmt::format("  {}\n      {}\n", example.line, example.text);
    }
    return text;
}

} // namespace

std::string help_text(std::string_view noun, std::string_view verb) {
    bool known = false;
    for (const auto& row : command_table()) {
        known = known || row.noun == noun;
        if (row.noun == noun && (row.verb == verb || row.verb.empty())) {
            return command_help(row);
        }
    }
    return known ? noun_help(noun) : program_help();
}

} // namespace jackdaw::cli
