// The membership core in its shell: members of one process over real sockets on the loopback.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <sodium.h>

#include "gossip/net/swim_pass.h"
#include "proto/runtime/clock.h"
#include "tests/unit/gossip_sockets.h"

using namespace jackdaw;
using namespace jackdaw::gossip_test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Kind = swim::Event::Kind;

namespace {

constexpr proto::FleetId fleet{0x1122334455667788};

std::vector<DatagramSocket> only(DatagramSocket socket) {
    std::vector<DatagramSocket> one;
    one.push_back(std::move(socket));
    return one;
}

struct Member {
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret{};
    swim::Commons commons{fleet};
    std::vector<Kind> events;
    std::vector<swim::Persist::Kind> kept;
    bool disk_is_full = false;
    std::optional<swim::Swim> core;
    std::optional<gossip::SwimPass> pass;
    std::optional<gossip::SwimLoop> loop;
    asio::cancellation_signal stop;

    Member(asio::io_context& io, const std::string& name) {
        auto socket = open_loopback();
        swim::Identity identity;
        REQUIRE(crypto_sign_keypair(identity.key.data(), secret.data()) == 0);
        identity.name = name;
        identity.address = socket.address();
        identity.fleet = fleet;
        identity.unix_s = 1'700'000'000;
        core.emplace(swim::Config::local(), swim::Limits{}, identity, swim::Snapshot{}, crypto(), 7,
                     runtime::Clock::instant(), commons);
        pass.emplace(
            *core, only(std::move(socket)), gossip::SealedLink{ring_of(1)},
            [] { return runtime::Clock::instant(); },
            [this](const swim::Event& event) { events.push_back(event.kind); });
        loop.emplace(io.get_executor(), *pass,
                     [this](swim::Persist record) { return keep(std::move(record)); });
        asio::co_spawn(io, loop->run(),
                       asio::bind_cancellation_slot(
                           stop.slot(), [](const std::exception_ptr& thrown, Result<void> end) {
                               CHECK_FALSE(thrown);
                               CHECK(end.has_value());
                           }));
    }
    [[nodiscard]] NetAddress address() const { return pass->sockets().front().address(); }
    [[nodiscard]] bool has(Kind kind) const { return std::ranges::count(events, kind) != 0; }
    void join(const NetAddress& seed) {
        core->join(runtime::Clock::instant(), std::array{seed});
        loop->changed();
    }

private:
    asio::awaitable<Result<void>> keep(swim::Persist record) {
        if (disk_is_full) {
            co_return Error{Errc::exhausted, "no room"};
        }
        kept.push_back(record.kind);
        co_return ok();
    }
    swim::Crypto crypto() {
        swim::Crypto made;
        made.sign = [this](std::string_view text) {
            proto::Signature signature{};
            crypto_sign_detached(signature.data(), nullptr,
                                 reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                 secret.data());
            return signature;
        };
        made.verify = [](std::string_view key, std::string_view text, std::string_view signature) {
            return crypto_sign_verify_detached(
                       reinterpret_cast<const unsigned char*>(signature.data()),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       reinterpret_cast<const unsigned char*>(key.data())) == 0;
        };
        return made;
    }
};

} // namespace

TEST_CASE(
    "gossip swim: members find each other, one that ends is down for the rest, and nothing is "
    "sent before incarnation and boot are kept") {
    asio::io_context io{1};
    const auto until = [&](const std::function<bool()>& holds) {
        const auto limit = std::chrono::steady_clock::now() + 60s;
        while (!holds()) {
            io.restart();
            REQUIRE(io.run_one_until(limit) == 1);
        }
    };
    Member one{io, "one"};
    auto two = std::make_unique<Member>(io, "two");
    Member three{io, "three"};
    three.disk_is_full = true;
    two->join(one.address());
    three.join(one.address());
    until([&] { return one.has(Kind::joined) && two->has(Kind::joined); });
    until([&] { return three.pass->counters().keeps_failed != 0; });
    CHECK(three.pass->sockets().front().counters().sent == 0);
    CHECK(std::ranges::count(two->kept, swim::Persist::Kind::reserve) >= 1);
    CHECK(std::ranges::count(two->kept, swim::Persist::Kind::boot) >= 1);

    three.disk_is_full = false;
    until([&] {
        return one.core->view().live() == 3 && two->core->view().live() == 3 &&
               three.core->view().live() == 3;
    });
    two->stop.emit(asio::cancellation_type::terminal);
    io.restart();
    io.poll();
    two.reset(); // its port refuses from now on
    until([&] { return one.has(Kind::down) && three.has(Kind::down); });
    CHECK(one.pass->sockets().front().counters().refused +
              three.pass->sockets().front().counters().refused >
          0);
    for (auto* const member : {&one, &three}) {
        member->stop.emit(asio::cancellation_type::terminal);
    }
    io.restart();
    io.run();
}
