// jackdaw instance start | stop | restart | protect | unprotect | resize | pause |
// resume | repair: what an agent does by itself, or nearly.

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

/// Of a change whose end was not seen: timed out, or nobody answers any more.
constexpr int exit_running = 7, exit_unreachable = 8;

Result<int> ask_agent(Session& session, const Invocation& invocation, std::string_view verb,
                      std::string said, Json body = nullptr, std::string next = {},
                      std::function<void(Conclusion& end)> when_done = {}) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    JACKDAW_TRY(auto client, reach.of(name));
    if (invocation.dry_run) {
        return would(session, invocation, {fmt::format("{} instance '{}'", verb, name)});
    }
    InstanceAccess at{std::move(reach), name, std::move(client)};
    Conclusion end;
    end.said = std::move(said);
    end.next = std::move(next);
    end.when_done = std::move(when_done);
    return change_instance(
        session, invocation, at,
        ApiRequest{"POST", fmt::format("/v1/instance/{}", verb), std::move(body), {}},
        std::move(end));
}

/// The journal's copy of the protection, for the day when the agent cannot be asked.
Result<void> write_protection(Reach& reach, const std::string& instance_id, bool protect) {
    auto record = reach.journal().of_instance(instance_id);
    if (!record || record->request.protect == protect) {
        return ok();
    }
    record->request.protect = protect;
    return reach.journal().save(*record);
}

/// Whole or not at all: without its agent nothing is changed. The journal is protected first and
/// free last; what the agent refuses is taken back there.
Result<int> set_protection(Session& session, const Invocation& invocation, bool protect) {
    const auto name = invocation.text("NAME");
    const auto ask = [&] {
        return ask_agent(session, invocation, protect ? "protect" : "unprotect",
                         fmt::format("instance '{}' is {}", name,
                                     protect ? "protected" : "no longer protected"));
    };
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    if (reach.local() || invocation.dry_run) {
        return ask();
    }
    JACKDAW_TRY(const auto machine, reach.machine(name));
    auto client = reach.of(name);
    if (!client) {
        return std::move(client).error().while_doing(
            fmt::format("{}: nothing is changed", protect ? "protect" : "unprotect"));
    }
    const auto before = reach.journal().of_instance(machine.id);
    const bool protected_before = before && before->request.protect;
    if (protect) {
        JACKDAW_CHECK(write_protection(reach, machine.id, true));
    }
    auto status = ask();
    if (status && *status == 0) {
        JACKDAW_CHECK(write_protection(reach, machine.id, protect));
        return status;
    }
    // Of one whose end nobody knows the journal's word stays: rather protected than not.
    const auto code = status ? Errc::internal : status.error().code();
    const bool is_open = (status && (*status == exit_running || *status == exit_unreachable)) ||
                         code == Errc::deadline || code == Errc::unavailable;
    if (!is_open) {
        JACKDAW_CHECK(write_protection(reach, machine.id, protected_before));
    }
    return status;
}

} // namespace

Result<int> instance_start(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    return ask_agent(session, invocation, "start", fmt::format("instance '{}' runs", name), nullptr,
                     "jackdaw instance show " + name);
}

Result<int> instance_stop(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    return ask_agent(session, invocation, "stop", fmt::format("instance '{}' is stopped", name),
                     Json{{"force", invocation.has("--force")}}, "jackdaw instance start " + name);
}

Result<int> instance_restart(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    return ask_agent(session, invocation, "restart",
                     fmt::format("instance '{}' was restarted", name),
                     Json{{"force", invocation.has("--force")}}, "jackdaw instance show " + name);
}

Result<int> instance_pause(Session& session, const Invocation& invocation) {
    using std::chrono::seconds;
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(const auto span,
                parse_duration(invocation.text("--for", "1h")).while_doing("read --for"));
    if (span < seconds{1}) {
        return Error{Errc::invalid, "--for: a second or more"};
    }
    return ask_agent(
        session, invocation, "pause",
        fmt::format("instance '{}' is in maintenance: nothing is started or restarted by itself",
                    name),
        Json{{"seconds", std::chrono::ceil<seconds>(span).count()}},
        "jackdaw instance resume " + name);
}

Result<int> instance_resume(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    return ask_agent(session, invocation, "resume",
                     fmt::format("the maintenance of instance '{}' has ended", name), nullptr,
                     "jackdaw instance show " + name, [](Conclusion& end) {
                         if (!end.operation.warnings.empty()) { // there was none, as they say
                             end.said.clear();
                         }
                     });
}

Result<int> instance_repair(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    return ask_agent(session, invocation, "repair",
                     fmt::format("the agent's account in '{}' is what it must be", name), nullptr,
                     "jackdaw instance show " + name);
}

Result<int> instance_protect(Session& session, const Invocation& invocation) {
    return set_protection(session, invocation, true);
}

Result<int> instance_unprotect(Session& session, const Invocation& invocation) {
    return set_protection(session, invocation, false);
}

Result<int> instance_resize(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(const auto size, parse_size(invocation.text("--volume")));
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    JACKDAW_TRY(const auto machine, reach.machine(name));
    JACKDAW_CHECK(check_whole(machine));
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    JACKDAW_TRY(const auto volume, cloud->provider().describe_volume(machine.volume_id));
    if (size < volume.size_bytes) {
        return Error{Code::volume_shrink,
                     fmt::format("it has {}, {} is less", format_size(volume.size_bytes),
                                 format_size(size))};
    }
    // The agent first: a volume that grew under a machine that is off would have nobody to tell.
    JACKDAW_TRY(auto client, reach.of_machine(machine));
    if (invocation.dry_run) {
        JACKDAW_CHECK(cloud->provider().check_room(size - volume.size_bytes, false));
        return would(session, invocation,
                     {fmt::format("extend volume {} from {} to {}", volume.id,
                                  format_size(volume.size_bytes), format_size(size)),
                      fmt::format("grow the file system of instance '{}'", name)});
    }
    JACKDAW_TRY(const auto grown, cloud->provider().extend_volume(machine.volume_id, size));
    const Redial redial = [&] { return reach.of_machine(machine); };
    ApiRequest request{"POST", "/v1/instance/grow", Json{{"size_bytes", grown.size_bytes}}, {}};
    JACKDAW_TRY(const auto accepted, send_change(session, client, redial, request, name));
    if (auto record = reach.journal().of_instance(machine.id)) {
        record->request.volume_size_bytes =
            grown.size_bytes; // the spec that a later create is held against
        JACKDAW_CHECK(reach.journal().save(*record));
    }
    Conclusion end;
    end.said = fmt::format("the volume of '{}' has {}", name, format_size(grown.size_bytes));
    end.next = fmt::format("jackdaw instance show {}", name);
    return see_through(session, invocation, redial, accepted, std::move(end));
}

} // namespace jackdaw::cli
