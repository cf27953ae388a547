#pragma once
// Facet Sessions: who is connected, as information_schema.PROCESSLIST tells, and KILL.

#include <string>

#include "plugins/api/datastore.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

inline constexpr std::size_t sessions_listed_max = 10'000;
inline constexpr std::size_t session_query_bytes_max = 1024;

/// Speaks over a session that it does not own. `own` are our connection, every other session of
/// `admin` over the UNIX socket, and the server's own threads; a session that merely bears the name
/// and came over the network is somebody else's.
class ServerSessions final : public plugins::Sessions {
public:
    ServerSessions(Session& session, const std::string& admin) noexcept
        : session_{session}, admin_{admin} {}

    Result<std::vector<proto::SessionShape>> list(const plugins::Call& call) override;
    /// KILL SOFT: what must not be cut (REPAIR, indexes of MyISAM and Aria tables) goes on to its
    /// end. Ok when the session, or what it ran, was seen gone; `busy` when it is still at it (a
    /// rollback) shortly before the deadline: it will end. An idle session runs nothing: ok.
    Result<void> kill(const plugins::Call& call, std::uint64_t id, bool query_only) override;

private:
    Session& session_;
    const std::string& admin_; ///< the driver's, set by adopt()
};

/// Ends every present session of that login name but our own, and waits until they are gone; `busy`
/// as in kill(). Those that come meanwhile are left alone, or somebody who only tries to log in
/// under that name would hold this up; the server shows the name before it looks at the account, so
/// one that got in before an account went is among the present ones.
[[nodiscard]] Result<void> end_sessions_of(Session& session, const plugins::Call& call,
                                           std::string_view user);

} // namespace jackdaw::mariadb
