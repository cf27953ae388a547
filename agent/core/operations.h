#pragma once
// Operations as a plain state machine: what is wanted, how far it has come, what is to be done
// next.
//
//            submit / abort / resume ─┐                    ┌─► take_writes()  → the journal,
//            durably, first
//   step_began / done / failed / …  ──┼──►  Operations  ───┼─► next(now)      → run or undo one
//   step
//                         load ───────┘                    └─► take_changed() → tell who watches
//
// The life thread owns it. The rule that makes `kill -9` harmless: what take_writes() gives is
// durable before the step that it announces is begun, and before its end is told to anybody. A step
// found `running` at load was cut off inside; it is run again, since every step is idempotent.
//
//   queued ──► running ──► done
//                 │  └────► failed ──(resume)──► running
//                 └(abort)► running, undoing in reverse ──► undone | failed
//
// Two operations on the one instance never overlap: the second waits in the queue.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/base/error.h"
#include "proto/messages/shapes.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {

using proto::Json;

/// One moment on the scales that deadlines need; see proto/runtime/clock.h.
struct Now {
    std::string boot_id;
    std::int64_t boottime_ns = 0;
    std::int64_t wall_ms = 0;
};

/// Within one boot the boot clock decides, which nobody can set; across boots only the wall clock
/// can.
struct Deadline {
    std::string boot_id;
    std::int64_t boottime_ns = 0;
    std::int64_t wall_ms = 0;

    [[nodiscard]] static Deadline after(const Now& now, std::int64_t seconds);
    [[nodiscard]] bool passed(const Now& now) const;
    [[nodiscard]] double seconds_left(const Now& now) const;
};

/// One operation as the journal keeps it.
struct Record {
    proto::Operation shape;
    Json arguments = Json::object(); ///< what the steps need and find out; never a secret
    std::string idempotency_key;     ///< empty: none
    /// Keyed hash of what was asked for, secrets included; empty: without a key, or from an agent
    /// that kept none.
    std::string request_mac;
    Deadline deadline;
    std::int64_t created_wall_ms = 0;
    std::int64_t step_began_boottime_ns = 0;
    std::uint32_t interruptions = 0; ///< of the present step, since it was last asked for
    /// The running step was rewound. Not kept: an agent that resumes does it again anyway.
    bool rewound = false;

    [[nodiscard]] bool ended() const;
    [[nodiscard]] std::string to_text() const;
    [[nodiscard]] static Result<Record> from_text(std::string_view text);
};

struct OperationLimits {
    std::size_t records_max = 10'000;            ///< kept in the journal (ARCHITECTURE.md)
    std::int64_t age_max_ms = 90LL * 86'400'000; ///< of an ended operation
    std::size_t queued_max = 64;                 ///< waiting ones; more are refused `busy`
};

class Operations {
public:
    struct Request {
        std::string id; ///< empty: the caller of submit() must give one; made by the shell
        std::string action;
        std::string target;
        std::vector<std::string> steps;
        Json arguments = Json::object();
        std::string idempotency_key;
        std::string request_mac; ///< as in Record
        std::string caller;
        std::string cause = "request";
        std::int64_t limit_seconds = 1800;
    };
    enum class What : std::uint8_t { idle, run, undo };
    struct Next {
        What what = What::idle;
        std::string id;
        std::size_t step = 0;
    };
    struct Write {
        std::string id;
        std::optional<std::string> text; ///< nullopt: forget it
    };

    explicit Operations(OperationLimits limits = {}) : limits_{limits} {}

    /// Feeds one journal record at start, in order of id. `corrupt` if it cannot be read.
    [[nodiscard]] Result<void> load(std::string_view text);

    /// The id of the new operation; or of the one with the same idempotency key, which must have
    /// the same action, target and "request" argument, and the same request_mac where both have one
    /// (`conflict` otherwise: what differs would not be done). `busy` when too many wait.
    [[nodiscard]] Result<std::string> submit(const Now& now, Request request);

