#pragma once
// One connection of an HttpServer: reads a request within the bounds, has it answered, writes the
// answer, and again. For http_server.cpp alone.

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "agent/api/http_server.h"

namespace jackdaw::agent {

class HttpConnection {
public:
    using Socket = asio::generic::stream_protocol::socket;

    HttpConnection(Socket socket, HttpShared& shared, ConnectionBook::Id id,
                   ConnectionBook::Owner owner);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    /// Until the peer goes, does something wrong, or end() is called.
    asio::awaitable<Result<void>> run();
    /// Wakes run(), which returns soon. `why` is said where nothing was answered yet: behind an
    /// answer it could be taken for the next one. Does not wait.
    void end(const ApiResponse& why);
    /// Whether the peer has closed both directions.
    [[nodiscard]] bool is_left() const;

private:
    using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
    using Request = boost::beast::http::request<boost::beast::http::string_body>;

    /// One request and its answer; false: it was the last one.
    asio::awaitable<bool> exchange();
    /// The rest of a request whose head is there; false: it was refused.
    asio::awaitable<bool> read_body(Parser& parser);
    asio::awaitable<bool> answer(Request request);
    /// Says no to one who may still be sending.
    asio::awaitable<void> refuse(ApiResponse response);
    asio::awaitable<void> refuse_read(boost::system::error_code why);
    asio::awaitable<bool> send(ApiResponse response, bool keep, bool is_head = false);
    asio::awaitable<bool> answer_stream(ApiRequest request);
    asio::awaitable<Result<void>> send_stream(Stream stream);
    asio::awaitable<bool> send_part(std::string text);

    [[nodiscard]] std::optional<ApiResponse> refusal(const Request& request) const;
    [[nodiscard]] bool hold(std::size_t bytes);
    void became(ConnectionState state);

    Socket socket_;
    int fd_; ///< the socket's
    HttpShared& shared_;
    ConnectionBook::Id id_;
    ConnectionBook::Owner owner_;
    boost::beast::flat_buffer buffer_;
    unsigned version_ = 11; ///< of the request in hand
    bool answered_ = false; ///< something was written
    bool ended_ = false;
    asio::steady_timer* stream_wait_ = nullptr; ///< what its stream sleeps by
};

/// The milliseconds that the book counts by.
[[nodiscard]] std::int64_t http_now_ms();
/// Answer and head as they go over the wire; says "close" unless `keep`.
[[nodiscard]] std::string http_head(const ApiResponse& response, std::size_t body_bytes, bool keep,
                                    unsigned version);

} // namespace jackdaw::agent
