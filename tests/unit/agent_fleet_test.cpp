// The agent's part in gossip, by what others see of it: agents on loopback with real sockets and
// state folders, each on a loop of its own.

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <sodium.h>

#include "agent/api/listeners.h"
#include "agent/fleet.h"
#include "proto/base/ids.h"
#include "proto/wire/gossip_codec.h"
#include "proto/wire/gossip_identity.h"
#include "tests/unit/state_folder.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view key_1 =
    "1 0101010101010101010101010101010101010101010101010101010101010101\n";
constexpr std::string_view key_2 =
    "2 0202020202020202020202020202020202020202020202020202020202020202\n";
constexpr std::string_view other_2 =
    "2 1202020202020202020202020202020202020202020202020202020202020202\n";
constexpr std::string_view key_3 =
    "3 0303030303030303030303030303030303030303030303030303030303030303\n";
constexpr std::string_view fleet_line = "fleet 1122334455667788\n";

std::string ring_of(std::initializer_list<std::string_view> keys) {
    std::string text{fleet_line};
    for (const auto key : keys) {
        text += key;
    }
    return text;
}

std::uint16_t port_of(const UniqueFd& socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

/// Waits for what others are to see; fails when they do not within a minute.
template <class Seen>
void wait_until(const char* what, Seen seen) {
    INFO(what);
    for (int i = 0; i < 3000; ++i) {
        if (seen()) {
            return;
        }
        std::this_thread::sleep_for(20ms);
    }
    FAIL("not within a minute");
}

struct Keys {
    test::TemporaryFolder folder;
    Identity identity = *Identity::load_or_make(folder.path());
};

class Agent {
public:
    Agent(std::string name, const Keys& keys, std::vector<std::string> seeds,
          std::string state = {}, const std::string& listen = "127.0.0.1",
          std::string advertise = "127.0.0.1", std::optional<proto::PublicKey> operator_key = {})
        : sockets_{*listen_udp({listen, 0})}, advertise_{std::move(advertise)} {
        StateOptions options;
        options.folder = state.empty() ? folder_.path() : std::move(state);
        options.map_bytes = jackdaw::testing::small_map;
        store_ = *StateStore::open(std::move(options));
        port_ = port_of(sockets_.front());
        fleet_ = std::make_unique<Fleet>(
            Fleet::Parts{keys.identity,
                         *store_,
                         clock_,
                         "1.2.3",
                         [this] {
                             const std::lock_guard lock{guard_};
                             return instance_;
                         },
                         [] { return false; },
                         2,
                         [this](std::string_view kind, std::string, std::string text) {
                             const std::lock_guard lock{guard_};
                             told_.emplace_back(kind);
                             texts_[std::string{kind}] = std::move(text);
                         },
                         {},
                         io_.get_executor(),
                         pool_},
            Fleet::Label{std::move(name), advertise_, port_, "local", swim::Config::local()});
        Membership membership;
        membership.fleet = "f";
        membership.ring = Secret{ring_of({key_1})};
        membership.seeds = std::move(seeds);
        membership.operator_key = operator_key;
        const auto opened = fleet_->open(sockets_, std::move(membership));
        REQUIRE(opened.has_value());
        asio::co_spawn(io_, fleet_->run(),
                       asio::bind_cancellation_slot(
                           stop_.slot(), [](const std::exception_ptr&, Result<void>) {}));
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ~Agent() {
        asio::post(io_, [this] { stop_.emit(asio::cancellation_type::terminal); });
        thread_.join();
        pool_.join();
    }
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    [[nodiscard]] std::string address() const {
        const bool is_v6 = advertise_.find(':') != std::string::npos;
        return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", advertise_, is_v6 ? "]" : "", port_);
    }
    [[nodiscard]] std::size_t sockets() const { return sockets_.size(); }
    Fleet& operator*() { return *fleet_; }
    Fleet* operator->() { return fleet_.get(); }
    void has(std::optional<proto::Instance> instance) {
        {
            const std::lock_guard lock{guard_};
            instance_ = std::move(instance);
        }
        asio::post(io_, [this] { fleet_->refresh(); });
    }
    [[nodiscard]] std::string standing_of(std::string_view name) {
        const auto all = fleet_->members();
        REQUIRE(all.has_value());
        const auto found = std::ranges::find(*all, name, &proto::MemberShape::name);
        return found == all->end() ? "" : found->status;
    }
    [[nodiscard]] proto::MemberShape member(std::string_view name) {
        const auto all = fleet_->members();
        REQUIRE(all.has_value());
        return *std::ranges::find(*all, name, &proto::MemberShape::name);
    }
    [[nodiscard]] std::string state() { return fleet_->gossip()->at("state"); }
    [[nodiscard]] bool told(std::string_view kind) { return times_told(kind) != 0; }
    [[nodiscard]] std::ptrdiff_t times_told(std::string_view kind) {
        const std::lock_guard lock{guard_};
        return std::ranges::count(told_, kind);
    }
    [[nodiscard]] std::string last_text(const std::string& kind) {
        const std::lock_guard lock{guard_};
        return texts_[kind];
    }

private:
    std::vector<UniqueFd> sockets_; ///< outlive the fleet
    std::string advertise_;
    jackdaw::testing::StateFolder folder_;
    std::unique_ptr<StateStore> store_;
    runtime::Clock clock_;
    std::mutex guard_;
    std::optional<proto::Instance> instance_;
    std::vector<std::string> told_;
    std::map<std::string, std::string> texts_; ///< the last of each kind
    asio::thread_pool pool_{2};
    asio::io_context io_{1};
    asio::cancellation_signal stop_;
    std::unique_ptr<Fleet> fleet_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

void wait_for_each_other(Agent& a, std::string_view name_a, Agent& b, std::string_view name_b) {
    wait_until("they see each other", [&] {
        return a.standing_of(name_b) == "alive" && b.standing_of(name_a) == "alive";
    });
}

/// The versions that it holds and the one that it seals with.
std::string ring(Agent& agent) {
    auto told = agent->gossip()->at("ring");
    CHECK(told.at("ids").size() == told.at("versions").size());
    told.erase("ids");
    return told.dump();
}

} // namespace

TEST_CASE("fleet: what an instance says is seen by the other agent, with its name") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    CHECK(a->instances()->empty());
    proto::Instance instance;
    instance.name = "db1";
    instance.datastore = "fake";
    instance.version = "1.0";
    instance.status = "running";
    instance.address = "10.1.2.3";
    instance.port = 7433;
    instance.volume_size_bytes = 800;
    instance.volume_used_bytes = 500;
    instance.warnings.push_back({proto::warning_kinds[0], "", "", ""});
    instance.pending_restart = {"back_log"};
    instance.maintenance_until = "2026-01-01T01:00:00.250Z";
    instance.maintenance_by = "uid 0";
    a.has(instance);
    wait_until("b lists it", [&] {
        const auto all = b->instances();
        return all->size() == 1 && all->front().name == "db1" && all->front().status == "running";
    });
    const auto seen = b->instances()->front();
    CHECK(seen.address == "10.1.2.3");
    CHECK(seen.port == 7433);
    CHECK(seen.datastore == "fake");
    CHECK(seen.version == "1.0");
    CHECK(seen.agent_version == "1.2.3");
    REQUIRE(seen.warnings.size() == 1);
    CHECK(seen.warnings[0].kind == proto::warning_kinds[0]);
    CHECK(seen.volume_filled_min == 0.625);
    CHECK(seen.is_upkeep_told);
    CHECK(seen.needs_restart); // of the names gossip tells nothing
    CHECK(seen.pending_restart.empty());
    CHECK(seen.maintenance_until == "2026-01-01T01:00:00.000Z");
    CHECK(a->gossip()->at("status").at("disk_class") == 5);
    const auto since = [&] { return b->members()->back().since; };
    const auto first = since();
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(1ms);
        CHECK(since() == first);
    }
    CHECK(b.standing_of("a").empty()); // the instance's name is the member's
    CHECK(b.standing_of("db1") == "alive");
    instance.status = "failed";
    instance.address = "fd00::5";
    a.has(instance);
    wait_until("b sees that it failed", [&] { return b->instances()->front().status == "failed"; });
    CHECK(b->instances()->front().address == "fd00::5");
    CHECK(b->instances()->front().port == 7433);
}