    /// What to do now. Ends operations whose steps are through, starts queued ones, and fails those
    /// whose deadline has passed at a step's border.
    [[nodiscard]] Next next(const Now& now);

    void step_began(const Now& now, const std::string& id, std::size_t step);
    void step_progress(const std::string& id, std::size_t step, double progress);
    /// At most 16 of 1 KiB are kept, each once. False: this one is there already.
    bool warn(const std::string& id, std::string text);
    /// `engine_us`: the part of the step spent inside the engine's own processes.
    void step_done(const Now& now, const std::string& id, std::size_t step, std::int64_t engine_us);
    /// The operation ends `failed`; steps done stay done, so that resume() goes on where it was.
    void step_failed(const Now& now, const std::string& id, std::size_t step,
                     proto::ErrorShape error);
    /// What did the step (or its undo) was killed from outside, and nobody knows how far it came:
    /// it is done again, as after the agent's own death. False, and nothing happens, when that was
    /// so three times already: then it has failed.
    [[nodiscard]] bool interrupted(const std::string& id);
    void undo_done(const Now& now, const std::string& id, std::size_t step);
    void undo_failed(const Now& now, const std::string& id, std::size_t step,
                     proto::ErrorShape error);
    void set_argument(const std::string& id, const std::string& key, Json value);

    /// A request, not an end: steps done are undone in reverse order. One that has begun no step is
    /// `undone` at once, whatever runs meanwhile. `not_found`; ended `done` or `undone`:
    /// `conflict`.
    [[nodiscard]] Result<void> abort(const Now& now, const std::string& id);
    /// Runs a `failed` one again from its first unfinished step, with a fresh deadline; one whose
    /// undo has failed goes on with that. `conflict` otherwise.
    [[nodiscard]] Result<void> resume(const Now& now, const std::string& id,
                                      std::int64_t limit_seconds);

    /// Marks a done step of an unfinished operation as pending again: what it did must be done
    /// anew. One that is running becomes pending when it is done. Nothing happens to an operation
    /// that is being undone.
    void rewind(const std::string& id, std::string_view step);

    /// For a journal that is full: forgets the oldest that have ended, at most `most` and none from
    /// `before` (an id) on. How many it forgot.
    std::size_t forget_ended(const std::string& before, std::size_t most);

    [[nodiscard]] const Record* find(const std::string& id) const;
    /// The one that a request with this key made, or null.
    [[nodiscard]] const Record* find_key(const std::string& idempotency_key) const;
    /// The one that runs, or null.
    [[nodiscard]] const Record* running() const;
    /// The first unfinished one with this action, or null.
    [[nodiscard]] const Record* unfinished(std::string_view action) const;
    [[nodiscard]] const std::map<std::string, Record>& all() const { return records_; }

    /// The shape with progress and time left as of `now`.
    [[nodiscard]] proto::Operation shape_at(const Now& now, const Record& record) const;
    /// What a step took before; feeds the time left. Returned by estimates() to be kept.
    void set_estimate(const std::string& action_step, std::int64_t us) {
        estimates_[action_step] = us;
    }

    [[nodiscard]] std::vector<Write> take_writes();
    [[nodiscard]] std::vector<std::string> take_changed();

private:
    Record& at(const std::string& id);
    void touch(const std::string& id);
    void changed(const std::string& id) { changed_.insert(id); }
    void end(const Now& now, Record& record, std::string status,
             std::optional<proto::ErrorShape> error);
    void forget_old(const Now& now);
    std::map<std::string, Record>::iterator forget(std::map<std::string, Record>::iterator entry);
    [[nodiscard]] std::int64_t estimate(const Record& record, const proto::Step& step) const;
    void check_invariants() const;

    OperationLimits limits_;
    std::map<std::string, Record> records_; ///< by id; UUIDv7s sort by time
    std::map<std::string, std::string> by_key_;
    std::set<std::string> dirty_;
    std::vector<std::string> forgotten_;
    std::set<std::string> changed_;
    std::string running_; ///< id, or empty
    std::map<std::string, std::int64_t> estimates_;
};

} // namespace jackdaw::agent
