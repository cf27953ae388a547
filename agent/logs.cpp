#include "agent/logs.h"

#include <deque>

#include <fmt/format.h>

#include "agent/log_fd.h"

namespace jackdaw::agent {
namespace {

constexpr unsigned guard_kept = 2; ///< older ones that a guard keeps of its output

/// The present file and the older ones, newest first; those that are not there are left out.
Result<std::deque<LogFd>> open_all(Host& host, const plugins::LogFile& log) {
    const bool of_guard = log.file.empty();
    const auto owner = of_guard ? LogOwner::guard : LogOwner::engine;
    const std::string name = of_guard ? std::string{guard_log} : log.file;
    std::deque<LogFd> files;
    for (unsigned age = 0; age <= (of_guard ? guard_kept : log_kept); ++age) {
        auto fd = host.open_log(owner, age == 0 ? name : fmt::format("{}.{}", name, age));
        if (fd) {
            files.emplace_back(*std::move(fd));
        } else if (fd.error().code() != Errc::not_found) {
            return std::move(fd).error().while_doing(fmt::format("read the log '{}'", log.name));
        }
    }
    return files;
}

} // namespace

Result<LogView> read_log(Host& host, const plugins::LogFile& log, std::size_t lines,
                         const std::optional<std::string>& cursor, std::size_t bytes_max) {
    JACKDAW_TRY(const auto files, open_all(host, log));
    std::vector<LogBytes> bytes;
    for (const auto& file : files) {
        JACKDAW_TRY(auto one, file.bytes());
        bytes.push_back(std::move(one));
    }
    LogLimits limits;
    limits.bytes_max = bytes_max;
    limits.lines_max = lines;
    LogLines found;
    if (cursor) {
        JACKDAW_TRY(const auto from, parse_cursor(*cursor));
        JACKDAW_TRY(found, follow(bytes, from, limits));
    } else {
        JACKDAW_TRY(found, tail(bytes, lines, limits));
    }
    return LogView{std::move(found.lines), format_cursor(found.next), found.is_cut, found.has_more};
}

Result<LogFact> look_at_log(Host& host, const plugins::LogFile& log) {
    const bool of_guard = log.file.empty();
    auto fd = host.open_log(of_guard ? LogOwner::guard : LogOwner::engine,
                            of_guard ? std::string{guard_log} : log.file);
    if (!fd) {
        return fd.error().code() == Errc::not_found
                   ? Result<LogFact>{LogFact{}}
                   : std::move(fd).error().while_doing(fmt::format("look at '{}'", log.name));
    }
    const LogFd file{*std::move(fd)};
    JACKDAW_TRY(const auto bytes, file.bytes());
    return LogFact{bytes.size, bytes.changed_at_ms};
}

} // namespace jackdaw::agent
