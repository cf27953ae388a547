// LocalProvider: what reaches into a running machine, and what tests do to one.
#include <fcntl.h>

#include <fmt/format.h>

#include "coordinator/cloud/local/cut_rules.h"
#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/local_provider.h"
#include "coordinator/cloud/local/machine_inside.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/run_program.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cloud::local {
namespace {

constexpr uid_t agent_user = 47412; ///< jackdawd, the same in every image
constexpr gid_t agent_group = 47412;
constexpr std::size_t identity_bytes_max = 4096;
constexpr std::chrono::milliseconds identity_wait_max{600'000};
constexpr std::chrono::milliseconds nft_time{10'000};
constexpr const char* identity_file = "var/lib/jackdaw/state/identity.pub";
constexpr const char* volume_folder = "var/lib/jackdaw/volume";
constexpr const char* root_disk_folder = "run/jackdaw/root-disk";

Error machine_is_down(const std::string& name) {
    return Error{Code::machine_down, "machine " + name + " is off"}.with_hint(
        fmt::format("`jackdaw machine power-on {}`", name));
}

Result<void> run_nft(const std::string& rules) {
    const std::string nft = find_program("nft");
    if (nft.empty()) {
        return Error{Code::host_lacks, "the program nft is missing"}.with_hint(
            "apt-get install nftables");
    }
    return without_value(run_checked({nft, "-f", "-"}, rules, nft_time));
}

bool is_json_object(const std::string& text) {
    const auto json = proto::parse_json(text);
    return json && json->is_object();
}

} // namespace

Result<void> LocalProvider::deliver(const std::string& machine, const FleetFiles& files) {
    JACKDAW_CHECK(without_value(record_of(machine)));
    JACKDAW_TRY(const auto power, power_of(machine));
    JACKDAW_TRY(const auto root, MachineRoot::open(power));
    JACKDAW_CHECK(without_value(root.make_folder("etc/jackdaw", 0755, 0)));
    JACKDAW_TRY(const UniqueFd folder, root.make_folder("etc/jackdaw/fleet", 0750, agent_group));
    JACKDAW_CHECK(place_file(folder.get(), "operator_key", files.operator_key));
    JACKDAW_CHECK(place_file(folder.get(), "gossip_ring", files.gossip_ring.reveal()));
    JACKDAW_CHECK(place_file(folder.get(), "seeds", files.seeds));
    fault_point("before the statement");
    return place_file(folder.get(), "statement", files.statement); // last: the agent waits for it
}

Result<std::string> LocalProvider::agent_identity(const std::string& machine,
                                                  std::chrono::milliseconds budget) {
    JACKDAW_CHECK(without_value(record_of(machine)));
    JACKDAW_TRY(const auto power, power_of(machine));
    JACKDAW_TRY(const auto root, MachineRoot::open(power));
    std::string identity;
    bool down = false;
    const bool found = wait_until(std::min(budget, identity_wait_max), [&] {
        auto text = read_foreign(root, identity_file, agent_user, identity_bytes_max);
        if (text && is_json_object(*text)) {
            identity = std::move(*text);
            return true;
        }
        down = !power.is_on();
        return down;
    });
    if (down) {
        return machine_is_down(machine);
    }
    if (!found) {
        return Error{
            Errc::deadline,
            fmt::format("the agent of machine {} did not write its public keys in time", machine)}
            .with_hint(fmt::format("`jackdaw machine shell {} -- tail -n 20 "
                                   "/var/log/jackdaw/agent.log` says why",
                                   machine));
    }
    return identity;
}

Result<void> LocalProvider::power_off_crash(const std::string& name) {
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(auto record, record_of(name));
    JACKDAW_TRY(auto power, power_of(name));
    if (!power.is_on()) {
        return machine_is_down(name);
    }
    record.wanted = false;
    JACKDAW_CHECK(write_record(layout_.machine_file(name), record));
    // Nothing acts on what it sees between the disks' end and its own, as in a cut. Best effort: a
    // machine that does not freeze in time is cut all the same. The next start thaws.
    (void)power.cgroup().freeze(true);
    const auto shut = [&]() -> Result<void> {
        JACKDAW_TRY(const auto root, MachineRoot::open(power));
        JACKDAW_CHECK(without_value(shut_file_system(root, volume_folder)));
        return record.spec.root_disk_bytes > 0
                   ? without_value(shut_file_system(root, root_disk_folder))
                   : ok();
    };
    if (auto done = shut(); !done) { // it is not cut then, and goes on
        (void)power.cgroup().freeze(false);
        record.wanted = true;
        JACKDAW_CHECK(write_record(layout_.machine_file(name), record));
        return done;
    }
    JACKDAW_CHECK(power.kill(record));
    return end_cut(name, record);
}

Result<void> LocalProvider::freeze(const std::string& name) {
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(const auto power, power_of(name));
    return power.is_on() ? power.cgroup().freeze(true) : Result<void>{machine_is_down(name)};
}

Result<void> LocalProvider::thaw(const std::string& name) {
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(const auto power, power_of(name));
    return power.is_on() ? power.cgroup().freeze(false) : Result<void>{machine_is_down(name)};
}

Result<void> LocalProvider::cut(const std::string& name, const Cut& cut) {
    if (cut.percent < 1 || cut.percent > 100) {
        return Error{Errc::invalid, "the share of lost packets is 1 to 100 percent"};
    }
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(const auto record, record_of(name));
    JACKDAW_TRY(const auto power, power_of(name));
    if (!power.is_on()) {
        return machine_is_down(name);
    }
    JACKDAW_TRY(const std::uint32_t address, parse_address(record.spec.address));
    CutRules rules{.table = layout_.rule_table(address),
                   .device = layout_.veth(address),
                   .peer = std::nullopt,
                   .one_way = cut.one_way,
                   .percent = cut.percent};
    if (!cut.from.empty()) {
        JACKDAW_TRY(const auto peer, record_of(cut.from));
        JACKDAW_TRY(rules.peer, parse_address(peer.spec.address));
    }
    JACKDAW_CHECK(
        write_durable(layout_.machine(name) / "cut", "")); // before: what ends it looks here
    fault_point("cut written down");
    return run_nft(cut_text(rules)).while_doing("cut machine " + name);
}

Result<void> LocalProvider::heal(const std::string& name) {
    JACKDAW_TRY(const auto lock, lock_machine(name));
    JACKDAW_TRY(const auto record, record_of(name));
    return end_cut(name, record);
}

Result<int> LocalProvider::run_inside(const std::string& name,
                                      const std::vector<std::string>& command) {
    JACKDAW_CHECK(without_value(record_of(name)));
    JACKDAW_TRY(const auto power, power_of(name));
    return run_in_machine(power, command);
}

Result<int> LocalProvider::first_process(const std::string& name) {
    JACKDAW_CHECK(without_value(record_of(name)));
    JACKDAW_TRY(const auto power, power_of(name));
    pid_t pid = -1;
    JACKDAW_CHECK(without_value(power.open_first_process(&pid)));
    return pid;
}

Result<void> LocalProvider::delete_image(const std::string& reference) {
    JACKDAW_TRY(const Image image, find_image(settings_.image_root, reference));
    JACKDAW_TRY(const auto fleets, names_in(settings_.state_root));
    for (const auto& fleet : fleets) {
        if (is_retired(fleet)) {
            continue;
        }
        LocalProvider other{{fleet, settings_.state_root, settings_.image_root}};
        JACKDAW_TRY(const auto machines, other.records());
        for (const auto& machine : machines) {
            if (machine.damaged) {
                return Error{Code::image_used,
                             fmt::format("which image machine {} of fleet {} has cannot be read",
                                         machine.spec.name, fleet)};
            }
            if (machine.image_digest == image.digest) {
                return Error{Code::image_used,
                             fmt::format("machine {} of fleet {} has the image {}",
                                         machine.spec.name, fleet, image.digest)};
            }
        }
    }
    return remove_image(settings_.image_root, image.digest);
}

} // namespace jackdaw::cloud::local
