// Gossip's shell over real sockets on the loopback: sealing, counting, and incarnations that are
// durable before they are said.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>

#include "gossip/net/gossip_service.h"

using namespace jackdaw;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using gossip::GossipService;
using gossip::Standing;

namespace {

const std::string ring_text = "1 " + std::string(64, 'a') + "\n";
const std::string other_ring_text = "2 " + std::string(64, 'b') + "\n";

struct Node {
    std::unique_ptr<GossipService> service;
    asio::cancellation_signal stop;
    std::string address;
    std::vector<gossip::Event> events;
    std::vector<std::uint64_t> persisted;
    bool disk_is_full = false;
    std::optional<Result<void>> ended;
};

class Loopback {
public:
    Node& add(std::uint64_t id, const std::string& fleet = "prod",
              const std::string& ring = ring_text) {
        auto& node = nodes_.emplace_back(std::make_unique<Node>());
        asio::ip::udp::socket socket{io_, {asio::ip::make_address("127.0.0.1"), 0}};
        node->address = "127.0.0.1:" + std::to_string(socket.local_endpoint().port());
        gossip::Member self;
        self.id = gossip::NodeId{id};
        self.address = node->address;
        self.incarnation = gossip::Incarnation{1};
        self.blob = "first of " + std::to_string(id);
        GossipService::Hooks hooks;
        hooks.on_event = [this, at = node.get()](const gossip::Event& event) {
            at->events.push_back(event);
            changed_.cancel();
        };
        hooks.on_persist = [at = node.get()](gossip::Incarnation incarnation) -> Result<void> {
            if (at->disk_is_full) {
                return Error{Code::disk_full, "no room"};
            }
            at->persisted.push_back(static_cast<std::uint64_t>(incarnation));
            return ok();
        };
        gossip::Config config; // quicker than real, so that the test need not wait
        config.probe_period = 60ms;
        config.probe_timeout = 20ms;
        config.suspicion_min = 150ms;
        config.sync_period = 300ms;
        node->service =
            std::make_unique<GossipService>(std::move(socket), config, std::move(self), id,
                                            *proto::parse_ring(ring), fleet, std::move(hooks));
        return *node;
    }
    void start(Node& node, std::vector<std::string> seeds = {}) {
        asio::co_spawn(
            io_, node.service->run(std::move(seeds)),
            asio::bind_cancellation_slot(
                node.stop.slot(), [&node](const std::exception_ptr& thrown, Result<void> result) {
                    CHECK(thrown == nullptr);
                    node.ended = std::move(result);
                }));
    }
    void stop(Node& node) {
        node.stop.emit(asio::cancellation_type::terminal);
        until([&] { return node.ended.has_value(); });
        CHECK(node.ended->has_value());
    }
    /// Runs the loop until it holds; fails the test after 30 s.
    void until(const std::function<bool()>& holds) {
        const auto limit = std::chrono::steady_clock::now() + 30s;
        while (!holds()) {
            io_.restart();
            REQUIRE(io_.run_one_until(limit) == 1);
        }
    }
    asio::io_context& io() { return io_; }
    ~Loopback() {
        for (auto& node : nodes_) {
            node->stop.emit(asio::cancellation_type::terminal);
        }
        io_.restart();
        io_.run();
    }

private:
    asio::io_context io_{1};
    asio::steady_timer changed_{io_};
    std::vector<std::unique_ptr<Node>> nodes_;
};

const gossip::MemberView* view_of(const std::vector<gossip::MemberView>& views, std::uint64_t id) {
    for (const auto& view : views) {
        if (view.member.id == gossip::NodeId{id}) {
            return &view;
        }
    }
    return nullptr;
}

bool sees(const Node& node, std::uint64_t id, Standing standing) {
    const auto views = node.service->snapshot();
    const auto* const view = view_of(views, id);
    return view != nullptr && view->member.standing == standing;
}

} // namespace

