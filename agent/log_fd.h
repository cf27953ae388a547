#pragma once
// A log that jackdaw-host opened, as agent/core/log_tail.h reads it.

#include "agent/core/log_tail.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

/// Owns the descriptor; outlives every LogBytes of it.
class LogFd {
public:
    explicit LogFd(UniqueFd fd) noexcept : fd_{std::move(fd)} {}

    /// The file as it is now: its identity and size by fstat(2), its bytes by pread(2), which for a
    /// regular file neither waits for a writer nor moves anything. `unavailable`.
    [[nodiscard]] Result<LogBytes> bytes() const;

private:
    UniqueFd fd_;
};

} // namespace jackdaw::agent
