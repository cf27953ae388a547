#pragma once
// What there is of each kind of name, as well as can be told within a moment.

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/commands/command_table.h"
#include "coordinator/commands/session.h"

namespace jackdaw::cli {

enum class Names : std::uint8_t {
    none,
    fleets,
    instances,
    machines,
    images,
    datastores,
    references, ///< DATASTORE:VERSION
    operations,
    members,
    users,
    accounts, ///< NAME, or NAME@HOST where that is not %
    databases,
    sessions,
    logs,
    parameters,
    settings, ///< parameters that the instance sets itself
    codes,
    nouns,
    verbs,
    formats,
    filesystems,
    causes,
    statuses, ///< of operations
    providers,
    shells,
    privileges, ///< the last of a list with commas
    event_kinds,
    weights,
    load_columns,
    key_versions,
    flavors,      ///< named ones of the fleet
    kept_volumes, ///< ids of those that no machine has
    files,
    folders,
};

/// What an option's value, or an argument, of this command is one of. `word` is "--instance" or
/// "INSTANCE".
[[nodiscard]] Names names_of(const CommandRow& row, std::string_view word);

/// A name and what it is, for people.
struct Candidate {
    std::string word, text;
};

/// What has been typed already and decides whom to ask: --local, --fleet and the instance.
struct CompletionContext {
    Invocation invocation; ///< with the words that are complete
    Deadline until;
};

/// At most 1,000, without control characters, which belong to a hostile tenant perhaps. Empty when
/// nobody can tell in time.
[[nodiscard]] std::vector<Candidate> live_names(Session& session, Names kind,
                                                const CompletionContext& context);

/// What the parameter may be set to, if that can be listed.
[[nodiscard]] std::vector<Candidate>
parameter_values(Session& session, const std::string& parameter, const CompletionContext& context);

} // namespace jackdaw::cli
