#include "agent/api/channel_server.h"

#include <algorithm>
#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "proto/runtime/offload.h"
#include "proto/runtime/task_scope.h"
#include "proto/runtime/timeout.h"
#include "proto/wire/channel_codec.h"

namespace jackdaw::agent {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
/// Two keys, two tags and a statement; what a stranger can make us keep.
constexpr std::size_t handshake_bytes_max = proto::statement_bytes_max + 128;

Error gone(const boost::system::error_code& ec) {
    return Error{Errc::unavailable, "the peer went away", ec};
}

asio::awaitable<Result<void>> write_all(asio::ip::tcp::socket& socket, std::string bytes) {
    const auto [ec, size] = co_await asio::async_write(socket, asio::buffer(bytes), as_result);
    (void)size;
    if (ec) {
        co_return gone(ec);
    }
    co_return ok();
}

Error too_long(std::size_t bytes) {
    return Error{Errc::invalid, fmt::format("the answer has {} bytes; a message of the channel has "
                                            "{} at most",
                                            bytes, proto::channel_body_bytes_max)}
        .with_hint(
            "ask for less, with --limit or --lines where the command has it; on the machine itself "
            "`jackdaw` gives it whole");
}

/// A caller that says nothing about it waits as long as it likes; nobody waits for more than a day.
std::chrono::steady_clock::time_point deadline_of(const proto::ChannelMessage& asked) {
    constexpr std::uint64_t day_ms = 86'400'000;
    if (asked.deadline_ms == 0) {
        return std::chrono::steady_clock::time_point::max();
    }
    return std::chrono::steady_clock::now() +
           std::chrono::milliseconds{std::min(asked.deadline_ms, day_ms)};
}

} // namespace

struct ChannelServer::Session {
    Socket socket;
    proto::Peer peer;
    std::optional<noise::FrameSealer> sealer;
    std::optional<noise::FrameOpener> opener;
};

/// Its place in the list, from accept to the end of the handshake or until it is turned away.
class ChannelServer::Stranger {
public:
    Stranger(std::list<Stranger*>& all, Socket& socket, asio::ip::address source)
        : all_{all}, socket_{socket}, source_{std::move(source)} {
        all_.push_back(this);
    }
    ~Stranger() { all_.remove(this); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    [[nodiscard]] const asio::ip::address& source() const noexcept { return source_; }
    /// What waits on its socket ends with an error, and with that its session.
    void close() {
        boost::system::error_code ignored; // gone is what it should be
        socket_.close(ignored);
    }

private:
    std::list<Stranger*>& all_;
    Socket& socket_;
    asio::ip::address source_;
};

ChannelServer::ChannelServer(asio::ip::tcp::acceptor acceptor, Parts parts, ChannelLimits limits)
    : acceptor_{std::move(acceptor)}, parts_{std::move(parts)}, limits_{limits} {}

asio::awaitable<Result<void>> ChannelServer::run() {
    // Or the wait for the sessions below would throw, and they would outlive their scope.
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
            asio::steady_timer pause{co_await asio::this_coro::executor,
                                     std::chrono::milliseconds{100}};
            const auto [waited] = co_await pause.async_wait(as_result);
            if (waited) {
                break;
            }
            continue;
        }
        boost::system::error_code reset;
        const auto source = socket.remote_endpoint(reset).address();
        if (reset || !make_room(source)) {
            continue; // closed by its destructor
        }
        scope.spawn("channel.session", serve(std::move(socket), source));
    }
    scope.request_stop();
    co_return co_await scope.join();
}

bool ChannelServer::make_room(const asio::ip::address& source) {
    const auto from_there = [&](const Stranger* one) { return one->source() == source; };
    const auto same = std::ranges::count_if(strangers_, from_there);
    if (static_cast<std::size_t>(same) >= limits_.strangers_per_source) {
        turn_away(std::ranges::find_if(strangers_, from_there));
    } else if (strangers_.size() + peers_ >= limits_.sessions_max) {
        if (strangers_.empty()) {
            return false;
        }
        turn_away(strangers_.begin());
    }
    return true;
}

void ChannelServer::turn_away(std::list<Stranger*>::iterator stranger) {
    auto* const away = *stranger;
    strangers_.erase(stranger);
    away->close();
}

