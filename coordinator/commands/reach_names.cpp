// Which instance has which name. Three places know: what is written down here, the instance's own
// agent, whose word counts, and what the other agents heard. They differ after a rename that was
// cut off, and after one that was made on the machine itself.

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/reach.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

constexpr std::chrono::milliseconds name_answer_limit{2'000}; ///< for an agent's word on its name

Error taken(std::string why, std::string hint = "another name") {
    return Error{Code::name_taken, std::move(why)}.with_hint(std::move(hint));
}

/// What an agent tells of all instances; empty when it tells nothing that can be read.
Json told_instances(Session& session, Result<ClientPtr> client) {
    const auto told = client ? get(**client, "/v1/instances", session.in(answer_limit))
                             : Result<Json>{std::move(client).error()};
    return told ? items_of(*told).value_or(Json::array()) : Json::array();
}

constexpr std::chrono::milliseconds rename_limit{5000}; ///< for one that has begun
constexpr std::chrono::milliseconds rename_pause{50};

Result<std::string> own_name(Session& session, ApiClient& client) {
    JACKDAW_TRY(const auto json, get(client, "/v1/instance", session.in(name_answer_limit)));
    return proto::string_at(json, "name", "");
}

/// Has it taken a rename that it has not ended?
Result<bool> is_renaming(Session& session, ApiClient& client) {
    JACKDAW_TRY(const auto json,
                get(client, "/v1/operations?limit=20", session.in(name_answer_limit)));
    JACKDAW_TRY(const auto items, items_of(json));
    for (const auto& item : items) {
        JACKDAW_TRY(const auto one, proto::operation_from(item));
        if (one.action == "instance.rename" && one.status != "done" && one.status != "failed" &&
            one.status != "undone") {
            return true;
        }
    }
    return false;
}

} // namespace

Error rename_pending(const cloud::Machine& machine) {
    return taken(fmt::format("a rename of instance '{}' to '{}' has begun, and its agent has not "
                             "told its end",
                             machine.label, machine.next_label),
                 fmt::format("once its machine is on and its agent answers, `jackdaw instance "
                             "rename {0} {1}` ends it, `jackdaw instance show {0}` tells",
                             machine.label, machine.next_label));
}

Result<cloud::Machine> Reach::machine(const std::string& name) {
    auto found = written_machine(name);
    if (found || found.error().code() != Errc::not_found) {
        return found;
    }
    // Renamed by somebody on its own machine: only the agents know.
    for (const auto& item : told_instances(*session_, any_member())) {
        const auto instance = proto::instance_from(item);
        if (!instance || instance->name != name) {
            continue;
        }
        JACKDAW_TRY(const auto all, machines());
        const auto at = std::ranges::find(all, instance->id, &cloud::Machine::id);
        if (at != all.end()) {
            return *at;
        }
    }
    return found;
}

Result<cloud::Machine> Reach::written_machine(const std::string& name) {
    auto found = machine_labelled(name);
    if (!found || found->next_label.empty()) {
        return found;
    }
    JACKDAW_CHECK(settle_label(*found));
    return machine_labelled(name);
}

Result<cloud::Machine> Reach::machine_labelled(const std::string& name) {
    JACKDAW_CHECK(check_label(name, "instance"));
    JACKDAW_TRY(auto* const opened, cloud());
    auto found = opened->provider().describe_machine(name);
    if (!found && found.error().code() != Errc::not_found) {
        return found;
    }
    if (found && found->label == name) {
        return found;
    }
    JACKDAW_TRY(const auto all, machines());
    for (const auto called : {&cloud::Machine::label, &cloud::Machine::next_label}) {
        if (const auto at = std::ranges::find(all, name, called); at != all.end()) {
            return *at;
        }
    }
    auto none = Error{Errc::not_found,
                      fmt::format("there is no instance '{}' in fleet '{}'", name, profile_->name)};
    return found ? std::move(none).with_hint(fmt::format("it is called '{}' now", found->label))
                 : std::move(none).with_hint("`jackdaw instance list` shows what there is");
}

