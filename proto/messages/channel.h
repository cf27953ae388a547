#pragma once
// What goes over the channel, as plain values. The path and body mean what they mean on the admin
// socket.

#include <cstdint>
#include <string>

namespace jackdaw::proto {

enum class ChannelKind : std::uint8_t {
    request = 1,  ///< client: do this
    response = 2, ///< server: the whole answer
    event = 3,    ///< server: one item of a stream
    end = 4,      ///< server: the stream is over
    cancel = 5,   ///< client: no more of that stream, please
};

/// The name of an event without a body that only shows that both ends are there; no stream's reader
/// sees it.
inline constexpr const char* channel_alive = "alive";

struct ChannelMessage {
    ChannelKind kind = ChannelKind::request;
    std::uint32_t id = 0;          ///< chosen by the client, carried by every answer
    std::string method;            ///< request: "GET"; event: the event's name
    std::string path;              ///< request only
    std::string body;              ///< JSON, or empty
    std::uint32_t status = 0;      ///< response only, of HTTP
    std::uint64_t deadline_ms = 0; ///< request only: how long the answer matters
    std::string idempotency_key;   ///< request only; empty: none
    friend bool operator==(const ChannelMessage&, const ChannelMessage&) = default;
};

} // namespace jackdaw::proto
