#include "proto/runtime/channel_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sodium.h>

#include "proto/base/secret.h"
#include "proto/wire/channel_codec.h"

namespace jackdaw::runtime {
namespace {

std::error_code last_error() {
    return {errno, std::system_category()};
}

Error out_of_time() {
    return Error{Errc::deadline, "the agent did not answer in time"};
}

Result<void> wait_ready(int fd, short events, ChannelClient::Deadline deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return out_of_time();
        }
        pollfd wait{fd, events, 0};
        const int ready =
            ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
        if (ready > 0) {
            return ok();
        }
        if (ready < 0 && errno != EINTR) {
            return Error{Errc::unavailable, "wait for the agent", last_error()};
        }
        if (ready < 0) { // a signal: the caller's handler decides what it means
            return Error{Errc::cancelled, "interrupted"};
        }
    }
}

} // namespace

std::string with_length(std::string_view message) {
    std::string wire;
    wire += static_cast<char>(message.size() >> 8U);
    wire += static_cast<char>(message.size());
    return wire.append(message);
}

noise::KeyPair fresh_ephemeral() {
    noise::Key secret;
    randombytes_buf(secret.data(), secret.size());
    auto pair = noise::KeyPair::from_secret(secret);
    sodium_memzero(secret.data(), secret.size());
    return pair;
}

namespace {

/// While nothing has been asked for, a deadline is an agent that cannot be reached: nobody needs to
/// wonder what became of a request.
Result<void> unreached(Result<void> result) {
    if (!result && result.error().code() == Errc::deadline) {
        return Error{Errc::unavailable, result.error().message()};
    }
    return result;
}

} // namespace

Result<std::unique_ptr<ChannelClient>> ChannelClient::connect(const std::string& address,
                                                              std::uint16_t port,
                                                              const ChannelKeys& keys,
                                                              Deadline deadline) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        size = sizeof *v4;
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        size = sizeof *v6;
    } else {
        return Error{Errc::invalid, fmt::format("'{}' is not an IP address", address)};
    }
    const auto where = [&] { return fmt::format("reach the agent at {}:{}", address, port); };
    UniqueFd socket{::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
        return Error{Errc::exhausted, "make a socket", last_error()};
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
        if (errno != EINPROGRESS) {
            return Error{Errc::unavailable, "connect", last_error()}.while_doing(where());
        }
        JACKDAW_CHECK(unreached(wait_ready(socket.get(), POLLOUT, deadline)).while_doing(where()));
        int error = 0;
        socklen_t error_size = sizeof error;
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &error_size);
        if (error != 0) {
            return Error{Errc::unavailable, "connect",
                         std::error_code{error, std::system_category()}}
                .while_doing(where());
        }
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::unique_ptr<ChannelClient> client{new ChannelClient{std::move(socket)}};
    JACKDAW_CHECK(unreached(client->handshake(keys, deadline)).while_doing(where()));
    return client;
}

Result<void> ChannelClient::handshake(const ChannelKeys& keys, Deadline deadline) {
    noise::Handshake::Setup setup;
    setup.pattern = noise::Pattern::xx;
    setup.initiator = true;
    setup.prologue = channel_prologue;
    setup.own_static = keys.own;
    noise::Handshake handshake{std::move(setup)};
    JACKDAW_TRY(const auto first, handshake.write({}, fresh_ephemeral()));
    JACKDAW_CHECK(send_all(with_length(first), deadline));
    JACKDAW_TRY(const auto second, receive_handshake(deadline));
    auto payload = handshake.read(second);
    if (!payload) {
        return Error{Code::protocol, "what answers there is no agent of this kind"};
    }
    JACKDAW_TRY(peer_, proto::judge_peer(*payload, *handshake.remote_static(), keys.anchor));
    JACKDAW_TRY(const auto third, handshake.write(keys.statement, fresh_ephemeral()));
    JACKDAW_CHECK(send_all(with_length(third), deadline));
    auto ciphers = handshake.split();
    sealer_ = std::make_unique<noise::FrameSealer>(std::move(ciphers[0]));
    opener_ = std::make_unique<noise::FrameOpener>(std::move(ciphers[1]));
    return ok();
}

