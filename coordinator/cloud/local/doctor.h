#pragma once
// What local machines need of this host, each with the command that mends it.

#include <string_view>
#include <vector>

#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/provider.h"

namespace jackdaw::cloud::local {

/// Everything, also what is good. Makes and drops a network namespace to try bridge and veth.
[[nodiscard]] Result<std::vector<Finding>> examine_host(const Path& state_root,
                                                        const Path& image_root);

/// The quick part of it: ok, or E-HOST-LACKS with each thing that is required and missing in its
/// message, and the commands as its hint.
[[nodiscard]] Result<void> require_host(const Path& state_root);

/// The nearest folder above (or at) the path that exists.
[[nodiscard]] Path existing(Path path);

/// Bit `number` of "CapEff:" in the text of /proc/PID/status (capabilities(7)). Pure.
[[nodiscard]] bool has_capability(std::string_view status, unsigned number);

/// Is the file system known to the kernel (text of /proc/filesystems)? Pure.
[[nodiscard]] bool lists_file_system(std::string_view filesystems, std::string_view name);

} // namespace jackdaw::cloud::local
