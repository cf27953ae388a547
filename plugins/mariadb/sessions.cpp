#include "plugins/mariadb/sessions.h"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include <fmt/format.h>

#include "plugins/mariadb/errors.h"
#include "plugins/mariadb/names.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// With 1,024 characters of each statement a page stays below result_bytes_max whatever the names.
constexpr std::size_t page_rows = 1000;
constexpr std::size_t text_bytes_max = 512; ///< of names and states
constexpr milliseconds look_again{20};
/// So long before the deadline a kill says `busy`, which tells more than `deadline`.
constexpr milliseconds margin{200};

constexpr std::string_view columns =
    "ID, USER, HOST, DB, COMMAND, STATE, LEFT(INFO, 1024), TIME_MS, CONNECTION_ID()";
constexpr std::string_view processlist = "information_schema.PROCESSLIST";

template <class Number>
bool read_number(const std::optional<std::string>& text, Number& number) {
    if (!text) {
        return false;
    }
    const auto* const end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, number);
    return read.ec == std::errc{} && read.ptr == end;
}

Error other_shape() {
    return Error{Errc::corrupt, "MariaDB's list of sessions has another shape"};
}

bool is_own(const proto::SessionShape& shape, std::uint64_t own_id, std::string_view admin) {
    // A client cannot have the command "Daemon", nor be "system user" without a host.
    return shape.id == own_id || (shape.user == admin && shape.host == "localhost") ||
           shape.command == "Daemon" || (shape.user == "system user" && shape.host.empty());
}

Result<proto::SessionShape> shape_of(const Row& row, std::string_view admin) {
    proto::SessionShape shape;
    std::uint64_t own_id = 0;
    double time_ms = 0;
    if (row.size() != 9 || !read_number(row[0], shape.id) || !read_number(row[7], time_ms) ||
        !read_number(row[8], own_id)) {
        return other_shape();
    }
    const auto text = [&](std::size_t column) {
        return printable(row[column].value_or(""), text_bytes_max);
    };
    shape.user = text(1);
    shape.host = text(2);
    shape.database = text(3);
    shape.command = text(4);
    shape.state = text(5);
    shape.query = statement_without_secrets(row[6].value_or(""), session_query_bytes_max);
    shape.seconds = std::max(time_ms, 0.0) / 1000;
    shape.own = is_own(shape, own_id, admin);
    return shape;
}

Result<std::vector<proto::SessionShape>> sessions_where(Session& session, const plugins::Call& call,
                                                        std::string_view admin,
                                                        const std::string& condition) {
    JACKDAW_TRY(const auto rows, session.query(call, fmt::format("SELECT {} FROM {} {}", columns,
                                                                 processlist, condition)));
    std::vector<proto::SessionShape> shapes;
    for (const auto& row : rows) {
        JACKDAW_TRY(auto shape, shape_of(row, admin));
        shapes.push_back(std::move(shape));
    }
    return shapes;
}

/// False: no time is left to look again.
Result<bool> pause(const plugins::Call& call) {
    if (call.cancelled()) {
        return Error{Errc::cancelled, "asked to stop"};
    }
    if (Clock::now() + margin + look_again >= call.deadline) {
        return false;
    }
    ::poll(nullptr, 0, static_cast<int>(look_again.count()));
    return true;
}

Error still_there() {
    return Error{Errc::busy, "it was told to end and is still at it: what it did is taken back, or "
                             "must not be cut"}
        .with_hint("`jackdaw session list` shows when it is gone");
}

} // namespace

