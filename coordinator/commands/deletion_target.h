#pragma once
// What a delete is about, as the provider, the journal and the agent tell it; nothing is changed
// here.

#include <optional>
#include <string>

#include "coordinator/commands/kept_volume.h"
#include "coordinator/commands/reach.h"
#include "proto/messages/shapes.h"

namespace jackdaw::cli {

/// The instance as its agent tells it; nullopt when there is none on it, or nobody to ask.
struct AgentView {
    bool answers = false;
    std::optional<proto::Instance> instance;
    std::string create_status; ///< of the create, if the journal leaves it open; empty: unknown
};

/// What a delete is about, as one look finds it.
struct DeletionTarget {
    cloud::Machine machine;
    AgentView agent;
    std::optional<CreateRecord> record; ///< of this instance, if a journal here has one
    bool keep = false;
    bool not_its_own = false; ///< its volume was attached, and its create did not take it over
    BesideVolume beside;      ///< if the volume is kept
};

/// Machine, journal and volume of this instance; `agent` is still to be asked. `not_found` when it
/// has no machine.
[[nodiscard]] Result<DeletionTarget> look_at_target(Reach& reach, const std::string& name,
                                                    bool asked_to_keep);
/// What an earlier delete left that was cut off behind the machine. `volume_id` is empty when the
/// volume is gone, too.
[[nodiscard]] Result<DeletionTarget> look_at_rest(Reach& reach, const CreateRecord& record,
                                                  bool asked_to_keep);
/// Until it answers, is off, or is taken for dead: 5 s.
[[nodiscard]] AgentView ask_agent_of(Session& session, Reach& reach, const DeletionTarget& target);
/// What the agent tells counts from here on, also of a create whose end nobody waited for.
void settle(DeletionTarget& target, AgentView agent, bool asked_to_keep);

/// E-PROTECTED; and `corrupt` for a volume that is to be kept while what is written down of it
/// cannot be read: there is no place for that word.
[[nodiscard]] Result<void> check_may_go(Reach& reach, const DeletionTarget& target);

/// A delete takes the volume that its create took over, whatever an operator said of it before:
/// what the create's end writes down is made up for where nobody waited for it. Repeated: ok.
[[nodiscard]] Result<void> end_its_create(Session& session, Reach& reach, DeletionTarget& target);

} // namespace jackdaw::cli
