// Gossip's shell around a core that does as the test says: input before timers, records before
// datagrams before events, bounds on input, and no allocation per datagram.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <deque>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "gossip/net/gossip_loop.h"
#include "gossip/net/gossip_pass.h"
#include "proto/runtime/clock.h"
#include "tests/unit/counting_new.h"
#include "tests/unit/gossip_sockets.h"

using namespace jackdaw;
using namespace jackdaw::gossip_test;
using namespace std::chrono_literals;
using gossip::Durability;
namespace asio = boost::asio;

namespace {

struct Kept {
    Durability waits = Durability::awaited;
    int number = 0;
};
Durability durability(const Kept& record) {
    return record.waits;
}
struct Outgoing {
    NetAddress to;
    std::string_view bytes;
};

/// Writes down what it is told, and answers as the test's hooks say.
struct ScriptedCore {
    std::vector<std::string> log; ///< runs of "receive" are one entry, "receive xN"
    std::size_t received = 0;
    std::uint64_t lost = 0;
    std::vector<NetAddress> refused;
    std::vector<Instant> ticks;
    Instant wakeup = never;
    std::deque<Kept> records{};
    std::deque<std::pair<NetAddress, std::string>> sends{};
    std::deque<std::string> events{};
    std::string sending{};
    std::function<void(Instant, const NetAddress&, std::string_view)> on_receive;
    std::function<void(Instant)> on_tick;

    void note(std::string what) { log.push_back(std::move(what)); }
    void receive(Instant now, const NetAddress& from, std::string_view plain) {
        ++received;
        if (log.empty() || log.back() != "receive") {
            note("receive");
        }
        if (on_receive) {
            on_receive(now, from, plain);
        }
    }
    void unreachable(Instant, const NetAddress& address) { refused.push_back(address); }
    void lost_input(Instant, std::uint64_t count) {
        lost += count;
        note("lost");
    }
    void persisted(Instant, const Kept& record) { note("kept " + std::to_string(record.number)); }
    void tick(Instant now) {
        ticks.push_back(now);
        note("tick");
        if (wakeup <= now) {
            wakeup = never;
        }
        if (on_tick) {
            on_tick(now);
        }
    }
    [[nodiscard]] Instant next_wakeup() const { return wakeup; }
    template <class Item>
    static std::optional<Item> pop(std::deque<Item>& from) {
        if (from.empty()) {
            return std::nullopt;
        }
        auto item = std::move(from.front());
        from.pop_front();
        return item;
    }
    std::optional<Kept> poll_persist() { return pop(records); }
    std::optional<Outgoing> poll_send() {
        if (sends.empty()) {
            return std::nullopt;
        }
        const auto to = sends.front().first;
        sending = std::move(sends.front().second);
        sends.pop_front();
        return Outgoing{to, sending};
    }
    std::optional<std::string> poll_event() { return pop(events); }
};

using Pass = gossip::GossipPass<ScriptedCore>;

/// A pass over sockets on the loopback, with a clock of the test's, and a peer beside it.
struct Scene {
    ScriptedCore core;
    Instant now{1h};
    Duration step{}; ///< the clock goes on by so much at each look
    std::vector<std::string> events;
    DatagramSocket peer = open_loopback();
    gossip::SealedLink peer_link{ring_of(1)};
    Pass pass;

    explicit Scene(std::uint8_t family = 4)
        : peer{open_loopback(family)},
          pass{core, sockets(), gossip::SealedLink{ring_of(1)}, [this] { return now += step; },
               [this](const std::string& event) {
                   core.note("event " + event);
                   if (on_event) {
                       on_event(event);
                   }
               }} {}

    std::function<void(const std::string&)> on_event;