asio::awaitable<Result<void>> ChannelServer::serve(Socket socket, asio::ip::address source) {
    boost::system::error_code ignored; // a dead socket shows at its first read
    socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
    Session session{std::move(socket), {}, {}, {}};
    std::optional<Stranger> stranger{std::in_place, strangers_, session.socket, std::move(source)};
    auto shaken = co_await runtime::with_timeout(limits_.handshake, handshake(session));
    stranger.reset();
    if (!shaken) {
        // Anybody may connect and be refused: not above debug, or strangers write our log.
        spdlog::debug("channel: refused a peer: {}", shaken.error().to_string());
        co_return ok();
    }
    const bool looks_only = !session.peer.may_change();
    if (looks_only && lookers_ >= (limits_.sessions_max + 1) / 2) {
        spdlog::debug("channel: no place for {}", session.peer.text());
        co_return ok();
    }
    struct Count {
        std::size_t& number;
        const std::size_t by;
        Count(std::size_t& counted, std::size_t times) : number{counted}, by{times} {
            number += by;
        }
        ~Count() { number -= by; }
        Count(const Count&) = delete;
        Count& operator=(const Count&) = delete;
    };
    const Count peer{peers_, 1};
    const Count looker{lookers_, looks_only ? std::size_t{1} : std::size_t{0}};
    const auto ended = co_await requests(session);
    if (!ended) {
        spdlog::debug("channel: {}: {}", session.peer.text(), ended.error().to_string());
    }
    co_return ok();
}

asio::awaitable<Result<std::string>> ChannelServer::read_handshake(Session& session) {
    std::array<unsigned char, 2> head{};
    const auto [head_ec, head_size] =
        co_await asio::async_read(session.socket, asio::buffer(head), as_result);
    (void)head_size;
    if (head_ec) {
        co_return gone(head_ec);
    }
    const auto length = static_cast<std::size_t>(head[0]) << 8U | head[1];
    if (length > handshake_bytes_max) {
        co_return Error{Code::protocol, "a handshake message longer than a statement needs"};
    }
    std::string message(length, '\0');
    const auto [ec, size] =
        co_await asio::async_read(session.socket, asio::buffer(message), as_result);
    (void)size;
    if (ec) {
        co_return gone(ec);
    }
    co_return message;
}

asio::awaitable<Result<void>> ChannelServer::handshake(Session& session) {
    auto keys = parts_.keys();
    if (!keys) {
        co_return Error{Errc::not_allowed, "this agent is not handed over yet"};
    }
    noise::Handshake::Setup setup;
    setup.pattern = noise::Pattern::xx;
    setup.initiator = false;
    setup.prologue = runtime::channel_prologue;
    setup.own_static = keys->own;
    noise::Handshake shake{std::move(setup)};
    JACKDAW_CO_TRY(const auto first, co_await read_handshake(session));
    JACKDAW_CO_TRY(const auto nothing, shake.read(first));
    (void)nothing;
    JACKDAW_CO_TRY(const auto second, shake.write(keys->statement, runtime::fresh_ephemeral()));
    const auto wire = runtime::with_length(second);
    const auto [ec, size] =
        co_await asio::async_write(session.socket, asio::buffer(wire), as_result);
    (void)size;
    if (ec) {
        co_return gone(ec);
    }
    JACKDAW_CO_TRY(const auto third, co_await read_handshake(session));
    JACKDAW_CO_TRY(const auto statement, shake.read(third));
    JACKDAW_CO_TRY(session.peer,
                   proto::judge_peer(statement, *shake.remote_static(), keys->anchor));
    auto ciphers = shake.split();
    session.opener.emplace(std::move(ciphers[0]));
    session.sealer.emplace(std::move(ciphers[1]));
    co_return ok();
}

asio::awaitable<Result<void>> ChannelServer::send(Session& session, proto::ChannelMessage message) {
    auto wire = session.sealer->seal(proto::encode(message));
    if (!wire) {
        co_return std::move(wire).error();
    }
    auto writing = write_all(session.socket, *std::move(wire));
    co_return co_await runtime::with_timeout(limits_.idle, std::move(writing));
}

