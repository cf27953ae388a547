#include "coordinator/cloud/local/cut_rules.h"

#include <cassert>

#include <fmt/format.h>

#include "coordinator/cloud/local/subnet.h"

namespace jackdaw::cloud::local {
namespace {

std::string chain(const CutRules& rules, const char* hook, const char* side) {
    const std::string share =
        rules.percent < 100 ? fmt::format("numgen random mod 100 < {} ", rules.percent) : "";
    std::string lines;
    if (rules.peer) {
        const std::string peer = format_address(*rules.peer);
        lines = fmt::format("    ip {0} {1} {2}drop\n"
                            "    arp {0} ip {1} {2}drop\n",
                            side, peer, share);
    } else {
        lines = fmt::format("    {}drop\n", share);
    }
    return fmt::format("  chain {0} {{\n"
                       "    type filter hook {0} device \"{1}\" priority -500; policy accept;\n"
                       "{2}"
                       "  }}\n",
                       hook, rules.device, lines);
}

} // namespace

std::string heal_text(const std::string& table) {
    // "add" first: a delete of what is not there fails, and "destroy" came with nft 1.0.7.
    return fmt::format("add table netdev {0}\ndelete table netdev {0}\n", table);
}

std::string cut_text(const CutRules& rules) {
    assert(rules.percent >= 1 && rules.percent <= 100);
    std::string text = heal_text(rules.table);
    text += fmt::format("table netdev {} {{\n", rules.table);
    text += chain(rules, "ingress", "daddr");
    if (!rules.one_way) {
        text += chain(rules, "egress", "saddr");
    }
    return text + "}\n";
}

} // namespace jackdaw::cloud::local
