#include "agent/life/instance_state.h"

#include <utility>

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
                {"restarts", facts.restarts}}
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
    return facts;
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

Result<void> InstanceState::forget() {
    const std::lock_guard lock{mutex_};
    InstanceFacts kept;
    kept.filesystem_uuid = facts_.filesystem_uuid;
    kept.filesystem_is_ours = facts_.filesystem_is_ours;
    kept.filesystem_made = facts_.filesystem_made;
    JACKDAW_CHECK(store_->commit({Change{Table::instance, "spec", std::nullopt},
                                  Change{Table::instance, "facts", to_text(kept)}}));
    spec_.reset();
    facts_ = kept;
    return ok();
}

} // namespace jackdaw::agent
