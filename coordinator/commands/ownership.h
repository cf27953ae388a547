#pragma once
// Which things of a provider some operation of the journal still stands for.

#include <map>
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
    /// Operations of which something was found to be nobody's.
    [[nodiscard]] const std::vector<std::string>& orphans() const { return orphans_; }

private:
    bool owned(const cloud::Tags& tags, bool complete);

    OpJournal journal_;
    std::map<std::string, UniqueFd> locks_; ///< by instance name
    std::vector<std::string> orphans_;
};

} // namespace jackdaw::cli
