#pragma once
// What somebody should look at while the database goes on: the agent's way in, connections, memory,
// the volume. A concern begins once and ends once; between the two it is a warning of the instance.
//
//   figures of a probe, an examination, the volume ──► Concerns::look(now) ──► began / ended
//                                                            └─► warnings()
//
// Hysteresis, so that neither a figure at its mark nor a tenant who does something again and again
// makes a storm of the timeline: what begins at 90 % ends below 80 %, and nothing ends before it
// was well for `calm`. Pure; the life thread owns it.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages/shapes.h"

namespace jackdaw::agent {

/// One look. What nobody could find out this time (no session, no process) stays nullopt: then what
/// it would tell neither begins nor ends.
struct Figures {
    bool asked = true; ///< false: it is silent or stopped, and only the volume was looked at
    /// The server lives and does not let the agent in: its account is refused.
    std::optional<std::string> refused;
    /// Likewise, since no connection is left for it.
    std::optional<std::string> crowded_out;
    std::uint64_t sessions_ended = 0; ///< of the agent, by somebody else, since the server's start

    struct Connections {
        std::uint64_t now = 0, max = 0; ///< max 0: it has no limit
        std::uint64_t refused = 0;      ///< for want of room, since the server's start
        std::string closed{};           ///< why it lets in nobody over the network; empty: it does
        std::string mend{};             ///< of that, with INSTANCE where the name goes
    };
    struct Unseen {
        std::string what, why;
        std::string mend; ///< with INSTANCE where the name goes; may be empty
    };
    /// By the agent, and nobody has decided on it since.
    struct SwitchedOff {
        std::string text;
        std::string parameter, value; ///< what switches it on again
    };
    /// What the server itself told, over the agent's session; a part that it did not tell is
    /// nullopt, and `unseen` says why.
    struct Inside {
        std::optional<std::string> access; ///< what is wrong with the agent's account; "": nothing
        std::optional<std::vector<std::string>> look_alikes;
        std::optional<Connections> connections;
        std::vector<Unseen> unseen;
        bool switches_known = false; ///< it was looked at what is off
        std::optional<SwitchedOff> switched_off{};
    };
    std::optional<Inside> inside; ///< nullopt: it was not asked

    std::optional<std::uint64_t> memory_bytes; ///< that the database's process holds
    std::uint64_t memory_bytes_max = 0;        ///< of the machine
    /// A file system in memory: what lies in it is taken from the machine's, too, and no end of a
    /// process gives it back.
    struct MemoryFolder {
        std::string path;
        std::uint64_t used_bytes = 0, size_bytes = 0; ///< size 0: it has no limit
    };
    std::vector<MemoryFolder> memory_folders;
    unsigned volume_percent = 0; ///< the mark that its fill has passed; 0: none
    bool volume_full = false;
    std::string
        filter_stale; ///< why the machine's packet filter is not as it must be; empty: it is
};

struct ConcernLimits {
    unsigned begin_percent = 90;
    unsigned end_percent = 80;
    std::int64_t calm_ms = 10'000;
    std::uint32_t losses = 3; ///< of the agent's session within `losses_within_ms`
    std::int64_t losses_within_ms = 60'000;
    std::uint32_t unseen_in_a_row = 3; ///< examinations; one alone may have met a short lock
};

/// How an engine is made to take less memory: commands in backquotes.
[[nodiscard]] std::string lower_memory(const std::string& instance);

class Concerns {
public:
    struct Change {
        std::string event; ///< a kind of the timeline
        std::string text;
    };
    explicit Concerns(ConcernLimits limits = {}) : limits_{limits} {}

    /// `now_ms` never goes back. `since` is what people are told of when it began. Takes the
    /// instance's name for the commands that mend it.
    [[nodiscard]] std::vector<Change> look(std::int64_t now_ms, const std::string& since,
                                           const std::string& instance, const Figures& figures);
    /// The database has ended: what was seen of it says nothing any more. Its ends, to be told.
    [[nodiscard]] std::vector<Change> forget();

    /// Those that are there now, the gravest first.
    [[nodiscard]] std::vector<proto::Warning> warnings() const;

private:
    struct Finding {
        std::string text;
        std::string mend; ///< a command alone, or words with each command in backquotes
    };
    struct State {
        proto::Warning warning;
        std::optional<std::int64_t> well_since_ms; ///< of the first look after it was bad
    };
    using Seen = std::optional<Finding>;
    [[nodiscard]] bool is_on(std::string_view kind) const { return present_.contains(kind); }
    [[nodiscard]] Seen access(const std::string& instance, const Figures& figures) const;
    [[nodiscard]] Seen sessions(std::int64_t now_ms, const Figures& figures);
    [[nodiscard]] Seen connections(const std::string& instance, const Figures& figures);
    [[nodiscard]] Seen memory(const std::string& instance, const Figures& figures) const;
    [[nodiscard]] Seen accounts(const std::string& instance, const Figures& figures) const;
    [[nodiscard]] Seen sight(const std::string& instance, const Figures& figures);
    [[nodiscard]] static Seen scheduler(const std::string& instance, const Figures& figures);

    ConcernLimits limits_;
    std::map<std::string, State, std::less<>> present_; ///< by kind
    std::deque<std::int64_t> losses_;
    std::optional<std::uint64_t> sessions_ended_;
    std::optional<std::uint64_t> connections_refused_;
    std::uint32_t unseen_ = 0; ///< examinations in a row that could not see everything
};

} // namespace jackdaw::agent
