// jackdaw member list | show | why | forget

#include <charconv>
#include <span>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

std::string rtt_of(const proto::MemberShape& member) {
    return member.rtt_ms ? fmt::format("{:.1f} ms", *member.rtt_ms) : "";
}

std::string text_at(const Json& object, const char* key) {
    const auto at = object.find(key);
    if (at == object.end() || at->is_null()) {
        return {};
    }
    return at->is_string() ? at->get<std::string>() : at->dump();
}

/// "db2, db3"
std::string accusers_of(const Json& change) {
    std::string names;
    const auto all = change.find("accusers");
    if (all == change.end() || !all->is_array()) {
        return names;
    }
    for (const auto& one : *all) {
        names += one.is_object() ? (names.empty() ? "" : ", ") + text_at(one, "name") : "";
    }
    return names;
}

std::string path_of(const std::string& member) {
    return "/v1/members/" + percent_encoded(member);
}

/// Of the one that is named. Errors: invalid.
Result<std::string> named_path(const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    if (name.empty()) { // else the path would be that of the list
        return Error{Errc::invalid, "a member's name or id is not empty"}.with_hint(
            "`jackdaw member list -o wide` shows both");
    }
    return path_of(name);
}

/// For people, beside the table: whose view it is. Each agent has its own, and begins it anew.
/// Nothing when that cannot be asked.
void note_viewer(Session& session, const Invocation& invocation, ApiClient& client) {
    if (invocation.format != Format::table && invocation.format != Format::wide) {
        return;
    }
    const auto gossip = get(client, "/v1/gossip", session.in(answer_limit));
    const auto id = gossip ? text_at(*gossip, "id") : std::string{};
    if (id.empty()) {
        return;
    }
    if (const auto self = get(client, path_of(id), session.in(answer_limit))) {
        session.terminal.err(of_same_fleet(
            fmt::format("note: seen by the agent of '{}' since it began, at {}{}\n",
                        printable(text_at(*self, "name")), printable(text_at(*self, "since")),
                        hears_no_other(*gossip) ? view_of_before : ""),
            invocation));
    }
}

std::string hex_of(const std::string& bytes) {
    return to_hex(std::as_bytes(std::span{bytes}));
}

} // namespace

Result<int> member_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any_member());
    JACKDAW_TRY(const auto list, get(*client, "/v1/members", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"NAME"},
                 {"STATUS"},
                 {"ADDRESS"},
                 {"ZONE RTT", false, true},
                 {"VERSION"},
                 {"SINCE"},
                 {"INCARNATION", true, true},
                 {"INSTANCE", true},
                 {"ID", true}},
                {}};
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::member_from(item));
        table.rows.push_back({{one.name},
                              {one.status, style_of_status(one.status)},
                              {one.address},
                              {rtt_of(one)},
                              {one.version},
                              {one.since},
                              {std::to_string(one.incarnation)},
                              {one.instance},
                              {one.id}});
    }
    note_untold_in(session, items, proto::to_json(proto::MemberShape{}));
    note_viewer(session, invocation, *client);
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> member_show(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto path, named_path(invocation));
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any_member());
    JACKDAW_TRY(const auto json, get(*client, path, session.in(answer_limit)));
    JACKDAW_TRY(const auto one, proto::member_from(json));
    note_untold(session, json, proto::to_json(proto::MemberShape{}));
    note_viewer(session, invocation, *client);
    const auto text = render_pairs(
        {{"Name", {one.name, Style::bold}},
         {"Id", {one.id}},
         {"Status", {one.status, style_of_status(one.status)}},
         {"Address", {one.address}},
         {"Round trip", {one.rtt_ms ? rtt_of(one) + ", mean of its zone" : ""}},
         {"Incarnation", {std::to_string(one.incarnation)}},
         {"Version", {one.version}},
         {"Instance", {one.instance}},
         {"Since", {one.since}},
         {"Gossip keys", {fmt::format("newest {}, seals with {}", one.ring, one.sealing)}}},
        session.terminal.colour_out());
    session.terminal.out(render_object(json, text, invocation.format));
    return 0;
}

Result<int> member_why(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto path, named_path(invocation));
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any_member());
    JACKDAW_TRY(const auto list, get(*client, path + "/why", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"WHEN"},
                 {"FROM"},
                 {"TO"},
                 {"CAUSE"},
                 {"WHO"},
                 {"ACCUSERS"},
                 {"PINGS", false, true},
                 {"HELPERS", false, true},
                 {"NACKS", false, true},
                 {"HEALTH", true, true},
                 {"RTO MS", true, true},
                 {"INCARNATION", true, true}},
                {}};
    for (const auto& item : items) {
        const auto cell = [&](const char* key) { return text_at(item, key); };
        table.rows.push_back({{cell("at")},
                              {cell("from"), style_of_status(cell("from"))},
                              {cell("to"), style_of_status(cell("to"))},
                              {cell("cause")},
                              {cell("who")},
                              {accusers_of(item)},
                              {cell("pings")},
                              {cell("helpers")},
                              {cell("nacks")},
                              {cell("health")},
                              {cell("rto_ms")},
                              {cell("incarnation")}});
    }
    note_viewer(session, invocation, *client);
    if (items.empty() &&
        (invocation.format == Format::table || invocation.format == Format::wide)) {
        session.terminal.err("note: no change of it is known there; no agent keeps its own\n");
    }
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out(), "at"));
    return 0;
}

Result<int> member_forget(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto path, named_path(invocation));
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation)); // whose operator signs
    const auto& fleet = reach.profile().name;
    JACKDAW_TRY(const auto keys, load_keys(session.folders, fleet));
    JACKDAW_TRY(const auto ring, read_gossip_ring(session.folders, fleet));
    JACKDAW_TRY(auto client, reach.any_member());
    JACKDAW_TRY(const auto json, get(*client, path, session.in(answer_limit)));
    JACKDAW_TRY(const auto member, proto::member_from(json));
    std::uint64_t id = 0;
    const auto* const end = member.id.data() + member.id.size();
    if (const auto [at, ec] = std::from_chars(member.id.data(), end, id, 16);
        ec != std::errc{} || at != end) {
        return Error{Errc::corrupt, "the agent told a member without an id"};
    }
    if (member.status == "suspect") {
        return Error{Errc::conflict,
                     fmt::format("'{}' is suspect: it may still speak up", printable(member.name))}
            .with_hint("again once `jackdaw member list` shows it down, some seconds from now");
    }
    if (member.status == "alive") {
        return Error{Errc::conflict, fmt::format("'{}' is alive: it would say so, and be back",
                                                 printable(member.name))}
            .with_hint(
                "only one that is gone can be forgotten: `jackdaw member list -o wide` tells "
                "the ids of others of this name");
    }
    if (invocation.dry_run) {
        return would(session, invocation,
                     {fmt::format("forget the member '{}' ({})", printable(member.name),
                                  printable(member.id))});
    }
    const auto forget = [&]() -> Result<void> {
        Json order{{"incarnation", member.incarnation},
                   {"operator_key", hex_of(keys.sign_public)},
                   {"signature", hex_of(sign_forget(keys, ring.fleet, id, member.incarnation))}};
        JACKDAW_CHECK(change(*client,
                             ApiRequest{"POST", path_of(member.id) + "/forget", std::move(order),
                                        new_uuid(session.clock, session.entropy)},
                             session.in(answer_limit)));
        return ok();
    };
    return at_once(session, invocation, "member.forget", member.name,
                   fmt::format("member '{}' is forgotten", printable(member.name)), forget);
}

} // namespace jackdaw::cli
