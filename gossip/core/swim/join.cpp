#include "gossip/core/swim/join.h"

#include <algorithm>

namespace jackdaw::swim {
namespace {

constexpr std::size_t asked_at_once = 3;
constexpr std::uint32_t hops_max = 8;
/// In one reading: four times what the largest fleet needs at 16 records an answer. Who makes
/// cursors of its own could go on for ever.
constexpr std::uint32_t pages_asked_max = 4096;
constexpr Duration first_again = std::chrono::milliseconds{500};
constexpr Duration longest_again = std::chrono::seconds{30};

} // namespace

void Joiner::add(std::span<const NetAddress> addresses, const NetAddress& own) {
    for (const auto& address : addresses) {
        if (address.is_set() && address != own && addresses_.size() < addresses_max_ &&
            std::ranges::find(addresses_, address) == addresses_.end()) {
            addresses_.push_back(address);
        }
    }
}

void Joiner::ask(Instant now, std::span<const NetAddress> addresses, const NetAddress& own) {
    const auto before = std::exchange(addresses_, {});
    add(addresses, own);
    add(before, own);
    next_address_ = 0;
    attempts_ = 0;
    asking_ = !addresses_.empty();
    ask_at_ = asking_ ? now : never;
}

void Joiner::due(Instant now, Random& random, bool ready, std::vector<Ask>& out) {
    if (asking_ && ask_at_ <= now) {
        const auto count = asks_one_ ? 1 : std::min(asked_at_once, addresses_.size());
        for (std::size_t i = 0; i < count; ++i) {
            out.push_back({false, addresses_[next_address_ % addresses_.size()], 0});
            ++next_address_;
        }
        const auto wait = std::min(longest_again, first_again * (1U << std::min(attempts_, 6U)));
        if (!asks_one_) {
            ++attempts_;
            hops_ = 0;
        }
        asks_one_ = false;
        ask_at_ = now + wait * 3 / 4 + random.below(wait / 2);
    }
    if (paging_ && ready && page_at_ <= now) {
        ++tries_;
        page_at_ = now + rto_;
        if (tries_ <= 3 && ++asked_ <= pages_asked_max) {
            out.push_back({true, server_, cursor_});
        }
        paging_ = asked_ <= pages_asked_max;
    }
}

Instant Joiner::next_due(bool ready) const noexcept {
    return std::min(asking_ ? ask_at_ : never, paging_ && ready ? page_at_ : never);
}

bool Joiner::page(Instant now, const NetAddress& from, std::uint64_t next, std::uint8_t following) {
    const bool is_first = asking_;
    if (is_first) {
        asking_ = false;
        paging_ = true;
        round_ = false;
        asked_ = 0;
        server_ = from;
        cursor_ = 0;
        tries_ = 0;
    }
    if (!paging_) {
        return false;
    }
    if (next == 0 && round_ && !wrapped_ && until_ != 0) {
        wrapped_ = true;
        cursor_ = 0;
        tries_ = 0;
        page_at_ = now;
        return is_first;
    }
    if (next == 0 || (round_ && wrapped_ && next >= until_)) {
        paging_ = false;
        return is_first;
    }
    if (next > cursor_) { // also of another that answered: the order is the same everywhere
        cursor_ = next;
        tries_ = 0;
    }
    if (from == server_) {
        page_at_ = following == 0 ? now : now + rto_;
    }
    return is_first;
}

void Joiner::busy(Instant now, Duration retry, std::span<const NetAddress> others,
                  const NetAddress& own) {
    const auto known = addresses_.size();
    add(others, own);
    const bool knows_more = addresses_.size() > known && hops_ < hops_max;
    hops_ += knows_more ? 1 : 0;
    if (asking_ && knows_more) {
        next_address_ = known;
        asks_one_ = true;
        ask_at_ = now;
    } else if (asking_) {
        ask_at_ = std::min(ask_at_, now + retry);
    } else if (paging_ && knows_more) { // the order is the same everywhere
        read_from(now, addresses_[known]);
    } else if (paging_) {
        page_at_ = now + retry;
        tries_ = 0;
    }
}

void Joiner::read_round(Instant now, const NetAddress& other, std::uint64_t cursor) noexcept {
    paging_ = true;
    round_ = true;
    wrapped_ = false;
    asked_ = 0;
    cursor_ = cursor;
    until_ = cursor;
    read_from(now, other);
}

void Joiner::read_from(Instant now, const NetAddress& other) noexcept {
    server_ = other;
    tries_ = 0;
    page_at_ = now;
}

std::size_t record_bytes(const View& view, const Entry& entry) noexcept {
    auto bytes = proto::bytes_of(entry.alive->as_news());
    if (entry.status) {
        bytes += proto::bytes_of(entry.status->as_news());
    }
    if (!is_live(entry.state)) {
        const auto* const death = view.death_of(entry.id());
        constexpr std::size_t down_max = 29;
        bytes +=
            death != nullptr && death->left ? proto::bytes_of(death->left->as_news()) : down_max;
    }
    return bytes;
}

void plan_pages(const View& view, std::uint64_t cursor, std::size_t pages, std::size_t room,
                PagePlan& plan) {
    plan.items.clear();
    plan.pages.clear();
    auto live = view.live_from(cursor);
    auto dead = view.dead_from(cursor);
    const auto next_entry = [&]() -> const Entry* {
        const auto* const a = live < view.live() ? &view.live_at(live) : nullptr;
        const auto* const b = dead < view.dead() ? &view.dead_at(dead) : nullptr;
        if (a == nullptr || (b != nullptr && b->place() < a->place())) {
            return b;
        }
        return a;
    };
    while (plan.pages.size() < pages) {
        PagePlan::Page page{plan.items.size(), 0, 0};
        std::size_t used = 2; // the list's head, grown
        const auto* entry = next_entry();
        for (; entry != nullptr; entry = next_entry()) {
            const auto bytes = record_bytes(view, *entry);
            if (used + bytes > room && plan.items.size() != page.first) {
                break;
            }
            used += bytes;
            plan.items.push_back({entry, bytes});
            is_live(entry->state) ? ++live : ++dead;
        }
        page.last = plan.items.size();
        page.next = entry == nullptr ? 0 : entry->place();
        plan.pages.push_back(page);
        if (entry == nullptr) {
            return;
        }
    }
}

} // namespace jackdaw::swim
