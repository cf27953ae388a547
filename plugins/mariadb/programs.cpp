#include "plugins/mariadb/programs.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>

#include <fmt/format.h>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/text.h"

namespace jackdaw::mariadb {
namespace {

constexpr const char* server = "/usr/sbin/mariadbd";
constexpr std::size_t line_bytes_max = 300;

std::vector<std::string> environment() {
    return {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/nonexistent"};
}

/// "10.11.14" at the front of `text`.
std::string leading_version(std::string_view text) {
    std::size_t end = 0;
    while (end < std::min(text.size(), version_bytes_max) &&
           ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) {
        ++end;
    }
    return std::string{text.substr(0, end)};
}

std::optional<unsigned> take_number(std::string_view& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool refuses(std::string_view line) {
    const auto has = [&](std::string_view what) {
        return line.find(what) != std::string_view::npos;
    };
    // The limit of open files is the machine's, not the file's: the server runs with the smaller
    // tables it then chooses.
    if (has("max_open_files") || has("open_files_limit")) {
        return false;
    }
    // Warnings by which the server runs with another value than was asked for, each seen on 10.11:
    // a number out of its range, a boolean that is none, one bound above another, a character set.
    return has("[ERROR]") || has("unknown variable") || has("unknown option") ||
           has(" adjusted to ") || has("wasn't recognized") || has("is set to be larger than") ||
           has("is not a compiled character set");
}

} // namespace

plugins::Job version_job(const plugins::Place& /*place*/) {
    plugins::Job job;
    job.name = "mariadb-version";
    job.argv = {server, "--no-defaults", "--version"};
    job.environment = environment();
    job.working_folder = "/";
    job.limit = std::chrono::seconds{30};
    return job;
}

Result<std::string> parse_version(std::string_view output) {
    constexpr std::string_view mark = " Ver ";
    const auto at = output.find(mark);
    const auto rest =
        at == std::string_view::npos ? std::string_view{} : output.substr(at + mark.size());
    auto version = leading_version(rest);
    auto numbers = std::string_view{version};
    const auto major = take_number(numbers);
    if (!major || !numbers.starts_with('.')) {
        return Error{Code::install_missing, "mariadbd did not print its version"};
    }
    numbers.remove_prefix(1);
    const auto minor = take_number(numbers);
    if (!minor) {
        return Error{Code::install_missing, "mariadbd did not print its version"};
    }
    if (output.find("MariaDB") == std::string_view::npos) {
        return Error{Errc::unsupported, fmt::format("{} is not MariaDB", server)};
    }
    if (*major < 10 || (*major == 10 && *minor < 11)) {
        return Error{Errc::unsupported, fmt::format("MariaDB {} is older than 10.11", version)};
    }
    return version;
}

plugins::Job initialise_job(const plugins::Place& place) {
    const auto sizes = sizes_for(place.machine);
    plugins::Job job;
    job.name = "mariadb-install-db";
    job.argv = {
        "/usr/bin/mariadb-install-db",
        "--no-defaults", // must be the first
        "--datadir=" + place.data_folder,
        // No account at a host's name, and no look-up of the machine's own.
        "--cross-bootstrap",
        "--skip-name-resolve",
        "--skip-test-db",
        // The second account that this makes beside root@localhost (which secure() removes): the
        // only name that unix_socket then lets the agent in by.
        "--auth-root-authentication-method=socket",
        "--auth-root-socket-user=" + place.admin_user,
        // As the server will find them right; it would make the log again otherwise.
        fmt::format("--innodb-log-file-size={}M", sizes.redo_log_bytes / mib),
        "--character-set-server=utf8mb4",
        "--tmpdir=" + place.data_folder,
        // Time zones by name (CONVERT_TZ, SET time_zone): 597 of them, 0.12 s of the 0.45 s.
        fmt::format("--extra-file={}", timezone_file),
        // A thousand fsyncs for files that are worth nothing until all are there: the agent calls
        // syncfs once, before it writes that the folder is complete.
        "--innodb-flush-method=nosync",
        "--debug-no-sync",
    };
    job.environment = environment();
    job.working_folder = "/";
    return job;
}

plugins::Job check_config_job(const plugins::Place& place) {
    plugins::Job job;
    job.name = "mariadb-check-config";
    // `--verbose --version` reads and sets every option and initialises no plug-in, as `--verbose
    // --help` does, but without 190 KiB of help in which the complaints would drown. Its Aria files
    // go where they hurt nobody. A performance schema that the file switches on would be allocated
    // before any of that, hundreds of MiB beside the running database; its options are read still.
    job.argv = {server,
                "--defaults-file=" + option_file_path(place),
                "--datadir=" + place.run_folder,
                "--tmpdir=" + place.run_folder,
                "--skip-grant-tables",
                "--performance-schema=OFF",
                "--verbose",
                "--version"};
    job.environment = environment();
    job.working_folder = "/";
    job.limit = std::chrono::seconds{60};
    return job;
}

Result<void> judge_config(int exit_status, std::string_view output) {
    while (!output.empty()) {
        const auto end = output.find('\n');
        auto line = output.substr(0, end);
        output.remove_prefix(end == std::string_view::npos ? output.size() : end + 1);
        if (refuses(line)) {
            // It quotes values, which came from outside.
            return Error{Code::config_refused, printable(line, line_bytes_max)};
        }
    }
    if (exit_status != 0) {
        return Error{
            Code::config_refused,
            fmt::format("the check of the configuration ended with status {}", exit_status)};
    }
    return ok();
}

std::string start_complaint(std::string_view output) {
    constexpr std::string_view mark = "ERROR: "; // "ERROR: 1175  You are using safe update mode …"
    for (std::size_t from = 0; from < output.size();) {
        const auto end = std::min(output.find('\n', from), output.size());
        const auto line = output.substr(from, end - from);
        if (line.starts_with(mark)) {
            return fmt::format("the init file, which repairs the agent's account, ended at its "
                               "first error: {}",
                               printable(line.substr(mark.size()), line_bytes_max));
        }
        from = end + 1;
    }
    return {};
}

plugins::LaunchSpec launch(const plugins::Place& place) {
    plugins::LaunchSpec spec;
    spec.argv = {server, "--defaults-file=" + option_file_path(place)};
    spec.environment = environment();
    spec.working_folder = place.data_folder;
    spec.limits.open_files = open_files_wanted(place);
    // A big buffer pool takes minutes to write out; it is never cut short by less than this.
    spec.stop = {plugins::StopStep{SIGTERM, std::chrono::seconds{600}}};
    return spec;
}

} // namespace jackdaw::mariadb
