// jackdaw manual: pages in man(7), from the table that --help is from.

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/examples.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/terms.h"
#include "coordinator/core/suggest.h"
#include "coordinator/profile/files.h"

namespace jackdaw::cli {
namespace {

/// Text of a line: groff_man(7) reads '-' as a hyphen, '\' as an escape and '.' or "'" at the begin
/// of a line as a request.
std::string roff(std::string_view text) {
    std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto ellipsis = text.substr(i).starts_with("…");
        if (ellipsis) {
            out += "\\|.\\|.\\|.";
            i += std::string_view{"…"}.size() - 1;
            continue;
        }
        switch (text[i]) {
        case '-': out += "\\-"; break;
        case '\\': out += "\\e"; break;
        case '`': out += "\\(ga"; break;
        case '\'': out += "\\(aq"; break;
        case '"': out += "\\(dq"; break;
        case '~': out += "\\(ti"; break;
        case '^': out += "\\(ha"; break;
        default: out += text[i];
        }
    }
    return out;
}

/// The title of a page and its date-less head: what is generated changes with the program alone.
std::string head(std::string_view title, std::string_view what) {
    std::string raised{title};
    for (auto& c : raised) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return fmt::format(".TH {} 1 \"\" \"Jackdaw {}\" \"Jackdaw\"\n.SH NAME\n{} \\- {}\n",
                       roff(raised), JACKDAW_VERSION, roff(title), roff(what));
}

std::string items(const std::vector<OptionRow>& options) {
    std::string text;
    for (const auto& option : options) {
        text += fmt::format(".TP\n\\fB{}\\fR{}{}\\fI{}\\fR\n{}{}{}\n", roff(spelled(option)),
                            option.value.empty() ? "" : " ", "", roff(option.value),
                            roff(option.text), option.required ? " (required)" : "",
                            option.many ? " (may be repeated)" : "");
    }
    return text;
}

std::string page_name(const CommandRow& row) {
    return fmt::format("jackdaw-{}{}{}", row.noun, row.verb.empty() ? "" : "-", row.verb);
}

std::string command_page(const CommandRow& row) {
    auto text = head(page_name(row), row.text);
    text += fmt::format(".SH SYNOPSIS\n\\fBjackdaw {}{}{}\\fR", roff(row.noun),
                        row.verb.empty() ? "" : " ", roff(row.verb));
    std::string arguments;
    for (const auto& one : row.arguments) {
        const auto shown = fmt::format("{}\\fI{}\\fR{}", one.rest ? "\\-\\- " : "", roff(one.name),
                                       one.rest || one.many ? roff("…") : "");
        text += one.required ? " " + shown : " [" + shown + "]";
        arguments += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(one.name), roff(one.text));
    }
    text += " [\\fIoptions\\fR]\n.SH DESCRIPTION\n";
    std::string first{row.text};
    first.front() = first.front() >= 'a' && first.front() <= 'z'
                        ? static_cast<char>(first.front() - 'a' + 'A')
                        : first.front();
    text += roff(first) + ".\n" + arguments;
    if (!row.options.empty()) {
        text += ".SH OPTIONS\n" + items(row.options);
    }
    text += ".SH SHARED OPTIONS\n" + items(shared_options(row));
    const auto terms = terms_of(row);
    text += terms.empty() ? "" : ".SH WORDS\n";
    for (const auto& one : terms) {
        text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(one.term), roff(one.text));
    }
    const auto examples = examples_of(row);
    text += examples.empty() ? "" : ".SH EXAMPLES\n";
    for (const auto& example : examples) {
        text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(example.line), roff(example.text));
    }
    return text + ".SH SEE ALSO\n.BR jackdaw (1)\n";
}

std::string exit_statuses() {
    std::string text = ".SH EXIT STATUS\n";
    constexpr std::array<std::pair<int, std::string_view>, 11> statuses{
        {{0, "done"},
         {1, "failed"},
         {2, "usage"},
         {3, "degraded"},
         {4, "not allowed"},
         {5, "not found"},
         {6, "conflict or precondition"},
         {7, "timed out, still running"},
         {8, "unreachable"},
         {130, "interrupted"},
         {141, "the reader of standard output went away; only of commands that change nothing"}}};
    for (const auto& [status, what] : statuses) {
        text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", status, roff(what));
    }
    return text;
}

