// LocalProvider::collect_garbage: folders, files and kernel objects that nothing owns. It goes by
// the fleet's tag in their names and by what the records say, and leaves alone what another
// coordinator has locked.
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "coordinator/cloud/local/cut_rules.h"
#include "coordinator/cloud/local/local_provider.h"
#include "coordinator/cloud/local/machine_power.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/run_program.h"
#include "coordinator/cloud/local/subnet.h"

namespace jackdaw::cloud::local {
namespace {

/// A killed coordinator's last child holds its locks for some milliseconds more.
constexpr std::chrono::milliseconds lock_wait{500};
constexpr std::chrono::milliseconds fleet_lock_wait{30'000};
constexpr std::chrono::milliseconds nft_time{10'000};

/// Last bytes of the addresses that machines have.
std::set<std::uint32_t> hosts_of(const std::vector<MachineRecord>& records) {
    std::set<std::uint32_t> hosts;
    for (const auto& record : records) {
        if (const auto address = parse_address(record.spec.address)) {
            hosts.insert(*address & 255U);
        }
    }
    return hosts;
}

/// "table netdev NAME" lines; none when nft is missing.
std::vector<std::string> rule_tables() {
    const std::string nft = find_program("nft");
    const auto listed = nft.empty() ? Result<std::string>{std::string{}}
                                    : run_checked({nft, "list", "tables", "netdev"}, "", nft_time);
    std::istringstream words{listed ? *listed : std::string{}};
    std::vector<std::string> tables;
    for (std::string table, family, name; words >> table >> family >> name;) {
        tables.push_back(name);
    }
    return tables;
}

std::set<std::string> group_names(const CgroupMounts& mounts, const std::string& fleet_group) {
    std::set<std::string> names;
    for (const Path& mount : {mounts.v2, mounts.v1_cpu, mounts.v1_memory}) {
        if (mount.empty()) {
            continue;
        }
        const auto present = names_in(mount / fleet_group);
        for (const auto& name : present ? *present : std::vector<std::string>{}) {
            std::error_code failure;
            if (std::filesystem::is_directory(mount / fleet_group / name, failure)) {
                names.insert(name);
            }
        }
    }
    return names;
}

} // namespace

Result<std::vector<GcItem>> LocalProvider::collect_garbage(const GcRequest& request) {
    std::vector<GcItem> items;
    JACKDAW_CHECK(gc_machines(request, items));
    JACKDAW_CHECK(gc_volumes(request, items));
    JACKDAW_CHECK(gc_kernel(request, items));
    JACKDAW_CHECK(sweep_state_root(request.dry_run, items));
    return items;
}

Result<void> LocalProvider::gc_machines(const GcRequest& request,
                                        std::vector<GcItem>& items) const {
    JACKDAW_TRY(const auto names, names_in(layout_.machines()));
    for (const auto& name : names) {
        const auto lock = FileLock::take(layout_.machine(name), lock_wait);
        if (!lock) {
            continue; // being made or removed at this moment
        }
        if (is_retired(name)) {
            items.push_back({"machine", name, "its removal was cut short"});
            if (!request.dry_run) {
                JACKDAW_CHECK(remove_tree(layout_.machine(name)));
            }
            continue;
        }
        const auto record = record_of(name);
        if (!record && record.error().code() != Errc::not_found) { // no reason to remove a machine
            items.push_back({"machine", name, "its record is damaged or missing", true});
            continue;
        }
        const bool complete = record && record->made;
        const bool owned =
            record && request.owned ? request.owned(record->tags, complete) : complete;
        if (owned) {
            continue;
        }
        items.push_back(
            {"machine", name, complete ? "no operation owns it" : "it was never finished"});
        if (!request.dry_run) {
            JACKDAW_CHECK(remove_locked(name, record ? *record : MachineRecord{}));
        }
    }
    return ok();
}

Result<void> LocalProvider::gc_volumes(const GcRequest& request, std::vector<GcItem>& items) const {
    JACKDAW_TRY(const auto lock, lock_volumes());
    // Nobody gives one to a machine between the look and its end.
    JACKDAW_TRY(const auto fleet, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    JACKDAW_TRY(const auto all, volume_records());
    JACKDAW_TRY(const auto machines, records());
    // In a dry run the machines that would go are still there, and with them their hold on volumes.
    const auto attached = [&](const std::string& id) {
        return std::any_of(machines.begin(), machines.end(), [&](const auto& machine) {
            const bool going = std::any_of(items.begin(), items.end(), [&](const GcItem& item) {
                return item.kind == "machine" && item.name == machine.spec.name;
            });
            return machine.spec.volume_id == id && !going;
        });
    };
    // Which volume a damaged machine has cannot be read: it may be any.
    const bool all_known = std::ranges::none_of(machines, &MachineRecord::damaged);
    std::set<std::string> left_alone;
    for (const auto& record : all) {
        const Path image = layout_.volume_image(record.id);
        std::error_code failure;
        const bool complete = std::filesystem::exists(image, failure);
        if (record.damaged) { // what it holds, or whose it is, nobody can tell
            items.push_back({"volume", record.id, "its record is damaged or missing", true});
            left_alone.insert(record.id);
            continue;
        }
        if (attached(record.id) || record.kept || request.owned_volumes.contains(record.id) ||
            !all_known || (request.owned && request.owned(record.tags, complete))) {
            left_alone.insert(record.id);
            continue;
        }
        if (!request.dry_run && is_locked(image)) {
            left_alone.insert(record.id);
            continue;
        }
        items.push_back({"volume", record.id, "it belongs to no machine"});
        left_alone.insert(record.id); // its two files are not to be named again below
        if (!request.dry_run) {
            // The record last: an image without one would be damaged, and no garbage any more.
            for (const auto& file : {image, layout_.volume_file(record.id)}) {
                if (!std::filesystem::remove(file, failure) && failure) {
                    return os_error("remove " + file.string(), failure.value());
                }
            }
        }
    }
    JACKDAW_TRY(const auto names, names_in(layout_.volumes()));
    for (const auto& name : names) { // halves of files
        if (left_alone.contains(Path{name}.stem().string()) || name.ends_with(".img")) {
            continue;
        }
        items.push_back({"volume", name, "it was never finished"});
        if (!request.dry_run && ::unlink((layout_.volumes() / name).c_str()) != 0) {
            return os_error("remove " + name, errno);
        }
    }
    return ok();
}

Result<void> LocalProvider::gc_kernel(const GcRequest& request, std::vector<GcItem>& items) const {
    JACKDAW_TRY(const auto mounts, find_cgroups());
    JACKDAW_TRY(auto netlink, Netlink::open());
    JACKDAW_TRY(const auto links, list_links(netlink));
    const auto tables = rule_tables();
    // After the kernel's objects: what another coordinator makes is written down before it is made.
    JACKDAW_TRY(const auto machines, records());
    const auto hosts = hosts_of(machines);
    const bool all_known = std::ranges::none_of(machines, &MachineRecord::damaged);
    std::error_code failure;
    // A lost record of the network takes nothing from the machines in it.
    const bool has_network =
        !machines.empty() || std::filesystem::exists(layout_.network_file(), failure);
    for (const auto& link : links) {
        const auto host = layout_.host_of(link.name);
        const bool bridge = link.name == layout_.bridge();
        if ((host && all_known && !hosts.contains(*host)) || (bridge && !has_network)) {
            items.push_back(
                {bridge ? "bridge" : "veth", link.name, "no record of this fleet has it"});
            if (!request.dry_run) {
                JACKDAW_CHECK(remove_link(netlink, link.name));
            }
        }
    }
    for (const auto& name : group_names(mounts, layout_.cgroup())) {
        if (std::filesystem::exists(layout_.machine(name), failure)) {
            continue;
        }
        items.push_back({"cgroup", layout_.cgroup() + "/" + name, "there is no such machine"});
        if (!request.dry_run) {
            const MachineCgroup group{mounts, layout_.cgroup(), name};
            JACKDAW_CHECK(group.kill());
            JACKDAW_CHECK(group.remove());
        }
    }
    for (const auto& table : tables) {
        const auto host = layout_.host_of(table);
        if (host && all_known && !hosts.contains(*host)) {
            items.push_back({"rules", table, "there is no such machine"});
            if (!request.dry_run) {
                JACKDAW_CHECK(without_value(
                    run_checked({find_program("nft"), "-f", "-"}, heal_text(table), nft_time)));
            }
        }
    }
    return ok();
}

} // namespace jackdaw::cloud::local
