#pragma once
// HTTP/1.1 on a stream socket: admin.sock, public.sock, and the TCP listener for metrics and
// health. Knows who calls (SO_PEERCRED, or the address), bounds everything (core/connection_book.h
// decides who has to go), and hands requests to the Router on a worker pool. One server for each
// socket, with bounds and pool of its own: what floods one starves no other. Runs on the loop
// thread.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "agent/api/event_hub.h"
#include "agent/api/router.h"
#include "agent/core/connection_book.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

namespace asio = boost::asio;

/// Whom a socket lets in, and to what.
enum class HttpAudience : std::uint8_t {
    admin,    ///< every verb: the socket's mode lets in root and its group alone
    everyone, ///< reading verbs, and nothing that the tenant wrote
    pollers,  ///< GET and HEAD of /metrics, /healthz and /readyz; callers are known by address
};

struct HttpLimits {
    ConnectionLimits connections;
    std::size_t header_bytes_max = 8192;
    std::size_t body_bytes_max = 1U << 20U;

    /// What each audience gets.
    [[nodiscard]] static HttpLimits of(HttpAudience audience);
};

class HttpConnection;

/// What the connections of one server have in common.
struct HttpShared {
    const Router& router;
    EventHub& hub;
    asio::thread_pool& pool;
    std::uint32_t database_uid;
    HttpAudience audience;
    HttpLimits limits;
    ConnectionBook book;
    std::map<ConnectionBook::Id, HttpConnection*> open{};

    /// Ends these, which the book has forgotten already; `why` is told to whom it is no false
    /// answer.
    void end(const std::vector<ConnectionBook::Id>& connections, const ApiResponse& why);
    /// Ends those that had to make room for another.
    void make_room(const std::vector<ConnectionBook::Id>& connections);
};

class HttpServer {
public:
    struct Parts {
        const Router& router;
        EventHub& hub;
        asio::thread_pool& pool;    ///< of this server alone, where others must not wait for it
        std::uint32_t database_uid; ///< refused on UNIX sockets, whatever its groups
    };

    /// `listener` is bound and listening, of any stream family.
    HttpServer(asio::any_io_executor executor, UniqueFd listener, HttpAudience audience,
               Parts parts);
    HttpServer(asio::any_io_executor executor, UniqueFd listener, HttpAudience audience,
               Parts parts, HttpLimits limits);

    /// Serves until cancelled.
    asio::awaitable<Result<void>> run();

private:
    using Protocol = asio::generic::stream_protocol;
    asio::awaitable<Result<void>> serve(Protocol::socket socket, ConnectionBook::Id id,
                                        ConnectionBook::Owner owner);
    asio::awaitable<Result<void>> sweep();

    asio::basic_socket_acceptor<Protocol> acceptor_;
    asio::steady_timer sweep_;
    HttpShared shared_;
};

} // namespace jackdaw::agent
