#pragma once
// The members as one member holds them: flat, in one order, with a digest that is always right.
//
//   entries   one of 64 bytes per member, itself among them; their addresses never change
//   live      alive and suspect, sorted by (place, id): order of probing, digest tree and pages.
//             Each with the upper half of its place, so that looking for one touches no entry
//   dead      down and left, in the same order
//   graves    what is left of the dead after a day: (id, incarnation, state)
//
// place = the fleet's hash of an id. One order for everything, where the design sorts probing by id
// (gossip/core/README.md, 1). Looking up is O(1), changing a member's state O(n) of memmove.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "gossip/core/swim/id_map.h"
#include "gossip/core/swim/records.h"
#include "gossip/core/swim/replay.h"
#include "gossip/core/swim/states.h"

namespace jackdaw::swim {

/// Does that member hold this one's present `alive`? If it may not, it is sent along, since a
/// datagram of a boot that is not proved is dropped there.
enum class Greeting : std::uint8_t { unknown, knows, differs };

/// As much of a digest as the tree's nodes have.
[[nodiscard]] constexpr std::uint32_t digest_on_wire(std::uint64_t digest) noexcept {
    return static_cast<std::uint32_t>(digest >> 32U);
}

struct Entry {
    SignedRef alive; ///< the last that was believed
    StatusRef status;
    std::uint64_t incarnation = 0; ///< held: accusations may raise it above that of `alive`
    std::uint64_t digest = 0;
    Instant since{}; ///< of its state
    ReplayWindow replay;
    Standing state = Standing::alive;
    std::uint8_t zone = 0; ///< of Estimates
    Greeting greeting = Greeting::unknown;
    std::uint8_t replays = 0; ///< datagrams in a row whose numbers were far below the highest

    [[nodiscard]] NodeId id() const noexcept { return alive->id; }
    [[nodiscard]] std::uint64_t place() const noexcept { return alive->place; }
    [[nodiscard]] Claim claim() const noexcept { return {incarnation, state}; }
    [[nodiscard]] std::uint64_t status_version() const noexcept {
        return status ? status->version : 0;
    }
};

static_assert(sizeof(Entry) == 64);

struct Tombstone {
    NodeId id{};
    Claim claim;
    Instant since{};
};

/// How a member died, for who asks later.
struct Death {
    SignedRef left; ///< null: down
    NodeId by{};    ///< who said down
};

class View {
public:
    using Slot = std::uint32_t;

    /// `salt`: random, so that nobody can choose ids that fall together in the index.
    View(const proto::ViewKey& key, std::uint64_t salt) noexcept
        : key_{key}, salt_{salt}, deaths_{salt} {}

    // --- Reading ------------------------------------------------------------------------------
    [[nodiscard]] const Entry* find(NodeId id) const noexcept;
    [[nodiscard]] Entry* find(NodeId id) noexcept;
    /// Has memory bring what find() will look at: a datagram's items are about members that nobody
    /// looked at for long. First the index of all, then the entries of all.
    void expect_index(NodeId id) const noexcept;
    void expect_entry(NodeId id) const noexcept;
    [[nodiscard]] std::size_t live() const noexcept { return live_.size(); }
    [[nodiscard]] std::size_t dead() const noexcept { return dead_.size(); }
    [[nodiscard]] std::size_t suspects() const noexcept { return suspects_; }
    [[nodiscard]] const Entry& live_at(std::size_t index) const noexcept {
        return entry_of(live_[index]);
    }
    [[nodiscard]] Entry& live_at(std::size_t index) noexcept { return entry_of(live_[index]); }
    [[nodiscard]] const Entry& dead_at(std::size_t index) const noexcept {
        return entry_of(dead_[index]);
    }
    [[nodiscard]] Entry& dead_at(std::size_t index) noexcept { return entry_of(dead_[index]); }
    /// Where it stands among the live; the entry must be one of them.
    [[nodiscard]] std::size_t live_index(const Entry& entry) const noexcept;
    /// First of the live, or of the dead, whose place is at least so high.
    [[nodiscard]] std::size_t live_from(std::uint64_t place) const noexcept;
    [[nodiscard]] std::size_t dead_from(std::uint64_t place) const noexcept;
    [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }
    /// The digests of the 256 nodes at depth 2 of the digest tree, as they travel: kept, since a
    /// sync begins with them, and reading every entry for it is most of what a large fleet in
    /// trouble costs.
    using TreeDigests = std::array<std::uint32_t, 256>;
    [[nodiscard]] const TreeDigests& tree_digests() const noexcept { return tree_digests_; }
    [[nodiscard]] const Claim* tombstone_of(NodeId id) const noexcept;
    [[nodiscard]] const Death* death_of(NodeId id) const noexcept;
    /// Graves by (place, id), from `place` on.
    using Graves = std::map<std::pair<std::uint64_t, NodeId>, Tombstone>;
    [[nodiscard]] const Graves& graves() const noexcept { return graves_; }
    [[nodiscard]] const proto::ViewKey& key() const noexcept { return key_; }
    /// Digest of one member from nothing: what the kept one is checked against.
    [[nodiscard]] std::uint64_t digest_of(const Entry& entry) const noexcept;
    /// Bytes held beside the shared records.
    [[nodiscard]] std::size_t bytes() const noexcept;