TEST_CASE("gossip service: members find each other, tell news at once, and see who is gone",
          "[gossip][service]") {
    Loopback net;
    auto& a = net.add(1);
    auto& b = net.add(2);
    auto& c = net.add(3);
    net.start(a);
    net.start(b, {a.address});
    net.start(c, {a.address});
    for (auto* node : {&a, &b, &c}) {
        net.until([&] {
            return sees(*node, 1, Standing::alive) && sees(*node, 2, Standing::alive) &&
                   sees(*node, 3, Standing::alive);
        });
    }
    CHECK(a.service->snapshot().front().member.id == gossip::NodeId{1});
    net.until([&] {
        const auto views = a.service->snapshot();
        return view_of(views, 2)->rtt_ms.has_value() && view_of(views, 3)->rtt_ms.has_value();
    });

    b.service->set_blob("second of 2");
    // On a loaded machine it may have had to refute something before.
    CHECK(b.persisted.back() >= 2);
    CHECK(b.persisted.back() == static_cast<std::uint64_t>(b.service->swim().self().incarnation));
    for (auto* node : {&a, &c}) {
        net.until([&] {
            const auto views = node->service->snapshot();
            return view_of(views, 2)->member.blob == "second of 2";
        });
    }

    net.stop(c);
    net.until([&] { return sees(a, 3, Standing::down) && sees(b, 3, Standing::down); });
    const auto views = a.service->snapshot();
    CHECK_FALSE(view_of(views, 3)->rtt_ms);
    CHECK(view_of(views, 3)->member.blob == "first of 3"); // what ran there is still known

    b.service->leave();
    net.until([&] { return sees(a, 2, Standing::left); });
    b.service->come_back();
    net.until([&] { return sees(a, 2, Standing::alive); });
}

TEST_CASE("gossip service: another fleet's, another ring's and unsealed datagrams are counted and "
          "dropped",
          "[gossip][service]") {
    Loopback net;
    auto& a = net.add(1);
    auto& other_fleet = net.add(2, "test");
    auto& other_ring = net.add(3, "prod", other_ring_text);
    net.start(a);
    net.start(other_fleet, {a.address});
    net.start(other_ring, {a.address});
    asio::ip::udp::socket stranger{net.io(), {asio::ip::make_address("127.0.0.1"), 0}};
    const auto port =
        static_cast<std::uint16_t>(std::stoul(a.address.substr(a.address.find(':') + 1)));
    const asio::ip::udp::endpoint to{asio::ip::make_address("127.0.0.1"), port};
    stranger.send_to(asio::buffer(std::string{}), to);
    stranger.send_to(asio::buffer(std::string(9000, 'J')), to);
    gossip::Message clear;
    clear.kind = gossip::MessageKind::ping;
    clear.sender.id = gossip::NodeId{9};
    clear.sender.address = "127.0.0.1:9";
    stranger.send_to(asio::buffer(proto::encode(clear)), to);
    const auto& counters = a.service->counters();
    net.until([&] { return counters.seal_broken >= 4 && counters.unknown_key >= 1; });
    CHECK(a.service->snapshot().size() == 1);
    CHECK(a.events.empty());
    CHECK(counters.datagrams_out == 0); // strangers are not answered
}

TEST_CASE("gossip service: an incarnation that cannot be kept is not said", "[gossip][service]") {
    Loopback net;
    auto& a = net.add(1);
    auto& b = net.add(2);
    net.start(a);
    net.start(b, {a.address});
    net.until([&] { return sees(a, 2, Standing::alive) && sees(b, 1, Standing::alive); });
    b.disk_is_full = true;
    b.service->set_blob("unkept");
    const auto sent = b.service->counters().datagrams_out;
    net.until([&] { return sees(a, 2, Standing::down); }); // silent, as a dead one would be
    CHECK(b.service->counters().datagrams_out == sent);
    CHECK(b.service->counters().persist_failed > 0);
    b.disk_is_full = false;
    net.until([&] {
        const auto views = a.service->snapshot();
        return sees(a, 2, Standing::alive) && view_of(views, 2)->member.blob == "unkept";
    });
    const auto views = a.service->snapshot();
    CHECK(static_cast<std::uint64_t>(view_of(views, 2)->member.incarnation) <= b.persisted.back());
}
