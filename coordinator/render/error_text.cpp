#include "coordinator/render/error_text.h"

#include <fmt/format.h>

#include "coordinator/render/table.h"

namespace jackdaw::cli {

namespace {

/// Nobody said what was being done: then the cause tells more than the table's general sentence.
proto::ErrorShape headed(proto::ErrorShape error) {
    const auto* const row = find_code(error.code);
    const bool general = error.message.empty() || (row != nullptr && error.message == row->text);
    if (general && !error.cause.empty()) {
        error.message = error.cause;
    }
    if (error.cause == error.message) {
        error.cause.clear();
    }
    return error;
}

} // namespace

std::string error_text(const proto::ErrorShape& error, bool colour) {
    const auto told = headed(error);
    auto text = fmt::format("{} {} ({})\n", styled("error:", Style::bad, colour),
                            printable(told.message), printable(told.code));
    if (!told.cause.empty()) {
        text += fmt::format("cause: {}\n", printable(told.cause));
    }
    if (!error.hint.empty()) {
        text += fmt::format("hint: {}\n", printable(error.hint));
    }
    return text;
}

proto::Json error_json(const proto::ErrorShape& error) {
    proto::Json json{{"apiVersion", proto::api_version}, {"kind", "Error"}};
    json.update(proto::to_json(headed(error)));
    return json;
}

int exit_status_of(std::string_view code) {
    const auto* row = find_code(code);
    return row != nullptr ? row->exit_status : 1;
}

} // namespace jackdaw::cli
