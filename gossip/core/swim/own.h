#pragma once
// What a member must never say twice for different news: its incarnations and its boots
// (GOSSIP.md, sections 3 and 9). What is asked to be kept is durable before what depends on it is
// sent.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/records.h"

namespace jackdaw::swim {

/// What is said of this member at this incarnation or above is not answered: there would be none
/// left for news of its own.
inline constexpr std::uint64_t answered_end = proto::incarnation_end - incarnation_leap;

/// A record to be made durable, and then given back to persisted().
struct Persist {
    enum class Kind : std::uint8_t {
        reserve,   ///< incarnations below this one may be used
        boot,      ///< this boot is used
        addresses, ///< of others, for the next start; a cache: the newest wins
    };
    Kind kind = Kind::reserve;
    bool ahead = false; ///< sends need not wait for it
    std::uint64_t incarnation = 0;
    std::uint32_t boot = 0;
    std::vector<NetAddress> addresses;
};

/// What was kept by an earlier life; all empty at the first start.
struct Snapshot {
    std::uint64_t incarnation_reserved = 0;
    std::uint32_t boot = 0;
    std::vector<NetAddress> addresses;
};

/// Incarnations, 64 reserved at a time.
class Own {
public:
    /// The first incarnation is above all that may have been sent, and not below the boot: who lost
    /// its disk begins above its earlier life, too, as long as its clock went on. Both records are
    /// asked for.
    Own(const Snapshot& kept, std::uint64_t unix_s);

    [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
    [[nodiscard]] std::uint32_t boot() const noexcept { return boot_; }
    /// May anything be sent that carries them?
    [[nodiscard]] bool is_durable() const noexcept {
        return incarnation_ <= durable_ && boot_ == durable_boot_;
    }
    [[nodiscard]] std::uint64_t durable() const noexcept { return durable_; }
    /// Is it above all that was asked for, so that nothing is sent until it is durable?
    [[nodiscard]] bool is_jump(std::uint64_t incarnation) const noexcept {
        return incarnation > asked_;
    }

    /// Greater than before, below the end of incarnations (asserted).
    void raise_to(std::uint64_t incarnation);
    void new_boot(std::uint32_t boot);
    void keep_addresses(std::vector<NetAddress> addresses);
    void persisted(const Persist& record) noexcept;
    [[nodiscard]] std::optional<Persist> poll();

private:
    void reserve(bool ahead);

    std::uint64_t incarnation_ = 0;
    std::uint64_t durable_ = 0;
    std::uint64_t asked_ = 0;
    std::uint32_t boot_;
    std::uint32_t durable_boot_ = 0;
    std::deque<Persist> waiting_;
};

} // namespace jackdaw::swim
