#include "gossip/net/sealed_link.h"

#include <algorithm>

#include <sodium.h>

namespace jackdaw::gossip {

const proto::SealNonce& Nonces::next() {
    if (used_ == drawn_) {
        drawn_ = std::clamp<std::size_t>(drawn_ * 2, 1, block_max);
        used_ = 0;
        randombytes_buf(block_.data(), drawn_ * sizeof block_[0]);
    }
    return block_[used_++];
}

void Nonces::end_burst() noexcept {
    sodium_memzero(block_.data(), sizeof block_);
    used_ = 0;
    drawn_ = 0;
}

bool SealedLink::open(std::string_view datagram, std::string_view& plain) {
    switch (ring_.open(datagram, plain_, plain)) {
    case proto::SealRing::Opened::ok:
        ++counters_.opened;
        counters_.opened_newest += proto::key_id_of(datagram) == ring_.newest_id() ? 1U : 0U;
        return true;
    case proto::SealRing::Opened::unknown_key: ++counters_.unknown_key; return false;
    case proto::SealRing::Opened::broken: ++counters_.broken; return false;
    }
    return false;
}

std::size_t SealedLink::seal(std::string_view plain, std::span<char> out) {
    ++counters_.sealed;
    return ring_.seal(nonces_.next(), plain, out);
}

} // namespace jackdaw::gossip
