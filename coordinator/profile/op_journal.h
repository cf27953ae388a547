#pragma once
// The coordinator's journal: one file per operation under $XDG_STATE_HOME/jackdaw/FLEET/ops/.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/core/create_plan.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::cli {

class OpJournal {
public:
    explicit OpJournal(std::filesystem::path folder) : folder_{std::move(folder)} {}

    /// Durable when it returns (fsync and rename).
    [[nodiscard]] Result<void> save(const CreateRecord& record) const;
    /// The same on a full disk, too, where a delete is what makes room: what save() keeps back for
    /// it is given up then, part by part, and kept back again by the next save() that has room.
    [[nodiscard]] Result<void> save_deletion(const CreateRecord& record) const;
    /// Newest first, at most 10,000. A file that cannot be read is passed over: it is no reason to
    /// refuse the others.
    [[nodiscard]] std::vector<CreateRecord> load_all() const;
    /// Paths of those that load_all() passes over.
    [[nodiscard]] std::vector<std::string> unreadable() const;
    [[nodiscard]] std::optional<CreateRecord> find(const std::string& operation_id) const;
    /// The newest of this instance name, as it is called now.
    [[nodiscard]] std::optional<CreateRecord> newest_of(const std::string& name) const;
    [[nodiscard]] std::optional<CreateRecord> of_instance(const std::string& instance_id) const;
    /// Of the instance whose machine was made under this name, whatever it is called by now: for a
    /// machine of which nothing else is known.
    [[nodiscard]] std::optional<CreateRecord> of_machine(const std::string& machine) const;
    /// Nobody else works on this name while it is held. E-OPERATION-RUNNING otherwise.
    [[nodiscard]] Result<UniqueFd> lock(const std::string& name) const;

private:
    [[nodiscard]] Result<void> write(const CreateRecord& record) const;
    [[nodiscard]] std::vector<std::filesystem::path> files() const; ///< newest first
    std::filesystem::path folder_;
};

} // namespace jackdaw::cli
