// The journal's form of a create: an Operation with a "create" beside it. Keys are only ever added.

#include <algorithm>

#include "coordinator/core/create_plan.h"

namespace jackdaw::cli {
namespace {

using proto::Json;

Json request_json(const CreateRecord& record) {
    const auto& request = record.request;
    // Databases and users have their form in InstanceSpec; a verifier is never in a request.
    const auto spec = proto::to_json(spec_for_agent(record));
    return Json{{"name", request.name},
                {"datastore", request.datastore},
                {"version", request.version},
                {"volume_size_bytes", request.volume_size_bytes},
                {"volume_type", request.volume_type},
                {"overcommit", request.overcommit},
                {"attach_serial", request.attach_serial},
                {"filesystem", request.filesystem},
                {"format_serial", request.format_serial},
                {"take_over_id", request.take_over_id},
                {"cpu_millis", request.cpu_millis},
                {"memory_bytes", request.memory_bytes},
                {"root_disk_bytes", request.root_disk_bytes},
                {"agent_folder", request.agent_folder},
                {"allow", request.allow},
                {"databases", spec.at("databases")},
                {"users", spec.at("users")},
                {"protect", request.protect}};
}

Result<CreateRequest> request_from(const Json& json) {
    CreateRequest request;
    JACKDAW_TRY(auto accounts, proto::instance_spec_from(json));
    request.name = accounts.name;
    request.datastore = accounts.datastore;
    request.version = accounts.version;
    request.volume_size_bytes = accounts.volume_size_bytes;
    request.filesystem = accounts.filesystem;
    request.format_serial = accounts.format_serial;
    request.take_over_id = accounts.take_over_id;
    request.allow = accounts.allow;
    request.databases = accounts.databases;
    request.users = accounts.users;
    request.protect = accounts.protect;
    constexpr std::uint64_t bytes_max = 1ULL << 60U;
    JACKDAW_TRY(request.volume_type, proto::string_at(json, "volume_type", "", 256));
    JACKDAW_TRY(request.overcommit, proto::bool_at(json, "overcommit", false));
    JACKDAW_TRY(request.attach_serial, proto::string_at(json, "attach_serial", "", 64));
    JACKDAW_TRY(const auto cpu, proto::number_at(json, "cpu_millis", 0, 1'000'000));
    request.cpu_millis = static_cast<std::uint32_t>(cpu);
    JACKDAW_TRY(request.memory_bytes, proto::number_at(json, "memory_bytes", 0, bytes_max));
    JACKDAW_TRY(request.root_disk_bytes, proto::number_at(json, "root_disk_bytes", 0, bytes_max));
    JACKDAW_TRY(request.agent_folder, proto::string_at(json, "agent_folder", ""));
    return request;
}

} // namespace

Json to_json(const CreateRecord& record) {
    auto json = proto::to_json(record.operation);
    json["create"] = Json{{"fleet", record.fleet},
                          {"instance_id", record.instance_id},
                          {"label", record.label},
                          {"volume_id", record.volume_id},
                          {"volume_serial", record.volume_serial},
                          {"address", record.address},
                          {"volume_made", record.volume_made},
                          {"agent_has_it", record.agent_has_it},
                          {"told", record.told},
                          {"going_back", record.going_back},
                          {"request", request_json(record)}};
    if (record.deletion) {
        json["create"]["deletion"] = proto::to_json(*record.deletion);
    }
    return json;
}

Result<CreateRecord> create_record_from(const Json& json) {
    CreateRecord record;
    JACKDAW_TRY(record.operation, proto::operation_from(json));
    const auto at = json.find("create");
    if (at == json.end() || !at->is_object() || !at->contains("request")) {
        return Error{Errc::invalid, "'create' must be an object with a 'request'"};
    }
    JACKDAW_TRY(record.fleet, proto::string_at(*at, "fleet", "", 64));
    JACKDAW_TRY(record.instance_id, proto::string_at(*at, "instance_id", "", 64));
    JACKDAW_TRY(record.label, proto::string_at(*at, "label", "", 64));
    JACKDAW_TRY(record.volume_id, proto::string_at(*at, "volume_id", "", 256));
    JACKDAW_TRY(record.volume_serial, proto::string_at(*at, "volume_serial", "", 64));
    JACKDAW_TRY(record.address, proto::string_at(*at, "address", "", 64));
    JACKDAW_TRY(record.volume_made, proto::bool_at(*at, "volume_made", false));
    JACKDAW_TRY(record.agent_has_it, proto::bool_at(*at, "agent_has_it", false));
    JACKDAW_TRY(record.told, proto::bool_at(*at, "told", false));
    JACKDAW_TRY(record.going_back, proto::bool_at(*at, "going_back", false));
    JACKDAW_TRY(record.request, request_from(at->at("request")));
    if (const auto deletion = at->find("deletion"); deletion != at->end()) {
        JACKDAW_TRY(record.deletion, proto::operation_from(*deletion));
    }
    // Every step of the plan must be there, in whatever state: reopen_from() and its like rely on
    // it.
    const auto whole = begin_create(record.request, record.fleet, record.operation.id, "", "", "");
    for (const auto& step : whole.operation.steps) {
        const auto& have = record.operation.steps;
        const bool found = std::ranges::find(have, step.name, &proto::Step::name) != have.end();
        if (!found) {
            record.operation.steps.push_back(step);
        }
    }
    return record;
}

} // namespace jackdaw::cli