asio::awaitable<Result<void>> ChannelServer::requests(Session& session) {
    std::array<char, 16384> buffer{};
    for (;;) {
        auto whole = session.opener->poll_message();
        if (!whole) {
            auto read = [](Socket& socket,
                           std::span<char> into) -> asio::awaitable<Result<std::size_t>> {
                const auto [ec, size] = co_await socket.async_read_some(
                    asio::buffer(into.data(), into.size()), as_result);
                if (ec) {
                    co_return gone(ec);
                }
                co_return size;
            };
            auto reading = read(session.socket, std::span{buffer});
            const auto size = co_await runtime::with_timeout(limits_.idle, std::move(reading));
            if (!size) {
                co_return ok(); // gone, silent for too long, or we are stopping
            }
            JACKDAW_CO_CHECK(session.opener->feed(std::string_view{buffer.data(), *size}));
            continue;
        }
        JACKDAW_CO_TRY(auto asked, proto::decode_channel(*whole));
        wipe(*whole);
        if (asked.kind == proto::ChannelKind::cancel) {
            continue; // of a stream that has ended meanwhile
        }
        if (asked.kind != proto::ChannelKind::request) {
            co_return Error{Code::protocol, "a message that only the server sends"};
        }
        const auto id = asked.id;
        const auto deadline = deadline_of(asked);
        ApiRequest request;
        request.method = std::move(asked.method);
        request.target = std::move(asked.path);
        request.body = std::move(asked.body);
        request.idempotency_key = std::move(asked.idempotency_key);
        request.caller.text = session.peer.text();
        request.caller.may_change = session.peer.may_change();
        request.deadline = deadline;
        if (Router::is_stream(request)) {
            auto find = [this, &request] { return parts_.router.stream(request); };
            auto stream = co_await runtime::offload(parts_.pool, std::move(find));
            if (stream) {
                JACKDAW_CO_CHECK(co_await send_stream(session, id, *std::move(stream), deadline));
                continue;
            }
        }
        auto work = [this, &request] { return parts_.router.handle(request); };
        auto answer = co_await runtime::offload(parts_.pool, std::move(work));
        wipe(request.body);                                       // it may have carried a password
        if (answer.body.size() > proto::channel_body_bytes_max) { // no message for its reader
            answer = error_response(too_long(answer.body.size()));
        }
        proto::ChannelMessage response;
        response.kind = proto::ChannelKind::response;
        response.id = id;
        response.status = static_cast<std::uint32_t>(answer.status);
        response.body = std::move(answer.body);
        JACKDAW_CO_CHECK(co_await send(session, std::move(response)));
    }
}

asio::awaitable<Result<void>> ChannelServer::send_stream(Session& session, std::uint32_t id,
                                                         Stream stream, Deadline deadline) {
    asio::steady_timer changed{co_await asio::this_coro::executor};
    bool dirty = true;
    const auto watch = parts_.hub.watch(stream.watch, [&] {
        dirty = true;
        changed.cancel();
    });
    auto silent_since = std::chrono::steady_clock::now();
    for (StreamPart part; !part.ended && std::chrono::steady_clock::now() < deadline;) {
        part.items.clear();
        if (dirty || stream.poll.count() > 0) {
            dirty = false;
            auto work = [&] { return stream.next(); };
            part = co_await runtime::offload(parts_.pool, std::move(work));
            dirty = dirty || part.has_more;
        }
        const auto now = std::chrono::steady_clock::now();
        if (part.items.empty() && !part.ended && now - silent_since >= limits_.alive) {
            part.items.push_back({std::string{proto::channel_alive}, ""}); // shows a peer that went
        }
        for (auto& item : part.items) {
            silent_since = now;
            proto::ChannelMessage message;
            message.kind = proto::ChannelKind::event;
            message.id = id;
            message.method = std::move(item.event);
            message.body = std::move(item.data);
            JACKDAW_CO_CHECK(co_await send(session, std::move(message)));
        }
        if (!part.ended && !dirty) {
            const auto rest = stream.poll.count() > 0 ? stream.poll : limits_.alive;
            changed.expires_at(std::min(deadline, std::chrono::steady_clock::now() + rest));
            co_await changed.async_wait(as_result);
            const auto state = co_await asio::this_coro::cancellation_state;
            if (state.cancelled() != asio::cancellation_type::none) {
                co_return Error{Errc::cancelled, "stopping"};
            }
        }
    }
    proto::ChannelMessage end;
    end.kind = proto::ChannelKind::end;
    end.id = id;
    co_return co_await send(session, std::move(end));
}

} // namespace jackdaw::agent
