#include "plugins/mariadb/session.h"

#include <mysql.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "plugins/mariadb/lock_wait.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How late a cancellation may be seen.
constexpr milliseconds slice{50};
/// Steps of max_statement_time: the largest that ends with the margin left is set, so that a call
/// of several statements sets it once or twice.
constexpr std::array<unsigned, 7> statement_limits_s{48, 24, 18, 12, 8, 5, 3};
constexpr milliseconds limit_margin{1500}; ///< to look who holds the lock, and to answer
constexpr int limit_attempts = 10;         ///< at the connection limit, one slice apart

// First and short: a global max_statement_time of a millisecond, and a global memory of 8 KiB, are
// in force until it has run.
constexpr std::string_view room =
    "SET SESSION max_statement_time = 0, SESSION max_session_mem_used = 1073741824";

// Pinned (and never to DEFAULT, which is the global value), since a tenant with enough rights sets
// those: quoting (names.h) stands on NO_BACKSLASH_ESCAPES and on double quotes and `||` meaning
// what they mean without ANSI. Without NO_AUTO_CREATE_USER a GRANT to an account that has just gone
// makes one without a password.
constexpr std::string_view modes =
    "SET SESSION sql_mode = "
    "'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION,NO_AUTO_CREATE_USER', "
    "SESSION lock_wait_timeout = 20, SESSION innodb_lock_wait_timeout = 20, "
    "SESSION sql_select_limit = 18446744073709551615, SESSION wait_timeout = 2147483, "
    "SESSION sql_quote_show_create = ON, SESSION autocommit = ON, "
    // Global values that would refuse our own deletions (no key names an account by its user
    // alone), and cut or refuse our own lists (information_schema is temporary tables).
    "SESSION sql_safe_updates = OFF, SESSION group_concat_max_len = 1048576, "
    "SESSION sql_big_selects = ON, SESSION tmp_memory_table_size = 16777216, "
    "SESSION max_heap_table_size = 16777216, SESSION tmp_disk_table_size = 18446744073709551615, "
    // What one statement takes at once: of 4 GiB none is left, and the error is 1290.
    "SESSION range_alloc_block_size = 4096, SESSION query_alloc_block_size = 16384, "
    "SESSION transaction_alloc_block_size = 8192, SESSION sort_buffer_size = 2097152, "
    "SESSION join_buffer_size = 262144, SESSION read_buffer_size = 131072, "
    "SESSION read_rnd_buffer_size = 262144";

// With the global tx_read_only every change is refused (1792). Not that variable: a later MariaDB
// calls it otherwise.
constexpr std::string_view writing = "SET SESSION TRANSACTION READ WRITE";

// What the agent says every second is noise in the tenant's logs, and what it says of accounts is
// none of theirs.
constexpr std::string_view unlogged = "SET SESSION sql_log_off = ON, SESSION slow_query_log = OFF";

void start_library() {
    static std::once_flag once; // mysql_init() does it, too, but not safely from two threads
    std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

milliseconds left(const plugins::Call& call) {
    return std::chrono::ceil<milliseconds>(call.deadline - Clock::now());
}

Result<void> check(const plugins::Call& call) {
    if (call.cancelled()) {
        return Error{Errc::cancelled, "asked to stop"};
    }
    if (Clock::now() >= call.deadline) {
        return Error{Errc::deadline, "MariaDB did not answer in time"};
    }
    return ok();
}

/// Of a login: what mends the account, when that was the reason.
Error with_way_back(Error error, unsigned number) {
    return is_access_denied(number)
               ? std::move(error).with_hint("a restart of the instance repairs the agent's account")
               : std::move(error);
}

} // namespace

void Session::aim(std::string socket_path, std::string user) {
    if (socket_path != socket_path_ || user != user_) {
        close();
    }
    socket_path_ = std::move(socket_path);
    user_ = std::move(user);
}

void Session::close() noexcept {
    if (handle_ != nullptr) {
        // Says good-bye only to one who can hear it: the farewell is small, the socket's buffer
        // takes it.
        mysql_close(std::exchange(handle_, nullptr));
    }
}

