#pragma once
// A member that was taken over: it has the key of the gossip and one of its own, and says what
// suits it. It runs no core; what it signs is its own alone.

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/fleet_sim.h"

namespace jackdaw::sim {

enum class Attack : std::uint8_t {
    accusers, ///< suspicions by accusers that never said so, and downs
    leaps,    ///< the same 1,000,000 incarnations ahead, one more, and near the end of numbers
    boots,    ///< datagrams in the victim's name, of other boots
    fields,   ///< another body under the victim's true signature
    forget,   ///< `forget` and `left` signed by no operator
    periods,  ///< period numbers that jump
    replays,  ///< what others said, again
    digests,  ///< a digest that is never equal, and trees that differ everywhere
    pages,    ///< pages without end for who reads from it
    statuses, ///< statuses of the victim and of its own, ever newer
    own_id,   ///< datagrams in the name of who gets them
};
inline constexpr std::size_t attacks_count = 11;

class Adversary {
public:
    /// At a place where no member runs. Listens to all that is delivered, for replays.
    Adversary(FleetSim& fleet, std::size_t place);
    Adversary(const Adversary&) = delete;
    Adversary& operator=(const Adversary&) = delete;

    /// From now on it is a member: says so to all, and answers who asks.
    void appear();
    /// It answers nobody any more.
    void vanish();
    /// A burst of one kind against a running member, told to all that run.
    void strike(Attack attack, std::size_t victim);
    [[nodiscard]] NodeId id() const { return fleet_.id_of(place_); }

private:
    struct Heard {
        std::size_t to;
        std::string bytes;
    };
    struct Said { ///< a datagram to be: whose, and what
        NodeId sender{};
        std::uint32_t boot = 0;
        std::uint32_t period = 0;
        std::uint64_t digest = 0;
    };

    void say(std::size_t to, const proto::DatagramBody& body,
             std::span<const proto::NewsItem> items = {});
    void say_as(const Said& as, std::size_t to, const proto::DatagramBody& body,
                std::span<const proto::NewsItem> items = {});
    void answer(std::size_t from, std::string_view bytes);
    void strike_one(Attack attack, std::size_t victim, std::size_t to);
    void accuse(std::size_t victim, std::size_t to, std::uint64_t ahead);
    void change_fields(std::size_t victim, std::size_t to);
    void sign_away(std::size_t victim, std::size_t to);
    void flood_statuses(std::size_t victim, std::size_t to);
    /// Its own `alive`; the item's bytes stand until the next call.
    [[nodiscard]] proto::NewsItem alive();
    [[nodiscard]] Said as_itself() const;
    [[nodiscard]] std::string_view key() const noexcept;

    FleetSim& fleet_;
    std::size_t place_;
    std::uint32_t boot_;
    std::uint32_t seq_ = 0;
    std::uint64_t incarnation_;
    std::uint64_t version_ = 0;
    std::uint32_t period_ = 0;
    bool is_there_ = false;
    swim::Random random_;
    std::deque<Heard> heard_;
    std::string body_;
    proto::Signature signature_{};
};

} // namespace jackdaw::sim
