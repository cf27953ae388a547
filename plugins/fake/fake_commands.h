#pragma once
// What the fake answers to a line. No sockets here.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/fake/fake_journal.h"

namespace jackdaw::fake {

using Clock = std::chrono::steady_clock;

/// Who asks: one connection.
struct Peer {
    std::uint64_t id = 0;
    bool local = false;    ///< over the UNIX socket, with the right to administrate
    std::string address;   ///< of a TCP peer
    std::string logged_in; ///< user name, empty before LOGIN
    bool powerful = false; ///< root of level superuser: administrates over TCP
    std::string running;   ///< "WAIT": what it waits for; empty: idle
    Clock::time_point since = Clock::now(); ///< in this state
    std::optional<Clock::time_point> wakes; ///< when a WAIT is over
    bool ended = false;                     ///< told to go
};
/// All of them, the one who asks as well.
using Crowd = std::vector<Peer*>;

/// The whole reply with its newline(s); empty while a WAIT lasts, whose reply comes later.
[[nodiscard]] std::string answer(Journal& journal, long starts, Peer& peer, const Crowd& crowd,
                                 std::string_view line);
/// Of a WAIT that is over, or was cut.
[[nodiscard]] std::string end_of_wait(Peer& peer, bool whole);

/// The words about grants, attributes, root and sessions; nullopt when it is none of them.
[[nodiscard]] std::optional<std::string> answer_account_word(Journal& journal, const Peer& peer,
                                                             const Crowd& crowd,
                                                             const std::vector<std::string>& words);

// What both files of commands say.
[[nodiscard]] std::string reply(const std::vector<std::string>& words);
[[nodiscard]] std::string refuse(const char* why);
[[nodiscard]] std::string kept(Kept outcome);

} // namespace jackdaw::fake
