#pragma once
// What `jackdaw doctor` says of a fleet: what the coordinator saw goes in, findings with the
// command that mends each come out.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/messages/health_shapes.h"
#include "proto/messages/key_holders.h"
#include "proto/messages/shapes.h"

namespace jackdaw::cli {

/// A machine as the provider has it, and its agent as it answered.
struct MachineHealth {
    std::string name, id;
    std::string address; ///< of its agent; empty: unknown
    std::string state;   ///< making off on frozen damaged
    bool cut = false;    ///< from the network, by `machine cut`
    bool wanted_on = false;
    std::vector<std::string> warnings; ///< of its last start
    /// Of one that is on: nullopt when it answered.
    std::optional<proto::ErrorShape> silent;
    std::string agent_version;               ///< empty: not asked
    bool has_no_instance = false;            ///< its agent says so, though it was given one
    std::string failed_create;               ///< the operation that its agent failed; empty: none
    std::int64_t clock_ahead_ms = 0;         ///< its wall clock against this host's
    std::vector<proto::FindingShape> told;   ///< by the agent itself
    std::optional<proto::ErrorShape> untold; ///< it answered, and not this
    proto::KeyIds keys;                      ///< the gossip keys that it holds; empty: unknown
};

/// A create or delete of this journal that has not come to its end.
struct UnfinishedWork {
    std::string name, operation;
    bool is_delete = false;
    bool somebody_works = false; ///< the coordinator that does it lives
};

struct FleetHealth {
    std::string fleet, version; ///< of this program
    std::vector<MachineHealth> machines;
    bool members_told = false;  ///< some agent answered
    bool members_alone = false; ///< it hears no other: what it tells is what it knew before
    std::vector<proto::MemberShape> members;
    std::vector<std::string> damaged_volumes; ///< ids
    std::string subnet;                       ///< empty: none is written down
    bool network_present = false;
    std::vector<std::pair<std::string, std::string>> garbage; ///< what gc would remove, and why
    std::optional<proto::ErrorShape> garbage_unknown;
    std::vector<UnfinishedWork> unfinished;
    std::vector<std::string> unreadable;   ///< files of the journal
    std::optional<proto::ErrorShape> keys; ///< why the operator's keys cannot be used
    std::string keys_folder;
    proto::KeyIds ring; ///< the fleet's gossip keys, as this host has them; empty: unknown
};

/// Of the fleet, good and bad.
[[nodiscard]] std::vector<proto::FindingShape> examine_fleet(const FleetHealth& seen);
/// Of one of `seen.machines`: what examine_machine() says, and what the fleet's findings say of it.
[[nodiscard]] std::vector<proto::FindingShape> examine_one(const FleetHealth& seen,
                                                           const MachineHealth& machine);
/// Of one of its machines and what its agent tells; areas "fleet" and "agent".
[[nodiscard]] std::vector<proto::FindingShape> examine_machine(const FleetHealth& fleet,
                                                               const MachineHealth& machine);

} // namespace jackdaw::cli
