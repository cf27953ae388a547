#pragma once
// The API as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.0), made of Router::rows() and the
// schemas of the shapes.

#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

/// Pure; the same for every agent of one version.
[[nodiscard]] proto::Json openapi_document(std::string_view version);

} // namespace jackdaw::agent
