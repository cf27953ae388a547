// What `jackdaw doctor` says of an agent's place in its fleet.
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/core/health_report.h"
#include "proto/messages/key_holders.h"

namespace jackdaw::agent {
namespace {

constexpr std::uint32_t detours_of_a_cut = 4;

/// Lost answers alone make a few in a row; a link that is cut makes no other.
void look_at_links(Report& report) {
    std::string cut;
    std::string names;
    for (const auto& one : report.facts().gossip.detours) {
        if (one.times >= detours_of_a_cut) {
            cut += fmt::format("{}'{}' answers others and not this agent: {} times since {}",
                               cut.empty() ? "" : "; ", one.name, one.times, one.since);
            names += fmt::format("{}{}", names.empty() ? "" : ", ", one.name);
        }
    }
    report.of_agent(
        "links", cut, "warning",
        fmt::format("`jackdaw machine heal NAME` ends a cut that was made so; else look "
                    "at the packet filters and routes between here and {}, both ways",
                    names));
}

/// Empty: this agent hears others, or there are none.
std::string silence_of(const HealthFacts& facts) {
    std::size_t alive = 0, lost = 0, others = 0;
    for (const auto& one : facts.members) {
        alive += one.status == "alive" ? 1U : 0U;
        lost += one.status == "suspect" || one.status == "down" ? 1U : 0U;
        others += one.status == "left" ? 0U : 1U;
    }
    others -= others != 0 ? 1U : 0U; // itself
    const auto& gossip = facts.gossip;
    if (!gossip.shut_out_since.empty()) {
        return fmt::format(
            "this agent hears nobody: since {} {} datagrams came in, all sealed "
            "with keys that it does not have: it missed a rotation, or who sends them did",
            gossip.shut_out_since, gossip.shut_out_datagrams);
    }
    if (!gossip.unanswered_since.empty()) {
        return fmt::format(
            "nobody has answered this agent since it asks, which is since {}: addresses of others "
            "that it knows: {}",
            gossip.unanswered_since, gossip.unanswered_addresses);
    }
    return gossip.state == "isolated" || (alive <= 1 && lost > 0)
               ? fmt::format("this agent hears nobody (others known: {}): it is cut off, or all of "
                             "them are down",
                             others)
               : "";
}

/// Under the newest version that one has who is heard; of older ones gossip tells nothing.
std::string key_clash_of(const HealthFacts& facts) {
    proto::KeyHolders holders;
    std::set<std::uint32_t> sealing;
    for (const auto& one : facts.members) {
        if (one.status == "alive" || one.status == "suspect") {
            sealing.insert(one.sealing);
            if (!one.key_id.empty()) {
                holders[one.ring][one.key_id].push_back(one.name);
            }
        }
    }
    if (holders.size() > 1) {
        holders.erase(holders.begin(), std::prev(holders.end()));
    }
    return proto::key_clashes(holders, sealing);
}

} // namespace

void look_at_fleet(Report& report) {
    const auto& members = report.facts().members;
    if (members.empty() && !report.facts().gossip.kept_out.empty()) {
        report.of_agent("gossip ring", report.facts().gossip.kept_out, "error",
                        "mend the file that `ring` in /etc/jackdaw/jackdawd.toml names, which is "
                        "taken by itself, or the settings there, and start the agent again");
        return;
    }
    if (members.empty()) {
        report.of_agent("hand-over", "no operator has taken this agent into a fleet yet", "warning",
                        "the same `jackdaw instance create` again goes on with it");
        return;
    }
    report.of_agent("hand-over", "", "warning", "");
    const auto& gossip = report.facts().gossip;
    const bool is_unanswered = gossip.shut_out_since.empty() && !gossip.unanswered_since.empty();
    report.of_agent(
        "gossip", silence_of(report.facts()), is_unanswered ? "warning" : "error",
        is_unanswered
            ? "`jackdaw machine list`, then `jackdaw machine heal NAME` ends a cut; of an agent "
              "that was started with a `seed` and a `ring`: look whether both are its fleet's; if "
              "all others are gone for good, nothing is to be mended"
        : gossip.shut_out_since.empty()
            ? "`jackdaw machine list`, then `jackdaw machine heal NAME` ends a cut"
            : "`jackdaw key rotate` hands the fleet's keys to those that missed them");
    report.of_agent(
        "foreign keys",
        gossip.foreign_since.empty()
            ? ""
            : fmt::format("since {} {} datagrams came in sealed with keys that this agent does not "
                          "have: it missed a rotation and some others did, too, or who sends them "
                          "has a ring of before or of another fleet",
                          gossip.foreign_since, gossip.foreign_datagrams),
        "warning",
        "`jackdaw key rotate` hands the fleet's keys to those that missed them; if it stays, an "
        "agent with another ring asks here: `ring` and `seed` in its jackdawd.toml");
    report.of_agent("gossip keys", key_clash_of(report.facts()), "error", "jackdaw key rotate");
    report.of_agent("twin",
                    gossip.state == "twin"
                        ? "another machine holds this agent's keys: this one is silent in the "
                          "fleet and uses them no more"
                        : "",
                    "error",
                    "end the copy and remove its state folder, then start again who stays: "
                    "`jackdaw machine power-off NAME`, `jackdaw machine power-on NAME`");
    report.of_agent("own name",
                    gossip.namesakes.empty()
                        ? ""
                        : fmt::format("'{}' is also the name of {}", gossip.name,
                                      fmt::join(gossip.namesakes, ", ")),
                    "error", "`jackdaw instance rename ID NEW-NAME`, with the id of one of them");
    report.of_agent(
        "protocol",
        gossip.incompatible.empty()
            ? ""
            : fmt::format("{} agents speak a form of gossip that this one cannot read: "
                          "{}",
                          gossip.incompatible.size(), fmt::join(gossip.incompatible, ", ")),
        "warning", "bring all agents to one version: `jackdaw image build DATASTORE --force`");
    report.of_agent(
        "members",
        gossip.full_at == 0
            ? ""
            : fmt::format("it knows {} members and takes no more: some were refused",
                          gossip.full_at),
        "error",
        "delete instances that nobody needs (`jackdaw instance list`), or begin another fleet");
    report.of_agent("address families",
                    gossip.other_family.empty()
                        ? ""
                        : fmt::format("this agent has no socket of their address family for {}",
                                      fmt::join(gossip.other_family, ", ")),
                    "warning",
                    "in /etc/jackdaw/jackdawd.toml set listen = \"[::]:PORT\" and advertise = "
                    "\"ADDRESS\", the one that others know it by, and start the agent again");
    report.of_agent(
        "own address",
        gossip.refuted_times == 0
            ? ""
            : fmt::format(
                  "others do not reach this agent at {}, or not in time: since {} they took it "
                  "for gone {} times, and it said otherwise",
                  gossip.address, gossip.refuted_since, gossip.refuted_times),
        "warning",
        "`ip address`: if that address is not one by which others reach this machine, set "
        "advertise = \"ADDRESS\" in /etc/jackdaw/jackdawd.toml and start the agent again; else let "
        "UDP to that port in through the packet filters and routes on the way");
    look_at_links(report);
}

} // namespace jackdaw::agent
