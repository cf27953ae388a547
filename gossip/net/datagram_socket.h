#pragma once
// One UDP socket of gossip, of one address family, in batches and without allocating: recvmmsg,
// sendmmsg, and what the kernel knows of losses and refusals.
//
// * Every datagram leaves unfragmentable. "Probe" of the kernel's modes: what ICMP says of a
//   smaller path is not acted upon, or a forged one would silence us (RFC 8899, section 3, item 6:
//   such messages are to be validated); only the interface's own MTU refuses.
// * Losses are asked for (SO_MEMINFO) where SO_RXQ_OVFL would tell: that one comes with the next
//   datagram queued after the loss, which may be long after the timers that should have known.
// * Who refused is read from the error queue. An error of one peer that waits in the socket makes
//   the next send or receive fail, whomever it is for: those are taken out, and the send tried once
//   more. An ICMP message can be forged: a refusal is a hint and nothing more.
//
// Not thread-safe: one strand.

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"
#include "proto/messages/gossip.h"

namespace jackdaw::gossip {

using proto::NetAddress;

struct Received {
    NetAddress from;
    std::string_view bytes; ///< at most gossip_datagram_bytes_max; good until the next read()
};

class DatagramSocket {
public:
    /// Datagrams of one system call; it saves a tenth of what a call for each costs, and more save
    /// no more (tests/bench/README.md).
    static constexpr std::size_t batch_max = 32;
    static constexpr int receive_buffer_asked_bytes = 1024 * 1024;
    /// Refusals kept between two calls of poll_refused(); more are only counted.
    static constexpr std::size_t refused_max = 64;

    struct Counters {
        std::uint64_t received = 0; ///< handed out by read()
        std::uint64_t received_bytes = 0;
        std::uint64_t too_long = 0;     ///< longer than any of ours: dropped
        std::uint64_t unanswerable = 0; ///< from port 0, or link-local of another link: dropped
        std::uint64_t lost = 0;         ///< dropped by the kernel: buffer full, bad checksum
        std::uint64_t reads_failed = 0; ///< for another reason than an empty socket
        std::uint64_t sent = 0;
        std::uint64_t sent_bytes = 0;
        std::uint64_t send_full = 0;    ///< no room in the kernel: dropped
        std::uint64_t send_too_big = 0; ///< for the interface's MTU: dropped
        std::uint64_t send_failed = 0;  ///< no route, no permission and the like: dropped
        std::uint64_t refused = 0;      ///< ICMP: nobody has that port
        std::uint64_t icmp_other = 0;   ///< unreachable, too big and the like
    };

    /// Bound to `at` (port 0: any free one). `scope`: the interface's number, for a link-local
    /// address. `invalid`: no address; `unavailable`: in use, not of this host, or no such family.
    [[nodiscard]] static Result<DatagramSocket> open(const NetAddress& at, std::uint32_t scope = 0);
    /// A bound UDP socket that another process made. `invalid` when it is something else.
    [[nodiscard]] static Result<DatagramSocket> adopt(UniqueFd bound);

    DatagramSocket(DatagramSocket&&) noexcept;
    DatagramSocket& operator=(DatagramSocket&&) noexcept;
    ~DatagramSocket();

    /// For waiting only: who reads or writes beside us breaks the counting.
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }
    [[nodiscard]] const NetAddress& address() const noexcept { return address_; }
    /// Of the 1 MiB asked, as the kernel counts it: with its own overhead, so twice what it gave.
    [[nodiscard]] std::size_t receive_buffer_bytes() const noexcept { return buffer_bytes_; }
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

    struct Batch {
        std::span<const Received> datagrams;
        /// Taken from the kernel, dropped ones too; 0: the socket was found empty.
        std::size_t taken = 0;
        bool failed = false; ///< nothing could be read, and not because there was nothing
    };
    /// What waits, at most batch_max. Never blocks.
    [[nodiscard]] Batch read();

    /// Datagrams that the kernel dropped since the last call; 0 while they cannot be told.
    [[nodiscard]] std::uint64_t take_lost();
    /// Whose port nobody has, one after the other.
    [[nodiscard]] std::optional<NetAddress> poll_refused() noexcept;
    [[nodiscard]] bool has_refused() const noexcept { return refused_count_ != 0; }

    /// Room for one more datagram of gossip_datagram_bytes_max; flushes when all places are taken.
    [[nodiscard]] std::span<char> slot();
    /// The slot's first `bytes` bytes are for `to`, which must be of this socket's family
    /// (asserted). Sent by flush().
    void queue(const NetAddress& to, std::size_t bytes);
    /// Hands all that is queued to the kernel. What it does not take is dropped and counted: gossip
    /// tolerates loss, not delay.
    void flush();

private:
    struct Buffers;
    explicit DatagramSocket(UniqueFd bound);
    [[nodiscard]] Result<void> configure();
    [[nodiscard]] Batch take(std::size_t count);
    [[nodiscard]] bool is_answerable(std::size_t index) const noexcept;
    /// Empties the error queue as far as its bound; gives how many there were.
    std::size_t read_errors();
    void take_error(msghdr& message);
    /// Gives how many places were dealt with; at least one.
    std::size_t send_from(std::size_t first, bool may_retry);

    UniqueFd socket_;
    NetAddress address_;
    std::uint32_t scope_ = 0;
    std::size_t buffer_bytes_ = 0;
    std::uint32_t kernel_lost_ = 0; ///< as last told; the kernel's counter wraps
    bool read_something_ = false;   ///< by the last read()
    Counters counters_;
    std::unique_ptr<Buffers> buffers_; ///< the kernel is handed pointers into it
    std::size_t queued_ = 0;
    std::size_t refused_first_ = 0;
    std::size_t refused_count_ = 0;
};

} // namespace jackdaw::gossip
