#include "agent/core/log_tail.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "agent/core/utf8.h"

namespace jackdaw::agent {
namespace {

bool is_harmless(char32_t code) {
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    const bool separator = code == 0x2028 || code == 0x2029;
    const bool direction = code == 0x061c || code == 0x200e || code == 0x200f ||
                           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return code == '\t' || (!control && !separator && !direction && code != 0xfeff);
}

/// [offset, offset + size) as far as the file still goes.
Result<std::string> read_range(const LogBytes& log, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) { // ends: each turn reads, or is the last
        JACKDAW_TRY(const auto got, log.read_at(offset + have, bytes.data() + have, size - have));
        if (got == 0) {
            break;
        }
        have += std::min(got, size - have);
    }
    bytes.resize(have);
    return bytes;
}

/// The last `wanted` lines of one file, oldest first.
struct End {
    std::vector<std::string> lines;
    std::size_t bytes_read = 0;
    bool is_cut = false;
};
Result<End> end_of(const LogBytes& log, std::size_t wanted, std::size_t bytes_max) {
    End end;
    std::vector<std::string> blocks; // the last one first
    std::size_t newlines = 0;
    std::uint64_t start = log.size;
    // One newline more than lines: the last byte's, or the one before the first wanted line.
    while (start > 0 && newlines <= wanted && end.bytes_read < bytes_max) {
        const auto size = static_cast<std::size_t>(
            std::min<std::uint64_t>({start, log_block_bytes, bytes_max - end.bytes_read}));
        start -= size;
        JACKDAW_TRY(auto block, read_range(log, start, size));
        end.bytes_read += size;
        newlines += static_cast<std::size_t>(std::count(block.begin(), block.end(), '\n'));
        blocks.push_back(std::move(block));
    }
    std::string text;
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
        text += *block;
    }
    std::string_view rest{text};
    if (rest.ends_with('\n')) {
        rest.remove_suffix(1);
    }
    end.is_cut = start > 0 && newlines <= wanted;
    if (start > 0) { // begins inside a line, or just behind one: either way not with a whole one
        const auto first = rest.find('\n');
        rest.remove_prefix(first == std::string_view::npos ? rest.size() : first + 1);
        if (first == std::string_view::npos && !text.empty()) { // the end of one very long line
            end.lines.push_back("... " +
                                printable_line(std::string_view{text}.substr(
                                    text.size() - std::min(text.size(), std::size_t{1024}))));
            return end;
        }
    }
    if (text.empty()) {
        return end;
    }
    while (end.lines.size() < wanted) {
        const auto at = rest.rfind('\n');
        end.lines.push_back(
            printable_line(at == std::string_view::npos ? rest : rest.substr(at + 1)));
        if (at == std::string_view::npos) {
            break;
        }
        rest = rest.substr(0, at);
    }
    std::reverse(end.lines.begin(), end.lines.end());
    return end;
}

/// Takes lines from what was read of one file; says how many of its bytes are done with.
class LineTaker {
public:
    LineTaker(LogLines& into, std::size_t lines_max) : into_{into}, lines_max_{lines_max} {}

    /// `is_last`: nothing follows these bytes in their file, nor will anything.
    std::size_t take(std::string_view bytes, bool& in_line, bool is_last) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            if (into_.lines.size() >= lines_max_) {
                into_.has_more = true;
                return done;
            }
            const auto rest = bytes.substr(done);
            const auto newline = rest.find('\n');
            if (newline == std::string_view::npos) {
                return done + take_unfinished(rest, in_line, is_last);
            }
            if (!in_line) {
                into_.lines.push_back(printable_line(rest.substr(0, newline)));
            }
            in_line = false;
            done += newline + 1;
        }
        return done;
    }

private:
    std::size_t take_unfinished(std::string_view rest, bool& in_line, bool is_last) {
        if (in_line) {
            return rest.size();
        }
        if (is_last || rest.size() > log_line_bytes_max) {
            into_.lines.push_back(printable_line(rest));
            in_line = !is_last;
            return rest.size();
        }
        return 0;
    }
    LogLines& into_;
    std::size_t lines_max_;
};

/// Where one goes on whose file is gone: the oldest of those that were written to since, and the
/// newest in any case.
std::size_t oldest_unread(const std::vector<LogBytes>& newest_first, const LogCursor& from) {
    std::size_t at = newest_first.size() - 1;
    while (from.changed_at_ms > 0 && at > 0 &&
           newest_first[at].changed_at_ms <= from.changed_at_ms) {
        --at;
    }
    return at;
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

} // namespace

