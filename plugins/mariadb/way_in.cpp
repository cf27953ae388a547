#include "plugins/mariadb/way_in.h"

#include <charconv>

#include <fmt/format.h>

#include "plugins/mariadb/accounts.h"
#include "plugins/mariadb/config.h"
#include "plugins/mariadb/errors.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t shown_bytes_max = 100;

/// Ends by itself within a second, whatever is locked, and leaves the session open: it may be all
/// that the agent has.
constexpr std::string_view bounded =
    "SET STATEMENT max_statement_time = 1, lock_wait_timeout = 1 FOR ";

std::uint64_t number_of(const std::optional<std::string>& text) {
    std::uint64_t value = 0;
    if (text) {
        (void)std::from_chars(text->data(), text->data() + text->size(), value);
    }
    return value;
}

/// The one text of an account that is as it must be, compared as a whole: any word more (REQUIRE
/// SSL, a limit, a lock) or less (a right) is a finding, whatever a later version adds.
Result<bool> is_whole(Session& session, const plugins::Call& call, const std::string& admin) {
    const auto shown = fmt::format("{}@{}", quote_identifier(admin), quote_identifier("localhost"));
    const std::pair<const char*, std::string> questions[]{
        {"SHOW GRANTS FOR ", fmt::format("GRANT ALL PRIVILEGES ON *.* TO {} IDENTIFIED VIA "
                                         "unix_socket WITH GRANT OPTION",
                                         shown)},
        {"SHOW CREATE USER ", fmt::format("CREATE USER {} IDENTIFIED VIA unix_socket", shown)},
    };
    for (const auto& [question, wanted] : questions) {
        const auto rows = session.query(
            call, fmt::format("{}{}{}", bounded, question, quote_account(admin, "localhost")));
        // Grants by the thousand, more than is read; the server's own word has a number.
        const bool too_many = !rows && rows.error().code() == Errc::exhausted &&
                              session.last_error() == 0 && session.is_open();
        if (!rows &&
            (rows.error().code() == Errc::not_allowed || rows.error().code() == Errc::not_found ||
             is_nothing_granted(session.last_error()) || too_many)) {
            return false;
        }
        if (!rows) {
            return rows.error().clone();
        }
        if (rows->size() != 1 || (*rows)[0].empty() || (*rows)[0][0] != wanted) {
            return false; // a role, or a grant on something, is a row of its own
        }
    }
    return true;
}

Result<plugins::ConnectionsSeen> connections(Session& session, const plugins::Call& call) {
    plugins::ConnectionsSeen seen;
    JACKDAW_TRY(const auto limit,
                session.query(call, fmt::format("{}SELECT @@GLOBAL.max_connections", bounded)));
    seen.max = limit.empty() || limit[0].empty() ? 0 : number_of(limit[0][0]);
    JACKDAW_TRY(const auto status,
                session.query(
                    call, fmt::format("{}SHOW GLOBAL STATUS WHERE Variable_name IN "
                                      "('Threads_connected', 'Connection_errors_max_connections')",
                                      bounded)));
    for (const auto& row : status) {
        if (row.size() == 2) {
            (row[0] == "Threads_connected" ? seen.now : seen.refused) = number_of(row[1]);
        }
    }
    JACKDAW_TRY(const auto doors,
                session.query(call, fmt::format("{}SHOW GLOBAL VARIABLES WHERE (Variable_name = "
                                                "'require_secure_transport' AND Value = 'ON') OR "
                                                "(Variable_name = 'have_ssl' AND Value <> 'YES')",
                                                bounded)));
    if (doors.size() == 2) {
        seen.closed = "require_secure_transport is ON, and the server has no certificate: no "
                      "client gets in over TCP";
        seen.mend = "jackdaw config set INSTANCE require_secure_transport=OFF";
    }
    return seen;
}

/// What mends a part that could not be looked at, with INSTANCE where the name goes.
std::string mend_of(const Session& session, const Error& error) {
    if (error.code() == Errc::busy) {
        return error.hint(); // somebody's lock
    }
    if (error.code() == Errc::not_found) {
        return "an account with all rights gives mysql.global_priv its name back (RENAME TABLE), "
               "and before the next start: MariaDB does not start without it";
    }
    return fmt::format("an account with all rights looks what was made of mysql.global_priv (SHOW "
                       "CREATE TABLE, CHECK TABLE, REPAIR TABLE): error {}",
                       session.last_error());
}

