#include "coordinator/cloud/local/records.h"

#include <initializer_list>
#include <limits>

#include <fmt/format.h>

#include "proto/wire/shapes_json.h"

namespace jackdaw::cloud::local {
namespace {

using proto::Json;

constexpr std::uint64_t format_version = 1;
constexpr std::uint64_t any_number = std::numeric_limits<std::int64_t>::max();

Json tags_json(const Tags& tags) {
    return Json{{"fleet", tags.fleet}, {"operation", tags.operation}, {"step", tags.step}};
}

Result<Tags> tags_from(const Json& record) {
    const auto found = record.find("tags");
    if (found == record.end() || !found->is_object()) {
        return Error{Errc::corrupt, "it has no tags"};
    }
    Tags tags;
    JACKDAW_TRY(tags.fleet, proto::string_at(*found, "fleet", ""));
    JACKDAW_TRY(tags.operation, proto::string_at(*found, "operation", ""));
    JACKDAW_TRY(tags.step, proto::string_at(*found, "step", ""));
    return tags;
}

Result<Json> read_json(const Path& file) {
    JACKDAW_TRY(const std::string text, read_file(file));
    auto json = proto::parse_json(text);
    if (!json || !json->is_object() ||
        proto::number_at(*json, "format", 0, any_number).value_or(0) != format_version) {
        return Error{Errc::corrupt,
                     file.string() + " is damaged, or of another version of this program"};
    }
    return std::move(*json);
}

Result<void> write_json(const Path& file, const Json& json) {
    // Names came from outside: bytes that are no UTF-8 must not throw here.
    return write_durable(file, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Result<MachineSpec> spec_from(const Json& json) {
    MachineSpec spec;
    JACKDAW_TRY(spec.name, proto::string_at(json, "name", ""));
    JACKDAW_TRY(spec.id, proto::string_at(json, "id", ""));
    JACKDAW_TRY(spec.image, proto::string_at(json, "image", ""));
    JACKDAW_TRY(spec.volume_id, proto::string_at(json, "volume_id", ""));
    JACKDAW_TRY(spec.address, proto::string_at(json, "address", ""));
    JACKDAW_TRY(spec.agent_folder, proto::string_at(json, "agent_folder", ""));
    JACKDAW_TRY(spec.seeds, proto::strings_at(json, "seeds"));
    JACKDAW_TRY(const std::uint64_t cpu,
                proto::number_at(json, "cpu_millis", 0, std::numeric_limits<std::uint32_t>::max()));
    spec.flavor.cpu_millis = static_cast<std::uint32_t>(cpu);
    JACKDAW_TRY(spec.flavor.memory_bytes, proto::number_at(json, "memory_bytes", 0, any_number));
    JACKDAW_TRY(spec.root_disk_bytes, proto::number_at(json, "root_disk_bytes", 0, any_number));
    return spec;
}

/// A record that lacks what every one of ours has is none of ours, or half of one: taken at its
/// word it would make garbage of a machine that runs.
Result<void> require_keys(const Json& json, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        const auto at = json.find(key);
        if (at == json.end() || at->is_null() ||
            (at->is_string() && at->get_ref<const std::string&>().empty())) {
            return Error{Errc::corrupt, fmt::format("it has no {}", key)};
        }
    }
    return ok();
}

Result<MachineRecord> machine_from(const Json& json) {
    MachineRecord record;
    JACKDAW_CHECK(require_keys(json, {"name", "id", "address", "image_digest", "made", "wanted"}));
    JACKDAW_TRY(record.spec, spec_from(json));
    JACKDAW_TRY(record.label, proto::string_at(json, "label", ""));
    JACKDAW_TRY(record.next_label, proto::string_at(json, "next_label", ""));
    JACKDAW_TRY(record.tags, tags_from(json));
    JACKDAW_TRY(record.image_digest, proto::string_at(json, "image_digest", ""));
    JACKDAW_TRY(record.datastore, proto::string_at(json, "datastore", ""));
    JACKDAW_TRY(record.version, proto::string_at(json, "version", ""));
    JACKDAW_TRY(record.made, proto::bool_at(json, "made", false));
    JACKDAW_TRY(record.wanted, proto::bool_at(json, "wanted", false));
    JACKDAW_TRY(record.created_at, proto::string_at(json, "created_at", ""));
    JACKDAW_TRY(record.warnings, proto::strings_at(json, "warnings"));
    return record;
}

Result<VolumeRecord> volume_from(const Json& json) {
    VolumeRecord record;
    JACKDAW_CHECK(require_keys(json, {"id", "name", "size_bytes"}));
    JACKDAW_TRY(record.id, proto::string_at(json, "id", ""));
    JACKDAW_TRY(record.name, proto::string_at(json, "name", ""));
    JACKDAW_TRY(record.size_bytes, proto::number_at(json, "size_bytes", 0, any_number));
    JACKDAW_TRY(record.kept, proto::bool_at(json, "kept", false));
    JACKDAW_TRY(record.tags, tags_from(json));
    JACKDAW_TRY(record.created_at, proto::string_at(json, "created_at", ""));
    return record;
}

Result<NetworkRecord> network_from(const Json& json) {
    NetworkRecord record;
    JACKDAW_CHECK(require_keys(json, {"subnet"}));
    JACKDAW_TRY(record.subnet, proto::string_at(json, "subnet", ""));
    JACKDAW_TRY(record.created_at, proto::string_at(json, "created_at", ""));
    return record;
}

} // namespace

Result<NetworkRecord> read_network(const Path& file) {
    return read_json(file).and_then(network_from).while_doing("read " + file.string());
}

Result<MachineRecord> read_machine(const Path& file) {
    return read_json(file).and_then(machine_from).while_doing("read " + file.string());
}

Result<VolumeRecord> read_volume(const Path& file) {
    return read_json(file).and_then(volume_from).while_doing("read " + file.string());
}

Result<void> write_record(const Path& file, const NetworkRecord& record) {
    return write_json(file, Json{{"format", format_version},
                                 {"subnet", record.subnet},
                                 {"created_at", record.created_at}});
}

Result<void> write_record(const Path& file, const MachineRecord& record) {
    const MachineSpec& spec = record.spec;
    return write_json(file, Json{{"format", format_version},
                                 {"name", spec.name},
                                 {"id", spec.id},
                                 {"label", record.label},
                                 {"next_label", record.next_label},
                                 {"image", spec.image},
                                 {"image_digest", record.image_digest},
                                 {"datastore", record.datastore},
                                 {"version", record.version},
                                 {"volume_id", spec.volume_id},
                                 {"address", spec.address},
                                 {"cpu_millis", spec.flavor.cpu_millis},
                                 {"memory_bytes", spec.flavor.memory_bytes},
                                 {"root_disk_bytes", spec.root_disk_bytes},
                                 {"agent_folder", spec.agent_folder},
                                 {"seeds", spec.seeds},
                                 {"made", record.made},
                                 {"wanted", record.wanted},
                                 {"warnings", record.warnings},
                                 {"tags", tags_json(record.tags)},
                                 {"created_at", record.created_at}});
}

Result<void> write_record(const Path& file, const VolumeRecord& record) {
    return write_json(file, Json{{"format", format_version},
                                 {"id", record.id},
                                 {"name", record.name},
                                 {"size_bytes", record.size_bytes},
                                 {"kept", record.kept},
                                 {"tags", tags_json(record.tags)},
                                 {"created_at", record.created_at}});
}

std::string difference(const MachineSpec& present, const MachineSpec& wanted) {
    const auto differs = [](std::string_view what, const auto& a, const auto& b) {
        return a == b ? std::string{} : fmt::format("its {} is '{}', not '{}'", what, a, b);
    };
    for (auto said :
         {differs("id", present.id, wanted.id), differs("image", present.image, wanted.image),
          differs("volume", present.volume_id, wanted.volume_id),
          differs("cpu limit", present.flavor.cpu_millis, wanted.flavor.cpu_millis),
          differs("memory limit", present.flavor.memory_bytes, wanted.flavor.memory_bytes),
          differs("root disk", present.root_disk_bytes, wanted.root_disk_bytes),
          differs("agent folder", present.agent_folder, wanted.agent_folder),
          wanted.address.empty() ? std::string{}
                                 : differs("address", present.address, wanted.address)}) {
        if (!said.empty()) {
            return said;
        }
    }
    return {};
}

} // namespace jackdaw::cloud::local
