// jackdaw log list | tail

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/follow_news.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

struct LogPart {
    std::vector<std::string> lines;
    std::string cursor;
    bool is_cut = false;
};

/// An agent shows 16 KiB of a line at most. A byte that cannot be printed takes four, and how much
/// more there was stands behind them (agent/core/log_tail.h).
constexpr std::size_t line_bytes_max = (std::size_t{64} << 10) + 64;

Result<std::vector<std::string>> lines_from(const Json& json) {
    const auto at = json.is_object() ? json.find("lines") : json.end();
    if (!json.is_object() || at == json.end()) {
        return std::vector<std::string>{};
    }
    if (!at->is_array() || at->size() > shown_max) {
        return Error{Errc::invalid,
                     fmt::format("'lines' must be a list of at most {} texts", shown_max)};
    }
    std::vector<std::string> lines;
    for (const auto& line : *at) {
        if (!line.is_string() || line.get_ref<const std::string&>().size() > line_bytes_max) {
            return Error{Errc::invalid,
                         fmt::format("'lines' must be texts of at most {} bytes", line_bytes_max)};
        }
        lines.push_back(line.get<std::string>());
    }
    return lines;
}

Result<LogPart> part_from(const Json& json) {
    LogPart part;
    JACKDAW_TRY(part.lines, lines_from(json));
    JACKDAW_TRY(part.cursor, proto::string_at(json, "cursor", ""));
    JACKDAW_TRY(part.is_cut, proto::bool_at(json, "is_cut", false));
    return part;
}

/// The database writes what its tenant likes: no line of it speaks to the terminal. A tab, which
/// stands between the parts of many logs' lines, moves to a column that this output has not.
std::string shown_line(std::string line) {
    std::ranges::replace(line, '\t', ' ');
    return printable(line);
}

/// A line of the log is a line of jsonl, which says of itself whether some were left out before it.
std::string lines_alone(const Json& json, const LogPart& part) {
    std::string text;
    bool is_cut = part.is_cut;
    for (const auto& line : part.lines) {
        text += Json{{"apiVersion", proto::api_version},
                     {"kind", "LogLine"},
                     {"log", json.value("name", Json{})},
                     {"text", line},
                     {"is_cut", std::exchange(is_cut, false)}}
                    .dump(-1, ' ', false, Json::error_handler_t::replace) +
                "\n";
    }
    return text;
}

void show(Session& session, const Invocation& invocation, const Json& json, const LogPart& part,
          bool follows) {
    if (is_structured(invocation.format)) {
        session.terminal.out(follows || invocation.format == Format::jsonl
                                 ? lines_alone(json, part)
                                 : render_object(json, "", invocation.format, "name"));
        return;
    }
    if (part.is_cut) {
        session.terminal.err("(lines were left out before these)\n");
    }
    std::string text;
    for (const auto& line : part.lines) {
        text += shown_line(line) + "\n";
    }
    if (follows) {
        session.terminal.out(text);
    } else {
        session.terminal.page(text);
    }
}

/// A log that is not written shows nothing, or what is old: that is said, and what turns it on.
Result<void> tell_if_off(Session& session, InstanceAccess& at, const std::string& name) {
    JACKDAW_TRY(const auto list, get(*at.client, "/v1/logs", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::log_from(item));
        if (one.name == name && !one.elsewhere.empty()) {
            session.terminal.err(fmt::format("note: the database writes the {} log to {}; what "
                                             "stands there is not read (`jackdaw instance restart "
                                             "{}` leads it back)\n",
                                             printable(name), printable(one.elsewhere), at.name));
        } else if (one.name == name && !one.enabled && !one.enabled_by.empty()) {
            session.terminal.err(fmt::format(
                "note: nothing is written to the {} log now; if '{}' runs, `jackdaw config set {} "
                "{}=ON` turns it on\n",
                printable(name), at.name, at.name, printable(one.enabled_by)));
        }
    }
    return ok();
}

} // namespace

Result<int> log_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto list, get(*at.client, "/v1/logs", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"NAME"},
                 {"WRITTEN"},
                 {"SIZE", false, true},
                 {"AT MOST", false, true},
                 {"OLDER ONES", false, true},
                 {"CHANGED"}},
                {}};
    note_untold_in(session, items, proto::to_json(proto::LogShape{}));
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::log_from(item));
        table.rows.push_back(
            {{one.name},
             {!one.elsewhere.empty() ? "elsewhere"
              : one.enabled          ? "yes"
              : one.enabled_by.empty()
                  ? "no"
                  : fmt::format("no: `jackdaw config set {} {}=ON`", at.name, one.enabled_by),
              !one.elsewhere.empty() ? Style::warning
              : one.enabled          ? Style::good
                                     : Style::dim},
             {format_size(one.size_bytes)},
             {format_size(one.size_bytes_max)},
             {std::to_string(one.kept)},
             {!one.refused.empty() ? "not read: " + one.refused
              : !one.elsewhere.empty()
                  ? fmt::format("written without bound to {}; `jackdaw instance restart {}` leads "
                                "it back",
                                one.elsewhere, at.name)
                  : one.changed_at,
              !one.refused.empty()     ? Style::bad
              : !one.elsewhere.empty() ? Style::warning
                                       : Style::plain}});
    }
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> log_tail(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto lines, count_of(invocation, "--lines", "100"));
    auto asked = invocation; // "log tail slow": one word is the instance only if there is that one
    if (invocation.has("INSTANCE") && !invocation.has("LOG")) {
        JACKDAW_TRY(auto reach, Reach::find(session, invocation));
        if (!reach.has_instance(invocation.text("INSTANCE"))) {
            asked.values["LOG"] = {invocation.text("INSTANCE")};
            asked.values.erase("INSTANCE");
        }
    }
    JACKDAW_TRY(auto at, access_instance(session, asked));
    const auto name = asked.text("LOG", "error");
    const auto path = "/v1/logs/" + percent_encoded(name);
    const bool follows = invocation.has("--follow");
    std::string cursor;
    const auto ask = [&](ApiClient& client, const std::string& query) -> Result<void> {
        JACKDAW_TRY(const auto json,
                    get(client, fmt::format("{}?{}", path, query), session.in(answer_limit)));
        JACKDAW_TRY(const auto part, part_from(json));
        if (cursor.empty() || !part.lines.empty() || part.is_cut) {
            show(session, invocation, json, part, follows);
        }
        cursor = part.cursor;
        return ok();
    };
    JACKDAW_CHECK(ask(*at.client, fmt::format("lines={}", lines)));
    if (asked.has("LOG")) { // the other one is always written
        JACKDAW_CHECK(tell_if_off(session, at, name));
    }
    if (!follows) {
        return 0;
    }
    return follow_news_of(session, invocation, at, [&](ApiClient& client) {
        return ask(client, fmt::format("lines={}&cursor={}", shown_max, percent_encoded(cursor)));
    });
}

} // namespace jackdaw::cli
