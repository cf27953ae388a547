#pragma once
// What the agent may ask of the machine it lives on. The real one (host_client.h) sends each verb
// to `jackdaw-host`, the small root process beside the agent; tests use FakeHost (fake_host.h).
// Both pass tests/unit/host_contract.
//
// Every verb blocks its caller (the life thread, or start-up), is idempotent, and is bounded: verbs
// that only look or link end within seconds; what takes long (mkfs, growth, the engine's own
// programs) is spawned as a guard and watched through GuardLink. A verb whose answer did not come
// is `unavailable`, its outcome unknown; repeat it. Not thread-safe: one caller at a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/guard/guard_link.h"
#include "plugins/api/host.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

/// The root-owned machine file, written once at first boot, never from what the agent says.
struct MachineFile {
    std::string instance_id; ///< empty: a machine without an instance
    std::string instance_name;
    std::string fleet;
    std::string volume_serial; ///< as volume_serial() cuts it
    std::string address;       ///< of this machine, for peers and clients
    std::uint32_t database_uid = 0, database_gid = 0;
    std::string plugin_folder; ///< root-owned
};

/// Root-only files that the owner put there (hand-over); absent until then.
enum class FleetFile : std::uint8_t {
    statement,    ///< {fleet, instance id, name, both keys} signed by the operator
    operator_key, ///< public
    gossip_ring,  ///< secret
    seeds,        ///< lines of ADDRESS:PORT
};

/// What the machine's packet filter lets in besides the database's port, as the settings have it.
struct OpenPorts {
    std::uint16_t agents = 7412; ///< gossip (UDP) and the channel (TCP), from everywhere
    std::uint16_t metrics = 0;   ///< TCP, from who may reach the database; 0: none
};

struct VolumeInfo {
    std::string device; ///< real node, e.g. /dev/loop3
    std::uint64_t size_bytes = 0;
    bool blank = false;     ///< libblkid found nothing and the first 4 MiB are zero
    std::string filesystem; ///< "xfs", "ext4", another signature's name, or empty
    std::string uuid;       ///< of that file system, or empty
    bool mounted = false;
    // While mounted; else 0.
    std::uint64_t filesystem_bytes = 0;
    std::uint64_t free_bytes = 0; ///< that the database can write: without what is root's alone
    std::uint64_t used_bytes =
        0; ///< of size_bytes what is not free, the file system's own part, too
};

/// The file on the volume that says whose it is; root-owned, outside every folder of the database.
struct VolumeStamp {
    std::string instance_id;
    std::string datastore, version;
    bool sealed = false; ///< the data folder is complete: written by the step after syncfs
};

/// Whose log it is, and so where it lies and who must own it.
enum class LogOwner : std::uint8_t {
    engine, ///< below log_folder, on the volume; the database's user's, so hostile
    guard,  ///< the database's output, kept by its guard: root's
};

inline constexpr std::string_view guard_log = "database.log"; ///< and ".1", ".2", the older ones
inline constexpr unsigned log_keep_max = 9;

struct Mkfs {
    std::string serial;
    std::string filesystem; ///< xfs | ext4
    std::string uuid;       ///< journalled before, so that a killed mkfs is known as ours
    bool overwrite = false; ///< an operator's --format SERIAL: skip the proof of blankness
};

class Host {
public:
    virtual ~Host() = default;

    // ---- the machine ----
    virtual Result<MachineFile> machine_file() = 0;
    /// The content, at most 64 KiB; nullopt while nobody has handed it over.
    virtual Result<std::optional<std::string>> read_fleet_file(FleetFile which) = 0;
    virtual Result<plugins::MachineFacts> facts() = 0;
    /// Replaces the machine's rules: `port` only from `allow`, the agents' own (OpenPorts) from
    /// everywhere (who speaks there proves that it is of the fleet); empty `allow` means the
    /// fleet's subnet.
    virtual Result<void> set_firewall(const std::vector<std::string>& allow,
                                      std::uint16_t port) = 0;

