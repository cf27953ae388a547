#include "agent/host/host_firewall.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace jackdaw::agent::host {
namespace {

using Bytes = std::array<unsigned char, 16>;

std::string network_text(int family, Bytes bytes, unsigned prefix) {
    const unsigned size = family == AF_INET ? 4 : 16;
    for (unsigned bit = prefix; bit < size * 8; ++bit) {
        bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(family, bytes.data(), text.data(), text.size());
    return fmt::format("{}/{}", text.data(), prefix);
}

struct FreeAddresses {
    void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

/// The bytes of a sockaddr; false for a family that is neither.
bool bytes_of(const sockaddr* address, Bytes& bytes) {
    if (address == nullptr) {
        return false;
    }
    if (address->sa_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, address, sizeof v4);
        std::memcpy(bytes.data(), &v4.sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, address, sizeof v6);
        std::memcpy(bytes.data(), &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

} // namespace

Result<std::string> canonical_network(std::string_view text) {
    const auto refuse = [&] {
        return Error{Errc::invalid, "a network is ADDRESS or ADDRESS/BITS, IPv4 or IPv6"};
    };
    const auto slash = text.find('/');
    const std::string address{text.substr(0, slash)};
    Bytes bytes{};
    int family = AF_INET;
    if (::inet_pton(AF_INET, address.c_str(), bytes.data()) != 1) {
        family = AF_INET6;
        if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) {
            return refuse();
        }
    }
    const unsigned longest = family == AF_INET ? 32 : 128;
    unsigned prefix = longest;
    if (slash != std::string_view::npos) {
        const auto bits = text.substr(slash + 1);
        const auto [end, failed] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix);
        if (failed != std::errc{} || end != bits.data() + bits.size() || prefix > longest) {
            return refuse();
        }
    }
    return network_text(family, bytes, prefix);
}

std::string render_rules(const std::vector<std::string>& allow, std::uint16_t port,
                         std::uint32_t database_uid, const OpenPorts& ours) {
    std::string rules = fmt::format(
        "table inet jackdaw\n"
        "delete table inet jackdaw\n"
        "table inet jackdaw {{\n"
        "chain input {{\n"
        "type filter hook input priority filter; policy drop;\n"
        "iif lo accept\n"
        "ct state established,related accept\n"
        "ct state invalid drop\n"
        "meta l4proto 1 accept\n"  // icmp; by number: an image need not have /etc/protocols
        "meta l4proto 58 accept\n" // ipv6-icmp
        "tcp dport {0} accept\n"
        "udp dport {0} accept\n",
        ours.agents);
    for (const auto& network : allow) {
        const auto* kind = network.find(':') == std::string::npos ? "ip" : "ip6";
        rules += fmt::format("{} saddr {} tcp dport {} accept\n", kind, network, port);
        if (ours.metrics != 0) {
            rules += fmt::format("{} saddr {} tcp dport {} accept\n", kind, network, ours.metrics);
        }
    }
    rules += fmt::format("}}\n"
                         "chain output {{\n"
                         "type filter hook output priority filter; policy accept;\n"
                         "meta skuid {0} ip daddr 169.254.169.254 drop\n"
                         "meta skuid {0} ip6 daddr fe80::a9fe:a9fe drop\n" // OpenStack's, too
                         "}}\n"
                         "}}\n",
                         database_uid);
    return rules;
}

Result<std::vector<std::string>> own_networks(const std::string& address) {
    ifaddrs* raw = nullptr;
    if (::getifaddrs(&raw) != 0) {
        return Error{Errc::unavailable, "list the machine's addresses",
                     std::error_code{errno, std::generic_category()}};
    }
    const std::unique_ptr<ifaddrs, FreeAddresses> list{raw};
    std::vector<std::string> networks;
    for (const auto* at = raw; at != nullptr; at = at->ifa_next) {
        Bytes bytes{};
        Bytes mask{};
        if ((at->ifa_flags & IFF_LOOPBACK) != 0 || !bytes_of(at->ifa_addr, bytes) ||
            !bytes_of(at->ifa_netmask, mask)) {
            continue;
        }
        const int family = at->ifa_addr->sa_family;
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(family, bytes.data(), text.data(), text.size());
        if (!address.empty() && address != text.data()) {
            continue;
        }
        unsigned prefix = 0;
        for (const auto byte : mask) {
            prefix += static_cast<unsigned>(std::popcount(byte));
        }
        networks.push_back(network_text(family, bytes, prefix));
    }
    std::sort(networks.begin(), networks.end());
    networks.erase(std::unique(networks.begin(), networks.end()), networks.end());
    if (networks.empty()) {
        return Error{Errc::unavailable, fmt::format("no interface has the address {}", address)};
    }
    return networks;
}

} // namespace jackdaw::agent::host
