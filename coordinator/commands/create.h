#pragma once
// The shell around coordinator/core/create_plan.h: journals, performs, hands over, watches.

#include <optional>
#include <vector>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/create_plan.h"

namespace jackdaw::cli {

inline constexpr unsigned agent_port = 7412;

/// Beside how to watch an agent's part of a delete or an abort: its machine is still there then.
inline constexpr const char* half_done_note =
    "; run the same command again to remove the machine, too";
/// The same as the hint of an error behind which that part may go on, or be done.
[[nodiscard]] Error half_done(Error error);

/// Goes on with a record, new or old, until it has ended or, without waiting, until the agent has
/// it. `credentials` belong to the request's users in order; missing ones are generated. `held`:
/// the lock of its name, if the caller has it. Prints; the exit status.
[[nodiscard]] Result<int> resume_create(Session& session, const Invocation& invocation,
                                        Reach& reach, CreateRecord record,
                                        std::vector<Credential> credentials,
                                        std::optional<NameLock> held = std::nullopt);

/// Takes back what was made: first by the agent, which was asked to abort already if it has the
/// operation.
[[nodiscard]] Result<int> abort_create(Session& session, const Invocation& invocation, Reach& reach,
                                       CreateRecord record);

/// Why there can be no create of this name now.
[[nodiscard]] Error being_deleted(const std::string& name);

/// Before a machine goes whose agent will not leave by itself: else others would show it as down
/// for a day. What cannot be asked is told, and keeps nothing from going on.
void leave_fleet(Session& session, Reach& reach, const cloud::Machine& machine);

/// Removes this operation's machine and volume and marks the record; nothing of another operation
/// is touched.
[[nodiscard]] Result<void> take_back(Session& session, Reach& reach, CreateRecord& record,
                                     const proto::ErrorShape& why);

} // namespace jackdaw::cli
