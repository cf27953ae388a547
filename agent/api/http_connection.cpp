#include "agent/api/http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "proto/runtime/offload.h"

namespace jackdaw::agent {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

constexpr std::uint32_t no_uid = ~0U;
constexpr std::chrono::milliseconds alive_period{10'000}; ///< of a silent stream
/// Read ahead of what is parsed: a head and a piece of what follows it.
constexpr std::size_t buffer_bytes_max = 16 * 1024;
constexpr std::size_t drained_bytes_max = std::size_t{1} << 20U; ///< of one who was refused
constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

ApiResponse refused(int status, Error error) {
    auto response = error_response(error);
    response.status = status;
    return response;
}

/// RFC 9112, section 3.2.2: a server takes the absolute form, too.
std::string_view path_of(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (target.size() > scheme.size() &&
            beast::iequals(target.substr(0, scheme.size()), scheme)) {
            const auto slash = target.find('/', scheme.size());
            return slash == std::string_view::npos ? "/" : target.substr(slash);
        }
    }
    return target;
}

/// "application/json", or "application/anything+json"; parameters do not matter.
bool is_json(std::string_view type) {
    type = type.substr(0, type.find(';'));
    while (!type.empty() && type.back() == ' ') {
        type.remove_suffix(1);
    }
    return beast::iequals(type, "application/json") ||
           (type.size() > 5 && beast::iequals(type.substr(type.size() - 5), "+json"));
}

std::string_view method_hint(HttpAudience audience) {
    return audience == HttpAudience::pollers ? "GET or HEAD of /metrics, /healthz or /readyz"
                                             : "GET /v1/openapi.json tells every route";
}

} // namespace

std::int64_t http_now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::string http_head(const ApiResponse& response, std::size_t body_bytes, bool keep,
                      unsigned version) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
    std::string head =
        fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n"
                    "Content-Length: {}\r\n",
                    response.status, std::string_view{reason.data(), reason.size()},
                    response.content_type, body_bytes);
    if (!response.allow.empty()) {
        head += "Allow: ";
        head += response.allow;
        head += "\r\n";
    }
    if (!keep) {
        head += "Connection: close\r\n";
    } else if (version < 11) {
        head += "Connection: keep-alive\r\n"; // RFC 9112, appendix C.2.2
    }
    head += "\r\n";
    return head;
}

HttpConnection::HttpConnection(Socket socket, HttpShared& shared, ConnectionBook::Id id,
                               ConnectionBook::Owner owner)
    : socket_{std::move(socket)},
      fd_{socket_.native_handle()},
      shared_{shared},
      id_{id},
      owner_{owner},
      buffer_{buffer_bytes_max} {
    shared_.open.emplace(id_, this);
}

HttpConnection::~HttpConnection() {
    shared_.open.erase(id_);
    shared_.book.leave(id_);
}

