// jackdaw events: the timeline of one instance, or those of all of a fleet as one.

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "coordinator/commands/account_lists.h"
#include "coordinator/commands/follow_news.h"
#include "coordinator/commands/handlers.h"
#include "coordinator/commands/reach.h"
#include "coordinator/core/words.h"
#include "proto/base/ids.h"
#include "proto/base/rfc3339.h"
#include "proto/base/size.h"

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

/// In a fleet that is followed a silent agent holds up the news of the others no longer than this,
constexpr milliseconds news_limit{2'000};
constexpr milliseconds between_tries{10'000}; ///< and is asked again no sooner.

Style style_of_weight(const std::string& weight) {
    return weight == "error" ? Style::bad : weight == "warning" ? Style::warning : Style::plain;
}

struct Event {
    std::string at;
    Json item; ///< with its instance
    std::vector<Cell> row;
};

struct Timeline {
    std::vector<Event> events;
    std::uint64_t last = 0; ///< sequence number
};

Result<Timeline> timeline_from(const Json& list, const std::string& instance) {
    Timeline timeline;
    JACKDAW_TRY(const auto items, items_of(list));
    for (const auto& item : items) {
        JACKDAW_TRY(const auto sequence, proto::number_at(item, "sequence", 0, UINT64_MAX));
        timeline.last = std::max(timeline.last, sequence);
        Event event;
        for (const auto* key : {"at", "weight", "kind", "subject", "text", "operation"}) {
            JACKDAW_TRY(auto text, proto::string_at(item, key, ""));
            event.row.push_back({std::move(text)});
        }
        event.at = event.row.front().text;
        event.row[1].style = style_of_weight(event.row[1].text);
        event.item = item;
        event.item["instance"] = instance;
        timeline.events.push_back(std::move(event));
    }
    return timeline;
}

/// As one: by time, those of one agent in their order. The newest `limit` of them.
void merge(std::vector<Event>& all, std::vector<Event> more, std::uint64_t limit) {
    std::ranges::move(more, std::back_inserter(all));
    std::ranges::stable_sort(all, {}, &Event::at);
    if (all.size() > limit) {
        all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(limit));
    }
}

/// Whose an event is stands in a column of its own where there are several.
std::vector<Cell> cells_of(const Event& event, bool of_many) {
    auto cells = event.row;
    if (of_many) {
        cells.insert(cells.begin() + 1, {event.item.value("instance", "")});
    }
    return cells;
}

std::string list_text(const std::vector<Event>& events, const Invocation& invocation, bool colour,
                      bool of_many, Json list) {
    Table table{{{"AT"}, {"WEIGHT"}, {"KIND"}, {"SUBJECT"}, {"TEXT"}, {"OPERATION", true}}, {}};
    if (of_many) {
        table.columns.insert(table.columns.begin() + 1, {"INSTANCE"});
    }
    list["items"] = Json::array();
    for (const auto& event : events) {
        table.rows.push_back(cells_of(event, of_many));
        list["items"].push_back(event.item);
    }
    return render_list(list, table, invocation.format, colour, "kind");
}

/// Only the rows: what is followed has one head.
std::string rows_text(const std::vector<Event>& events, const Invocation& invocation, bool colour,
                      bool of_many) {
    if (is_structured(invocation.format)) {
        auto jsonl = invocation;
        jsonl.format = Format::jsonl;
        return list_text(events, jsonl, false, of_many, proto::list_json("Event", {}, ""));
    }
    std::string text;
    for (const auto& event : events) {
        auto cells = cells_of(event, of_many);
        cells.pop_back(); // the operation
        for (std::size_t i = 0; i < cells.size(); ++i) {
            text += i == 0 ? "" : "  ";
            text += styled(printable(cells[i].text), cells[i].style, colour);
        }
        text += "\n";
    }
    return text;
}

/// --kind, --weight, --since as the agent's query has them; it judges them.
Result<std::string> filters_of(const Session& session, const Invocation& invocation) {
    std::string query;
    for (const auto* key : {"kind", "weight"}) {
        if (const auto flag = fmt::format("--{}", key); invocation.has(flag)) {
            query += fmt::format("&{}={}", key, percent_encoded(invocation.text(flag)));
        }
    }
    if (invocation.has("--since")) {
        auto since = invocation.text("--since");
        if (!is_rfc3339_utc(since)) {
            const auto ago = parse_duration(since);
            if (!ago) {
                return Error{Errc::invalid,
                             fmt::format("--since '{}': neither so long ago (1s to 30d, e.g. 2h) "
                                         "nor a time as in 2026-01-02T03:04:05Z",
                                         printable(since.substr(0, 40)))};
            }
            since = rfc3339(session.clock.wall_ms() - ago->count());
        }
        query += "&since=" + percent_encoded(since);
    }
    return query;
}

/// An agent of a fleet whose timelines are read as one.
struct Teller {
    cloud::Machine machine;
    ClientPtr client;
    std::optional<std::uint64_t> last; ///< sequence number; nullopt: nothing was told yet
    bool is_silent = false;            ///< and that was said
    std::chrono::steady_clock::time_point not_before{};
};

class FleetEvents {
public:
    FleetEvents(Session& session, const Invocation& invocation, Reach& reach, std::uint64_t limit,
                std::string only)
        : session_{session},
          invocation_{invocation},
          reach_{reach},
          limit_{limit},
          only_{std::move(only)} {}

    Result<int> run(std::vector<cloud::Machine> machines) {
        std::vector<Event> all;
        std::vector<std::string> unreachable;
        std::optional<Error> first;
        for (auto& machine : machines) {
            auto& teller = tellers_.emplace_back();
            teller.machine = std::move(machine);
            auto told = ask(teller, answer_limit);
            if (told) {
                merge(all, *std::move(told), limit_);
                continue;
            }
            if (told.error().code() == Errc::invalid) { // so say all of them
                return std::move(told).error();
            }
            unreachable.push_back(teller.machine.label);
            fell_silent(teller, told.error());
            if (!first) {
                first = std::move(told).error();
            }
        }
        if (first && unreachable.size() == tellers_.size()) {
            return *std::move(first);
        }
        const bool colour = session_.terminal.colour_out();
        if (!invocation_.has("--follow")) {
            session_.terminal.page(list_text(
                all, invocation_, colour, true,
                proto::list_json("Event", {}, session_.now_text(), std::move(unreachable))));
            return 0;
        }
        session_.terminal.out(rows_text(all, invocation_, colour, true));
        return follow_news(session_, invocation_, [&]() -> Result<void> {
            JACKDAW_TRY(const auto news, look_again());
            session_.terminal.out(rows_text(news, invocation_, colour, true));
            return ok();
        });
    }

private:
    Result<std::vector<Event>> ask(Teller& teller, milliseconds limit) {
        if (!teller.client) {
            JACKDAW_TRY(teller.client, reach_.of_machine(teller.machine));
        }
        const auto from =
            teller.last ? fmt::format("after={}", *teller.last) : fmt::format("limit={}", limit_);
        const auto list =
            get(*teller.client, fmt::format("/v1/events?{}{}", from, only_), session_.in(limit));
        if (!list) {
            teller.client = nullptr;
            return list.error().clone();
        }
        auto timeline = timeline_from(*list, teller.machine.label);
        if (!timeline) { // this one's alone; what all refuse is `invalid`
            return Error{Code::protocol, "its timeline has another shape"};
        }
        teller.last = std::max(teller.last.value_or(0), timeline->last);
        teller.is_silent = false;
        return std::move(timeline->events);
    }

    /// What it tells when it is back is shown then.
    void fell_silent(Teller& teller, const Error& error) {
        if (!teller.is_silent) {
            session_.terminal.err(fmt::format("warning: the events of '{}' are missing: {}\n",
                                              printable(teller.machine.label),
                                              printable(error.message())));
        }
        teller.is_silent = true;
        teller.not_before = session_.in(between_tries);
    }

    /// The last failure when nobody answers.
    Result<std::vector<Event>> look_again() {
        std::vector<Event> news;
        std::optional<Error> failed;
        bool one_tells = false;
        JACKDAW_TRY(auto* const cloud, reach_.cloud());
        for (auto& teller : tellers_) {
            if (teller.is_silent && session_.clock.now() < teller.not_before) {
                continue;
            }
            if (teller.is_silent) { // it may have been switched on meanwhile
                auto now = cloud->provider().describe_machine(teller.machine.name);
                teller.machine = now ? *std::move(now) : std::move(teller.machine);
            }
            auto told = ask(teller, news_limit);
            if (told) {
                merge(news, *std::move(told), SIZE_MAX);
                one_tells = true;
            } else {
                fell_silent(teller, told.error());
                failed = std::move(told).error();
            }
        }
        if (!one_tells) {
            return failed ? *std::move(failed)
                          : Error{Errc::unavailable, "no agent of the fleet answers"};
        }
        return news;
    }

    Session& session_;
    const Invocation& invocation_;
    Reach& reach_;
    std::uint64_t limit_;
    std::string only_;
    std::vector<Teller> tellers_;
};

/// This machine's agent where it is known to run no instance: its timeline is of gossip and itself.
ClientPtr of_no_instance(Session& session, Reach& reach) {
    auto client = reach.local() ? reach.any() : Result<ClientPtr>{ClientPtr{}};
    if (!client || !*client) {
        return nullptr;
    }
    const auto instance = get(**client, "/v1/instance", session.in(answer_limit));
    const bool has_none = !instance && instance.error().code() == Errc::not_found;
    return has_none ? *std::move(client) : nullptr;
}

/// access_instance(), or the agent of no instance when none is named.
Result<InstanceAccess> access_timeline(Session& session, const Invocation& invocation) {
    if (!invocation.has("INSTANCE") && !invocation.has("--instance")) {
        JACKDAW_TRY(auto reach, Reach::find(session, invocation));
        if (auto client = of_no_instance(session, reach)) {
            return InstanceAccess{std::move(reach), {}, std::move(client)};
        }
    }
    return access_instance(session, invocation);
}

} // namespace

