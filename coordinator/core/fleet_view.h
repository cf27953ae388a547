#pragma once
// What gossip tells of the fleet and what the provider knows of its machines, put together.

#include <functional>
#include <string>
#include <vector>

#include "proto/messages/shapes.h"

namespace jackdaw::cli {

/// A machine as the provider has it; plain, so that the core needs no provider.
struct MachineView {
    std::string name, id, state, address, datastore, version;
};

struct FleetView {
    std::vector<proto::Instance> instances; ///< sorted by name
    std::vector<std::string> unreachable;   ///< names
};

/// Told instances get their machine's state; one that stands on a machine that is off, or that
/// nobody tells of, is `unreachable` with the reason. Two with one name are shown as name~1234 (the
/// id's last four digits). One that `is_gone` says yes to and that has no machine is left out:
/// other agents go on telling of it for a while.
[[nodiscard]] FleetView fleet_view(std::vector<proto::Instance> told,
                                   const std::vector<MachineView>& machines,
                                   const std::function<bool(const std::string& id)>& is_gone = {});

} // namespace jackdaw::cli
