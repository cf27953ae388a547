#pragma once
// The caller's end of the channel: blocking, on a plain socket, so that a command line starts fast.
// Noise XX; both sides show their statement, the responder in message 2, the initiator in
// message 3.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"
#include "proto/messages/channel.h"
#include "proto/messages/statement.h"
#include "proto/noise/session.h"
#include "proto/wire/statement.h"

namespace jackdaw::runtime {

inline constexpr std::string_view channel_prologue = "jackdaw channel v1";

/// What one side brings to the channel.
struct ChannelKeys {
    noise::KeyPair own;
    std::string statement; ///< signed, about `own`
    proto::TrustAnchor anchor;
};

/// A session with one agent. Not thread-safe.
class ChannelClient {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    struct Response {
        std::uint32_t status = 0;
        std::string body;
    };
    struct Request {
        std::string method;
        std::string path;
        std::string body;
        std::string idempotency_key;
    };

    /// `unavailable` when nobody answers there in time, E-BAD-PEER when the peer is not
    /// one of ours. `address` is IPv4 or IPv6 in digits: names are not looked up.
    [[nodiscard]] static Result<std::unique_ptr<ChannelClient>> connect(const std::string& address,
                                                                        std::uint16_t port,
                                                                        const ChannelKeys& keys,
                                                                        Deadline deadline);

    [[nodiscard]] const proto::Peer& peer() const noexcept { return peer_; }
    /// `invalid`: the body is longer than that of a message may be; nothing was sent. After any
    /// other Error the session is of no more use; `deadline`: the outcome is unknown.
    [[nodiscard]] Result<Response> call(const Request& request, Deadline deadline);
    /// Items until the server ends the stream or the sink answers false (then the session is
    /// closed). An answer other than a stream is handed back as its Response.
    [[nodiscard]] Result<Response>
    stream(const std::string& path,
           const std::function<bool(const std::string& event, const std::string& data)>& sink,
           Deadline deadline);

private:
    explicit ChannelClient(UniqueFd socket) : socket_{std::move(socket)} {}
    [[nodiscard]] Result<void> handshake(const ChannelKeys& keys, Deadline deadline);
    [[nodiscard]] Result<void> send_all(std::string_view bytes, Deadline deadline);
    [[nodiscard]] Result<std::string> receive_some(std::size_t bytes_max, Deadline deadline);
    [[nodiscard]] Result<std::string> receive_handshake(Deadline deadline);
    [[nodiscard]] Result<void> send_request(const Request& request, Deadline deadline);
    [[nodiscard]] Result<proto::ChannelMessage> receive_message(Deadline deadline);

    UniqueFd socket_;
    proto::Peer peer_;
    std::unique_ptr<noise::FrameSealer> sealer_;
    std::unique_ptr<noise::FrameOpener> opener_;
    std::uint32_t last_id_ = 0;
};

/// A handshake message with its 2-byte length, as both ends send it.
[[nodiscard]] std::string with_length(std::string_view message);
/// A fresh X25519 pair from the system's randomness.
[[nodiscard]] noise::KeyPair fresh_ephemeral();

} // namespace jackdaw::runtime
