#pragma once
// Lists of an instance's databases and users, which have no shape of their own in proto.

#include <string>

#include "coordinator/client/api_client.h"
#include "coordinator/commands/session.h"

namespace jackdaw::cli {

/// The "items" of an agent's list, bounded. E-PROTOCOL without them.
[[nodiscard]] Result<Json> items_of(const Json& list);

} // namespace jackdaw::cli
