#pragma once
// Listening sockets that the agent makes by itself: the channel's, gossip's and the one for
// metrics; and a plain member's UNIX sockets, since it has no root process.

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/settings.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

/// In the place of an earlier one; `invalid` for a path that no such socket can have, `unavailable`
/// with the system's reason.
[[nodiscard]] Result<UniqueFd> listen_unix(const std::string& path, mode_t mode);
/// `unavailable` with the system's reason: no address of this machine, or somebody listens there;
/// the hint says what mends either.
[[nodiscard]] Result<UniqueFd> listen_tcp(const HostPort& where);
/// The same for gossip: one socket per address family. One alone for an address; where every
/// address of a family is meant, one of the other family beside it, at the same port, so that
/// members of both are reached. That second one may be lacking here: then it is logged and left
/// out.
[[nodiscard]] Result<std::vector<UniqueFd>> listen_udp(const HostPort& where);

} // namespace jackdaw::agent
