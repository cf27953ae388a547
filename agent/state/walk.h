#pragma once
// Looks at every page and record of a state.mdb before LMDB maps it: an own reader of LMDB 0.9's
// file format (data version 1; mdb.c, "Page Format" and struct MDB_meta) that trusts no number in
// the file and reads by pread(2), so that nothing in it can end the process.

#include <cstdint>

#include "proto/base/error.h"

namespace jackdaw::agent::state {

struct WalkReport {
    std::uint64_t transaction = 0; ///< of the last commit
    std::uint64_t records = 0;     ///< without the header
    std::uint64_t used_bytes = 0;  ///< up to the last page of either meta page
};

/// E-STATE-CORRUPT: a page or record is not what it must be, or the file is shorter than its last
/// page. E-STATE-NEWER: a sound header names a format above ours. `unavailable`: the disk cannot be
/// read.
[[nodiscard]] Result<WalkReport> walk_state(int fd);

/// The same in a forked child, of whose end anything but a clean report is E-STATE-CORRUPT.
[[nodiscard]] Result<WalkReport> walk_state_apart(int fd);

} // namespace jackdaw::agent::state
