#pragma once
// What must hold of every core after every step, and of the whole fleet when it is calm.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/fleet_sim.h"

namespace jackdaw::sim {

/// Watches a fleet from its making on: takes its after_step. The first breach is kept, in words.
class Checks {
public:
    explicit Checks(FleetSim& fleet);
    Checks(const Checks&) = delete;
    Checks& operator=(const Checks&) = delete;

    /// Empty while everything held.
    [[nodiscard]] const std::string& breach() const noexcept { return breach_; }
    /// Call when it was calm for long; runs the fleet for ten seconds more. Empty, or what is
    /// wrong.
    [[nodiscard]] std::string at_rest();
    /// (incarnation, status) of each member as each holds it.
    [[nodiscard]] std::string table() const;

private:
    struct Seen { ///< of one core, at its last step
        std::uint64_t life = 0;
        std::uint64_t incarnation = 0;
        std::uint32_t boot = 0;
        std::uint64_t downs = 0;
        bool heard_nobody = false; ///< and judged by itself: what it suspected then it may withdraw
        std::vector<swim::Claim> claims; ///< by node; a state of `left` at 0 is nothing
        std::vector<bool> held;
    };
    void look(const Step& step);
    void look_at_own(std::size_t node, const Step& step, Seen& seen);
    void look_at_claims(std::size_t node, Seen& seen);
    void look_at_verdicts(std::size_t node, Seen& seen);
    void look_at_limits(std::size_t node, const Step& step);
    void require(bool holds, std::size_t node, const std::string& what);

    FleetSim& fleet_;
    std::vector<Seen> seen_;
    std::string breach_;
};

} // namespace jackdaw::sim
