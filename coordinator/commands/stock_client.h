#pragma once
// Becoming the client program that a database comes with.

#include <string>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/secret.h"

namespace jackdaw::cli {

/// Stands in an argument for the path of the options file.
inline constexpr std::string_view options_file_word = "{options}";

/// Replaces this process by `words` (the first one is searched in PATH), with the options in a file
/// 0600 that has no name in any folder and is gone with the client, whatever ends it. Returns only
/// when that fails: E-INSTALL-MISSING when there is no such program.
[[nodiscard]] Result<int> become_client(std::vector<std::string> words, const Secret& options);

} // namespace jackdaw::cli