/// Everything that has our name in any spelling, or none at all; exactly ours is not among it.
Result<std::vector<std::string>> look_alikes(Session& session, const plugins::Call& call,
                                             const std::string& admin) {
    JACKDAW_TRY(
        const auto rows,
        session.query(call,
                      fmt::format("{2}SELECT User, Host FROM mysql.global_priv WHERE (User = '' "
                                  "OR CONVERT(User USING utf8mb4) COLLATE utf8mb4_unicode_ci = "
                                  "{0}) AND NOT (BINARY User = {0} AND Host = 'localhost') "
                                  "ORDER BY User, Host LIMIT {1}",
                                  quote_value(admin), look_alikes_max, bounded)));
    std::vector<std::string> found;
    for (const auto& row : rows) {
        if (row.size() != 2) {
            return Error{Errc::corrupt, "MariaDB's list of accounts has another shape"};
        }
        if (found.size() == look_alikes_max) { // whatever the server makes of the LIMIT
            break;
        }
        found.push_back(fmt::format("'{}'@'{}'", printable(row[0].value_or(""), shown_bytes_max),
                                    printable(row[1].value_or(""), shown_bytes_max)));
    }
    return found;
}

/// Says what it did; `stopped` empty: nothing, since nothing is known against the events or none
/// run.
Result<plugins::Repaired> stop_events(Session& session, const plugins::Call& call,
                                      const std::string& admin, bool again,
                                      const plugins::BeforeStopping& before) {
    plugins::Repaired repaired;
    JACKDAW_TRY(const auto on, session.query(call, "SELECT @@GLOBAL.event_scheduler = 'ON'"));
    if (on.empty() || on[0].empty() || on[0][0] != "1") {
        return repaired;
    }
    if (!again) {
        const auto naming = session.query(
            call,
            fmt::format("{}SELECT 1 FROM information_schema.EVENTS WHERE STATUS = 'ENABLED' AND "
                        "INSTR(EVENT_DEFINITION, {}) > 0 LIMIT 1",
                        bounded, quote_value(admin)));
        if (!naming || naming->empty()) { // cannot be looked at: if it was that, it comes again
            return repaired;
        }
    }
    repaired.stopped =
        fmt::format("the event scheduler was switched off until the next start: {}; drop that "
                    "event before it is switched on again",
                    again ? "the agent's account was taken again a short time after it was made "
                            "anew"
                          : "an event names the agent's account");
    repaired.parameter = "event_scheduler";
    repaired.value = "ON";
    if (before) {
        JACKDAW_CHECK(before(repaired));
    }
    JACKDAW_CHECK(session.run(call, "SET GLOBAL event_scheduler = OFF"));
    return repaired;
}

/// Without a moment in which there is no such account: what a kill in between would lock out of the
/// server until its next start. False: that was not enough.
Result<bool> mend_in_place(Session& session, const plugins::Call& call, const std::string& admin) {
    const auto account = quote_account(admin, "localhost");
    std::vector<std::string> statements{
        fmt::format("CREATE USER IF NOT EXISTS {} IDENTIFIED VIA unix_socket", account),
        fmt::format("ALTER USER {} IDENTIFIED VIA unix_socket REQUIRE NONE WITH "
                    "MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 "
                    "MAX_USER_CONNECTIONS 0 PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK",
                    account),
        fmt::format("GRANT ALL PRIVILEGES ON *.* TO {} WITH GRANT OPTION", account),
    };
    // A role has the name for itself as an account has: it takes our place in a GRANT.
    JACKDAW_TRY(
        const auto role,
        session.query(call, fmt::format("SELECT 1 FROM mysql.global_priv WHERE BINARY User = {} "
                                        "AND JSON_VALUE(Priv, '$.is_role') = 1",
                                        quote_value(admin))));
    if (!role.empty()) {
        statements.push_back("DROP ROLE IF EXISTS " + quote_identifier(admin));
    }
    JACKDAW_TRY(const auto hosts, hosts_of_account(session, call, admin));
    for (const auto& host : hosts) {
        if (host != "localhost") {
            statements.push_back("DROP USER IF EXISTS " + quote_account(admin, host));
        }
    }
    for (const auto& statement : statements) {
        if (auto run = session.run(call, statement); !run) {
            if (run.error().code() == Errc::internal || run.error().code() == Errc::not_found) {
                return false;
            }
            return std::move(run).error();
        }
    }
    return is_whole(session, call, admin);
}

