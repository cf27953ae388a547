#include "coordinator/client/unix_http_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "coordinator/client/http_reader.h"
#include "proto/base/secret.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::cli {
namespace {

std::error_code last_error() {
    return {errno, std::system_category()};
}

/// Waits until the socket is ready; `deadline` when it is not in time.
Result<void> wait_for(int fd, short events, Deadline deadline) {
    for (;;) { // again only after a signal, and the deadline stays
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return Error{Errc::deadline, "the agent did not answer in time"};
        }
        pollfd poll_for{fd, events, 0};
        const auto limit = std::min<std::int64_t>(left.count(), 3'600'000);
        const int ready = ::poll(&poll_for, 1, static_cast<int>(limit));
        if (ready > 0) {
            return ok();
        }
        if (ready < 0 && errno != EINTR) {
            return Error{Errc::internal, "poll", last_error()};
        }
    }
}

class UnixHttpClient final : public ApiClient {
public:
    explicit UnixHttpClient(std::string path) : path_{std::move(path)} {}

    Result<ApiResponse> call(const ApiRequest& request, Deadline deadline) override {
        std::string body;
        HttpReader reader{[&body](std::string_view piece) -> Result<void> {
            if (body.size() + piece.size() > http_body_bytes_max) {
                return Error{Code::protocol, "the answer is too long"};
            }
            body += piece;
            return ok();
        }};
        JACKDAW_TRY(auto socket, send(request, deadline));
        JACKDAW_CHECK(
            receive(socket.get(), reader, deadline, [&reader] { return !reader.complete(); }));
        ApiResponse response{reader.status(), nullptr};
        if (!body.empty()) {
            auto json = proto::parse_json(body, http_body_bytes_max);
            if (!json) {
                return std::move(json)
                    .error()
                    .with_id(Code::protocol)
                    .while_doing("read the agent's answer");
            }
            response.body = *std::move(json);
        }
        return response;
    }

    Result<void> stream(const std::string& path, const EventSink& sink,
                        Deadline deadline) override {
        bool go_on = true;
        std::string refused; // the body of an answer other than 200
        SseReader events{[&](std::string_view event, std::string_view data) -> Result<bool> {
            auto json = proto::parse_json(data);
            if (!json) {
                return std::move(json).error().with_id(Code::protocol).while_doing("read an event");
            }
            return sink(event, *json);
        }};
        HttpReader* head = nullptr;
        HttpReader reader{[&](std::string_view piece) -> Result<void> {
            if (head->status() != 200) {
                refused += piece.substr(0, http_head_bytes_max -
                                               std::min(http_head_bytes_max, refused.size()));
                return ok();
            }
            if (go_on) {
                JACKDAW_TRY(go_on, events.feed(piece));
            }
            return ok();
        }};
        head = &reader;
        JACKDAW_TRY(auto socket, send(ApiRequest{"GET", path, nullptr, {}}, deadline));
        JACKDAW_CHECK(
            receive(socket.get(), reader, deadline, [&] { return go_on && !reader.complete(); }));
        if (reader.status() != 200) {
            auto json = proto::parse_json(refused);
            return refusal(ApiResponse{reader.status(), json ? *std::move(json) : Json{}});
        }
        return ok();
    }

private:
    Result<UniqueFd> connect_socket(Deadline deadline) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path_.size() >= sizeof address.sun_path) {
            return Error{Errc::invalid, fmt::format("the socket's path '{}' is too long", path_)};
        }
        std::ranges::copy(path_, address.sun_path);
        UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        if (!fd) {
            return Error{Errc::exhausted, "make a socket", last_error()};
        }
        for (;;) { // EAGAIN: the listener's queue is full (unix(7)); the deadline bounds it
            if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0) {
                return fd;
            }
            if (errno == EACCES || errno == EPERM) {
                return Error{Errc::not_allowed, path_, last_error()};
            }
            if (errno != EAGAIN && errno != EINTR) {
                return Error{Errc::unavailable, fmt::format("no agent listens at {}", path_),
                             last_error()}
                    .with_hint("start this machine's agent, jackdawd; --fleet NAME asks a fleet's "
                               "agents instead");
            }
            if (std::chrono::steady_clock::now() >= deadline) {
                return Error{Errc::deadline, "the agent takes no connection in time"};
            }
            ::poll(nullptr, 0, 5);
        }
    }

    Result<UniqueFd> send(const ApiRequest& request, Deadline deadline) {
        JACKDAW_TRY(auto fd, connect_socket(deadline));
        std::string bytes = fmt::format("{} {} HTTP/1.1\r\nHost: jackdaw\r\nConnection: close\r\n",
                                        request.method, request.path);
        if (!request.idempotency_key.empty()) {
            bytes += fmt::format("Idempotency-Key: {}\r\n", request.idempotency_key);
        }
        if (!request.body.is_null()) {
            auto body = request.body.dump(-1, ' ', false, Json::error_handler_t::replace);
            bytes += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                                 body.size());
            bytes += body;
            wipe(body); // a request may carry a password
        } else {
            bytes += "Content-Length: 0\r\n\r\n";
        }
        auto sent = send_all(fd.get(), bytes, deadline);
        wipe(bytes);
        JACKDAW_CHECK(std::move(sent));
        return fd;
    }

    static Result<void> send_all(int fd, std::string_view bytes, Deadline deadline) {
        while (!bytes.empty()) {
            const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno == EAGAIN) {
                JACKDAW_CHECK(wait_for(fd, POLLOUT, deadline));
            } else if (errno == EPIPE || errno == ECONNRESET) {
                return ok(); // it may have answered (and refused) before it read all
            } else if (errno != EINTR) {
                return Error{Errc::unavailable, "send to the agent", last_error()};
            }
        }
        return ok();
    }

    template <class More>
    static Result<void> receive(int fd, HttpReader& reader, Deadline deadline, const More& more) {
        std::array<char, 16 * 1024> buffer{};
        while (more()) {
            JACKDAW_CHECK(wait_for(fd, POLLIN, deadline));
            const auto size = ::recv(fd, buffer.data(), buffer.size(), 0);
            if (size > 0) {
                JACKDAW_CHECK(reader.feed({buffer.data(), static_cast<std::size_t>(size)}));
            } else if (size == 0) {
                if (!reader.end()) {
                    return Error{Errc::unavailable, "the agent closed before it had answered"};
                }
                return ok();
            } else if (errno != EAGAIN && errno != EINTR) {
                return Error{Errc::unavailable, "the agent went away", last_error()};
            }
        }
        return ok();
    }

    std::string path_;
};

} // namespace

std::unique_ptr<ApiClient> make_unix_client(std::string socket_path) {
    return std::make_unique<UnixHttpClient>(std::move(socket_path));
}

} // namespace jackdaw::cli
