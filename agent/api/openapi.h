#pragma once
// The API as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.0), made of Router::rows() and the
// schemas of the shapes.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

/// Pure; the same for every agent of one version.
[[nodiscard]] proto::Json openapi_document(std::string_view version);

/// What a body has and its schema lacks.
struct UnknownField {
    std::string path;               ///< "users[1].hots"; as the caller wrote it, uncut
    std::vector<std::string> known; ///< what stands there by the schema, sorted; may be empty
};
/// The first such field of `body`, however deep; nullopt: none. An empty `schema` knows no field.
/// What is no object where one belongs, and objects of free keys, are left to whoever reads them.
[[nodiscard]] std::optional<UnknownField> unknown_field(std::string_view schema,
                                                        const proto::Json& body);

} // namespace jackdaw::agent