std::string printable_line(std::string_view bytes) {
    if (bytes.ends_with('\r')) {
        bytes.remove_suffix(1);
    }
    const auto cut_off = bytes.size() > log_line_bytes_max ? bytes.size() - log_line_bytes_max : 0;
    bytes.remove_suffix(cut_off);
    std::string line;
    line.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto one = utf8_character(bytes);
        if (one && is_harmless(one->code)) {
            line += bytes.substr(0, one->size);
        } else {
            for (std::size_t i = 0; i < (one ? one->size : 1); ++i) {
                line += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[i]));
            }
        }
        bytes.remove_prefix(one ? one->size : 1);
    }
    if (cut_off > 0) {
        line += fmt::format(" ... [{} bytes more]", cut_off);
    }
    return line;
}

std::string format_cursor(const LogCursor& cursor) {
    return fmt::format("{}.{}{}{}", cursor.file, cursor.offset, cursor.in_line ? "+" : "",
                       cursor.changed_at_ms > 0 ? fmt::format("@{}", cursor.changed_at_ms) : "");
}

Result<LogCursor> parse_cursor(std::string_view text) {
    const auto whole = text;
    LogCursor cursor;
    const auto file = take_number(text);
    if (file && text.starts_with('.')) {
        text.remove_prefix(1);
        if (const auto offset = take_number(text)) {
            cursor = {*file, *offset, text.starts_with('+')};
            text.remove_prefix(cursor.in_line ? 1 : 0);
            if (text.starts_with('@')) {
                text.remove_prefix(1);
                cursor.changed_at_ms = static_cast<std::int64_t>(
                    std::min<std::uint64_t>(take_number(text).value_or(0), INT64_MAX));
            }
            if (format_cursor(cursor) == whole) { // no leading zeros: one spelling each
                return cursor;
            }
        }
    }
    return Error{Errc::invalid, "that is no position in a log"}.with_hint(
        "use the one that came with the lines before");
}

Result<LogLines> tail(const std::vector<LogBytes>& newest_first, std::size_t lines,
                      const LogLimits& limits) {
    LogLines answer;
    auto bytes_left = std::max(limits.bytes_max, log_block_bytes);
    const auto wanted = std::min(lines, limits.lines_max);
    if (!newest_first.empty()) {
        const auto& newest = newest_first.front();
        answer.next = {newest.file, newest.size, false, newest.changed_at_ms};
    }
    std::vector<std::string> newest_line_first;
    for (const auto& log : newest_first) {
        const auto missing = wanted - newest_line_first.size();
        if (missing == 0) {
            break;
        }
        if (bytes_left == 0) {
            answer.is_cut = answer.is_cut || log.size > 0;
            break;
        }
        JACKDAW_TRY(auto end, end_of(log, missing, bytes_left));
        bytes_left -= end.bytes_read;
        std::move(end.lines.rbegin(), end.lines.rend(), std::back_inserter(newest_line_first));
        if (end.is_cut) {
            answer.is_cut = true;
            break;
        }
    }
    answer.lines.assign(std::make_move_iterator(newest_line_first.rbegin()),
                        std::make_move_iterator(newest_line_first.rend()));
    return answer;
}

Result<LogLines> follow(const std::vector<LogBytes>& newest_first, const LogCursor& from,
                        const LogLimits& limits) {
    LogLines answer;
    answer.next = from;
    if (newest_first.empty()) {
        return answer;
    }
    const auto found = std::find_if(newest_first.begin(), newest_first.end(),
                                    [&](const auto& log) { return log.file == from.file; });
    if (found == newest_first.end()) {
        answer.is_cut = from.file != 0;
    }
    auto at = found == newest_first.end() ? oldest_unread(newest_first, from)
                                          : static_cast<std::size_t>(found - newest_first.begin());
    if (found == newest_first.end()) {
        answer.next = {newest_first[at].file, 0, false};
    }
    auto bytes_left = std::max(limits.bytes_max, log_block_bytes);
    LineTaker taker{answer, std::max<std::size_t>(limits.lines_max, 1)};
    auto& next = answer.next;
    for (;; --at) { // ends: each turn goes on to a newer file, and the newest is the last
        const auto& log = newest_first[at];
        if (next.offset > log.size) {
            next = {log.file, 0, false};
            answer.is_cut = true;
        }
        next.changed_at_ms = log.changed_at_ms;
        const auto unread = log.size - next.offset;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(unread, bytes_left));
        JACKDAW_TRY(const auto bytes, read_range(log, next.offset, size));
        bytes_left -= size;
        const bool whole = size == unread;
        const auto done = taker.take(bytes, next.in_line, whole && at > 0);
        next.offset += done;
        answer.has_more = answer.has_more || !whole;
        if (answer.has_more || at == 0) {
            return answer;
        }
        next = {newest_first[at - 1].file, 0, false};
        if (bytes_left == 0) {
            answer.has_more = true;
            return answer;
        }
    }
}

} // namespace jackdaw::agent
