#pragma once
// An Error for people (three lines) and for programs (one JSON object).

#include <string>

#include "proto/base/error.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

/// "error: what (E-CODE)", "cause: …", "hint: …". The cause is left out when it says what the first
/// line says.
[[nodiscard]] std::string error_text(const proto::ErrorShape& error, bool colour);
/// The same as {"apiVersion", "kind": "Error", "code", "message", "cause", "hint", "operation"};
/// `message` is the first line, and `cause` empty when it would say that again.
[[nodiscard]] proto::Json error_json(const proto::ErrorShape& error);
/// The exit status of a code as CLI.md lists them; 1 for a code that this program does not know.
[[nodiscard]] int exit_status_of(std::string_view code);

} // namespace jackdaw::cli