TEST_CASE("fleet: who leaves has left, and comes back as a later life when it is asked to") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    const auto before = b.member("a").incarnation;
    const std::uint64_t boot = a->gossip()->at("boot");
    REQUIRE(a->leave().has_value());
    wait_until("b sees it leave", [&] { return b.standing_of("a") == "left"; });
    CHECK(a.state() == "left");
    // What it knew then is no answer any more.
    const auto refused = a->may_list();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code() == Errc::unavailable);
    CHECK(refused.error().message().find("left its fleet at 2") != std::string::npos);
    CHECK(b->may_list().has_value());
    REQUIRE(a->join({b.address()}).has_value());
    wait_for_each_other(a, "a", b, "b");
    CHECK(a->may_list().has_value());
    CHECK(b.member("a").incarnation > before);
    CHECK(a->gossip()->at("boot") > boot);
    CHECK_FALSE(a->join({"nowhere"}));
    CHECK_FALSE(a->join({"127.0.0.1:0"}));
}

TEST_CASE("fleet: who left before an agent began is known to it, and stands in no timeline") {
    const Keys one, two, three;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    REQUIRE(b->leave().has_value());
    wait_until("a's timeline tells that b left", [&] { return a.told("member.left"); });
    Agent c{"c", three, {a.address()}};
    wait_until("c knows both",
               [&] { return c.standing_of("a") == "alive" && c.standing_of("b") == "left"; });
    CHECK(c.told("member.joined"));
    CHECK_FALSE(c.told("member.left"));
}

