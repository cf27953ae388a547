// jackdaw member list | show

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

std::string rtt_of(const proto::MemberShape& member) {
    return member.rtt_ms ? fmt::format("{:.1f} ms", *member.rtt_ms) : "";
}

} // namespace

Result<int> member_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any());
    JACKDAW_TRY(const auto list, get(*client, "/v1/members", session.in(answer_limit)));
    JACKDAW_TRY(const auto items, items_of(list));
    Table table{{{"NAME"},
                 {"STATUS"},
                 {"ADDRESS"},
                 {"RTT", false, true},
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
    session.terminal.page(
        render_list(list, table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> member_show(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.any());
    JACKDAW_TRY(const auto json,
                get(*client, "/v1/members/" + percent_encoded(invocation.text("NAME")),
                    session.in(answer_limit)));
    JACKDAW_TRY(const auto one, proto::member_from(json));
    const auto text = render_pairs({{"Name", {one.name, Style::bold}},
                                    {"Id", {one.id}},
                                    {"Status", {one.status, style_of_status(one.status)}},
                                    {"Address", {one.address}},
                                    {"Round trip", {rtt_of(one)}},
                                    {"Incarnation", {std::to_string(one.incarnation)}},
                                    {"Version", {one.version}},
                                    {"Instance", {one.instance}},
                                    {"Since", {one.since}}},
                                   session.terminal.colour_out());
    session.terminal.out(render_object(json, text, invocation.format));
    return 0;
}

} // namespace jackdaw::cli
