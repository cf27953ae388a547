// Both ends of the channel over real sockets on the loopback: who is let in, and what strangers
// cannot do to it.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <sodium.h>

#include "agent/api/channel_server.h"
#include "agent/logs.h"
#include "proto/wire/channel_codec.h"
#include "tests/unit/served_agent.h"

using namespace jackdaw;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using agent::ChannelServer;
using runtime::ChannelClient;
using runtime::ChannelKeys;

namespace {

struct Operator {
    proto::PublicKey open{};
    proto::SignSecret secret{};
    Operator() { crypto_sign_keypair(open.data(), secret.data()); }
};

ChannelKeys keys_of(const Operator& by, proto::PeerRole role, const std::string& fleet = "prod",
                    const std::string& name = "n") {
    ChannelKeys keys;
    keys.own = runtime::fresh_ephemeral();
    proto::Statement statement;
    statement.fleet = fleet;
    statement.name = name;
    statement.role = role;
    statement.noise_key = keys.own.open;
    keys.statement = *proto::sign_statement(statement, by.secret);
    keys.anchor = {fleet, by.open};
    return keys;
}

/// An agent's channel on a thread of its own.
class Served : public jackdaw::testing::ServedAgent {
public:
    explicit Served(agent::ChannelLimits limits = {}) {
        asio::ip::tcp::acceptor acceptor{io_, {asio::ip::make_address("127.0.0.1"), 0}};
        port = acceptor.local_endpoint().port();
        server_.emplace(std::move(acceptor),
                        ChannelServer::Parts{router_, world.life(), hub_, pool_,
                                             [this]() -> std::optional<ChannelKeys> {
                                                 return handed_over ? std::optional{own_}
                                                                    : std::nullopt;
                                             }},
                        limits);
        serve(server_->run());
    }
    ~Served() { end(); }

    Result<std::unique_ptr<ChannelClient>> connect(const ChannelKeys& keys) const {
        return ChannelClient::connect("127.0.0.1", port, keys,
                                      std::chrono::steady_clock::now() + 30s);
    }
    /// A socket that speaks no channel, or not yet.
    UniqueFd raw(const std::string& from = "127.0.0.1") const {
        UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_in own{};
        own.sin_family = AF_INET;
        REQUIRE(::inet_pton(AF_INET, from.c_str(), &own.sin_addr) == 1);
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own) == 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
        return fd;
    }

    Operator fleet_operator;
    bool handed_over = true;
    std::uint16_t port = 0;

private:
    ChannelKeys own_ = keys_of(fleet_operator, proto::PeerRole::agent, "prod", "db1");
    std::optional<ChannelServer> server_;
};

ChannelClient::Deadline soon() {
    return std::chrono::steady_clock::now() + 30s;
}