TEST_CASE("fleet: one that is forgotten is told once, and not to have left") {
    const Keys one, two, three;
    proto::PublicKey operator_key{};
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret{};
    REQUIRE(crypto_sign_keypair(operator_key.data(), secret.data()) == 0);
    Agent a{"a", one, {}, {}, "127.0.0.1", "127.0.0.1", operator_key};
    Agent b{"b", two, {a.address()}, {}, "127.0.0.1", "127.0.0.1", operator_key};
    {
        Agent gone{"gone", three, {a.address()}};
        wait_for_each_other(a, "a", b, "b");
        wait_until("both know it", [&] {
            return a.standing_of("gone") == "alive" && b.standing_of("gone") == "alive";
        });
    }
    wait_until("it is down",
               [&] { return a.standing_of("gone") == "down" && b.standing_of("gone") == "down"; });
    const auto member = a.member("gone");
    FleetApi::Forget order;
    order.id = std::stoull(member.id, nullptr, 16);
    order.incarnation = member.incarnation;
    order.operator_key.assign(operator_key.begin(), operator_key.end());
    std::array<char, 32> body{};
    const std::string_view text{
        body.data(), proto::encode_left_body(proto::NodeId{order.id}, order.incarnation, body)};
    const auto words =
        proto::to_sign(proto::SignedAs::forget, proto::FleetId{0x1122334455667788}, text);
    order.signature.resize(crypto_sign_BYTES);
    REQUIRE(crypto_sign_detached(reinterpret_cast<unsigned char*>(order.signature.data()), nullptr,
                                 reinterpret_cast<const unsigned char*>(words.data()), words.size(),
                                 secret.data()) == 0);
    REQUIRE(a->forget(order).has_value());
    for (auto* const agent : {&a, &b}) {
        wait_until("it is forgotten", [&] { return agent->told("member.forgotten"); });
        CHECK(agent->times_told("member.forgotten") == 1);
        CHECK_FALSE(agent->told("member.left"));
        CHECK(agent->standing_of("gone").empty());
    }
}

