// jackdaw machine list | power-on | power-off | freeze | thaw | cut | heal | shell

#include <charconv>

#include <fmt/format.h>

#include "coordinator/commands/changes.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

constexpr std::chrono::milliseconds power_off_budget{600'000};
constexpr std::chrono::milliseconds protection_limit{2'000}; ///< for the agent's word before it

Result<LocalMachines*> local_machines(Reach& reach) {
    JACKDAW_TRY(auto* const cloud, reach.cloud());
    if (cloud->local() == nullptr) {
        return Error{Errc::unsupported, fmt::format("provider '{}' cannot do this to a machine",
                                                    reach.profile().provider)};
    }
    return cloud->local();
}

/// A verb on one machine: `past` is what is said at the end.
Result<int> act(Session& session, const Invocation& invocation, std::string_view verb,
                std::string_view past,
                const std::function<Result<void>(Reach&, const cloud::Machine&)>& what) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    JACKDAW_TRY(const auto machine, reach.machine(name));
    if (invocation.dry_run) {
        return would(session, invocation, {fmt::format("{} machine '{}'", verb, name)});
    }
    return at_once(session, invocation, fmt::format("machine.{}", verb), name,
                   fmt::format("machine '{}' {}", name, past),
                   [&] { return what(reach, machine); });
}

/// While it is off nobody can ask its agent. Of one that does not answer the journal's word stays.
void remember_protection(Session& session, Reach& reach, const cloud::Machine& machine) {
    auto record = reach.journal().of_instance(machine.id);
    if (machine.state != cloud::MachineState::on || !record) {
        return;
    }
    auto client = reach.of_machine(machine);
    const auto json = client ? get(**client, "/v1/instance", session.in(protection_limit))
                             : Result<Json>{std::move(client).error()};
    const auto protect = json ? proto::bool_at(*json, "protect", record->request.protect)
                              : Result<bool>{json.error().clone()};
    if (protect && *protect != record->request.protect) {
        record->request.protect = *protect;
        if (const auto saved = reach.journal().save(*record); !saved) {
            session.terminal.err(fmt::format("warning: whether '{}' is protected could not be "
                                             "written down: {}\n",
                                             machine.label, printable(saved.error().to_string())));
        }
    }
}

Result<unsigned> percent_of(std::string text) {
    if (text.ends_with('%')) {
        text.pop_back();
    }
    unsigned value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value < 1 || value > 100) {
        return Error{Errc::invalid, "--loss: 1% to 100%"};
    }
    return value;
}

/// What a machine that was cut so is, or does: "loses 30% of its packets to and from 'db3'".
std::string cut_text(const CutWords& words) {
    if (words.percent == 100 && !words.one_way) {
        return words.from.empty() ? "is cut from the network"
                                  : fmt::format("is cut from '{}'", words.from);
    }
    auto text = fmt::format("loses {}% of {}", words.percent,
                            words.one_way ? "what it sends" : "its packets");
    if (!words.from.empty()) {
        text += fmt::format(" to{} '{}'", words.one_way ? "" : " and from", words.from);
    }
    return text;
}

} // namespace

Result<int> machine_list(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    JACKDAW_TRY(const auto machines, reach.machines());
    Table table{{{"NAME"},
                 {"STATE"},
                 {"ADDRESS"},
                 {"IMAGE"},
                 {"CPU", false, true},
                 {"MEMORY", false, true},
                 {"WANTED", true},
                 {"VOLUME", true},
                 {"ID", true},
                 {"HOST-NAME", true},
                 {"CREATED", true}},
                {}};
    Json items = Json::array();
    for (const auto& one : machines) {
        const std::string state{cloud::to_string(one.state)};
        const auto image = one.version.empty() ? one.datastore : one.datastore + ":" + one.version;
        table.rows.push_back(
            {{one.label},
             {one.cut ? state + " (cut)" : state,
              one.cut ? Style::warning : style_of_status(state)},
             {one.address},
             {image},
             {one.flavor.cpu_millis == 0 ? ""
                                         : fmt::format("{:.2f}", one.flavor.cpu_millis / 1000.0)},
             {one.flavor.memory_bytes == 0 ? "" : format_size(one.flavor.memory_bytes)},
             {one.wanted_on ? "on" : "off"},
             {one.volume_id},
             {one.id},
             {one.name},
             {one.created_at}});
        items.push_back(Json{
            {"apiVersion", proto::api_version},
            {"kind", "Machine"},
            {"name", one.label},
            {"host_name", one.name},
            {"id", one.id},
            {"state", state},
            {"cut", one.cut},
            {"wanted_on", one.wanted_on},
            {"address", one.address},
            {"image",
             {{"digest", one.image_digest},
              {"datastore", one.datastore},
              {"version", one.version}}},
            {"volume_id", one.volume_id},
            {"flavor",
             {{"cpu_millis", one.flavor.cpu_millis}, {"memory_bytes", one.flavor.memory_bytes}}},
            {"warnings", one.warnings},
            {"created_at", one.created_at}});
    }
    session.terminal.page(
        render_list(proto::list_json("Machine", std::move(items), session.now_text()), table,
                    invocation.format, session.terminal.colour_out()));
    return 0;
}

