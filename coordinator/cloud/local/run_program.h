#pragma once
// Runs one of the host's programs (nft, mkfs.ext4): standard input given, output kept within a
// bound, time limited, no other descriptor inherited, and killed if the coordinator is.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::cloud::local {

struct ProgramEnd {
    int status = 0;     ///< exit status, or 128 + the signal
    std::string output; ///< stdout and stderr, the first 16 KiB
};

/// Absolute path of a program in the usual folders (never the caller's PATH); empty: this host has
/// none.
[[nodiscard]] std::string find_program(std::string_view name);

/// `arguments[0]` is an absolute path. `deadline` when it did not end in time (it is killed and
/// reaped). The environment is PATH and LC_ALL=C.
[[nodiscard]] Result<ProgramEnd> run_program(const std::vector<std::string>& arguments,
                                             std::string_view input,
                                             std::chrono::milliseconds time);

/// The same, with any status but 0 an Error (E-JOB-FAILED) that has the output's last line.
[[nodiscard]] Result<std::string> run_checked(const std::vector<std::string>& arguments,
                                              std::string_view input,
                                              std::chrono::milliseconds time);

} // namespace jackdaw::cloud::local
