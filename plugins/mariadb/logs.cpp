#include "plugins/mariadb/logs.h"

#include <fmt/format.h>

namespace jackdaw::mariadb {
namespace {

Error unknown(std::string_view name) {
    return Error{Errc::not_found, fmt::format("MariaDB has no log \"{}\"", name.substr(0, 60))}
        .with_hint("it has error, slow and general");
}

} // namespace

std::vector<plugins::LogFile> ServerLogs::files() const {
    return {
        {"error", "", "", "", ""},
        {"slow", slow_log_file, "slow_query_log", "ON", "OFF"},
        {"general", general_log_file, "general_log", "ON", "OFF"},
    };
}

Result<bool> ServerLogs::is_enabled(const plugins::Call& call, std::string_view name) {
    if (name == "error") {
        return true;
    }
    if (name != "slow" && name != "general") {
        return unknown(name);
    }
    // log_output is a set of FILE, TABLE and NONE; NONE wins over the others.
    JACKDAW_TRY(const auto rows,
                session_.query(call, "SELECT @@GLOBAL.slow_query_log, @@GLOBAL.general_log, "
                                     "FIND_IN_SET('FILE', @@GLOBAL.log_output) > 0 AND "
                                     "FIND_IN_SET('NONE', @@GLOBAL.log_output) = 0"));
    if (rows.size() != 1 || rows.front().size() != 3) {
        return Error{Errc::corrupt, "MariaDB's answer about its logs has another shape"};
    }
    const auto is_on = [&](std::size_t column) { return rows.front()[column] == "1"; };
    return is_on(name == "slow" ? 0 : 1) && is_on(2);
}

Result<void> ServerLogs::reopen(const plugins::Call& call, std::string_view name) {
    if (name == "error") {
        return ok();
    }
    if (name != "slow" && name != "general") {
        return unknown(name);
    }
    // LOCAL: replicas rotate their own.
    return session_.run(call, name == "slow" ? "FLUSH LOCAL SLOW LOGS" : "FLUSH LOCAL GENERAL LOGS")
        .while_doing(fmt::format("reopen the {} log", name));
}

} // namespace jackdaw::mariadb
