#include "gossip/core/swim/records.h"

#include <algorithm>
#include <cassert>
#include <initializer_list>
#include <new>
#include <type_traits>

namespace jackdaw::swim {
namespace {

std::uint64_t round(std::uint64_t z) noexcept {
    z = (z ^ (z >> 31U)) * 0xBF58476D1CE4E5B9ULL;
    return z ^ (z >> 29U);
}
/// Members choose both, and must not choose what falls together: so neither goes in unsalted.
std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t salt) noexcept {
    return round(round(a ^ salt) + b * (0x9E3779B97F4A7C15ULL ^ (salt << 1U)));
}

std::uint64_t hash_of(NodeId id, std::uint64_t incarnation, NewsKind kind,
                      std::uint64_t salt) noexcept {
    return mix(raw(id), incarnation + (kind == NewsKind::left ? 1 : 0), salt);
}
std::uint64_t hash_of(const SignedRecord& record, std::uint64_t salt) noexcept {
    return hash_of(record.id, record.incarnation, record.kind, salt);
}
std::uint64_t hash_of(const StatusRecord& record, std::uint64_t salt) noexcept {
    return mix(raw(record.id), record.version, salt);
}

/// A record and `bytes` behind it, in one block.
template <class Record>
Record* make(Records* pool, std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (const auto part : parts) {
        size += part.size();
    }
    void* const memory = ::operator new(sizeof(Record) + size);
    auto* const record = new (memory) Record{};
    record->pool = pool;
    record->size = static_cast<std::uint16_t>(size);
    auto* at = reinterpret_cast<char*>(record + 1);
    for (const auto part : parts) {
        at = std::ranges::copy(part, at).out;
    }
    return record;
}

template <class Record>
void unmake(Record* record) noexcept {
    static_assert(std::is_trivially_destructible_v<Record>);
    ::operator delete(record);
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
    item.bytes = bytes();
    return item;
}

template <class Record>
void RecordPool<Record>::put(Record* record) {
    if (count_ >= buckets_.size()) {
        std::vector<Record*> more(std::max<std::size_t>(16, buckets_.size() * 2));
        for (auto* bucket : buckets_) {
            while (bucket != nullptr) {
                auto& to = more[hash_of(*bucket, salt_) & (more.size() - 1)];
                auto* const rest = bucket->next;
                bucket->next = std::exchange(to, bucket);
                bucket = rest;
            }
        }
        buckets_ = std::move(more);
    }
    record->next = std::exchange(buckets_[hash_of(*record, salt_) & (buckets_.size() - 1)], record);
    ++count_;
}

template <class Record>
void RecordPool<Record>::erase(Record* record) noexcept {
    auto* link = &buckets_[hash_of(*record, salt_) & (buckets_.size() - 1)];
    while (*link != record) {
        assert(*link != nullptr && "every record is in its pool");
        link = &(*link)->next;
    }
    *link = record->next;
    --count_;
}

Records::~Records() {
    assert(size() == 0 && "the pool outlives its records");
}

SignedRef Records::keep_signed(const NewsItem& item) {
    assert(item.kind == NewsKind::alive || item.kind == NewsKind::left);
    const auto hash = hash_of(item.id, item.incarnation, item.kind, salt_);
    for (auto* held = signed_.first(hash); held != nullptr; held = held->next) {
        if (held->id == item.id && held->kind == item.kind && held->body() == item.bytes &&
            held->public_key() == item.public_key && held->signature() == item.signature) {
            return SignedRef{held};
        }
    }
    auto* const made = make<SignedRecord>(this, {item.bytes, item.public_key, item.signature});
    made->kind = item.kind;
    made->id = item.id;
    made->incarnation = item.incarnation;
    made->place = view_.hash(raw(item.id));
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
    signed_.put(made);
    return SignedRef{made};
}

StatusRef Records::keep_status(NodeId id, std::uint64_t version, std::string_view bytes) {
    for (auto* held = statuses_.first(mix(raw(id), version, salt_)); held != nullptr;
         held = held->next) {
        if (held->id == id && held->version == version && held->bytes() == bytes) {
            return StatusRef{held};
        }
    }
    auto* const made = make<StatusRecord>(this, {bytes});
    made->id = id;
    made->version = version;
    statuses_.put(made);
    return StatusRef{made};
}

void Records::drop(SignedRecord* record) noexcept {
    signed_.erase(record);
    unmake(record);
}
void Records::drop(StatusRecord* record) noexcept {
    statuses_.erase(record);
    unmake(record);
}

} // namespace jackdaw::swim
