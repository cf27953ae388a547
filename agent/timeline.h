#pragma once
// What happened on this machine, in order: joins, crashes, restarts, pressure, configuration,
// operations. Durable, bounded, typed; the same in `jackdaw events`, GET /v1/events and its stream.
//
// Writers (the life thread, the loop) only queue; one commit on the worker pool takes what has come
// together. A storm is cut: what is left out is counted, and told as one entry.

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/state/store.h"
#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/runtime/clock.h"

namespace jackdaw::agent {

struct TimelineLimits {
    std::size_t entries_max = 5'000;
    std::size_t text_bytes_max = 1'024;
    std::size_t burst = 200;               ///< at once
    std::int64_t per_second_milli = 5'000; ///< in the long run: 5 a second
};

class Timeline {
public:
    /// `run_later` gets work that commits, for the worker pool; `on_change` runs there after a
    /// commit.
    struct Parts {
        StateStore& store;
        const runtime::Clock& clock;
        std::function<void(std::function<void()>)> run_later;
        std::function<void()> on_change;
    };
    explicit Timeline(Parts parts, TimelineLimits limits = {});

    /// Finds the last sequence number. `corrupt` when an entry cannot be read.
    [[nodiscard]] Result<void> load();

    /// Thread-safe, does not wait. `kind` is one of event_kinds(); texts are cut and made
    /// printable.
    void add(std::string_view kind, std::string subject, std::string text,
             std::string operation = {});
    /// Commits what is queued; for the end of the program and for tests.
    void flush();

    /// At most `limit` entries behind `after` (0: from the oldest), oldest first.
    [[nodiscard]] Result<std::vector<proto::EventShape>> read(std::uint64_t after,
                                                              std::size_t limit) const;
    /// The newest `limit`, oldest of them first.
    [[nodiscard]] Result<std::vector<proto::EventShape>> newest(std::size_t limit) const;
    [[nodiscard]] std::uint64_t last() const;

private:
    void write();
    bool take_token();

    Parts parts_;
    TimelineLimits limits_;
    mutable std::mutex mutex_; ///< of all below
    std::deque<proto::EventShape> queued_;
    bool writing_ = false;
    std::uint64_t last_ = 0, first_ = 1; ///< first_ ≤ every kept sequence number
    std::uint64_t left_out_ = 0;
    std::int64_t tokens_milli_ = 0;
    std::int64_t filled_at_ms_ = 0;
    mutable std::mutex commit_mutex_; ///< one commit at a time, in order
};

/// The end of the agent before this one, where nobody had asked it to.
struct UnaskedEnd {
    std::string_view kind;
    std::string text;
};
/// By what it left: the newest entries, oldest of them first. `machine_since`: since when the
/// machine is on, as rfc3339() prints it. nullopt: it was asked, or there was none.
[[nodiscard]] std::optional<UnaskedEnd> unasked_end(const std::vector<proto::EventShape>& newest,
                                                    std::string_view machine_since);

/// Every kind there is, with its weight ("info", "warning", "error"). A kind that is not in it is a
/// bug.
struct EventKind {
    std::string_view kind;
    std::string_view weight;
    std::string_view text; ///< what it means, for the documentation
};
[[nodiscard]] const std::vector<EventKind>& event_kinds();

} // namespace jackdaw::agent
