#pragma once
// How a member finds the others: whom to ask, when again, and how far their list was read
// (GOSSIP.md, section 9). What is read is applied elsewhere.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "gossip/core/swim/config.h"
#include "gossip/core/swim/random.h"
#include "gossip/core/swim/view.h"
#include "proto/wire/gossip_codec.h"

namespace jackdaw::swim {

class Joiner {
public:
    Joiner(std::size_t addresses_max, Duration rto) noexcept
        : addresses_max_{addresses_max}, rto_{rto} {}

    /// Ask these, now, and then the ones before; newest first, `own` skipped.
    void ask(Instant now, std::span<const NetAddress> addresses, const NetAddress& own);
    /// What was learned of others to ask: behind those there are.
    void add(std::span<const NetAddress> addresses, const NetAddress& own);
    /// All that it was told to ask, and what it learned of others.
    [[nodiscard]] std::span<const NetAddress> addresses() const noexcept { return addresses_; }
    [[nodiscard]] bool is_asking() const noexcept { return asking_; }
    [[nodiscard]] bool is_paging() const noexcept { return paging_; }
    /// Rounds of asking since ask() that nobody has answered yet.
    [[nodiscard]] std::uint32_t unanswered() const noexcept { return asking_ ? attempts_ : 0; }

    struct Ask {
        bool page; ///< else: join
        NetAddress to;
        std::uint64_t cursor = 0;
    };
    /// What is due by `now`: up to 3 joins, or one page_ask. `ready`: what came is verified.
    void due(Instant now, Random& random, bool ready, std::vector<Ask>& out);
    [[nodiscard]] Instant next_due(bool ready) const noexcept;

    /// A page from `from`. True when it is the first of this join.
    bool page(Instant now, const NetAddress& from, std::uint64_t next, std::uint8_t following);
    /// Is a word of `from` about this joining? While pages are read, of no other than who was
    /// asked: any other could have it wait for a minute, again and again.
    [[nodiscard]] bool awaits(const NetAddress& from) const noexcept {
        return asking_ || (paging_ && from == server_);
    }
    /// It that was asked has no time and names `others`: one of them is asked at once, it alone;
    /// when all are known already, or eight were asked so, `retry` passes.
    void busy(Instant now, Duration retry, std::span<const NetAddress> others,
              const NetAddress& own);
    /// The member that is read from did not answer three times: read on from this one.
    void read_from(Instant now, const NetAddress& other) noexcept;
    /// Reads a whole round from `other`, from `cursor` on and back to it.
    void read_round(Instant now, const NetAddress& other, std::uint64_t cursor) noexcept;
    /// A page that told nothing, though it is said not to be the last: another is read from, at
    /// once.
    void told_nothing(Instant now, const NetAddress& from) noexcept {
        if (paging_ && from == server_) {
            tries_ = 3;
            page_at_ = now;
        }
    }
    /// Whoever is alone though it was answered: all addresses, from the first on.
    void ask_again(Instant now, const NetAddress& own) {
        if (!asking_ && !paging_ && !addresses_.empty()) {
            ask(now, {}, own);
        }
    }
    [[nodiscard]] bool is_round() const noexcept { return paging_ && round_; }
    void stop_reading() noexcept { paging_ = false; }
    [[nodiscard]] bool wants_another() const noexcept { return paging_ && tries_ >= 3; }

private:
    std::size_t addresses_max_;
    Duration rto_;
    std::vector<NetAddress> addresses_;
    std::size_t next_address_ = 0;
    bool asking_ = false;
    bool paging_ = false;
    std::uint32_t attempts_ = 0;
    std::uint32_t hops_ = 0; ///< from one that was busy to another, in this attempt
    bool asks_one_ = false;  ///< the next to be asked, and no more
    Instant ask_at_ = never;
    NetAddress server_{};
    std::uint64_t cursor_ = 0;
    std::uint64_t until_ = 0; ///< of a round: where it began
    bool round_ = false;
    bool wrapped_ = false;
    std::uint32_t asked_ = 0; ///< of this reading
    std::uint32_t tries_ = 0;
    Instant page_at_ = never;
};

/// The next records to tell from `cursor` on: positions in live and dead, in the order of places.
struct PagePlan {
    struct Item {
        const Entry* entry;
        std::size_t bytes;
    };
    /// One datagram: items [first, last), and the cursor behind it.
    struct Page {
        std::size_t first;
        std::size_t last;
        std::uint64_t next;
    };
    std::vector<Item> items;
    std::vector<Page> pages;
};
/// At most `pages` datagrams of at most `room` bytes of news each. A member's records stay
/// together.
void plan_pages(const View& view, std::uint64_t cursor, std::size_t pages, std::size_t room,
                PagePlan& plan);
/// What is told of a member: its alive, its status, and how it ended.
[[nodiscard]] std::size_t record_bytes(const View& view, const Entry& entry) noexcept;

} // namespace jackdaw::swim
