#pragma once
// What the coordinator sees of a cloud, and all it sees: machines, volumes and a network per fleet.
//
// Every call blocks, is bounded in time, and is idempotent although clouds take no token of the
// client's: a create first looks for what carries its tags or its name, and the same create again
// returns the same thing. A call that was killed half-way leaves only what the same call completes,
// the delete of it removes, or collect_garbage() finds.
//
// Implementations are not thread-safe; several processes at once are allowed and expected.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/secret.h"

namespace jackdaw::cloud {

/// Stands on everything that is made, so that an orphan is known by its looks.
struct Tags {
    std::string fleet;
    std::string operation; ///< id of the coordinator's journalled operation
    std::string step;      ///< of that operation: "volume", "machine"
    friend bool operator==(const Tags&, const Tags&) = default;
};

/// Zero is "no limit". A cloud with named flavors picks the smallest that has both.
struct Flavor {
    std::uint32_t cpu_millis = 0; ///< 2000: two cores' worth of time
    std::uint64_t memory_bytes = 0;
    friend bool operator==(const Flavor&, const Flavor&) = default;
};

struct Network {
    std::string subnet;   ///< "10.117.3.0/24"
    std::string gateway;  ///< the coordinator's own address in it
    bool present = false; ///< false: written down, but not on this host (after a reboot)
};

struct VolumeSpec {
    std::string name{}; ///< a label, the instance's name
    std::uint64_t size_bytes = 0;
    std::string type{}; ///< the cloud's; empty: its default
    /// More may be promised than the host's disk has free. A full host disk is I/O errors and lost
    /// writes inside the machines, so it is refused otherwise (E-DISK-FULL).
    bool overcommit = false;
};

struct Volume {
    std::string id;
    std::string name;
    std::string serial; ///< volume_serial(id): the name under which the machine finds it
    std::uint64_t size_bytes = 0;
    std::uint64_t allocated_bytes = 0; ///< of a sparse file; else the size
    std::string machine;               ///< name of the machine it is attached to; empty: none
    bool kept = false;                 ///< an operator said --keep-volume: no orphan
    bool damaged = false; ///< what is written down of it cannot be read: name and size are unknown
    Tags tags;
    std::string created_at;
};

struct MachineSpec {
    std::string name;  ///< unique in its fleet
    std::string id;    ///< the instance's id: a UUID
    std::string image; ///< "mariadb", "mariadb:10.11" or a digest
    std::string volume_id;
    Flavor flavor;
    std::string address;            ///< wanted; empty: the provider chooses
    std::vector<std::string> seeds; ///< "ADDRESS:PORT" of agents that the new one may join
    // For a local machine only:
    std::string agent_folder; ///< bound read-only over the image's programs; empty: the image's
    std::uint64_t root_disk_bytes = 0; ///< > 0: the root is an ext4 of its own and this size
};

/// `damaged`: what is written down of it cannot be read. Its name is known, nothing else; it can be
/// deleted.
enum class MachineState : std::uint8_t { making, off, on, frozen, damaged };
[[nodiscard]] std::string_view to_string(MachineState state) noexcept;

struct Machine {
    std::string name; ///< for every call of the provider; it never changes
    std::string id;
    std::string label; ///< what its instance is called: `name` until label_machine()
    /// A rename to it has begun, and its end is not written down: the agent knows. Else empty.
    std::string next_label;
    MachineState state = MachineState::making;
    bool cut = false;       ///< on, and some or all of its packets are lost on purpose
    bool wanted_on = false; ///< what power_on() and power_off() last left it for
    std::string address;
    std::string image_digest;
    std::string datastore, version; ///< of the image
    std::string volume_id;
    Flavor flavor;
    Tags tags;
    std::string created_at;
    std::vector<std::string> warnings; ///< what could not be had: "no memory limit: …"
};

/// One requirement, met or not. `mend` is a command line that a person can paste.
struct Finding {
    /// `unknown`: it could not be looked at; `cause` says why.
    enum class State : std::uint8_t { ok, bad, unknown };
    enum class Weight : std::uint8_t { info, warning, error };
    std::string name; ///< "loop devices"
    State state = State::bad;
    Weight weight = Weight::error;
    std::string cause;
    std::string mend;
};

struct GcRequest {
    bool dry_run = false;
    /// Does this operation still stand for what it made? Asked for every machine and every volume;
    /// `complete`: the making of it was finished. Null: what is complete is owned.
    std::function<bool(const Tags& tags, bool complete)> owned;
    /// Ids of volumes that are owned whatever their tags say: an instance took them over.
    std::set<std::string> owned_volumes;
};

struct GcItem {
    std::string kind; ///< machine volume fleet bridge veth cgroup rules
    std::string name;
    std::string why;
    bool stays = false; ///< it is no garbage, but somebody should know of it
};

class Provider {
public:
    Provider() = default;
    Provider(const Provider&) = delete;
    Provider& operator=(const Provider&) = delete;
    virtual ~Provider() = default;

    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    /// Everything that machines need of this host or this account, good and bad.
    [[nodiscard]] virtual Result<std::vector<Finding>> doctor() = 0;

    /// The fleet's network. `subnet` empty: the provider chooses a free one, once. E-FLEET-EXISTS
    /// when the fleet has another, E-NO-SUBNET when none is free.
    [[nodiscard]] virtual Result<Network> ensure_network(const std::string& subnet) = 0;
    /// What ensure_network() would refuse now; changes nothing.
    [[nodiscard]] virtual Result<void> check_network(const std::string& subnet) = 0;
    [[nodiscard]] virtual Result<std::optional<Network>> describe_network() = 0;
    /// `busy` while a machine exists; a fleet without a network is no error.
    [[nodiscard]] virtual Result<void> delete_network() = 0;

