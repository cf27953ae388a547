#pragma once
// What `jackdaw doctor` says of one agent and its instance: what was seen goes in, findings with
// the command that mends each come out. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/messages/health_shapes.h"
#include "proto/messages/shapes.h"

namespace jackdaw::agent {

/// A file that holds a secret of this agent.
struct SecretFile {
    std::string path;
    std::uint32_t mode = 0; ///< permission bits
    bool is_ours = true;    ///< owned by the agent's user
};

/// What gossip knows of this agent's own trouble in the fleet.
struct GossipHealth {
    std::string state; ///< as GET /v1/gossip has it: member, left, isolated, twin; empty: no fleet
    std::string name;  ///< its own, as others see it
    std::string kept_out;               ///< why there is no fleet although the settings name a ring
    std::vector<std::string> namesakes; ///< ids of others that are alive and have it, too
    std::vector<std::string> incompatible; ///< ids of senders that cannot be read now
    /// All that comes in since then is sealed with keys that this agent does not have; empty: no.
    std::string shut_out_since;
    std::uint64_t shut_out_datagrams = 0;
    /// The same, while others are heard: a part of the fleet has other keys.
    std::string foreign_since;
    std::uint64_t foreign_datagrams = 0;
    /// Since then it asks so many addresses of others, and nobody has ever answered; empty: no.
    std::string unanswered_since;
    std::size_t unanswered_addresses = 0;
    struct Detour {
        std::string name; ///< of a member that others hear, and this agent does not
        std::uint32_t times = 0;
        std::string since;
    };
    std::vector<Detour> detours;
    /// Members alive or suspect, when no more are taken and some were refused; 0: there is room.
    std::size_t full_at = 0;
    /// Names of members whose addresses are of a family in which this agent has no socket.
    std::vector<std::string> other_family;
    /// How often it refuted of late that it is gone, if that is too often for chance; else 0.
    std::uint64_t refuted_times = 0;
    std::string refuted_since;
    std::string address; ///< its own, as others know it
};

struct HealthFacts {
    std::int64_t wall_ms = 0;
    std::optional<proto::Instance> instance;
    std::vector<proto::MemberShape> members; ///< this agent among them; none: no fleet yet
    GossipHealth gossip;
    std::vector<proto::Operation> operations;  ///< newest first
    std::vector<proto::EventShape> events;     ///< any order
    std::optional<proto::ErrorShape> unasked;  ///< why the database could not be asked
    std::optional<proto::ErrorShape> shut_out; ///< the database does not let the agent in
    std::string account_changed; ///< what is wrong with the agent's own account; empty: nothing
    std::optional<proto::DatabaseLoad> load;   ///< of a database that was asked
    std::string root_level;                    ///< empty: unknown, or none
    std::string state_folder;                  ///< empty: not looked at
    std::uint64_t state_free_bytes = 0;        ///< of its file system
    std::optional<std::int64_t> state_copy_ms; ///< wall clock of the last good copy
    std::vector<SecretFile> secrets;
};

/// Good ones too, in a fixed order; `area` is "agent", `subject` the instance's name where it is
/// about that.
[[nodiscard]] std::vector<proto::FindingShape> examine_agent(const HealthFacts& facts);

} // namespace jackdaw::agent
