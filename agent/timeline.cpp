#include "agent/timeline.h"

#include <algorithm>
#include <cassert>
#include <charconv>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "proto/base/ids.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {
namespace {

constexpr std::size_t queued_max = 1'000; ///< a store that takes seconds for a commit
constexpr std::size_t batch_max = 500;

std::string key_of(std::uint64_t sequence) {
    return fmt::format("{:016x}", sequence); // sorts as the numbers do
}

Result<proto::EventShape> entry_of(const StateRecord& record) {
    std::uint64_t sequence = 0;
    const auto [end, failure] =
        std::from_chars(record.key.data(), record.key.data() + record.key.size(), sequence, 16);
    if (failure != std::errc{} || end != record.key.data() + record.key.size()) {
        return Error{Errc::corrupt, "an entry of the timeline has no number"};
    }
    JACKDAW_TRY(const auto json, proto::parse_json(record.value));
    JACKDAW_TRY(auto entry, proto::event_from(json));
    entry.sequence = sequence;
    return entry;
}

/// Log lines and names of others get in: no control characters, and not more than so much.
std::string tidy(std::string text, std::size_t bytes_max) {
    text.resize(std::min(text.size(), bytes_max));
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return text;
}

} // namespace

const std::vector<EventKind>& event_kinds() {
    static const std::vector<EventKind> all{
        {"agent.started", "info", "an agent began its work; with its version"},
        {"agent.stopped", "info", "an agent was asked to end; the database goes on"},
        {"agent.died", "warning",
         "the agent before this one ended without being asked to; its database went on"},
        {"agent.power_cut", "error",
         "the machine went off without ending its agent and its database: its power was cut, or it "
         "crashed"},
        {"database.started", "info", "the database answers its first probe after a start"},
        {"database.adopted", "info", "an agent found the database running and took it over"},
        {"database.ended", "error", "the database ended by itself, or its guard died"},
        {"database.crash_loop", "error", "it ended too often; it is not started any more"},
        {"database.silent", "warning", "the database does not answer probes"},
        {"database.answers", "info", "the database answers probes again"},
        {"metrics.closed", "warning", "the address for metrics cannot be listened on; tried again"},
        {"volume.pressure", "warning", "the volume is filled beyond 80, 90 or 95 percent"},
        {"volume.full", "error", "the volume is full"},
        {"volume.relief", "info", "the volume has room again"},
        {"access.lost", "error", "the agent's own account in the database is not what it must be"},
        {"access.regained", "info", "it is again"},
        {"session.hunted", "warning", "somebody ends the agent's session again and again"},
        {"session.calm", "info", "nobody does any more"},
        {"accounts.doubtful", "warning", "accounts could be taken for the agent's"},
        {"accounts.clear", "info", "there are none of these any more"},
        {"sight.lost", "warning", "parts of the database cannot be looked at any more"},
        {"sight.regained", "info", "they can again"},
        {"scheduler.stopped", "warning",
         "the database's own scheduler was switched off, since what "
         "it runs took the agent's account"},
        {"scheduler.settled", "info", "it runs again, or it is off by somebody's wish"},
        {"filter.stale", "warning",
         "the machine's packet filter could not be renewed at the agent's start; tried again"},
        {"filter.renewed", "info", "it was"},
        {"connections.pressure", "warning", "nearly all connections are taken, or some refused"},
        {"connections.relief", "info", "there is room for connections again"},
        {"memory.pressure", "warning", "nearly all is taken, or a folder that is memory is full"},
        {"memory.relief", "info", "there is memory to spare again"},
        {"config.changed", "info", "parameters were set or unset"},
        {"config.reverted", "error", "no start on new parameters; the last good ones are in force"},
        {"instance.renamed", "info", "the instance got another name; its id is the same"},
        {"maintenance.begun", "info", "the agent keeps its hands off"},
        {"maintenance.ended", "info", "the agent looks after the database again"},
        {"operation.done", "info", "an operation came to its end"},
        {"operation.failed", "error", "an operation failed; it can be resumed or aborted"},
        {"operation.refused", "info",
         "what was asked of the database cannot be, or is there already; whoever asked was told"},
        {"operation.undone", "warning", "an operation was undone"},
        {"member.joined", "info", "another agent is known now"},
        {"member.suspected", "info", "another agent does not answer"},
        {"member.recovered", "info", "another agent is alive again"},
        {"member.down", "warning", "another agent is down"},
        {"member.left", "info", "another agent has left the fleet"},
        {"member.forgotten", "info",
         "one that was gone is known no more: by an operator's order, or long after it went"},
        {"key.changed", "info", "this agent holds other gossip keys, or seals with another"},
        {"gossip.refuted", "info", "others took this agent for gone; it said otherwise"},
        {"gossip.isolated", "warning", "this agent hears no other"},
        {"gossip.reconnected", "info", "this agent hears others again"},
        {"gossip.keys_missed", "error", "what comes in is sealed with keys that are not here"},
        {"gossip.keys_given", "info",
         "this agent has the keys that others seal with, or nothing comes that it does not open"},
        {"gossip.name_conflict", "warning", "two agents have one name"},
        {"gossip.twin", "error", "another machine holds this agent's keys"},
        {"timeline.cut", "warning", "more happened than is kept: so many entries are missing here"},
    };
    return all;
}

