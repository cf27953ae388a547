#include "plugins/mariadb/errors.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <fmt/format.h>

#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr std::size_t text_bytes_max = 300;

/// Numbers below 1000 are of mysys, the server's own lowest part, and reach clients as they are
/// (include/mysys_err.h, which no package of clients has).
constexpr unsigned cannot_create_file = 1;
constexpr unsigned cannot_write = 3;
constexpr unsigned bad_close = 4;
constexpr unsigned disk_full = 20;
constexpr unsigned cannot_make_folder = 21;
constexpr unsigned cannot_sync = 27;

bool mentions_errno(std::string_view text, std::string_view number) {
    // "Can't create database 'x' (errno: 28 \"No space left on device\")"; also "Errcode: 28", and
    // another word in another language of the server.
    return text.find(fmt::format(": {} \"", number)) != std::string_view::npos;
}

Code code_of(unsigned number, std::string_view text) {
    switch (number) {
    // The client library's own.
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_NORMAL_SHUTDOWN: return Code::database_down;
    case CR_OUT_OF_MEMORY: return Code::exhausted;
    case CR_MALFORMED_PACKET:
    case CR_COMMANDS_OUT_OF_SYNC: return Code::corrupt;

    // No room.
    case disk_full:
    case ER_RECORD_FILE_FULL:                    // 1114
    case ER_DISK_FULL: return Code::volume_full; // 1021
    case cannot_create_file:
    case cannot_write:
    case bad_close:
    case cannot_make_folder:
    case cannot_sync:
    case ER_CANT_CREATE_DB:
    case ER_CANT_CREATE_TABLE:
    case ER_CANT_CREATE_FILE:
    case ER_ERROR_ON_WRITE:
    case ER_GET_ERRNO:
        if (mentions_errno(text, "28")) { // ENOSPC
            return Code::volume_full;
        }
        return mentions_errno(text, "36") ? Code::bad_name : Code::internal; // ENAMETOOLONG
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_OUT_OF_RESOURCES:
    case ER_OUTOFMEMORY: return Code::exhausted;

    // Present, absent.
    case ER_DB_CREATE_EXISTS: return Code::conflict;
    case ER_DB_DROP_EXISTS:
    case ER_BAD_DB_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_NO_SUCH_THREAD:
    case ER_CANNOT_USER: // 1396: CREATE, DROP or ALTER USER of one that is (not) there
    case ER_PASSWORD_NO_MATCH: return Code::not_found;

    // Never right as written.
    case ER_WRONG_DB_NAME:
    case ER_TOO_LONG_IDENT:
    case ER_WRONG_STRING_LENGTH: return Code::bad_name;
    case ER_ILLEGAL_GRANT_FOR_TABLE: // 1144, 1221: a privilege at a level that lacks it
    case ER_WRONG_USAGE:
    case ER_UNKNOWN_CHARACTER_SET:
    case ER_UNKNOWN_TIME_ZONE:
    case ER_UNKNOWN_COLLATION:
    case ER_COLLATION_CHARSET_MISMATCH:
    case ER_PARSE_ERROR:
    case ER_PASSWD_LENGTH: return Code::invalid;
    case ER_NOT_VALID_PASSWORD: return Code::bad_password;

    // The account.
    case ER_DBACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_ACCOUNT_HAS_BEEN_LOCKED:
    case ER_USER_IS_BLOCKED:
    case ER_USER_LIMIT_REACHED: // 1226: MAX_QUERIES_PER_HOUR and its like, which ours has none of
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
    case ER_PLUGIN_IS_NOT_LOADED: // 1524: the account's
    case ER_SPECIFIC_ACCESS_DENIED_ERROR: return Code::not_allowed;

    // Now is not the time.
    case ER_OPTION_PREVENTS_STATEMENT: // 1290: --read-only, --skip-grant-tables
        return text.find("max-session-mem-used") != std::string_view::npos ? Code::exhausted
                                                                           : Code::conflict;
    case ER_READ_ONLY_TRANSACTION:                                        // 1207
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION: return Code::conflict; // 1792
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK: return Code::busy;
    case ER_QUERY_INTERRUPTED: return Code::unavailable;
    case ER_STATEMENT_TIMEOUT: return Code::deadline;
    default: return Code::internal;
    }
}

} // namespace

Error error_of(unsigned number, std::string_view text, ServerText show) {
    auto message = fmt::format("MariaDB error {}", number);
    if (show == ServerText::yes && !text.empty()) {
        message += ": " + printable(text, text_bytes_max);
    }
    Error error{code_of(number, text), std::move(message)};
    if (number == ER_LOCK_WAIT_TIMEOUT) {
        return std::move(error).with_hint("a client holds it in an open transaction; end that one, "
                                          "then the same command again");
    }
    if (number == ER_UNKNOWN_TIME_ZONE) {
        return std::move(error).with_hint(unknown_zone_hint);
    }
    return error;
}

bool is_lost_session(unsigned number) noexcept {
    return number == CR_SERVER_GONE_ERROR || number == CR_SERVER_LOST ||
           number == ER_CONNECTION_KILLED || number == ER_SERVER_SHUTDOWN;
}

bool is_library_error(unsigned number) noexcept {
    return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) ||
           (number >= CER_MIN_ERROR && number <= CER_MAX_ERROR);
}

bool is_connection_limit(unsigned number) noexcept {
    return number == ER_CON_COUNT_ERROR || number == ER_TOO_MANY_USER_CONNECTIONS;
}

static_assert(access_denied_error == ER_ACCESS_DENIED_ERROR);

bool is_access_denied(unsigned number) noexcept {
    switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_ACCOUNT_HAS_BEEN_LOCKED:
    case ER_USER_IS_BLOCKED:
    case ER_USER_LIMIT_REACHED:
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
    case ER_PLUGIN_IS_NOT_LOADED: return true;
    default: return false;
    }
}

bool is_lock_wait(unsigned number) noexcept {
    return number == ER_LOCK_WAIT_TIMEOUT;
}

bool is_statement_limit(unsigned number) noexcept {
    return number == ER_STATEMENT_TIMEOUT;
}

bool is_nothing_granted(unsigned number) noexcept {
    return number == ER_NONEXISTING_GRANT || number == ER_NONEXISTING_TABLE_GRANT;
}

bool is_no_such_session(unsigned number) noexcept {
    return number == ER_NO_SUCH_THREAD;
}

} // namespace jackdaw::mariadb
