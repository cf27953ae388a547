// jackdaw explain CODE | version

#include <fmt/format.h>

#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/suggest.h"

#ifndef JACKDAW_VERSION
#error "the build names the version"
#endif

namespace jackdaw::cli {
namespace {

Json code_json(const CodeRow& row) {
    return Json{{"apiVersion", proto::api_version},
                {"kind", "ErrorCode"},
                {"name", row.name},
                {"reaction", to_string(row.reaction)},
                {"exit_status", row.exit_status},
                {"text", row.text},
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
    if (auto reach = Reach::find(session, invocation)) {
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
