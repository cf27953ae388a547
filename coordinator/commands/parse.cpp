// A command line by the table: options may stand anywhere, "--" ends them.

#include <algorithm>
#include <deque>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/invocation.h"
#include "coordinator/core/suggest.h"
#include "proto/base/ids.h"
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

/// For who begins with the verb, as other tools have it: "`jackdaw instance create`, …"; empty: no
/// command has it.
std::string commands_with(std::string_view verb) {
    std::string all;
    for (const auto& row : command_table()) {
        if (row.verb == verb) {
            all += fmt::format("{}`jackdaw {} {}`", all.empty() ? "" : ", ", row.noun, row.verb);
        }
    }
    return all;
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
        if (const auto meant = commands_with(noun); !meant.empty()) {
            return Error{Errc::invalid, fmt::format("no command '{}'", noun)}.with_hint(
                "the thing comes first: " + meant);
        }
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
    if (const auto alone = std::ranges::find_if(
            command_table(),
            [&](const CommandRow& row) { return row.noun == verb && row.verb.empty(); });
        alone != command_table().end()) { // `instance connect`
        return Error{Errc::invalid, fmt::format("no {} verb '{}'", noun, verb)}.with_hint(
            fmt::format("it is a command of its own: {}", help_command(verb, "")));
    }
    return unknown(noun + " verb", verb, verbs, help_command(noun, ""));
}

std::string named(const CommandRow& row) {
    return fmt::format("{}{}{}", row.noun, row.verb.empty() ? "" : " ", row.verb);
}

Error usage(const CommandRow& row, const std::string& text) {
    return Error{Errc::invalid, printable(text)}.with_hint("see " +
                                                           help_command(row.noun, row.verb));
}

std::vector<OptionRow> all_options(const CommandRow& row) {
    auto options = row.options;
    const auto shared = shared_options(row);
    options.insert(options.end(), shared.begin(), shared.end());
    return options;
}

Error unknown_option(const CommandRow& row, const std::vector<OptionRow>& options,
                     std::string_view flag) {
    std::vector<std::string> known;
    for (const auto& option : options) {
        known.emplace_back(option.flag);
    }
    return unknown("option", flag, known, help_command(row.noun, row.verb));
}

/// "--volume=1G" → {"--volume", "1G"}; "-ojson" → {"--output", "json"}; "-n5" → {"--lines", "5"}.
std::pair<std::string, std::optional<std::string>> parted(const std::string& word,
                                                          const std::vector<OptionRow>& options) {
    const auto meant = std::ranges::find_if(options, [&](const OptionRow& one) {
        const auto form = short_form(one.flag);
        return !form.empty() && word.starts_with(form);
    });
    if (meant != options.end()) {
        auto value = word.substr(2);
        value.erase(0, value.starts_with('=') ? 1 : 0);
        return {std::string{meant->flag},
                value.empty() ? std::nullopt : std::optional{std::move(value)}};
    }
    const auto equals = word.find('=');
    return equals == std::string::npos
               ? std::pair{word, std::optional<std::string>{}}
               : std::pair{word.substr(0, equals), std::optional{word.substr(equals + 1)}};
}

/// Takes the options out of `words`; what is left stands in the order in which it was written.
Result<std::vector<std::string>>
take_options(const CommandRow& row, const std::vector<std::string>& words, Invocation& to) {
    const auto options = all_options(row);
    std::vector<std::string> plain;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--") { // what follows may be another program's command line
            plain.insert(plain.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                         words.end());
            break;
        }
        if (words[i].size() < 2 || !words[i].starts_with('-')) {
            plain.push_back(words[i]);
            continue;
        }
        auto [flag, value] = parted(words[i], options);
        const auto option = std::ranges::find(options, flag, &OptionRow::flag);
        if (option == options.end() && flag == local_option) {
            return usage(row, fmt::format("`jackdaw {}` works on a fleet, not on one agent: {} "
                                          "does not go with it",
                                          named(row), flag));
        }
        if (option == options.end()) {
            return unknown_option(row, options, flag);
        }
        auto& values = to.values[flag];
        if (option->value.empty()) {
            if (value) {
                return usage(row, fmt::format("{} takes no value", flag));
            }
            values = {"true"};
            continue;
        }
        if (!value && (i + 1 == words.size() || words[i + 1].starts_with("--"))) {
            return usage(row, fmt::format("{0} needs a value: {0} {1}", flag, option->value));
        }
        if (!option->many) {
            values.clear(); // the last one counts
        }
        values.push_back(value ? *std::move(value) : words[++i]);
    }
    for (const auto& option : options) {
        if (option.required && !to.has(option.flag)) {
            return usage(row, fmt::format("`jackdaw {}` needs {} {}", named(row), option.flag,
                                          option.value));
        }
    }
    return plain;
}

