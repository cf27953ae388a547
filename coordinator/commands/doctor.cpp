// jackdaw doctor: what this host has of what local machines need.

#include <fmt/format.h>

#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"

namespace jackdaw::cli {
namespace {

std::string_view weight_of(const cloud::Finding& finding) {
    using Weight = cloud::Finding::Weight;
    switch (finding.weight) {
    case Weight::info: return "info";
    case Weight::warning: return "warning";
    case Weight::required: return "required";
    }
    return "?";
}

Cell verdict_of(const cloud::Finding& finding) {
    if (finding.ok) {
        return {"ok", Style::good};
    }
    return finding.weight == cloud::Finding::Weight::required
               ? Cell{"missing", Style::bad}
               : Cell{std::string{weight_of(finding)}, Style::warning};
}

} // namespace

Result<int> doctor(Session& session, const Invocation& invocation) {
    // A host without a profile is asked, too: that is when it matters most.
    std::unique_ptr<Cloud> cloud;
    auto reach = Reach::find_fleet(session, invocation);
    if (reach) {
        JACKDAW_TRY(cloud, session.open_cloud(reach->profile().provider, reach->profile().name));
    } else if (!invocation.fleet.empty()) {
        return std::move(reach).error();
    } else {
        JACKDAW_TRY(cloud, session.open_cloud("local", "doctor"));
    }
    JACKDAW_TRY(const auto findings, cloud->provider().doctor());
    Table table{{{"WHAT"}, {"STATE"}, {"WHY"}, {"MEND WITH"}}, {}};
    Json items = Json::array();
    bool bad = false;
    for (const auto& one : findings) {
        bad = bad || (!one.ok && one.weight == cloud::Finding::Weight::required);
        table.rows.push_back({{one.name}, verdict_of(one), {one.cause}, {one.ok ? "" : one.mend}});
        items.push_back(Json{{"name", one.name},
                             {"ok", one.ok},
                             {"weight", weight_of(one)},
                             {"cause", one.cause},
                             {"mend", one.mend}});
    }
    session.terminal.page(
        render_list(proto::list_json("Finding", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    constexpr int degraded = 3; // CLI.md, exit status of health verbs
    return bad ? degraded : 0;
}

} // namespace jackdaw::cli
