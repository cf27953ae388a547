// jackdaw explain CODE | version

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/suggest.h"

#ifndef JACKDAW_VERSION
#error "the build names the version"
#endif

namespace jackdaw::cli {
namespace {

/// May a script, or a person, simply try it again?
std::string_view again_after(Errc reaction) {
    switch (reaction) {
    case Errc::invalid: return "the same words are refused again: change them";
    case Errc::not_found: return "not before there is such a thing";
    case Errc::unsupported: return "not on this host, datastore or version";
    case Errc::conflict: return "only after a look at how it stands now";
    case Errc::busy: return "yes, once the other one has ended";
    case Errc::unavailable: return "yes, after a while; of a change look first: `jackdaw op list`";
    case Errc::deadline: return "look first: it may still run, or be done";
    case Errc::cancelled: return "yes";
    case Errc::exhausted: return "once there is room";
    case Errc::corrupt: return "not before the cause is found";
    case Errc::internal: return "perhaps; `jackdaw op show ID` has what failed";
    case Errc::not_allowed: return "not as this user";
    }
    return "";
}

struct MoreRow {
    Code code;
    std::string_view text;
};
/// What no line of an error has room for.
constexpr std::array more_rows{
    MoreRow{Code::name_taken,
            "a create with the same words is a no-op, with other words it is refused; one that "
            "failed keeps its name until `jackdaw op abort ID` or `jackdaw instance delete NAME`, "
            "and a machine keeps the name that it was made under after a rename"},
    MoreRow{Code::machine_down,
            "it is off or frozen, `jackdaw machine list` shows which; what only its agent knows "
            "cannot be told meanwhile"},
    MoreRow{Code::volume_foreign,
            "each volume has the stamp of its instance, so that no two databases run on one; "
            "`instance delete --keep-volume` says the id that --take-over takes"},
    MoreRow{Code::volume_not_blank,
            "what has anything on it is formatted only if --format names its serial again"},
    MoreRow{Code::memory_too_small,
            "`jackdaw datastore capabilities INSTANCE -o json` has memory_bytes_min; a create that "
            "failed so keeps its name until `jackdaw op abort ID`"},
    MoreRow{Code::config_refused,
            "new settings are tried before they are written; those in force are what they were"},
    MoreRow{Code::start_failed,
            "`jackdaw log tail NAME error` has the database's own words; after a change of "
            "parameters the agent goes back to the last good ones"},
    MoreRow{Code::crash_loop,
            "what ends by itself is started again, until that has happened too often in a row; a "
            "start by an operator begins anew, and `jackdaw log tail NAME error` says what it was"},
    MoreRow{Code::protected_,
            "`--protect` or `jackdaw instance protect` asked for it, so that no slip deletes it"},
    MoreRow{
        Code::unconfirmed,
        "what destroys data asks for a name to be typed; without a terminal only --yes says so"},
    MoreRow{Code::deadline, "what was begun goes on without this program, and may end well"},
    MoreRow{Code::aborted, "what it had made was taken back; there is nothing to resume"},
    MoreRow{Code::no_profile,
            "a fleet is looked for in --fleet, JACKDAW_FLEET, what `jackdaw fleet use` chose and "
            "the settings file, then the agent of this machine"},
};

std::string_view more_of(Code code) {
    const auto at = std::ranges::find(more_rows, code, &MoreRow::code);
    return at == more_rows.end() ? std::string_view{} : at->text;
}

Json code_json(const CodeRow& row) {
    return Json{{"apiVersion", proto::api_version},
                {"kind", "ErrorCode"},
                {"name", row.name},
                {"reaction", to_string(row.reaction)},
                {"exit_status", row.exit_status},
                {"text", row.text},
                {"more", more_of(row.code)},
                {"again", again_after(row.reaction)},
                {"hint", row.hint}};
}

} // namespace

Result<int> explain(Session& session, const Invocation& invocation) {
    const auto rows = all_codes();
    if (!invocation.has("CODE")) {
        Table table{{{"CODE"}, {"EXIT", false, true}, {"TEXT"}}, {}};
        Json items = Json::array();
        for (const auto& row : rows) {
            table.rows.push_back({{std::string{row.name}},
                                  {std::to_string(row.exit_status)},
                                  {std::string{row.text}}});
            items.push_back(code_json(row));
        }
        session.terminal.page(
            render_list(proto::list_json("ErrorCode", std::move(items), session.now_text()), table,
                        invocation.format, session.terminal.colour_out()));
        return 0;
    }
    auto wanted = invocation.text("CODE");
    for (auto& c : wanted) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    const auto* row = find_code(wanted.starts_with("E-") ? wanted : "E-" + wanted);
    if (row == nullptr) {
        std::vector<std::string> names;
        for (const auto& one : rows) {
            names.emplace_back(one.name);
        }
        const auto near = nearest(wanted, names);
        return Error{Errc::not_found, fmt::format("no code '{}'", wanted.substr(0, 40))}.with_hint(
            near.empty() ? "`jackdaw explain` lists them" : fmt::format("did you mean {}?", near));
    }
    const auto text = render_pairs({{"Code", {std::string{row->name}, Style::bold}},
                                    {"What", {std::string{row->text}}},
                                    {"More", {std::string{more_of(row->code)}}},
                                    {"Again", {std::string{again_after(row->reaction)}}},
                                    {"Do", {std::string{row->hint}}},
                                    {"Kind", {std::string{to_string(row->reaction)}}},
                                    {"Exit status", {std::to_string(row->exit_status)}}},
                                   session.terminal.colour_out());
    session.terminal.out(render_object(code_json(*row), text, invocation.format));
    return 0;
}

Result<int> version(Session& session, const Invocation& invocation) {
    Json json{{"apiVersion", proto::api_version},
              {"kind", "Version"},
              {"name", JACKDAW_VERSION},
              {"version", JACKDAW_VERSION},
              {"agent", nullptr}};
    std::string text = "jackdaw " JACKDAW_VERSION "\n";
    // An agent's version is a help, not a duty: nobody there is no failure.
    const bool alone = invocation.has("--version");
    if (auto reach = Reach::find(session, invocation); reach && !alone) {
        if (auto client = reach->any()) {
            if (const auto told = get(**client, "/v1/version", session.in(dial_limit))) {
                json["agent"] = proto::string_at(*told, "version", "").value_or("");
                text += fmt::format("agent   {}\n", printable(json["agent"].get<std::string>()));
            }
        }
    }
    session.terminal.out(render_object(json, text, invocation.format));
    return 0;
}

} // namespace jackdaw::cli
