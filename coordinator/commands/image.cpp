// jackdaw image build | list | delete

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/core/words.h"
#include "proto/base/size.h"

namespace jackdaw::cli {

Result<int> image_build(Session& session, const Invocation& invocation) {
    const auto what = invocation.text("DATASTORE");
    JACKDAW_TRY(const auto parsed, parse_datastore(what));
    std::vector<std::string> arguments{parsed.second.empty() ? parsed.first
                                                             : parsed.first + ":" + parsed.second};
    if (invocation.has("--programs")) {
        arguments.insert(arguments.end(), {"--programs", invocation.text("--programs")});
    }
    if (invocation.has("--force")) {
        arguments.emplace_back("--force");
    }
    arguments.insert(arguments.end(), {"--output", session.folders.images().string()});
    if (invocation.dry_run) {
        return would(
            session, invocation,
            {fmt::format("bake an image of {} into {}", what, session.folders.images().string())});
    }
    return at_once(session, invocation, "image.build", what,
                   fmt::format("there is an image of {}", what),
                   [&] { return session.images.build(arguments); });
}

Result<int> image_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto images, session.images.list());
    Table table{{{"DATASTORE"}, {"VERSION"}, {"DIGEST"}, {"SIZE", false, true}, {"CREATED"}}, {}};
    Json items = Json::array();
    for (const auto& one : images) {
        table.rows.push_back(
            {{one.datastore},
             {one.version},
             {invocation.format == Format::wide ? one.digest : one.digest.substr(0, 12)},
             {format_size(one.size_bytes)},
             {one.created_at}});
        items.push_back(Json{{"apiVersion", proto::api_version},
                             {"kind", "Image"},
                             {"name", fmt::format("{}:{}", one.datastore, one.version)},
                             {"datastore", one.datastore},
                             {"version", one.version},
                             {"digest", one.digest},
                             {"size_bytes", one.size_bytes},
                             {"created_at", one.created_at}});
    }
    session.terminal.page(
        render_list(proto::list_json("Image", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out(), "digest"));
    return 0;
}

Result<int> image_delete(Session& session, const Invocation& invocation) {
    const auto reference = invocation.text("IMAGE");
    JACKDAW_TRY(const auto image, session.images.find(reference));
    const auto name =
        fmt::format("{}:{} ({})", image.datastore, image.version, image.digest.substr(0, 12));
    if (invocation.dry_run) {
        return would(session, invocation, {"delete image " + name});
    }
    JACKDAW_CHECK(confirm(session, invocation, reference, "deletes image " + name));
    return at_once(session, invocation, "image.delete", image.digest, "image " + name + " is gone",
                   [&] { return session.images.remove(image.digest); });
}

} // namespace jackdaw::cli
