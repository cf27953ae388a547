// jackdaw config parameters | show | set | unset

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "proto/wire/datastore_json.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t value_columns = 40; ///< of a table that is not wide

Result<std::vector<proto::Parameter>> parameters_from(const Json& list) {
    JACKDAW_TRY(const auto items, items_of(list));
    std::vector<proto::Parameter> all;
    for (const auto& item : items) {
        JACKDAW_TRY(auto one, proto::parameter_from(item));
        all.push_back(std::move(one));
    }
    return all;
}

std::string lower(std::string text) {
    for (auto& c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

/// All words stand in name or text, whatever their letters' case; '-' in a name is '_'.
bool matches(const proto::Parameter& one, const std::vector<std::string>& words) {
    const auto name = lower(one.name);
    const auto text = lower(one.text);
    return std::ranges::all_of(words, [&](const std::string& word) {
        auto wanted = lower(word);
        const bool in_text = text.find(wanted) != std::string::npos;
        std::ranges::replace(wanted, '-', '_');
        return in_text || name.find(wanted) != std::string::npos;
    });
}

std::string cut(const std::string& value, bool wide) {
    return wide ? printable(value) : beginning(value, value_columns);
}

/// An empty text is a value; an empty number is none.
std::string shown_value(const proto::Parameter& one, const std::string& value) {
    return value.empty() && one.type == "string" ? "''" : value;
}

bool is_stopped(const proto::Instance& view) {
    return view.status == "stopped";
}

std::string range_of(const proto::Parameter& one) {
    if (!one.allowed.empty()) {
        return fmt::format("{}", fmt::join(one.allowed, "|"));
    }
    return one.min.empty() && one.max.empty() ? "" : fmt::format("{}..{}", one.min, one.max);
}

/// When a change counts.
std::string change_of(const proto::Parameter& one) {
    return !one.settable ? "never" : one.restart ? "restart" : "at once";
}

Table parameter_table(const std::vector<proto::Parameter>& parameters, bool wide) {
    Table table{{{"NAME"},
                 {"CURRENT"},
                 {"DEFAULT"},
                 {"TYPE"},
                 {"UNIT"},
                 {"RANGE"},
                 {"CHANGE"},
                 {"SOURCE"},
                 {"FROM", true},
                 {"FORMULA", true},
                 {"TEXT", true}},
                {}};
    for (const auto& one : parameters) {
        const bool own = one.is_configured;
        table.rows.push_back(
            {{one.name, own ? Style::bold : Style::plain},
             {cut(shown_value(one, one.current), wide),
              one.pending ? Style::warning : Style::plain},
             {cut(one.default_value, wide)},
             {one.type},
             {one.unit},
             {cut(range_of(one), wide)},
             {change_of(one)},
             {one.pending ? fmt::format("{} (pending: {})", one.source,
                                        cut(shown_value(one, one.configured), wide))
                          : one.source},
             {one.from},
             {one.formula},
             {one.text}});
    }
    return table;
}

/// What makes the database take parameters that wait. One that is stopped has nothing to restart.
std::string how_to_take(const proto::Instance& view, const std::string& instance) {
    return fmt::format("jackdaw instance {} {}", is_stopped(view) ? "start" : "restart", instance);
}

struct ParameterWords {
    InstanceAccess at;
    std::vector<std::string> words;
};

/// The first word is the instance only if there is one of that name: "config parameters innodb".
Result<ParameterWords> words_of(Session& session, const Invocation& invocation) {
    auto words = invocation.all("WORDS");
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    auto asked = invocation;
    if (invocation.has("INSTANCE") && !reach.has_instance(invocation.text("INSTANCE"))) {
        words.insert(words.begin(), invocation.text("INSTANCE"));
        asked.values.erase("INSTANCE");
    }
    auto at = access_instance(session, asked);
    if (!at && at.error().id() == Code::invalid && words.size() > invocation.all("WORDS").size()) {
        return std::move(at).error().while_doing(
            fmt::format("'{}' is no instance here", printable(words.front().substr(0, 60))));
    }
    if (!at) {
        return std::move(at).error();
    }
    return ParameterWords{*std::move(at), std::move(words)};
}

/// Which of these parameters wait for a restart, told after a change.
void tell_pending(Session& session, InstanceAccess& at, const std::set<std::string>& names,
                  Conclusion& end) {
    auto list = get(*at.client, "/v1/parameters?own=1", session.in(answer_limit));
    auto all = list ? parameters_from(*list)
                    : Result<std::vector<proto::Parameter>>{std::move(list).error()};
    auto instance = get(*at.client, "/v1/instance", session.in(answer_limit));
    auto view = instance ? proto::instance_from(*instance)
                         : Result<proto::Instance>{std::move(instance).error()};
    if (!all || !view) {
        end.operation.warnings.push_back(fmt::format(
            "what waits for a restart could not be read ({}); `jackdaw config show {}` tells",
            (all ? view.error() : all.error()).to_string(), at.name));
        return;
    }
    std::set<std::string> waiting{view->pending_restart.begin(), view->pending_restart.end()};
    for (const auto& one : *all) {
        if (one.pending) {
            waiting.insert(one.name);
        }
    }
    std::erase_if(waiting, [&](const std::string& name) { return !names.contains(name); });
    end.more = Json{{"pending_restart", waiting}};
    for (const auto& name : waiting) {
        end.said +=
            fmt::format("\n'{}'{}: `{}`", printable(name),
                        is_stopped(*view) ? ": its next start takes it" : " waits for a restart",
                        how_to_take(*view, at.name));
    }
    if (!waiting.empty()) {
        end.next = how_to_take(*view, at.name);
    }
}

Result<int> change_parameters(Session& session, const Invocation& invocation, InstanceAccess& at,
                              Json body, const std::set<std::string>& names,
                              std::string_view done) {
    if (invocation.dry_run) {
        std::vector<std::string> lines;
        for (const auto& name : names) {
            const auto value = body["set"].value(name, std::string{});
            lines.push_back(body["set"].contains(name)
                                ? fmt::format("set {}={} on instance '{}'", name, value, at.name)
                                : fmt::format("unset {} on instance '{}'", name, at.name));
        }
        return rehearse(session, invocation, at,
                        ApiRequest{"PATCH", "/v1/parameters", std::move(body), {}}, lines);
    }
    Conclusion end;
    end.said = fmt::format("{} of instance '{}' {} {}",
                           printable(fmt::format("{}", fmt::join(names, ", "))), at.name,
                           names.size() == 1 ? "is" : "are", done);
    end.what_there_is = fmt::format("`jackdaw config parameters {}` shows what there is", at.name);
    end.next = fmt::format("jackdaw config show {}", at.name);
    end.when_done = [&](Conclusion& told) { tell_pending(session, at, names, told); };
    return change_instance(session, invocation, at,
                           ApiRequest{"PATCH", "/v1/parameters", std::move(body), {}},
                           std::move(end));
}

} // namespace

Result<int> config_parameters(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto asked, words_of(session, invocation));
    JACKDAW_TRY(auto list, get(*asked.at.client, "/v1/parameters", session.in(answer_limit)));
    JACKDAW_TRY(const auto all, parameters_from(list));
    std::vector<proto::Parameter> wanted;
    Json items = Json::array();
    for (const auto& one : all) {
        const bool changed =
            one.is_configured || (one.source != "default" && one.current != one.default_value);
        if (matches(one, asked.words) && (changed || !invocation.has("--changed"))) {
            wanted.push_back(one);
            items.push_back(proto::to_json(one));
        }
    }
    note_untold_in(session, list.at("items"), proto::to_json(proto::Parameter{}));
    list["items"] = std::move(items);
    session.terminal.page(render_list(list,
                                      parameter_table(wanted, invocation.format == Format::wide),
                                      invocation.format, session.terminal.colour_out()));
    JACKDAW_TRY(const auto recorded, proto::string_at(list, "recorded", ""));
    if (!recorded.empty() && !is_structured(invocation.format)) {
        session.terminal.err(printable(recorded) + "\n");
    }
    return 0;
}

