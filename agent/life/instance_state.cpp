#include "agent/life/instance_state.h"

#include <utility>

#include <fmt/format.h>

#include "proto/wire/datastore_json.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {
namespace {

using proto::Json;

std::string to_text(const InstanceFacts& facts) {
    return Json{{"filesystem_uuid", facts.filesystem_uuid},
                {"filesystem_is_ours", facts.filesystem_is_ours},
                {"filesystem_made", facts.filesystem_made},
                {"installed_version", facts.installed_version},
                {"wanted_running", facts.wanted_running},
                {"created", facts.created},
                {"restarts", facts.restarts},
                {"answered_start_ns", facts.answered_start_ns},
                {"answered_since", facts.answered_since},
                {"pending_restart", facts.pending_restart},
                {"maintenance_until_ms", facts.maintenance_until_ms},
                {"maintenance_by", facts.maintenance_by},
                {"switched_off",
                 {{"start_ns", facts.switched_off.start_ns},
                  {"text", facts.switched_off.text},
                  {"parameter", facts.switched_off.parameter},
                  {"value", facts.switched_off.value}}}}
        .dump();
}

Result<InstanceFacts> facts_from(std::string_view text) {
    JACKDAW_TRY(const auto json, proto::parse_json(text));
    InstanceFacts facts;
    JACKDAW_TRY(facts.filesystem_uuid, proto::string_at(json, "filesystem_uuid", ""));
    JACKDAW_TRY(facts.filesystem_is_ours, proto::bool_at(json, "filesystem_is_ours", false));
    // A state from before this was kept: made, since making it again is what loses data.
    JACKDAW_TRY(facts.filesystem_made, proto::bool_at(json, "filesystem_made", true));
    JACKDAW_TRY(facts.installed_version, proto::string_at(json, "installed_version", ""));
    JACKDAW_TRY(facts.wanted_running, proto::bool_at(json, "wanted_running", false));
    JACKDAW_TRY(facts.created, proto::bool_at(json, "created", false));
    JACKDAW_TRY(const auto restarts, proto::number_at(json, "restarts", 0, UINT32_MAX));
    facts.restarts = static_cast<std::uint32_t>(restarts);
    JACKDAW_TRY(const auto answered,
                proto::number_at(json, "answered_start_ns", 0, std::uint64_t{1} << 62U));
    facts.answered_start_ns = static_cast<std::int64_t>(answered);
    JACKDAW_TRY(facts.answered_since, proto::string_at(json, "answered_since", "", 64));
    JACKDAW_TRY(facts.pending_restart, proto::strings_at(json, "pending_restart", 1000));
    JACKDAW_TRY(const auto until,
                proto::number_at(json, "maintenance_until_ms", 0, std::uint64_t{1} << 52U));
    facts.maintenance_until_ms = static_cast<std::int64_t>(until);
    JACKDAW_TRY(facts.maintenance_by, proto::string_at(json, "maintenance_by", ""));
    const auto at = json.find("switched_off");
    const auto off = at == json.end() ? Json::object() : *at;
    JACKDAW_TRY(const auto start, proto::number_at(off, "start_ns", 0, std::uint64_t{1} << 62U));
    facts.switched_off.start_ns = static_cast<std::int64_t>(start);
    JACKDAW_TRY(facts.switched_off.text, proto::string_at(off, "text", ""));
    JACKDAW_TRY(facts.switched_off.parameter, proto::string_at(off, "parameter", ""));
    JACKDAW_TRY(facts.switched_off.value, proto::string_at(off, "value", ""));
    return facts;
}

Json to_json(const std::vector<plugins::RenderedFile>& files) {
    Json all = Json::object();
    for (const auto& file : files) {
        all[file.name] = file.content;
    }
    return all;
}

Result<std::vector<plugins::RenderedFile>> files_from(const Json& json, const char* key) {
    std::vector<plugins::RenderedFile> files;
    const auto all = json.find(key);
    if (all == json.end() || !all->is_object()) {
        return Error{Errc::corrupt, fmt::format("'{}' is no set of files", key)};
    }
    for (const auto& [name, content] : all->items()) {
        JACKDAW_TRY(auto text, proto::string_at(*all, name, "", std::size_t{1} << 20U));
        files.push_back({name, std::move(text)});
    }
    return files;
}

} // namespace

