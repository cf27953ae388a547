// LocalProvider: making, starting, ending and removing machines.
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "coordinator/cloud/local/cut_rules.h"
#include "coordinator/cloud/local/doctor.h"
#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/local_provider.h"
#include "coordinator/cloud/local/machine_power.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/run_program.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::chrono::milliseconds fleet_lock_wait{30'000};
constexpr std::uint64_t root_disk_bytes_min = 64ULL << 20U;
constexpr std::chrono::milliseconds nft_time{10'000};
constexpr int name_attempts_max = 8;

Result<void> check_spec(const MachineSpec& spec) {
    JACKDAW_CHECK(check_label(spec.name, "machine"));
    if (!is_uuid(spec.id)) {
        return Error{Errc::invalid, "'" + spec.id.substr(0, 80) + "' is no UUID"};
    }
    if (!spec.volume_id.empty() && !is_uuid(spec.volume_id)) {
        return Error{Errc::invalid, "'" + spec.volume_id.substr(0, 80) + "' is no volume's id"};
    }
    if (spec.root_disk_bytes != 0 && spec.root_disk_bytes < root_disk_bytes_min) {
        return Error{Errc::invalid, "a root disk has at least 64 MiB"};
    }
    std::error_code failure;
    if (!spec.agent_folder.empty() &&
        (!Path{spec.agent_folder}.is_absolute() ||
         !std::filesystem::is_directory(spec.agent_folder, failure))) {
        return Error{Errc::invalid,
                     "'" + spec.agent_folder + "' is no folder with an absolute path"};
    }
    return ok();
}

} // namespace

Result<void> LocalProvider::check_flavor(const Flavor& flavor) {
    struct sysinfo host{};
    if (::sysinfo(&host) != 0) {
        return os_error("ask how much memory this host has", errno);
    }
    const std::uint64_t has = std::uint64_t{host.totalram} * host.mem_unit;
    if (flavor.memory_bytes <= has) {
        return ok();
    }
    return Error{Errc::invalid, fmt::format("a machine with {} of memory on a host that has {}",
                                            format_size(flavor.memory_bytes), format_size(has))}
        .with_hint("a smaller --flavor: the datastore sizes its caches by it");
}