    // ---- the volume; `serial` must be the machine file's ----
    /// E-VOLUME-MISSING when no such device is attached.
    virtual Result<VolumeInfo> inspect_volume(const std::string& serial) = 0;
    /// Guard job as root. Refuses (E-VOLUME-NOT-BLANK) unless blank, `overwrite`, or it carries
    /// `uuid` already.
    virtual Result<std::unique_ptr<GuardLink>> spawn_mkfs(const std::string& guard,
                                                          const Mkfs& mkfs) = 0;
    /// Mounts the serial's own node after checking that it carries `uuid`; already mounted is ok.
    /// Read-only while neither we made the file system nor its stamp names our instance:
    /// write_stamp() makes it writable.
    virtual Result<void> mount_volume(const std::string& serial, const std::string& uuid) = 0;
    virtual Result<void> unmount_volume(const std::string& serial) = 0;
    /// Guard job as root: grows the mounted file system to its device.
    virtual Result<std::unique_ptr<GuardLink>> spawn_grow(const std::string& guard,
                                                          const std::string& serial) = 0;
    virtual Result<std::optional<VolumeStamp>> read_stamp() = 0;
    /// Durable when it returns; E-VOLUME-FULL leaves the old one. Refuses (E-VOLUME-FOREIGN) to
    /// replace another instance's, unless that is `take_over_id`; `instance_id` must be the machine
    /// file's.
    virtual Result<void> write_stamp(const VolumeStamp& stamp, const std::string& take_over_id) = 0;
    virtual Result<void> erase_stamp() = 0;

    // ---- folders and files of the instance ----
    /// Makes data, run, log and configuration folders with their owners; present is ok. Files that
    /// a database that runs no more left in the run folder go.
    virtual Result<void> prepare_folders() = 0;
    /// Empties the data folder; refuses (`conflict`) when the stamp says sealed.
    virtual Result<void> wipe_data() = 0;
    virtual Result<void> sync_volume() = 0; ///< syncfs(2)
    /// Replaces all rendered files by these, atomically each; E-DISK-FULL leaves the old ones.
    virtual Result<void> write_config(const std::vector<plugins::RenderedFile>& files) = 0;
    /// A read-only, non-blocking descriptor of a log, of a regular file with one link whose owner
    /// is the right one. `name` is a plain one of [a-z0-9_.-]{1,60} that begins with a letter or a
    /// digit (else `invalid`). `not_found`: nothing was written yet. `not_allowed` names what
    /// stands there instead: a symbolic link, a FIFO, a device, a hard link, somebody else's file.
    /// While it is open the volume is busy.
    virtual Result<UniqueFd> open_log(LogOwner owner, const std::string& name) = 0;
    /// Renames a log of the engine to NAME.1, that to NAME.2 and so on, and removes what would
    /// become NAME.(keep + 1); 1 <= keep <= log_keep_max. When nothing has the name: ok, nothing
    /// is moved; so a repetition before the engine wrote again changes nothing. Refuses as
    /// open_log() does, then nothing was moved.
    virtual Result<void> rotate_log(const std::string& name, unsigned keep) = 0;

    // ---- processes ----
    /// The database under its guard "database"; `conflict` when a guard of that name lives (then
    /// connect to it).
    virtual Result<std::unique_ptr<GuardLink>> spawn_database(const plugins::LaunchSpec& spec) = 0;
    /// A driver's job as the database's user, refused unless named in the list beside the plug-in.
    virtual Result<std::unique_ptr<GuardLink>>
    spawn_job(const std::string& guard, const std::string& datastore, const plugins::Job& job) = 0;
    /// The live guard of that name, or null when there is none (its locks are free and its cgroup
    /// is empty).
    virtual Result<std::unique_ptr<GuardLink>> connect_guard(const std::string& guard) = 0;
    /// Names of the guards that hold their locks.
    virtual Result<std::vector<std::string>> list_guards() = 0;

    /// Whether who carries the verbs out is gone for good: no verb succeeds any more, and nothing
    /// is known of the last one. Thread-safe; does not wait.
    [[nodiscard]] virtual bool has_ended() const noexcept { return false; }
};

inline constexpr std::string_view database_guard = "database";

/// Where the instance lives, for Place; the same on every machine.
inline constexpr std::string_view volume_folder = "/var/lib/jackdaw/volume";
inline constexpr std::string_view data_folder = "/var/lib/jackdaw/volume/data";
inline constexpr std::string_view log_folder = "/var/lib/jackdaw/volume/log";
inline constexpr std::string_view config_folder = "/etc/jackdaw/database";
inline constexpr std::string_view database_run_folder = "/run/jackdaw/database";

} // namespace jackdaw::agent
