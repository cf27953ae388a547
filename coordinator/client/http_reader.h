#pragma once
// The answer side of HTTP/1.1 (RFC 9112) as a machine that is fed bytes: status line, headers, then
// a body by length, in chunks, or until the end. And the event-stream format of the WHATWG HTML
// standard, section 9.2. No I/O. What comes in is from outside: every length has a bound.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "proto/base/error.h"

namespace jackdaw::cli {

inline constexpr std::size_t http_head_bytes_max = 16 * 1024;
inline constexpr std::size_t http_body_bytes_max =
    16 * 1024 * 1024; ///< as a message of the channel
inline constexpr std::size_t sse_event_bytes_max = 1024 * 1024;

/// Feed it what was read; it hands each piece of the body to `on_body` as it comes.
class HttpReader {
public:
    using BodySink = std::function<Result<void>(std::string_view piece)>;

    explicit HttpReader(BodySink on_body) : on_body_{std::move(on_body)} {}

    /// E-PROTOCOL for what is not HTTP/1.x and for anything over its bound; then the reader is of
    /// no use any more.
    [[nodiscard]] Result<void> feed(std::string_view bytes);
    /// The peer closed. E-PROTOCOL when the body was not whole.
    [[nodiscard]] Result<void> end();

    [[nodiscard]] bool head_complete() const noexcept { return state_ >= State::body_length; }
    [[nodiscard]] bool complete() const noexcept { return state_ == State::complete; }
    [[nodiscard]] int status() const noexcept { return status_; }

private:
    enum class State : std::uint8_t {
        head,
        body_length,
        body_until_end,
        chunk_size,
        chunk_data,
        chunk_end,
        trailer,
        complete,
    };
    Result<void> read_head();
    Result<void> read_header(std::string_view line);
    Result<bool> step(); ///< false: more bytes are needed
    Result<bool> take_line(std::string& line);

    BodySink on_body_;
    State state_ = State::head;
    std::string pending_;
    std::uint64_t left_ = 0; ///< of the body or the chunk
    bool chunked_ = false;
    bool has_length_ = false;
    int status_ = 0;
};

/// Cuts a text/event-stream into events.
class SseReader {
public:
    /// False from the sink ends reading; feed() then returns false.
    using Sink = std::function<Result<bool>(std::string_view event, std::string_view data)>;

    explicit SseReader(Sink sink) : sink_{std::move(sink)} {}
    /// Returns whether to go on. E-PROTOCOL for an event over its bound.
    [[nodiscard]] Result<bool> feed(std::string_view bytes);

private:
    Result<bool> line(std::string_view text);

    Sink sink_;
    std::string pending_;
    std::string event_;
    std::string data_;
    bool has_data_ = false;
};

} // namespace jackdaw::cli
