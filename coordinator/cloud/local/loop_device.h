#pragma once
// Loop devices (loop(4)): a file as a disk. Attached with AUTOCLEAR, so that the device goes when
// its last holder does.

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "coordinator/cloud/local/files.h"

namespace jackdaw::cloud::local {

struct LoopAttached {
    int fd = -1;                 ///< holds the device, close-on-exec; -1: failed
    std::array<char, 24> path{}; ///< "/dev/loop7"
    int error = 0;               ///< errno of a failure
};

/// Attaches `file_fd` to a free device through `control_fd` (/dev/loop-control), with direct I/O
/// where the file has it. Tries again when another process takes the device first. System calls
/// only: fit for a child between clone and exec.
[[nodiscard]] LoopAttached attach_loop(int control_fd, int file_fd) noexcept;

/// "/dev/loop7" of the device behind which this very file (device and inode) stands.
[[nodiscard]] Result<std::optional<std::string>> find_loop(const Path& file);

/// Tells the device that its file has grown (LOOP_SET_CAPACITY).
[[nodiscard]] Result<void> refresh_capacity(const std::string& device);

} // namespace jackdaw::cloud::local
