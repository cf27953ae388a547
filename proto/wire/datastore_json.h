#pragma once
// The shapes of proto/messages/datastore_shapes.h as JSON and back; as shapes_json.h, reading
// trusts nothing.

#include "proto/messages/datastore_shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::proto {

[[nodiscard]] Json to_json(const Grant& value);
[[nodiscard]] Json to_json(const UserAttributes& value); ///< null for what is not said
[[nodiscard]] Json to_json(const UserDetails& value);
[[nodiscard]] Json to_json(const RootStatus& value);
[[nodiscard]] Json to_json(const SessionShape& value);
[[nodiscard]] Json to_json(const Parameter& value);
[[nodiscard]] Json to_json(const LogShape& value);

[[nodiscard]] Result<Grant> grant_from(const Json& json);
[[nodiscard]] Result<UserAttributes> user_attributes_from(const Json& json);
[[nodiscard]] Result<UserDetails> user_details_from(const Json& json);
[[nodiscard]] Result<RootStatus> root_status_from(const Json& json);
[[nodiscard]] Result<SessionShape> session_from(const Json& json);
[[nodiscard]] Result<Parameter> parameter_from(const Json& json);
[[nodiscard]] Result<LogShape> log_from(const Json& json);

} // namespace jackdaw::proto
