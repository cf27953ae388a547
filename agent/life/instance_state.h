#pragma once
// What the agent keeps of its one instance, beside the journal: the spec, and the facts found on
// the way.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/state/store.h"
#include "plugins/api/host.h"
#include "proto/base/error.h"
#include "proto/messages/datastore_shapes.h"
#include "proto/messages/shapes.h"

namespace jackdaw::agent {

/// What a repair of the agent's account switched off inside the server.
struct SwitchedOff {
    std::int64_t start_ns = 0; ///< boot clock of the server's start; 0: nothing is
    std::string text;
    std::string parameter, value; ///< what switches it on again
};

struct InstanceFacts {
    std::string filesystem_uuid;     ///< of the volume, chosen by us before mkfs or found on it
    bool filesystem_is_ours = false; ///< we made it: making it again loses nothing of others
    bool filesystem_made = false;    ///< and its mkfs has come to its end
    std::string installed_version;   ///< as the database's own program says
    bool wanted_running = false;
    bool created = false;               ///< the create has come to its end once
    std::uint32_t restarts = 0;         ///< by the supervisor, since the create
    std::int64_t answered_start_ns = 0; ///< boot clock of the start that answered last; 0: none
    std::string answered_since; ///< since when people are told that start runs; empty: not kept
    std::vector<std::string> pending_restart; ///< parameters that wait for the next start
    std::int64_t maintenance_until_ms = 0;    ///< wall clock; 0: the agent looks after it
    std::string maintenance_by;
    SwitchedOff switched_off; ///< until somebody decides on it; a later start ends it, too
};

/// Which rendered configuration a database has started on, and which not.
struct ConfigHistory {
    std::vector<plugins::RenderedFile> good;       ///< the last that a healthy one ran on; or none
    std::vector<plugins::RenderedFile> refused;    ///< that none started on; or none
    std::map<std::string, std::string> parameters; ///< the instance's own, of `good`
};

/// The pair as it stands in the store. Thread-safe; the life thread alone changes facts.
class InstanceState {
public:
    explicit InstanceState(StateStore& store) : store_{&store} {}

    /// Reads what an earlier agent kept; `corrupt` when it cannot be read.
    [[nodiscard]] Result<void> load();
    /// Null without an instance.
    [[nodiscard]] std::shared_ptr<const proto::InstanceSpec> spec() const;
    [[nodiscard]] InstanceFacts facts() const;
    [[nodiscard]] ConfigHistory configuration() const;

    /// Durable when they return; on failure memory and disk hold the old value.
    [[nodiscard]] Result<void> set_spec(proto::InstanceSpec spec);
    [[nodiscard]] Result<void> set_facts(InstanceFacts facts);
    [[nodiscard]] Result<void> set_configuration(ConfigHistory configuration);
    /// What the server last told of its parameters, without its prose; for when it does not run.
    /// Bounded by the store's value (1 MiB: `invalid` above).
    [[nodiscard]] Result<void> set_parameter_list(const std::vector<proto::Parameter>& known);
    /// Empty: none was kept yet.
    [[nodiscard]] Result<std::vector<proto::Parameter>> parameter_list() const;
    /// Forgets the instance; what is known of the volume's file system stays.
    [[nodiscard]] Result<void> forget();

private:
    StateStore* store_;
    mutable std::mutex mutex_;
    std::shared_ptr<const proto::InstanceSpec> spec_;
    InstanceFacts facts_;
    ConfigHistory configuration_;
};

} // namespace jackdaw::agent
