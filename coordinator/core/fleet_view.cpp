#include "coordinator/core/fleet_view.h"

#include <algorithm>
#include <map>
#include <utility>

namespace jackdaw::cli {
namespace {

proto::Instance untold(const MachineView& machine) {
    proto::Instance instance;
    instance.name = machine.name;
    instance.id = machine.id;
    instance.datastore = machine.datastore;
    instance.version = machine.version;
    instance.address = machine.address;
    return instance;
}

/// What it last told of its upkeep may be otherwise by now.
void be_unreachable(proto::Instance& instance, std::string reason) {
    instance.status = "unreachable";
    instance.reason = std::move(reason);
    instance.is_upkeep_told = false;
    instance.pending_restart.clear();
    instance.needs_restart = false;
    instance.maintenance_until.clear();
    instance.maintenance_by.clear();
}

} // namespace

FleetView fleet_view(std::vector<proto::Instance> told, const std::vector<MachineView>& machines,
                     const std::function<bool(const std::string& id)>& is_gone) {
    if (is_gone) {
        std::erase_if(told, [&](const proto::Instance& one) {
            return std::ranges::find(machines, one.id, &MachineView::id) == machines.end() &&
                   is_gone(one.id);
        });
    }
    for (const auto& machine : machines) {
        auto at = machine.id.empty() // its record is damaged
                      ? std::ranges::find(told, machine.name, &proto::Instance::name)
                      : std::ranges::find(told, machine.id, &proto::Instance::id);
        const bool known = at != told.end();
        if (!known) {
            told.push_back(untold(machine));
            at = std::prev(told.end());
        }
        at->machine_id = machine.id;
        at->machine_state = machine.state;
        if (machine.id.empty() && known) {
            at->reason = "what is written down of its machine cannot be read";
        } else if (machine.state != "on") {
            be_unreachable(*at, "its machine is " + machine.state);
        } else if (!known) {
            be_unreachable(*at, "no agent tells of it yet");
        }
    }
    FleetView view;
    std::map<std::string, int> names;
    for (const auto& instance : told) {
        ++names[instance.name];
    }
    for (auto& instance : told) {
        if (names[instance.name] > 1 && instance.id.size() >= 4) {
            instance.name += "~" + instance.id.substr(instance.id.size() - 4);
        }
        if (instance.status == "unreachable") {
            view.unreachable.push_back(instance.name);
        }
    }
    std::ranges::sort(told, {}, &proto::Instance::name);
    std::ranges::sort(view.unreachable);
    view.instances = std::move(told);
    return view;
}

} // namespace jackdaw::cli
