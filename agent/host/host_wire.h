#pragma once
// One SEQPACKET message with descriptors, sent and received.

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "proto/base/unique_fd.h"

namespace jackdaw::agent::host {

inline constexpr std::size_t message_fds_max = 8;

/// Blocks. False when the other end has gone. `fd` -1: none goes along.
[[nodiscard]] bool send_message(int socket, const void* bytes, std::size_t size, int fd);
/// recvmsg(2)'s result: 0 at the end; a message that does not fit, or more descriptors than
/// message_fds_max, is returned as `size` + 1 cut off, so that no validity check accepts it.
[[nodiscard]] ssize_t receive_message(int socket, void* bytes, std::size_t size,
                                      std::vector<UniqueFd>& fds);

} // namespace jackdaw::agent::host
