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
    sockaddr_storage address{};
    socklen_t size = 0;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, where.host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(where.port);
        size = sizeof v4;
        std::memcpy(&address, &v4, sizeof v4);
    } else {
        const auto bare = where.host.substr(1, where.host.size() - 2); // "[::1]"
        if (::inet_pton(AF_INET6, bare.c_str(), &v6.sin6_addr) != 1) {
            return Error{Errc::invalid, fmt::format("'{}' is no address", where.host)};
        }
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(where.port);
        size = sizeof v6;
        std::memcpy(&address, &v6, sizeof v6);
    }
    UniqueFd socket{
        ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP)};
    const int on = 1; // a restart need not wait for the last connections to be forgotten
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::listen(socket.get(), SOMAXCONN) != 0) {
        return Error{Errc::unavailable, fmt::format("listen on {}:{}", where.host, where.port),
                     last_error()};
    }
    return socket;
}

} // namespace jackdaw::agent
