#pragma once
// What a statement of ours waited for in vain: a global read lock, a lock on the server's own
// tables, a prepared XA transaction's, or another session's; and which session that can be.
//
// MariaDB 10.11 as the agent runs it does not tell who holds a lock: performance_schema is off, and
// the plug-in metadata_lock_info is not installed. So the kind of lock is found by asking for one
// that does not wait, and the holder by leaving out those who cannot be it.

#include <optional>
#include <string>

#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

struct Blocker {
    std::string
        cause; ///< "session 7 of 'app'@'10.0.0.5:4711' holds …"; printable, at most 600 bytes
    std::string hint; ///< the command that ends it, with INSTANCE for the name
};

/// Asked after the server gave a statement up with that error (ER_LOCK_WAIT_TIMEOUT,
/// ER_STATEMENT_TIMEOUT). Nullopt: no lock is to be seen, so it was slow. Changes nothing.
[[nodiscard]] std::optional<Blocker> find_blocker(Session& session, const plugins::Call& call,
                                                  unsigned error);

} // namespace jackdaw::mariadb