TEST_CASE("fleet: two machines with one key: one falls silent and refuses what needs the key") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent other{"b", two, {a.address()}};
    wait_for_each_other(a, "a", other, "b");
    Agent copy{"a", one, {other.address()}};
    wait_until("one of them sees its twin", [&] { return a->has_twin() || copy->has_twin(); });
    auto& silent = a->has_twin() ? a : copy;
    auto& speaking = a->has_twin() ? copy : a;
    CHECK(silent.state() == "twin");
    CHECK(silent->health()->state == "twin");
    CHECK(silent.told("gossip.twin"));
    CHECK_FALSE(speaking->has_twin());
    CHECK(speaking->health()->state == "member");
    const auto refused = [](const Result<void>& done) {
        return !done && done.error().code() == Errc::conflict && !done.error().hint().empty();
    };
    CHECK(refused(silent->hint(1, 2, 3)));
    CHECK(refused(silent->leave()));
    CHECK(refused(silent->join({other.address()})));
    CHECK(refused(silent->forget({})));
    CHECK(refused(silent->set_ring(Secret{ring_of({key_1, key_2})}, {})));
    CHECK(silent->members().has_value());        // looking needs no key
    CHECK_FALSE(silent->may_list().has_value()); // but it is what it knew then
    CHECK(speaking->may_list().has_value());
    CHECK(speaking->hint(1, 2, 3).has_value());
}

TEST_CASE("fleet: a ring is taken only if it is this fleet's and not behind, and is kept") {
    const Keys one, two;
    jackdaw::testing::StateFolder state;
    {
        Agent a{"a", one, {}, state.path()};
        Agent b{"b", two, {a.address()}}; // which never gets key 2
        wait_for_each_other(a, "a", b, "b");
        CHECK(ring(a) == R"({"versions":[1],"sealing":1})");
        CHECK_FALSE(a->set_ring(Secret{"fleet 00000000000000aa\n" + std::string{key_2}}, {}));
        const auto key = [](int version, int digit) {
            return fmt::format("{} {}\n", version, std::string(64, static_cast<char>('0' + digit)));
        };
        for (const auto& none :
             {std::string{}, std::string{"no ring"}, key(0, 2), key(2, 2) + key(2, 3),
              key(2, 2) + key(3, 2), key(2, 2) + key(3, 3) + key(4, 4) + key(5, 5) + key(6, 6),
              std::string(5000, '#'), "fleet 0000000000000000\n" + key(2, 2)}) {
            INFO(none);
            const auto taken = a->set_ring(Secret{std::string{none}}, {});
            REQUIRE_FALSE(taken);
            CHECK(taken.error().code() == Errc::invalid);
            CHECK_FALSE(taken.error().message().empty());
        }
        CHECK_FALSE(
            a->set_ring(Secret{ring_of({"1" + std::string{key_2}.substr(1)})}, {})); // another
        CHECK(ring(a) == R"({"versions":[1],"sealing":1})");
        REQUIRE(a->set_ring(Secret{ring_of({key_2, key_1})}, {}).has_value());
        CHECK(ring(a) == R"({"versions":[1,2],"sealing":1})");  // not before all have it
        CHECK_FALSE(a->set_ring(Secret{ring_of({key_1})}, {})); // behind
        REQUIRE(a->set_ring(Secret{ring_of({key_2, key_1})}, {.use_now = true}).has_value());
        CHECK(ring(a) == R"({"versions":[2,1],"sealing":2})"); // at once
        CHECK(a.last_text("key.changed") == "this agent holds keys 1, 2 and seals with 2");
        CHECK(a.member("a").sealing == 2);
    }
    Agent again{"a", one, {}, state.path()};
    CHECK(ring(again) == R"({"versions":[2,1],"sealing":2})");
}