Result<void> Reach::write_label(const cloud::Machine& machine, const std::string& name) {
    JACKDAW_TRY(auto* const opened, cloud());
    JACKDAW_CHECK(opened->provider().label_machine(machine.name, name));
    auto record = journal().of_instance(machine.id);
    if (!record) { // another operator's
        return ok();
    }
    record->label = name == record->request.name ? "" : name;
    return journal().save(*record);
}

Result<void> Reach::settle_label(const cloud::Machine& machine, bool holding) {
    auto lock = holding ? Result<UniqueFd>{UniqueFd{}} : journal().lock(machine.name);
    if (!lock) { // who has it settles it
        return lock.error().id() == Code::operation_running ? ok()
                                                            : Result<void>{lock.error().clone()};
    }
    JACKDAW_TRY(auto* const opened, cloud());
    JACKDAW_TRY(const auto now, opened->provider().describe_machine(machine.name));
    if (now.next_label.empty()) {
        return ok();
    }
    auto client = of_machine(now);
    if (!client) {
        return ok(); // both names stay its own until it can be asked
    }
    // One that is on its way ends within moments. The name is asked for after it: the other way
    // round what is told may be the name before an end that came in between.
    auto renaming = is_renaming(*session_, **client);
    for (const auto until = session_->in(rename_limit);
         renaming && *renaming && session_->clock.now() < until;) {
        session_->clock.sleep(rename_pause);
        renaming = is_renaming(*session_, **client);
    }
    if (!renaming || *renaming) {
        return ok();
    }
    const auto name = own_name(*session_, **client);
    if (!name) {
        return ok();
    }
    return write_label(now, *name == now.next_label ? now.next_label : now.label);
}

Result<void> Reach::check_name_free(const std::string& name, const std::string& machine_id) {
    if (const auto record = journal().newest_of(name);
        record && record->instance_id != machine_id &&
        (is_being_deleted(*record) || next_step(*record) != CreateStep::ended)) {
        return taken(
            fmt::format("operation {} works on an instance '{}'", record->operation.id, name));
    }
    JACKDAW_TRY(auto all, machines());
    for (const auto& one : all) {
        if (one.id != machine_id && !one.next_label.empty()) {
            JACKDAW_CHECK(settle_label(one));
        }
    }
    JACKDAW_TRY(all, machines());
    for (const auto& one : all) {
        if (one.id == machine_id) {
            continue;
        }
        if (one.label == name) {
            return taken(
                fmt::format("there is an instance '{}' in fleet '{}'", name, profile_->name));
        }
        if (one.next_label == name) {
            return rename_pending(one);
        }
        if (one.name == name) {
            return taken(fmt::format("the machine of instance '{}' keeps the name '{}', under "
                                     "which it was made, as long as it is there",
                                     one.label, name));
        }
    }
    return check_untold(name, machine_id, all);
}

Result<void> Reach::check_untold(const std::string& name, const std::string& machine_id,
                                 const std::vector<cloud::Machine>& all) {
    const auto twin = name + "~"; // two that have one name already are told apart so
    for (const auto& item : told_instances(*session_, any_member())) {
        const auto told = proto::instance_from(item);
        if (!told || told->id == machine_id ||
            (told->name != name && !told->name.starts_with(twin))) {
            continue;
        }
        const auto at = std::ranges::find(all, told->id, &cloud::Machine::id);
        if (at == all.end()) {
            const auto record = journal().of_instance(told->id);
            if (record && (is_gone(*record) || is_being_deleted(*record))) {
                continue; // others tell of it for a while
            }
            return taken(fmt::format("the fleet's agents tell of an instance '{}' ({}), whose "
                                     "machine is not among those here",
                                     name, told->id),
                         fmt::format("another name; if it is gone for good, `jackdaw member forget "
                                     "{}`",
                                     name));
        }
        // Its own agent's word counts: others hear of a new name a moment later.
        auto client = of_machine(*at);
        const auto own =
            client ? own_name(*session_, **client) : Result<std::string>{std::move(client).error()};
        if (!own || *own == name) {
            return taken(fmt::format("the instance that is written down here as '{}' is called "
                                     "'{}' by now",
                                     at->label, name),
                         fmt::format("another name; `jackdaw instance show {}` shows it", name));
        }
    }
    return ok();
}

} // namespace jackdaw::cli
