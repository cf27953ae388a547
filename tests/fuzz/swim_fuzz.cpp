// Arbitrary bytes at all that reads gossip: the seal, the message, the blob, and the state machine
// behind them with its asserts on.

#include <cstdint>
#include <string>
#include <string_view>

#include "gossip/core/swim.h"
#include "proto/wire/blob.h"
#include "proto/wire/seal.h"
#include "proto/wire/swim_codec.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

void drain(gossip::Swim& swim) {
    while (const auto outbound = swim.poll_message()) {
        const auto bytes = proto::encode(outbound->message);
        require(bytes.size() <= proto::swim_plain_bytes_max);
        const auto read = proto::decode_swim(bytes);
        require(read && *read == outbound->message);
    }
    while (swim.poll_event()) {
    }
}

void run_core(const proto::SwimMessage& message) {
    proto::Member self;
    self.id = proto::NodeId{1};
    self.address = "127.0.0.1:7412";
    gossip::Config config;
    config.members_max = 4;
    gossip::Swim swim{config, self, 7, Instant{}};
    for (int second = 0; second < 12; ++second) {
        const auto now = Instant{} + std::chrono::seconds{second};
        (void)swim.receive(now, message); // refusing it is an answer, too
        swim.tick(now);
        drain(swim);
        require(swim.next_wakeup() >= now);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    static const auto ring = proto::parse_ring("1 " + std::string(64, 'a'));
    static const auto fleet = proto::fleet_tag("prod");
    if (const auto plain = proto::unseal(*ring, fleet, bytes)) {
        require(plain->size() + proto::seal_bytes == bytes.size());
    }
    // The most that a key holder can do: a good seal around anything.
    const auto resealed = proto::unseal(*ring, fleet, proto::seal(*ring, fleet, {}, bytes));
    require(resealed && *resealed == bytes);
    if (const auto rings = proto::parse_ring(bytes)) {
        require(!rings->entries().empty() && rings->entries().size() <= proto::KeyRing::keys_max);
    }
    if (const auto blob = proto::decode_blob(bytes)) {
        const auto again = proto::decode_blob(proto::encode_blob(*blob));
        require(again && *again == *blob);
    }
    if (const auto message = proto::decode_swim(bytes)) {
        const auto again = proto::decode_swim(proto::encode(*message));
        require(again && *again == *message);
        run_core(*message);
    }
    return 0;
}
