#include "gossip/core/swim/own.h"

#include <cassert>
#include <utility>

namespace jackdaw::swim {

Own::Own(const Snapshot& kept, std::uint64_t unix_s)
    : boot_{static_cast<std::uint32_t>(
          std::max<std::uint64_t>(std::uint64_t{kept.boot} + 1, unix_s & 0xFFFF'FFFFU))} {
    incarnation_ = std::max<std::uint64_t>(kept.incarnation_reserved + 1, boot_);
    reserve(false);
    waiting_.push_back({Persist::Kind::boot, false, 0, boot_, {}});
}

void Own::reserve(bool ahead) {
    asked_ = (ahead ? asked_ : incarnation_) + reserve_step;
    waiting_.push_back({Persist::Kind::reserve, ahead, asked_, 0, {}});
}

void Own::raise_to(std::uint64_t incarnation) {
    assert(incarnation > incarnation_ && incarnation < proto::incarnation_end);
    incarnation_ = incarnation;
    if (is_jump(incarnation_)) { // nothing is sent until it is durable
        reserve(false);
    } else if (asked_ - incarnation_ <= reserve_low) {
        reserve(true);
    }
}

void Own::new_boot(std::uint32_t boot) {
    assert(boot > boot_);
    boot_ = boot;
    waiting_.push_back({Persist::Kind::boot, false, 0, boot_, {}});
}

void Own::keep_addresses(std::vector<NetAddress> addresses) {
    std::erase_if(waiting_, [](const Persist& p) { return p.kind == Persist::Kind::addresses; });
    waiting_.push_back({Persist::Kind::addresses, true, 0, 0, std::move(addresses)});
}

void Own::persisted(const Persist& record) noexcept {
    switch (record.kind) {
    case Persist::Kind::reserve: durable_ = std::max(durable_, record.incarnation); break;
    case Persist::Kind::boot: durable_boot_ = std::max(durable_boot_, record.boot); break;
    case Persist::Kind::addresses: break;
    }
}

std::optional<Persist> Own::poll() {
    if (waiting_.empty()) {
        return std::nullopt;
    }
    auto record = std::move(waiting_.front());
    waiting_.pop_front();
    return record;
}

} // namespace jackdaw::swim
