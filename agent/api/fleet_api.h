#pragma once
// What the Router asks of the agent's membership: members, and what may be done to them.
// Thread-safe and blocking: called on the worker pool, answered by the loop.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/core/health.h"
#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/messages/datastore_shapes.h"
#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

class FleetApi {
public:
    FleetApi() = default;
    FleetApi(const FleetApi&) = delete;
    FleetApi& operator=(const FleetApi&) = delete;
    virtual ~FleetApi() = default;

    // All: `deadline` when the loop does not answer within seconds; then the outcome of a change is
    // unknown. Those below: `unavailable` before the hand-over. Changes: `conflict` while another
    // machine holds this agent's keys.

    [[nodiscard]] virtual Result<std::vector<proto::MemberShape>> members() = 0;
    [[nodiscard]] virtual Result<std::vector<proto::Instance>> instances() = 0;
    /// May both be told to others as what is so now? `unavailable` of who left the fleet, or fell
    /// silent beside its twin: it hears nobody, and has what it knew then.
    [[nodiscard]] virtual Result<void> may_list() = 0;
    /// Counters and gauges; empty before the hand-over.
    [[nodiscard]] virtual Result<std::vector<proto::MetricFamily>> figures() = 0;
    /// What `doctor` is to know; empty before the hand-over.
    [[nodiscard]] virtual Result<GossipHealth> health() = 0;
    /// The shape `Gossip`: who this member is and how its membership does.
    [[nodiscard]] virtual Result<proto::Json> gossip() = 0;
    /// The last changes of a member here, oldest first, each a `MemberChange`.
    [[nodiscard]] virtual Result<proto::Json> why(std::uint64_t id) = 0;

    /// Asks these, "ADDRESS:PORT", and from then on the ones known before. A member that left comes
    /// back. `invalid` for what is no numeric address.
    [[nodiscard]] virtual Result<void> join(std::vector<std::string> addresses) = 0;
    /// Until join(), the next create or the next start. Answers once three others, or all there
    /// are, have confirmed that they know, and after 1.5 s at the latest.
    [[nodiscard]] virtual Result<void> leave() = 0;
    [[nodiscard]] virtual Result<void> hint(std::uint8_t topic, std::uint64_t key,
                                            std::uint64_t version) = 0;
    struct Forget {
        std::uint64_t id = 0;
        std::uint64_t incarnation = 0;
        std::string operator_key; ///< 32 bytes
        std::string signature;    ///< 64 bytes
    };
    /// `not_found`, `conflict` at another incarnation than held, `not_allowed` for another key than
    /// an operator's or a signature that is not its.
    [[nodiscard]] virtual Result<void> forget(Forget order) = 0;
    struct RingUse {
        bool use_now = false;  ///< the first key given seals at once, also to who does not have it
        bool keep_own = false; ///< keys held that are not in it stay; the sealing one, then the
                               ///< newest, while there is room
    };
    /// Takes the place of the ring there is, durably. The key that seals stays as long as it is in
    /// the ring, unless `use_now`; then the first one given seals. `invalid` for what is no ring or
    /// another fleet's, `conflict` for an older one or another key under a version held: nothing
    /// is changed then.
    [[nodiscard]] virtual Result<void> set_ring(Secret text, RingUse use) = 0;
};

} // namespace jackdaw::agent
