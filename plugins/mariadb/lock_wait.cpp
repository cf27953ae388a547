#include "plugins/mariadb/lock_wait.h"

#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t shown_bytes_max = 80;
constexpr std::size_t suspects_shown = 3;
constexpr std::size_t xid_bytes_max = 300; ///< two parts of 64 bytes in hexadecimal, and quotes

/// Those that account statements and DROP DATABASE write.
constexpr std::array<std::string_view, 9> own_tables{"global_priv",   "db",         "tables_priv",
                                                     "columns_priv",  "procs_priv", "proxies_priv",
                                                     "roles_mapping", "proc",       "event"};

/// True: it would have had to wait. Any other failure says nothing of locks.
bool has_to_wait(Session& session, const plugins::Call& call, const std::string& statement) {
    return !session.run(call, "SET STATEMENT lock_wait_timeout = 0, max_statement_time = 1, "
                              "sql_log_bin = 0 FOR " +
                                  statement) &&
           is_lock_wait(session.last_error());
}

/// The first of the server's own tables on which that has to wait, or an empty text.
std::string held_table(Session& session, const plugins::Call& call, std::string_view how) {
    for (const auto table : own_tables) {
        if (has_to_wait(session, call,
                        fmt::format("SELECT 1 FROM mysql.{} LIMIT 0{}", table, how))) {
            return fmt::format("a lock on the table mysql.{} (LOCK TABLES, or a transaction)",
                               table);
        }
    }
    return {};
}

/// The lock on what is the server's; empty: none is to be seen. In this order: a global read lock
/// lets others read, a write lock on one table makes CREATE DATABASE wait, too.
std::string held_lock(Session& session, const plugins::Call& call) {
    if (auto table = held_table(session, call, ""); !table.empty()) {
        return table;
    }
    // There is always a database mysql, so this makes nothing; but it asks for the right to.
    if (has_to_wait(session, call, "CREATE DATABASE IF NOT EXISTS mysql")) {
        return "a global read lock (FLUSH TABLES WITH READ LOCK, or a backup)";
    }
    return held_table(session, call, " FOR UPDATE"); // that only lets others read
}

/// Transactions that were prepared and neither committed nor rolled back: they keep their locks
/// without a session, and over a restart. As XA ROLLBACK takes them.
std::vector<std::string> prepared(Session& session, const plugins::Call& call) {
    const auto rows = session.query(call, "XA RECOVER FORMAT='SQL'");
    std::vector<std::string> found;
    if (!rows) {
        return found;
    }
    for (const auto& row : *rows) {
        if (row.size() == 4) {
            found.push_back(printable(row[3].value_or(""), xid_bytes_max));
        }
    }
    return found;
}

Blocker blocker_of(const std::vector<std::string>& transactions) {
    const auto more = transactions.size() - 1;
    return {fmt::format("a prepared XA transaction can hold a lock on what this needs: {}{}",
                        transactions[0],
                        more == 0 ? "" : fmt::format(", or one of {} others", more)),
            fmt::format("XA ROLLBACK {} in SQL ends it (XA COMMIT keeps what it wrote), once the "
                        "session that made it has ended; XA RECOVER FORMAT='SQL' shows all; then "
                        "the same command again",
                        transactions[0])};
}

struct Suspect {
    std::string id, text;
};

/// Sessions of clients that do not wait for a lock themselves; who idles longest first, since a
/// forgotten one is the likeliest.
std::vector<Suspect> suspects(Session& session, const plugins::Call& call) {
    const auto rows = session.query(
        call, fmt::format("SELECT ID, USER, HOST FROM information_schema.PROCESSLIST WHERE ID <> "
                          "CONNECTION_ID() AND COMMAND <> 'Daemon' AND USER NOT IN ('system user', "
                          "'event_scheduler') AND COALESCE(STATE, '') NOT LIKE 'Waiting for%lock' "
                          "ORDER BY COMMAND = 'Sleep' DESC, TIME_MS DESC LIMIT {}",
                          suspects_shown + 1));
    std::vector<Suspect> found;
    if (!rows) {
        return found; // what is told is the lock alone
    }
    for (const auto& row : *rows) {
        if (row.size() == 3 && found.size() <= suspects_shown) {
            auto id = printable(row[0].value_or(""), 20);
            auto text =
                fmt::format("{} of '{}'@'{}'", id, printable(row[1].value_or(""), shown_bytes_max),
                            printable(row[2].value_or(""), shown_bytes_max));
            found.push_back({std::move(id), std::move(text)});
        }
    }
    return found;
}

} // namespace

std::optional<Blocker> find_blocker(Session& session, const plugins::Call& call, unsigned error) {
    auto lock = held_lock(session, call);
    if (lock.empty()) {
        if (const auto transactions = prepared(session, call); !transactions.empty()) {
            return blocker_of(transactions);
        }
        if (!is_lock_wait(error)) {
            return std::nullopt;
        }
        lock = "a lock on what this needs (LOCK TABLES, or a transaction)";
    }
    const auto all = suspects(session, call);
    if (all.size() == 1) {
        return Blocker{fmt::format("session {} holds {}", all[0].text, lock),
                       fmt::format("`jackdaw session kill INSTANCE {}` ends it; then the same "
                                   "command again",
                                   all[0].id)};
    }
    std::string names;
    for (std::size_t i = 0; i < all.size() && i < suspects_shown; ++i) {
        names += (i == 0 ? "; it can be " : ", ") + all[i].text;
    }
    return Blocker{fmt::format("another session holds {}{}{}", lock, names,
                               all.size() > suspects_shown ? ", or another" : ""),
                   "`jackdaw session list INSTANCE` shows them, `jackdaw session kill INSTANCE ID` "
                   "ends one; then the same command again"};
}

} // namespace jackdaw::mariadb