void HttpConnection::end(const ApiResponse& why) {
    ended_ = true;
    if (!answered_) {
        const auto words = http_head(why, why.body.size(), false, 11) + why.body;
        (void)::send(fd_, words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (stream_wait_ != nullptr) {
        stream_wait_->cancel();
    }
    // Wakes whoever waits to read or to write; a peer that has closed first is no failure.
    (void)::shutdown(fd_, SHUT_RDWR);
}

bool HttpConnection::is_left() const {
    pollfd look{fd_, 0, 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

bool HttpConnection::hold(std::size_t bytes) {
    std::vector<ConnectionBook::Id> going;
    const bool held = shared_.book.hold(id_, bytes, going);
    shared_.make_room(going);
    return held;
}

void HttpConnection::became(ConnectionState state) {
    shared_.book.became(id_, state, http_now_ms());
}

asio::awaitable<Result<void>> HttpConnection::run() {
    for (bool keep = true; keep && !ended_;) {
        keep = co_await exchange();
    }
    (void)::shutdown(fd_, SHUT_RDWR); // the peer may have closed first
    co_return ok();
}

asio::awaitable<bool> HttpConnection::exchange() {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(shared_.limits.header_bytes_max));
    parser.body_limit(shared_.limits.body_bytes_max);
    const auto [ec, size] = co_await http::async_read_header(socket_, buffer_, parser, as_result);
    (void)size;
    if (ended_ || ec == http::error::end_of_stream || ec == asio::error::operation_aborted) {
        co_return false;
    }
    if (ec) {
        co_await refuse_read(ec);
        co_return false;
    }
    version_ = parser.get().version();
    if (!parser.is_done() && !co_await read_body(parser)) {
        co_return false;
    }
    auto request = parser.release();
    const bool keep = co_await answer(std::move(request));
    if (keep) {
        (void)hold(0);
        became(ConnectionState::idle);
    }
    co_return keep;
}

asio::awaitable<bool> HttpConnection::read_body(Parser& parser) {
    became(ConnectionState::receiving);
    const auto announced = parser.content_length();
    const auto bytes = announced
                           ? std::min<std::uint64_t>(*announced, shared_.limits.body_bytes_max)
                           : shared_.limits.body_bytes_max;
    if (!hold(static_cast<std::size_t>(bytes))) {
        auto busy = refused(503, Error{Errc::busy, "too many long requests at a time"}.with_hint(
                                     "nothing was done; try again"));
        co_await refuse(std::move(busy));
        co_return false;
    }
    const auto expects = parser.get()[http::field::expect];
    if (!expects.empty() && !beast::iequals(expects, "100-continue")) {
        auto failed = refused(
            417, Error{Errc::invalid, "an Expect header that is not 100-continue"}.with_hint(
                     "send the request without it"));
        co_await refuse(std::move(failed));
        co_return false;
    }
    if (!expects.empty() && version_ >= 11 && buffer_.size() == 0) {
        const auto [ec, size] = co_await asio::async_write(
            socket_, asio::buffer(go_on.data(), go_on.size()), as_result);
        (void)size;
        if (ec) {
            co_return false;
        }
    }
    const auto [ec, size] = co_await http::async_read(socket_, buffer_, parser, as_result);
    (void)size;
    if (ended_ || ec == asio::error::operation_aborted) {
        co_return false;
    }
    if (ec) {
        wipe(parser.get().body());
        co_await refuse_read(ec);
        co_return false;
    }
    (void)hold(parser.get().body().size());
    co_return true;
}

/// What came is no request, or is over a bound.
asio::awaitable<void> HttpConnection::refuse_read(boost::system::error_code why) {
    auto response = refused(
        400,
        Error{Errc::invalid, fmt::format("no request of HTTP/1.1: {}", why.message())}.with_hint(
            std::string{method_hint(shared_.audience)}));
    if (why == http::error::body_limit) {
        response = refused(413, Error{Errc::invalid, "the body is too long"}.with_hint(fmt::format(
                                    "at most {} bytes", shared_.limits.body_bytes_max)));
    } else if (why == http::error::header_limit || why == http::error::buffer_overflow) {
        response = refused(
            431, Error{Errc::invalid, "the request's line and headers are too long"}.with_hint(
                     fmt::format("at most {} bytes", shared_.limits.header_bytes_max)));
    }
    co_await refuse(std::move(response));
}

/// A close with bytes unread resets a TCP connection, and the peer would not see the answer
/// (RFC 9112, section 9.6).
asio::awaitable<void> HttpConnection::refuse(ApiResponse response) {
    co_await send(std::move(response), false);
    became(ConnectionState::closing);
    (void)hold(0);
    (void)::shutdown(fd_, SHUT_WR);
    std::array<char, 4096> away{};
    for (std::size_t left = drained_bytes_max; left > 0 && !ended_;) {
        const auto [ec, size] = co_await socket_.async_read_some(asio::buffer(away), as_result);
        if (ec) {
            co_return;
        }
        left -= std::min(left, size);
    }
}

/// What is wrong about a request before anybody looks at what it asks.
std::optional<ApiResponse> HttpConnection::refusal(const Request& request) const {
    const bool by_address = shared_.audience == HttpAudience::pollers;
    if (!by_address && (owner_ == shared_.database_uid || owner_ == no_uid)) {
        return error_response(
            Error{Errc::not_allowed, "the database's user has no say here"}.with_hint(
                "ask as root, or as a member of group jackdaw"));
    }
    const auto type = request[http::field::content_type];
    if (!request.body().empty() && !type.empty() && !is_json({type.data(), type.size()})) {
        return refused(415, Error{Errc::invalid, "a body that is not said to be JSON"}.with_hint(
                                "with curl: -H 'Content-Type: application/json'"));
    }
    if (const auto coding = request[http::field::content_encoding];
        !coding.empty() && !beast::iequals(coding, "identity")) {
        return refused(415, Error{Errc::invalid, "a body with a Content-Encoding"}.with_hint(
                                "send it as it is"));
    }
    return std::nullopt;
}

asio::awaitable<bool> HttpConnection::answer(Request request) {
    const bool is_head = request.method() == http::verb::head;
    const bool keep = request.keep_alive();
    if (auto response = refusal(request)) {
        wipe(request.body());
        const bool go_on_with_it = keep && response->status != 403;
        co_return co_await send(*std::move(response), go_on_with_it, is_head);
    }
    ApiRequest asked;
    asked.method = is_head ? "GET" : std::string{request.method_string()};
    asked.target = path_of({request.target().data(), request.target().size()});
    asked.body = std::move(request.body());
    if (const auto key = request.find("Idempotency-Key"); key != request.end()) {
        asked.idempotency_key = std::string{key->value()};
    }
    const bool pollers = shared_.audience == HttpAudience::pollers;
    asked.caller.text = pollers ? "a poller" : fmt::format("uid {}", owner_);
    asked.caller.may_change = shared_.audience == HttpAudience::admin;
    asked.caller.is_public = shared_.audience != HttpAudience::admin;

    ApiResponse response;
    if (pollers && !Router::is_plain(asked.target)) {
        response =
            refused(404, Error{Errc::not_found, "only metrics and health are told here"}.with_hint(
                             std::string{method_hint(shared_.audience)}));
    } else if (auto quick = shared_.router.quick(asked)) {
        response = *std::move(quick);
    } else if (Router::is_stream(asked)) {
        if (is_head) {
            response =
                refused(405, Error{Errc::invalid, "a stream has no HEAD"}.with_hint("GET it"));
            response.allow = "GET";
        } else if (shared_.book.begin_stream(id_, http_now_ms())) {
            co_return co_await answer_stream(std::move(asked));
        } else {
            response = refused(503, Error{Errc::busy, "too many streams at a time"}.with_hint(
                                        "close some, or ask without `stream`"));
        }
    } else if (!shared_.book.begin_work(id_, http_now_ms())) {
        response = refused(503, Error{Errc::busy, "too many requests at a time"}.with_hint(
                                    "nothing was done; try again"));
    } else {
        auto work = [this, &asked] { return shared_.router.handle(asked); };
        response = co_await runtime::offload(shared_.pool, std::move(work));
    }
    wipe(asked.body); // it may have carried a password
    co_return co_await send(std::move(response), keep, is_head);
}

asio::awaitable<bool> HttpConnection::send(ApiResponse response, bool keep, bool is_head) {
    if (!response.body.ends_with('\n')) {
        response.body += '\n';
    }
    became(ConnectionState::writing);
    if (!hold(response.body.size())) {
        response =
            refused(503, Error{Errc::busy, "too many long answers wait to be read"}.with_hint(
                             "read answers as they come; ask for less with `limit`"));
    }
    const auto head = http_head(response, response.body.size(), keep, version_);
    const std::array<asio::const_buffer, 2> pieces{
        asio::buffer(head), asio::buffer(response.body.data(), is_head ? 0 : response.body.size())};
    answered_ = true;
    const auto [ec, size] = co_await asio::async_write(socket_, pieces, as_result);
    (void)size;
    co_return !ec && keep;
}

asio::awaitable<bool> HttpConnection::send_part(std::string text) {
    if (!hold(text.size())) {
        co_return false; // the peer asks again and gets what it missed
    }
    became(ConnectionState::writing); // it must read within that state's time
    answered_ = true;
    const auto [ec, size] = co_await asio::async_write(socket_, asio::buffer(text), as_result);
    (void)size;
    became(ConnectionState::streaming);
    (void)hold(0);
    co_return !ec && !ended_;
}

/// On a worker, since to find what is to be told may take a while. The last of its connection.
asio::awaitable<bool> HttpConnection::answer_stream(ApiRequest request) {
    auto find = [this, &request] { return shared_.router.stream(request); };
    auto stream = co_await runtime::offload(shared_.pool, std::move(find));
    if (stream) {
        (void)co_await send_stream(*std::move(stream));
        stream_wait_ = nullptr;
        co_return false;
    }
    auto refuse_it = [this, &request] { return shared_.router.handle(request); };
    auto why = co_await runtime::offload(shared_.pool, std::move(refuse_it));
    co_return co_await send(std::move(why), false);
}

asio::awaitable<Result<void>> HttpConnection::send_stream(Stream stream) {
    asio::steady_timer changed{co_await asio::this_coro::executor};
    stream_wait_ = &changed;
    bool dirty = true;
    const auto watch = shared_.hub.watch(stream.watch, [&] {
        dirty = true;
        changed.cancel();
    });
    std::string text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
    auto silent_since = std::chrono::steady_clock::now();
    for (;;) {
        StreamPart part;
        if (ended_) {
            co_return ok();
        }
        if (dirty || stream.poll.count() > 0) {
            dirty = false;
            auto work = [&] { return stream.next(); };
            part = co_await runtime::offload(shared_.pool, std::move(work));
            dirty = dirty || part.has_more;
            for (const auto& item : part.items) {
                text += fmt::format("event: {}\ndata: {}\n\n", item.event, item.data);
            }
        }
        const auto now = std::chrono::steady_clock::now();
        if (text.empty() && now - silent_since >= alive_period) {
            text = ": still here\n\n"; // a comment keeps a silent connection known as alive
        }
        if (!text.empty()) {
            silent_since = now;
            if (!co_await send_part(std::exchange(text, {}))) {
                co_return ok();
            }
        }
        if (part.ended || ended_) {
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