TEST_CASE("fleet: of two keys of one version none is used, and a newer one heals it") {
    const Keys one, two, three;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    Agent c{"c", three, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    wait_for_each_other(b, "b", c, "c");
    wait_for_each_other(a, "a", c, "c");
    REQUIRE(a->set_ring(Secret{ring_of({key_1, key_2})}, {}).has_value());
    REQUIRE(b->set_ring(Secret{ring_of({key_1, key_2})}, {}).has_value());
    REQUIRE(c->set_ring(Secret{ring_of({key_1, other_2})}, {}).has_value());
    const auto ids = [](Agent& by) {
        std::vector<std::string> all;
        for (const auto* const name : {"a", "b", "c"}) {
            const auto member = by.member(name);
            all.push_back(member.ring == 2 ? member.key_id : std::string{});
        }
        return all;
    };
    wait_until("all see both keys", [&] {
        const auto seen = ids(a);
        return !seen[0].empty() && seen[1] == seen[0] && !seen[2].empty() && seen[2] != seen[0] &&
               ids(b) == seen && ids(c) == seen;
    });
    std::this_thread::sleep_for(3s); // some looks of each
    for (auto* const agent : {&a, &b, &c}) {
        CHECK(ring(*agent) == R"({"versions":[1,2],"sealing":1})");
        CHECK(agent->state() == "member");
    }
    const auto refused = c->set_ring(Secret{ring_of({key_1, key_2})}, {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Errc::conflict);
    CHECK(refused.error().hint().find("jackdaw key rotate") != std::string::npos);

    REQUIRE(a->set_ring(Secret{ring_of({key_1, key_3})}, {}).has_value());
    REQUIRE(b->set_ring(Secret{ring_of({key_1, key_3})}, {}).has_value());
    std::this_thread::sleep_for(2s);
    CHECK(ring(c) == R"({"versions":[1,2],"sealing":1})"); // whose 2 has no other member
    REQUIRE(c->set_ring(Secret{ring_of({key_1, key_3})}, {}).has_value());
    for (auto* const agent : {&a, &b, &c}) {
        wait_until("all seal with key 3",
                   [&] { return ring(*agent) == R"({"versions":[3,1],"sealing":3})"; });
    }
    for (auto* const agent : {&a, &b, &c}) {
        CHECK(agent->times_told("member.suspected") == 0);
        CHECK(agent->times_told("member.down") == 0);
    }
}

TEST_CASE("fleet: two that seal with different keys of one version come together by a newer one") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    // Cut off from each other both used theirs, and a day later had no other.
    REQUIRE(a->set_ring(Secret{ring_of({key_2})}, {.use_now = true}).has_value());
    REQUIRE(b->set_ring(Secret{ring_of({other_2})}, {.use_now = true}).has_value());
    wait_until("they are apart",
               [&] { return a.standing_of("b") == "down" && b.standing_of("a") == "down"; });
    REQUIRE(a->set_ring(Secret{ring_of({key_3})}, {.keep_own = true}).has_value());
    wait_until("a uses it, alone", [&] { return a.member("a").sealing == 3; });
    // What b says a cannot read yet, and so tells it no more than what it pings the dead with.
    REQUIRE(b->set_ring(Secret{ring_of({key_3})}, {.keep_own = true}).has_value());
    wait_for_each_other(a, "a", b, "b");
    CHECK(ring(a) == R"({"versions":[3,2],"sealing":3})");
    CHECK(ring(b) == R"({"versions":[3,2],"sealing":3})");
}

TEST_CASE("fleet: of its own keys an agent keeps the sealing one, and then the newest") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}}; // which has none of them: no step is taken meanwhile
    wait_for_each_other(a, "a", b, "b");
    const auto key = [](int version) {
        return fmt::format("{} {}\n", version, std::string(64, static_cast<char>('0' + version)));
    };
    const auto four = key(2) + key(3) + key(4) + std::string{key_1};
    REQUIRE(a->set_ring(Secret{std::string{fleet_line} + four}, {.use_now = true}).has_value());
    REQUIRE(a->set_ring(Secret{ring_of({key(5), key_1})}, {.keep_own = true}).has_value());
    CHECK(a->gossip()->at("ring").at("versions") == std::vector<int>{2, 5, 1, 4});
    const auto full = key(6) + key(7) + key(8) + key(9);
    REQUIRE(a->set_ring(Secret{std::string{fleet_line} + full}, {.keep_own = true}).has_value());
    CHECK(a->gossip()->at("ring").at("versions") == std::vector<int>{6, 7, 8, 9}); // no room
}

