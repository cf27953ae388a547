#pragma once
// jackdaw-host's life: forked as jackdawd's first act, joined to it by a socket pair; if either
// ends, both start again.

#include <sys/types.h>

#include <cstdint>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

struct HostProcess {
    UniqueFd socket; ///< for HostClient
    pid_t pid = -1;
};

/// Call it as the first act of main(), as root, with one thread and nothing open but 0 to 2. In the
/// parent it returns at once; the child never returns: it takes /run/jackdaw/host.lock (waiting for
/// the host of a killed agent, which may still be inside a verb), makes the machine's folders,
/// reads or writes the machine file, and serves verbs until the parent's end of the socket closes.
/// `metrics_port` is let in beside the database's port, for the same networks; 0: none.
[[nodiscard]] Result<HostProcess> fork_host(std::uint16_t metrics_port = 0);

/// The parent, afterwards: user and group jackdawd, group jackdaw beside it, no way back, not
/// dumpable, no core file. An error leaves the process half-way: end it.
[[nodiscard]] Result<void> drop_rights();

} // namespace jackdaw::agent