    // --- Changing -----------------------------------------------------------------------------
    /// A member not held yet, alive. Its tombstone goes.
    Entry& add(SignedRef alive, Instant now);
    void set_alive(Entry& entry, SignedRef alive, Instant now);
    /// To suspect, down or left, or a higher incarnation of the same.
    void set_state(Entry& entry, Claim claim, Instant now);
    void set_status(Entry& entry, StatusRef status);
    void set_death(NodeId id, Death death) { deaths_.put(id) = std::move(death); }
    /// The entry goes; a tombstone with its claim stays.
    void bury(Entry& entry, Instant now);
    /// A tombstone of one that was never held.
    void bury(NodeId id, Claim claim, Instant now);
    /// The dead of before `dead_before` become graves, graves of before `graves_before` go.
    /// Calls `forgotten(entry)` before each burial.
    template <class Forgotten>
    void reap(Instant dead_before, Instant graves_before, Instant now, Forgotten forgotten) {
        for (std::size_t i = dead_.size(); i-- > 0;) {
            auto& entry = entry_of(dead_[i]);
            if (entry.since < dead_before) {
                forgotten(entry);
                bury(entry, now);
            }
        }
        std::erase_if(graves_,
                      [&](const auto& grave) { return grave.second.since < graves_before; });
    }
    /// Of the dead but this one; null when there is no other.
    [[nodiscard]] Entry* oldest_dead(const Entry& except) noexcept;
    /// The oldest go, `count` of them: a pass over all graves.
    void drop_oldest_graves(std::size_t count);

private:
    static constexpr std::size_t chunk = 16; ///< entries that are allocated together
    /// In an order: (upper half of its place) << 32 | slot.
    using Ordered = std::uint64_t;

    [[nodiscard]] const Entry& entry_at(Slot slot) const noexcept {
        return (*chunks_[slot / chunk])[slot % chunk];
    }
    [[nodiscard]] Entry& entry_at(Slot slot) noexcept {
        return (*chunks_[slot / chunk])[slot % chunk];
    }
    [[nodiscard]] const Entry& entry_of(Ordered ordered) const noexcept {
        return entry_at(static_cast<Slot>(ordered));
    }
    [[nodiscard]] Entry& entry_of(Ordered ordered) noexcept {
        return entry_at(static_cast<Slot>(ordered));
    }
    [[nodiscard]] bool before(Ordered ordered, std::uint64_t place, NodeId id) const noexcept;
    [[nodiscard]] std::size_t position(const std::vector<Ordered>& order, std::uint64_t place,
                                       NodeId id) const noexcept;
    void order_in(std::vector<Ordered>& order, Slot slot);
    void order_out(std::vector<Ordered>& order, const Entry& entry);
    void redigest(Entry& entry, bool was_live);
    /// Puts one of the live into the digests, or takes it out of them.
    void flip(const Entry& entry) noexcept;
    [[nodiscard]] Slot slot_of(const Entry& entry) const noexcept;
    [[nodiscard]] std::size_t bucket_of(std::uint32_t hash) const noexcept;
    void index_in(NodeId id, Slot slot);
    void index_out(NodeId id);
    void grow_index();

    const proto::ViewKey& key_;
    std::uint64_t salt_;
    std::vector<std::unique_ptr<std::array<Entry, chunk>>> chunks_;
    Slot entries_ = 0; ///< made so far
    std::vector<Slot> free_;
    /// Open addressing: low bits of the id's hash, and slot + 1 in the lower 20; 0 is empty.
    std::vector<std::uint32_t> index_;
    std::size_t indexed_ = 0;
    std::vector<Ordered> live_;
    std::vector<Ordered> dead_;
    IdMap<Death> deaths_;
    Graves graves_;
    std::uint64_t digest_ = 0;
    TreeDigests tree_digests_{};
    std::size_t suspects_ = 0;
};

} // namespace jackdaw::swim