TEST_CASE("fleet: who holds no key that the others seal with says so, until it is given one") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent late{"late", two, {a.address()}};
    wait_for_each_other(a, "a", late, "late");
    CHECK(late->health()->shut_out_since.empty());
    REQUIRE(a->set_ring(Secret{ring_of({key_2})}, {.use_now = true}).has_value());
    wait_until("it misses keys", [&] { return late.told("gossip.keys_missed"); });
    CHECK(late.state() == "isolated");
    const auto health = late->health();
    REQUIRE(health.has_value());
    CHECK_FALSE(health->shut_out_since.empty());
    CHECK(health->shut_out_datagrams >= 2);
    REQUIRE(late->set_ring(Secret{ring_of({key_2})}, {.use_now = true}).has_value());
    wait_until("it is let in", [&] { return late.told("gossip.keys_given"); });
    CHECK(late->health()->shut_out_since.empty());
    CHECK(late.state() == "member");
}

TEST_CASE("fleet: whatever core, pass, seal and socket count has a figure") {
    const Keys one, two;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    const auto figures = a->gossip()->at("figures");
    for (const auto* const name : {"received",
                                   "received_bytes",
                                   "sent",
                                   "sent_bytes",
                                   "kernel_lost",
                                   "reads_failed",
                                   "input_without_end",
                                   "refused",
                                   "icmp_other",
                                   "records_not_kept",
                                   "news_dropped",
                                   "hints_forgotten",
                                   "events_lost",
                                   "digests_differ_long",
                                   "graves_dropped",
                                   "zones_refused",
                                   "probes_refused",
                                   "dropped.key",
                                   "dropped.seal",
                                   "dropped.too_long",
                                   "dropped.unanswerable",
                                   "dropped.outbox",
                                   "unsent.full",
                                   "unsent.too_big",
                                   "unsent.failed",
                                   "unsent.no_socket",
                                   "deaf_seconds",
                                   "probes_ok",
                                   "news_waiting.hints",
                                   "datagrams_in.ping"}) {
        CAPTURE(name);
        CHECK(figures.contains(name));
    }
    CHECK(figures.at("received").get<double>() > 0);
    CHECK(figures.at("sent").get<double>() > 0);
}

TEST_CASE("fleet: members of both address families reach each other") {
    const Keys one, two, three;
    Agent v4{"v4", one, {}, {}, "0.0.0.0"};
    Agent v6{"v6", two, {v4.address()}, {}, "[::]", "::1"};
    Agent one_family{"one-family", three, {v4.address()}};
    REQUIRE(v4.sockets() == 2);
    REQUIRE(v6.sockets() == 2);
    CHECK(one_family.sockets() == 1);
    const auto members = [](Agent& agent) { return agent->members()->size(); };
    wait_until("the two see each other, and who has one family both",
               [&] { return members(v4) == 3 && members(v6) == 3 && members(one_family) == 3; });
    for (auto* const agent : {&v4, &v6}) {
        const auto figure = [&](const char* name) {
            return (*agent)->gossip()->at("figures").at(name).get<double>();
        };
        wait_until("a probe is answered", [&] { return figure("probes_ok") > 0; });
        CHECK(figure("unsent.no_socket") == 0);
    }
    CHECK(v4->health()->other_family.empty());
    wait_until("who has one family says of whom it cannot reach", [&] {
        return one_family->health()->other_family == std::vector<std::string>{"v6"};
    });
    CHECK(v4.member("v6").address == v6.address());
    CHECK(v6.standing_of("v4") == "alive");
}

TEST_CASE("fleet: who is not reached at its address says so, and fills nobody's timeline") {
    const Keys one, two, three;
    Agent a{"a", one, {}};
    Agent b{"b", two, {a.address()}};
    wait_for_each_other(a, "a", b, "b");
    Agent lost{"lost", three, {a.address()}, {}, "127.0.0.1", "127.0.0.2"}; // where nobody listens
    // On a host that is busy enough nobody comes to suspect it so often in that time.
    std::vector<std::chrono::steady_clock::time_point> refuted;
    const auto is_often = [&] {
        const auto times = lost->gossip()->at("figures").at("refutations").get<std::size_t>();
        refuted.resize(std::max(refuted.size(), times), std::chrono::steady_clock::now());
        return times >= ReachWatch::times_min &&
               refuted.back() - refuted[times - ReachWatch::times_min] < ReachWatch::within - 10s;
    };
    for (int i = 0; i < 1500 && !is_often(); ++i) {
        std::this_thread::sleep_for(20ms);
    }
    if (!is_often()) {
        WARN("not checked: this host was too busy for so long");
        return;
    }
    wait_until("it says so",
               [&] { return lost->health()->refuted_times >= ReachWatch::times_min; });
    CHECK(lost->health()->address == lost.address());
    CHECK_FALSE(lost->health()->refuted_since.empty());
    CHECK(a->health()->refuted_times == 0);
    CHECK(lost.times_told("gossip.refuted") <= 4); // one a minute
    for (auto* const agent : {&a, &b}) {
        CHECK(agent->times_told("member.suspected") < 9); // each other, too, on a busy machine
    }
}

