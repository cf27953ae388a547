#pragma once
// Who told of what nobody signed. Members pass on nothing that they did not verify, so false
// signatures come from who makes them; each costs as much work as a true one, and what waits behind
// too many of them is dropped. So a teller of many is not asked to be believed for a second.

#include <cstddef>
#include <map>

#include "gossip/core/swim/oldest_out.h"
#include "gossip/core/swim/token_bucket.h"
#include "proto/messages/gossip.h"

namespace jackdaw::swim {

/// Bounded: who was caught longest ago makes room.
class Forgers {
public:
    explicit Forgers(std::size_t most) noexcept : most_{most} {}

    /// `who` told of something under a false signature.
    void caught(Instant now, proto::NodeId who) {
        auto at = held_.find(who);
        if (at == held_.end()) {
            make_room(held_, most_);
            at = held_.emplace(who, Held{}).first;
        }
        at->second.at = now;
        if (!at->second.left.take(now)) {
            at->second.ignored_until = now + ignored_for;
        }
    }
    [[nodiscard]] bool ignores(Instant now, proto::NodeId who) const {
        if (held_.empty()) {
            return false;
        }
        const auto at = held_.find(who);
        return at != held_.end() && now < at->second.ignored_until;
    }

private:
    static constexpr Duration ignored_for = std::chrono::seconds{1};
    struct Held {
        TokenBucket left{4, 16}; ///< by chance, or of another version's signing
        Instant at{};
        Instant ignored_until{};
    };
    std::size_t most_;
    std::map<proto::NodeId, Held> held_;
};

} // namespace jackdaw::swim
