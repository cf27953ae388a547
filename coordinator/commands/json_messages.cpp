#include "coordinator/commands/json_messages.h"

namespace jackdaw::cli {

std::string message_line(std::string_view text, std::string_view operation) {
    const proto::Json json{
        {"apiVersion", proto::api_version},
        {"kind", "Message"},
        {"text", text},
        {"operation", operation.empty() ? proto::Json() : proto::Json(operation)}};
    return json.dump(-1, ' ', false, proto::Json::error_handler_t::replace) + "\n";
}

void JsonMessages::err(std::string_view text) {
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        while (!line.empty() && line.front() == ' ') {
            line.remove_prefix(1); // aligned for people
        }
        if (!line.empty()) {
            inner_.err_document(message_line(line));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

void JsonMessages::set_interrupt_note(std::string_view note) {
    auto line = note.empty() ? std::string{} : message_line(note);
    if (!line.empty()) {
        line.pop_back(); // the terminal ends it
    }
    inner_.set_interrupt_note(line);
}

} // namespace jackdaw::cli
