#pragma once
// One life of gossip and the words for it, for the files fleet*.cpp alone.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sodium.h>

#include "agent/fleet.h"

namespace jackdaw::agent {

/// As the API, the log and the timeline call it.
inline std::string_view standing_text(swim::Standing state) noexcept {
    switch (state) {
    case swim::Standing::alive: return "alive";
    case swim::Standing::suspect: return "suspect";
    case swim::Standing::down: return "down";
    case swim::Standing::left: return "left";
    }
    return "?";
}

inline std::string id_text(swim::NodeId id) {
    return fmt::format("{:016x}", swim::raw(id));
}

/// What a member says of itself; all empty for a later version's, or while it said nothing.
inline proto::MemberStatus status_of(const swim::Entry& entry) {
    return entry.status
               ? proto::decode_member_status(entry.status->bytes()).value_or(proto::MemberStatus{})
               : proto::MemberStatus{};
}

inline std::uint64_t random_salt() {
    std::uint64_t salt = 0;
    ::randombytes_buf(&salt, sizeof salt);
    return salt;
}

/// In the order of making; what is below refers to what is above.
struct Fleet::Node {
    Node(const swim::Config& config, swim::Identity identity, const swim::Snapshot& kept,
         swim::Crypto crypto, std::uint64_t seed, std::vector<gossip::DatagramSocket> sockets,
         proto::SealRing ring, Fleet& fleet)
        : commons{identity.fleet, random_salt()},
          core{config,
               swim::Limits{},
               std::move(identity),
               kept,
               std::move(crypto),
               seed,
               runtime::Clock::instant(),
               commons},
          pass{core, std::move(sockets), gossip::SealedLink{std::move(ring)},
               [] { return runtime::Clock::instant(); },
               [&fleet](const swim::Event& event) { fleet.on_event(event); }},
          loop{fleet.parts_.executor, pass,
               [&fleet](swim::Persist record) { return fleet.keep(std::move(record)); }} {}

    swim::Commons commons;
    swim::Swim core;
    gossip::SwimPass pass;
    gossip::SwimLoop loop;
};

} // namespace jackdaw::agent