std::string environment_and_files() {
    return ".SH ENVIRONMENT\n"
           ".TP\n\\fBJACKDAW_FLEET\\fR\nthe fleet, when \\fB\\-\\-fleet\\fR does not name one\n"
           ".TP\n\\fBPAGER\\fR\nfor what does not fit the terminal (default: less \\-FRX); "
           "\\fBcat\\fR or empty: none\n"
           ".TP\n\\fBNO_COLOR\\fR\nno colours\n"
           ".TP\n\\fBXDG_CONFIG_HOME\\fR, \\fBXDG_STATE_HOME\\fR, \\fBXDG_DATA_HOME\\fR\n"
           "where profiles, the journal and images lie\n"
           ".SH FILES\n"
           ".TP\n\\fI/run/jackdaw/admin.sock\\fR\nthe agent of this machine\n"
           ".TP\n\\fI/run/jackdaw/public.sock\\fR\n"
           "the same for reading alone, for users who may not open that\n"
           ".TP\n\\fI/etc/jackdaw/jackdaw.toml\\fR\nsettings of this host: fleet and output\n";
}

/// jackdaw(1), or one of a noun: what there is.
std::string overview_page(std::string_view noun) {
    const auto at = std::ranges::find(noun_table(), noun, &NounRow::noun);
    auto text = noun.empty()
                    ? head("jackdaw", "databases as a service: fleets, instances, their inside")
                    : head(fmt::format("jackdaw-{}", noun), at->text);
    text += fmt::format(".SH SYNOPSIS\n\\fBjackdaw\\fR {} \\fIVERB\\fR [\\fINAME\\fR] "
                        "[\\fIoptions\\fR]\n.SH COMMANDS\n",
                        noun.empty() ? "\\fINOUN\\fR" : fmt::format("\\fB{}\\fR", roff(noun)));
    for (const auto& row : command_table()) {
        if (noun.empty() || row.noun == noun) {
            text += fmt::format(".TP\n\\fB{}{}{}\\fR\n{}\n", roff(row.noun),
                                row.verb.empty() ? "" : " ", roff(row.verb), roff(row.text));
        }
    }
    if (noun.empty()) {
        text += ".SH COMMON OPTIONS\n" + items(common_options()) + exit_statuses() +
                environment_and_files();
    }
    text += ".SH SEE ALSO\n";
    std::string pages;
    for (const auto& row : command_table()) {
        if (noun.empty() || row.noun == noun) {
            pages += fmt::format("{}.BR {} (1)", pages.empty() ? "" : ",\n", roff(page_name(row)));
        }
    }
    return text + pages + "\n";
}

/// Every page in its file, each whole or not there.
Result<int> write_all(const std::filesystem::path& folder) {
    JACKDAW_CHECK(make_folders(folder, 0755));
    const auto write = [&](const std::string& name, const std::string& page) {
        return write_durably(folder / (name + ".1"), page, 0644);
    };
    JACKDAW_CHECK(write("jackdaw", overview_page("")));
    for (const auto& noun : noun_table()) {
        JACKDAW_CHECK(write(fmt::format("jackdaw-{}", noun.noun), overview_page(noun.noun)));
    }
    for (const auto& row : command_table()) { // a noun without verbs: its command instead
        JACKDAW_CHECK(write(page_name(row), command_page(row)));
    }
    return 0;
}

} // namespace

Result<int> manual(Session& session, const Invocation& invocation) {
    if (invocation.has("--folder")) {
        if (invocation.has("NOUN")) {
            return Error{Errc::invalid, "--folder gets all pages"};
        }
        return write_all(invocation.text("--folder"));
    }
    const auto noun = invocation.text("NOUN");
    const auto verb = invocation.text("VERB");
    std::vector<std::string> known;
    for (const auto& row : command_table()) {
        if (row.noun == noun && row.verb == verb) {
            session.terminal.out(command_page(row));
            return 0;
        }
        known.emplace_back(verb.empty() || row.noun != noun ? row.noun : row.verb);
    }
    const bool is_noun =
        std::ranges::find(noun_table(), noun, &NounRow::noun) != noun_table().end();
    if (verb.empty() && (noun.empty() || is_noun)) {
        session.terminal.out(overview_page(noun));
        return 0;
    }
    const auto near = nearest(is_noun ? verb : noun, known);
    return Error{Errc::not_found,
                 fmt::format("there is no command '{}{}{}'", printable(noun.substr(0, 40)),
                             verb.empty() ? "" : " ", printable(verb.substr(0, 40)))}
        .with_hint(near.empty() ? "`jackdaw help` shows what there is"
                                : fmt::format("did you mean '{}'?", near));
}

} // namespace jackdaw::cli