Result<void> InstanceState::load() {
    const std::lock_guard lock{mutex_};
    JACKDAW_TRY(const auto spec, store_->get(Table::instance, "spec"));
    if (spec) {
        JACKDAW_TRY(const auto json, proto::parse_json(*spec));
        JACKDAW_TRY(auto read, proto::instance_spec_from(json));
        spec_ = std::make_shared<const proto::InstanceSpec>(std::move(read));
    }
    JACKDAW_TRY(const auto facts, store_->get(Table::instance, "facts"));
    if (facts) {
        JACKDAW_TRY(facts_, facts_from(*facts));
    }
    JACKDAW_TRY(const auto configuration, store_->get(Table::instance, "configuration"));
    if (configuration) {
        JACKDAW_TRY(const auto json, proto::parse_json(*configuration));
        JACKDAW_TRY(configuration_.good, files_from(json, "good"));
        JACKDAW_TRY(configuration_.refused, files_from(json, "refused"));
        JACKDAW_TRY(configuration_.parameters, proto::texts_at(json, "parameters"));
    }
    return ok();
}

std::shared_ptr<const proto::InstanceSpec> InstanceState::spec() const {
    const std::lock_guard lock{mutex_};
    return spec_;
}

InstanceFacts InstanceState::facts() const {
    const std::lock_guard lock{mutex_};
    return facts_;
}

ConfigHistory InstanceState::configuration() const {
    const std::lock_guard lock{mutex_};
    return configuration_;
}

Result<void> InstanceState::set_spec(proto::InstanceSpec spec) {
    const std::lock_guard lock{mutex_};
    JACKDAW_CHECK(store_->commit({Change{Table::instance, "spec", proto::to_json(spec).dump()}}));
    spec_ = std::make_shared<const proto::InstanceSpec>(std::move(spec));
    return ok();
}

Result<void> InstanceState::set_facts(InstanceFacts facts) {
    const std::lock_guard lock{mutex_};
    JACKDAW_CHECK(store_->commit({Change{Table::instance, "facts", to_text(facts)}}));
    facts_ = std::move(facts);
    return ok();
}

Result<void> InstanceState::set_configuration(ConfigHistory configuration) {
    const std::lock_guard lock{mutex_};
    const Json json{{"good", to_json(configuration.good)},
                    {"refused", to_json(configuration.refused)},
                    {"parameters", configuration.parameters}};
    JACKDAW_CHECK(store_->commit({Change{Table::instance, "configuration", json.dump()}}));
    configuration_ = std::move(configuration);
    return ok();
}

Result<void> InstanceState::set_parameter_list(const std::vector<proto::Parameter>& known) {
    Json all = Json::array();
    for (auto one : known) {
        one.text.clear();
        one.formula.clear();
        one.from.clear();
        all.push_back(proto::to_json(one));
    }
    return store_->commit({Change{Table::instance, "parameters", all.dump()}});
}

Result<std::vector<proto::Parameter>> InstanceState::parameter_list() const {
    JACKDAW_TRY(const auto text, store_->get(Table::instance, "parameters"));
    std::vector<proto::Parameter> known;
    if (!text) {
        return known;
    }
    JACKDAW_TRY(const auto json, proto::parse_json(*text));
    if (!json.is_array()) {
        return Error{Errc::corrupt, "the kept list of parameters is none"};
    }
    for (const auto& item : json) {
        JACKDAW_TRY(auto one, proto::parameter_from(item));
        known.push_back(std::move(one));
    }
    return known;
}

Result<void> InstanceState::forget() {
    const std::lock_guard lock{mutex_};
    InstanceFacts kept;
    kept.filesystem_uuid = facts_.filesystem_uuid;
    kept.filesystem_is_ours = facts_.filesystem_is_ours;
    kept.filesystem_made = facts_.filesystem_made;
    JACKDAW_CHECK(store_->commit({Change{Table::instance, "spec", std::nullopt},
                                  Change{Table::instance, "configuration", std::nullopt},
                                  Change{Table::instance, "parameters", std::nullopt},
                                  Change{Table::instance, "facts", to_text(kept)}}));
    spec_.reset();
    configuration_ = {};
    facts_ = kept;
    return ok();
}

} // namespace jackdaw::agent