Result<int> machine_power_on(Session& session, const Invocation& invocation) {
    return act(
        session, invocation, "power-on", "is on",
        [](Reach& reach, const cloud::Machine& machine) -> Result<void> {
            JACKDAW_TRY(auto* const cloud, reach.cloud());
            if (machine.state == cloud::MachineState::frozen) {
                return Error{Errc::conflict, fmt::format("machine '{}' is frozen", machine.label)}
                    .with_hint(fmt::format("`jackdaw machine thaw {}`", machine.label));
            }
            JACKDAW_TRY([[maybe_unused]] const auto on, cloud->provider().power_on(machine.name));
            return ok();
        });
}

Result<int> machine_power_off(Session& session, const Invocation& invocation) {
    const bool crash = invocation.has("--crash");
    return act(session, invocation, "power-off", crash ? "lost its power" : "is off",
               [&](Reach& reach, const cloud::Machine& machine) -> Result<void> {
                   remember_protection(session, reach, machine);
                   if (crash) {
                       JACKDAW_TRY(auto* const local, local_machines(reach));
                       return local->power_off_crash(machine.name);
                   }
                   JACKDAW_TRY(auto* const cloud, reach.cloud());
                   return cloud->provider().power_off(
                       machine.name, invocation.timeout.value_or(power_off_budget));
               });
}

Result<int> machine_freeze(Session& session, const Invocation& invocation) {
    return act(session, invocation, "freeze", "is frozen",
               [](Reach& reach, const cloud::Machine& machine) -> Result<void> {
                   JACKDAW_TRY(auto* const local, local_machines(reach));
                   return local->freeze(machine.name);
               });
}

Result<int> machine_thaw(Session& session, const Invocation& invocation) {
    return act(session, invocation, "thaw", "goes on",
               [](Reach& reach, const cloud::Machine& machine) -> Result<void> {
                   JACKDAW_TRY(auto* const local, local_machines(reach));
                   return local->thaw(machine.name);
               });
}

Result<int> machine_cut(Session& session, const Invocation& invocation) {
    CutWords words;
    words.from = invocation.text("--from");
    words.one_way = invocation.has("--one-way");
    JACKDAW_TRY(words.percent, percent_of(invocation.text("--loss", "100%")));
    return act(session, invocation, "cut", cut_text(words),
               [&](Reach& reach, const cloud::Machine& machine) -> Result<void> {
                   if (!words.from.empty()) {
                       JACKDAW_TRY(const auto peer, reach.machine(words.from));
                       words.from = peer.name;
                   }
                   JACKDAW_TRY(auto* const local, local_machines(reach));
                   return local->cut(machine.name, words);
               });
}

Result<int> machine_heal(Session& session, const Invocation& invocation) {
    return act(session, invocation, "heal", "is on the network",
               [](Reach& reach, const cloud::Machine& machine) -> Result<void> {
                   JACKDAW_TRY(auto* const local, local_machines(reach));
                   return local->heal(machine.name);
               });
}

Result<int> machine_shell(Session& session, const Invocation& invocation) {
    const auto name = invocation.text("NAME");
    JACKDAW_TRY(auto reach, Reach::find_fleet(session, invocation));
    JACKDAW_TRY(const auto machine, reach.machine(name));
    JACKDAW_TRY(auto* const local, local_machines(reach));
    return local->run_inside(machine.name, invocation.all("COMMAND"));
}

} // namespace jackdaw::cli
