// The gossip keys of a fleet: who misses one, who holds one that was removed, and two of one
// version.
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "coordinator/core/fleet_findings.h"

namespace jackdaw::cli {

using proto::FindingShape;

void look_at_keys(const FleetHealth& seen, std::vector<FindingShape>& all) {
    constexpr auto none = std::numeric_limits<std::uint32_t>::max();
    const proto::MemberShape* lowest = nullptr; // of those alive, by the key that they seal with
    std::uint32_t sealing = none, sealing_else = none;
    for (const auto& one : seen.members) {
        if (one.status != "alive") {
            continue;
        }
        if (one.sealing < sealing) {
            sealing_else = std::exchange(sealing, one.sealing);
            lowest = &one;
        } else {
            sealing_else = std::min(sealing_else, one.sealing);
        }
    }
    for (const auto& one : seen.members) {
        const auto least = &one == lowest ? sealing_else : sealing; // of the others
        if (one.status != "left" && one.ring != 0 && least != none && one.ring < least) {
            all.push_back(of_fleet(
                "gossip keys", one.name,
                fmt::format("the newest key that it holds is {}, and the others seal with {}: it "
                            "cannot read them",
                            one.ring, least),
                "error",
                "`jackdaw key rotate` hands the fleet's keys to it, once its machine is on"));
        }
    }
}

void look_at_rings(const FleetHealth& seen, std::vector<FindingShape>& all) {
    if (seen.ring.empty()) {
        return;
    }
    const auto newest = seen.ring.rbegin()->first;
    std::vector<std::string> ahead;
    std::uint32_t latest = newest;
    for (const auto& machine : seen.machines) {
        if (machine.keys.empty()) {
            continue;
        }
        for (const auto& [version, id] : machine.keys) {
            if (!seen.ring.contains(version) && version < newest) {
                all.push_back(of_fleet("removed key", machine.name,
                                       fmt::format("it still takes datagrams under key {}, which "
                                                   "the fleet removed",
                                                   version),
                                       "warning", fmt::format("jackdaw key remove {}", version)));
            }
        }
        if (const auto last = machine.keys.rbegin()->first; last > newest) {
            ahead.push_back(machine.name);
            latest = std::max(latest, last);
        } else if (!machine.keys.contains(newest)) {
            all.push_back(of_fleet("rotation", machine.name,
                                   fmt::format("it does not hold key {}, the fleet's newest, which "
                                               "seals only once all hold it",
                                               newest),
                                   "warning", "jackdaw key rotate"));
        }
    }
    if (!ahead.empty()) {
        all.push_back(of_fleet(
            "gossip keys", "",
            fmt::format("{} {} key {}, which another copy of the fleet's profile made; the newest "
                        "of this host's is {}: an instance made here may hear nobody",
                        fmt::join(ahead, ", "), ahead.size() == 1 ? "holds" : "hold", latest,
                        newest),
            "warning", "jackdaw key rotate"));
    }
}

bool look_at_clashes(const FleetHealth& seen, std::vector<FindingShape>& all) {
    proto::KeyHolders holders;
    const auto newest = seen.ring.empty() ? 0U : seen.ring.rbegin()->first;
    const auto note = [&](std::uint32_t version, const std::string& id, std::string_view name) {
        // An older one that the ring does not have goes by itself.
        if (!id.empty() && (version >= newest || seen.ring.contains(version))) {
            holders[version][id].emplace_back(name);
        }
    };
    for (const auto& machine : seen.machines) {
        for (const auto& [version, id] : machine.keys) {
            note(version, id, machine.name);
        }
    }
    std::set<std::uint32_t> sealing;
    for (const auto& one : seen.members) {
        if (one.status != "alive" && one.status != "suspect") {
            continue;
        }
        sealing.insert(one.sealing);
        const auto* const machine = machine_of(seen, one);
        if (machine == nullptr || machine->keys.empty()) { // else it has said more itself
            note(one.ring, one.key_id, one.name);
        }
    }
    for (const auto& [version, id] : seen.ring) {
        if (holders.contains(version)) {
            note(version, id, proto::holder_profile);
        }
    }
    auto clashes = proto::key_clashes(holders, sealing);
    if (clashes.empty()) {
        return false;
    }
    all.push_back(of_fleet("gossip keys", "", std::move(clashes), "error", "jackdaw key rotate"));
    return true;
}

} // namespace jackdaw::cli
