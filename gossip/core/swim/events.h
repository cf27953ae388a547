#pragma once
// What membership tells its agent.

#include <cstdint>

#include "gossip/core/swim/records.h"

namespace jackdaw::swim {

struct Event {
    enum class Kind : std::uint8_t {
        joined,        ///< unknown, left or forgotten -> alive
        updated,       ///< other static fields, or another status
        suspected,     ///< -> suspect
        recovered,     ///< suspect or down -> alive
        down,          ///< -> down
        left,          ///< it said that it goes; about this member: it is silent from now on
        forgotten,     ///< no longer shown
        refuted,       ///< somebody held this member suspect, down or left (`state`)
        isolated,      ///< nobody was heard for three periods
        reconnected,   ///< somebody is heard again
        name_conflict, ///< two alive members with this name
        twin_detected, ///< another machine holds this member's key; this one is silent from now on
        hint,
        incompatible, ///< `version`: a sender whose datagrams cannot be read
        overflow,     ///< events were lost: look at the view again
    };
    Kind kind = Kind::overflow;
    NodeId id{};
    Standing state = Standing::alive;
    SignedRef record; ///< name and address of `id`; null when not known
    std::uint8_t topic = 0;
    std::uint64_t key = 0;
    std::uint64_t version = 0;
};

} // namespace jackdaw::swim
