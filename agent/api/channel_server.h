#pragma once
// The agent's end of the channel: accepts on TCP, makes the Noise handshake, judges the peer, and
// hands requests to the same Router as the admin socket. Runs on the loop thread.
//
// Until the agent has a statement of its own (hand-over) it closes every connection: there is
// nobody it could trust.
//
// Whoever has not proved yet who it is, is a stranger. Strangers cannot keep anybody out: a new one
// takes the place of the oldest, first of those from its own address, then of all; who is in stays.
// Agents and viewers have half of the places at most: a machine that was taken over keeps no
// operator out.

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>

#include "agent/api/event_hub.h"
#include "agent/api/router.h"
#include "proto/base/error.h"
#include "proto/runtime/channel_client.h"

namespace jackdaw::agent {

namespace asio = boost::asio;

struct ChannelLimits {
    std::size_t sessions_max = 64;         ///< strangers and peers together
    std::size_t strangers_per_source = 16; ///< by address
    std::chrono::seconds handshake{5};
    std::chrono::seconds idle{120};
    std::chrono::milliseconds alive{10'000}; ///< a stream without news says so this often
};

class ChannelServer {
public:
    struct Parts {
        const Router& router;
        const Life& life;
        EventHub& hub;
        asio::thread_pool& pool;
        /// What this agent brings; null before the hand-over. Called on the loop.
        std::function<std::optional<runtime::ChannelKeys>()> keys;
    };

    ChannelServer(asio::ip::tcp::acceptor acceptor, Parts parts, ChannelLimits limits = {});

    /// Serves until cancelled.
    asio::awaitable<Result<void>> run();

private:
    using Socket = asio::ip::tcp::socket;
    using Deadline = std::chrono::steady_clock::time_point;
    struct Session;
    class Stranger;
    /// Makes room for one more from there; false when all places are taken by peers.
    bool make_room(const asio::ip::address& source);
    void turn_away(std::list<Stranger*>::iterator stranger);
    asio::awaitable<Result<void>> serve(Socket socket, asio::ip::address source);
    asio::awaitable<Result<void>> handshake(Session& session);
    asio::awaitable<Result<void>> requests(Session& session);
    asio::awaitable<Result<void>> send_stream(Session& session, std::uint32_t id, Stream stream,
                                              Deadline deadline);
    asio::awaitable<Result<std::string>> read_handshake(Session& session);
    asio::awaitable<Result<void>> send(Session& session, proto::ChannelMessage message);

    asio::ip::tcp::acceptor acceptor_;
    Parts parts_;
    ChannelLimits limits_;
    std::list<Stranger*> strangers_; ///< the oldest first
    std::size_t peers_ = 0;
    std::size_t lookers_ = 0; ///< of those, who may not change anything
};

} // namespace jackdaw::agent
