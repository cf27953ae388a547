#pragma once
// The database's logs, read through jackdaw-host and bounded in size by turning them over.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/log_tail.h"
#include "agent/host/host.h"
#include "plugins/api/datastore.h"

namespace jackdaw::agent {

inline constexpr std::uint64_t log_bytes_max = std::uint64_t{16} << 20U; ///< then it is turned over
inline constexpr unsigned log_kept = 3;                                  ///< older ones beside it

/// What a look at a log gives: its lines, and where to go on.
struct LogView {
    std::vector<std::string> lines;
    std::string cursor;
    bool is_cut = false;
    bool has_more = false;
};

/// Of one event of a stream: cleaned, and as JSON, it may be five times as long, and is to fit a
/// message of the channel.
inline constexpr std::size_t log_streamed_bytes = std::size_t{512} << 10U;

/// The last `lines` lines; or with a cursor what came since, at most so many lines of it; of no
/// more than `bytes_max` bytes. A log that was never written has no line. `not_allowed` says what
/// stands in its place.
[[nodiscard]] Result<LogView> read_log(Host& host, const plugins::LogFile& log, std::size_t lines,
                                       const std::optional<std::string>& cursor,
                                       std::size_t bytes_max = LogLimits{}.bytes_max);

/// The present file. Size 0 and no time when there is none; `not_allowed` as above.
struct LogFact {
    std::uint64_t size_bytes = 0;
    std::optional<std::int64_t> changed_at_ms; ///< wall clock
};
[[nodiscard]] Result<LogFact> look_at_log(Host& host, const plugins::LogFile& log);

} // namespace jackdaw::agent
