#pragma once
// What members signed or said of themselves, kept as it came. Immutable and counted, so that a view
// needs one pointer for it, and the views of a simulation's ten thousand members share it.
//
// Not thread-safe: one strand, and the pool outlives whatever refers to its records.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/messages/gossip.h"
#include "proto/wire/gossip_identity.h"

namespace jackdaw::swim {

using proto::NetAddress;
using proto::NewsItem;
using proto::NewsKind;
using proto::NodeId;
using proto::raw;
using proto::Standing;

class Records;

/// Shared ownership of an immutable record of a pool, one pointer wide.
template <class Record>
class Ref {
public:
    Ref() = default;
    explicit Ref(Record* record) noexcept : record_{record} { ++record_->uses; }
    Ref(const Ref& other) noexcept : record_{other.record_} {
        if (record_ != nullptr) {
            ++record_->uses;
        }
    }
    Ref(Ref&& other) noexcept : record_{std::exchange(other.record_, nullptr)} {}
    Ref& operator=(Ref other) noexcept {
        std::swap(record_, other.record_);
        return *this;
    }
    ~Ref() {
        if (record_ != nullptr && --record_->uses == 0) {
            record_->pool->drop(record_);
        }
    }

    [[nodiscard]] const Record* operator->() const noexcept { return record_; }
    [[nodiscard]] const Record& operator*() const noexcept { return *record_; }
    [[nodiscard]] explicit operator bool() const noexcept { return record_ != nullptr; }
    friend bool operator==(const Ref&, const Ref&) = default;

private:
    Record* record_ = nullptr;
};

/// What both kinds of records begin with. Each is one block of memory: the object, then its bytes.
template <class Record>
struct Pooled {
    Records* pool = nullptr;
    Record* next = nullptr; ///< of its bucket
    std::uint32_t uses = 0;
    std::uint16_t size = 0; ///< of its bytes

    [[nodiscard]] std::string_view all_bytes() const noexcept {
        return {reinterpret_cast<const char*>(static_cast<const Record*>(this) + 1), size};
    }
};

/// `alive` or `left`: body, key and signature, as they came, with the fields that are asked for
/// often.
struct SignedRecord : Pooled<SignedRecord> {
    NewsKind kind = NewsKind::alive;
    std::uint8_t version = 0;
    std::uint8_t version_min = 0;
    std::uint8_t name_at = 0, name_size = 0, zone_at = 0, zone_size = 0; ///< in its bytes
    NodeId id{};
    std::uint64_t incarnation = 0;
    std::uint64_t place = 0; ///< the fleet's hash of the id: where it stands in every view
    std::uint32_t boot = 0;
    std::uint32_t caps = 0;
    std::uint32_t ring = 0;
    std::uint32_t sealing = 0;
    NetAddress address{};

    [[nodiscard]] std::string_view body() const noexcept {
        return all_bytes().substr(0, size - 96U);
    }
    [[nodiscard]] std::string_view public_key() const noexcept {
        return all_bytes().substr(size - 96U, 32);
    }
    [[nodiscard]] std::string_view signature() const noexcept {
        return all_bytes().substr(size - 64U);
    }
    [[nodiscard]] std::string_view name() const noexcept {
        return all_bytes().substr(name_at, name_size);
    }
    [[nodiscard]] std::string_view zone() const noexcept {
        return all_bytes().substr(zone_at, zone_size);
    }
    [[nodiscard]] NewsItem as_news() const noexcept;
};

struct StatusRecord : Pooled<StatusRecord> {
    NodeId id{};
    std::uint64_t version = 0;

    [[nodiscard]] std::string_view bytes() const noexcept { return all_bytes(); }
    [[nodiscard]] NewsItem as_news() const noexcept;
};

using SignedRef = Ref<SignedRecord>;
using StatusRef = Ref<StatusRecord>;

/// A table of buckets whose records are chained: no memory beside the records but a pointer each.
template <class Record>
class RecordPool {
public:
    explicit RecordPool(std::uint64_t salt) noexcept : salt_{salt} {}

    [[nodiscard]] Record* first(std::uint64_t hash) const noexcept {
        return buckets_.empty() ? nullptr : buckets_[hash & (buckets_.size() - 1)];
    }
    void put(Record* record);
    void erase(Record* record) noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    std::uint64_t salt_;
    std::vector<Record*> buckets_; ///< a power of two of them
    std::size_t count_ = 0;
};

class Records {
public:
    /// `salt`: of the table, where nobody else can know it. It changes no answer.
    explicit Records(proto::ViewKey view, std::uint64_t salt = 0) noexcept
        : view_{view}, salt_{salt}, signed_{salt}, statuses_{salt} {}
    Records(const Records&) = delete;
    Records& operator=(const Records&) = delete;
    ~Records();

    /// The record of an `alive` or `left`; its signature must have been found good.
    [[nodiscard]] SignedRef keep_signed(const NewsItem& item);
    [[nodiscard]] StatusRef keep_status(NodeId id, std::uint64_t version, std::string_view bytes);

    [[nodiscard]] std::size_t size() const noexcept { return signed_.size() + statuses_.size(); }
    [[nodiscard]] const proto::ViewKey& view_key() const noexcept { return view_; }

private:
    friend class Ref<SignedRecord>;
    friend class Ref<StatusRecord>;
    void drop(SignedRecord* record) noexcept;
    void drop(StatusRecord* record) noexcept;

    proto::ViewKey view_;
    std::uint64_t salt_;
    // By a hash; only ever looked up, never walked, so their order decides nothing.
    RecordPool<SignedRecord> signed_;
    RecordPool<StatusRecord> statuses_;
};

} // namespace jackdaw::swim
