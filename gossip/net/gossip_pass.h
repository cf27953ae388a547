#pragma once
// One pass of gossip's shell: what the sockets hold goes into the core, then time, then what the
// core wants goes out. No waiting here and no Asio: gossip_loop.h calls run() when there may be
// something to do. The contract is GOSSIP.md's, section 2:
//
//   input before timers   only tick(t) follows, t being the clock before a read that found every
//                         socket empty: an answer that came in time is heard in time. Input that
//                         never ends is broken off, and the core told that it lost some.
//   drain order           records, then datagrams, then events. Nothing that was asked for after an
//                         awaited record is sent before that one is kept. While keeping it fails,
//                         nothing is sent; reading and time go on.
//
// Nothing here allocates while there are no records and no events. Not thread-safe: one strand.

#include <algorithm>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "gossip/net/datagram_socket.h"
#include "gossip/net/sealed_link.h"
#include "proto/base/time.h"
#include "proto/wire/gossip_codec.h"

namespace jackdaw::gossip {

/// What a record of the core waits for, and who waits for it.
enum class Durability : std::uint8_t {
    awaited, ///< nothing asked for later is sent before it is kept
    ahead,   ///< kept in the background; the core counts on it from persisted() on
    cache,   ///< kept in the background, dropped when that fails; the newest replaces older ones
};

template <class C>
using RecordOf = typename decltype(std::declval<C&>().poll_persist())::value_type;
template <class C>
using EventOf = typename decltype(std::declval<C&>().poll_event())::value_type;

/// The state machine as the shell sees it. What poll_send() gives stands until the next call; its
/// bytes are gossip_plain_bytes_max at most. `durability(record)` is found beside the record's
/// type. How many datagrams there may be in a second is the core's to judge.
template <class C>
concept PassCore =
    requires(C& core, const C& seen, Instant now, const NetAddress& address, std::string_view bytes,
             std::uint64_t count, const RecordOf<C>& record) {
        core.receive(now, address, bytes);
        core.unreachable(now, address);
        core.lost_input(now, count);
        core.persisted(now, record);
        core.tick(now);
        { seen.next_wakeup() } -> std::same_as<Instant>;
        { core.poll_persist() } -> std::same_as<std::optional<RecordOf<C>>>;
        { core.poll_send()->to } -> std::convertible_to<NetAddress>;
        { core.poll_send()->bytes } -> std::convertible_to<std::string_view>;
        { core.poll_event() } -> std::same_as<std::optional<EventOf<C>>>;
        { durability(record) } -> std::same_as<Durability>;
    };

struct PassCounters {
    std::uint64_t input_without_end = 0; ///< broken off to let time pass
    std::uint64_t no_socket = 0;         ///< for an address of a family that has no socket here
    std::uint64_t keeps_failed = 0;
};

template <PassCore Core>
class GossipPass {
public:
    using Record = RecordOf<Core>;
    using Event = EventOf<Core>;
    using Clock = std::function<Instant()>;
    using OnEvent = std::function<void(const Event&)>;

    /// Input without an empty socket in between, after which time passes all the same.
    static constexpr std::size_t input_max = 2048;
    static constexpr Duration input_time_max = std::chrono::milliseconds{250};
    /// Only those that opened count, or a stranger's flood would drown the members' words.
    static constexpr std::size_t opened_per_second_max = 20'000;
    /// Beyond it the core keeps its records, and nothing is sent.
    static constexpr std::size_t records_max = 64;

    /// One socket per address family. `on_event` may command the core and call drain().
    GossipPass(Core& core, std::vector<DatagramSocket> sockets, SealedLink link, Clock clock,
               OnEvent on_event)
        : core_{core},
          sockets_{std::move(sockets)},
          link_{std::move(link)},
          clock_{std::move(clock)},
          on_event_{std::move(on_event)} {}

    struct Ran {
        bool more = false;   ///< input was broken off: let others run, then run() again
        bool failed = false; ///< a socket cannot be read: do not run() again at once
    };
    /// Reads until all sockets are empty or a bound is met, lets time pass, and drains.
    Ran run() {
        const auto began = clock_();
        auto now = began;
        std::size_t taken = 0;
        Ran ran;
        for (;;) {
            const auto got = hear(now, ran.failed);
            if (got == 0) {
                break;
            }
            taken += got;
            drain();
            const auto read = now;
            now = clock_();
            assert(now >= read && "the clock is steady");
            ran.more = taken >= input_max || now - began >= input_time_max;
            if (ran.more) {
                ++counters_.input_without_end;
                break;
            }
        }
        // The kernel drops from a full buffer only, and that is more than one batch.
        const auto lost = taken >= DatagramSocket::batch_max ? lost_in_kernel() : 0;
        if (ran.more || lost != 0) {
            core_.lost_input(now, std::max<std::uint64_t>(1, lost));
        }
        if (ran.more || now >= core_.next_wakeup()) {
            core_.tick(now);
        }
        drain();
        return ran;
    }

