// Gossip's socket and seal over real sockets on the loopback: batches, losses, refusals, and what
// is dropped with a counter.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include <catch2/catch.hpp>

#include "proto/wire/gossip_codec.h"
#include "tests/unit/gossip_sockets.h"

using namespace jackdaw;
using namespace jackdaw::gossip_test;

namespace {

constexpr std::array<std::uint8_t, 2> families{4, 16};

int option_of(const DatagramSocket& socket, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(socket.descriptor(), level, option, &value, &size) == 0);
    return value;
}

std::vector<NetAddress> refusals(DatagramSocket& socket) {
    std::vector<NetAddress> all;
    while (const auto whom = socket.poll_refused()) {
        all.push_back(*whom);
    }
    return all;
}

} // namespace

TEST_CASE("gossip socket: more than a batch arrives whole, in order and with its sender, in both "
          "families") {
    for (const auto family : families) {
        CAPTURE(static_cast<int>(family));
        auto here = open_loopback(family);
        auto there = open_loopback(family);
        std::vector<std::string> sent;
        for (std::size_t i = 0; i < 3 * DatagramSocket::batch_max + 5; ++i) {
            sent.push_back("datagram " + std::to_string(i) + std::string(i * 3, 'x'));
            put(here, there.address(), sent.back());
        }
        here.flush();
        std::vector<std::string> got;
        for (auto batch = there.read(); batch.taken != 0; batch = there.read()) {
            CHECK(batch.taken <= DatagramSocket::batch_max);
            for (const auto& datagram : batch.datagrams) {
                CHECK(datagram.from == here.address());
                got.emplace_back(datagram.bytes);
            }
        }
        CHECK(got == sent);
        CHECK(here.counters().sent == sent.size());
        CHECK(there.counters().received == sent.size());
        CHECK(there.counters().received_bytes == here.counters().sent_bytes);
        CHECK(there.read().taken == 0);
    }
}

