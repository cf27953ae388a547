#pragma once
// The agents that are given the fleet's ring of gossip keys, and who of them may miss a change of
// it.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/commands/held_keys.h"
#include "coordinator/commands/reach.h"
#include "proto/wire/gossip_ring.h"

namespace jackdaw::cli {

/// Every machine that is on, with its agent or why that does not answer.
struct Holder {
    std::string name;
    Result<ClientPtr> client;
    bool is_gone = false; ///< does not answer, and the others hear nothing of it, either
};
[[nodiscard]] Result<std::vector<Holder>> holders_of(Reach& reach);
/// What an agent holds, as it says itself.
[[nodiscard]] Result<HeldKeys> held_by(Session& session, Holder& holder);

struct RingUse {
    bool use_now = false;  ///< the first key seals at once
    bool keep_own = false; ///< agents keep keys that the ring does not have
};
/// To all that are not gone; the first failure comes back once each was tried, and each is told.
struct Handed {
    Result<void> outcome;
    std::size_t count = 0; ///< of agents that took it
};
[[nodiscard]] Handed hand_out(Session& session, std::vector<Holder>& holders,
                              const proto::GossipRing& ring, RingUse use = {});

/// "db2, db3", or a few of them and how many more.
[[nodiscard]] std::string some_of(const std::vector<std::string>& names);

/// "; machines that are off: 2, frozen: 1, `then` once they are on"; empty when all are on.
[[nodiscard]] std::string who_is_not_on(const std::vector<cloud::Machine>& machines,
                                        std::string_view then);

/// What the agents say before the ring is changed.
struct Survey {
    bool all_have = true;              ///< who answers holds the fleet's newest key
    bool one_tells = false;            ///< a member said whom it hears
    std::vector<std::string> unjudged; ///< do not answer here; not gone as far as anybody can tell
    std::vector<std::string> gone;
    std::set<std::uint32_t> held;     ///< of the ring's keys, those that somebody holds
    std::set<std::uint32_t> clashing; ///< of its versions, those of another key with somebody
    std::uint32_t newest = 0;         ///< of all that agents hold
    std::set<std::pair<std::uint32_t, std::string>> sealing; ///< version and id of what they use
};
/// Each agent uses a key once all whom it hears have it. So who does not answer here may miss a
/// change as a machine that is off may, but only when no agent that answers hears it: those are
/// marked as gone, unless `asks_others` is false: then nobody is.
[[nodiscard]] Survey survey(Session& session, std::vector<Holder>& holders,
                            const proto::GossipRing& ring, bool asks_others = true);

/// Another copy of this fleet's profile was rotated: agents hold another key under a version of the
/// ring, or a newer one than it has. Empty: none was; else what the next key does about it.
[[nodiscard]] std::string told_apart(const Survey& found, const proto::GossipRing& ring);
/// Gives the ring a key that is newer than all. Keys that clash leave it, as do those that no agent
/// holds: that copy may have removed them. `keep_own` when agents seal with what it lacks now: so
/// they hear each other until all have the new key.
[[nodiscard]] Result<RingUse> outgrow(const Survey& found, proto::GossipRing& ring);

/// Nothing was changed, since somebody is silent here and not gone. `what` was not done; `then`:
/// the command again.
[[nodiscard]] Error silent_here(const Survey& found, std::string_view what, std::string_view then);
/// Who could not be asked (off, gone, or on no machine of the fleet) and misses the ring's newest
/// key, or has another of its version, by what gossip last heard of it.
[[nodiscard]] std::vector<std::string> late_members(const std::vector<proto::MemberShape>& members,
                                                    const std::vector<Holder>& holders,
                                                    const proto::GossipRing& ring);
/// Those of them that are not known to hold that key.
[[nodiscard]] std::vector<std::string>
without_newest(std::vector<std::string> names, const std::vector<proto::MemberShape>& members,
               const proto::GossipRing& ring);

/// Who was passed over, on stderr; nothing when nobody was.
void tell_gone(Session& session, const Invocation& invocation, const std::vector<std::string>& gone,
               std::string_view what, std::string_view then);

} // namespace jackdaw::cli
