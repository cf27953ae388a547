#pragma once
// Which things of a provider some operation of the journal still stands for.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/cloud/provider.h"
#include "coordinator/profile/op_journal.h"

namespace jackdaw::cli {

/// While it lives, no other coordinator works on the instances that were asked about: a create that
/// is run again meanwhile waits its turn.
class Ownership {
public:
    explicit Ownership(OpJournal journal) : journal_{std::move(journal)} {}
    Ownership(const Ownership&) = delete;
    Ownership& operator=(const Ownership&) = delete;

    /// The request refers to this object.
    [[nodiscard]] cloud::GcRequest request(bool dry_run);
    /// Operations that nobody ends any more; once their things are removed they have ended. A
    /// create makes nothing without its tags, so of one that has nothing nothing is left. What a
    /// delete removes may have another's: only one of which something was found is told.
    [[nodiscard]] std::vector<CreateRecord> orphans();

private:
    bool owned(const cloud::Tags& tags, bool complete);
    /// The record as it is now, if nobody lives that works on it.
    std::optional<CreateRecord> orphan(const CreateRecord& record);

    OpJournal journal_;
    std::map<std::string, UniqueFd> locks_; ///< by instance name
    std::set<std::string> found_;           ///< operations with something that is nobody's
};

} // namespace jackdaw::cli
