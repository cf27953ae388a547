#include "coordinator/cloud/local/local_provider.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

#include "coordinator/cloud/local/doctor.h"
#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/machine_power.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/records.h"
#include "proto/base/ids.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::chrono::milliseconds fleet_lock_wait{30'000};
constexpr std::chrono::milliseconds machine_lock_wait{60'000}; ///< a power-off may take its time

Result<Prefix> fleet_subnet(const std::string& text) {
    JACKDAW_TRY(const Prefix subnet, parse_prefix(text));
    if (subnet.length != fleet_prefix_length) {
        return Error{Errc::invalid, "'" + text + "' is no /24, and a fleet's network is one"};
    }
    if (!is_for_hosts(subnet)) {
        return Error{Errc::invalid, "'" + text + "' has no addresses that a machine can have"}
            .with_hint("a private network, such as 10.117.3.0/24");
    }
    return subnet;
}

MachineRecord damaged_machine(const std::string& name) {
    MachineRecord record;
    record.spec.name = name;
    record.damaged = true;
    return record;
}

Error no_such_machine(const std::string& name) {
    return Error{Errc::not_found, "there is no machine '" + name + "'"};
}

} // namespace

LocalProvider::LocalProvider(LocalSettings settings)
    : settings_{std::move(settings)}, layout_{settings_.state_root, settings_.fleet} {
    assert(settings_.state_root.is_absolute() && settings_.image_root.is_absolute());
}

Result<std::vector<Finding>> LocalProvider::doctor() {
    JACKDAW_TRY(auto all, examine_host(settings_.state_root, settings_.image_root));
    std::error_code failure;
    if (!std::filesystem::exists(layout_.fleet_folder(), failure)) {
        return all;
    }
    const auto room = require_space(0, false);
    const bool full = !room && room.error().id() == Code::disk_full;
    all.push_back({"promised space",
                   room   ? Finding::State::ok
                   : full ? Finding::State::bad
                          : Finding::State::unknown,
                   Finding::Weight::warning, room ? "" : room.error().message(),
                   room ? ""
                        : "free some space before the volumes fill: a full host disk is lost "
                          "writes in every machine"});
    JACKDAW_TRY(const auto machines, records());
    for (const auto& machine : machines) { // what it boots from
        if (machine.damaged || machine.image_digest.empty()) {
            continue;
        }
        const auto image = find_image(settings_.image_root, machine.image_digest);
        all.push_back({"image of " + machine.spec.name,
                       image ? Finding::State::ok : Finding::State::bad, Finding::Weight::error,
                       image ? "" : "the image that it boots from is gone: " + machine.image_digest,
                       image ? "" : "restore that folder: another image has another digest"});
    }
    return all;
}

namespace {

/// Before anything is written down that could never be made, or a folder is left of it.
Result<void> check_wish(const std::string& fleet, const std::string& subnet) {
    JACKDAW_CHECK(check_label(fleet, "fleet"));
    if (::geteuid() != 0) {
        return Error{Errc::not_allowed, "only root makes networks and machines on this host"}
            .with_hint("run it as root");
    }
    return subnet.empty() ? ok() : without_value(fleet_subnet(subnet));
}

} // namespace

Result<void> LocalProvider::check_network(const std::string& subnet) {
    JACKDAW_CHECK(check_wish(settings_.fleet, subnet));
    JACKDAW_TRY(auto netlink, Netlink::open());
    return without_value(wanted_network(netlink, subnet));
}

Result<Network> LocalProvider::ensure_network(const std::string& subnet) {
    JACKDAW_CHECK(check_wish(settings_.fleet, subnet));
    std::error_code failure;
    const bool fresh = !std::filesystem::exists(layout_.fleet_folder(), failure);
    auto network = ensure_network_in(subnet);
    if (!network && fresh) { // refused: the folder goes again unless somebody uses it
        (void)::rmdir(layout_.fleet_folder().c_str());
    }
    return network;
}

