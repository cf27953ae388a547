#pragma once
// From a failed probe to `down` (GOSSIP.md, section 5): doubts, which are private, and suspicions,
// which are published, each with its time.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/id_map.h"
#include "gossip/core/swim/records.h"

namespace jackdaw::swim {

struct Doubt {
    NodeId about{};
    NodeId accuser{}; ///< this member, or the one who asked it to look
    Instant since{};
    Instant probe_again_at = never; ///< own doubts only
    Instant ends_at = never;        ///< noted ones only
    std::uint8_t round = 0;         ///< of observers asked; own doubts only
    std::uint8_t failures = 1;      ///< own probes that failed
    std::uint8_t asked_count = 0;
    std::array<NodeId, observers_asked> asked{}; ///< of this round
};

/// At most one per member.
class Doubts {
public:
    explicit Doubts(std::size_t max) noexcept : max_{max} {}

    [[nodiscard]] Doubt* of(NodeId id) noexcept;
    [[nodiscard]] bool has(NodeId id) const noexcept;
    /// Null when there are too many.
    [[nodiscard]] Doubt* open(NodeId about, NodeId accuser, Instant since);
    /// False when there was none.
    bool drop(NodeId id) noexcept;
    /// The oldest that was noted for somebody else; false when there is none.
    bool drop_noted() noexcept;
    void clear() noexcept { doubts_.clear(); }
    [[nodiscard]] std::size_t size() const noexcept { return doubts_.size(); }
    /// One that is to be probed again, or whose time is over, by `now`; null when there is none.
    [[nodiscard]] Doubt* due(Instant now) noexcept;
    [[nodiscard]] Instant next_due() const noexcept;
    [[nodiscard]] std::span<const Doubt> all() const noexcept { return doubts_; }

private:
    std::size_t max_;
    std::vector<Doubt> doubts_;
};

struct Accuser {
    NodeId id{};
    Instant since{}; ///< the first doubt, as far as its age told
};

struct Suspicion {
    Instant start{};
    std::uint8_t count = 0;     ///< of accusers kept
    std::uint8_t confirmed = 0; ///< of those beyond the first that shorten the time
    std::array<Accuser, accusers_max> accusers{};

    [[nodiscard]] bool has(NodeId accuser) const noexcept;
};

/// Min .. 6 Min by the number of accusers beyond the first, `c`, and of those who could confirm,
/// `k`.
[[nodiscard]] Duration suspicion_time(const Config& config, std::uint32_t c,
                                      std::uint32_t k) noexcept;

class Suspicions {
public:
    explicit Suspicions(const Config& config, std::uint64_t salt = 0) noexcept
        : config_{config}, open_{salt} {}

    /// Replaces what is open about this member.
    const Suspicion& open(Instant now, NodeId about, NodeId accuser, Instant since);
    /// True when it is a new one, and there was room: to be spread.
    bool accuse(NodeId about, NodeId accuser, Instant since);
    void close(NodeId about);
    [[nodiscard]] const Suspicion* of(NodeId about) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return open_.size(); }
    /// The member whose time is over first, by `now`, with `k` who could confirm.
    [[nodiscard]] std::optional<NodeId> expired(Instant now, std::uint32_t k) const;
    [[nodiscard]] Instant next_due(std::uint32_t k) const;
    /// Whom `accuser` accuses: at most `most`, from any place on, so that in time it is each.
    [[nodiscard]] std::vector<NodeId> accused_by(NodeId accuser, std::uint64_t place,
                                                 std::size_t most) const;
    /// Those whose time began after `when`.
    [[nodiscard]] std::vector<NodeId> begun_after(Instant when) const;
    /// After this member did not listen: no start is before `earliest`.
    void restart_not_before(Instant earliest);
    /// After this member was cut off: all begin now, with their first accuser alone.
    void begin_anew(Instant now);

private:
    struct Due {
        Instant start{};
        NodeId about{};
        friend bool operator>(const Due& a, const Due& b) noexcept {
            return a.start != b.start ? a.start > b.start : a.about > b.about;
        }
    };
    using Heap = std::vector<Due>; ///< the earliest first; what stands for nothing goes at the top

    void reset(NodeId about, Suspicion& suspicion, Instant start, std::uint8_t confirmed);
    void put(NodeId about, const Suspicion& suspicion);
    [[nodiscard]] bool stands(const Due& due, std::size_t confirmed) const noexcept;
    /// After a change of one, or of all: the top of each heap stands for an open suspicion, and few
    /// others do not.
    void settle(std::optional<NodeId> about);

    const Config& config_;
    IdMap<Suspicion> open_;
    /// By `confirmed`: the first of each may be the next to expire.
    std::array<Heap, accusers_max> by_start_;
};

} // namespace jackdaw::swim
