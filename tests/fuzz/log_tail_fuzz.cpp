// Arbitrary bytes as a log in two files, read from its end and followed in pieces: what comes is
// printable, bounded, and the same however it is read.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/log_tail.h"
#include "tests/fuzz/require.h"

using jackdaw::fuzz::require;
using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

LogBytes file(std::uint64_t number, std::string_view text) {
    LogBytes log;
    log.file = number;
    log.size = text.size();
    log.read_at = [text](std::uint64_t offset, char* into,
                         std::size_t size) -> Result<std::size_t> {
        const auto count = offset >= text.size() ? 0 : std::min(size, text.size() - offset);
        std::copy_n(text.data() + offset, count, into);
        return count;
    };
    return log;
}

void check(const std::vector<std::string>& lines) {
    for (const auto& line : lines) {
        require(line.size() <= 4 * log_line_bytes_max + 64);
        for (const char c : line) {
            const auto byte = static_cast<unsigned char>(c);
            require((byte >= 0x20 || c == '\t') && byte != 0x7f);
        }
        require(printable_line(line) == line || line.size() > log_line_bytes_max ||
                line.ends_with('\r'));
    }
}

std::vector<std::string> follow_all(const std::vector<LogBytes>& files, const LogLimits& limits) {
    std::vector<std::string> seen;
    LogCursor at{files.back().file, 0, false};
    for (bool more = true; more;) {
        const auto before = at;
        const auto answer = follow(files, at, limits);
        require(static_cast<bool>(answer) && !answer->is_cut);
        check(answer->lines);
        seen.insert(seen.end(), answer->lines.begin(), answer->lines.end());
        at = answer->next;
        more = answer->has_more;
        require(!more || at != before); // each turn gets on
    }
    return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto half = size / 2;
    const std::vector<LogBytes> files{file(2, text.substr(half)), file(1, text.substr(0, half))};

    const auto end = tail(files, 1 + size % 7, {});
    require(static_cast<bool>(end) && end->lines.size() <= 1 + size % 7);
    check(end->lines);
    require(follow_all(files, {1, 1}) == follow_all(files, {}));

    if (const auto cursor = parse_cursor(text)) {
        require(format_cursor(*cursor) == text);
        require(static_cast<bool>(follow(files, *cursor, {})));
    }
    return 0;
}
