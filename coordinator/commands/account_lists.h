#pragma once
// Lists of an instance's databases and users, which have no shape of their own in proto, and how an
// account is named.

#include <string>

#include "coordinator/client/api_client.h"
#include "coordinator/commands/session.h"
#include "coordinator/core/words.h"

namespace jackdaw::cli {

struct InstanceAccess;

/// The "items" of an agent's list, bounded, each an object. E-PROTOCOL without them.
[[nodiscard]] Result<Json> items_of(const Json& list);

/// USER or NAME as NAME[@HOST][/DB[,DB]]; --host and --database go before it. E-BAD-NAME,
/// `invalid`.
[[nodiscard]] Result<proto::UserSpec> account_of(const Invocation& invocation);
/// "/v1/users/NAME/grants?host=H" for `below` "/grants".
[[nodiscard]] std::string user_path(const proto::UserSpec& user, std::string_view below);
/// The hint when there is no such user: who has this name at other hosts, then `otherwise`.
[[nodiscard]] std::string namesakes_hint(Session& session, InstanceAccess& at,
                                         const proto::UserSpec& user, const std::string& otherwise);

/// Warns of what is open under this name: a lock or a deletion ends no session.
void warn_of_sessions(Session& session, InstanceAccess& at, const std::string& user,
                      proto::Operation& operation);

} // namespace jackdaw::cli