    static std::vector<DatagramSocket> sockets() {
        std::vector<DatagramSocket> both;
        both.push_back(open_loopback(4));
        both.push_back(open_loopback(16));
        return both;
    }
    [[nodiscard]] NetAddress here() const {
        for (const auto& socket : pass.sockets()) {
            if (socket.address().ip_bytes == peer.address().ip_bytes) {
                return socket.address();
            }
        }
        return {};
    }
    void from_peer(std::string_view plain, int times = 1) {
        for (int i = 0; i < times; ++i) {
            const auto size = peer_link.seal(plain, peer.slot());
            peer.queue(here(), size);
        }
        peer.flush();
        peer_link.end_burst();
    }
    std::vector<std::string> at_peer() {
        std::vector<std::string> opened;
        for (const auto& bytes : read_all(peer)) {
            std::string_view plain;
            REQUIRE(peer_link.open(bytes, plain));
            opened.emplace_back(plain);
        }
        return opened;
    }
    void want_sent(std::string text) { core.sends.emplace_back(peer.address(), std::move(text)); }
};

using Log = std::vector<std::string>;

} // namespace

TEST_CASE("gossip pass: an answer that came in time is heard before the timer that is due") {
    Scene scene;
    scene.step = 1ms;
    scene.core.wakeup = scene.now; // due for long when the pass begins
    scene.from_peer("ack", 200);
    Instant last_read{};
    scene.core.on_receive = [&](Instant now, const NetAddress& from, std::string_view plain) {
        CHECK(from == scene.peer.address());
        CHECK(plain == "ack");
        last_read = now;
    };
    const auto ran = scene.pass.run();
    CHECK_FALSE(ran.more);
    CHECK(scene.core.received == 200);
    CHECK(scene.core.log == Log{"receive", "tick"});
    // tick is given the clock before the read that found nothing, not a later one.
    REQUIRE(scene.core.ticks.size() == 1);
    CHECK(scene.core.ticks[0] == last_read + 1ms);
    CHECK(scene.core.ticks[0] == scene.now);
    CHECK(scene.pass.counters().input_without_end == 0);
}

TEST_CASE("gossip pass: what arrives while a datagram is dealt with is heard before time passes") {
    Scene scene;
    scene.core.wakeup = scene.now;
    int more = 100;
    scene.core.on_receive = [&](Instant, const NetAddress&, std::string_view) {
        if (more-- > 0) {
            scene.from_peer("next");
        }
    };
    scene.from_peer("first");
    (void)scene.pass.run();
    CHECK(scene.core.received == 101);
    CHECK(scene.core.log == Log{"receive", "tick"});
}

TEST_CASE("gossip pass: a burst of 5,000 is read to its end, and time passes in it only after the "
          "core was told that its input is incomplete") {
    Scene scene;
    scene.core.wakeup = scene.now;
    scene.core.on_tick = [&](Instant now) { scene.core.wakeup = now; }; // always due
    int more = 5000 - 100; // so that any kernel buffer holds what waits
    scene.core.on_receive = [&](Instant, const NetAddress&, std::string_view) {
        if (more-- > 0) {
            scene.from_peer("next");
        }
    };
    scene.from_peer("first", 100);
    auto ran = scene.pass.run();
    int passes = 1;
    for (; ran.more && passes < 10; ++passes) {
        ran = scene.pass.run();
    }
    CHECK(scene.core.received == 5000);
    CHECK(passes == 3);
    CHECK(scene.core.log ==
          Log{"receive", "lost", "tick", "receive", "lost", "tick", "receive", "tick"});
    CHECK(scene.core.lost == 2); // nothing was lost: one for each time
    CHECK(scene.pass.counters().input_without_end == 2);
}

TEST_CASE("gossip pass: answers leave while input is still coming in") {
    Scene scene;
    std::size_t waiting_at_most = 0;
    scene.core.on_receive = [&](Instant, const NetAddress&, std::string_view) {
        scene.want_sent("ack");
        waiting_at_most = std::max(waiting_at_most, scene.core.sends.size());
    };
    scene.from_peer("ping", 200);
    (void)scene.pass.run();
    CHECK(scene.at_peer().size() == 200);
    CHECK(waiting_at_most <= DatagramSocket::batch_max);
}

