#pragma once
// What `instance delete --keep-volume` keeps, and what not: said before it is done and after.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/commands/reach.h"

namespace jackdaw::cli {

/// What an instance has beside its volume, and loses although that is kept. What its agent does not
/// tell is unknown.
struct BesideVolume {
    std::optional<std::map<std::string, std::string>> parameters; ///< its own settings
    std::optional<std::string> root_level;                        ///< "off" when it is disabled
};

/// As its agent tells it now; unknown what it does not tell (a stopped database, no answer).
[[nodiscard]] BesideVolume look_beside(Session& session, Reach& reach,
                                       const cloud::Machine& machine);
/// The commands that give the next instance on the volume what this one has beside it; its name is
/// NAME in them.
[[nodiscard]] std::vector<std::string> commands_of(const BesideVolume& beside);
/// For people: "its 2 own settings, root (standard), its protection, …".
[[nodiscard]] std::string not_kept(const BesideVolume& beside);
/// The same for programs: further keys of the operation's "result".
[[nodiscard]] Json kept_json(const BesideVolume& beside, const std::string& volume_id);

} // namespace jackdaw::cli
