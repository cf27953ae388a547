#include "agent/api/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace jackdaw::agent {
namespace {

std::error_code last_error() {
    return {errno, std::system_category()};
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

Result<SocketAddress> address_of(const HostPort& where) {
    SocketAddress address;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, where.host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(where.port);
        address.size = sizeof v4;
        std::memcpy(&address.storage, &v4, sizeof v4);
        return address;
    }
    const auto bare = where.host.size() > 2 ? where.host.substr(1, where.host.size() - 2)
                                            : std::string{}; // "[::1]"
    if (::inet_pton(AF_INET6, bare.c_str(), &v6.sin6_addr) != 1) {
        return Error{Errc::invalid, fmt::format("'{}' is no address", where.host)};
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        return Error{Errc::invalid, fmt::format("'{}' is an IPv4 address", where.host)}.with_hint(
            "write it as one: A.B.C.D:PORT");
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(where.port);
    address.size = sizeof v6;
    std::memcpy(&address.storage, &v6, sizeof v6);
    return address;
}

/// What mends that a socket could not be bound; empty: nothing better than the code's own.
std::string bind_hint(int cause, int type, const HostPort& where) {
    constexpr const char* other =
        "'listen' in the settings ('metrics-listen' for metrics) names another";
    switch (cause) {
    case EADDRINUSE:
        return fmt::format(
            "`ss -l{}np 'sport = :{}'` as root shows which process has that port; {}",
            type == SOCK_DGRAM ? 'u' : 't', where.port, other);
    case EADDRNOTAVAIL:
        return fmt::format("`ip address` shows the addresses of this machine; {}", other);
    default: return {};
    }
}

Result<UniqueFd> bound(const SocketAddress& address, int type, bool again, const HostPort& where) {
    const int family = address.storage.ss_family;
    UniqueFd socket{::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int on = again ? 1 : 0;
    const int v6_only =
        type == SOCK_DGRAM ? 1 : 0; // an IPv4 peer of gossip has a socket of its own
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (family == AF_INET6 &&
         ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) != 0) ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) !=
            0 ||
        (type == SOCK_STREAM && ::listen(socket.get(), SOMAXCONN) != 0)) {
        const auto cause = last_error();
        Error error{Errc::unavailable, fmt::format("listen on {}:{}", where.host, where.port),
                    cause};
        auto hint = bind_hint(cause.value(), type, where);
        return hint.empty() ? std::move(error) : std::move(error).with_hint(std::move(hint));
    }
    return socket;
}

/// Of the other family, where `address` is every address of its own; else null.
const char* other_wildcard(const SocketAddress& address) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (address.storage.ss_family == AF_INET) {
        std::memcpy(&v4, &address.storage, sizeof v4);
        return v4.sin_addr.s_addr == INADDR_ANY ? "[::]" : nullptr;
    }
    std::memcpy(&v6, &address.storage, sizeof v6);
    return IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) ? "0.0.0.0" : nullptr;
}

Result<std::uint16_t> port_of(const UniqueFd& socket) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size) !=
        0) {
        return Error{Errc::unavailable, "ask for a socket's address", last_error()};
    }
    sockaddr_in v4{}; // its port stands where that of sockaddr_in6 does
    std::memcpy(&v4, &address.storage, sizeof v4);
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    return ntohs(v4.sin_port);
}

} // namespace

Result<UniqueFd> listen_unix(const std::string& path, mode_t mode) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return Error{Errc::invalid, fmt::format("the socket's path is too long: {}", path)};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    ::unlink(path.c_str()); // one left by a dead agent; a living one holds the state folder's lock
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(path.c_str(), mode) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
        return Error{Errc::unavailable, fmt::format("listen on {}", path), last_error()};
    }
    return socket;
}

Result<UniqueFd> listen_tcp(const HostPort& where) {
    JACKDAW_TRY(const auto address, address_of(where));
    // A restart need not wait for the last connections to be forgotten.
    return bound(address, SOCK_STREAM, true, where);
}

Result<std::vector<UniqueFd>> listen_udp(const HostPort& where) {
    JACKDAW_TRY(const auto address, address_of(where));
    std::vector<UniqueFd> sockets;
    JACKDAW_TRY(auto asked, bound(address, SOCK_DGRAM, false, where));
    sockets.push_back(std::move(asked));
    if (const char* const other = other_wildcard(address); other != nullptr) {
        JACKDAW_TRY(const auto port, port_of(sockets.front()));
        const HostPort beside{other, port};
        JACKDAW_TRY(const auto beside_address, address_of(beside));
        if (auto socket = bound(beside_address, SOCK_DGRAM, false, beside)) {
            sockets.push_back(std::move(*socket));
        } else {
            const bool is_absent = socket.error().cause().value() == EAFNOSUPPORT;
            spdlog::log(is_absent ? spdlog::level::info : spdlog::level::warn,
                        "gossip: members of the other address family cannot be reached: {}",
                        socket.error().to_string());
        }
    }
    return sockets;
}

} // namespace jackdaw::agent
