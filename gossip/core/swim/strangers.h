#pragma once
// What came from ids that are no members: one datagram of such a sender counts once, as of a
// member's. Without it a `join` that somebody recorded, of a machine that is forgotten since, would
// be answered with pages as often as it is sent again, to whatever address.

#include <cstddef>
#include <cstdint>
#include <map>

#include "gossip/core/swim/oldest_out.h"
#include "gossip/core/swim/replay.h"
#include "proto/base/ids.h"
#include "proto/base/time.h"

namespace jackdaw::swim {

/// Bounded: who was heard longest ago makes room. What is kept of one is kept for a minute after
/// the last that was accepted, so that who lost its disk and its clock is shut out no longer.
class Strangers {
public:
    explicit Strangers(std::size_t most) noexcept : most_{most} {}

    [[nodiscard]] bool accept(Instant now, proto::NodeId id, std::uint32_t boot,
                              std::uint32_t seq) {
        std::erase_if(held_, [&](const auto& one) { return now - one.second.at >= kept; });
        auto at = held_.find(id);
        if (at == held_.end()) {
            make_room(held_, most_);
            at = held_.emplace(id, Held{{}, now}).first;
            at->second.window.restart(boot);
        }
        auto& window = at->second.window;
        if (boot < window.boot) {
            return false;
        }
        if (boot > window.boot) {
            window.restart(boot);
        }
        if (!window.accept(seq)) {
            return false;
        }
        at->second.at = now;
        return true;
    }
    [[nodiscard]] std::size_t size() const noexcept { return held_.size(); }

private:
    static constexpr Duration kept = std::chrono::minutes{1};
    struct Held {
        ReplayWindow window;
        Instant at; ///< of the last that was accepted
    };
    std::size_t most_;
    std::map<proto::NodeId, Held> held_;
};

} // namespace jackdaw::swim
