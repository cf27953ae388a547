// jackdaw completion SHELL, and the __complete that its script asks.

#include "coordinator/commands/completion.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "coordinator/commands/completion_names.h"
#include "coordinator/commands/completion_scripts.h"
#include "coordinator/commands/handlers.h"

namespace jackdaw::cli {
namespace {

const OptionRow* find_option(const std::vector<OptionRow>& options, std::string_view word) {
    const auto flag = word.substr(0, word.find('='));
    const auto at = std::ranges::find_if(options, [&](const OptionRow& one) {
        return one.flag == flag || short_form(one.flag) == word;
    });
    return at == options.end() ? nullptr : &*at;
}

/// What has been typed before the word that is being typed.
struct Typed {
    std::string noun;
    const CommandRow* row = nullptr;
    std::vector<std::string> plain;     ///< behind noun and verb
    std::vector<std::string> flags;     ///< that were given
    const OptionRow* awaited = nullptr; ///< the option whose value is being typed
    std::vector<OptionRow> options = common_options();
    CompletionContext context;
    bool only_words = false; ///< behind "--"

    void take_row(const CommandRow* found) {
        row = found;
        options = row->options;
        const auto shared = shared_options(*row);
        options.insert(options.end(), shared.begin(), shared.end());
    }
    void take_plain(const std::string& word) {
        if (row != nullptr) {
            plain.push_back(word);
            return;
        }
        for (const auto& one : command_table()) {
            const bool whole = one.verb.empty() && noun.empty() && one.noun == word;
            if (whole || (!noun.empty() && one.noun == noun && one.verb == word)) {
                noun = one.noun;
                take_row(&one);
                return;
            }
        }
        noun = noun.empty() ? word : noun;
    }
    void take(const std::string& word) {
        if (awaited != nullptr) {
            context.invocation.values[std::string{awaited->flag}] = {word};
            awaited = nullptr;
        } else if (only_words || word.size() < 2 || !word.starts_with('-')) {
            take_plain(word);
        } else if (word == "--") {
            only_words = true;
        } else if (const auto* const option = find_option(options, word)) {
            flags.emplace_back(option->flag);
            const auto equals = word.find('=');
            auto& values = context.invocation.values[std::string{option->flag}];
            if (option->value.empty() || equals != std::string::npos) {
                values = {equals == std::string::npos ? "true" : word.substr(equals + 1)};
            } else {
                awaited = option;
            }
        }
    }
};

void print(Session& session, const std::vector<Candidate>& all, std::string_view begun) {
    std::string text;
    for (const auto& one : all) {
        if (one.word.starts_with(begun)) {
            text += one.word + "\t" + one.text + "\n";
        }
    }
    session.terminal.out(text);
}

/// `prefix` stands before the value in the same word: "--fleet=".
void offer_names(Session& session, Names kind, const Typed& typed, std::string_view begun,
                 const std::string& prefix) {
    if (kind == Names::files || kind == Names::folders) {
        session.terminal.out(kind == Names::files ? ":files\n" : ":folders\n");
        return;
    }
    // Of a list only its last word is still being typed.
    const auto comma = kind == Names::privileges ? begun.rfind(',') : std::string_view::npos;
    const auto before =
        comma == std::string_view::npos ? prefix : std::string{begun.substr(0, comma + 1)};
    auto names = live_names(session, kind, typed.context);
    for (auto& one : names) {
        one.word.insert(0, before);
    }
    print(session, names, begun);
}

void offer_flags(Session& session, const Typed& typed, std::string_view begun) {
    std::vector<Candidate> all;
    for (const auto& option : typed.options) {
        const bool given = std::ranges::find(typed.flags, option.flag) != typed.flags.end();
        if (!given || option.many) {
            all.push_back({std::string{option.flag}, std::string{option.text}});
        }
    }
    all.push_back({"--help", "what this command does"});
    print(session, all, begun);
}

void offer_verbs(Session& session, const Typed& typed, std::string_view begun) {
    std::vector<Candidate> all;
    for (const auto& row : command_table()) {
        if (row.noun == typed.noun && !row.verb.empty()) {
            all.push_back({std::string{row.verb}, std::string{row.text}});
        }
    }
    print(session, all, begun);
}

/// The arguments in the order in which the next word may be one of them, and those before it by
/// their names. Without INSTANCE when it is said already, or was left out.
std::vector<ArgumentRow> take_arguments(Session& session, Typed& typed) {
    auto arguments = typed.row->arguments;
    const bool leads = !arguments.empty() && arguments.front().name == "INSTANCE";
    if (leads && typed.context.invocation.has("--instance")) {
        arguments.erase(arguments.begin());
    } else if (leads && arguments.size() > 1 && !arguments.front().required &&
               !typed.plain.empty()) {
        const auto instances = live_names(session, Names::instances, typed.context);
        if (std::ranges::find(instances, typed.plain.front(), &Candidate::word) ==
            instances.end()) {
            arguments.erase(arguments.begin());
        }
    }
    for (std::size_t i = 0; i < std::min(typed.plain.size(), arguments.size()); ++i) {
        typed.context.invocation.values[std::string{arguments[i].name}] = {typed.plain[i]};
    }
    return arguments;
}

/// Which of them the next word may be: two, when an optional INSTANCE may be left out.
std::vector<ArgumentRow> next_arguments(Session& session, Typed& typed) {
    const auto arguments = take_arguments(session, typed);
    const auto at = typed.plain.size();
    if (at < arguments.size()) {
        const bool or_next = at == 0 && arguments.size() > 1 &&
                             arguments.front().name == "INSTANCE" && !arguments.front().required;
        return or_next ? std::vector{arguments[0], arguments[1]} : std::vector{arguments[at]};
    }
    return !arguments.empty() && arguments.back().many ? std::vector{arguments.back()}
                                                       : std::vector<ArgumentRow>{};
}

void offer_arguments(Session& session, Typed& typed, std::string_view begun) {
    for (const auto& argument : next_arguments(session, typed)) {
        const auto kind = names_of(*typed.row, argument.name);
        if (argument.name != "NAME=VALUE") {
            offer_names(session, kind, typed, begun, "");
            continue;
        }
        const auto equals = begun.find('=');
        if (equals != std::string_view::npos) {
            const std::string parameter{begun.substr(0, equals)};
            auto values = parameter_values(session, parameter, typed.context);
            for (auto& one : values) {
                one.word.insert(0, parameter + "=");
            }
            print(session, values, begun);
            continue;
        }
        auto names = live_names(session, kind, typed.context);
        for (auto& one : names) {
            one.word += "=";
        }
        print(session, names, begun);
    }
}

} // namespace

int complete(Session& session, const std::vector<std::string>& words) {
    if (words.size() > words_max || words.empty()) {
        return 0;
    }
    Typed typed;
    typed.context.until = session.in(completion_limit);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        typed.take(words[i]);
    }
    auto& asked = typed.context.invocation;
    asked.fleet = asked.text("--fleet");
    asked.local = asked.has("--local");
    const std::string_view begun = words.back();
    const bool is_value = typed.awaited != nullptr || begun.find('=') != std::string_view::npos;
    if (typed.row != nullptr && is_value) {
        (void)take_arguments(session, typed); // its names may be of the instance that was named
    }
    if (typed.awaited != nullptr) {
        const auto kind = typed.row != nullptr ? names_of(*typed.row, typed.awaited->flag)
                                               : names_of(CommandRow{}, typed.awaited->flag);
        offer_names(session, kind, typed, begun, "");
    } else if (begun.starts_with('-') && !typed.only_words) {
        const auto* const option = find_option(typed.options, begun);
        const auto equals = begun.find('=');
        if (equals != std::string_view::npos && option != nullptr && !option->value.empty()) {
            const auto& row = typed.row != nullptr ? *typed.row : CommandRow{};
            offer_names(session, names_of(row, option->flag), typed, begun,
                        std::string{begun.substr(0, equals + 1)});
        } else {
            offer_flags(session, typed, begun);
        }
    } else if (typed.noun.empty()) {
        print(session, live_names(session, Names::nouns, typed.context), begun);
    } else if (typed.row == nullptr) {
        offer_verbs(session, typed, begun);
    } else {
        offer_arguments(session, typed, begun);
    }
    return 0;
}

Result<int> completion_script(Session& session, const Invocation& invocation) {
    const auto shell = invocation.text("SHELL");
    const auto script = script_for(shell);
    if (script.empty()) {
        return Error{Errc::invalid, fmt::format("no script for '{}': bash, zsh or fish",
                                                printable(shell.substr(0, 40)))}
            .with_hint("in bash: `source <(jackdaw completion bash)`");
    }
    session.terminal.out(script);
    return 0;
}

} // namespace jackdaw::cli
