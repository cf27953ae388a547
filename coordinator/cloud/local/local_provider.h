#pragma once
// The `local` provider: machines on this host, as real as one host allows.
//
// A machine is a process tree with its own PID, mount, UTS, IPC, network and cgroup namespace over
// an overlay of an image folder; a volume is a sparse file behind a loop device; the network is one
// bridge per fleet. What can be tied to the machine's life is: its mounts, loop devices and its end
// of the veth go with it, so that only files, the bridge and cgroups can be orphans.
//
//   STATE/FLEET/network.json              the subnet
//   STATE/FLEET/machines/NAME/            making this folder decides the name; flock on it: being
//   changed
//       machine.json lock root/ console.log   flock on `lock`: the machine lives
//   STATE/FLEET/volumes/ID.{json,img}
//   IMAGES/DIGEST/{image.json,root/}
//
// Runs in the network namespace of the caller: bridge and veths of a fleet live there.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/local/images.h"
#include "coordinator/cloud/local/layout.h"
#include "coordinator/cloud/provider.h"

namespace jackdaw::cloud::local {

class MachinePower;
class Netlink;
struct Prefix;
struct MachineRecord;
struct VolumeRecord;

struct LocalSettings {
    std::string fleet;                ///< a label, check_label()
    std::filesystem::path state_root; ///< absolute: $XDG_STATE_HOME/jackdaw
    std::filesystem::path image_root; ///< absolute: $XDG_DATA_HOME/jackdaw/images
};

/// How a machine is cut from the network. Packets vanish silently; the carrier stays.
struct Cut {
    std::string from{};     ///< name of the one machine that it cannot speak with; empty: everybody
    bool one_way = false;   ///< only what the machine sends is lost
    unsigned percent = 100; ///< 1 to 100: of the packets
};

class LocalProvider final : public Provider, public MachineFiles {
public:
    explicit LocalProvider(LocalSettings settings);

    [[nodiscard]] std::string_view name() const noexcept override { return "local"; }
    [[nodiscard]] Result<std::vector<Finding>> doctor() override;

    [[nodiscard]] Result<Network> ensure_network(const std::string& subnet) override;
    [[nodiscard]] Result<void> check_network(const std::string& subnet) override;
    [[nodiscard]] Result<std::optional<Network>> describe_network() override;
    [[nodiscard]] Result<void> delete_network() override;

    [[nodiscard]] Result<void> check_flavor(const Flavor& flavor) override;

    [[nodiscard]] Result<void> check_volume_type(const std::string& type) override;
    [[nodiscard]] Result<Volume> create_volume(const VolumeSpec& spec, const Tags& tags) override;
    [[nodiscard]] Result<void> check_room(std::uint64_t more_bytes, bool overcommit) override;
    [[nodiscard]] std::string growth_trouble(std::string_view filesystem) override;
    [[nodiscard]] Result<std::vector<Volume>> volumes() override;
    [[nodiscard]] Result<Volume> describe_volume(const std::string& id) override;
    [[nodiscard]] Result<Volume> extend_volume(const std::string& id,
                                               std::uint64_t size_bytes) override;
    [[nodiscard]] Result<void> keep_volume(const std::string& id, bool kept) override;
    [[nodiscard]] Result<void> delete_volume(const std::string& id) override;
    [[nodiscard]] Result<void> attach_volume(const std::string& machine,
                                             const std::string& volume_id) override;

    [[nodiscard]] Result<Machine> create_machine(const MachineSpec& spec,
                                                 const Tags& tags) override;
    [[nodiscard]] Result<std::vector<Machine>> machines() override;
    [[nodiscard]] Result<Machine> describe_machine(const std::string& name) override;
    [[nodiscard]] Result<void> announce_label(const std::string& name,
                                              const std::string& label) override;
    [[nodiscard]] Result<void> label_machine(const std::string& name,
                                             const std::string& label) override;
    [[nodiscard]] Result<Machine> power_on(const std::string& name) override;
    [[nodiscard]] Result<void> power_off(const std::string& name,
                                         std::chrono::milliseconds budget) override;
    [[nodiscard]] Result<void> delete_machine(const std::string& name) override;
    [[nodiscard]] Result<std::vector<GcItem>> collect_garbage(const GcRequest& request) override;

    [[nodiscard]] Result<void> deliver(const std::string& machine,
                                       const FleetFiles& files) override;
    [[nodiscard]] Result<std::string> agent_identity(const std::string& machine,
                                                     std::chrono::milliseconds budget) override;

    // What only machines on this host can do. All of them are E-MACHINE-DOWN for one that is off.

