#pragma once
// HTTP/1.1 on the admin socket (Boost.Beast). Knows who calls (SO_PEERCRED), bounds everything, and
// hands requests to the Router on the worker pool; streams of an operation are server-sent events
// (WHATWG HTML, section 9.2). Runs on the loop thread.

#include <cstdint>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>

#include "agent/api/event_hub.h"
#include "agent/api/router.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

namespace asio = boost::asio;

struct HttpLimits {
    std::size_t connections_max = 1100; ///< more are closed at once
    std::size_t header_bytes_max = 8192;
    std::size_t body_bytes_max = 1U << 20U;
    std::size_t in_work_max = 64;  ///< requests on the pool at a time; more get 503
    std::chrono::seconds idle{60}; ///< between requests, and for each part of one
};

class HttpServer {
public:
    struct Parts {
        const Router& router;
        const Life& life;
        EventHub& hub;
        asio::thread_pool& pool;
        std::uint32_t database_uid; ///< refused, whatever its groups
    };

    /// `listener` is bound and listening: jackdaw-host made it.
    HttpServer(asio::any_io_executor executor, UniqueFd listener, Parts parts,
               HttpLimits limits = {});

    /// Serves until cancelled.
    asio::awaitable<Result<void>> run();

private:
    using Socket = asio::local::stream_protocol::socket;
    asio::awaitable<Result<void>> serve(Socket socket);
    asio::awaitable<Result<void>> send_stream(Socket& socket, Stream stream);

    asio::local::stream_protocol::acceptor acceptor_;
    Parts parts_;
    HttpLimits limits_;
    std::size_t connections_ = 0;
    std::size_t in_work_ = 0;
};

} // namespace jackdaw::agent
