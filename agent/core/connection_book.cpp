#include "agent/core/connection_book.h"

#include <algorithm>

namespace jackdaw::agent {
namespace {

using State = ConnectionState;

std::size_t as_connection(const ConnectionBook::Entry& /*entry*/) {
    return 1;
}
std::size_t as_stream(const ConnectionBook::Entry& entry) {
    return entry.is_stream ? 1 : 0;
}
std::size_t as_work(const ConnectionBook::Entry& entry) {
    return entry.state == State::working && !entry.is_stream ? 1 : 0;
}
std::size_t as_bytes(const ConnectionBook::Entry& entry) {
    return entry.bytes;
}

bool may_go(const ConnectionBook::Entry& entry) {
    return entry.state != State::working && entry.state != State::streaming;
}

/// Root's is everything; nobody else's is more than half.
std::size_t share(ConnectionBook::Owner owner, std::size_t max) {
    return owner == ConnectionBook::root ? max : (max + 1) / 2;
}

} // namespace

std::size_t ConnectionBook::total_of(Owner owner, Measure measure) const {
    std::size_t sum = 0;
    for (const auto& [id, entry] : entries_) {
        sum += entry.owner == owner ? measure(entry) : 0;
    }
    return sum;
}

/// The one that waits longest of the owner that has most, or of the given one.
std::optional<ConnectionBook::Id> ConnectionBook::who_goes(std::optional<Owner> of, Measure measure,
                                                           Id not_this) const {
    std::map<Owner, std::size_t> sums; // of those that could go: only they make room
    for (const auto& [id, entry] : entries_) {
        if (may_go(entry) && id != not_this && measure(entry) > 0 && (!of || entry.owner == *of)) {
            sums[entry.owner] += measure(entry);
        }
    }
    if (sums.empty()) {
        return std::nullopt;
    }
    const auto most =
        std::ranges::max_element(sums, {}, [](const auto& one) { return one.second; });
    std::optional<Id> oldest;
    for (const auto& [id, entry] : entries_) {
        if (may_go(entry) && id != not_this && measure(entry) > 0 && entry.owner == most->first &&
            (!oldest || entry.since_ms < entries_.at(*oldest).since_ms)) {
            oldest = id;
        }
    }
    return oldest;
}

std::optional<ConnectionBook::Id> ConnectionBook::enter(Owner owner, std::int64_t now_ms,
                                                        std::vector<Id>& made_room) {
    const auto own_max = share(owner, limits_.connections_max);
    // Counting one owner's is a walk, so only when it may matter.
    const bool own_full = entries_.size() >= own_max && total_of(owner, as_connection) >= own_max;
    if (own_full || entries_.size() >= limits_.connections_max) {
        const auto going =
            who_goes(own_full ? std::optional{owner} : std::nullopt, as_connection, 0);
        if (!going) {
            return std::nullopt;
        }
        leave(*going);
        made_room.push_back(*going);
    }
    entries_.emplace(++last_, Entry{owner, State::fresh, now_ms, 0, false});
    return last_;
}

void ConnectionBook::leave(Id id) {
    const auto at = entries_.find(id);
    if (at == entries_.end()) {
        return;
    }
    bytes_ -= at->second.bytes;
    working_ -= as_work(at->second);
    streams_ -= as_stream(at->second);
    entries_.erase(at);
}

bool ConnectionBook::begin_work(Id id, std::int64_t now_ms) {
    const auto at = entries_.find(id);
    if (at == entries_.end() || at->second.is_stream || working_ >= limits_.working_max) {
        return false;
    }
    const auto own_max = share(at->second.owner, limits_.working_max);
    if (working_ >= own_max && total_of(at->second.owner, as_work) >= own_max) {
        return false;
    }
    became(id, State::working, now_ms);
    return true;
}

bool ConnectionBook::begin_stream(Id id, std::int64_t now_ms) {
    const auto at = entries_.find(id);
    if (at == entries_.end() || streams_ >= limits_.streams_max) {
        return false;
    }
    const auto own_max = share(at->second.owner, limits_.streams_max);
    if (streams_ >= own_max && total_of(at->second.owner, as_stream) >= own_max) {
        return false;
    }
    became(id, State::streaming, now_ms);
    at->second.is_stream = true;
    ++streams_;
    return true;
}

void ConnectionBook::became(Id id, State state, std::int64_t now_ms) {
    const auto at = entries_.find(id);
    if (at == entries_.end()) {
        return;
    }
    working_ -= as_work(at->second);
    at->second.state = state;
    at->second.since_ms = now_ms;
    working_ += as_work(at->second);
}

bool ConnectionBook::hold(Id id, std::size_t bytes, std::vector<Id>& made_room) {
    const auto at = entries_.find(id);
    if (at == entries_.end()) {
        return false;
    }
    const auto own_max = share(at->second.owner, limits_.bytes_max);
    if (bytes > own_max) {
        return false;
    }
    std::vector<Id> going;
    auto left = bytes_ - at->second.bytes;
    auto own = left + bytes > own_max ? total_of(at->second.owner, as_bytes) - at->second.bytes : 0;
    while (left + bytes > limits_.bytes_max || own + bytes > own_max) {
        const auto one = who_goes(
            own + bytes > own_max ? std::optional{at->second.owner} : std::nullopt, as_bytes, id);
        if (!one) {
            made_room.insert(made_room.end(), going.begin(), going.end());
            return false;
        }
        const auto& entry = entries_.at(*one);
        left -= entry.bytes;
        own -= entry.owner == at->second.owner ? std::min(own, entry.bytes) : 0;
        leave(*one);
        going.push_back(*one);
    }
    bytes_ = left + bytes;
    at->second.bytes = bytes;
    made_room.insert(made_room.end(), going.begin(), going.end());
    return true;
}

std::vector<ConnectionBook::Id> ConnectionBook::take_overdue(std::int64_t now_ms) {
    const auto limit_of = [this](const Entry& entry) -> std::optional<std::int64_t> {
        switch (entry.state) {
        case State::fresh: return limits_.fresh_ms;
        case State::receiving: return limits_.receiving_ms;
        case State::writing: return limits_.writing_ms;
        case State::idle: return limits_.idle_ms;
        case State::working:
        case State::streaming: break;
        }
        return std::nullopt;
    };
    std::vector<Id> over;
    for (const auto& [id, entry] : entries_) {
        const auto limit = limit_of(entry);
        if (limit && now_ms - entry.since_ms >= *limit) {
            over.push_back(id);
        }
    }
    for (const auto id : over) {
        leave(id);
    }
    return over;
}

const ConnectionBook::Entry* ConnectionBook::find(Id id) const {
    const auto at = entries_.find(id);
    return at == entries_.end() ? nullptr : &at->second;
}

} // namespace jackdaw::agent
