#pragma once
// What the files that make a fleet's findings share.

#include <string>
#include <vector>

#include "coordinator/core/fleet_health.h"

namespace jackdaw::cli {

/// `cause` empty: it is well.
[[nodiscard]] proto::FindingShape of_fleet(std::string name, std::string subject, std::string cause,
                                           std::string severity, std::string mend);

/// The machine whose agent it is. One that was shut out before it told its status is known by its
/// name and its address alone, as is a machine whose record is damaged; a machine that a member
/// who is heard tells of is that one's. Null: nothing is here that could come back as it.
[[nodiscard]] const MachineHealth* machine_of(const FleetHealth& seen,
                                              const proto::MemberShape& member);

// fleet_keys.cpp
/// Who missed a rotation, by what it last said: others cannot tell it in words that it could open.
void look_at_keys(const FleetHealth& seen, std::vector<proto::FindingShape>& all);
/// By what each agent says that it holds, against the fleet's ring.
void look_at_rings(const FleetHealth& seen, std::vector<proto::FindingShape>& all);
/// Two keys of one version: are there any?
bool look_at_clashes(const FleetHealth& seen, std::vector<proto::FindingShape>& all);

} // namespace jackdaw::cli