/// The peer closed it: end of file or a reset, waited for at most 30 s.
bool is_closed(const UniqueFd& fd) {
    for (;;) {
        pollfd wait{fd.get(), POLLIN, 0};
        REQUIRE(::poll(&wait, 1, 30'000) == 1);
        std::array<char, 4096> buffer{};
        if (::recv(fd.get(), buffer.data(), buffer.size(), 0) <= 0) {
            return true;
        }
    }
}

std::uint32_t status_of(ChannelClient& client, const std::string& method, const std::string& path) {
    const auto response = client.call({method, path, {}, {}}, soon());
    REQUIRE(response);
    return response->status;
}

} // namespace

TEST_CASE("channel: an operator reads and may change, a viewer and an agent only read",
          "[channel][server]") {
    Served served;
    auto owner = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(owner);
    CHECK((*owner)->peer().statement.name == "db1");
    for (int round = 0; round < 3; ++round) { // one session, many requests
        CHECK(status_of(**owner, "GET", "/v1/version") == 200);
    }
    CHECK(status_of(**owner, "GET", "/v1/nothing") == 404);
    CHECK(status_of(**owner, "POST", "/v1/instance/restart") != 403);
    for (const auto role : {proto::PeerRole::viewer, proto::PeerRole::agent}) {
        auto reader = served.connect(keys_of(served.fleet_operator, role));
        REQUIRE(reader);
        CHECK(status_of(**reader, "GET", "/v1/version") == 200);
        CHECK(status_of(**reader, "POST", "/v1/instance/restart") == 403);
    }
}

TEST_CASE("channel: who cannot prove that it is of this fleet is let in by neither end",
          "[channel][server]") {
    Served served;
    const auto good = keys_of(served.fleet_operator, proto::PeerRole::operator_);
    auto keys = keys_of(served.fleet_operator, proto::PeerRole::operator_);
    bool agent_is_refused = false;

    SECTION("a statement of another operator") {
        keys.statement = keys_of(Operator{}, proto::PeerRole::operator_).statement;
    }
    SECTION("a statement of another fleet") {
        keys.statement =
            keys_of(served.fleet_operator, proto::PeerRole::operator_, "test").statement;
    }
    SECTION("another's statement") {
        keys.statement = good.statement;
    }
    SECTION("no statement") {
        keys.statement.clear();
    }
    SECTION("the client believes another operator") {
        keys.anchor.operator_key = Operator{}.open;
        agent_is_refused = true;
    }
    SECTION("the client wants another fleet") {
        keys.anchor.fleet = "test";
        agent_is_refused = true;
    }

    auto client = served.connect(keys);
    if (agent_is_refused) {
        REQUIRE_FALSE(client);
        CHECK(client.error().id() == Code::bad_peer);
    } else { // the client learns it with the first thing that it asks
        REQUIRE(client);
        CHECK_FALSE((*client)->call({"GET", "/v1/version", {}, {}}, soon()));
    }
    auto other = served.connect(good);
    REQUIRE(other);
    CHECK(status_of(**other, "GET", "/v1/version") == 200);
}

TEST_CASE("channel: a stream without news stays open, and tells nothing but news",
          "[channel][server]") {
    agent::ChannelLimits limits;
    limits.alive = 5ms;
    Served served{limits};
    served.world.engine.hold("probe");
    const auto submitted = served.world.create();
    REQUIRE(submitted);
    served.world.engine.wait_held();
    auto client = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(client);
    std::vector<std::string> names;
    std::vector<std::string> status;
    std::thread later{[&] {
        std::this_thread::sleep_for(100ms); // many times `alive`
        served.world.engine.let_go();
        (void)served.world.wait_ended(submitted->operation.id);
        served.tell_changed(submitted->operation.id);
    }};
    const auto ended = (*client)->stream(
        "/v1/operations/" + submitted->operation.id + "/events",
        [&](const std::string& name, const std::string& body) {
            names.push_back(name);
            const auto json = proto::parse_json(body);
            status.push_back(json ? json->value("status", "") : "not JSON: " + body);
            return true;
        },
        soon());
    later.join();
    REQUIRE(ended);
    CHECK(ended->status == 200);
    REQUIRE(names.size() >= 2);
    CHECK(names == std::vector<std::string>(names.size(), "operation"));
    CHECK(status.front() == "running");
    CHECK(status.back() == "done");
}

TEST_CASE("channel: a body that is longer than a message is refused by whoever would send it",
          "[channel][server]") {
    Served served;
    const auto one_mib = std::size_t{1} << 20U;
    const auto list = [&] { return ChannelClient::Request{"GET", "/v1/members", {}, {}}; };
    for (int number = 0; number < 3; ++number) {
        served.fleet.add(std::string(one_mib, 'n'), "a1");
    }
    auto client = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(client);
    const auto fits = (*client)->call(list(), soon());
    REQUIRE(fits);
    CHECK(fits->status == 200);
    CHECK(fits->body.size() > 3 * one_mib);

    served.fleet.add(std::string(one_mib, 'n'), "a1"); // with what is around it over 4 MiB
    const auto refused = (*client)->call(list(), soon());
    REQUIRE(refused);
    CHECK(refused->status == 400);
    const auto told = proto::parse_json(refused->body);
    REQUIRE(told);
    CHECK((*told)["error"]["code"] == "E-INVALID");
    CHECK((*told)["error"]["hint"].get<std::string>().find("--limit") != std::string::npos);
    CHECK(status_of(**client, "GET", "/v1/version") == 200); // the session goes on

    const auto unsent = (*client)->call(
        {"POST", "/v1/databases", std::string(proto::channel_body_bytes_max + 1, 'x'), {}}, soon());
    REQUIRE_FALSE(unsent);
    CHECK(unsent.error().code() == Errc::invalid);
    CHECK(status_of(**client, "GET", "/v1/version") == 200);
}

TEST_CASE("channel: what a stream of a log tells at once fits a message, whatever is in the log") {
    agent::FakeHost host{jackdaw::testing::test_machine()};
    constexpr std::size_t written = 500;
    const auto line = std::string(3000, '\xff') + "\n"; // no UTF-8: each byte becomes four
    for (std::size_t number = 0; number < written; ++number) {
        host.append_log(agent::LogOwner::guard, std::string{agent::guard_log}, line);
    }
    std::string cursor = agent::format_cursor({});
    std::size_t seen = 0;
    for (bool has_more = true; has_more;) {
        const auto view = agent::read_log(host, plugins::LogFile{"output", {}, {}, {}, {}}, 10'000,
                                          cursor, agent::log_streamed_bytes);
        REQUIRE(view);
        REQUIRE_FALSE(view->lines.empty());
        CHECK(proto::Json{{"lines", view->lines}}.dump().size() < proto::channel_body_bytes_max);
        seen += view->lines.size();
        cursor = view->cursor;
        has_more = view->has_more;
    }
    CHECK(seen == written);
}

TEST_CASE("channel: before the hand-over nobody is let in", "[channel][server]") {
    Served served;
    served.handed_over = false;
    CHECK_FALSE(served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_)));
}

