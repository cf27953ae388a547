// The timeline: what of it is asked for, once or as it goes on.
#include <algorithm>
#include <array>

#include "agent/api/router_parts.h"
#include "proto/base/rfc3339.h"

namespace jackdaw::agent {
namespace {

constexpr std::uint64_t events_shown = 100;
constexpr std::size_t events_shown_max = 10'000;
constexpr std::size_t stream_batch = 100;

constexpr std::array weights{"info", "warning", "error"}; ///< of an event, the least first

/// Which entries of the timeline are asked for.
struct EventFilter {
    std::string kind;       ///< "volume.full", or all that begin so: "volume"; empty: all
    std::size_t weight = 0; ///< that one, or graver
    std::string since;      ///< RFC 3339 in UTC, as entries have it; sorts as time does

    [[nodiscard]] bool is_any() const { return kind.empty() && weight == 0 && since.empty(); }
    [[nodiscard]] bool takes(const proto::EventShape& entry) const {
        const auto own =
            static_cast<std::size_t>(std::ranges::find(weights, entry.weight) - weights.begin());
        return own >= weight && entry.at >= since &&
               (kind.empty() || entry.kind == kind || entry.kind.starts_with(kind + "."));
    }
};

Result<EventFilter> filter_of(const Target& target) {
    const auto text = [&](const char* key) {
        const auto at = target.query.find(key);
        return at == target.query.end() ? std::string{} : at->second;
    };
    EventFilter filter{text("kind"), 0, text("since")};
    const auto known = [&](const EventKind& one) {
        return one.kind == filter.kind || one.kind.starts_with(filter.kind + ".");
    };
    if (!filter.kind.empty() && std::ranges::none_of(event_kinds(), known)) {
        std::string names;
        for (const auto& one : event_kinds()) {
            names += fmt::format("{}{}", names.empty() ? "" : ", ", one.kind);
        }
        return Error{Errc::invalid,
                     fmt::format("no kind of event '{}'", filter.kind.substr(0, shown_bytes_max))}
            .with_hint(fmt::format("a part before the dot, or one of {}", names));
    }
    if (const auto weight = text("weight"); !weight.empty()) {
        const auto at = std::ranges::find(weights, weight);
        if (at == weights.end()) {
            return Error{Errc::invalid, "'weight' is info, warning or error"};
        }
        filter.weight = static_cast<std::size_t>(at - weights.begin());
    }
    if (!filter.since.empty() && !is_rfc3339_utc(filter.since)) {
        return Error{Errc::invalid, "'since' is a time as in 2026-01-02T03:04:05.678Z"};
    }
    if (!filter.since.empty()) {
        filter.since.pop_back(); // then "…:05" stands before "…:05.678"
    }
    return filter;
}

} // namespace

Stream
Router::timeline_stream(std::uint64_t after,
                        std::function<bool(const proto::EventShape& entry)> is_wanted) const {
    Stream stream;
    stream.watch = timeline_watch;
    stream.next = [this, after, is_wanted = std::move(is_wanted)]() mutable -> StreamPart {
        StreamPart part;
        const auto entries = parts_.timeline->read(after, stream_batch);
        if (!entries) {
            part.ended = true;
            return part;
        }
        for (const auto& entry : *entries) {
            after = entry.sequence;
            if (!is_wanted(entry)) {
                continue;
            }
            part.items.push_back({"event", dump(proto::to_json(entry))});
        }
        part.has_more = entries->size() == stream_batch;
        return part;
    };
    return stream;
}

std::optional<Stream> Router::event_stream(const Target& target) const {
    const auto after = number_of(target, "after");
    const auto filter = filter_of(target);
    if (parts_.timeline == nullptr || !after || !filter) {
        return std::nullopt; // handle() says what is wrong with it
    }
    return timeline_stream(
        after->value_or(parts_.timeline->last()),
        [wanted = *filter](const proto::EventShape& entry) { return wanted.takes(entry); });
}

Router::Outcome Router::events(const ApiRequest& /*request*/, const Target& target) const {
    if (parts_.timeline == nullptr) {
        return Error{Errc::unsupported, "this agent keeps no timeline"};
    }
    JACKDAW_TRY(const auto asked, number_of(target, "limit"));
    const auto limit = asked.value_or(events_shown);
    if (limit == 0 || limit > events_shown_max) {
        return Error{Errc::invalid, fmt::format("'limit' is 1 to {}", events_shown_max)};
    }
    JACKDAW_TRY(const auto after, number_of(target, "after"));
    JACKDAW_TRY(const auto filter, filter_of(target));
    const auto all = filter.is_any() ? static_cast<std::size_t>(limit) : events_shown_max;
    JACKDAW_TRY(auto entries,
                after ? parts_.timeline->read(*after, all) : parts_.timeline->newest(all));
    std::erase_if(entries, [&](const auto& entry) { return !filter.takes(entry); });
    if (entries.size() > limit) { // the first behind `after`, else the newest
        const auto more = static_cast<std::ptrdiff_t>(entries.size() - limit);
        after ? entries.erase(entries.end() - more, entries.end())
              : entries.erase(entries.begin(), entries.begin() + more);
    }
    Json items = Json::array();
    for (const auto& entry : entries) {
        items.push_back(proto::to_json(entry));
    }
    return answer(proto::list_json("Event", std::move(items), as_of()));
}

} // namespace jackdaw::agent
