#pragma once
// What commands send, held to the document that an agent serves of its API.

#include <string>

#include "coordinator/client/api_client.h"

namespace jackdaw::cli::fakes {

/// What the document does not know of a request: its route, a parameter of its query, its body or a
/// key in that. Empty: it knows all.
[[nodiscard]] std::string not_in_openapi(const ApiRequest& request);

} // namespace jackdaw::cli::fakes
