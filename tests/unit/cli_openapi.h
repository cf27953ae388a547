#pragma once
// What commands send, held to the document that an agent serves of its API.

#include <set>
#include <string>

#include "coordinator/client/api_client.h"

namespace jackdaw::cli::fakes {

/// What the document does not know of a request: its route, a parameter of its query, its body or a
/// key in that. Empty: it knows all.
[[nodiscard]] std::string not_in_openapi(const ApiRequest& request);

/// What stands before the dot in the kinds of an agent's events.
[[nodiscard]] std::set<std::string> event_groups();

} // namespace jackdaw::cli::fakes