TEST_CASE("fleet: who cannot listen is told who may hold the port, or which addresses there are") {
    const auto udp = *listen_udp({"127.0.0.1", 0});
    const auto port = port_of(udp.front());
    const auto twice = listen_udp({"127.0.0.1", port});
    REQUIRE_FALSE(twice);
    CHECK(twice.error().code() == Errc::unavailable);
    CHECK(twice.error().hint().find(fmt::format("`ss -lunp 'sport = :{}'`", port)) == 0);
    CHECK(twice.error().hint().find("'listen' in the settings") != std::string::npos);
    const auto tcp = *listen_tcp({"127.0.0.1", 0});
    CHECK(listen_tcp({"127.0.0.1", port_of(tcp)}).error().hint().find("`ss -ltnp") == 0);
    CHECK(listen_udp({"192.0.2.1", 0}).error().hint().find("`ip address`") == 0); // nobody's
}

TEST_CASE("fleet: two of one name are told of each other, and stay members") {
    const Keys one, two, three;
    Agent a{"same", one, {}};
    Agent b{"same", two, {a.address()}};
    Agent c{"c", three, {a.address()}};
    wait_until("all see all", [&] {
        return a->members()->size() == 3 && b->members()->size() == 3 && c->members()->size() == 3;
    });
    const auto id_of = [](const Keys& keys) {
        return fmt::format("{:016x}", keys.identity.gossip_id());
    };
    CHECK(a->health()->namesakes == std::vector<std::string>{id_of(two)});
    CHECK(b->health()->namesakes == std::vector<std::string>{id_of(one)});
    CHECK(c->health()->namesakes.empty());
    CHECK(a->health()->detours.empty());
    wait_until("c's timeline tells of it", [&] { return c.told("gossip.name_conflict"); });
}

TEST_CASE("fleet: before the hand-over there is nobody, and changes say so") {
    const Keys one;
    jackdaw::testing::StateFolder folder;
    StateOptions options;
    options.folder = folder.path();
    options.map_bytes = jackdaw::testing::small_map;
    const auto store = *StateStore::open(std::move(options));
    const runtime::Clock clock;
    asio::thread_pool pool{1};
    asio::io_context io{1};
    Fleet fleet{Fleet::Parts{one.identity,
                             *store,
                             clock,
                             "1.2.3",
                             [] { return std::nullopt; },
                             [] { return false; },
                             1,
                             {},
                             {},
                             io.get_executor(),
                             pool},
                Fleet::Label{"a", "127.0.0.1", 7412, "lan", swim::Config::lan()}};
    auto work = asio::make_work_guard(io);
    std::thread loop{[&] { io.run(); }};
    CHECK(fleet.members()->empty());
    CHECK(fleet.instances()->empty());
    CHECK(fleet.figures()->empty());
    CHECK(fleet.health()->state.empty());
    CHECK(fleet.gossip().error().code() == Errc::unavailable);
    CHECK(fleet.hint(1, 2, 3).error().code() == Errc::unavailable);
    CHECK(fleet.set_ring(Secret{ring_of({key_1})}, {}).error().code() == Errc::unavailable);
    CHECK(fleet.may_list().has_value());
    asio::post(io, [&] { fleet.is_kept_out("no ring there"); });
    CHECK(fleet.health()->kept_out == "no ring there");
    CHECK(fleet.may_list().error().message().find("no ring there") != std::string::npos);
    work.reset();
    loop.join();
    pool.join();
}