void Session::abandon() noexcept {
    if (handle_ != nullptr) {
        const auto fd = mysql_get_socket(handle_);
        if (fd >= 0) {
            ::shutdown(fd, SHUT_RDWR); // so that closing cannot block on a server that has stopped
        }
        close();
    }
}

Result<int> Session::wait(const plugins::Call& call, int events) {
    pollfd entry{};
    entry.fd = mysql_get_socket(handle_);
    if ((events & MYSQL_WAIT_READ) != 0) {
        entry.events |= POLLIN;
    }
    if ((events & MYSQL_WAIT_WRITE) != 0) {
        entry.events |= POLLOUT;
    }
    if ((events & MYSQL_WAIT_EXCEPT) != 0) {
        entry.events |= POLLPRI;
    }
    auto own_limit = milliseconds::max();
    if ((events & MYSQL_WAIT_TIMEOUT) != 0) {
        own_limit = milliseconds{mysql_get_timeout_value_ms(handle_)};
    }
    const auto from = Clock::now();
    for (;;) { // bounded by the deadline
        JACKDAW_CHECK(check(call));
        const auto next = std::min({slice, std::max(left(call), milliseconds{1}), own_limit});
        const int ready = ::poll(&entry, 1, static_cast<int>(next.count()));
        if (ready > 0) {
            int seen = 0;
            if ((entry.revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0) {
                seen |= events & MYSQL_WAIT_READ;
            }
            if ((entry.revents & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) != 0) {
                seen |= events & MYSQL_WAIT_WRITE;
            }
            if ((entry.revents & POLLPRI) != 0) {
                seen |= events & MYSQL_WAIT_EXCEPT;
            }
            return seen;
        }
        if (own_limit != milliseconds::max() && Clock::now() - from >= own_limit) {
            return MYSQL_WAIT_TIMEOUT;
        }
    }
}

template <class Start, class Continue>
Result<void> Session::drive(const plugins::Call& call, Start start, Continue go_on) {
    int events = start();
    while (events != 0) { // each turn waits, and waiting is bounded by the deadline
        auto seen = wait(call, events);
        if (!seen) {
            abandon();
            last_error_ = 0;
            return std::move(seen).error();
        }
        events = go_on(*seen);
    }
    return ok();
}

Error Session::failure(ServerText show) {
    last_error_ = mysql_errno(handle_);
    return error_of(last_error_, mysql_error(handle_), show);
}

Result<void> Session::connect_once(const plugins::Call& call) {
    close();
    limit_s_ = 0;
    start_library();
    handle_ = mysql_init(nullptr);
    if (handle_ == nullptr) {
        return Error{Errc::exhausted, "no memory for a session"};
    }
    const auto seconds = static_cast<unsigned>(std::clamp<std::int64_t>(
        std::chrono::ceil<std::chrono::seconds>(left(call)).count(), 1, 600));
    const unsigned protocol = MYSQL_PROTOCOL_SOCKET;
    const unsigned off = 0;
    const unsigned long packet_max = 16UL << 20U;
    mysql_optionsv(handle_, MYSQL_OPT_NONBLOCK, 0);
    mysql_optionsv(handle_, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_optionsv(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_optionsv(handle_, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_optionsv(handle_, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
    mysql_optionsv(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");

    MYSQL* connected = nullptr;
    JACKDAW_CHECK(drive(
        call,
        [&] {
            return mysql_real_connect_start(&connected, handle_, nullptr, user_.c_str(), nullptr,
                                            nullptr, 0, socket_path_.c_str(), 0);
        },
        [&](int seen) { return mysql_real_connect_cont(&connected, handle_, seen); }));
    if (connected == nullptr) {
        auto error = failure(ServerText::yes);
        close();
        return with_way_back(std::move(error), last_error_);
    }
    JACKDAW_CHECK(pin_modes(call));
    return know_oneself(call);
}

Result<void> Session::know_oneself(const plugins::Call& call) {
    // Without our account another one may match the name (an anonymous one, one of ours at '%'):
    // what it may do, and whom it belongs to, is the tenant's choice.
    auto who = query_once(call, "SELECT CURRENT_USER()", ServerText::yes);
    if (!who) { // with a password that has expired it may do nothing else
        close();
        return with_way_back(std::move(who).error(), last_error_);
    }
    const auto& rows = who->rows;
    const auto name = rows.size() == 1 && rows[0].size() == 1 ? rows[0][0].value_or("") : "";
    if (name == user_ + "@localhost") {
        return ok();
    }
    close();
    last_error_ = access_denied_error;
    return with_way_back(
        Error{Errc::not_allowed, fmt::format("the server took us for the account \"{}\": our own "
                                             "is not there",
                                             printable(name, 200))},
        last_error_);
}

Result<void> Session::pin_modes(const plugins::Call& call) {
    for (const auto sql : {room, modes, writing}) {
        if (auto pinned = query_once(call, sql, ServerText::yes); !pinned) {
            close();
            return with_way_back(std::move(pinned).error(), last_error_);
        }
    }
    if (auto quiet = query_once(call, unlogged, ServerText::yes); !quiet) {
        // Without its rights the account still lets the agent see that the server answers; the
        // next start gives them back.
        if (quiet.error().code() != Errc::not_allowed) {
            close();
            return std::move(quiet).error();
        }
        last_error_ = 0;
    }
    return ok();
}

Result<void> Session::open(const plugins::Call& call) {
    if (!is_aimed()) {
        return Error{Errc::unavailable, "no server was adopted yet"};
    }
    if (is_open()) {
        return ok();
    }
    for (int attempt = 0;; ++attempt) {
        JACKDAW_CHECK(check(call));
        auto connected = connect_once(call);
        if (connected || !is_connection_limit(last_error_) || attempt + 1 >= limit_attempts) {
            return std::move(connected).while_doing("log in to MariaDB");
        }
        ::poll(nullptr, 0,
               static_cast<int>(std::min(slice, std::max(left(call), milliseconds{0})).count()));
    }
}

Result<Rows> Session::query(const plugins::Call& call, std::string_view sql, ServerText show) {
    JACKDAW_TRY(auto table, query_table(call, sql, show));
    return std::move(table.rows);
}

Result<Table> Session::query_table(const plugins::Call& call, std::string_view sql,
                                   ServerText show) {
    for (int attempt = 0;; ++attempt) {
        const bool fresh = !is_open();
        JACKDAW_CHECK(open(call));
        losses_ += attempt > 0 ? 1 : 0;
        auto limited = limit_statements(call);
        auto table =
            limited ? query_once(call, sql, show) : Result<Table>{std::move(limited).error()};
        if (!table && !looking_for_blocker_ &&
            (is_lock_wait(last_error_) || is_statement_limit(last_error_))) {
            return with_blocker(call, std::move(table).error());
        }
        if (table || fresh || attempt > 0 || !is_lost_session(last_error_)) {
            return table;
        }
        close(); // the old one first: the server has one slot for us
    }
}

Result<void> Session::limit_statements(const plugins::Call& call) {
    const auto rest = left(call);
    const auto* const fits = std::ranges::find_if(statement_limits_s, [&](unsigned seconds) {
        return std::chrono::seconds{seconds} + limit_margin <= rest;
    });
    if (fits == statement_limits_s.end() || *fits == limit_s_) {
        return ok(); // a short call asks nothing that locks; what was set is no shorter than needed
    }
    JACKDAW_CHECK(query_once(call,
                             fmt::format("SET SESSION max_statement_time = {0}, SESSION "
                                         "lock_wait_timeout = {1}, SESSION "
                                         "innodb_lock_wait_timeout = {1}",
                                         *fits, *fits - 1),
                             ServerText::yes));
    limit_s_ = *fits;
    return ok();
}

Error Session::with_blocker(const plugins::Call& call, Error error) {
    const auto number = last_error_;
    looking_for_blocker_ = true;
    const auto blocker = find_blocker(*this, call, number);
    looking_for_blocker_ = false;
    last_error_ = number;
    if (!blocker) {
        return error;
    }
    return Error{Errc::busy, error.message() + "; " + blocker->cause}.with_hint(blocker->hint);
}

Result<void> Session::run(const plugins::Call& call, std::string_view sql, ServerText show) {
    JACKDAW_CHECK(query(call, sql, show));
    return ok();
}

Result<Table> Session::query_once(const plugins::Call& call, std::string_view sql,
                                  ServerText show) {
    last_error_ = 0;
    int failed = 0;
    JACKDAW_CHECK(drive(
        call, [&] { return mysql_real_query_start(&failed, handle_, sql.data(), sql.size()); },
        [&](int seen) { return mysql_real_query_cont(&failed, handle_, seen); }));
    if (failed != 0) {
        auto error = failure(show);
        if (is_library_error(last_error_)) { // out of step (2014), it would be so for ever
            abandon();
        } else if (is_lost_session(last_error_)) {
            close();
        }
        return error;
    }
    if (mysql_field_count(handle_) == 0) {
        return Table{};
    }
    return fetch(call, show);
}

Result<Table> Session::fetch(const plugins::Call& call, ServerText show) {
    MYSQL_RES* const result = mysql_use_result(handle_); // no I/O
    if (result == nullptr) {
        auto error = failure(show);
        abandon();
        return error;
    }
    // Not freed by a guard object: freeing reads the rest of the result, which must be bounded,
    // too. When rows are left the session is abandoned first, and freeing then only frees.
    const auto columns = mysql_num_fields(result);
    const auto drop = [&] {
        result->handle = nullptr;
        mysql_free_result(result);
        abandon();
    };
    const auto too_large = [] {
        return Error{Errc::exhausted, "MariaDB's answer is larger than the agent reads"};
    };
    if (columns > result_columns_max) {
        drop();
        return too_large();
    }
    Table table;
    const MYSQL_FIELD* const fields = mysql_fetch_fields(result);
    for (unsigned i = 0; i < columns; ++i) {
        table.columns.emplace_back(fields[i].name, fields[i].name_length);
    }
    auto& rows = table.rows;
    std::size_t bytes = 0;
    bool fits = true;
    for (;;) { // bounded by result_rows_max, then by the deadline
        if (auto goes_on = fits ? ok() : check(call); !goes_on) { // a quick server never waits
            drop();
            return std::move(goes_on).error();
        }
        MYSQL_ROW row = nullptr;
        int events = mysql_fetch_row_start(&row, result);
        while (events != 0) {
            auto seen = wait(call, events);
            if (!seen) {
                drop();
                return std::move(seen).error();
            }
            events = mysql_fetch_row_cont(&row, result, *seen);
        }
        if (row == nullptr) {
            break;
        }
        if (!fits) {
            continue;
        }
        const auto* const lengths = mysql_fetch_lengths(result);
        Row values;
        for (unsigned i = 0; i < columns; ++i) {
            if (row[i] == nullptr) {
                values.emplace_back(std::nullopt);
            } else {
                values.emplace_back(std::string{row[i], lengths[i]});
                bytes += lengths[i];
            }
        }
        rows.push_back(std::move(values));
        // A NULL has no bytes, and room of its own. What is too large is read to its end, since the
        // session may be all that we have.
        fits = rows.size() <= result_rows_max && rows.size() * columns <= result_values_max &&
               bytes <= result_bytes_max;
        if (!fits) {
            rows = Rows{};
        }
    }
    const auto number = mysql_errno(handle_);
    if (number != 0) {
        auto error = failure(show);
        // The server's own word ends the result, and the session goes on (SHOW GRANTS of an
        // account that is gone fails so). After the library's nobody knows what is still to come.
        if (is_library_error(number)) {
            drop();
        } else {
            mysql_free_result(result);
        }
        return error;
    }
    mysql_free_result(result); // everything was read: no I/O
    if (!fits) {
        return too_large();
    }
    return table;
}

} // namespace jackdaw::mariadb
