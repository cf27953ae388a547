// What the agent can tell of the database while it does not run, or does not let the agent in: the
// parameters as they were listed last, and who asked for root.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "agent/life/life.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds list_limit{10};

} // namespace

void Life::keep_parameter_list() {
    std::vector<proto::Parameter> known;
    {
        const std::lock_guard speech{slot_.speech};
        auto* const facet = slot_.driver->parameters();
        if (facet == nullptr) {
            return;
        }
        const plugins::Call call{std::chrono::steady_clock::now() + list_limit, &stop_.flag()};
        auto listed = facet->list(call, slot_.place);
        if (!listed) { // the one from before it is nearly the same
            spdlog::log(listed.error().code() == Errc::cancelled ? spdlog::level::debug
                                                                 : spdlog::level::warn,
                        "life: list the parameters to keep them: {}", listed.error().to_string());
            return;
        }
        known = *std::move(listed);
    }
    if (const auto kept = state_.set_parameter_list(known); !kept) {
        spdlog::warn("life: keep the list of parameters: {}", kept.error().to_string());
    }
}

Result<std::vector<proto::Parameter>> Life::recorded_parameters() const {
    const auto spec = state_.spec();
    if (!spec) {
        return Error{Errc::not_found, "there is no instance on this machine"};
    }
    JACKDAW_TRY(auto known, state_.parameter_list());
    const auto waiting = state_.facts().pending_restart;
    for (const auto& [name, value] : spec->parameters) {
        if (std::ranges::find(known, name, &proto::Parameter::name) == known.end()) {
            proto::Parameter bare;
            bare.name = name;
            bare.type = "string";
            bare.settable = false; // nobody knows what it takes
            known.push_back(std::move(bare));
        }
    }
    std::ranges::sort(known, {}, &proto::Parameter::name);
    for (auto& one : known) {
        const auto own = spec->parameters.find(one.name);
        one.is_configured = own != spec->parameters.end();
        one.configured = one.is_configured ? own->second : "";
        one.source = one.is_configured ? "configured" : "default";
        one.pending = std::ranges::find(waiting, one.name) != waiting.end();
    }
    return known;
}

Result<Json>
Life::with_place(const std::function<Result<Json>(plugins::Datastore&, const plugins::Place&)>& say,
                 Deadline deadline) {
    const auto left = std::chrono::floor<std::chrono::milliseconds>(
        std::min(deadline, std::chrono::steady_clock::now() + std::chrono::seconds{5}) -
        std::chrono::steady_clock::now());
    const std::unique_lock speech{slot_.speech, std::max(left, std::chrono::milliseconds{0})};
    if (!speech) {
        return Error{Errc::busy, "the database's session is taken by an operation"};
    }
    if (slot_.driver == nullptr || slot_.place.instance_id.empty()) {
        return no_driver();
    }
    return say(*slot_.driver, slot_.place);
}

std::string Life::recorded_root_level() const {
    const std::lock_guard lock{core_mutex_};
    const auto& records = operations_.all();
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        const auto& [id, one] = *record;
        if (one.shape.status != "done") {
            continue;
        }
        if (one.shape.action == "root.disable") {
            return "off";
        }
        if (one.shape.action == "root.enable") {
            const auto request = one.arguments.find("request");
            const auto level = request == one.arguments.end()
                                   ? Result<std::string>{std::string{}}
                                   : proto::string_at(*request, "level", "");
            return level ? *level : "";
        }
        if (one.shape.action == "instance.create") {
            return "off"; // as it is made
        }
    }
    return "";
}

} // namespace jackdaw::agent
