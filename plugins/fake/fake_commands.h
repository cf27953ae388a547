#pragma once
// What the fake answers to a line. No sockets here.

#include <string>
#include <string_view>

#include "plugins/fake/fake_journal.h"

namespace jackdaw::fake {

/// Who asks.
struct Peer {
    bool local = false;    ///< over the UNIX socket, with the right to administrate
    std::string address;   ///< of a TCP peer
    std::string logged_in; ///< user name, empty before LOGIN
};

/// The whole reply with its newline(s).
[[nodiscard]] std::string answer(Journal& journal, long starts, Peer& peer, std::string_view line);

} // namespace jackdaw::fake
