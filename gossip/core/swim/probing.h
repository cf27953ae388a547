#pragma once
// Probes as they run: when to ping again, when to ask helpers, when one has failed; and the pings
// that this member does for others (GOSSIP.md, section 4). Who is probed, and what a failure means,
// is decided elsewhere.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/records.h"
#include "gossip/core/swim/states.h"

namespace jackdaw::swim {

enum class ProbeFor : std::uint8_t {
    period,   ///< everybody in turn; stretched by health, and changes it
    doubt,    ///< again, of one that did not answer
    observer, ///< asked to by one who doubts
    rumour,   ///< somebody's sync says that it is down
    sounding, ///< one of many at once, by who hears hardly anybody; no helper is asked
};

struct Probe {
    std::uint32_t number = 0; ///< in its pings; answers repeat it
    NodeId target{};
    ProbeFor purpose{};
    std::uint8_t pings = 0;
    std::uint8_t nacks = 0;
    std::uint8_t helpers_count = 0;
    bool asked = false; ///< helpers, whether or not there were any
    std::array<NodeId, helpers_asked> helpers{};
    Duration rto{}; ///< between steps; taken at its start
    Instant start{};
    Instant next_ping{};
    Instant ask_at{};
    Instant fails_at{};
    Claim rumour{}; ///< what the ping tells its target of itself
    NodeId rumour_by{};

    [[nodiscard]] bool has_helper(NodeId id) const noexcept;
    [[nodiscard]] Instant due() const noexcept;
};

struct ProbeStep {
    enum class Kind : std::uint8_t { ping, ask_helpers, failed } kind;
    Probe probe; ///< as it is; a failed one runs no more
};

class Probes {
public:
    /// Begins one, whose first ping the caller sends. `stretch`: health's factor, 1 for others than
    /// the periodic.
    Probe& start(Instant now, std::uint32_t number, NodeId target, ProbeFor purpose, Duration rto,
                 std::uint32_t stretch, const Config& config);
    /// The next thing due by `now`, earliest first; done when it is returned.
    [[nodiscard]] std::optional<ProbeStep> step(Instant now);
    [[nodiscard]] Probe* by_number(std::uint32_t number) noexcept;
    [[nodiscard]] const Probe* running(NodeId target, ProbeFor purpose) const noexcept;
    [[nodiscard]] bool is_running(NodeId target) const noexcept;
    [[nodiscard]] bool is_running(ProbeFor purpose) const noexcept { return count(purpose) != 0; }
    [[nodiscard]] std::size_t count(ProbeFor purpose) const noexcept;
    /// Ends all of this target, or one; calls `ended(probe)` for each.
    template <class Ended>
    void end(NodeId target, Ended ended) {
        for (std::size_t i = 0; i < probes_.size();) {
            if (probes_[i].target == target) {
                const auto probe = probes_[i];
                probes_.erase(probes_.begin() + static_cast<std::ptrdiff_t>(i));
                ended(probe);
            } else {
                ++i;
            }
        }
    }
    /// The helpers are due at once.
    void hurry(NodeId target, Instant now) noexcept;
    /// Ends all of them without a verdict.
    void clear() noexcept { probes_.clear(); }
    [[nodiscard]] Instant next_due() const noexcept;
    [[nodiscard]] std::vector<Probe>& all() noexcept { return probes_; }

private:
    std::vector<Probe> probes_;
};

/// A ping done for somebody else.
struct Relay {
    std::uint32_t number = 0; ///< in our ping
    std::uint32_t theirs = 0;
    NodeId asker{};
    NetAddress answer_to{};
    NodeId target{};
    NetAddress target_address{};
    Instant again_at{}; ///< the second ping; `never` once done
    Instant nack_at{};
};

class Relays {
public:
    explicit Relays(std::size_t max) noexcept : max_{max} {}

    /// False when there are too many.
    [[nodiscard]] bool add(const Relay& relay);
    struct Step {
        bool nack; ///< else: ping again
        Relay relay;
    };
    [[nodiscard]] std::optional<Step> step(Instant now);
    [[nodiscard]] const Relay* by_number(std::uint32_t number) const noexcept;
    /// Ends those of this target and calls `heard(relay)` for each.
    template <class Heard>
    void end(NodeId target, Heard heard) {
        for (std::size_t i = 0; i < relays_.size();) {
            if (relays_[i].target == target) {
                const auto relay = relays_[i];
                relays_.erase(relays_.begin() + static_cast<std::ptrdiff_t>(i));
                heard(relay);
            } else {
                ++i;
            }
        }
    }
    void clear() noexcept { relays_.clear(); }
    [[nodiscard]] std::size_t size() const noexcept { return relays_.size(); }
    [[nodiscard]] Instant next_due() const noexcept;

private:
    std::size_t max_;
    std::vector<Relay> relays_;
};

/// The shared period number (section 4): a counter without a clock, adopted by maximum.
class Period {
public:
    [[nodiscard]] static bool is_later(std::uint32_t a, std::uint32_t b) noexcept {
        const auto ahead = a - b;
        return ahead != 0 && ahead < 0x8000'0000U;
    }
    /// A member was heard that said `number`; 0 says nothing.
    void hear(std::uint32_t number) noexcept;
    /// My own period: one on, or to the highest heard. Stands at 0 while nobody was heard.
    void advance() noexcept;
    [[nodiscard]] std::uint32_t own() const noexcept { return own_; }
    /// What a datagram says.
    [[nodiscard]] std::uint32_t told() const noexcept;

private:
    std::uint32_t own_ = 0;
    std::uint32_t heard_ = 0;
    bool heard_any_ = false;
};

} // namespace jackdaw::swim
