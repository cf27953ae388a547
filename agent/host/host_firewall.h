#pragma once
// The machine's packet filter: the rules as text (pure). Part of jackdaw-host.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host/host.h"
#include "proto/base/error.h"

namespace jackdaw::agent::host {

inline constexpr const char* firewall_file = "/run/jackdaw/firewall.nft";

/// "10.1.0.0/16", "10.1.2.3", "fd00::/8"; checked and written out anew from its bytes. `invalid`
/// otherwise.
[[nodiscard]] Result<std::string> canonical_network(std::string_view text);

/// One rule a line (nft 1.0.6 wants a line's end before a closing brace). Input: loopback, what
/// belongs to a connection, ICMP, the agents' port; the database's port, and the one for metrics,
/// from `allow` only; the rest is dropped. Output: the metadata addresses, IPv4 and IPv6, are
/// closed to the database's user. `allow` is canonical.
[[nodiscard]] std::string render_rules(const std::vector<std::string>& allow, std::uint16_t port,
                                       std::uint32_t database_uid, const OpenPorts& ours = {});

/// The networks of the interface that has this address (of all interfaces but loopback when it is
/// empty).
[[nodiscard]] Result<std::vector<std::string>> own_networks(const std::string& address);

} // namespace jackdaw::agent::host
