#pragma once
// One life of gossip, for the files fleet*.cpp alone.

#include <utility>
#include <vector>

#include "agent/fleet.h"

namespace jackdaw::agent {

/// In the order of making; what is below refers to what is above.
struct Fleet::Node {
    Node(const swim::Config& config, swim::Identity identity, const swim::Snapshot& kept,
         swim::Crypto crypto, std::uint64_t seed, std::vector<gossip::DatagramSocket> sockets,
         proto::SealRing ring, Fleet& fleet)
        : commons{identity.fleet},
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
