#pragma once
// The agent's own account in a server whose accounts are a tenant's, who may have all rights: what
// was made of it, and how it becomes again what it must be while a session with its old rights is
// still open. (A session keeps the rights on everything that its account had when it logged in:
// tests/real/e2e/tenant_test.py sees it.)

#include <string>

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"
#include "proto/base/error.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t look_alikes_max = 20;

/// Each part by a question of its own that ends within a second, whatever is locked: what is wrong
/// with `admin`@localhost, what could be taken for it (its name at another host, in
/// other letters or with blanks behind it; an anonymous account, which the server takes a login for
/// when ours is gone), and how many connections there are.
[[nodiscard]] Result<plugins::Examination> examine(Session& session, const plugins::Call& call,
                                                   const std::string& admin);

/// The account is what the init file makes it, and has its name for itself. `not_allowed` when this
/// session has no right to that. The event scheduler is switched off first when an event names the
/// account, and `again` in any case, since what takes it each second can be hidden from a look
/// (EXECUTE IMMEDIATE of parts); `before` is told of it before that.
[[nodiscard]] Result<plugins::Repaired> repair_account(Session& session, const plugins::Call& call,
                                                       const std::string& admin, bool again,
                                                       const plugins::BeforeStopping& before);

} // namespace jackdaw::mariadb