Result<std::vector<proto::SessionShape>> ServerSessions::list(const plugins::Call& call) {
    JACKDAW_TRY(auto shapes,
                sessions_where(session_, call, admin_,
                               fmt::format("ORDER BY TIME_MS DESC LIMIT {}", page_rows)));
    if (shapes.size() < page_rows) {
        return shapes;
    }
    // The rest by its numbers, so that pages neither overlap nor miss what moves between them.
    std::set<std::uint64_t> known;
    for (const auto& shape : shapes) {
        known.insert(shape.id);
    }
    JACKDAW_TRY(const auto rows,
                session_.query(call, fmt::format("SELECT ID FROM {} ORDER BY TIME_MS DESC LIMIT {}",
                                                 processlist, sessions_listed_max)));
    std::vector<std::uint64_t> others;
    for (const auto& row : rows) {
        std::uint64_t id = 0;
        if (row.size() != 1 || !read_number(row[0], id)) {
            return other_shape();
        }
        if (!known.contains(id) && known.size() + others.size() < sessions_listed_max) {
            others.push_back(id);
        }
    }
    for (std::size_t from = 0; from < others.size(); from += page_rows) {
        const auto count = std::min(page_rows, others.size() - from);
        const auto first = others.begin() + static_cast<std::ptrdiff_t>(from);
        JACKDAW_TRY(
            auto page,
            sessions_where(
                session_, call, admin_,
                fmt::format("WHERE ID IN ({})",
                            fmt::join(first, first + static_cast<std::ptrdiff_t>(count), ","))));
        std::move(page.begin(), page.end(), std::back_inserter(shapes));
    }
    std::stable_sort(shapes.begin(), shapes.end(),
                     [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
    return shapes;
}

Result<void> ServerSessions::kill(const plugins::Call& call, std::uint64_t id, bool query_only) {
    const auto doing =
        fmt::format("end {} {}", query_only ? "the statement of session" : "session", id);
    const auto where = fmt::format("WHERE ID = {}", id);
    JACKDAW_TRY(const auto before, sessions_where(session_, call, admin_, where));
    if (before.empty()) {
        return Error{Errc::not_found, "there is no such session"}.while_doing(doing);
    }
    if (before.front().own) {
        return Error{Errc::not_allowed, "this session belongs to Jackdaw or to MariaDB itself"}
            .with_hint("`jackdaw session list` marks those")
            .while_doing(doing);
    }
    if (query_only && before.front().command == "Sleep") {
        return ok(); // a mark would wait for its next statement
    }
    auto killed =
        session_.run(call, fmt::format("KILL SOFT {} {}", query_only ? "QUERY" : "CONNECTION", id));
    if (!killed) {
        return is_no_such_session(session_.last_error()) ? ok() // it was there, and went by itself
                                                         : std::move(killed).while_doing(doing);
    }
    for (;;) { // bounded by the deadline
        JACKDAW_TRY(const auto now, sessions_where(session_, call, admin_, where));
        // A mark that was met is taken off, and the command is what it was.
        if (now.empty() || (query_only && now.front().command != "Killed")) {
            return ok();
        }
        JACKDAW_TRY(const bool again, pause(call));
        if (!again) {
            return still_there().while_doing(doing);
        }
    }
}

Result<void> end_sessions_of(Session& session, const plugins::Call& call, std::string_view user) {
    const auto select = fmt::format("SELECT ID FROM {} WHERE BINARY USER = {} AND ID <> "
                                    "CONNECTION_ID() AND COMMAND <> 'Daemon' LIMIT {}",
                                    processlist, quote_value(user), sessions_listed_max);
    std::set<std::uint64_t> told;
    for (bool first = true;; first = false) { // bounded by the deadline
        JACKDAW_TRY(const auto rows, session.query(call, select));
        bool any = false;
        for (const auto& row : rows) {
            std::uint64_t id = 0;
            if (row.size() != 1 || !read_number(row[0], id)) {
                return other_shape();
            }
            if (first) {
                auto killed = session.run(call, fmt::format("KILL SOFT CONNECTION {}", id));
                if (!killed && !is_no_such_session(session.last_error())) {
                    return killed;
                }
                told.insert(id);
            }
            any = any || told.contains(id);
        }
        if (!any) {
            return ok();
        }
        JACKDAW_TRY(const bool again, pause(call));
        if (!again) {
            return still_there();
        }
    }
}

} // namespace jackdaw::mariadb
