// jackdaw datastore list | versions | capabilities

#include <map>
#include <set>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/suggest.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

Json versions_json(const std::vector<ImageView>& images) {
    Json versions = Json::array();
    for (const auto& image : images) {
        versions.push_back(Json{
            {"version", image.version}, {"image", image.digest}, {"created_at", image.created_at}});
    }
    return versions;
}

} // namespace

Result<int> datastore_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto images, session.images.list());
    std::map<std::string, std::vector<ImageView>> by_name;
    for (const auto& image : images) {
        by_name[image.datastore].push_back(image);
    }
    Table table{{{"NAME"}, {"VERSIONS"}}, {}};
    Json items = Json::array();
    for (const auto& [name, all] : by_name) {
        std::set<std::string> versions; // a newer image of the same version is not another one
        for (const auto& image : all) {
            versions.insert(image.version);
        }
        table.rows.push_back({{name}, {fmt::format("{}", fmt::join(versions, ", "))}});
        items.push_back(Json{{"name", name}, {"versions", versions_json(all)}});
    }
    session.terminal.page(
        render_list(proto::list_json("Datastore", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> datastore_versions(Session& session, const Invocation& invocation) {
    const auto wanted = invocation.text("DATASTORE");
    JACKDAW_TRY(const auto images, session.images.list());
    std::vector<std::string> names;
    Table table{{{"VERSION"}, {"IMAGE"}, {"CREATED"}}, {}};
    Json items = Json::array();
    for (const auto& image : images) {
        names.push_back(image.datastore);
        if (image.datastore != wanted) {
            continue;
        }
        const bool wide = invocation.format == Format::wide;
        table.rows.push_back({{image.version},
                              {wide ? image.digest : image.digest.substr(0, 12)},
                              {image.created_at}});
        items.push_back(Json{{"name", image.version},
                             {"datastore", image.datastore},
                             {"image", image.digest},
                             {"created_at", image.created_at}});
    }
    if (items.empty()) {
        const auto near = nearest(wanted, names);
        return Error{Errc::not_found,
                     fmt::format("nothing here is made of '{}'", printable(wanted.substr(0, 40)))}
            .with_hint(near.empty() ? "`jackdaw datastore list` shows what there is"
                                    : fmt::format("did you mean '{}'?", near));
    }
    session.terminal.page(
        render_list(proto::list_json("DatastoreVersion", std::move(items), session.now_text()),
                    table, invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> datastore_capabilities(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto at, access_instance(session, invocation));
    JACKDAW_TRY(const auto json, get(*at.client, "/v1/datastore", session.in(answer_limit)));
    JACKDAW_TRY(const auto name, proto::string_at(json, "name", ""));
    JACKDAW_TRY(const auto version, proto::string_at(json, "version", ""));
    JACKDAW_TRY(const auto port, proto::number_at(json, "default_port", 0, UINT16_MAX));
    JACKDAW_TRY(const auto volume, proto::number_at(json, "volume_bytes_min", 0, UINT64_MAX));
    JACKDAW_TRY(const auto memory, proto::number_at(json, "memory_bytes_min", 0, UINT64_MAX));
    const auto capabilities = json.find("capabilities");
    if (capabilities == json.end() || !capabilities->is_object() ||
        capabilities->size() > proto::list_items_max) {
        return Error{Code::protocol, "the agent's answer has no 'capabilities'"};
    }
    const bool colour = session.terminal.colour_out();
    auto text = render_pairs({{"Datastore", {name, Style::bold}},
                              {"Version", {version}},
                              {"Port", {port == 0 ? "" : std::to_string(port)}},
                              {"Smallest volume", {format_size(volume)}},
                              {"Smallest memory", {format_size(memory)}}},
                             colour);
    Table table{{{"CAPABILITY"}, {"HAS IT"}}, {}};
    for (const auto& [key, value] : capabilities->items()) {
        const bool has = value.is_boolean() && value.get<bool>();
        table.rows.push_back({{key}, {has ? "yes" : "no", has ? Style::good : Style::dim}});
    }
    session.terminal.out(
        render_object(json, text + "\n" + render_table(table, false, colour), invocation.format));
    return 0;
}

} // namespace jackdaw::cli
