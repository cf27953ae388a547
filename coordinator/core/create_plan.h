#pragma once
// The coordinator's part of `instance create` as a core: what was asked, what has been done, what
// comes next. The shell journals the record before each step and after it (ARCHITECTURE.md,
// Operations); killed anywhere, the same create goes on with the same ids.
//
//   network → volume.create → machine.create → machine.boot → agent.identity → agent.hand-over →
//   agent.submit then the agent's own operation, under the same id. A refusal by the agent undoes
//   machine and volume.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

/// What an operator asked for. No password is ever in it.
struct CreateRequest {
    std::string name;
    std::string datastore, version;
    std::uint64_t volume_size_bytes = 0;
    std::string volume_type;
    bool overcommit = false;
    std::string attach_serial; ///< an existing volume instead of a new one
    std::string filesystem = "xfs";
    std::string format_serial, take_over_id;
    std::uint32_t cpu_millis = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t root_disk_bytes = 0;
    std::string agent_folder;
    std::vector<std::string> allow;
    std::vector<proto::DatabaseSpec> databases;
    std::vector<proto::UserSpec> users; ///< without verifiers
    bool protect = false;
    friend bool operator==(const CreateRequest&, const CreateRequest&) = default;
};

/// The journal's file of one create.
struct CreateRecord {
    CreateRequest request;
    proto::Operation operation; ///< the coordinator's steps; status as the whole stands
    std::string fleet;
    std::string instance_id;
    std::string label;         ///< what it is called since a rename; empty: as requested
    std::string volume_id;     ///< once there is one
    std::string volume_serial; ///< likewise
    std::string address;       ///< of the machine, likewise
    bool volume_made = false;  ///< by this operation: an undo may delete it
    bool agent_has_it = false; ///< the agent acknowledged: from here on it decides
    bool told = false;         ///< the passwords were shown: a resume must not change them
    bool going_back = false;   ///< what it made is being removed: only that goes on
    /// The delete of the instance: there from before its machine goes, `done` when all is gone.
    std::optional<proto::Operation> deletion;
};

enum class CreateStep : std::uint8_t {
    network,
    volume,
    machine,
    boot,
    identity,
    hand_over,
    submit,
    watch, ///< the agent works, or has ended
    ended, ///< nothing to do any more
};

[[nodiscard]] std::string_view step_name(CreateStep step) noexcept;
/// What it does, for people: "make its volume".
[[nodiscard]] std::string_view step_words(CreateStep step) noexcept;

/// What the instance is called. Its machine keeps the requested name.
[[nodiscard]] const std::string& name_of(const CreateRecord& record) noexcept;

/// Its delete has begun and not ended: what is left of it is nobody's, and the same delete goes on.
[[nodiscard]] bool is_being_deleted(const CreateRecord& record) noexcept;
/// There is no such instance any more: its create was taken back, or it was deleted.
[[nodiscard]] bool is_gone(const CreateRecord& record) noexcept;

/// A new one. Times are RFC 3339, ids UUIDv7, all made by the caller.
[[nodiscard]] CreateRecord begin_create(CreateRequest request, std::string fleet,
                                        std::string operation_id, std::string instance_id,
                                        std::string now, std::string caller);

/// The first step that is not done. A step that was running when the coordinator died is simply due
/// again: each of them is idempotent.
[[nodiscard]] CreateStep next_step(const CreateRecord& record) noexcept;

void step_started(CreateRecord& record, CreateStep step, std::string now);
void step_done(CreateRecord& record, CreateStep step, std::string now, std::int64_t took_us);
/// The operation's end, too: `failed`, and the same create resumes it.
void step_failed(CreateRecord& record, CreateStep step, std::string now,
                 const proto::ErrorShape& error);
/// Steps that reach the machine are due again: it was found off, or its agent knows nothing.
void reopen_from(CreateRecord& record, CreateStep step);
/// What it made is about to be removed: there from before its machine goes, so that whoever comes
/// next ends that without the agent, which may be gone with it.
void goes_back(CreateRecord& record, std::string now, const proto::ErrorShape& why);
/// Everything was taken back.
void undone(CreateRecord& record, std::string now, const proto::ErrorShape& error);
/// Adds what the agent tells: its steps behind ours, its end as ours.
[[nodiscard]] proto::Operation merged(const CreateRecord& record, const proto::Operation& agent);

/// Is what this create made taken back at once, since the same words would be refused again?
/// Otherwise it stays for the same create to resume, or for `instance delete` and `fleet gc`.
[[nodiscard]] bool takes_back(CreateStep step, Errc reaction) noexcept;

/// Does the operation still stand for machine and volume? Once the agent has it, always; before,
/// only while the coordinator that works on it lives. Likewise while it is being deleted, and after
/// that never.
[[nodiscard]] bool is_orphan(const CreateRecord& record, bool coordinator_lives) noexcept;

/// Whose stamp is on the volume, as far as the journal (newest first) tells: of the newest instance
/// that made it, or that took it over. Empty: none that is known here.
[[nodiscard]] std::string stamped_for(const std::vector<CreateRecord>& records,
                                      std::string_view volume_id);

/// What stands in the way of doing `wanted` when `record` is what was journalled under this name:
/// empty if it is the same, else the first difference, for people.
[[nodiscard]] std::string difference(const CreateRequest& wanted, const CreateRequest& record);

/// The agent's body: an InstanceSpec. Passwords and the operation's id are added by the caller.
[[nodiscard]] proto::InstanceSpec spec_for_agent(const CreateRecord& record);

[[nodiscard]] proto::Json to_json(const CreateRecord& record);
[[nodiscard]] Result<CreateRecord> create_record_from(const proto::Json& json);

} // namespace jackdaw::cli