TEST_CASE("gossip pass: a socket that cannot be read is told, and time goes on") {
    Scene scene;
    const UniqueFd other{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    REQUIRE(::dup2(other.get(), scene.pass.sockets()[0].descriptor()) >= 0);
    scene.core.wakeup = scene.now;
    const auto ran = scene.pass.run();
    CHECK(ran.failed);
    CHECK_FALSE(ran.more);
    CHECK(scene.core.log == Log{"tick"});
    CHECK(scene.pass.sockets()[0].counters().reads_failed == 1);
}

TEST_CASE("gossip pass: a quarter of a second without an empty socket is broken off, too") {
    Scene scene;
    scene.step = 10ms;
    scene.core.wakeup = never;
    scene.core.on_receive = [&](Instant, const NetAddress&, std::string_view) {
        scene.from_peer("next"); // for ever
    };
    scene.from_peer("first");
    const auto began = scene.now;
    const auto ran = scene.pass.run();
    CHECK(ran.more);
    CHECK(scene.core.log == Log{"receive", "lost", "tick"});
    CHECK(scene.now - began <= 300ms);
    CHECK(scene.core.received <= 30);
}

TEST_CASE("gossip pass: what the kernel dropped is told before time passes") {
    Scene scene;
    scene.core.wakeup = scene.now;
    const int small = 64 * 1024;
    for (const auto& socket : scene.pass.sockets()) {
        REQUIRE(::setsockopt(socket.descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) ==
                0);
    }
    scene.from_peer("flood", 1500);
    (void)scene.pass.run();
    CHECK(scene.core.received < 1500);
    CHECK(scene.core.lost == 1500 - scene.core.received);
    CHECK(scene.core.log == Log{"receive", "lost", "tick"});
}

TEST_CASE("gossip pass: a stranger's flood does not reach the core") {
    Scene scene;
    gossip::SealedLink stranger{ring_of(9)};
    for (int round = 0; round < 130; ++round) {
        for (int i = 0; i < 200; ++i) {
            const auto size = stranger.seal("noise", scene.peer.slot());
            scene.peer.queue(scene.here(), size);
        }
        scene.peer.flush();
        (void)scene.pass.run();
    }
    scene.from_peer("word");
    (void)scene.pass.run();
    CHECK(scene.core.received == 1);
    CHECK(scene.core.lost == 0);
    CHECK(scene.pass.link().counters().unknown_key == 26'000);
}

TEST_CASE("gossip pass: records, then datagrams, then events; nothing leaves before an awaited "
          "record is kept") {
    Scene scene;
    scene.core.records = {{Durability::awaited, 1}};
    scene.want_sent("after 1");
    scene.core.events = {"joined"};
    scene.pass.drain();
    CHECK(scene.at_peer().empty());
    CHECK(scene.core.log == Log{"event joined"});
    CHECK(scene.pass.is_silent());

    // Reading and time go on meanwhile.
    scene.core.wakeup = scene.now;
    scene.from_peer("ping");
    (void)scene.pass.run();
    CHECK(scene.core.received == 1);
    CHECK(scene.core.ticks.size() == 1);
    CHECK(scene.at_peer().empty());

    REQUIRE(scene.pass.has_record());
    CHECK(scene.pass.begin_keep().number == 1);
    CHECK(scene.at_peer().empty());
    scene.pass.kept();
    CHECK(scene.at_peer() == Log{"after 1"});
    CHECK_FALSE(scene.pass.is_silent());
    CHECK(scene.core.log.back() == "kept 1");
}

TEST_CASE("gossip pass: a record that comes up between two datagrams holds back the second") {
    Scene scene;
    scene.want_sent("before");
    // The event's handler commands: a record, and a datagram behind it.
    scene.core.events = {"twin"};
    scene.on_event = [&](const std::string&) {
        scene.core.records.push_back({Durability::awaited, 7});
        scene.want_sent("behind");
        scene.pass.drain();
    };
    scene.pass.drain();
    CHECK(scene.at_peer() == Log{"before"});
    (void)scene.pass.begin_keep();
    scene.pass.kept();
    CHECK(scene.at_peer() == Log{"behind"});
}

TEST_CASE("gossip pass: while keeping fails everything is silent, and it is due again") {
    Scene scene;
    scene.core.records = {{Durability::awaited, 1}};
    scene.want_sent("hello");
    for (int attempt = 0; attempt < 3; ++attempt) {
        scene.pass.drain();
        REQUIRE(scene.pass.has_record());
        CHECK(scene.pass.begin_keep().number == 1);
        CHECK_FALSE(scene.pass.has_record()); // one at a time
        scene.pass.keep_failed();
        CHECK(scene.at_peer().empty());
    }
    CHECK(scene.pass.counters().keeps_failed == 3);
    CHECK(scene.core.log.empty());
    (void)scene.pass.begin_keep();
    scene.pass.kept();
    CHECK(scene.at_peer() == Log{"hello"});
}

TEST_CASE("gossip pass: what is kept ahead or as a cache holds up nothing; the newest cache wins "
          "and a failed one is given up") {
    Scene scene;
    scene.core.records = {{Durability::ahead, 1}, {Durability::cache, 2}, {Durability::cache, 3}};
    scene.want_sent("at once");
    scene.pass.drain();
    CHECK(scene.at_peer() == Log{"at once"});
    CHECK(scene.pass.begin_keep().number == 1);
    scene.pass.keep_failed();
    CHECK(scene.pass.begin_keep().number == 1);
    scene.pass.kept();
    CHECK(scene.pass.begin_keep().number == 3);
    scene.core.records = {{Durability::cache, 4}, {Durability::cache, 5}};
    scene.pass.drain(); // the one being kept is left alone
    scene.pass.keep_failed();
    CHECK(scene.pass.begin_keep().number == 5);
    scene.pass.kept();
    CHECK_FALSE(scene.pass.has_record());
    CHECK(scene.core.log == Log{"kept 1", "kept 5"});
}

TEST_CASE("gossip pass: with too many records to be kept, the core keeps the rest and is silent") {
    Scene scene;
    for (int i = 0; i < 100; ++i) {
        scene.core.records.push_back({Durability::ahead, i});
    }
    scene.want_sent("late");
    scene.pass.drain();
    CHECK(scene.core.records.size() == 100 - Pass::records_max);
    CHECK(scene.at_peer().empty());
    for (int i = 0; scene.pass.has_record(); ++i) {
        CHECK(scene.pass.begin_keep().number == i);
        scene.pass.kept();
    }
    CHECK(scene.at_peer() == Log{"late"});
}

TEST_CASE("gossip pass: a refusal is told to the core, and wakes it when it came by sending") {
    Scene scene;
    const auto nobody = vacant();
    scene.core.sends.emplace_back(nobody, "ping");
    scene.pass.drain();
    scene.want_sent("ping"); // meets the refusal that waits in the socket, and takes it out
    scene.pass.drain();
    CHECK((scene.pass.wakeup() < scene.now));
    (void)scene.pass.run();
    CHECK(scene.core.refused == std::vector{nobody});
    CHECK(scene.pass.wakeup() == never);
    CHECK(scene.at_peer() == Log{"ping"});
}

TEST_CASE("gossip pass: both families at once; an address without a socket is counted") {
    Scene scene{16};
    scene.want_sent("over IPv6");
    scene.core.sends.emplace_back(NetAddress{}, "nowhere");
    scene.pass.drain();
    CHECK(scene.at_peer() == Log{"over IPv6"});
    CHECK(scene.pass.counters().no_socket == 1);
    scene.from_peer("answer");
    auto v4 = open_loopback(4);
    const auto size = scene.peer_link.seal("other", v4.slot());
    v4.queue(scene.pass.sockets()[0].address(), size);
    v4.flush();
    (void)scene.pass.run();
    CHECK(scene.core.received == 2);
}

TEST_CASE("gossip pass: the ring is exchanged between two datagrams") {
    Scene scene;
    scene.pass.set_ring(ring_of(2, 2));
    scene.from_peer("old key");
    (void)scene.pass.run();
    CHECK(scene.core.received == 0);
    CHECK(scene.pass.link().counters().unknown_key == 1);
    scene.peer_link.set_ring(ring_of(2, 2));
    scene.from_peer("new key");
    (void)scene.pass.run();
    CHECK(scene.core.received == 1);
}

namespace {

/// Answers each datagram with one; allocates nothing itself.
struct EchoCore {
    NetAddress whom{};
    std::size_t received = 0;
    std::size_t owed = 0;
    std::array<char, 300> word{};

    void receive(Instant, const NetAddress& from, std::string_view) {
        whom = from;
        ++received;
        ++owed;
    }
    void unreachable(Instant, const NetAddress&) {}
    void lost_input(Instant, std::uint64_t) {}
    void persisted(Instant, const Kept&) {}
    void tick(Instant) {}
    [[nodiscard]] Instant next_wakeup() const { return Instant{}; }
    std::optional<Kept> poll_persist() { return std::nullopt; }
    std::optional<Outgoing> poll_send() {
        if (owed == 0) {
            return std::nullopt;
        }
        --owed;
        return Outgoing{whom, {word.data(), word.size()}};
    }
    std::optional<int> poll_event() { return std::nullopt; }
};

} // namespace

TEST_CASE("gossip pass: a datagram heard, answered and sent allocates nothing") {
    EchoCore core;
    std::vector<DatagramSocket> sockets;
    sockets.push_back(open_loopback());
    const auto here = sockets.front().address();
    gossip::GossipPass<EchoCore> pass{core, std::move(sockets), gossip::SealedLink{ring_of(1)},
                                      [] { return runtime::Clock::instant(); }, [](int) {}};
    auto peer = open_loopback();
    gossip::SealedLink link{ring_of(1)};
    std::size_t answers = 0;
    const auto round = [&] {
        for (int i = 0; i < 40; ++i) {
            const auto size = link.seal(std::string_view{core.word.data(), 200}, peer.slot());
            peer.queue(here, size);
        }
        peer.flush();
        (void)pass.run();
        for (auto batch = peer.read(); batch.taken != 0; batch = peer.read()) {
            answers += batch.datagrams.size();
        }
    };
    round();
    const auto before = test::allocations();
    for (int i = 0; i < 25; ++i) {
        round();
    }
    CHECK(test::allocations() - before == 0);
    CHECK(before > 0); // it does count
    CHECK(core.received == 1040);
    CHECK(answers == 1040);
}

namespace {

/// A loop in an io_context, run step by step; its records are kept when the test says so.
struct LoopScene {
    asio::io_context io{1};
    Scene scene;
    std::vector<int> keeping;
    Result<void> answer = ok();
    asio::cancellation_signal stop;
    std::optional<Result<void>> ended;
    gossip::GossipLoop<ScriptedCore> loop;

    LoopScene()
        : loop{io.get_executor(), scene.pass,
               [this](Kept record) -> asio::awaitable<Result<void>> { return keep(record); }} {}

    asio::awaitable<Result<void>> keep(Kept record) {
        keeping.push_back(record.number);
        co_await asio::post(io, asio::use_awaitable);
        if (!answer) {
            co_return answer.error().clone();
        }
        co_return ok();
    }
    [[nodiscard]] bool has_ended_well() const { return ended && ended->has_value(); }
    [[nodiscard]] std::optional<Errc> ended_with() const {
        return ended && !*ended ? std::optional{ended->error().code()} : std::nullopt;
    }
    void start() {
        asio::co_spawn(io, loop.run(),
                       asio::bind_cancellation_slot(
                           stop.slot(), [this](const std::exception_ptr& thrown, Result<void> end) {
                               REQUIRE_FALSE(thrown);
                               ended = std::move(end);
                           }));
    }
    /// Runs the loop until it holds; fails the test after 30 s.
    void until(const std::function<bool()>& holds) {
        const auto limit = std::chrono::steady_clock::now() + 30s;
        while (!holds()) {
            io.restart();
            REQUIRE(io.run_one_until(limit) == 1);
        }
    }
    ~LoopScene() { // NOLINT(bugprone-exception-escape): then the test is over anyway
        stop.emit(asio::cancellation_type::terminal);
        io.restart();
        io.run();
    }
};

} // namespace

TEST_CASE("gossip loop: datagrams and timers wake it, and it ends when it is cancelled") {
    LoopScene all;
    all.scene.now = runtime::Clock::instant();
    all.start();
    all.scene.core.on_receive = [&](Instant, const NetAddress&, std::string_view) {
        all.scene.want_sent("ack");
    };
    all.scene.from_peer("ping");
    all.until([&] { return all.scene.core.received == 1; });
    CHECK(all.scene.at_peer() == Log{"ack"});

    // A command moves the wakeup; the timer is set anew.
    CHECK(all.scene.core.ticks.empty());
    all.scene.now = runtime::Clock::instant() + 5ms;
    all.scene.core.wakeup = all.scene.now;
    all.loop.changed();
    all.until([&] { return all.scene.core.ticks.size() == 1; });

    all.stop.emit(asio::cancellation_type::terminal);
    all.until([&] { return all.ended.has_value(); });
    CHECK(all.has_ended_well());
}

TEST_CASE("gossip loop: input without end lets others run, and all of it is read") {
    LoopScene all;
    int more = 5000 - 100;
    all.scene.core.on_receive = [&](Instant, const NetAddress&, std::string_view) {
        if (more-- > 0) {
            all.scene.from_peer("next");
        }
    };
    all.scene.from_peer("first", 100);
    all.start();
    std::size_t seen_by_another = 0;
    std::function<void()> another = [&] {
        if (seen_by_another == 0 && all.scene.core.received > 0) {
            seen_by_another = all.scene.core.received;
        }
        if (seen_by_another == 0) {
            asio::post(all.io, another);
        }
    };
    asio::post(all.io, another);
    all.until([&] { return all.scene.core.received == 5000; });
    CHECK(seen_by_another < 5000);
    CHECK(seen_by_another > 0);
}

TEST_CASE("gossip loop: a record is kept before what waits for it is sent, and tried again") {
    LoopScene all;
    all.answer = Error{Errc::exhausted, "no room"};
    all.scene.core.records = {{Durability::awaited, 3}};
    all.scene.want_sent("hello");
    all.start();
    all.until([&] { return all.scene.pass.counters().keeps_failed == 1; });
    CHECK(all.scene.at_peer().empty());
    all.answer = ok();
    all.until([&] { return all.keeping.size() == 2 && !all.scene.pass.is_silent(); });
    CHECK(all.scene.at_peer() == Log{"hello"});
    CHECK(all.keeping == std::vector{3, 3});
}

TEST_CASE("gossip loop: a record that comes up while all is quiet is kept at once") {
    LoopScene all;
    all.start();
    all.scene.from_peer("ping");
    all.until([&] { return all.scene.core.received == 1; });
    all.scene.core.records = {{Durability::ahead, 8}};
    all.loop.changed();
    all.until([&] { return !all.scene.core.log.empty() && all.scene.core.log.back() == "kept 8"; });
    CHECK(all.keeping == std::vector{8});
}

TEST_CASE(
    "gossip loop: with a socket that cannot be read, timers go on; one that cannot be watched "
    "ends it") {
    {
        LoopScene all;
        const UniqueFd other{::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)}; // always to be read
        REQUIRE(::dup2(other.get(), all.scene.pass.sockets()[0].descriptor()) >= 0);
        all.start();
        all.until([&] { return all.scene.pass.sockets()[0].counters().reads_failed >= 2; });
        all.scene.now = runtime::Clock::instant() + 5ms;
        all.scene.core.wakeup = all.scene.now;
        all.loop.changed();
        all.until([&] { return all.scene.core.ticks.size() == 1; });
        CHECK_FALSE(all.ended);
    }
    LoopScene all;
    const UniqueFd other{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    REQUIRE(::dup2(other.get(), all.scene.pass.sockets()[0].descriptor()) >= 0);
    all.start();
    all.until([&] { return all.ended.has_value(); });
    CHECK(all.ended_with() == Errc::unavailable);
}

TEST_CASE("gossip loop: a refusal that a send brought wakes the core without further input") {
    LoopScene all;
    all.start();
    const auto nobody = vacant();
    all.scene.core.sends.emplace_back(nobody, "ping");
    all.loop.changed();
    all.until([&] { return !all.scene.core.refused.empty(); });
    CHECK(all.scene.core.refused == std::vector{nobody});
}
