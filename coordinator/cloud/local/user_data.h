#pragma once
// What a new machine finds when it first looks around: the config drive (the tree that OpenStack's
// metadata has, docs.openstack.org/nova "metadata service"), its hostname and its hosts. Nothing
// secret is in them. Pure.

#include <string>
#include <vector>

#include "coordinator/cloud/local/machine_child.h"
#include "coordinator/cloud/provider.h"

namespace jackdaw::cloud::local {

inline constexpr const char* config_drive = "/etc/jackdaw/config-drive/openstack/latest/";

/// {"uuid", "name", "hostname", "meta": {"fleet"}, "devices": [{"type": "disk", "serial"}]}
[[nodiscard]] std::string meta_data(const MachineSpec& spec, const Tags& tags);
/// {"fleet", "instance_id", "instance_name", "volume_serial", "address", "seeds"}
[[nodiscard]] std::string user_data(const MachineSpec& spec, const Tags& tags);

/// All files of the machine that the provider writes at each power-on.
[[nodiscard]] std::vector<ChildFile> machine_files(const MachineSpec& spec, const Tags& tags);

} // namespace jackdaw::cloud::local
