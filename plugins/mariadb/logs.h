#pragma once
// Facet: logs. The error log is what the server says on its standard error, which the guard keeps;
// the two others are files of the server's own below Place::log_folder, off until asked for
// (config.cpp).

#include "plugins/api/facets.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

inline constexpr const char* slow_log_file = "slow.log";
inline constexpr const char* general_log_file = "general.log";

/// Speaks over a session that it does not own.
class ServerLogs final : public plugins::Logs {
public:
    ServerLogs(Session& session, const std::string& log_folder) noexcept
        : session_{session}, log_folder_{log_folder} {}

    [[nodiscard]] std::vector<plugins::LogFile> files() const override;
    /// As the running server has it: on, and into a file. `not_found` for a name that files() does
    /// not have.
    Result<bool> is_enabled(const plugins::Call& call, std::string_view name) override;
    /// An account with rights enough leads it to any file (general_log_file), or into a table
    /// (log_output).
    Result<std::string> elsewhere(const plugins::Call& call, std::string_view name) override;
    /// FLUSH LOCAL SLOW LOGS or GENERAL LOGS, which close the file and open one of the same name.
    /// One that cannot be opened (error 29) turns the log off in the server, whose variable still
    /// says ON: set it OFF and ON again. The error log: ok, the guard rotates it.
    Result<void> reopen(const plugins::Call& call, std::string_view name) override;

private:
    Session& session_;
    const std::string& log_folder_; ///< the driver's, set by adopt()
};

} // namespace jackdaw::mariadb