TEST_CASE("gossip socket: nothing leaves in fragments, and an IPv4 peer is none of IPv6's") {
    const auto v4 = open_loopback(4);
    CHECK(option_of(v4, IPPROTO_IP, IP_MTU_DISCOVER) == IP_PMTUDISC_PROBE);
    const auto v6 = open_loopback(16);
    CHECK(option_of(v6, IPPROTO_IPV6, IPV6_MTU_DISCOVER) == IPV6_PMTUDISC_PROBE);
    CHECK(option_of(v6, IPPROTO_IPV6, IPV6_DONTFRAG) == 1);
    CHECK(option_of(v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
    // What was got is told as the kernel tells it.
    CHECK(v4.receive_buffer_bytes() ==
          static_cast<std::size_t>(option_of(v4, SOL_SOCKET, SO_RCVBUF)));
}

TEST_CASE("gossip socket: a refusal is told for the address that refused, and stops no other's "
          "datagram") {
    for (const auto family : families) {
        CAPTURE(static_cast<int>(family));
        auto here = open_loopback(family);
        auto there = open_loopback(family);
        const auto nobody = vacant(family);
        const auto nobody_either = vacant(family);
        // On the loopback a refusal waits before the next one of the batch is sent.
        put(here, nobody, "a");
        put(here, there.address(), "b");
        put(here, nobody_either, "c");
        put(here, there.address(), "d");
        here.flush();
        CHECK(read_all(there) == std::vector<std::string>{"b", "d"});
        CHECK(here.read().taken == 0);
        const auto told = refusals(here);
        CHECK(std::set(told.begin(), told.end()) == std::set{nobody, nobody_either});
        CHECK(here.counters().refused == 2);
        CHECK(here.counters().send_failed == 0);
        CHECK(here.counters().sent == 4);
        CHECK_FALSE(here.has_refused());
    }
}

TEST_CASE("gossip socket: datagrams that wait behind a refusal are read in the same call") {
    auto here = open_loopback();
    auto there = open_loopback();
    send(here, vacant(), "a");
    send(there, here.address(), "b");
    CHECK(read_all(here) == std::vector<std::string>{"b"});
    CHECK(refusals(here).size() == 1);
    CHECK(here.counters().reads_failed == 0);
}

TEST_CASE("gossip socket: of more refusals than are kept, the rest is counted") {
    auto here = open_loopback();
    const auto nobody = vacant();
    for (std::size_t i = 0; i < DatagramSocket::refused_max + 10; ++i) {
        send(here, nobody, "a");
    }
    (void)here.read();
    CHECK(here.counters().refused == DatagramSocket::refused_max + 10);
    CHECK(refusals(here).size() == DatagramSocket::refused_max);
}

TEST_CASE("gossip socket: what the kernel drops from a full buffer is counted, once") {
    auto here = open_loopback();
    auto there = open_loopback();
    const int small = 16 * 1024;
    REQUIRE(::setsockopt(there.descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    constexpr std::uint64_t sent = 500;
    for (std::uint64_t i = 0; i < sent; ++i) {
        send(here, there.address(), "0123456789");
    }
    REQUIRE(here.counters().sent == sent);
    const auto lost = there.take_lost(); // known before anything is read
    CHECK(lost > 0);
    CHECK(there.take_lost() == 0);
    CHECK(read_all(there).size() + lost == sent);
    CHECK(there.counters().lost == lost);
    send(here, there.address(), "again");
    CHECK(read_all(there).size() == 1);
    CHECK(there.take_lost() == 0);
}

TEST_CASE("gossip socket: longer than any of ours is dropped and counted, the longest is read") {
    auto here = open_loopback();
    const UniqueFd stranger{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(here.address().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const std::size_t size : {1200U, 1201U, 9000U, 0U}) {
        const std::string bytes(size, 'x');
        REQUIRE(::sendto(stranger.get(), bytes.data(), size, 0,
                         reinterpret_cast<const sockaddr*>(&to),
                         sizeof to) == static_cast<ssize_t>(size));
    }
    const auto batch = here.read();
    CHECK(batch.taken == 4);
    REQUIRE(batch.datagrams.size() == 2);
    CHECK(batch.datagrams[0].bytes.size() == proto::gossip_datagram_bytes_max);
    CHECK(batch.datagrams[1].bytes.empty()); // the seal refuses it
    CHECK(here.counters().too_long == 2);
}

TEST_CASE("gossip socket: what cannot be sent is counted by its reason and holds up nothing") {
    auto here = open_loopback();
    auto there = open_loopback();
    auto nowhere = there.address();
    nowhere.port = 0;
    put(here, nowhere, "a");
    put(here, there.address(), "b");
    here.flush();
    CHECK(read_all(there) == std::vector<std::string>{"b"});
    CHECK(here.counters().send_failed == 1);
}

TEST_CASE("gossip socket: a handed-over socket is taken if it is a bound UDP one") {
    const auto port_of = [](const Result<DatagramSocket>& socket) {
        return socket ? socket->address().port : 0;
    };
    CHECK(port_of(DatagramSocket::adopt(UniqueFd{::socket(AF_INET, SOCK_DGRAM, 0)})) == 0);
    CHECK(port_of(DatagramSocket::adopt(UniqueFd{::socket(AF_INET, SOCK_STREAM, 0)})) == 0);
    CHECK(port_of(DatagramSocket::adopt(UniqueFd{})) == 0);
    const auto first = open_loopback();
    const auto taken = DatagramSocket::adopt(UniqueFd{::dup(first.descriptor())});
    CHECK(port_of(taken) == first.address().port);

    const auto clash = DatagramSocket::open(first.address());
    REQUIRE_FALSE(clash);
    CHECK(clash.error().code() == Errc::unavailable);
    CHECK(DatagramSocket::open(NetAddress{}).error().code() == Errc::invalid);
}

TEST_CASE("sealed link: what one seals the other opens; the rest is counted by its reason") {
    gossip::SealedLink one{ring_of(1)};
    gossip::SealedLink other{ring_of(1)};
    gossip::SealedLink stranger{ring_of(2, 2)};
    std::array<char, proto::gossip_datagram_bytes_max> room{};
    std::string_view plain;

    const std::string sealed{room.data(), one.seal("hello", room)};
    REQUIRE(other.open(sealed, plain));
    CHECK(plain == "hello");
    CHECK_FALSE(stranger.open(sealed, plain));
    auto altered = sealed;
    altered.back() = static_cast<char>(altered.back() ^ 1);
    CHECK_FALSE(other.open(altered, plain));
    CHECK_FALSE(other.open("", plain));
    CHECK(other.counters().opened == 1);
    CHECK(other.counters().broken == 2);
    CHECK(stranger.counters().unknown_key == 1);
    CHECK(one.counters().sealed == 1);

    // The ring is exchanged while both run: nobody else has to know.
    other.set_ring(ring_of(2, 2));
    CHECK_FALSE(other.open(sealed, plain));
    CHECK(stranger.open({room.data(), other.seal("again", room)}, plain));
    CHECK(plain == "again");
}

TEST_CASE("sealed link: no nonce comes twice, within a burst and over many") {
    gossip::Nonces nonces;
    std::set<proto::SealNonce> seen;
    std::size_t drawn = 0;
    for (int burst = 0; burst < 200; ++burst) {
        for (int i = 0; i < burst; ++i) {
            seen.insert(nonces.next());
            ++drawn;
        }
        nonces.end_burst();
    }
    CHECK(seen.size() == drawn);
    CHECK_FALSE(seen.contains(proto::SealNonce{}));
}
