#include "agent/api/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

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
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(where.port);
    address.size = sizeof v6;
    std::memcpy(&address.storage, &v6, sizeof v6);
    return address;
}

Result<UniqueFd> bound(const SocketAddress& address, int type, bool again, const HostPort& where) {
    UniqueFd socket{::socket(address.storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int on = again ? 1 : 0;
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) !=
            0 ||
        (type == SOCK_STREAM && ::listen(socket.get(), SOMAXCONN) != 0)) {
        return Error{Errc::unavailable, fmt::format("listen on {}:{}", where.host, where.port),
                     last_error()};
    }
    return socket;
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

Result<UniqueFd> listen_udp(const HostPort& where) {
    JACKDAW_TRY(const auto address, address_of(where));
    return bound(address, SOCK_DGRAM, false, where);
}

} // namespace jackdaw::agent
