#pragma once
// The end of a log, and what came after it, from files that somebody hostile writes: bounded in
// lines and in bytes whatever the file holds (10 GB without a newline, a hole, a file cut short
// between two reads), and cleaned before anybody's terminal sees it. Pure: the bytes come through a
// function.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::agent {

inline constexpr std::size_t log_line_bytes_max = std::size_t{16} << 10; ///< longer ones are cut
inline constexpr std::size_t log_block_bytes = std::size_t{64} << 10;

/// One file as it was when it was looked at.
struct LogBytes {
    std::int64_t changed_at_ms = 0; ///< wall clock
    std::uint64_t file = 0;         ///< tells files apart across renames: the inode; never 0
    std::uint64_t size = 0;
    /// At most `size` bytes from `offset`; fewer only at the file's end, 0: it ends there by now.
    std::function<Result<std::size_t>(std::uint64_t offset, char* into, std::size_t size)> read_at;
};

/// For one call. Choose bytes_max as what may be read and held, not as what is shown: a cleaned
/// line may be four times as long. Below log_block_bytes it is taken as that.
struct LogLimits {
    std::size_t bytes_max = std::size_t{1} << 20;
    std::size_t lines_max = 10'000;
};

/// Where a reader stands. {0, 0} stands before everything.
struct LogCursor {
    std::uint64_t file = 0;
    std::uint64_t offset = 0;
    bool in_line = false; ///< inside a line that was too long: its rest is skipped
    /// Of the file, when it was read to here; 0: not known. What was changed last before that was
    /// read, or is older than what was.
    std::int64_t changed_at_ms = 0;
    friend bool operator==(const LogCursor&, const LogCursor&) = default;
};

/// "FILE.OFFSET", with "+" behind it inside a line, and "@MS" behind that with a time.
[[nodiscard]] std::string format_cursor(const LogCursor& cursor);
/// `invalid` when it is not exactly that.
[[nodiscard]] Result<LogCursor> parse_cursor(std::string_view text);

struct LogLines {
    std::vector<std::string> lines; ///< without newlines, printable
    LogCursor next;                 ///< for follow()
    bool is_cut = false;   ///< tail: a limit left out lines; follow: some were lost in between
    bool has_more = false; ///< follow: a limit was met, ask again at once
};

/// The last `lines` lines (at most limits.lines_max) of a log and the older files that it was
/// renamed to, newest first; files that are missing are left out. A last line without its newline
/// counts. Reads backwards, at most limits.bytes_max. An error of read_at is the answer.
[[nodiscard]] Result<LogLines> tail(const std::vector<LogBytes>& newest_first, std::size_t lines,
                                    const LogLimits& limits);

/// What was written since `from`, across rotation: the rest of the file that it names, then the
/// newer ones. A line without its newline waits in the newest file (its writer is inside it) and
/// counts in an older one. A file that is shorter than `from` was emptied and is read from its
/// beginning; where one is gone, the oldest that was written since comes next, so neither a log
/// that was removed and made anew brings old lines again, nor one that was rotated away loses what
/// is left: both are is_cut. A new file that got the inode of one that is gone is taken for that
/// one: who follows must not fall behind by all that is kept.
[[nodiscard]] Result<LogLines> follow(const std::vector<LogBytes>& newest_first,
                                      const LogCursor& from, const LogLimits& limits);

/// One line, cut to log_line_bytes_max: valid UTF-8 stays, but for control characters, line and
/// paragraph separators and the ones that turn the direction of writing; those and bytes that are
/// no UTF-8 become \xNN. A tab stays, a carriage return at the end goes.
[[nodiscard]] std::string printable_line(std::string_view bytes);

} // namespace jackdaw::agent
