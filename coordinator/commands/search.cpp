// jackdaw help WORDS: help on a command, or a search in all that has a name.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/terms.h"
#include "coordinator/core/suggest.h"

namespace jackdaw::cli {
namespace {

struct Topic {
    std::string_view kind; ///< Command, Option, Word or ErrorCode
    std::string name, text, how;
};

std::string named(const CommandRow& row) {
    return fmt::format("{}{}{}", row.noun, row.verb.empty() ? "" : " ", row.verb);
}

std::vector<Topic> all_topics() {
    std::vector<Topic> all;
    for (const auto& noun : noun_table()) {
        if (std::ranges::none_of(command_table(), [&](const CommandRow& row) {
                return row.noun == noun.noun && row.verb.empty(); // which tells the same
            })) {
            all.push_back({"Command", std::string{noun.noun}, std::string{noun.text},
                           fmt::format("jackdaw {} --help", noun.noun)});
        }
    }
    for (const auto& row : command_table()) {
        const auto how = fmt::format("jackdaw {} --help", named(row));
        all.push_back({"Command", named(row), std::string{row.text}, how});
        for (const auto& option : row.options) {
            all.push_back({"Option", fmt::format("{} {}", named(row), option.flag),
                           std::string{option.text}, how});
        }
        for (const auto& one : terms_of(row)) {
            all.push_back(
                {"Word", fmt::format("{}: {}", named(row), one.term), std::string{one.text}, how});
        }
    }
    std::set<std::string_view> told; // those that commands share, once each
    const auto add_shared = [&](const OptionRow& option, const std::string& how) {
        if (told.insert(option.flag).second) {
            all.push_back({"Option", std::string{option.flag}, std::string{option.text}, how});
        }
    };
    for (const auto& option : common_options()) {
        add_shared(option, "jackdaw --help");
    }
    for (const auto& row : command_table()) {
        for (const auto& option : shared_options(row)) {
            add_shared(option, fmt::format("jackdaw {} --help", named(row)));
        }
    }
    for (const auto& code : all_codes()) {
        all.push_back({"ErrorCode", std::string{code.name}, std::string{code.text},
                       fmt::format("jackdaw explain {}", code.name)});
    }
    return all;
}

std::string lower(std::string_view text) {
    std::string out{text};
    for (auto& c : out) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

bool matches(const Topic& topic, const std::vector<std::string>& words) {
    const auto where = lower(topic.name + " " + topic.text);
    return std::ranges::all_of(words, [&](const std::string& word) {
        return where.find(lower(word)) != std::string::npos;
    });
}

/// The nearest to the first word that stands nowhere.
std::string near_to(const std::vector<std::string>& words) {
    std::vector<std::string> known;
    for (const auto& noun : noun_table()) {
        known.emplace_back(noun.noun);
    }
    for (const auto& row : command_table()) {
        known.emplace_back(row.verb);
        auto options = row.options;
        const auto shared = shared_options(row);
        options.insert(options.end(), shared.begin(), shared.end());
        for (const auto& option : options) {
            known.emplace_back(option.flag);
            known.emplace_back(option.flag.substr(2));
        }
    }
    for (const auto& one : term_table()) {
        known.emplace_back(lower(one.term));
    }
    for (const auto& code : all_codes()) {
        known.emplace_back(lower(code.name));
    }
    const auto topics = all_topics();
    for (const auto& word : words) {
        const bool stands =
            std::ranges::any_of(topics, [&](const Topic& topic) { return matches(topic, {word}); });
        if (!stands) {
            return nearest(lower(word), known);
        }
    }
    return {};
}

/// "instance", "instance create": not what is only a part of it.
bool is_command(const std::vector<std::string>& words) {
    if (words.size() == 1) {
        return std::ranges::find(noun_table(), words[0], &NounRow::noun) != noun_table().end();
    }
    return words.size() == 2 && std::ranges::any_of(command_table(), [&](const CommandRow& row) {
               return row.noun == words[0] && row.verb == words[1];
           });
}

} // namespace

Result<int> help(Session& session, const Invocation& invocation) {
    const auto& words = invocation.all("WORDS");
    const bool structured = is_structured(invocation.format) || invocation.format == Format::name;
    if (!structured && (words.empty() || is_command(words))) {
        session.terminal.page(
            help_text(words.empty() ? "" : words[0], words.size() < 2 ? "" : words[1]));
        return 0;
    }
    Table table{{{"WHAT"}, {"NAME"}, {"TEXT"}, {"MORE", true}}, {}};
    Json items = Json::array();
    for (const auto& topic : all_topics()) {
        if (matches(topic, words)) {
            table.rows.push_back(
                {{std::string{topic.kind}}, {topic.name}, {topic.text}, {topic.how}});
            items.push_back(Json{{"kind", topic.kind},
                                 {"name", topic.name},
                                 {"text", topic.text},
                                 {"more", topic.how}});
        }
    }
    if (items.empty()) {
        const auto near = near_to(words);
        return Error{Errc::not_found,
                     fmt::format("nothing tells of '{}'",
                                 printable(fmt::format("{}", fmt::join(words, " ")).substr(0, 60)))}
            .with_hint(near.empty() ? "`jackdaw help` shows all commands"
                                    : fmt::format("did you mean '{}'?", near));
    }
    session.terminal.page(
        render_list(proto::list_json("Topic", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    return 0;
}

} // namespace jackdaw::cli
