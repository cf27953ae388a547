#include "agent/api/http_server.h"

#include <sys/socket.h>
#include <sys/types.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "proto/runtime/offload.h"
#include "proto/runtime/task_scope.h"

namespace jackdaw::agent {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
using UnixStream = beast::basic_stream<asio::local::stream_protocol, asio::any_io_executor>;

constexpr std::uint32_t no_uid = ~0U;
constexpr std::chrono::milliseconds alive_period{10'000}; ///< of a silent stream

std::uint32_t peer_uid(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return no_uid;
    }
    return credentials.uid;
}

http::response<http::string_body> message(unsigned version, bool keep_alive, ApiResponse answer) {
    http::response<http::string_body> response{static_cast<http::status>(answer.status), version};
    response.set(http::field::content_type, answer.content_type);
    response.set(http::field::cache_control, "no-store");
    if (!answer.allow.empty()) {
        response.set(http::field::allow, answer.allow);
    }
    response.keep_alive(keep_alive);
    response.body() = std::move(answer.body);
    if (!response.body().ends_with('\n')) {
        response.body() += '\n';
    }
    response.prepare_payload();
    return response;
}

} // namespace

HttpServer::HttpServer(asio::any_io_executor executor, UniqueFd listener, Parts parts,
                       HttpLimits limits)
    : acceptor_{executor, asio::local::stream_protocol{}, listener.release()},
      parts_{std::move(parts)},
      limits_{limits} {}

asio::awaitable<Result<void>> HttpServer::run() {
    // Or the wait for the connections below would throw, and they would outlive their scope.
    co_await asio::this_coro::throw_if_cancelled(false);
    runtime::TaskScope scope{co_await asio::this_coro::executor};
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
        if (connections_ >= limits_.connections_max) {
            continue; // closed by its destructor
        }
        ++connections_;
        scope.spawn("http.connection", serve(std::move(socket)));
    }
    scope.request_stop();
    co_return co_await scope.join();
}

asio::awaitable<Result<void>> HttpServer::serve(Socket socket) {
    struct Count {
        std::size_t& number;
        ~Count() { --number; }
    } const count{connections_};
    const auto uid = peer_uid(socket.native_handle());
    UnixStream stream{std::move(socket)};
    beast::flat_buffer buffer;
    for (bool keep = true; keep;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(limits_.header_bytes_max));
        parser.body_limit(limits_.body_bytes_max);
        stream.expires_after(limits_.idle);
        const auto [read_ec, read_size] =
            co_await http::async_read(stream, buffer, parser, as_result);
        (void)read_size;
        if (read_ec == http::error::end_of_stream || read_ec == asio::error::operation_aborted ||
            read_ec == beast::error::timeout) {
            break;
        }
        if (read_ec) {
            auto refused = Error{Errc::invalid, read_ec.message()};
            auto answer = error_response(refused);
            if (read_ec == http::error::body_limit) {
                answer.status = 413;
            } else if (read_ec == http::error::header_limit) {
                answer.status = 431;
            }
            auto response = message(11, false, std::move(answer));
            stream.expires_after(limits_.idle);
            co_await http::async_write(stream, response, as_result);
            break;
        }
        auto request = parser.release();
        // Nothing answers HEAD, and a refusal's body would be taken for the next answer.
        keep = request.keep_alive() && request.method() != http::verb::head;
        ApiRequest asked;
        asked.method = std::string{request.method_string()};
        asked.target = std::string{request.target()};
        asked.body = std::move(request.body());
        if (const auto key = request.find("Idempotency-Key"); key != request.end()) {
            asked.idempotency_key = std::string{key->value().substr(0, 128)};
        }
        asked.caller.text = fmt::format("uid {}", uid);
        asked.caller.may_change = true; // the socket's mode lets nobody else in

        ApiResponse answer;
        if (uid == parts_.database_uid || uid == no_uid) {
            answer =
                error_response(Error{Errc::not_allowed, "the database's user has no say here"});
            keep = false;
        } else if (auto asked_stream = parts_.router.stream(asked)) {
            Socket raw = stream.release_socket();
            co_return co_await send_stream(raw, *std::move(asked_stream));
        } else if (in_work_ >= limits_.in_work_max) {
            answer = error_response(Error{Errc::busy, "too many requests at a time"});
            answer.status = 503;
        } else {
            ++in_work_;
            auto work = [this, &asked] { return parts_.router.handle(asked); };
            answer = co_await runtime::offload(parts_.pool, std::move(work));
            --in_work_;
        }
        wipe(asked.body); // it may have carried a password
        auto response = message(request.version(), keep, std::move(answer));
        stream.expires_after(limits_.idle);
        const auto [write_ec, written] = co_await http::async_write(stream, response, as_result);
        (void)written;
        if (write_ec) {
            break;
        }
    }
    beast::error_code ignored; // the peer may have closed first
    stream.socket().shutdown(asio::socket_base::shutdown_both, ignored);
    co_return ok();
}

asio::awaitable<Result<void>> HttpServer::send_stream(Socket& socket, Stream stream) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer changed{executor};
    bool dirty = true;
    const auto watch = parts_.hub.watch(stream.watch, [&] {
        dirty = true;
        changed.cancel();
    });
    std::string text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
    auto silent_since = std::chrono::steady_clock::now();
    for (;;) {
        bool ended = false;
        if (dirty || stream.poll.count() > 0) {
            dirty = false;
            auto work = [&] { return stream.next(ended); };
            const auto items = co_await runtime::offload(parts_.pool, std::move(work));
            for (const auto& item : items) {
                text += fmt::format("event: {}\ndata: {}\n\n", item.event, item.data);
            }
        }
        const auto now = std::chrono::steady_clock::now();
        if (text.empty() && now - silent_since >= alive_period) {
            text = ": still here\n\n"; // a comment keeps a silent connection known as alive
        }
        if (!text.empty()) {
            silent_since = now;
            const auto [write_ec, size] =
                co_await asio::async_write(socket, asio::buffer(text), as_result);
            (void)size;
            if (write_ec) {
                co_return ok();
            }
            text.clear();
        }
        if (ended) {
            co_return ok();
        }
        if (!dirty) {
            changed.expires_after(stream.poll.count() > 0 ? stream.poll : alive_period);
            co_await changed.async_wait(as_result);
            const auto state = co_await asio::this_coro::cancellation_state;
            if (state.cancelled() != asio::cancellation_type::none) {
                co_return ok();
            }
        }
    }
}

} // namespace jackdaw::agent