/// In place if that is enough, else by what a start does.
Result<bool> make_whole(Session& session, const plugins::Call& call, const std::string& admin) {
    JACKDAW_TRY(const bool whole, mend_in_place(session, call, admin));
    if (whole) {
        return true;
    }
    for (const auto& statement : account_statements(admin)) {
        JACKDAW_CHECK(session.run(call, statement));
    }
    return is_whole(session, call, admin);
}

/// A tenant's own wish may be the same: the agent knows whether it was its.
Result<bool> is_scheduler_off(Session& session, const plugins::Call& call) {
    JACKDAW_TRY(
        const auto rows,
        session.query(call, fmt::format("{}SELECT @@GLOBAL.event_scheduler = 'OFF'", bounded)));
    return !rows.empty() && !rows[0].empty() && rows[0][0] == "1";
}

} // namespace

Result<plugins::Examination> examine(Session& session, const plugins::Call& call,
                                     const std::string& admin) {
    JACKDAW_CHECK(session.open(call));
    plugins::Examination seen;
    seen.connections.reset();
    seen.access.reset();
    seen.look_alikes.reset();
    const auto unseen = [&](std::string what, const Error& error) -> Result<void> {
        if (!session.is_open()) { // nothing more is to be had in this call
            return error.clone();
        }
        seen.unseen.push_back({std::move(what), error.message(), mend_of(session, error)});
        return ok();
    };
    if (auto limits = connections(session, call)) {
        seen.connections = *limits;
    } else {
        JACKDAW_CHECK(unseen("the connections", limits.error()));
    }
    if (auto whole = is_whole(session, call, admin)) {
        seen.access = *whole ? ""
                             : fmt::format("somebody has changed or removed the agent's account "
                                           "\"{}\" at localhost; the session that is open is all "
                                           "that it has",
                                           admin);
    } else {
        JACKDAW_CHECK(unseen("the agent's own account", whole.error()));
    }
    if (auto others = look_alikes(session, call, admin)) {
        seen.look_alikes = *std::move(others);
    } else if (others.error().code() == Errc::not_allowed && seen.access) {
        // It has lost the right to look, and `access` tells of that.
    } else {
        JACKDAW_CHECK(unseen("accounts that look like the agent's", others.error()));
    }
    if (const auto off = is_scheduler_off(session, call)) {
        seen.is_off = *off;
    } else if (!session.is_open()) {
        return off.error().clone();
    } // else the next look tells: nobody can lock it
    return seen;
}

namespace {

/// All of a repair but the events.
Result<void> mend_account(Session& session, const plugins::Call& call, const std::string& admin,
                          plugins::Repaired& repaired) {
    JACKDAW_CHECK(session.run(call, "SET SESSION sql_log_bin = 0")); // never replicated
    auto made = make_whole(session, call, admin);
    if (session.is_open()) { // whatever came of it: what this session does later is
        JACKDAW_CHECK(session.run(call, "SET SESSION sql_log_bin = 1"));
    }
    JACKDAW_TRY(const bool whole, std::move(made));
    if (!whole) {
        return Error{Errc::internal, "the agent's account is not what it was made"}.with_hint(
            "a restart of the instance makes it anew");
    }
    JACKDAW_TRY(const auto others, look_alikes(session, call, admin));
    if (!others.empty()) {
        repaired.left =
            fmt::format("left, since they are somebody's under another name or spelling: "
                        "{}; an account with all rights drops them (DROP USER)",
                        fmt::join(others, ", "));
    }
    return ok();
}

} // namespace

Result<plugins::Repaired> repair_account(Session& session, const plugins::Call& call,
                                         const std::string& admin, bool again,
                                         const plugins::BeforeStopping& before) {
    JACKDAW_TRY(auto repaired, stop_events(session, call, admin, again, before));
    if (auto mended = mend_account(session, call, admin, repaired); !mended) {
        if (repaired.stopped.empty()) {
            return std::move(mended).error();
        }
        repaired.failed = std::move(mended).error(); // that the events are off is to be told
    }
    return repaired;
}

} // namespace jackdaw::mariadb