Result<void> ChannelClient::send_all(std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            JACKDAW_CHECK(wait_ready(socket_.get(), POLLOUT, deadline));
        } else if (errno != EINTR) {
            return Error{Errc::unavailable, "send to the agent", last_error()};
        }
    }
    return ok();
}

Result<std::string> ChannelClient::receive_some(std::size_t bytes_max, Deadline deadline) {
    std::string buffer(bytes_max, '\0');
    for (;;) {
        const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (size > 0) {
            buffer.resize(static_cast<std::size_t>(size));
            return buffer;
        }
        if (size == 0) {
            return Error{Errc::unavailable, "the agent closed the connection"};
        }
        if (errno == EAGAIN) {
            JACKDAW_CHECK(wait_ready(socket_.get(), POLLIN, deadline));
        } else if (errno != EINTR) {
            return Error{Errc::unavailable, "receive from the agent", last_error()};
        }
    }
}

Result<std::string> ChannelClient::receive_handshake(Deadline deadline) {
    std::string bytes;
    std::size_t wanted = 2;
    while (bytes.size() < wanted) { // exactly as much as is wanted: what follows is sealed
        JACKDAW_TRY(const auto more, receive_some(wanted - bytes.size(), deadline));
        bytes += more;
        if (wanted == 2 && bytes.size() == 2) {
            wanted += static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8U |
                      static_cast<std::size_t>(static_cast<unsigned char>(bytes[1]));
        }
    }
    return bytes.substr(2);
}

Result<void> ChannelClient::send_request(const Request& request, Deadline deadline) {
    if (request.body.size() > proto::channel_body_bytes_max) { // its reader would only hang up
        return Error{Errc::invalid,
                     fmt::format("the request has {} bytes; a message of the channel "
                                 "has {} at most",
                                 request.body.size(), proto::channel_body_bytes_max)}
            .with_hint("ask for it in several parts");
    }
    proto::ChannelMessage message;
    message.kind = proto::ChannelKind::request;
    message.id = ++last_id_;
    message.method = request.method;
    message.path = request.path;
    message.body = request.body;
    message.idempotency_key = request.idempotency_key;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    message.deadline_ms = left.count() > 0 ? static_cast<std::uint64_t>(left.count()) : 1;
    auto plain = proto::encode(message);
    wipe(message.body);
    auto wire = sealer_->seal(plain);
    wipe(plain); // it may carry a password
    if (!wire) {
        return std::move(wire).error();
    }
    return send_all(*wire, deadline);
}

Result<proto::ChannelMessage> ChannelClient::receive_message(Deadline deadline) {
    for (;;) {
        if (const auto whole = opener_->poll_message()) {
            return proto::decode_channel(*whole);
        }
        // Here, too: a peer that never stops is never waited for.
        if (std::chrono::steady_clock::now() >= deadline) {
            return out_of_time();
        }
        JACKDAW_TRY(const auto more, receive_some(65536, deadline));
        JACKDAW_CHECK(opener_->feed(more));
    }
}

Result<ChannelClient::Response> ChannelClient::call(const Request& request, Deadline deadline) {
    JACKDAW_CHECK(send_request(request, deadline));
    for (;;) {
        JACKDAW_TRY(auto message, receive_message(deadline));
        if (message.id == last_id_ && message.kind == proto::ChannelKind::response) {
            return Response{message.status, std::move(message.body)};
        }
        if (message.id > last_id_ || message.kind == proto::ChannelKind::request) {
            return Error{Code::protocol, "the agent answered something that was not asked"};
        }
    }
}

Result<ChannelClient::Response> ChannelClient::stream(
    const std::string& path,
    const std::function<bool(const std::string& event, const std::string& data)>& sink,
    Deadline deadline) {
    JACKDAW_CHECK(send_request(Request{"GET", path, {}, {}}, deadline));
    for (;;) {
        JACKDAW_TRY(auto message, receive_message(deadline));
        if (message.id != last_id_) {
            continue;
        }
        if (message.kind == proto::ChannelKind::response) {
            return Response{message.status, std::move(message.body)};
        }
        if (message.kind == proto::ChannelKind::end) {
            return Response{200, {}};
        }
        if (message.kind == proto::ChannelKind::event && message.method != proto::channel_alive &&
            !sink(message.method, message.body)) {
            socket_.reset();
            return Response{200, {}};
        }
    }
}

} // namespace jackdaw::runtime