/// "[INSTANCE] and NAME".
std::string argument_words(const std::vector<ArgumentRow>& arguments) {
    std::string text;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        text += i == 0 ? "" : i + 1 == arguments.size() ? " and " : ", ";
        const auto& one = arguments[i];
        text += fmt::format(fmt::runtime(one.required ? "{}" : "[{}]"), one.name);
        text += one.many || one.rest ? "…" : "";
    }
    return text.empty() ? "no argument" : text;
}

bool takes_password(const CommandRow& row) {
    return std::ranges::find(row.options, "--password-stdin", &OptionRow::flag) !=
           row.options.end();
}

/// Gives each argument its words: the required ones come first, then the optional ones from the
/// left. INSTANCE takes none when --instance says it.
Result<void> take_arguments(const CommandRow& row, std::vector<std::string> plain, Invocation& to) {
    auto arguments = row.arguments;
    if (to.has("--instance")) {
        std::erase_if(arguments, [](const ArgumentRow& one) { return one.name == "INSTANCE"; });
    }
    std::vector<ArgumentRow> must;
    std::ranges::copy_if(arguments, std::back_inserter(must), &ArgumentRow::required);
    if (plain.size() < must.size()) {
        const bool begins_with_another = !plain.empty() && must.front().name == "INSTANCE" &&
                                         !check_label(plain.front(), "instance") &&
                                         !takes_password(row);
        if (begins_with_another) {
            return usage(row, fmt::format("'{}' is no name of an instance: `jackdaw {}` takes {}",
                                          plain.front().substr(0, 60), named(row),
                                          argument_words(arguments)));
        }
        const auto& missing = must[plain.size()];
        return usage(
            row, fmt::format("`jackdaw {}` needs {}: {}", named(row), missing.name, missing.text));
    }
    auto needed = must.size();
    std::size_t at = 0;
    for (const auto& one : arguments) {
        const auto left = plain.size() - at;
        needed -= one.required ? 1 : 0;
        const auto free = left - needed;
        const auto taken = one.many || one.rest ? free : std::min<std::size_t>(free, 1);
        if (taken > 0) {
            const auto begin = plain.begin() + static_cast<std::ptrdiff_t>(at);
            to.values[std::string{one.name}].assign(begin,
                                                    begin + static_cast<std::ptrdiff_t>(taken));
            at += taken;
        }
    }
    if (at < plain.size()) {
        // The word itself may be a password: it is not told then.
        const auto what = takes_password(row)
                              ? "a password is never given on the command line"
                              : fmt::format("'{}' is too many", plain[at].substr(0, 60));
        return usage(row, fmt::format("`jackdaw {}` takes at most {}; {}", named(row),
                                      argument_words(arguments), what));
    }
    return ok();
}

Result<void> take_shared(Invocation& to) {
    JACKDAW_TRY(to.format, parse_format(to.text("--output", "table")));
    to.fleet = to.text("--fleet");
    to.local = to.has("--local");
    to.dry_run = to.has("--dry-run");
    to.yes = to.has("--yes");
    if (to.has("--fleet") && to.fleet.empty()) { // an empty variable of a script, most likely
        return Error{Errc::invalid, "--fleet is given an empty name"}.with_hint(
            "`jackdaw fleet list` shows the names; without --fleet it is the default one");
    }
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

std::optional<Format> format_asked(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        std::string_view text;
        if ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size()) {
            text = words[i + 1];
        } else if (words[i].starts_with("--output=")) {
            text = std::string_view{words[i]}.substr(9);
        } else if (words[i].starts_with("-o") && words[i].size() > 2) {
            text = std::string_view{words[i]}.substr(words[i][2] == '=' ? 3 : 2);
        }
        if (!text.empty()) {
            const auto format = parse_format(text);
            return format ? std::optional{*format} : std::nullopt;
        }
    }
    return std::nullopt;
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
    if (to.help_noun.empty() && std::ranges::find(words, "--version") != words.end()) {
        auto asked = words; // as other programs have it
        *std::ranges::find(asked, "--version") = "version";
        auto parsed = parse_command_line(asked);
        if (parsed) {
            parsed->values["--version"] = {"true"}; // of this program alone
        }
        return parsed;
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
    const auto left = cursor.rest();
    const auto end = std::ranges::find(left, "--");
    if (std::find_if(left.begin(), end,
                     [](const auto& word) { return word == "--help" || word == "-h"; }) != end) {
        return to;
    }
    JACKDAW_TRY(auto plain, take_options(*row, left, to));
    JACKDAW_CHECK(take_arguments(*row, std::move(plain), to));
    to.command = row;
    JACKDAW_CHECK(take_shared(to).while_doing(
        fmt::format("{}{}{}", row->noun, row->verb.empty() ? "" : " ", row->verb)));
    return to;
}

} // namespace jackdaw::cli
