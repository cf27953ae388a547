// What one datagram costs the membership core, and what a member takes. Figures, not tests.
//   bench_swim_core [MEMBERS]
#include "gossip/core/swim/swim.h"

#include <malloc.h>
#include <time.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {
std::size_t allocations = 0;
std::size_t held = 0; ///< bytes of the heap, as its blocks are
} // namespace

void* operator new(std::size_t size) {
    ++allocations;
    void* const memory = std::malloc(size);
    held += malloc_usable_size(memory) + sizeof(std::size_t);
    if (memory == nullptr) {
        throw std::bad_alloc{};
    }
    return memory;
}
void operator delete(void* memory) noexcept {
    held -= memory == nullptr ? 0 : malloc_usable_size(memory) + sizeof(std::size_t);
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    operator delete(memory);
}

namespace {

using namespace jackdaw;
using namespace jackdaw::swim;
using namespace std::chrono_literals;

constexpr proto::FleetId fleet{7};

struct Member {
    std::unique_ptr<Commons> commons = std::make_unique<Commons>(fleet);
    std::unique_ptr<Swim> core;
    NetAddress address{};
};

Identity identity_of(std::uint32_t number) {
    Identity identity;
    for (std::size_t i = 0; i < 4; ++i) {
        identity.key[i] = static_cast<std::uint8_t>(number >> (8 * i));
    }
    identity.name = "db" + std::to_string(number);
    identity.address = {{10, static_cast<std::uint8_t>(number >> 16U),
                         static_cast<std::uint8_t>(number >> 8U),
                         static_cast<std::uint8_t>(number)},
                        7412,
                        4};
    identity.fleet = fleet;
    identity.unix_s = 1'764'400'000;
    return identity;
}

Crypto no_crypto() {
    return {[](std::string_view) { return proto::Signature{}; },
            [](std::string_view, std::string_view, std::string_view) { return true; }};
}

/// Of the processor, not of the clock on the wall: the host may be busy.
double cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}
double ns_each(double begin, std::size_t count) {
    return (cpu_ns() - begin) / static_cast<double>(count);
}

/// Takes what a core has to send; keeps it, if asked to.
void drain(Swim& core, Instant now, std::vector<std::string>* keep = nullptr) {
    while (const auto record = core.poll_persist()) {
        core.persisted(now, *record);
    }
    while (const auto out = core.poll_send()) {
        if (keep != nullptr) {
            keep->emplace_back(out->bytes);
        }
    }
    while (core.poll_event()) {
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto members = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000UL;
    Instant now{1000s};
    Member me;
    Limits limits;
    limits.why = 8; // counted apart: it has a limit of its own, as the queues have
    me.core = std::make_unique<Swim>(Config::lan(), limits, identity_of(0), Snapshot{}, no_crypto(),
                                     1, now, *me.commons);
    // The others: their alive, and then pings as they would send them.
    std::vector<std::string> hellos;
    std::vector<std::unique_ptr<Member>> others;
    for (std::uint32_t i = 1; i < members; ++i) {
        auto& other = *others.emplace_back(std::make_unique<Member>());
        other.address = identity_of(i).address;
        other.core = std::make_unique<Swim>(Config::lan(), Limits{}, identity_of(i), Snapshot{},
                                            no_crypto(), i, now, *other.commons);
        const std::array seed{identity_of(0).address};
        other.core->join(now, seed);
        other.core->tick(now);
        drain(*other.core, now, &hellos);
    }
    const auto before = held;
    for (std::size_t i = 0; i < hellos.size(); ++i) {
        now += 1ms;
        me.core->receive(now, others[i]->address, hellos[i]);
        drain(*me.core, now);
    }
    for (int i = 0; i < 3000; ++i) { // until the news is told
        now += 10ms;
        me.core->tick(now);
        drain(*me.core, now);
    }
    std::printf("%zu members held; %zu bytes of heap per member, %zu of them its entry; the rest "
                "its records "
                "and the index of records\n",
                me.core->view().live(), (held - before) / members,
                me.core->view().bytes() / members);
    const std::string status(proto::gossip_status_bytes_max, 's');
    for (const auto& other : others) {
        NewsItem item;
        item.kind = NewsKind::status;
        item.id = other->core->id();
        item.version = std::uint64_t{other->core->own().boot()} << 32U | 1U;
        item.bytes = status;
        proto::DatagramBody body;
        body.kind = proto::DatagramKind::gossip;
        std::array<char, proto::gossip_plain_bytes_max> bytes{};
        proto::GossipWriter writer{bytes};
        writer.begin({other->core->id(), other->core->own().boot(), 9, 1,
                      other->core->own().incarnation(), 0},
                     body);
        if (!writer.add(item)) {
            return 1;
        }
        now += 1ms;
        me.core->receive(now, other->address, {bytes.data(), writer.finish()});
        drain(*me.core, now);
    }
    for (int i = 0; i < 20'000; ++i) {
        now += 10ms;
        me.core->tick(now);
        drain(*me.core, now);
    }
    std::printf("with a status of %zu bytes each: %zu bytes of heap per member\n", status.size(),
                (held - before) / members);
    constexpr std::size_t rounds = 200;
    std::vector<std::string> pings;
    std::vector<std::size_t> from;
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < others.size(); ++i) {
            proto::DatagramBody body;
            body.kind = round % 2 == 0 ? proto::DatagramKind::ping : proto::DatagramKind::ack;
            body.probe = static_cast<std::uint32_t>(round);
            std::array<char, proto::gossip_plain_bytes_max> bytes{};
            proto::GossipWriter writer{bytes};
            const auto& own = others[i]->core->own();
            writer.begin({others[i]->core->id(), own.boot(), static_cast<std::uint32_t>(10 + round),
                          1, own.incarnation(), me.core->view().digest()},
                         body);
            pings.emplace_back(bytes.data(), writer.finish());
            from.push_back(i);
        }
    }
    const auto allocations_before = allocations;
    auto begin = cpu_ns();
    for (std::size_t i = 0; i < pings.size(); ++i) {
        now += 500us; // two thousand a second: far more than the two of an idle fleet
        me.core->receive(now, others[from[i]]->address, pings[i]);
        if (me.core->next_wakeup() <= now) {
            me.core->tick(now);
        }
        while (me.core->poll_send()) {
        }
        while (me.core->poll_event()) {
        }
    }
    std::printf("receive + tick + answer: %.0f ns per datagram, %.4f allocations\n",
                ns_each(begin, pings.size()),
                static_cast<double>(allocations - allocations_before) /
                    static_cast<double>(pings.size()));
    proto::Datagram read;
    begin = cpu_ns();
    for (const auto& ping : pings) {
        if (proto::decode_gossip(ping, read) != proto::Decoded::ok) {
            return 1;
        }
    }
    std::printf("decode of a ping: %.0f ns\n", ns_each(begin, pings.size()));
    std::array<char, proto::gossip_plain_bytes_max> bytes{};
    begin = cpu_ns();
    for (std::size_t i = 0; i < pings.size(); ++i) {
        proto::GossipWriter writer{bytes};
        writer.begin(read.header, read.body);
    }
    std::printf("encode of one: %.0f ns\n", ns_each(begin, pings.size()));
    me.core.reset();
    others.clear();
    return 0;
}
