#pragma once
// How much of a volume has to be free for a start of an engine on it.

#include <algorithm>
#include <cstdint>

namespace jackdaw::agent {

/// Bytes that a start may write before the engine serves anybody (MariaDB's ibtmp1: 12 MiB at
/// once): 4 % of the file system, 16 MiB at most. With less a failed start is the volume's fault,
/// and a volume that was full is tried again only when so much is free.
constexpr std::uint64_t start_room(std::uint64_t filesystem_bytes) noexcept {
    return std::min(filesystem_bytes / 25, std::uint64_t{16} << 20U);
}

} // namespace jackdaw::agent
