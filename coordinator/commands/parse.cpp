// The only file that includes CLI11, which reports by throwing.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/invocation.h"
#include "coordinator/core/suggest.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

std::string help_command(std::string_view noun, std::string_view verb) {
    return fmt::format("`jackdaw{}{}{}{} --help`", noun.empty() ? "" : " ", noun,
                       verb.empty() ? "" : " ", verb);
}

/// Options that may stand before the noun and the verb are put behind them.
class Words {
public:
    explicit Words(const std::vector<std::string>& words) : left_{words.begin(), words.end()} {}

    /// The next word that is no option, or empty; options on the way are kept for later.
    std::string next_word() {
        while (!left_.empty() && left_.front().starts_with('-') && left_.front() != "--") {
            const auto option = take();
            if (option == "--help" || option == "-h") {
                help_ = true;
                continue;
            }
            moved_.push_back(option);
            const bool valued = option == "-o" || option == "--output" || option == "--fleet";
            if (valued && !left_.empty()) {
                moved_.push_back(take());
            }
        }
        return left_.empty() || left_.front() == "--" ? "" : take();
    }
    [[nodiscard]] bool help() const { return help_; }
    [[nodiscard]] std::vector<std::string> rest() const {
        std::vector<std::string> all = moved_;
        all.insert(all.end(), left_.begin(), left_.end());
        return all;
    }

private:
    std::string take() {
        auto word = std::move(left_.front());
        left_.pop_front();
        return word;
    }
    std::deque<std::string> left_;
    std::vector<std::string> moved_;
    bool help_ = false;
};

Error unknown(std::string_view kind, std::string_view word, const std::vector<std::string>& known,
              const std::string& help) {
    const auto near = nearest(word, known);
    auto text = fmt::format("no {} '{}'", kind, printable(word.substr(0, 60)));
    if (near.empty()) {
        return Error{Errc::invalid, std::move(text)}.with_hint("see " + help);
    }
    return Error{Errc::invalid, std::move(text)}.with_hint(
        fmt::format("did you mean '{}'? See {}", near, help));
}

Result<const CommandRow*> find_command(const std::string& noun, Words& words, std::string& verb) {
    std::vector<std::string> verbs;
    for (const auto& row : command_table()) {
        if (row.noun == noun) {
            if (row.verb.empty()) {
                return &row;
            }
            verbs.emplace_back(row.verb);
        }
    }
    if (verbs.empty()) {
        std::vector<std::string> nouns;
        for (const auto& row : noun_table()) {
            nouns.emplace_back(row.noun);
        }
        return unknown("command", noun, nouns, help_command("", ""));
    }
    verb = words.next_word();
    if (verb.empty()) {
        return static_cast<const CommandRow*>(nullptr); // help on the noun
    }
    for (const auto& row : command_table()) {
        if (row.noun == noun && row.verb == verb) {
            return &row;
        }
    }
    return unknown(noun + " verb", verb, verbs, help_command(noun, ""));
}

Error usage(const CommandRow& row, std::string text) {
    return Error{Errc::invalid, printable(text.substr(0, 300))}.with_hint(
        "see " + help_command(row.noun, row.verb));
}

/// CLI11 says only that something was not expected; the likeliest slip is named.
Error extras(const CommandRow& row, const std::vector<std::string>& left) {
    for (const auto& word : left) {
        if (word.starts_with('-') && word.size() > 1) {
            std::vector<std::string> known;
            for (const auto& option : row.options) {
                known.emplace_back(option.flag);
            }
            for (const auto& option : shared_options(row)) {
                known.emplace_back(option.flag);
            }
            return unknown("option", word.substr(0, word.find('=')), known,
                           help_command(row.noun, row.verb));
        }
    }
    return usage(row, fmt::format("one argument too many: '{}'", left.empty() ? "" : left.front()));
}

/// An optional argument before a required one: "[INSTANCE] NAME". CLI11 has no such thing, so both
/// are read as one.
bool leads(const CommandRow& row, const ArgumentRow& argument) {
    return !argument.required && &argument != &row.arguments.back() && (&argument + 1)->required;
}

void part_leading(const CommandRow& row, Invocation& to) {
    for (const auto& argument : row.arguments) {
        if (leads(row, argument)) {
            auto& both = to.values[std::string{(&argument + 1)->name}];
            if (both.size() > 1) {
                to.values[std::string{argument.name}] = {both.front()};
                both.erase(both.begin());
            }
        }
    }
}

void declare(CLI::App& app, const CommandRow& row, Invocation& to, bool& help) {
    // Held by name: CLI11 writes into these after every add.
    std::size_t before = 0; // optional arguments that stand before a required one
    for (const auto& argument : row.arguments) {
        if (leads(row, argument)) {
            ++before;
            continue;
        }
        const std::string name{argument.name};
        auto* option = app.add_option(name, to.values[name]);
        option->required(argument.required);
        option->allow_extra_args(argument.rest || before > 0);
        if (argument.rest || before > 0) {
            option->expected(argument.required ? 1 : 0, argument.rest
                                                            ? static_cast<int>(words_max)
                                                            : static_cast<int>(1 + before));
        } else {
            option->expected(1);
        }
        before = 0;
    }
    auto options = row.options;
    const auto shared = shared_options(row);
    options.insert(options.end(), shared.begin(), shared.end());
    for (const auto& option : options) {
        const std::string name{option.flag};
        const std::string spelled = name == "--output" ? "-o," + name : name;
        if (option.value.empty()) {
            app.add_flag_function(
                spelled, [&to, name](std::int64_t) { to.values[name] = {"true"}; }, "");
            continue;
        }
        auto* added = app.add_option(spelled, to.values[name]);
        added->required(option.required)->expected(1)->allow_extra_args(false);
        added->multi_option_policy(option.many ? CLI::MultiOptionPolicy::TakeAll
                                               : CLI::MultiOptionPolicy::TakeLast);
    }
    app.add_flag("-h,--help", help, "");
}

