#pragma once
// What cuts a machine from the network, as text for nft(8). Family netdev on the host's end of the
// veth: packets vanish without a word to either side, which a drop in an output hook (EPERM) or a
// link that is down would not do. Seen from that end, ingress is what the machine sends. Pure.

#include <cstdint>
#include <optional>
#include <string>

namespace jackdaw::cloud::local {

struct CutRules {
    std::string table;                 ///< name of the rule table
    std::string device;                ///< the host's end of the machine's veth
    std::optional<std::uint32_t> peer; ///< only packets to and from this address; none: all
    bool one_way = false;              ///< only what the machine sends
    unsigned percent = 100;            ///< of those packets, 1 to 100
};

/// Replaces an earlier table of that name. One statement a line: nft 1.0.6 wants an end of line
/// before '}'.
[[nodiscard]] std::string cut_text(const CutRules& rules);
/// Removes the table whether it is there or not.
[[nodiscard]] std::string heal_text(const std::string& table);

} // namespace jackdaw::cloud::local