Result<int> config_show(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto list, get(*at.client, "/v1/parameters?own=1", session.in(answer_limit)));
    JACKDAW_TRY(const auto own, parameters_from(list));
    note_untold_in(session, list.at("items"), proto::to_json(proto::Parameter{}));
    JACKDAW_TRY(const auto json, get(*at.client, "/v1/instance", session.in(answer_limit)));
    JACKDAW_TRY(const auto instance, proto::instance_from(json));
    std::set<std::string> waiting{instance.pending_restart.begin(), instance.pending_restart.end()};
    const auto* const takes = is_stopped(instance) ? "start" : "restart";
    Table table{{{"NAME"}, {"VALUE"}, {"CURRENT"}, {"PENDING"}}, {}};
    Json settings = Json::object();
    const bool wide = invocation.format == Format::wide;
    bool is_cut = false;
    const auto shown_cut = [&](const std::string& value) {
        auto text = cut(value, wide);
        is_cut = is_cut || text != printable(value);
        return text;
    };
    for (const auto& one : own) {
        if (one.pending) {
            waiting.insert(one.name);
        }
        settings[one.name] = one.configured;
        table.rows.push_back({{one.name},
                              {shown_cut(one.configured.empty() ? "''" : one.configured)},
                              {shown_cut(shown_value(one, one.current))},
                              {one.pending ? takes : "", Style::warning}});
    }
    if (invocation.format == Format::name) { // of what the instance sets itself
        session.terminal.out(
            render_list(list, table, invocation.format, session.terminal.colour_out()));
        return 0;
    }
    JACKDAW_TRY(const auto recorded, proto::string_at(list, "recorded", ""));
    const bool colour = session.terminal.colour_out();
    auto text = own.empty() ? std::string{"the instance has no settings of its own\n"}
                            : render_table(table, wide, colour);
    if (is_cut) {
        text += fmt::format("…: `jackdaw config show {} -o wide` shows it whole\n", at.name);
    }
    if (!waiting.empty()) {
        text += fmt::format("{}: {} (`{}`)\n",
                            is_stopped(instance) ? "its next start takes" : "waits for a restart",
                            printable(fmt::format("{}", fmt::join(waiting, ", "))),
                            how_to_take(instance, at.name));
    }
    if (!recorded.empty()) {
        text += printable(recorded) + "\n";
    }
    Json shown{{"apiVersion", proto::api_version},
               {"kind", "Configuration"},
               {"name", at.name},
               {"instance", at.name},
               {"settings", std::move(settings)},
               {"parameters", list.at("items")},
               {"pending_restart", waiting}};
    if (!recorded.empty()) {
        shown["recorded"] = recorded;
    }
    session.terminal.page(render_object(shown, text, invocation.format));
    return 0;
}

