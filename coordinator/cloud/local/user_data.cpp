#include "coordinator/cloud/local/user_data.h"

#include <fmt/format.h>

#include "proto/base/ids.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cloud::local {
namespace {

using proto::Json;

std::string serial_of(const MachineSpec& spec) {
    return spec.volume_id.empty() ? "" : volume_serial(spec.volume_id);
}

std::string text_of(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace

std::string meta_data(const MachineSpec& spec, const Tags& tags) {
    Json devices = Json::array();
    if (!spec.volume_id.empty()) {
        devices.push_back(Json{{"type", "disk"}, {"serial", serial_of(spec)}});
    }
    return text_of(Json{{"uuid", spec.id},
                        {"name", spec.name},
                        {"hostname", spec.name},
                        {"meta", Json{{"fleet", tags.fleet}}},
                        {"devices", std::move(devices)}});
}

std::string user_data(const MachineSpec& spec, const Tags& tags) {
    return text_of(Json{{"fleet", tags.fleet},
                        {"instance_id", spec.id},
                        {"instance_name", spec.name},
                        {"volume_serial", serial_of(spec)},
                        {"address", spec.address},
                        {"seeds", spec.seeds}});
}

std::vector<ChildFile> machine_files(const MachineSpec& spec, const Tags& tags) {
    const std::string folder = config_drive;
    return {
        {folder + "meta_data.json", meta_data(spec, tags), 0600},
        {folder + "user_data", user_data(spec, tags), 0600},
        {"/etc/hostname", spec.name + "\n", 0644},
        {"/etc/hosts",
         fmt::format("127.0.0.1 localhost\n::1 localhost ip6-localhost\n{0} {1}.{2} {1}\n",
                     spec.address, spec.name, tags.fleet),
         0644},
    };
}

} // namespace jackdaw::cloud::local
