#pragma once
// What gossip counted since its start (GOSSIP.md, section 15). All grow only.

#include <array>
#include <cstdint>

#include "proto/messages/gossip.h"

namespace jackdaw::swim {

struct Counters {
    struct Kind {
        std::uint64_t datagrams = 0;
        std::uint64_t bytes = 0; ///< plaintext
    };
    std::array<Kind, proto::datagram_kinds> in{}; ///< [0]: kinds unknown here
    std::array<Kind, proto::datagram_kinds> out{};

    std::uint64_t heard = 0; ///< datagrams of others that were taken: no replays, nothing of nobody
    std::uint64_t dropped_malformed = 0;
    std::uint64_t dropped_version = 0;
    std::uint64_t dropped_replay = 0;
    std::uint64_t dropped_boot = 0;     ///< lower, or higher without a proof
    std::uint64_t dropped_stranger = 0; ///< of no member, and nothing that a stranger may send
    std::uint64_t dropped_own_id = 0;
    std::uint64_t dropped_rate = 0;
    std::uint64_t dropped_outbox = 0;
    std::uint64_t news_stale = 0;      ///< items that changed nothing
    std::uint64_t news_too_high = 0;   ///< accusations beyond what can be refuted
    std::uint64_t news_forged = 0;     ///< false signatures, foreign keys
    std::uint64_t news_unverified = 0; ///< dropped, since too many waited
    std::uint64_t news_ignored = 0;    ///< of who had just told of too many false ones
    std::uint64_t members_refused = 0; ///< beyond the limit
    std::uint64_t zones_refused = 0;   ///< members whose zone is beyond the limit
    std::uint64_t graves_dropped = 0;  ///< tombstones beyond the limit
    std::uint64_t events_lost = 0;     ///< beyond the limit

    std::uint64_t probes_ok = 0;
    std::uint64_t probes_indirect = 0; ///< of the ok ones
    std::uint64_t probes_failed = 0;
    std::uint64_t probes_refused = 0; ///< of observers and of rumours, beyond their limits
    std::uint64_t pings_again = 0;
    std::uint64_t doubts = 0;
    std::uint64_t doubts_cleared = 0; ///< by observers
    std::uint64_t doubts_published = 0;
    std::uint64_t doubts_refused = 0; ///< beyond the limit
    std::uint64_t suspicions = 0;
    std::uint64_t refutations = 0;
    std::uint64_t accused_again = 0; ///< of what was refuted already, or is being
    std::uint64_t downs = 0;         ///< own verdicts
    std::uint64_t deaf_ms = 0;
    std::uint64_t soundings = 0; ///< pings beside the probes, while hardly anybody was heard
    std::uint64_t late_ticks = 0;
    std::uint64_t lates_judged = 0; ///< of those: late often, and others were heard
    std::uint64_t lost_input = 0;
    std::uint64_t losses_judged = 0; ///< after which it was judged as ever: there were many of late
    std::uint64_t syncs = 0;         ///< begun here
    std::uint64_t sync_bytes = 0;
    std::uint64_t synced = 0; ///< facts learned by sync
    std::uint64_t joins_served = 0;
    std::uint64_t joins_busy = 0;
    std::uint64_t relays_refused = 0;
    std::uint64_t digests_differ = 0;      ///< pings and acks that showed another view
    std::uint64_t digests_differ_long = 0; ///< of those: neither view had changed for 10 s
};

} // namespace jackdaw::swim
