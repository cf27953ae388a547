#pragma once
// Addresses and sockets on the loopback, for the tests of gossip's sockets.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "gossip/net/datagram_socket.h"
#include "gossip/net/sealed_link.h"

namespace jackdaw::gossip_test {

using gossip::DatagramSocket;
using gossip::NetAddress;

/// 127.0.0.1 or ::1; port 0 is any free one.
inline NetAddress loopback(std::uint8_t ip_bytes, std::uint16_t port = 0) {
    NetAddress address;
    address.ip_bytes = ip_bytes;
    address.port = port;
    if (ip_bytes == 4) {
        address.ip = {127, 0, 0, 1};
    } else {
        address.ip[15] = 1;
    }
    return address;
}

inline DatagramSocket open_loopback(std::uint8_t ip_bytes = 4) {
    auto socket = DatagramSocket::open(loopback(ip_bytes));
    REQUIRE(socket);
    return std::move(*socket);
}

/// A port of the loopback that nobody has any more.
inline NetAddress vacant(std::uint8_t ip_bytes = 4) {
    return open_loopback(ip_bytes).address();
}

inline void put(DatagramSocket& socket, const NetAddress& to, std::string_view bytes) {
    std::ranges::copy(bytes, socket.slot().begin());
    socket.queue(to, bytes.size());
}

inline void send(DatagramSocket& socket, const NetAddress& to, std::string_view bytes) {
    put(socket, to, bytes);
    socket.flush();
}

/// All that waits; the loopback delivers within the call that sends.
inline std::vector<std::string> read_all(DatagramSocket& socket) {
    std::vector<std::string> all;
    for (auto batch = socket.read(); batch.taken != 0; batch = socket.read()) {
        for (const auto& datagram : batch.datagrams) {
            all.emplace_back(datagram.bytes);
        }
    }
    return all;
}

inline proto::SealRing ring_of(std::uint8_t value, std::uint32_t version = 1) {
    proto::SealKey key;
    key.fill(value);
    const std::array keys{std::pair{version, key}};
    auto ring = proto::SealRing::make(proto::FleetId{0x1122334455667788}, keys);
    REQUIRE(ring);
    return std::move(*ring);
}

} // namespace jackdaw::gossip_test