Result<MachineRecord> LocalProvider::write_down(const MachineSpec& spec, const Tags& tags,
                                                const std::string& subnet) const {
    JACKDAW_TRY(const Image image, find_image(settings_.image_root, spec.image));
    JACKDAW_TRY(const Prefix prefix, parse_prefix(subnet));
    // Addresses and volumes are taken by being written down: one coordinator at a time.
    JACKDAW_TRY(const auto lock, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    if (!spec.volume_id.empty() && !read_volume(layout_.volume_file(spec.volume_id))) {
        return Error{Errc::not_found, "volume " + spec.volume_id + " has just been deleted"};
    }
    JACKDAW_TRY(const auto others, records());
    std::vector<std::uint32_t> taken;
    for (const auto& other : others) {
        if (other.damaged) { // its address and its volume would be given away a second time
            return Error{Errc::corrupt,
                         fmt::format("{} cannot be read: which address and volume that machine "
                                     "has is unknown",
                                     layout_.machine_file(other.spec.name).string())}
                .with_hint(fmt::format("restore that file, or `jackdaw instance delete {}`",
                                       other.spec.name));
        }
        if (other.label == spec.name || other.next_label == spec.name) {
            return Error{Code::name_taken, fmt::format("the instance of machine {} is called {}",
                                                       other.spec.name, spec.name)};
        }
        if (!spec.volume_id.empty() && other.spec.volume_id == spec.volume_id) {
            return Error{Errc::busy, fmt::format("volume {} belongs to machine {}", spec.volume_id,
                                                 other.spec.name)};
        }
        if (const auto address = parse_address(other.spec.address)) {
            taken.push_back(*address);
        }
    }
    MachineRecord record;
    record.spec = spec;
    if (spec.address.empty()) {
        JACKDAW_TRY(const std::uint32_t address, choose_address(prefix, taken));
        record.spec.address = format_address(address);
    } else {
        JACKDAW_TRY(const std::uint32_t address, parse_address(spec.address));
        const std::uint32_t host = address & 255U;
        if (!overlap(prefix, {address, 32}) || host <= gateway_host || host > last_machine_host) {
            return Error{Errc::invalid, spec.address + " is no machine's address in " + subnet};
        }
        if (std::find(taken.begin(), taken.end(), address) != taken.end()) {
            return Error{Errc::conflict, spec.address + " belongs to another machine"};
        }
    }
    record.tags = tags;
    record.image_digest = image.digest;
    record.datastore = image.datastore;
    record.version = image.version;
    record.wanted = true; // `fleet up` still leaves alone what is not made
    record.created_at = rfc3339(unix_ms());
    JACKDAW_CHECK(write_record(layout_.machine_file(spec.name), record));
    fault_point("machine written down");
    return record;
}

Result<MachineRecord> LocalProvider::start_locked(MachineRecord record) const {
    JACKDAW_TRY(auto power, power_of(record.spec.name));
    const auto write = [&] { return write_record(layout_.machine_file(record.spec.name), record); };
    const auto warned = record.warnings; // at the start before
    if (!record.wanted) { // before the start: a host that goes down now starts it at `fleet up`
        record.wanted = true;
        JACKDAW_CHECK(write());
        fault_point("machine wanted on");
    }
    if (!power.is_on()) {
        const Path root = settings_.image_root / record.image_digest / "root";
        std::error_code failure;
        if (!std::filesystem::is_directory(root, failure)) {
            return Error{Code::no_image, "image " + record.image_digest + " is gone"};
        }
        JACKDAW_TRY(const auto network, read_network(layout_.network_file()));
        JACKDAW_TRY(const Prefix subnet, parse_prefix(network.subnet));
        JACKDAW_TRY(record.warnings, power.start(record, root, subnet));
    }
    if (!record.made || record.warnings != warned) {
        record.made = true;
        JACKDAW_CHECK(write());
        fault_point("machine made");
    }
    return record;
}

Result<LocalProvider::Name> LocalProvider::take_name(const std::string& name) const {
    const Path folder = layout_.machine(name);
    for (int attempt = 0; attempt < name_attempts_max; ++attempt) {
        fault_point("before the machine's folder");
        const bool fresh = ::mkdir(folder.c_str(), 0700) == 0; // this decides who has the name
        if (!fresh && errno != EEXIST) {
            return os_error("make folder " + folder.string(), errno);
        }
        fault_point("machine's folder made");
        auto lock = lock_machine(name);
        if (lock) {
            return Name{std::move(*lock), fresh};
        }
        if (lock.error().code() !=
            Errc::not_found) { // else another's refused create just gave it back
            return std::move(lock).error();
        }
    }
    return Error{Errc::busy, "others keep taking and leaving the name " + name};
}

Result<Machine> LocalProvider::create_machine(const MachineSpec& spec, const Tags& tags) {
    JACKDAW_CHECK(check_spec(spec));
    JACKDAW_CHECK(require_host(settings_.state_root));
    JACKDAW_TRY(const Network network, ensure_network(""));
    JACKDAW_CHECK(make_folders(layout_.machines()));
    JACKDAW_TRY(const auto name, take_name(spec.name));
    auto record = record_of(spec.name);
    if (record) {
        if (const auto differs = difference(record->spec, spec); !differs.empty()) {
            return Error{Code::name_taken,
                         fmt::format("machine {} exists: {}", spec.name, differs)};
        }
        if (record->made && !record->wanted) {
            return seen(*record); // somebody switched it off since
        }
    } else if (record.error().code() == Errc::not_found) {
        JACKDAW_CHECK(check_flavor(spec.flavor));
        if (!spec.volume_id.empty()) {
            JACKDAW_CHECK(without_value(describe_volume(spec.volume_id)));
        }
        record = write_down(spec, tags, network.subnet);
        if (!record) {
            if (name.fresh) { // refused: the name is free again
                (void)::rmdir(layout_.machine(spec.name).c_str());
            }
            return std::move(record).error().while_doing("create machine " + spec.name);
        }
    } else {
        return std::move(record).error();
    }
    JACKDAW_TRY(const auto started, start_locked(std::move(*record)));
    return seen(started);
}

Result<void> LocalProvider::announce_label(const std::string& name, const std::string& label) {
    return write_label(name, label, [&](MachineRecord& record) { record.next_label = label; });
}

Result<void> LocalProvider::label_machine(const std::string& name, const std::string& label) {
    return write_label(name, label, [&](MachineRecord& record) {
        record.label = label == name ? "" : label;
        record.next_label.clear();
    });
}

Result<void> LocalProvider::write_label(const std::string& name, const std::string& label,
                                        const std::function<void(MachineRecord&)>& change) {
    JACKDAW_CHECK(check_label(label, "instance"));
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(auto record, record_of(name));
    // As write_down() takes names: one coordinator at a time.
    JACKDAW_TRY(const auto fleet, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    JACKDAW_TRY(const auto others, records());
    for (const auto& other : others) {
        if (other.spec.name != name &&
            (other.spec.name == label || other.label == label || other.next_label == label)) {
            return Error{Code::name_taken,
                         fmt::format("machine {} has the name {}", other.spec.name, label)};
        }
    }
    change(record);
    fault_point("before the label is written down");
    JACKDAW_CHECK(
        write_record(layout_.machine_file(name), record).while_doing("label machine " + name));
    fault_point("label written down");
    return ok();
}

Result<Machine> LocalProvider::power_on(const std::string& name) {
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(auto record, record_of(name));
    if (!record.made) {
        return Error{Errc::conflict, "machine " + name + " was never finished"}.with_hint(
            "run its create again, or `jackdaw fleet gc`");
    }
    JACKDAW_CHECK(require_host(settings_.state_root));
    JACKDAW_CHECK(without_value(ensure_network("")));
    JACKDAW_TRY(const auto started, start_locked(std::move(record)));
    return seen(started);
}

Result<void> LocalProvider::power_off(const std::string& name, std::chrono::milliseconds budget) {
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(auto record, record_of(name));
    if (record.wanted) {
        record.wanted = false;
        JACKDAW_CHECK(write_record(layout_.machine_file(name), record));
        fault_point("machine wanted off");
    }
    JACKDAW_TRY(auto power, power_of(name));
    JACKDAW_CHECK(power.stop(budget, record));
    return end_cut(name, record);
}

Result<void> LocalProvider::end_cut(const std::string& name, const MachineRecord& record) const {
    const Path marker = layout_.machine(name) / "cut";
    std::error_code failure;
    const std::string nft = find_program("nft");
    // Without an address the record is lost: `fleet gc` finds the rules.
    if (!std::filesystem::exists(marker, failure) || nft.empty() || record.spec.address.empty()) {
        return ok();
    }
    JACKDAW_TRY(const std::uint32_t address, parse_address(record.spec.address));
    JACKDAW_CHECK(without_value(
        run_checked({nft, "-f", "-"}, heal_text(layout_.rule_table(address)), nft_time)));
    fault_point("cut ended");
    std::filesystem::remove(marker, failure);
    return ok();
}

Result<void> LocalProvider::remove_locked(const std::string& name,
                                          const MachineRecord& record) const {
    JACKDAW_TRY(auto power, power_of(name));
    JACKDAW_CHECK(power.kill(record));
    JACKDAW_CHECK(end_cut(name, record));
    JACKDAW_CHECK(power.cgroup().remove());
    fault_point("before the machine's folder goes");
    return retire_tree(layout_.machine(name));
}

Result<void> LocalProvider::delete_machine(const std::string& name) {
    auto lock = lock_machine(name);
    if (!lock) {
        if (lock.error().code() == Errc::not_found) {
            return ok();
        }
        return std::move(lock).error();
    }
    const auto record = record_of(name); // a damaged one is deleted, too
    return remove_locked(name, record ? *record : MachineRecord{})
        .while_doing("delete machine " + name);
}

Result<std::vector<std::string>> LocalProvider::fleet_up() {
    JACKDAW_TRY(const auto network, describe_network());
    if (network) {
        JACKDAW_CHECK(without_value(ensure_network("")));
    }
    JACKDAW_TRY(const auto all, machines());
    std::vector<std::string> started;
    std::optional<Error> failed;
    for (const auto& machine : all) {
        if (machine.wanted_on && machine.state == MachineState::off) {
            auto on = power_on(machine.name);
            if (on) {
                started.push_back(on->name);
            } else if (!failed) {
                failed = std::move(on).error().while_doing("power on " + machine.label);
            }
        }
    }
    if (failed) {
        return *std::move(failed);
    }
    return started;
}

} // namespace jackdaw::cloud::local
