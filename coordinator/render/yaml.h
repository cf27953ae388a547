#pragma once
// JSON values as YAML 1.2 block style, for people and for tools that read YAML.

#include <string>

#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

/// Ends with a newline. Text that YAML could take for something else is double-quoted, with JSON's
/// escapes (YAML 1.2, section 7.3.1, has all of them).
[[nodiscard]] std::string to_yaml(const proto::Json& value);

} // namespace jackdaw::cli
