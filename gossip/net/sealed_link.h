#pragma once
// Opens and seals gossip's datagrams with the ring of the moment, and counts what does not open.
// Nothing here allocates. Not thread-safe: one strand.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "proto/wire/gossip_seal.h"

namespace jackdaw::gossip {

/// Random nonces from the kernel, drawn ahead only within one burst of sending: 1, then 2, 4 … 32,
/// since one costs some 400 ns and one of 32 a quarter of it.
///
/// Nothing is kept between bursts, and no generator of our own runs ahead: a machine restored from
/// a snapshot of its memory would hand out what it kept a second time, for other words under the
/// same key, which breaks the seal. The kernel is told of a restored machine (vmgenid).
class Nonces {
public:
    static constexpr std::size_t block_max = 32;

    [[nodiscard]] const proto::SealNonce& next();
    /// The burst is over: forgets those that were not used.
    void end_burst() noexcept;

private:
    std::array<proto::SealNonce, block_max> block_{};
    std::size_t used_ = 0;
    std::size_t drawn_ = 0;
};

class SealedLink {
public:
    struct Counters {
        std::uint64_t opened = 0;
        std::uint64_t opened_newest =
            0; ///< of those, by the newest key of this ring, since it came
        std::uint64_t unknown_key = 0;
        std::uint64_t broken = 0; ///< altered, another fleet's, or no gossip
        std::uint64_t sealed = 0;
    };

    explicit SealedLink(proto::SealRing ring) : ring_{std::move(ring)} {}

    /// False, counted, when it does not open. `plain` is a view of this object until the next call.
    [[nodiscard]] bool open(std::string_view datagram, std::string_view& plain);
    /// Into `out`, which has room for gossip_seal_bytes more than `plain`; gives the size.
    [[nodiscard]] std::size_t seal(std::string_view plain, std::span<char> out);
    void end_burst() noexcept { nonces_.end_burst(); }

    /// From now on; what others sealed before and sends later opens if its key is still in there.
    void set_ring(proto::SealRing ring) {
        ring_ = std::move(ring);
        counters_.opened_newest = 0;
    }
    [[nodiscard]] const proto::SealRing& ring() const noexcept { return ring_; }
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

private:
    proto::SealRing ring_;
    Nonces nonces_;
    Counters counters_;
    std::array<char, proto::gossip_datagram_bytes_max> plain_{};
};

} // namespace jackdaw::gossip
