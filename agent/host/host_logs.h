#pragma once
// Logs, opened and rotated for an agent that may not enter the folder they lie in. The folder
// belongs to the database's user, who may put anything there at any moment: names beneath it by
// descriptor, what is found named before it is opened, and looked at again once it is.

#include <cstdint>
#include <string>

#include "agent/host/host.h"
#include "agent/host/host_volume.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent::host {

/// As Host::open_log(). The guard's own log is only database.log and what it was renamed to.
[[nodiscard]] Result<UniqueFd> open_log(const MachineFile& machine, const Volume& volume,
                                        LogOwner owner, const std::string& name);
/// As Host::rotate_log().
[[nodiscard]] Result<void> rotate_log(const MachineFile& machine, const Volume& volume,
                                      const std::string& name, unsigned keep);

} // namespace jackdaw::agent::host
