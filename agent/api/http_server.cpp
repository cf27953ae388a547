#include "agent/api/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstring>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spdlog/spdlog.h>

#include "agent/api/http_connection.h"
#include "proto/runtime/task_scope.h"

namespace jackdaw::agent {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds sweep_period{1}; ///< how late an end may come

int family_of(int listener) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    return ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0
               ? address.ss_family
               : AF_UNIX;
}

/// SO_PEERCRED, unix(7); ~0 when it is not to be had, which is nobody's uid.
std::uint32_t peer_uid(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return ~0U;
    }
    return credentials.uid;
}

/// One number for each machine that calls: an IPv4 address, or an IPv6 network of 64 bits, of which
/// one machine has as many addresses as it likes. Never root's.
ConnectionBook::Owner peer_machine(int fd) {
    constexpr ConnectionBook::Owner mark = 1ULL << 63U;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ConnectionBook::Owner owner = 0;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return mark;
    }
    if (address.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &address, sizeof v4);
        owner = ntohl(v4.sin_addr.s_addr);
    } else if (address.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address, sizeof v6);
        std::memcpy(&owner, &v6.sin6_addr, sizeof owner);
    }
    return owner | mark;
}

ApiResponse too_many() {
    auto response = error_response(Error{Errc::busy, "too many connections at a time"}.with_hint(
        "send each request whole and read its answer; try again"));
    response.status = 503;
    return response;
}

ApiResponse too_slow() {
    auto response = error_response(
        Error{Errc::deadline, "no whole request came in time; nothing was done"}.with_hint(
            "send the head of a request within 10 s, its body within 30 s more"));
    response.status = 408;
    return response;
}

} // namespace

HttpLimits HttpLimits::of(HttpAudience audience) {
    HttpLimits limits;
    if (audience == HttpAudience::admin) {
        return limits;
    }
    const bool pollers = audience == HttpAudience::pollers;
    limits.connections.connections_max = pollers ? 64 : 256;
    limits.connections.streams_max = pollers ? 0 : 32;
    limits.connections.working_max = pollers ? 8 : 32;
    limits.connections.bytes_max = std::size_t{8} << 20U;
    limits.body_bytes_max = 4096; // nothing that they may ask for has one
    return limits;
}

void HttpShared::end(const std::vector<ConnectionBook::Id>& connections, const ApiResponse& why) {
    for (const auto id : connections) {
        if (const auto at = open.find(id); at != open.end()) {
            at->second->end(why);
        }
    }
}

void HttpShared::make_room(const std::vector<ConnectionBook::Id>& connections) {
    if (!connections.empty()) {
        end(connections, too_many());
    }
}

HttpServer::HttpServer(asio::any_io_executor executor, UniqueFd listener, HttpAudience audience,
                       Parts parts)
    : HttpServer{std::move(executor), std::move(listener), audience, parts,
                 HttpLimits::of(audience)} {}

HttpServer::HttpServer(asio::any_io_executor executor, UniqueFd listener, HttpAudience audience,
                       Parts parts, HttpLimits limits)
    : acceptor_{executor},
      sweep_{executor},
      shared_{parts.router,
              parts.hub,
              parts.pool,
              parts.database_uid,
              audience,
              limits,
              ConnectionBook{limits.connections}} {
    const int family = family_of(listener.get());
    acceptor_.assign(Protocol{family, 0}, listener.release());
}

asio::awaitable<Result<void>> HttpServer::run() {
    // Or the wait for the connections below would throw, and they would outlive their scope.
    co_await asio::this_coro::throw_if_cancelled(false);
    runtime::TaskScope scope{co_await asio::this_coro::executor};
    scope.spawn("http.sweep", sweep());
    for (;;) {
        auto [ec, socket] = co_await acceptor_.async_accept(as_result);
        // An accept that had succeeded when the cancellation came does not show it.
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none ||
            ec == asio::error::operation_aborted) {
            break;
        }
        if (ec) { // out of descriptors: wait for some to be closed, do not spin
            spdlog::warn("http: accept: {}, waiting 100 ms", ec.message());
            asio::steady_timer pause{co_await asio::this_coro::executor,
                                     std::chrono::milliseconds{100}};
            const auto [waited] = co_await pause.async_wait(as_result);
            if (waited) {
                break;
            }
            continue;
        }
        const int fd = socket.native_handle();
        const auto owner =
            shared_.audience == HttpAudience::pollers ? peer_machine(fd) : peer_uid(fd);
        std::vector<ConnectionBook::Id> going;
        const auto id = shared_.book.enter(owner, http_now_ms(), going);
        shared_.make_room(going);
        if (!id) {
            const auto why = too_many();
            const auto words = http_head(why, why.body.size(), false, 11) + why.body;
            (void)::send(fd, words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            continue; // closed by its destructor
        }
        if (shared_.book.size() == 1) {
            sweep_.cancel(); // it sleeps while nobody is there
        }
        scope.spawn("http.connection", serve(std::move(socket), *id, owner));
    }
    scope.request_stop();
    co_return co_await scope.join();
}

asio::awaitable<Result<void>> HttpServer::serve(Protocol::socket socket, ConnectionBook::Id id,
                                                ConnectionBook::Owner owner) {
    HttpConnection connection{std::move(socket), shared_, id, owner};
    co_return co_await connection.run();
}

asio::awaitable<Result<void>> HttpServer::sweep() {
    co_await asio::this_coro::throw_if_cancelled(false);
    for (;;) {
        if (shared_.book.size() == 0) {
            sweep_.expires_at(asio::steady_timer::time_point::max());
        } else {
            sweep_.expires_after(sweep_period);
        }
        co_await sweep_.async_wait(as_result);
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            co_return ok();
        }
        if (const auto over = shared_.book.take_overdue(http_now_ms()); !over.empty()) {
            shared_.end(over, too_slow());
        }
    }
}

} // namespace jackdaw::agent