Result<int> events(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto limit, count_of(invocation, "--limit", "100"));
    JACKDAW_TRY(const auto only, filters_of(session, invocation));
    if (!invocation.has("INSTANCE") && !invocation.has("--instance")) {
        JACKDAW_TRY(auto reach, Reach::find(session, invocation));
        JACKDAW_TRY(auto machines,
                    reach.local() ? Result<std::vector<cloud::Machine>>{{}} : reach.machines());
        if (machines.size() > 1) {
            return FleetEvents{session, invocation, reach, limit, only}.run(std::move(machines));
        }
    }
    JACKDAW_TRY(auto at, access_timeline(session, invocation));
    JACKDAW_TRY(const auto list, get(*at.client, fmt::format("/v1/events?limit={}{}", limit, only),
                                     session.in(answer_limit)));
    JACKDAW_TRY(const auto begun, timeline_from(list, at.name));
    const bool colour = session.terminal.colour_out();
    if (!invocation.has("--follow")) {
        session.terminal.page(list_text(begun.events, invocation, colour, false, list));
        return 0;
    }
    session.terminal.out(rows_text(begun.events, invocation, colour, false));
    auto last = begun.last;
    return follow_news_of(session, invocation, at, [&](ApiClient& client) -> Result<void> {
        JACKDAW_TRY(const auto more, get(client, fmt::format("/v1/events?after={}{}", last, only),
                                         session.in(answer_limit)));
        JACKDAW_TRY(const auto came, timeline_from(more, at.name));
        session.terminal.out(rows_text(came.events, invocation, colour, false));
        last = std::max(last, came.last);
        return ok();
    });
}

} // namespace jackdaw::cli
