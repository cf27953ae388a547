#pragma once
// Why a member is held to be what it is: its last changes here, with what led to them
// (GOSSIP.md, section 15).

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "gossip/core/swim/id_map.h"
#include "gossip/core/swim/suspicion.h"

namespace jackdaw::swim {

enum class Cause : std::uint8_t {
    probe,
    heard,
    sync,
    timer,
    itself,
    operator_,
    withdrawn, ///< suspected while this member heard nobody, and it hears others again
};

struct Change {
    NodeId id{};
    Instant when{};
    std::optional<Standing> from; ///< none: it was not known
    Standing to = Standing::alive;
    std::uint64_t incarnation = 0;
    Cause cause = Cause::heard;
    NodeId who{}; ///< heard from, synced with; none for the rest
    std::uint8_t accusers_count = 0;
    std::uint8_t pings = 0;
    std::uint8_t helpers = 0;
    std::uint8_t nacks = 0;
    std::uint8_t health = 0;
    Duration rto{}; ///< zero: no probe of ours led to it
    std::array<Accuser, accusers_max> accusers{};
};

/// The last 8 changes of each member, `max` in all; the oldest go first.
class Why {
public:
    static constexpr std::size_t per_member = 8;

    explicit Why(std::size_t max, std::uint64_t salt = 0) noexcept : max_{max}, members_{salt} {}

    void note(const Change& change);
    /// Oldest first.
    [[nodiscard]] std::vector<Change> of(NodeId id) const;
    [[nodiscard]] std::size_t size() const noexcept { return changes_.size() - free_.size(); }

private:
    using Slot = std::uint32_t;
    struct Kept {
        std::uint64_t number = 0; ///< 0: free
        Change change;
    };
    struct Member { ///< its changes, oldest first
        std::array<Slot, per_member> of{};
        std::uint8_t count = 0;
        void drop_first() noexcept;
    };
    struct Turn {
        std::uint64_t number = 0;
        Slot slot = 0;
    };
    void drop_oldest();

    std::size_t max_;
    std::uint64_t next_ = 0;
    std::vector<Kept> changes_;
    std::vector<Slot> free_;
    std::deque<Turn> turns_; ///< oldest first; some of changes that are no more
    IdMap<Member> members_;
};

} // namespace jackdaw::swim
