#pragma once
// What an operation was asked to do, in a few words beside its action and target: "SELECT on
// shop.*", "max_connections=64", "superuser". Pure; no secret gets into it.

#include <string>
#include <string_view>

#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

/// At most some 400 bytes; empty: action and target say it all. `arguments` as the journal has
/// them.
[[nodiscard]] std::string detail_of(std::string_view action, const proto::Json& arguments);

/// Asked for what cannot be, or is there already: whoever asked was told, and nothing was left
/// half done.
[[nodiscard]] bool is_refusal(const proto::ErrorShape& error);

} // namespace jackdaw::agent