    /// Takes out what the core wants. To be called after every command, too.
    void drain() {
        if (draining_) {
            again_ = true; // from inside on_event: the loop below takes what it left
            return;
        }
        draining_ = true;
        do {
            again_ = false;
            send_all();
            while (const auto event = core_.poll_event()) {
                on_event_(*event);
            }
        } while (again_);
        draining_ = false;
    }

    /// When run() is due without input; long past when there is something to tell the core now.
    [[nodiscard]] Instant wakeup() const {
        const bool refused = std::ranges::any_of(sockets_, &DatagramSocket::has_refused);
        return refused ? Instant{} : core_.next_wakeup();
    }

    // --- Records: one is being kept at a time, in their order ----------------------------------
    [[nodiscard]] bool has_record() const noexcept { return !keeping_ && !records_.empty(); }
    /// The next one to make durable; then say kept() or keep_failed().
    [[nodiscard]] Record begin_keep() {
        assert(has_record());
        keeping_ = true;
        return records_.front();
    }
    void kept() {
        const auto record = take_record();
        core_.persisted(clock_(), record);
        drain();
    }
    /// It is due again, and whatever waits for it goes on waiting; a cache is given up.
    void keep_failed() {
        ++counters_.keeps_failed;
        if (durability(records_.front()) == Durability::cache) {
            (void)take_record();
        }
        keeping_ = false;
    }
    /// Does anything wait for a record, so that nothing is sent?
    [[nodiscard]] bool is_silent() const {
        return records_.size() >= records_max ||
               std::ranges::any_of(records_, [](const Record& record) {
                   return durability(record) == Durability::awaited;
               });
    }

    [[nodiscard]] const std::vector<DatagramSocket>& sockets() const noexcept { return sockets_; }
    /// Of the family of `to`: without one nothing is sent there.
    [[nodiscard]] bool has_socket(const NetAddress& to) const {
        return of_family(sockets_, to) != sockets_.end();
    }
    [[nodiscard]] const SealedLink& link() const noexcept { return link_; }
    [[nodiscard]] const PassCounters& counters() const noexcept { return counters_; }
    void set_ring(proto::SealRing ring) { link_.set_ring(std::move(ring)); }

private:
    /// One batch of each socket, and who refused; gives what was taken from the kernel.
    std::size_t hear(Instant now, bool& failed) {
        std::size_t taken = 0;
        for (auto& socket : sockets_) {
            const auto batch = socket.read();
            taken += batch.taken;
            failed |= batch.failed;
            for (const auto& datagram : batch.datagrams) {
                std::string_view plain;
                if (link_.open(datagram.bytes, plain)) {
                    core_.receive(now, datagram.from, plain);
                }
            }
            while (const auto whom = socket.poll_refused()) {
                core_.unreachable(now, *whom);
            }
        }
        return taken;
    }

    [[nodiscard]] std::uint64_t lost_in_kernel() {
        std::uint64_t lost = 0;
        for (auto& socket : sockets_) {
            lost += socket.take_lost();
        }
        return lost;
    }

    void send_all() {
        for (;;) {
            collect_records(); // before each datagram: what polling one made durable comes first
            if (is_silent()) {
                break;
            }
            const auto out = core_.poll_send();
            if (!out) {
                break;
            }
            send(out->to, out->bytes);
        }
        for (auto& socket : sockets_) {
            socket.flush();
        }
        link_.end_burst();
    }

    void send(const NetAddress& to, std::string_view plain) {
        assert(plain.size() <= proto::gossip_plain_bytes_max);
        const auto socket = of_family(sockets_, to);
        if (socket == sockets_.end()) {
            ++counters_.no_socket;
            return;
        }
        socket->queue(to, link_.seal(plain, socket->slot()));
    }

    template <class Sockets>
    [[nodiscard]] static auto of_family(Sockets& sockets, const NetAddress& to) {
        return std::ranges::find(sockets, to.ip_bytes,
                                 [](const auto& one) { return one.address().ip_bytes; });
    }

    void collect_records() {
        while (records_.size() < records_max) {
            auto record = core_.poll_persist();
            if (!record) {
                return;
            }
            if (durability(*record) == Durability::cache) {
                const auto waiting = records_.begin() + (keeping_ ? 1 : 0);
                const auto stale = std::remove_if(waiting, records_.end(), [](const Record& old) {
                    return durability(old) == Durability::cache;
                });
                records_.erase(stale, records_.end());
            }
            records_.push_back(std::move(*record));
        }
    }

    Record take_record() {
        assert(keeping_);
        keeping_ = false;
        auto record = std::move(records_.front());
        records_.erase(records_.begin());
        return record;
    }

    Core& core_;
    std::vector<DatagramSocket> sockets_;
    SealedLink link_;
    Clock clock_;
    OnEvent on_event_;
    std::vector<Record> records_; ///< waiting to be kept; the first one is perhaps being kept
    bool keeping_ = false;
    bool draining_ = false;
    bool again_ = false;
    PassCounters counters_;
};

} // namespace jackdaw::gossip
