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

/// The other members, as one core hears them: all live and know what it knows.
class Others {
public:
    /// `number` of them, and what each says first.
    std::vector<std::string> begin(std::uint32_t number, Instant now) {
        std::vector<std::string> hellos;
        for (std::uint32_t i = 1; i <= number; ++i) {
            auto& other = *all_.emplace_back(std::make_unique<Member>());
            other.address = identity_of(i).address;
            other.core = std::make_unique<Swim>(Config::lan(), Limits{}, identity_of(i), Snapshot{},
                                                no_crypto(), i, now, *other.commons);
            const std::array seed{identity_of(0).address};
            other.core->join(now, seed);
            other.core->tick(now);
            drain(*other.core, now, &hellos);
        }
        numbers_.assign(number, 1);
        return hellos;
    }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
    [[nodiscard]] const Member& at(std::size_t which) const { return *all_[which]; }

    /// A datagram of that member; `number` orders those of one.
    std::string write(std::size_t which, std::uint32_t number, const proto::DatagramBody& body,
                      std::uint64_t digest, const NewsItem* item = nullptr) {
        std::array<char, proto::gossip_plain_bytes_max> bytes{};
        proto::GossipWriter writer{bytes};
        const auto& own = all_[which]->core->own();
        writer.begin({all_[which]->core->id(), own.boot(), number, 1, own.incarnation(), digest},
                     body);
        if (item != nullptr && !writer.add(*item)) {
            std::abort();
        }
        return {bytes.data(), writer.finish()};
    }
    [[nodiscard]] std::uint32_t next_number(std::size_t which) { return ++numbers_[which]; }
    void set_number(std::size_t which, std::uint32_t number) { numbers_[which] = number; }

    /// `core` ticks, and whom it pings answers.
    void tick(Swim& core, Instant now) {
        core.tick(now);
        std::vector<std::pair<std::size_t, std::uint32_t>> asked;
        while (const auto record = core.poll_persist()) {
            core.persisted(now, *record);
        }
        while (const auto out = core.poll_send()) {
            if (proto::decode_gossip(out->bytes, read_) == proto::Decoded::ok &&
                read_.body.kind == proto::DatagramKind::ping) {
                asked.emplace_back(number_at(out->to) - 1, read_.body.probe);
            }
        }
        proto::DatagramBody ack;
        ack.kind = proto::DatagramKind::ack;
        for (const auto& [which, probe] : asked) {
            ack.probe = probe;
            core.receive(now, all_[which]->address,
                         write(which, next_number(which), ack, core.view().digest()));
        }
        drain(core, now);
    }

private:
    static std::size_t number_at(const NetAddress& address) {
        return std::size_t{address.ip[1]} << 16U | std::size_t{address.ip[2]} << 8U | address.ip[3];
    }

    std::vector<std::unique_ptr<Member>> all_;
    std::vector<std::uint32_t> numbers_; ///< of the last datagram of each
    proto::Datagram read_;
};

} // namespace

int main(int argc, char** argv) {
    const auto members = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000UL;
    Instant now{1000s};
    Member me;
    Limits limits;
    limits.why = 8; // counted apart: it has a limit of its own, as the queues have
    me.core = std::make_unique<Swim>(Config::lan(), limits, identity_of(0), Snapshot{}, no_crypto(),
                                     1, now, *me.commons);
    Others others;
    const auto hellos = others.begin(static_cast<std::uint32_t>(members) - 1, now);
    const auto before = held;
    for (std::size_t i = 0; i < hellos.size(); ++i) {
        now += 1ms;
        me.core->receive(now, others.at(i).address, hellos[i]);
        drain(*me.core, now);
    }
    for (int i = 0; i < 3000; ++i) { // until the news is told
        now += 10ms;
        others.tick(*me.core, now);
    }
    std::printf("%zu members held; %zu bytes of heap per member, %zu of them its entry; the rest "
                "its records "
                "and the index of records\n",
                me.core->view().live(), (held - before) / members,
                me.core->view().bytes() / members);
    const std::string status(proto::gossip_status_bytes_max, 's');
    for (std::size_t i = 0; i < others.size(); ++i) {
        NewsItem item;
        item.kind = NewsKind::status;
        item.id = others.at(i).core->id();
        item.version = std::uint64_t{others.at(i).core->own().boot()} << 32U | 1U;
        item.bytes = status;
        proto::DatagramBody body;
        body.kind = proto::DatagramKind::gossip;
        now += 1ms;
        me.core->receive(now, others.at(i).address,
                         others.write(i, others.next_number(i), body, 0, &item));
        if (me.core->next_wakeup() <= now) {
            others.tick(*me.core, now);
        }
        drain(*me.core, now);
    }
    for (int i = 0; i < 20'000; ++i) {
        now += 10ms;
        others.tick(*me.core, now);
    }
    std::printf("%zu live with a status of %zu bytes each, at rest: %zu bytes of heap per member\n",
                me.core->view().live(), status.size(), (held - before) / members);
    constexpr std::size_t rounds = 200;
    constexpr std::uint32_t first = 1000; ///< number of a datagram
    constexpr std::uint32_t between = 10; ///< and those left for the answers of a round
    std::vector<std::string> pings;
    for (std::uint32_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < others.size(); ++i) {
            proto::DatagramBody body;
            body.kind = round % 2 == 0 ? proto::DatagramKind::ping : proto::DatagramKind::ack;
            body.probe = round;
            pings.push_back(
                others.write(i, first + between * round, body, me.core->view().digest()));
        }
    }
    const auto allocations_before = allocations;
    auto begin = cpu_ns();
    for (std::size_t i = 0; i < pings.size(); ++i) {
        now += 500us; // two thousand a second: far more than the two of an idle fleet
        const auto which = i % others.size();
        me.core->receive(now, others.at(which).address, pings[i]);
        others.set_number(which, first + between * static_cast<std::uint32_t>(i / others.size()));
        while (me.core->poll_send()) {
        }
        while (me.core->poll_event()) {
        }
        if (me.core->next_wakeup() <= now) {
            others.tick(*me.core, now);
        }
    }
    std::printf("%zu live; receive + tick + answer: %.0f ns per datagram, %.4f allocations\n",
                me.core->view().live(), ns_each(begin, pings.size()),
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
    return 0;
}
