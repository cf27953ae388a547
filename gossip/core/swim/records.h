#pragma once
// What members signed or said of themselves, kept as it came. Immutable and counted, so that a view
// needs one pointer for it, and the views of a simulation's ten thousand members share it.
//
// Not thread-safe: one strand, and the pool outlives whatever refers to its records.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

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

/// `alive` or `left`: body, key and signature, with the fields that are asked for often.
struct SignedRecord {
    Records* pool = nullptr;
    std::uint32_t uses = 0;
    NewsKind kind = NewsKind::alive;
    std::uint8_t version = 0;
    std::uint8_t version_min = 0;
    std::uint8_t name_at = 0, name_size = 0, zone_at = 0, zone_size = 0; ///< in `bytes`
    NodeId id{};
    std::uint64_t incarnation = 0;
    std::uint64_t place = 0; ///< the fleet's hash of the id: where it stands in every view
    std::uint32_t boot = 0;
    std::uint32_t caps = 0;
    std::uint32_t ring = 0;
    std::uint32_t sealing = 0;
    NetAddress address{};
    std::string bytes; ///< body, public key, signature

    [[nodiscard]] std::string_view body() const noexcept {
        return std::string_view{bytes}.substr(0, bytes.size() - 96);
    }
    [[nodiscard]] std::string_view public_key() const noexcept {
        return std::string_view{bytes}.substr(bytes.size() - 96, 32);
    }
    [[nodiscard]] std::string_view signature() const noexcept {
        return std::string_view{bytes}.substr(bytes.size() - 64);
    }
    [[nodiscard]] std::string_view name() const noexcept {
        return std::string_view{bytes}.substr(name_at, name_size);
    }
    [[nodiscard]] std::string_view zone() const noexcept {
        return std::string_view{bytes}.substr(zone_at, zone_size);
    }
    [[nodiscard]] NewsItem as_news() const noexcept;
};

struct StatusRecord {
    Records* pool = nullptr;
    std::uint32_t uses = 0;
    NodeId id{};
    std::uint64_t version = 0;
    std::string bytes;

    [[nodiscard]] NewsItem as_news() const noexcept;
};

using SignedRef = Ref<SignedRecord>;
using StatusRef = Ref<StatusRecord>;

class Records {
public:
    explicit Records(proto::ViewKey view) noexcept : view_{view} {}
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
    // By a hash; only ever looked up, never walked, so their order decides nothing.
    std::unordered_multimap<std::uint64_t, SignedRecord*> signed_;
    std::unordered_multimap<std::uint64_t, StatusRecord*> statuses_;
};

} // namespace jackdaw::swim
