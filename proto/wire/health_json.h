#pragma once
// The shapes of proto/messages/health_shapes.h as JSON and back, by the rules of shapes_json.h.

#include "proto/messages/health_shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::proto {

[[nodiscard]] Json to_json(const FindingShape& value);
[[nodiscard]] Json to_json(const LoadShape& value); ///< with apiVersion and kind

[[nodiscard]] Result<FindingShape> finding_from(const Json& json);
[[nodiscard]] Result<LoadShape> load_from(const Json& json);

} // namespace jackdaw::proto