Result<Prefix> LocalProvider::wanted_network(Netlink& netlink, const std::string& subnet) const {
    JACKDAW_TRY(const int bridge, link_index(netlink, layout_.bridge()));
    // A damaged record counts as a lost one: what runs knows better.
    const auto record = read_network(layout_.network_file());
    std::optional<Prefix> own;
    if (const auto written = record ? fleet_subnet(record->subnet) : record.error().clone()) {
        own = *written;
    } else {
        JACKDAW_TRY(own, subnet_in_use(netlink, bridge));
    }
    if (own && !subnet.empty() && subnet != format_prefix(*own)) {
        return Error{Code::fleet_exists, fmt::format("fleet {} has the network {}, not {}",
                                                     settings_.fleet, format_prefix(*own), subnet)};
    }
    JACKDAW_TRY(const auto used, used_prefixes(netlink, bridge, own));
    Prefix chosen;
    if (own) {
        chosen = *own;
    } else if (!subnet.empty()) {
        JACKDAW_TRY(chosen, fleet_subnet(subnet));
    } else {
        JACKDAW_TRY(chosen, choose_subnet(layout_.seed(), used));
    }
    if (bridge == 0) {
        for (const Prefix& other : used) {
            if (other.length > 0 && overlap(other, chosen)) {
                return Error{Code::no_subnet,
                             fmt::format("{} is in use on this host: {}", format_prefix(chosen),
                                         format_prefix(other))};
            }
        }
    }
    return chosen;
}

