#pragma once
// The provider's state files as values: network.json, machine.json, volume.json. Reading trusts
// nothing: a file of another format or with a wrong type is `corrupt` and names itself.

#include <optional>
#include <string>
#include <vector>

#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/provider.h"

namespace jackdaw::cloud::local {

struct NetworkRecord {
    std::string subnet;
    std::string created_at;
};

struct MachineRecord {
    MachineSpec spec;       ///< as asked, with the address that was chosen
    std::string label;      ///< empty: the spec's name
    std::string next_label; ///< of a rename that has begun
    Tags tags;
    std::string image_digest;
    std::string datastore, version;
    bool made = false;   ///< the first start of it succeeded
    bool wanted = false; ///< on, also after the host's reboot
    std::string created_at;
    std::vector<std::string> warnings; ///< of the last start
    bool damaged = false;              ///< its file cannot be read: all that is known is the name
};

struct VolumeRecord {
    std::string id;
    std::string name;
    std::uint64_t size_bytes = 0;
    bool kept = false;
    Tags tags;
    std::string created_at;
    bool damaged = false; ///< its file cannot be read, or is gone: all that is known is the id
};

/// not_found when there is no such file.
[[nodiscard]] Result<NetworkRecord> read_network(const Path& file);
[[nodiscard]] Result<MachineRecord> read_machine(const Path& file);
[[nodiscard]] Result<VolumeRecord> read_volume(const Path& file);

[[nodiscard]] Result<void> write_record(const Path& file, const NetworkRecord& record);
[[nodiscard]] Result<void> write_record(const Path& file, const MachineRecord& record);
[[nodiscard]] Result<void> write_record(const Path& file, const VolumeRecord& record);

/// What differs between two specs of one name, in a person's words; empty: nothing that matters.
/// The address counts only when both have one, the seeds never.
[[nodiscard]] std::string difference(const MachineSpec& present, const MachineSpec& wanted);

} // namespace jackdaw::cloud::local
