#pragma once
// Whether a silence says something of this member or of the others (GOSSIP.md, section 5, and
// decision 21 of core/README.md). Who hears nobody must not judge: perhaps its own link is cut. But
// the few that outlive most of a fleet hear each other rarely, too, and must judge in the end.
//
//   silence ──► a spell begins ──► each period many are asked at once ("soundings"), and of these
//     a quarter or more were heard:      the link is bad; it goes on not judging
//     fewer were, for `hold`:            the others are gone; it judges
//
// A spell ends when nobody was missed for half of `hold`, or for a fifteenth of it once half of the
// others were heard; while it judges, too, or the few would begin to wait anew. Pure.

#include <algorithm>
#include <cstddef>
#include <set>

#include "proto/base/time.h"
#include "proto/messages/gossip.h"

namespace jackdaw::swim {

class Ears {
public:
    explicit Ears(Instant now) noexcept : heard_at_{now} {}

    [[nodiscard]] Instant heard_at() const noexcept { return heard_at_; }
    [[nodiscard]] Duration silence(Instant now) const noexcept { return now - heard_at_; }
    [[nodiscard]] bool has_spell() const noexcept { return has_spell_; }

    /// `gap`: in the silence that ends with this somebody should have been heard.
    void heard(Instant now, proto::NodeId who, bool gap) {
        heard_at_ = now;
        if (!has_spell_) {
            return;
        }
        last_gap_ = gap ? now : last_gap_;
        if (heard_.size() < heard_most) {
            heard_.insert(who);
        }
    }
    /// Once a period. `gap`: the silence is now so long that somebody should have been heard.
    void look(Instant now, bool gap, std::size_t others, Duration hold) {
        if (gap && !has_spell_) {
            has_spell_ = true;
            began_at_ = heard_at_;
            last_gap_ = now;
        } else if (has_spell_ && !gap &&
                   now - last_gap_ >= (2 * heard_.size() >= others ? hold / 15 : hold / 2)) {
            has_spell_ = false;
            heard_.clear();
            asked_ = 0;
        }
    }
    void asked(std::size_t count) noexcept { asked_ += count; }

    /// When a spell that goes on as it does is over; `never` without one, and while enough answer.
    [[nodiscard]] Instant over_at(std::size_t others, Duration hold) const noexcept {
        const bool few = has_spell_ && heard_.size() < std::min(asked_, others) / 4;
        return few ? began_at_ + hold : never;
    }

private:
    static constexpr std::size_t heard_most = 4096; ///< a quarter of the most members there are
    Instant heard_at_;
    bool has_spell_ = false;
    Instant began_at_{}; ///< when somebody was heard last before it
    Instant last_gap_{};
    std::set<proto::NodeId> heard_; ///< since it began
    std::size_t asked_ = 0;
};

} // namespace jackdaw::swim