std::optional<UnaskedEnd> unasked_end(const std::vector<proto::EventShape>& newest,
                                      std::string_view machine_since) {
    const auto last = std::find_if(newest.rbegin(), newest.rend(), [](const auto& entry) {
        return entry.kind == "agent.started" || entry.kind == "agent.stopped";
    });
    if (newest.empty() || (last != newest.rend() && last->kind == "agent.stopped")) {
        return std::nullopt;
    }
    const auto& heard = newest.back().at; // these times sort as texts
    if (heard < machine_since) {
        return UnaskedEnd{"agent.power_cut",
                          fmt::format("it went off without a word, and is on since {}; last heard "
                                      "of at {}",
                                      machine_since, heard)};
    }
    const auto begun = last == newest.rend() // further back: it had lived long
                           ? std::string{}
                           : fmt::format("it had begun at {}: {}; ", last->at, last->text);
    return UnaskedEnd{"agent.died", fmt::format("{}last heard of at {}", begun, heard)};
}

Timeline::Timeline(Parts parts, TimelineLimits limits)
    : parts_{std::move(parts)},
      limits_{limits},
      tokens_milli_{static_cast<std::int64_t>(limits.burst) * 1000},
      filled_at_ms_{runtime::Clock::boottime_ns() / 1'000'000} {}

Result<void> Timeline::load() {
    const std::lock_guard lock{mutex_};
    std::string after;
    bool any = false;
    for (;;) { // until the table's end: each round begins behind the last one
        JACKDAW_TRY(const auto records, parts_.store.scan(Table::events, after, batch_max));
        if (records.empty()) {
            return ok();
        }
        if (!any) {
            JACKDAW_TRY(const auto entry, entry_of(records.front()));
            first_ = entry.sequence;
            any = true;
        }
        JACKDAW_TRY(const auto entry, entry_of(records.back()));
        last_ = entry.sequence;
        after = records.back().key;
    }
}

bool Timeline::take_token() {
    const auto now_ms = runtime::Clock::boottime_ns() / 1'000'000;
    const auto full = static_cast<std::int64_t>(limits_.burst) * 1000;
    const auto gained = (now_ms - filled_at_ms_) * limits_.per_second_milli / 1000;
    if (gained > 0) {
        tokens_milli_ = std::min(full, tokens_milli_ + gained);
        filled_at_ms_ = now_ms;
    }
    if (tokens_milli_ < 1000 || queued_.size() >= queued_max) {
        return false;
    }
    tokens_milli_ -= 1000;
    return true;
}

void Timeline::add(std::string_view kind, std::string subject, std::string text,
                   std::string operation) {
    const auto row = std::ranges::find(event_kinds(), kind, &EventKind::kind);
    assert(row != event_kinds().end());
    if (row == event_kinds().end()) {
        return;
    }
    proto::EventShape entry;
    entry.at = rfc3339(parts_.clock.wall_ms());
    entry.kind = kind;
    entry.weight = row->weight;
    entry.subject = tidy(std::move(subject), 256);
    entry.text = tidy(std::move(text), limits_.text_bytes_max);
    entry.operation = std::move(operation);
    bool begin = false;
    {
        const std::lock_guard lock{mutex_};
        if (!take_token()) {
            ++left_out_;
            return;
        }
        if (left_out_ > 0) {
            proto::EventShape cut;
            cut.at = entry.at;
            cut.kind = "timeline.cut";
            cut.weight = "warning";
            cut.text = fmt::format("{} entries are missing here", left_out_);
            cut.sequence = ++last_;
            queued_.push_back(std::move(cut));
            left_out_ = 0;
        }
        entry.sequence = ++last_;
        queued_.push_back(std::move(entry));
        begin = !writing_;
        writing_ = true;
    }
    if (begin) {
        parts_.run_later([this] { write(); });
    }
}

void Timeline::flush() {
    write();
}

void Timeline::write() {
    const std::lock_guard commit{commit_mutex_};
    for (;;) { // until nothing is queued: a batch less each time
        std::vector<Change> changes;
        {
            const std::lock_guard lock{mutex_};
            if (queued_.empty()) {
                writing_ = false;
                return;
            }
            while (!queued_.empty() && changes.size() < batch_max) {
                auto json = proto::to_json(queued_.front());
                json.erase("sequence"); // that is the key
                changes.push_back(
                    {Table::events, key_of(queued_.front().sequence),
                     json.dump(-1, ' ', false, proto::Json::error_handler_t::replace)});
                queued_.pop_front();
            }
            while (last_ - first_ + 1 > limits_.entries_max) {
                changes.push_back({Table::events, key_of(first_++), std::nullopt});
            }
        }
        if (const auto committed = parts_.store.commit(changes); !committed) {
            // What happened is lost; what is to be done is not: operations have their own journal.
            spdlog::warn("timeline: {}", committed.error().to_string());
        }
        if (parts_.on_change) {
            parts_.on_change();
        }
    }
}

Result<std::vector<proto::EventShape>> Timeline::read(std::uint64_t after,
                                                      std::size_t limit) const {
    JACKDAW_TRY(const auto records,
                parts_.store.scan(Table::events, after == 0 ? "" : key_of(after),
                                  std::min(limit, limits_.entries_max)));
    std::vector<proto::EventShape> entries;
    for (const auto& record : records) {
        JACKDAW_TRY(auto entry, entry_of(record));
        entries.push_back(std::move(entry));
    }
    return entries;
}

Result<std::vector<proto::EventShape>> Timeline::newest(std::size_t limit) const {
    std::uint64_t after = 0;
    {
        const std::lock_guard lock{mutex_};
        after = last_ > limit ? last_ - limit : 0;
    }
    return read(after, limit);
}

std::uint64_t Timeline::last() const {
    const std::lock_guard lock{mutex_};
    return last_;
}

} // namespace jackdaw::agent
