#pragma once
// Who may stay connected to one socket, and who has to go: the bounds that keep a flood of callers
// from starving the others.
//
//   enter ──► fresh ──(whole request)──► working ──► writing ──► idle ──► …
//               │   └─(a body follows)─► receiving ─┘    └► streaming
//               └── its time is over, or its place is needed: it is told to go
//
// Every place is bounded: connections, streams, requests in work, and the bytes of bodies and
// answers held for all of them together. When a bound is reached, room is made by the connection
// that has waited longest of the owner that has most; one that is in work or listens to a stream is
// never the one. An owner other than root has at most half of each, so that nobody else keeps root
// out, nor one stranger all the others.
//
// Pure and single-threaded. Times are milliseconds of any clock that does not go back.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace jackdaw::agent {

enum class ConnectionState : std::uint8_t {
    fresh,     ///< has not sent the head of a request yet
    receiving, ///< the head is here, the body is coming
    working,   ///< its request is being answered
    writing,   ///< its answer, or a part of its stream, is on the way
    idle,      ///< between two requests
    streaming, ///< listens to events
};

struct ConnectionLimits {
    std::size_t connections_max = 1100;
    std::size_t streams_max = 256;
    std::size_t working_max = 64;
    std::size_t bytes_max = std::size_t{32} << 20U; ///< of bodies and answers, all together
    std::int64_t fresh_ms =
        10'000; ///< for the head of the first request: a caller knows what it wants
    std::int64_t receiving_ms = 30'000;
    std::int64_t writing_ms = 60'000;
    std::int64_t idle_ms = 60'000;
};

class ConnectionBook {
public:
    using Id = std::uint64_t;
    using Owner = std::uint64_t; ///< a uid, or what stands for the machine that calls
    static constexpr Owner root = 0;

    explicit ConnectionBook(ConnectionLimits limits = {}) : limits_{limits} {}

    struct Entry {
        Owner owner = root;
        ConnectionState state = ConnectionState::fresh;
        std::int64_t since_ms = 0; ///< of this state
        std::size_t bytes = 0;     ///< held for it
        bool is_stream = false;
    };

    /// A new connection; nullopt when there is no room and nobody who could go. `made_room` is who
    /// had to: no longer in the book, to be closed by the caller.
    [[nodiscard]] std::optional<Id> enter(Owner owner, std::int64_t now_ms,
                                          std::vector<Id>& made_room);
    void leave(Id id);

    /// False: too many requests are in work already (as a whole, or of this owner), or it is a
    /// stream.
    [[nodiscard]] bool begin_work(Id id, std::int64_t now_ms);
    /// False: too many streams already.
    [[nodiscard]] bool begin_stream(Id id, std::int64_t now_ms);
    /// Every other change of state. Nothing happens for one that had to go.
    void became(Id id, ConnectionState state, std::int64_t now_ms);
    /// `bytes` are held for it from now on, instead of what was. False: there is no room, also by
    /// closing others; then it is as before.
    [[nodiscard]] bool hold(Id id, std::size_t bytes, std::vector<Id>& made_room);

    /// Whose time is over: no longer in the book, to be closed by the caller.
    [[nodiscard]] std::vector<Id> take_overdue(std::int64_t now_ms);

    [[nodiscard]] const Entry* find(Id id) const;
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    using Measure = std::size_t (*)(const Entry&);
    [[nodiscard]] std::size_t total_of(Owner owner, Measure measure) const;
    [[nodiscard]] std::optional<Id> who_goes(std::optional<Owner> of, Measure measure,
                                             Id not_this) const;

    ConnectionLimits limits_;
    std::map<Id, Entry> entries_;
    Id last_ = 0;
    std::size_t bytes_ = 0;
    std::size_t working_ = 0, streams_ = 0;
};

} // namespace jackdaw::agent
