// Gossip's socket where the network has rules: what leaves is unfragmentable, what the network
// refuses is counted by its reason, and link-local addresses belong to their link. In a network
// namespace of its own; skipped, with the reason printed, without root.

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <catch2/catch.hpp>

#include "proto/wire/gossip_codec.h"
#include "tests/unit/gossip_sockets.h"

using namespace jackdaw;
using namespace jackdaw::gossip_test;

namespace {

constexpr int exit_skipped = 4; // SKIP_RETURN_CODE in CMakeLists.txt

bool run(const char* command) {
    return std::system(command) == 0; // NOLINT(concurrency-mt-unsafe): one thread
}

/// Entered before main(), so that nothing of the test touches the host's network.
struct OwnNetwork {
    OwnNetwork() {
        if (::unshare(CLONE_NEWNET) != 0) {
            std::printf("SKIPPED: a network namespace needs root\n");
            std::fflush(stdout);
            ::_exit(exit_skipped);
        }
        if (!run("ip link set lo up && ip link add near type veth peer name far"
                 " && ip link set near addrgenmode none && ip link set far addrgenmode none"
                 " && ip link set near up && ip link set far up"
                 " && ip address add fe80::a/64 dev near nodad"
                 " && ip address add fe80::b/64 dev far nodad")) {
            std::printf("the network of the test could not be made\n");
            ::_exit(1);
        }
    }
} const own_network;

NetAddress link_local(std::uint8_t last) {
    NetAddress address;
    address.ip_bytes = 16;
    address.ip[0] = 0xFE;
    address.ip[1] = 0x80;
    address.ip[15] = last;
    return address;
}

DatagramSocket on_link(std::uint8_t last, const char* interface) {
    auto socket = DatagramSocket::open(link_local(last), ::if_nametoindex(interface));
    REQUIRE(socket);
    return std::move(*socket);
}

const std::string longest(proto::gossip_datagram_bytes_max, 'x');

} // namespace

TEST_CASE("gossip network: the longest datagram leaves whole, with fragmenting forbidden") {
    const UniqueFd wire{::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP)};
    REQUIRE(wire);
    auto here = open_loopback();
    auto there = open_loopback();
    send(here, there.address(), longest);
    CHECK(read_all(there).size() == 1);
    std::array<char, 2048> packet{};
    REQUIRE(::recv(wire.get(), packet.data(), packet.size(), 0) ==
            static_cast<ssize_t>(sizeof(iphdr) + 8 + longest.size()));
    iphdr header{};
    std::memcpy(&header, packet.data(), sizeof header);
    CHECK(ntohs(header.frag_off) == IP_DF); // and no fragment's offset
}

TEST_CASE("gossip network: what is too big for the interface is dropped; smaller ones leave") {
    auto here = open_loopback();
    auto there = open_loopback();
    REQUIRE(run("ip link set lo mtu 1000"));
    put(here, there.address(), "before");
    put(here, there.address(), longest);
    put(here, there.address(), "behind");
    here.flush();
    CHECK(here.counters().send_too_big == 1);
    CHECK(here.counters().send_failed == 0);
    CHECK(read_all(there) == std::vector<std::string>{"before", "behind"});
    CHECK(here.read().taken == 0); // what the kernel noted of it is gone, too
    CHECK(here.counters().icmp_other == 0);
    // IPv6 leaves an interface of such an MTU, and comes back with it.
    REQUIRE(run("ip link set lo mtu 65536 && ip link set lo down && ip link set lo up"));
}

TEST_CASE("gossip network: IPv6's smallest MTU takes the longest datagram") {
    REQUIRE(run("ip link set near mtu 1280 && ip link set far mtu 1280"));
    auto here = on_link(0xA, "near");
    auto there = on_link(0xB, "far");
    send(here, there.address(), longest);
    CHECK(read_all(there) == std::vector<std::string>{longest});
}

