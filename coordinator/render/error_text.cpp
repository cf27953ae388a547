#include "coordinator/render/error_text.h"

#include <fmt/format.h>

#include "coordinator/render/table.h"

namespace jackdaw::cli {

std::string error_text(const proto::ErrorShape& error, bool colour) {
    // Nobody said what was being done: then the cause tells more than the table's general sentence.
    const auto* const row = find_code(error.code);
    const bool general = error.message.empty() || (row != nullptr && error.message == row->text);
    const auto what = general && !error.cause.empty() ? error.cause : error.message;
    auto text = fmt::format("{} {} ({})\n", styled("error:", Style::bad, colour), printable(what),
                            printable(error.code));
    if (!error.cause.empty() && error.cause != what) {
        text += fmt::format("cause: {}\n", printable(error.cause));
    }
    if (!error.hint.empty()) {
        text += fmt::format("hint: {}\n", printable(error.hint));
    }
    return text;
}

proto::Json error_json(const proto::ErrorShape& error) {
    proto::Json json{{"apiVersion", proto::api_version}, {"kind", "Error"}};
    json.update(proto::to_json(error));
    return json;
}

int exit_status_of(std::string_view code) {
    const auto* row = find_code(code);
    return row != nullptr ? row->exit_status : 1;
}

} // namespace jackdaw::cli
