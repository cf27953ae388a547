// Arbitrary bytes of a client at the agent's socket: Beast's parser under the server's limits, the
// Router behind it, and what comes back as our own client reads it. The first byte says in what
// pieces the rest arrives.

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "agent/api/http_server.h"
#include "coordinator/client/http_reader.h"
#include "tests/fuzz/api_answers.h"
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

namespace asio = boost::asio;

/// A listening socket that the kernel names (unix(7), autobind), so that nothing is left behind.
struct Listener {
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_un address{};
    socklen_t size = sizeof address;
    Listener() {
        address.sun_family = AF_UNIX;
        const auto* const name = reinterpret_cast<const sockaddr*>(&address);
        require(::bind(fd.get(), name, sizeof(sa_family_t)) == 0);
        require(::listen(fd.get(), 4) == 0);
        require(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    }
    [[nodiscard]] UniqueFd connect() const {
        UniqueFd client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        require(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        return client;
    }
};

/// What the server says to these bytes, until it closes or a stream has begun.
std::string talk(asio::io_context& io, int client, std::string_view bytes, std::size_t piece) {
    std::string said;
    std::array<char, 65536> buffer{};
    bool told_end = false;
    // Pieces of work, not time: a server that never ends is a finding of the fuzzer's own limit.
    for (;;) {
        if (!bytes.empty()) {
            const auto sent =
                ::send(client, bytes.data(), std::min(piece, bytes.size()), MSG_NOSIGNAL);
            if (sent > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno != EAGAIN) {
                bytes = {}; // it has closed
            }
        } else if (!told_end) {
            told_end = true;
            (void)::shutdown(client, SHUT_WR);
        }
        io.poll();
        const auto got = ::recv(client, buffer.data(), buffer.size(), 0);
        if (got > 0) {
            said.append(buffer.data(), static_cast<std::size_t>(got));
            require(said.size() <= (std::size_t{32} << 20U));
        } else if (got == 0 || errno != EAGAIN) {
            return said;
        } else if (bytes.empty()) {
            if (said.find("text/event-stream") != std::string::npos) {
                return said; // goes on for as long as somebody listens
            }
            io.run_for(std::chrono::milliseconds{1}); // the router works on its pool
        }
    }
}

/// Every answer must be whole and mean something to our own client.
void check(std::string_view said) {
    while (!said.empty()) {
        std::string body;
        cli::HttpReader reader{[&](std::string_view part) -> Result<void> {
            body += part;
            return ok();
        }};
        const bool is_stream = said.substr(0, 200).find("text/event-stream") != std::string::npos;
        std::size_t used = 0; // to the byte behind this answer
        while (used < said.size() && !reader.complete()) {
            require(static_cast<bool>(reader.feed(said.substr(used, 1))));
            ++used;
        }
        said.remove_prefix(used);
        require(fuzz::is_known_status(reader.status()));
        if (is_stream) {
            return;
        }
        require(reader.complete());
        const auto json = agent::Json::parse(body, nullptr, false);
        if (json.is_object()) {
            fuzz::check_error_body(reader.status(), json);
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::ApiWorld world;
    static asio::thread_pool pool{1};
    static agent::EventHub hub;
    if (size == 0) {
        return 0;
    }
    asio::io_context io{1};
    Listener listener;
    const auto client = listener.connect();
    agent::HttpServer server{
        io.get_executor(), std::move(listener.fd),
        agent::HttpServer::Parts{world.router(), world.life(), hub, pool, 47413}};
    asio::cancellation_signal stop;
    bool ended = false;
    asio::co_spawn(io, server.run(),
                   asio::bind_cancellation_slot(
                       stop.slot(), [&](const std::exception_ptr& thrown, const Result<void>& end) {
                           require(thrown == nullptr && end.has_value());
                           ended = true;
                       }));
    const auto said = talk(io, client.get(), {reinterpret_cast<const char*>(data) + 1, size - 1},
                           1 + std::size_t{data[0]} * 16);
    stop.emit(asio::cancellation_type::terminal);
    io.run();
    require(ended);
    check(said);
    world.reset_if_full();
    return 0;
}
