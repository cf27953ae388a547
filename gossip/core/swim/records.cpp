#include "gossip/core/swim/records.h"

#include <cassert>
#include <memory>

namespace jackdaw::swim {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
    auto z = a ^ (b * 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 31U)) * 0xBF58476D1CE4E5B9ULL;
    return z ^ (z >> 29U);
}

std::uint64_t hash_of(const SignedRecord& record) noexcept {
    return mix(raw(record.id), record.incarnation + (record.kind == NewsKind::left ? 1 : 0));
}
std::uint64_t hash_of(const StatusRecord& record) noexcept {
    return mix(raw(record.id), record.version);
}

template <class Map, class Record>
void erase_one(Map& map, Record* record) noexcept {
    const auto [first, last] = map.equal_range(hash_of(*record));
    for (auto at = first; at != last; ++at) {
        if (at->second == record) {
            map.erase(at);
            delete record;
            return;
        }
    }
    assert(!"every record is in its pool");
}

std::uint8_t offset(std::string_view part, std::string_view whole) noexcept {
    return part.empty() ? 0 : static_cast<std::uint8_t>(part.data() - whole.data());
}

} // namespace

NewsItem SignedRecord::as_news() const noexcept {
    NewsItem item;
    item.kind = kind;
    item.id = id;
    item.incarnation = incarnation;
    item.bytes = body();
    item.public_key = public_key();
    item.signature = signature();
    return item;
}

NewsItem StatusRecord::as_news() const noexcept {
    NewsItem item;
    item.kind = NewsKind::status;
    item.id = id;
    item.version = version;
    item.bytes = bytes;
    return item;
}

Records::~Records() {
    assert(signed_.empty() && statuses_.empty() && "the pool outlives its records");
}

SignedRef Records::keep_signed(const NewsItem& item) {
    assert(item.kind == NewsKind::alive || item.kind == NewsKind::left);
    SignedRecord probe;
    probe.kind = item.kind;
    probe.id = item.id;
    probe.incarnation = item.incarnation;
    const auto hash = hash_of(probe);
    const auto [first, last] = signed_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
        const auto& held = *at->second;
        if (held.kind == item.kind && held.body() == item.bytes &&
            held.public_key() == item.public_key && held.signature() == item.signature) {
            return SignedRef{at->second};
        }
    }
    auto made = std::make_unique<SignedRecord>(std::move(probe));
    made->pool = this;
    made->place = view_.hash(raw(item.id));
    made->bytes.reserve(item.bytes.size() + 96);
    made->bytes.append(item.bytes).append(item.public_key).append(item.signature);
    if (item.kind == NewsKind::alive) {
        const auto& alive = item.alive;
        made->version = alive.version;
        made->version_min = alive.version_min;
        made->boot = alive.boot;
        made->caps = alive.caps;
        made->ring = alive.ring;
        made->sealing = alive.sealing;
        made->address = alive.address;
        made->name_at = offset(alive.name, item.bytes);
        made->name_size = static_cast<std::uint8_t>(alive.name.size());
        made->zone_at = offset(alive.zone, item.bytes);
        made->zone_size = static_cast<std::uint8_t>(alive.zone.size());
    }
    signed_.emplace(hash, made.get());
    return SignedRef{made.release()};
}

StatusRef Records::keep_status(NodeId id, std::uint64_t version, std::string_view bytes) {
    const auto hash = mix(raw(id), version);
    const auto [first, last] = statuses_.equal_range(hash);
    for (auto at = first; at != last; ++at) {
        const auto& held = *at->second;
        if (held.id == id && held.version == version && held.bytes == bytes) {
            return StatusRef{at->second};
        }
    }
    auto made = std::make_unique<StatusRecord>();
    made->pool = this;
    made->id = id;
    made->version = version;
    made->bytes = bytes;
    statuses_.emplace(hash, made.get());
    return StatusRef{made.release()};
}

void Records::drop(SignedRecord* record) noexcept {
    erase_one(signed_, record);
}
void Records::drop(StatusRecord* record) noexcept {
    erase_one(statuses_, record);
}

} // namespace jackdaw::swim