TEST_CASE("gossip network: a link-local address is of the socket's own link") {
    auto here = on_link(0xA, "near");
    auto there = on_link(0xB, "far");
    send(here, there.address(), "ping");
    const auto batch = there.read();
    REQUIRE(batch.datagrams.size() == 1);
    CHECK(batch.datagrams[0].from == here.address());
    const auto from = batch.datagrams[0].from;
    send(there, from, "ack");
    CHECK(read_all(here) == std::vector<std::string>{"ack"});

    // A socket of no link could not answer: it does not listen to such a one.
    NetAddress any;
    any.ip_bytes = 16;
    auto everywhere = DatagramSocket::open(any);
    REQUIRE(everywhere);
    auto to = link_local(0xB);
    to.port = everywhere->address().port;
    send(here, to, "ping");
    const auto refused = everywhere->read();
    CHECK(refused.taken == 1);
    CHECK(refused.datagrams.empty());
    CHECK(everywhere->counters().unanswerable == 1);
}

TEST_CASE("gossip network: a firewall's drop, its refusal and a missing route are told apart and "
          "stop nobody else's datagram") {
    REQUIRE(run("nft 'add table inet t; add chain inet t o { type filter hook output priority 0; };"
                "add chain inet t i { type filter hook input priority 0; };"
                "add rule inet t o udp dport 7001 drop;"
                "add rule inet t i udp dport 7002 reject with icmpx type host-unreachable;"
                "add rule inet t i udp dport 7003 reject with icmpx type port-unreachable'"));
    for (const auto family : {std::uint8_t{4}, std::uint8_t{16}}) {
        CAPTURE(static_cast<int>(family));
        auto here = open_loopback(family);
        auto there = open_loopback(family);
        for (const auto port : {std::uint16_t{7001}, std::uint16_t{7002}, std::uint16_t{7003}}) {
            send(here, loopback(family, port), "x");
            send(here, there.address(), "y");
        }
        auto nowhere = loopback(family, 7004);
        nowhere.ip[0] = family == 4 ? 192 : 0x20;
        send(here, nowhere, "x");
        send(here, there.address(), "y");
        CHECK(read_all(there).size() == 4);
        (void)here.read();
        CHECK(here.counters().send_failed == 2); // the drop, which the kernel tells, and no route
        CHECK(here.counters().icmp_other == 1);
        CHECK(here.counters().refused == 1);
        CHECK(here.poll_refused() == loopback(family, 7003));
        CHECK_FALSE(here.has_refused());
    }
    REQUIRE(run("nft delete table inet t"));
}

TEST_CASE(
    "gossip network: what finds no room in the kernel is dropped and counted, not waited for") {
    REQUIRE(run("ip address add 10.77.0.1/24 dev near")); // nobody answers there: datagrams pile up
    NetAddress any;
    any.ip_bytes = 4;
    auto here = DatagramSocket::open(any);
    REQUIRE(here);
    const int small = 8 * 1024;
    REQUIRE(::setsockopt(here->descriptor(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    NetAddress silent;
    silent.ip_bytes = 4;
    silent.ip = {10, 77, 0, 9};
    silent.port = 7412;
    for (std::size_t i = 0; i < DatagramSocket::batch_max; ++i) {
        put(*here, silent, longest);
    }
    here->flush();
    const auto& counted = here->counters();
    CHECK(counted.sent > 0);
    CHECK(counted.send_full > 0);
    CHECK(counted.sent + counted.send_full == DatagramSocket::batch_max);
    REQUIRE(run("ip address del 10.77.0.1/24 dev near"));
}

TEST_CASE("gossip network: with a third lost, what arrives is whole and in order") {
    REQUIRE(run("nft 'add table inet t; add chain inet t i { type filter hook input priority 0; };"
                "add rule inet t i udp dport 7005 numgen random mod 10 < 3 drop'"));
    auto there = DatagramSocket::open(loopback(4, 7005));
    REQUIRE(there);
    auto here = open_loopback();
    std::vector<std::string> got;
    for (int i = 0; i < 1000; ++i) {
        send(here, there->address(), std::to_string(10'000 + i));
        for (auto& text : read_all(*there)) {
            got.push_back(std::move(text));
        }
    }
    CHECK(got.size() > 300);
    CHECK(got.size() < 1000);
    CHECK(std::ranges::is_sorted(got));
    CHECK(std::ranges::adjacent_find(got) == got.end());
    CHECK(there->take_lost() == 0); // the network's losses are not this host's
    REQUIRE(run("nft delete table inet t"));
}
