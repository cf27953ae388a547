#pragma once
// jackdaw-host's life: forked as jackdawd's first act, joined to it by a socket pair; if either
// ends, both start again.

#include <sys/types.h>

#include "agent/host/host.h"
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
/// `ports` is what set_firewall() lets in besides the database's.
[[nodiscard]] Result<HostProcess> fork_host(OpenPorts ports = {});

/// The parent, afterwards: user and group jackdawd, group jackdaw beside it, no way back, not
/// dumpable, no core file. An error leaves the process half-way: end it.
[[nodiscard]] Result<void> drop_rights();

} // namespace jackdaw::agent