Result<Network> LocalProvider::ensure_network_in(const std::string& subnet) const {
    JACKDAW_CHECK(make_folders(layout_.fleet_folder()));
    JACKDAW_TRY(const auto lock, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    JACKDAW_TRY(auto netlink, Netlink::open());
    JACKDAW_TRY(const auto chosen, wanted_network(netlink, subnet));
    const auto record = read_network(layout_.network_file());
    if (!record || record->subnet != format_prefix(chosen)) {
        std::error_code failure; // a folder in its place could not be renamed over
        std::filesystem::remove_all(layout_.network_file(), failure);
        JACKDAW_CHECK(write_record(layout_.network_file(),
                                   NetworkRecord{format_prefix(chosen), rfc3339(unix_ms())}));
        fault_point("network written down");
    }
    JACKDAW_CHECK(ensure_bridge(netlink, layout_, chosen));
    return Network{format_prefix(chosen), format_address(chosen.address + gateway_host), true};
}

/// What a lost network.json said: the machines' records and the bridge know it, too.
Result<std::optional<Prefix>> LocalProvider::subnet_in_use(Netlink& netlink, int bridge) const {
    JACKDAW_TRY(const auto machines, records());
    for (const auto& machine : machines) {
        if (const auto address = parse_address(machine.spec.address)) {
            return std::optional{network_of({*address, fleet_prefix_length})};
        }
    }
    return bridge != 0 ? prefix_of(netlink, bridge) : std::optional<Prefix>{};
}

Result<std::optional<Network>> LocalProvider::describe_network() {
    const auto record = read_network(layout_.network_file());
    if (!record) { // lost or damaged: ensure_network() finds out again
        return std::optional<Network>{};
    }
    JACKDAW_TRY(const Prefix subnet, fleet_subnet(record->subnet));
    JACKDAW_TRY(auto netlink, Netlink::open());
    JACKDAW_TRY(const int bridge, link_index(netlink, layout_.bridge()));
    return std::optional{
        Network{record->subnet, format_address(subnet.address + gateway_host), bridge != 0}};
}

Result<void> LocalProvider::delete_network() {
    if (std::error_code failure; !std::filesystem::exists(layout_.fleet_folder(), failure)) {
        return ok();
    }
    JACKDAW_TRY(const auto lock, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    JACKDAW_TRY(const auto names, names_in(layout_.machines()));
    for (const auto& name : names) {
        if (!is_retired(name)) {
            return Error{Errc::busy, "the network has machines: " + name}.with_hint(
                "delete the instances first, or run `jackdaw fleet gc`");
        }
    }
    JACKDAW_TRY(auto netlink, Netlink::open());
    JACKDAW_TRY(const int bridge, link_index(netlink, layout_.bridge()));
    const auto record = read_network(layout_.network_file());
    std::optional<Prefix> subnet;
    if (const auto written = record ? fleet_subnet(record->subnet) : record.error().clone()) {
        subnet = *written;
    } else if (bridge != 0) {
        JACKDAW_TRY(subnet, prefix_of(netlink, bridge));
    }
    if (subnet) {
        JACKDAW_CHECK(remove_bridge(netlink, layout_, *subnet));
    } else {
        JACKDAW_CHECK(remove_link(netlink, layout_.bridge()));
    }
    fault_point("bridge removed");
    std::error_code failure;
    std::filesystem::remove_all(layout_.network_file(), failure); // last: it finds the rest
    return failure ? Result<void>{os_error("remove the network's record", failure.value())} : ok();
}

/// The rest of fleets whose removal was cut short. They may be of any fleet: by then the folder's
/// name no longer tells.
Result<void> LocalProvider::sweep_state_root(bool dry_run, std::vector<GcItem>& items) const {
    JACKDAW_TRY(const auto names, names_in(settings_.state_root));
    for (const auto& name : names) {
        if (is_retired(name)) {
            items.push_back({"fleet", name, "its removal was cut short"});
            if (!dry_run) {
                JACKDAW_CHECK(remove_tree(settings_.state_root / name));
            }
        }
    }
    return ok();
}

Result<void> LocalProvider::destroy() {
    JACKDAW_TRY(const auto kept, volume_records());
    if (!kept.empty()) {
        return Error{Errc::busy, "the fleet still has volume " + kept.front().id}.with_hint(
            "`jackdaw fleet gc`, or delete the kept volume");
    }
    JACKDAW_CHECK(delete_network());
    JACKDAW_TRY(const auto mounts, find_cgroups());
    JACKDAW_CHECK(MachineCgroup(mounts, layout_.cgroup(), "").remove());
    JACKDAW_CHECK(retire_tree(layout_.fleet_folder()));
    std::vector<GcItem> rest;
    return sweep_state_root(false, rest);
}

Result<MachinePower> LocalProvider::power_of(const std::string& name) const {
    JACKDAW_TRY(const auto mounts, find_cgroups());
    return MachinePower{layout_, mounts, name};
}

Result<MachineRecord> LocalProvider::record_of(const std::string& name) const {
    JACKDAW_CHECK(check_label(name, "machine"));
    auto record = read_machine(layout_.machine_file(name));
    if (!record && record.error().code() == Errc::not_found) {
        if (is_empty_machine(name)) {
            return no_such_machine(name);
        }
        return Error{Errc::corrupt,
                     fmt::format("{} is missing", layout_.machine_file(name).string())};
    }
    if (record && record->spec.name != name) {
        return Error{Errc::corrupt, fmt::format("{} tells of another machine",
                                                layout_.machine_file(name).string())};
    }
    return record;
}

Result<FileLock> LocalProvider::lock_machine(const std::string& name) const {
    JACKDAW_CHECK(check_label(name, "machine"));
    auto lock = FileLock::take(layout_.machine(name), machine_lock_wait);
    if (!lock && lock.error().code() == Errc::not_found) {
        return no_such_machine(name);
    }
    return lock;
}

bool LocalProvider::is_empty_machine(const std::string& name) const {
    const auto names = names_in(layout_.machine(name));
    return names && std::ranges::all_of(*names, [](const std::string& entry) {
               return entry.starts_with("machine.json.new-");
           });
}

Result<std::vector<MachineRecord>> LocalProvider::records() const {
    JACKDAW_TRY(const auto names, names_in(layout_.machines()));
    std::vector<MachineRecord> all;
    for (const auto& name : names) {
        if (is_retired(name)) {
            continue; // half-removed: no machine any more, whatever its record says
        }
        auto record = record_of(name);
        if (record) {
            all.push_back(std::move(*record));
        } else if (record.error().code() != Errc::not_found) {
            all.push_back(damaged_machine(name)); // no reason to lose sight of the others
        }
    }
    return all;
}

Result<Machine> LocalProvider::seen(const MachineRecord& record) const {
    JACKDAW_TRY(const auto power, power_of(record.spec.name));
    Machine machine;
    machine.name = record.spec.name;
    machine.id = record.spec.id;
    machine.label = record.label.empty() ? record.spec.name : record.label;
    machine.next_label = record.next_label;
    machine.state = record.damaged ? MachineState::damaged
                    : record.made  ? power.state()
                                   : MachineState::making;
    std::error_code ignored; // one that cannot be looked at is told of as not cut
    machine.cut = machine.state == MachineState::on &&
                  std::filesystem::exists(layout_.machine(record.spec.name) / "cut", ignored);
    machine.wanted_on = record.wanted;
    machine.address = record.spec.address;
    machine.image_digest = record.image_digest;
    machine.datastore = record.datastore;
    machine.version = record.version;
    machine.volume_id = record.spec.volume_id;
    machine.flavor = record.spec.flavor;
    machine.tags = record.tags;
    machine.created_at = record.created_at;
    machine.warnings = record.warnings;
    return machine;
}

Result<std::vector<Machine>> LocalProvider::machines() {
    JACKDAW_TRY(const auto all, records());
    std::vector<Machine> machines;
    for (const auto& record : all) {
        JACKDAW_TRY(auto machine, seen(record));
        machines.push_back(std::move(machine));
    }
    return machines;
}

Result<Machine> LocalProvider::describe_machine(const std::string& name) {
    JACKDAW_CHECK(check_label(name, "machine"));
    const auto record = record_of(name);
    if (!record && record.error().code() != Errc::not_found) {
        return seen(damaged_machine(name));
    }
    return record ? seen(*record) : Result<Machine>{record.error().clone()};
}

} // namespace jackdaw::cloud::local
