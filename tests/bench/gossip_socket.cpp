// What a datagram of gossip costs its agent in CPU: socket, seal, nonce, and the whole pass around
// a core that only answers. Prints; asserts nothing. On the loopback the sender also pays for the
// kernel's delivery.

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include <sodium.h>

#include "gossip/net/gossip_pass.h"
#include "proto/runtime/clock.h"

using namespace jackdaw;
using gossip::DatagramSocket;
using gossip::NetAddress;
using gossip::SealedLink;

namespace {

constexpr int rounds = 300;
constexpr int in_round = 160; // any kernel buffer holds so many

template <class T>
T need(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().to_string().c_str());
        std::exit(1);
    }
    return std::move(*result);
}

NetAddress loopback() {
    NetAddress address;
    address.ip_bytes = 4;
    address.ip = {127, 0, 0, 1};
    return address;
}

SealedLink link() {
    proto::SealKey key;
    key.fill(1);
    const std::array keys{std::pair{std::uint32_t{1}, key}};
    return SealedLink{need(proto::SealRing::make(proto::FleetId{1}, keys))};
}

double cpu_ns() {
    timespec at{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) * 1e9 + static_cast<double>(at.tv_nsec);
}

double median(std::vector<double> values) {
    std::ranges::nth_element(values,
                             values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
    return values[values.size() / 2];
}

struct Cost {
    double send = 0;
    double receive = 0;
};

/// `flush_each`: a system call per datagram, instead of one per batch.
Cost measure(std::size_t plain_bytes, bool sealed, bool flush_each) {
    auto here = need(DatagramSocket::open(loopback()));
    auto there = need(DatagramSocket::open(loopback()));
    auto sealing = link();
    auto opening = link();
    const std::vector<char> word(plain_bytes, 'x');
    const std::string_view plain{word.data(), word.size()};
    std::vector<double> sends;
    std::vector<double> reads;
    for (int round = 0; round < rounds; ++round) {
        const auto began = cpu_ns();
        for (int i = 0; i < in_round; ++i) {
            const auto slot = here.slot();
            auto size = plain.size();
            if (sealed) {
                size = sealing.seal(plain, slot);
            } else {
                std::ranges::copy(plain, slot.begin());
            }
            here.queue(there.address(), size);
            if (flush_each) {
                here.flush();
                sealing.end_burst();
            }
        }
        here.flush();
        sealing.end_burst();
        const auto sent = cpu_ns();
        std::size_t got = 0;
        for (auto batch = there.read(); batch.taken != 0; batch = there.read()) {
            for (const auto& datagram : batch.datagrams) {
                std::string_view opened;
                got += !sealed || opening.open(datagram.bytes, opened) ? 1U : 0U;
            }
        }
        const auto read = cpu_ns();
        if (got != in_round) {
            std::fprintf(stderr, "%zu of %d arrived\n", got, in_round);
            std::exit(1);
        }
        sends.push_back((sent - began) / in_round);
        reads.push_back((read - sent) / in_round);
    }
    return {median(sends), median(reads)};
}

struct NoRecord {};
[[maybe_unused]] gossip::Durability durability(const NoRecord&) {
    return gossip::Durability::cache;
}

struct Outgoing {
    NetAddress to;
    std::string_view bytes;
};

/// Answers each datagram with one.
struct EchoCore {
    NetAddress whom{};
    std::size_t owed = 0;
    std::array<char, 200> word{};

    void receive(Instant, const NetAddress& from, std::string_view) {
        whom = from;
        ++owed;
    }
    void unreachable(Instant, const NetAddress&) {}
    void lost_input(Instant, std::uint64_t) {}
    void persisted(Instant, const NoRecord&) {}
    void tick(Instant) {}
    [[nodiscard]] Instant next_wakeup() const { return never; }
    std::optional<NoRecord> poll_persist() { return std::nullopt; }
    std::optional<Outgoing> poll_send() {
        if (owed == 0) {
            return std::nullopt;
        }
        --owed;
        return Outgoing{whom, {word.data(), word.size()}};
    }
    std::optional<int> poll_event() { return std::nullopt; }
};

/// `at_once` datagrams come together; 1 is how an idle fleet looks.
double measure_pass(int at_once) {
    EchoCore core;
    std::vector<DatagramSocket> sockets;
    sockets.push_back(need(DatagramSocket::open(loopback())));
    const auto here = sockets.front().address();
    gossip::GossipPass<EchoCore> pass{core, std::move(sockets), link(),
                                      [] { return runtime::Clock::instant(); }, [](int) {}};
    auto peer = need(DatagramSocket::open(loopback()));
    auto sealing = link();
    std::vector<double> costs;
    for (int round = 0; round < rounds * 4; ++round) {
        for (int i = 0; i < at_once; ++i) {
            peer.queue(here, sealing.seal({core.word.data(), core.word.size()}, peer.slot()));
        }
        peer.flush();
        sealing.end_burst();
        const auto began = cpu_ns();
        (void)pass.run();
        costs.push_back((cpu_ns() - began) / at_once);
        while (peer.read().taken != 0) {
        }
    }
    return median(costs);
}

double measure_nonces(int in_burst) {
    gossip::Nonces nonces;
    std::vector<double> costs;
    for (int round = 0; round < rounds; ++round) {
        const auto began = cpu_ns();
        for (int i = 0; i < in_burst; ++i) {
            (void)nonces.next();
        }
        nonces.end_burst();
        costs.push_back((cpu_ns() - began) / in_burst);
    }
    return median(costs);
}

} // namespace

int main() {
    if (sodium_init() < 0) {
        return 1;
    }
    std::printf("CPU ns per datagram (medians)       plain B     send  receive\n");
    for (const std::size_t bytes : {std::size_t{80}, std::size_t{300}, std::size_t{1154}}) {
        const auto single = measure(bytes, false, true);
        const auto batched = measure(bytes, false, false);
        const auto sealed = measure(bytes, true, false);
        std::printf("one sendmmsg per datagram           %7zu  %7.0f  %7.0f\n", bytes, single.send,
                    single.receive);
        std::printf("batches of %zu                       %7zu  %7.0f  %7.0f\n",
                    DatagramSocket::batch_max, bytes, batched.send, batched.receive);
        std::printf("batches of %zu, sealed and opened    %7zu  %7.0f  %7.0f\n",
                    DatagramSocket::batch_max, bytes, sealed.send, sealed.receive);
    }
    std::printf("nonce: alone %.0f ns, in bursts of 8 %.0f ns, of 160 %.0f ns\n", measure_nonces(1),
                measure_nonces(8), measure_nonces(160));
    std::printf("whole pass, 200 B heard and answered: one at a time %.0f ns, 8 at once %.0f ns, "
                "160 at once %.0f ns\n",
                measure_pass(1), measure_pass(8), measure_pass(160));
    return 0;
}