    /// Starts every machine that was on when the host went down, in order of name; answers their
    /// names. One that does not start keeps no other off; the first such one's error is the answer.
    [[nodiscard]] Result<std::vector<std::string>> fleet_up();
    /// A power cut: the volume's file system (and the root's, when it has one of its own) is shut
    /// down without a flush of its log, then every process is killed. `unsupported` if a file
    /// system refuses.
    [[nodiscard]] Result<void> power_off_crash(const std::string& name);
    [[nodiscard]] Result<void> freeze(const std::string& name);
    [[nodiscard]] Result<void> thaw(const std::string& name);
    /// Replaces an earlier cut of the same machine. A cut ends with the machine's power.
    [[nodiscard]] Result<void> cut(const std::string& name, const Cut& cut);
    [[nodiscard]] Result<void> heal(const std::string& name);
    /// Runs a command inside as root, on the caller's own descriptors 0 to 2; empty: a login shell.
    /// Waits for its end, however long. Answers the exit status, or 128 + the signal; 127 when
    /// there is no such command.
    [[nodiscard]] Result<int> run_inside(const std::string& name,
                                         const std::vector<std::string>& command);
    /// Pid of the machine's first process as this PID namespace sees it.
    [[nodiscard]] Result<int> first_process(const std::string& name);
    /// Removes network, cgroups and the fleet's state folder; `busy` while a machine or a volume
    /// exists.
    [[nodiscard]] Result<void> destroy();
    /// Deletes an image; E-IMAGE-USED names the machine of any fleet under the state root that has
    /// it.
    [[nodiscard]] Result<void> delete_image(const std::string& reference);

private:
    /// Changes the labels in a record, after a look that `label` is nobody else's.
    [[nodiscard]] Result<void> write_label(const std::string& name, const std::string& label,
                                           const std::function<void(MachineRecord&)>& change);
    [[nodiscard]] Result<Network> ensure_network_in(const std::string& subnet) const;
    /// The fleet's network, there already or to be made. `subnet` as with ensure_network().
    [[nodiscard]] Result<Prefix> wanted_network(Netlink& netlink, const std::string& subnet) const;
    [[nodiscard]] Result<std::optional<Prefix>> subnet_in_use(Netlink& netlink, int bridge) const;
    [[nodiscard]] Result<MachinePower> power_of(const std::string& name) const;
    /// The record, of a machine whose folder the caller has locked.
    [[nodiscard]] Result<MachineRecord> record_of(const std::string& name) const;
    [[nodiscard]] Result<FileLock> lock_machine(const std::string& name) const;
    /// Nothing but the rest of a record that was never finished: half-made, or going.
    [[nodiscard]] bool is_empty_machine(const std::string& name) const;
    /// All; `damaged` those that cannot be read, or are gone from a machine's folder.
    [[nodiscard]] Result<std::vector<MachineRecord>> records() const;
    [[nodiscard]] Result<Machine> seen(const MachineRecord& record) const;
    [[nodiscard]] Result<Volume> seen(const VolumeRecord& record) const;
    [[nodiscard]] Result<FileLock> lock_volumes() const;
    [[nodiscard]] Result<std::vector<VolumeRecord>> volume_records() const;
    [[nodiscard]] Result<void> require_space(std::uint64_t more_bytes, bool overcommit) const;
    struct Name {
        FileLock lock;
        bool fresh = false; ///< its folder was made just now
    };
    [[nodiscard]] Result<Name> take_name(const std::string& name) const;
    /// Reserves the address; the caller has the folder's lock.
    [[nodiscard]] Result<MachineRecord> write_down(const MachineSpec& spec, const Tags& tags,
                                                   const std::string& subnet) const;
    [[nodiscard]] Result<MachineRecord> start_locked(MachineRecord record) const;
    [[nodiscard]] Result<void> remove_locked(const std::string& name,
                                             const MachineRecord& record) const;
    [[nodiscard]] Result<void> end_cut(const std::string& name, const MachineRecord& record) const;
    [[nodiscard]] Result<void> sweep_state_root(bool dry_run, std::vector<GcItem>& items) const;
    [[nodiscard]] Result<void> gc_machines(const GcRequest& request,
                                           std::vector<GcItem>& items) const;
    [[nodiscard]] Result<void> gc_volumes(const GcRequest& request,
                                          std::vector<GcItem>& items) const;
    [[nodiscard]] Result<void> gc_kernel(const GcRequest& request,
                                         std::vector<GcItem>& items) const;

    LocalSettings settings_;
    Layout layout_;
};

} // namespace jackdaw::cloud::local