Result<int> config_set(Session& session, const Invocation& invocation) {
    Json set = Json::object();
    std::set<std::string> names;
    for (const auto& word : invocation.all("NAME=VALUE")) {
        const auto equals = word.find('=');
        auto name = word.substr(0, equals);
        if (equals == std::string::npos || name.empty()) {
            return Error{Errc::invalid,
                         fmt::format("'{}' is not NAME=VALUE", printable(word.substr(0, 60)))}
                .with_hint("`jackdaw config parameters` shows names and ranges");
        }
        std::ranges::replace(name, '-', '_');
        if (!names.insert(name).second) {
            return Error{Errc::invalid,
                         fmt::format("'{}' is set twice", printable(name.substr(0, 60)))};
        }
        set[name] = word.substr(equals + 1);
    }
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    return change_parameters(session, invocation, at,
                             Json{{"set", std::move(set)}, {"unset", Json::array()}}, names, "set");
}

Result<int> config_unset(Session& session, const Invocation& invocation) {
    std::set<std::string> names;
    for (auto name : invocation.all("NAME")) {
        std::ranges::replace(name, '-', '_');
        names.insert(std::move(name));
    }
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    return change_parameters(session, invocation, at,
                             Json{{"set", Json::object()}, {"unset", names}}, names, "unset");
}

} // namespace jackdaw::cli
