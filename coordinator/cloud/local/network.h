#pragma once
// The kernel's side of a fleet's network: one bridge with the gateway's address, an unreachable
// route behind it, one veth per machine. Everything is found by name, so making it twice is making
// it once.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/cloud/local/layout.h"
#include "coordinator/cloud/local/netlink.h"
#include "coordinator/cloud/local/subnet.h"

namespace jackdaw::cloud::local {

struct Link {
    int index = 0;
    std::string name;
    int master = 0; ///< index of the bridge that it is a port of
};

[[nodiscard]] Result<std::vector<Link>> list_links(Netlink& netlink);
/// 0 when there is none of that name.
[[nodiscard]] Result<int> link_index(Netlink& netlink, std::string_view name);
/// The network of the link's first IPv4 address.
[[nodiscard]] Result<std::optional<Prefix>> prefix_of(Netlink& netlink, int link);
/// Every prefix that this network namespace has an address in or a route to, without those of the
/// link `except` and without the unreachable route of a fleet's network `own`, which stays when its
/// bridge goes.
[[nodiscard]] Result<std::vector<Prefix>> used_prefixes(Netlink& netlink, int except_link,
                                                        const std::optional<Prefix>& own);

/// Bridge up with the gateway's address, the route in place, and every veth of the fleet that is
/// here a port of it: they outlive a bridge that somebody removed. Where this network namespace is
/// not the host's own, bridged frames are kept from its iptables (a fresh one has
/// bridge-nf-call-iptables=1).
[[nodiscard]] Result<void> ensure_bridge(Netlink& netlink, const Layout& layout,
                                         const Prefix& subnet);
/// Bridge and route; absent is no error.
[[nodiscard]] Result<void> remove_bridge(Netlink& netlink, const Layout& layout,
                                         const Prefix& subnet);

/// A veth whose end here is up and a port of the fleet's bridge, and whose other end is eth0 in the
/// network namespace of process `pid`. Removes an older one of that name, which a machine that just
/// ended may have left behind.
[[nodiscard]] Result<void> make_veth(Netlink& netlink, const Layout& layout, std::uint32_t address,
                                     int pid);
/// Absent is no error.
[[nodiscard]] Result<void> remove_link(Netlink& netlink, std::string_view name);

/// Is this the network namespace of the host's first process?
[[nodiscard]] bool in_host_network();

} // namespace jackdaw::cloud::local
