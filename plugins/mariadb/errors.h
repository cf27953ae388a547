#pragma once
// The server's and the client library's error numbers as our Errors. Pure.

#include <string>
#include <string_view>

#include "proto/base/error.h"

namespace jackdaw::mariadb {

/// May the server's own text stand in the message? A statement that carries a verifier says `no`:
/// the server quotes parts of a statement in some of its errors.
enum class ServerText : bool { no, yes };

/// Never a success. The number always stands in the message, the text (of a server that may be
/// hostile) shortened and without control characters.
[[nodiscard]] Error error_of(unsigned number, std::string_view text, ServerText show);

/// The session is gone and the statement was possibly not run: open again and repeat, once.
[[nodiscard]] bool is_lost_session(unsigned number) noexcept;
/// The client library's own word, not the server's: what it then still has to read nobody knows.
[[nodiscard]] bool is_library_error(unsigned number) noexcept;
/// The server answered, if only to say that it has no connection left.
[[nodiscard]] bool is_connection_limit(unsigned number) noexcept;
/// As the server numbers a refused login.
inline constexpr unsigned access_denied_error = 1045;
/// The server answered, and does not take our account for what somebody has made of it: gone,
/// locked, with a password that has expired, a limit that is reached, a plug-in that is not there.
[[nodiscard]] bool is_access_denied(unsigned number) noexcept;

inline constexpr const char* unknown_zone_hint =
    "one that `SELECT Name FROM mysql.time_zone_name` tells: the tables mysql.time_zone* are "
    "filled when the instance is made; an offset, as in +02:00, needs none of them";

/// The server gave up waiting for somebody's lock.
[[nodiscard]] bool is_lock_wait(unsigned number) noexcept;
/// It ended the statement at the session's own limit: account statements of 10.11 wait for locks
/// beyond lock_wait_timeout, and end only so.
[[nodiscard]] bool is_statement_limit(unsigned number) noexcept;

/// REVOKE of what was not granted (1141, 1147; the first also for an account that is not there).
[[nodiscard]] bool is_nothing_granted(unsigned number) noexcept;
/// KILL of a session that is not there (any more).
[[nodiscard]] bool is_no_such_session(unsigned number) noexcept;

} // namespace jackdaw::mariadb