    /// Could a machine of this flavor be had at all? `invalid` says what is too much; changes
    /// nothing.
    [[nodiscard]] virtual Result<void> check_flavor(const Flavor& flavor) = 0;

    /// Are there volumes of this type? Of the empty one, its default, always; `invalid`; changes
    /// nothing.
    [[nodiscard]] virtual Result<void> check_volume_type(const std::string& type) = 0;
    /// E-VOLUME-TOO-SMALL, E-DISK-FULL; E-NAME-TAKEN when the tags have a volume of another size;
    /// what check_volume_type() says.
    [[nodiscard]] virtual Result<Volume> create_volume(const VolumeSpec& spec,
                                                       const Tags& tags) = 0;
    /// Would volumes have room for so many more bytes now? E-DISK-FULL; changes nothing.
    [[nodiscard]] virtual Result<void> check_room(std::uint64_t more_bytes, bool overcommit) = 0;
    /// Why a volume with this file system could not be grown later; empty: it can.
    [[nodiscard]] virtual std::string growth_trouble(std::string_view filesystem) = 0;
    [[nodiscard]] virtual Result<std::vector<Volume>> volumes() = 0;
    [[nodiscard]] virtual Result<Volume> describe_volume(const std::string& id) = 0;
    /// Grows it under a running machine, too; the same size again is no error, a smaller one is
    /// E-VOLUME-SHRINK. The file system is the agent's affair.
    [[nodiscard]] virtual Result<Volume> extend_volume(const std::string& id,
                                                       std::uint64_t size_bytes) = 0;
    /// Whether it is wanted although no machine has it.
    [[nodiscard]] virtual Result<void> keep_volume(const std::string& id, bool kept) = 0;
    /// `busy` while it is attached; absent is no error.
    [[nodiscard]] virtual Result<void> delete_volume(const std::string& id) = 0;
    /// Attaches a volume to a machine that has none or this one. `busy` when either is otherwise
    /// engaged, or when this provider cannot attach to a machine that is on.
    [[nodiscard]] virtual Result<void> attach_volume(const std::string& machine,
                                                     const std::string& volume_id) = 0;

    /// Makes and starts it. E-HOST-LACKS (what, and the command that mends it), E-NO-IMAGE,
    /// E-NAME-TAKEN (a machine of this name and another spec). Resumes one of the same spec that
    /// was left half-made.
    [[nodiscard]] virtual Result<Machine> create_machine(const MachineSpec& spec,
                                                         const Tags& tags) = 0;
    [[nodiscard]] virtual Result<std::vector<Machine>> machines() = 0;
    [[nodiscard]] virtual Result<Machine> describe_machine(const std::string& name) = 0;
    /// Its instance may be called so soon: until label_machine() nobody else gets that label, nor
    /// the present one. Durable when it returns. Errors as label_machine(); repeated: ok.
    [[nodiscard]] virtual Result<void> announce_label(const std::string& name,
                                                      const std::string& label) = 0;
    /// Its instance is called so from now on, and nothing is announced any more; the machine keeps
    /// its own name, which nobody else gets while it is there. E-NAME-TAKEN when another machine
    /// has that name, label or announced label. Repeated: ok.
    [[nodiscard]] virtual Result<void> label_machine(const std::string& name,
                                                     const std::string& label) = 0;
    /// On already is no error.
    [[nodiscard]] virtual Result<Machine> power_on(const std::string& name) = 0;
    /// Asks the machine to end and waits up to `budget` (at most 1 h), then ends it. Off already is
    /// no error.
    [[nodiscard]] virtual Result<void> power_off(const std::string& name,
                                                 std::chrono::milliseconds budget) = 0;
    /// Ends it at once if it is on, and removes it; its volume stays. Absent is no error.
    [[nodiscard]] virtual Result<void> delete_machine(const std::string& name) = 0;

    /// Removes what no operation and no machine owns; answers what it removed or, dry, would
    /// remove. Skips what another coordinator is working on at this moment.
    [[nodiscard]] virtual Result<std::vector<GcItem>> collect_garbage(const GcRequest& request) = 0;
};

/// The hand-over's files. They go into root-only files of the machine, never into user-data.
struct FleetFiles {
    std::string statement;    ///< signed by the operator's key
    std::string operator_key; ///< public
    Secret gossip_ring;
    std::string seeds; ///< "ADDRESS:PORT" lines
};

/// What a provider has that can look into its machines from the outside. Both are E-MACHINE-DOWN
/// for a machine that is off.
class MachineFiles {
public:
    MachineFiles() = default;
    MachineFiles(const MachineFiles&) = delete;
    MachineFiles& operator=(const MachineFiles&) = delete;
    virtual ~MachineFiles() = default;

    /// Writes /etc/jackdaw/fleet/{operator_key,gossip_ring,seeds,statement}, each by rename,
    /// `statement` last.
    [[nodiscard]] virtual Result<void> deliver(const std::string& machine,
                                               const FleetFiles& files) = 0;
    /// The agent's public keys: the text of /var/lib/jackdaw/state/identity.pub (JSON, at most 4
    /// KiB, not yet trusted). Waits for it up to `budget`; `deadline` then.
    [[nodiscard]] virtual Result<std::string> agent_identity(const std::string& machine,
                                                             std::chrono::milliseconds budget) = 0;
};

} // namespace jackdaw::cloud
