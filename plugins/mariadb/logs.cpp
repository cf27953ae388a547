#include "plugins/mariadb/logs.h"

#include <fmt/format.h>

#include "plugins/mariadb/text.h"

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

Result<std::string> ServerLogs::elsewhere(const plugins::Call& call, std::string_view name) {
    constexpr std::size_t file_bytes_max = 200;
    if (name == "error") {
        return std::string{};
    }
    if (name != "slow" && name != "general") {
        return unknown(name);
    }
    const bool slow = name == "slow";
    JACKDAW_TRY(const auto rows,
                session_.query(call, fmt::format("SELECT @@GLOBAL.{0}, @@GLOBAL.{0}_file, "
                                                 "FIND_IN_SET('FILE', @@GLOBAL.log_output) > 0, "
                                                 "FIND_IN_SET('TABLE', @@GLOBAL.log_output) > 0, "
                                                 "FIND_IN_SET('NONE', @@GLOBAL.log_output) > 0",
                                                 slow ? "slow_query_log" : "general_log")));
    if (rows.size() != 1 || rows.front().size() != 5) {
        return Error{Errc::corrupt, "MariaDB's answer about its logs has another shape"};
    }
    const auto& row = rows.front();
    if (row[0] != "1" || row[4] == "1") {
        return std::string{};
    }
    std::string text;
    const auto file = row[1].value_or("");
    if (row[2] == "1" &&
        file != fmt::format("{}/{}", log_folder_, slow ? slow_log_file : general_log_file)) {
        text =
            printable(file, file_bytes_max) + (file.starts_with('/') ? "" : " in the data folder");
    }
    if (row[3] == "1") {
        text += fmt::format("{}the table mysql.{}", text.empty() ? "" : " and ",
                            slow ? "slow_log" : "general_log");
    }
    return text;
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
