#pragma once
// The one session that the agent keeps with its server, over libmariadb and the UNIX socket.
//
// libmariadb's own time limits are whole seconds for each read; its non-blocking calls under our
// own poll(2) keep call.deadline and call.cancel exactly, wherever the server stopped answering.
//
// The server belongs to the tenant and may lie: results are bounded in rows, values and bytes, and
// it is never given a local file (a server may ask for one in the middle of any statement).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/api/datastore.h"
#include "plugins/mariadb/errors.h"
#include "proto/base/error.h"

struct st_mysql;

namespace jackdaw::mariadb {

/// NULL is nullopt.
using Row = std::vector<std::optional<std::string>>;
using Rows = std::vector<Row>;

struct Table {
    std::vector<std::string> columns; ///< names as the server gives them
    Rows rows;
};

inline constexpr std::size_t result_rows_max = 20'000;
inline constexpr std::size_t result_columns_max = 4096; ///< MariaDB's own, of a table
inline constexpr std::size_t result_values_max = 10 * result_rows_max; ///< NULLs among them
inline constexpr std::size_t result_bytes_max = 8U << 20U;

/// Not thread-safe, but may move between threads. At most one connection exists at any time: a new
/// one is made only after the old one was closed, since the server keeps just one slot free for us.
class Session {
public:
    Session() = default;
    ~Session() { close(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Names the server; connects nothing.
    void aim(std::string socket_path, std::string user);
    [[nodiscard]] bool is_aimed() const noexcept { return !socket_path_.empty(); }
    [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }

    /// Connects, logs in and pins the session's modes. Already open: ok. A connection limit is
    /// tried for half a second (our own last connection may still hold the slot), then `exhausted`.
    /// `unavailable` while nobody listens; failure leaves the session closed.
    Result<void> open(const plugins::Call& call);
    void close() noexcept;

    /// Runs one statement, opening first if need be. A session that turns out dead is opened again
    /// once and the statement repeated, so it must be idempotent. After `deadline` or `cancelled`
    /// the session is closed (the server may still be at it). A result above the bounds is read to
    /// its end, not kept, and `exhausted`. So that it is not closed for a lock that somebody holds,
    /// the server itself gives the statement up shortly before the deadline of a call of 4.5 s or
    /// more; the error is `busy` then, and says who holds which lock as far as that is to be seen.
    Result<Rows> query(const plugins::Call& call, std::string_view sql,
                       ServerText show = ServerText::yes);
    /// The same with the names of the columns.
    Result<Table> query_table(const plugins::Call& call, std::string_view sql,
                              ServerText show = ServerText::yes);
    /// The same for a statement without a result.
    Result<void> run(const plugins::Call& call, std::string_view sql,
                     ServerText show = ServerText::yes);

    /// The number of the last failure, 0 after a success: probe() tells a limit from a death by it.
    [[nodiscard]] unsigned last_error() const noexcept { return last_error_; }
    /// How often the open session was ended by somebody while the server lived: it let us in again
    /// at once. Until close_for_good().
    [[nodiscard]] std::uint64_t losses() const noexcept { return losses_; }
    void close_for_good() noexcept {
        close();
        losses_ = 0;
    }

private:
    Result<Table> query_once(const plugins::Call& call, std::string_view sql, ServerText show);
    Result<Table> fetch(const plugins::Call& call, ServerText show);
    Result<void> connect_once(const plugins::Call& call);
    Result<void> pin_modes(const plugins::Call& call);
    Result<void> limit_statements(const plugins::Call& call);
    Error with_blocker(const plugins::Call& call, Error error);
    /// `not_allowed`, as a login that was refused, when this is another account than ours.
    Result<void> know_oneself(const plugins::Call& call);
    Error failure(ServerText show);
    template <class Start, class Continue>
    Result<void> drive(const plugins::Call& call, Start start, Continue go_on);
    Result<int> wait(const plugins::Call& call, int events);
    void abandon() noexcept;

    std::string socket_path_;
    std::string user_;
    st_mysql* handle_ = nullptr;
    unsigned last_error_ = 0;
    std::uint64_t losses_ = 0;
    unsigned limit_s_ = 0; ///< max_statement_time of the open session; 0: none
    bool looking_for_blocker_ = false;
};

} // namespace jackdaw::mariadb
