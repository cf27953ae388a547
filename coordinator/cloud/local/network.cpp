#include "coordinator/cloud/local/network.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/stat.h>

#include <limits>

#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/files.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::uint16_t make_new = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
constexpr std::uint32_t worst_metric = std::numeric_limits<std::uint32_t>::max();
constexpr const char* bridge_filter = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// The errno is an answer like any other: "it is there already", "it is not there".
Result<void> forgive(Result<void> result, int number) {
    if (!result && result.error().cause().value() == number) {
        return ok();
    }
    return result;
}

void put_mac(NetlinkMessage& message, const std::array<std::uint8_t, 6>& mac) {
    message.put(IFLA_ADDRESS, std::as_bytes(std::span{mac}));
}

NetlinkMessage new_bridge(const Layout& layout) {
    NetlinkMessage message{RTM_NEWLINK, make_new, ifinfomsg{}};
    message.put(IFLA_IFNAME, layout.bridge());
    put_mac(message,
            layout.mac(gateway_host)); // else the bridge takes its lowest port's, and changes
    const auto info = message.begin(IFLA_LINKINFO);
    message.put(IFLA_INFO_KIND, std::string_view{"bridge"});
    message.end(info);
    return message;
}

NetlinkMessage link_up(int index, int master) {
    ifinfomsg body{};
    body.ifi_index = index;
    body.ifi_flags = IFF_UP;
    body.ifi_change = IFF_UP;
    NetlinkMessage message{RTM_NEWLINK, NLM_F_ACK, body};
    if (master > 0) {
        message.put(IFLA_MASTER, static_cast<std::uint32_t>(master));
    }
    return message;
}

NetlinkMessage new_address(int index, std::uint32_t address, std::uint8_t length) {
    ifaddrmsg body{};
    body.ifa_family = AF_INET;
    body.ifa_prefixlen = length;
    body.ifa_index = static_cast<unsigned>(index);
    NetlinkMessage message{RTM_NEWADDR, make_new, body};
    message.put(IFA_LOCAL, static_cast<std::uint32_t>(htonl(address)));
    message.put(IFA_ADDRESS, static_cast<std::uint32_t>(htonl(address)));
    return message;
}

NetlinkMessage unreachable_route(std::uint16_t type, std::uint16_t flags, const Prefix& subnet) {
    rtmsg body{};
    body.rtm_family = AF_INET;
    body.rtm_dst_len = subnet.length;
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNREACHABLE;
    NetlinkMessage message{type, flags, body};
    message.put(RTA_DST, static_cast<std::uint32_t>(htonl(subnet.address)));
    message.put(RTA_PRIORITY, worst_metric);
    return message;
}

Result<std::vector<NetlinkObject>> list_addresses(Netlink& netlink) {
    ifaddrmsg any{};
    any.ifa_family = AF_INET;
    return netlink.dump(NetlinkMessage{RTM_GETADDR, NLM_F_DUMP, any}, "list addresses");
}

} // namespace

Result<std::vector<Link>> list_links(Netlink& netlink) {
    JACKDAW_TRY(const auto objects,
                netlink.dump(NetlinkMessage{RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}}, "list links"));
    std::vector<Link> links;
    for (const auto& object : objects) {
        links.push_back(
            {object.head<ifinfomsg>().ifi_index,
             text_of(object.attribute(sizeof(ifinfomsg), IFLA_IFNAME)),
             static_cast<int>(number_of(object.attribute(sizeof(ifinfomsg), IFLA_MASTER)))});
    }
    return links;
}

Result<int> link_index(Netlink& netlink, std::string_view name) {
    JACKDAW_TRY(const auto links, list_links(netlink));
    for (const auto& link : links) {
        if (link.name == name) {
            return link.index;
        }
    }
    return 0;
}

Result<std::optional<Prefix>> prefix_of(Netlink& netlink, int link) {
    JACKDAW_TRY(const auto addresses, list_addresses(netlink));
    for (const auto& object : addresses) {
        const auto head = object.head<ifaddrmsg>();
        if (static_cast<int>(head.ifa_index) == link) {
            const auto address = ntohl(number_of(object.attribute(sizeof(ifaddrmsg), IFA_ADDRESS)));
            return std::optional{network_of({address, head.ifa_prefixlen})};
        }
    }
    return std::optional<Prefix>{};
}