Result<void> take_shared(Invocation& to) {
    JACKDAW_TRY(to.format, parse_format(to.text("--output", "table")));
    to.fleet = to.text("--fleet");
    to.local = to.has("--local");
    to.dry_run = to.has("--dry-run");
    to.yes = to.has("--yes");
    if (to.local && !to.fleet.empty()) {
        return Error{Errc::invalid, "--local and --fleet exclude each other"};
    }
    if (to.has("--wait") && to.has("--no-wait")) {
        return Error{Errc::invalid, "--wait and --no-wait exclude each other"};
    }
    if (to.has("--wait") || to.has("--no-wait")) {
        to.wait = to.has("--wait");
    }
    if (to.has("--timeout")) {
        JACKDAW_TRY(to.timeout, parse_duration(to.text("--timeout")));
    }
    return ok();
}

} // namespace

std::string Invocation::text(std::string_view name, std::string fallback) const {
    const auto at = values.find(name);
    return at == values.end() || at->second.empty() ? std::move(fallback) : at->second.back();
}

const std::vector<std::string>& Invocation::all(std::string_view name) const {
    static const std::vector<std::string> none;
    const auto at = values.find(name);
    return at == values.end() ? none : at->second;
}

Format format_asked(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        std::string_view text;
        if ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size()) {
            text = words[i + 1];
        } else if (words[i].starts_with("--output=")) {
            text = std::string_view{words[i]}.substr(9);
        } else if (words[i].starts_with("-o") && words[i].size() > 2) {
            text = std::string_view{words[i]}.substr(2);
        }
        if (!text.empty()) {
            return parse_format(text).value_or(Format::table);
        }
    }
    return Format::table;
}

Result<Invocation> parse_command_line(const std::vector<std::string>& words) {
    if (words.size() > words_max ||
        std::ranges::any_of(words, [](const auto& w) { return w.size() > word_bytes_max; })) {
        return Error{Errc::invalid,
                     fmt::format("at most {} words of {} bytes each", words_max, word_bytes_max)};
    }
    Invocation to;
    Words cursor{words};
    to.help_noun = cursor.next_word();
    if (to.help_noun == "help") { // `jackdaw help instance create`
        to.help_noun = cursor.next_word();
        to.help_verb = cursor.next_word();
        return to;
    }
    if (to.help_noun.empty() && std::ranges::find(words, "--version") != words.end()) {
        auto asked = words; // as other programs have it
        *std::ranges::find(asked, "--version") = "version";
        return parse_command_line(asked);
    }
    if (to.help_noun.empty()) {
        for (const auto& word :
             cursor.rest()) { // options alone are a mistake, nothing at all is not
            return Error{Errc::invalid,
                         fmt::format("'{}' without a command", printable(word.substr(0, 60)))}
                .with_hint("see " + help_command("", ""));
        }
        return to;
    }
    JACKDAW_TRY(const CommandRow* row, find_command(to.help_noun, cursor, to.help_verb));
    if (row == nullptr || cursor.help()) {
        return to;
    }
    bool help = false;
    try {
        CLI::App app;
        app.set_help_flag();
        declare(app, *row, to, help);
        app.allow_extras();
        auto arguments = cursor.rest();
        const bool asks = std::ranges::any_of(
            arguments, [](const auto& word) { return word == "--help" || word == "-h"; });
        const auto end = std::ranges::find(arguments, "--");
        if (asks && std::find_if(arguments.begin(), end, [](const auto& word) {
                        return word == "--help" || word == "-h";
                    }) != end) {
            return to;
        }
        // What stands behind "--" is another program's command line: not even CLI11 shall look into
        // it.
        if (end != arguments.end() && !row->arguments.empty() && row->arguments.back().rest) {
            to.values[std::string{row->arguments.back().name}].assign(std::next(end),
                                                                      arguments.end());
            arguments.erase(end, arguments.end());
        }
        std::ranges::reverse(arguments); // as CLI11 wants it
        app.parse(std::move(arguments));
        auto left = app.remaining();
        std::erase(left, "--");
        if (!left.empty()) {
            return extras(*row, left);
        }
    } catch (const CLI::ParseError& thrown) {
        return usage(*row, thrown.what());
    } catch (const CLI::Error& thrown) { // the table itself is wrong
        return Error{Errc::internal, thrown.what()};
    }
    part_leading(*row, to);
    std::erase_if(to.values, [](const auto& entry) { return entry.second.empty(); });
    to.command = row;
    JACKDAW_CHECK(take_shared(to).while_doing(
        fmt::format("{}{}{}", row->noun, row->verb.empty() ? "" : " ", row->verb)));
    return to;
}

} // namespace jackdaw::cli