TEST_CASE(
    "channel: garbage, lengths that lie, half-closed and silent peers cost nobody else anything",
    "[channel][server]") {
    agent::ChannelLimits limits;
    limits.handshake = 3s; // also for the good client, on a loaded machine
    Served served{limits};
    const auto send = [](const UniqueFd& fd, std::string_view bytes) {
        return ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    };
    std::vector<UniqueFd> strangers;
    for (const std::string_view said :
         {std::string_view{}, std::string_view{"\0", 1}, std::string_view{"\0\x20", 2},
          std::string_view{"\xff\xff", 2}, std::string_view{"GET / HTTP/1.1\r\n\r\n"},
          std::string_view{"\0\0", 2}}) {
        strangers.push_back(served.raw());
        send(strangers.back(), said);
    }
    strangers.push_back(served.raw());
    send(strangers.back(), std::string{"\0\x20", 2} + std::string(32, 'x')); // then says no more
    strangers.push_back(served.raw());
    ::shutdown(strangers.back().get(), SHUT_WR);
    auto client = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(client);
    CHECK(status_of(**client, "GET", "/v1/version") == 200);
    for (const auto& stranger : strangers) {
        CHECK(is_closed(stranger));
    }
    CHECK(status_of(**client, "GET", "/v1/version") == 200);
}

TEST_CASE("channel: two hundred connections at once are bounded, and then there is room again",
          "[channel][server]") {
    agent::ChannelLimits limits;
    limits.handshake = 3s;
    Served served{limits};
    auto client = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(client);
    std::vector<UniqueFd> strangers;
    for (int number = 0; number < 200; ++number) {
        strangers.push_back(served.raw());
    }
    CHECK(status_of(**client, "GET", "/v1/version") == 200); // who is in is served
    for (const auto& stranger : strangers) {
        CHECK(is_closed(stranger)); // at once, or when its time for the handshake is over
    }
    auto next = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(next);
    CHECK(status_of(**next, "GET", "/v1/version") == 200);
}

TEST_CASE("channel: silent strangers keep nobody out, however long they may be silent",
          "[channel][server]") {
    agent::ChannelLimits limits;
    limits.handshake = 1h; // only a place that is taken from one of them can help
    limits.sessions_max = 8;
    limits.strangers_per_source = 4;
    Served served{limits};
    const auto good = keys_of(served.fleet_operator, proto::PeerRole::operator_);
    std::vector<UniqueFd> strangers;

    SECTION("from the client's own address") {
        for (int number = 0; number < 20; ++number) {
            strangers.push_back(served.raw());
        }
    }
    SECTION("from many addresses") {
        for (int number = 0; number < 20; ++number) {
            strangers.push_back(served.raw(fmt::format("127.0.0.{}", number + 2)));
        }
    }

    auto client = served.connect(good);
    REQUIRE(client);
    CHECK(status_of(**client, "GET", "/v1/version") == 200);
    CHECK(is_closed(strangers.front())); // the oldest went first
    for (int number = 0; number < 20; ++number) {
        strangers.push_back(served.raw());
    }
    CHECK(status_of(**client, "GET", "/v1/version") == 200); // who is in stays
}

TEST_CASE("channel: strangers of one address take no place of another's", "[channel][server]") {
    agent::ChannelLimits limits;
    limits.handshake = 1h;
    limits.sessions_max = 8;
    limits.strangers_per_source = 4;
    Served served{limits};
    const auto other = served.raw("127.0.0.2");
    std::vector<UniqueFd> flood;
    for (int number = 0; number < 20; ++number) {
        flood.push_back(served.raw("127.0.0.3"));
    }
    for (std::size_t number = 0; number < 16; ++number) {
        CHECK(is_closed(flood[number]));
    }
    char byte = 0;
    CHECK(::recv(other.get(), &byte, 1, MSG_DONTWAIT) == -1); // open, and nothing said
    CHECK(errno == EAGAIN);
}