Result<std::vector<Prefix>> used_prefixes(Netlink& netlink, int except_link,
                                          const std::optional<Prefix>& own) {
    std::vector<Prefix> used;
    JACKDAW_TRY(const auto addresses, list_addresses(netlink));
    for (const auto& object : addresses) {
        const auto head = object.head<ifaddrmsg>();
        if (static_cast<int>(head.ifa_index) != except_link) {
            used.push_back({ntohl(number_of(object.attribute(sizeof(ifaddrmsg), IFA_ADDRESS))),
                            head.ifa_prefixlen});
        }
    }
    rtmsg any_route{};
    any_route.rtm_family = AF_INET;
    JACKDAW_TRY(const auto routes,
                netlink.dump(NetlinkMessage{RTM_GETROUTE, NLM_F_DUMP, any_route}, "list routes"));
    for (const auto& object : routes) {
        const auto head = object.head<rtmsg>();
        const auto link = number_of(object.attribute(sizeof(rtmsg), RTA_OIF));
        const auto metric = number_of(object.attribute(sizeof(rtmsg), RTA_PRIORITY));
        const Prefix to{ntohl(number_of(object.attribute(sizeof(rtmsg), RTA_DST))),
                        head.rtm_dst_len};
        const bool of_link = link != 0 && static_cast<int>(link) == except_link;
        const bool backstop = head.rtm_type == RTN_UNREACHABLE && metric == worst_metric &&
                              (except_link != 0 || own == to);
        if (!of_link && !backstop && head.rtm_type != RTN_BROADCAST) {
            used.push_back(to);
        }
    }
    return used;
}

Result<void> ensure_bridge(Netlink& netlink, const Layout& layout, const Prefix& subnet) {
    fault_point("before the bridge");
    JACKDAW_CHECK(
        forgive(netlink.request(new_bridge(layout), "make bridge " + layout.bridge()), EEXIST));
    fault_point("bridge made");
    JACKDAW_TRY(const int index, link_index(netlink, layout.bridge()));
    JACKDAW_CHECK(
        forgive(netlink.request(new_address(index, subnet.address + gateway_host, subnet.length),
                                "give bridge " + layout.bridge() + " its address"),
                EEXIST));
    fault_point("bridge has its address");
    JACKDAW_CHECK(netlink.request(link_up(index, 0), "bring bridge " + layout.bridge() + " up"));
    JACKDAW_CHECK(forgive(netlink.request(unreachable_route(RTM_NEWROUTE, make_new, subnet),
                                          "add the unreachable route"),
                          EEXIST));
    fault_point("route made");
    JACKDAW_TRY(const auto links, list_links(netlink));
    for (const auto& link : links) {
        if (layout.host_of(link.name) && link.master != index) {
            JACKDAW_CHECK(forgive(netlink.request(link_up(link.index, index),
                                                  "put " + link.name + " into the bridge"),
                                  ENODEV)); // its machine has just ended
        }
    }
    if (!in_host_network() && ::access(bridge_filter, W_OK) == 0) {
        JACKDAW_CHECK(write_kernel_file(bridge_filter, "0"));
    }
    return ok();
}

Result<void> remove_bridge(Netlink& netlink, const Layout& layout, const Prefix& subnet) {
    JACKDAW_CHECK(forgive(netlink.request(unreachable_route(RTM_DELROUTE, NLM_F_ACK, subnet),
                                          "remove the unreachable route"),
                          ESRCH));
    fault_point("route removed");
    return remove_link(netlink, layout.bridge());
}

Result<void> make_veth(Netlink& netlink, const Layout& layout, std::uint32_t address, int pid) {
    const std::string name = layout.veth(address);
    JACKDAW_CHECK(remove_link(netlink, name));
    NetlinkMessage message{RTM_NEWLINK, make_new, ifinfomsg{}};
    message.put(IFLA_IFNAME, name);
    const auto info = message.begin(IFLA_LINKINFO);
    message.put(IFLA_INFO_KIND, std::string_view{"veth"});
    const auto data = message.begin(IFLA_INFO_DATA);
    const auto peer = message.begin(VETH_INFO_PEER);
    const ifinfomsg peer_body{};
    message.append(std::as_bytes(std::span{&peer_body, 1}));
    message.put(IFLA_IFNAME, std::string_view{"eth0"});
    put_mac(message, layout.mac(address));
    message.put(IFLA_NET_NS_PID, static_cast<std::uint32_t>(pid));
    message.end(peer);
    message.end(data);
    message.end(info);
    JACKDAW_CHECK(netlink.request(std::move(message), "make veth " + name));
    fault_point("veth made");
    JACKDAW_TRY(const int bridge, link_index(netlink, layout.bridge()));
    JACKDAW_TRY(const int index, link_index(netlink, name));
    if (bridge == 0 || index == 0) {
        return Error{Errc::conflict, name + " or its bridge went away"};
    }
    return netlink.request(link_up(index, bridge), "put " + name + " into the bridge");
}

Result<void> remove_link(Netlink& netlink, std::string_view name) {
    JACKDAW_TRY(const int index, link_index(netlink, name));
    if (index == 0) {
        return ok();
    }
    ifinfomsg body{};
    body.ifi_index = index;
    return forgive(netlink.request(NetlinkMessage{RTM_DELLINK, NLM_F_ACK, body},
                                   "remove link " + std::string{name}),
                   ENODEV);
}

bool in_host_network() {
    struct stat own{};
    struct stat host{};
    return ::stat("/proc/self/ns/net", &own) == 0 && ::stat("/proc/1/ns/net", &host) == 0 &&
           own.st_ino == host.st_ino;
}

} // namespace jackdaw::cloud::local