TEST_CASE("channel: who may only look leaves room for who may change", "[channel][server]") {
    agent::ChannelLimits limits;
    limits.sessions_max = 4;
    Served served{limits};
    std::vector<std::unique_ptr<ChannelClient>> lookers;
    int let_in = 0;
    for (int number = 0; number < 4; ++number) {
        auto one = served.connect(keys_of(served.fleet_operator, proto::PeerRole::agent));
        REQUIRE(one);
        let_in += (*one)->call({"GET", "/v1/version", {}, {}}, soon()).has_value() ? 1 : 0;
        lookers.push_back(*std::move(one));
    }
    CHECK(let_in == 2);
    auto client = served.connect(keys_of(served.fleet_operator, proto::PeerRole::operator_));
    REQUIRE(client);
    CHECK(status_of(**client, "GET", "/v1/version") == 200);
    lookers.clear();
}

TEST_CASE("channel: a server that is stopped while callers come in ends", "[channel][server]") {
    agent::ChannelLimits limits;
    limits.handshake = 1h;
    for (int round = 0; round < 20; ++round) {
        std::vector<UniqueFd> callers;
        const Served served{limits}; // ends first, with accepts under way
        for (int number = 0; number < 12; ++number) {
            callers.push_back(served.raw(fmt::format("127.0.0.{}", number + 2)));
        }
    }
}

TEST_CASE("channel: a client gives up at its deadline, and never takes somebody for an agent",
          "[channel]") {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor{io, {asio::ip::make_address("127.0.0.1"), 0}};
    const auto port = acceptor.local_endpoint().port();
    const auto keys = keys_of(Operator{}, proto::PeerRole::operator_);
    const auto connect = [&](std::chrono::milliseconds limit) {
        return ChannelClient::connect("127.0.0.1", port, keys,
                                      std::chrono::steady_clock::now() + limit);
    };
    SECTION("it says nothing") {
        CHECK(connect(50ms).error().code() == Errc::unavailable);
    }
    SECTION("it is something else") {
        std::thread other{[&] {
            auto socket = acceptor.accept();
            boost::system::error_code ignored;
            const std::string banner("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
            std::string answer = runtime::with_length(banner + std::string(200, 'x'));
            asio::write(socket, asio::buffer(answer), ignored);
            std::array<char, 256> buffer{};
            while (!ignored) {
                socket.read_some(asio::buffer(buffer), ignored);
            }
        }};
        CHECK(connect(30s).error().id() == Code::protocol);
        other.join();
    }
    SECTION("nobody is there") {
        acceptor.close();
        CHECK(connect(30s).error().code() == Errc::unavailable);
    }
    SECTION("the address is a name") {
        CHECK(ChannelClient::connect("localhost", port, keys, soon()).error().code() ==
              Errc::invalid);
    }
}

TEST_CASE("channel: an agent that tells something else without end keeps no caller beyond its time",
          "[channel]") {
    asio::io_context io;
    asio::ip::tcp::acceptor acceptor{io, {asio::ip::make_address("127.0.0.1"), 0}};
    const auto port = acceptor.local_endpoint().port();
    const Operator owner;
    const auto agents = keys_of(owner, proto::PeerRole::agent);
    std::thread taken_over{[&] {
        auto socket = acceptor.accept();
        boost::system::error_code failed;
        const auto hear = [&] {
            std::array<unsigned char, 2> length{};
            asio::read(socket, asio::buffer(length), failed);
            std::string text((std::size_t{length[0]} << 8U) + length[1], '\0');
            asio::read(socket, asio::buffer(text), failed);
            return text;
        };
        noise::Handshake::Setup setup;
        setup.prologue = runtime::channel_prologue;
        setup.own_static = agents.own;
        noise::Handshake handshake{std::move(setup)};
        (void)handshake.read(hear());
        const auto second = handshake.write(agents.statement, runtime::fresh_ephemeral());
        asio::write(socket, asio::buffer(runtime::with_length(*second)), failed);
        (void)handshake.read(hear());
        noise::FrameSealer sealer{handshake.split()[1]};
        proto::ChannelMessage news;
        news.kind = proto::ChannelKind::event;
        const auto plain = proto::encode(news);
        while (!failed) {
            std::string wire;
            for (int i = 0; i < 1000; ++i) {
                wire += *sealer.seal(plain);
            }
            asio::write(socket, asio::buffer(wire), failed);
        }
    }};
    auto client = ChannelClient::connect("127.0.0.1", port,
                                         keys_of(owner, proto::PeerRole::operator_), soon());
    CHECK(client);
    if (client) {
        const auto answer = (*client)->call({"GET", "/v1/version", {}, {}},
                                            std::chrono::steady_clock::now() + 200ms);
        CHECK(answer.error().code() == Errc::deadline);
        client->reset(); // closes it: the other end sees that
    }
    taken_over.join();
}
