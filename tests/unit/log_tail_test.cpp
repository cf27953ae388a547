// The end of a log and what follows it, whatever stands in the file.
#include <map>
#include <random>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/core/log_tail.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

using Lines = std::vector<std::string>;

LogBytes file(std::uint64_t number, const std::string& text, std::size_t* read = nullptr) {
    LogBytes log;
    log.file = number;
    log.size = text.size();
    log.read_at = [text, read](std::uint64_t offset, char* into,
                               std::size_t size) -> Result<std::size_t> {
        const auto count = offset >= text.size() ? 0 : std::min(size, text.size() - offset);
        std::copy_n(text.data() + offset, count, into);
        if (read != nullptr) {
            *read += count;
        }
        return count;
    };
    return log;
}

LogLines must(Result<LogLines> result) {
    if (!result) {
        FAIL(result.error().to_string());
    }
    return *std::move(result);
}

std::string numbered(int from, int to) {
    std::string text;
    for (int i = from; i < to; ++i) {
        text += fmt::format("line {}\n", i);
    }
    return text;
}

} // namespace

TEST_CASE("the last lines come in their order, and a last one without its newline counts") {
    CHECK(must(tail({file(1, "a\nb\nc\n")}, 2, {})).lines == Lines{"b", "c"});
    CHECK(must(tail({file(1, "a\nb\nc")}, 2, {})).lines == Lines{"b", "c"});
    CHECK(must(tail({file(1, "a\n\n\n")}, 2, {})).lines == Lines{"", ""});
    CHECK(must(tail({file(1, "a\n\n\n")}, 9, {})).lines == Lines{"a", "", ""});
    CHECK(must(tail({file(1, "\n")}, 9, {})).lines == Lines{""});
    CHECK(must(tail({file(1, "")}, 9, {})).lines.empty());
    CHECK(must(tail({file(1, "a\nb\n")}, 0, {})).lines.empty());
    CHECK(must(tail({}, 9, {})).lines.empty());
    const auto all = must(tail({file(1, "a\nb\n")}, 9, {}));
    CHECK(all.lines == Lines{"a", "b"});
    CHECK_FALSE(all.is_cut);
    CHECK(all.next == LogCursor{1, 4, false});
}

TEST_CASE("lines that are missing in the newest file come from the older ones") {
    const std::vector<LogBytes> files{file(3, "e\n"), file(2, ""), file(1, "a\nb\nc\nd")};
    const auto answer = must(tail(files, 3, {}));
    CHECK(answer.lines == Lines{"c", "d", "e"});
    CHECK(answer.next == LogCursor{3, 2, false});
    CHECK_FALSE(answer.is_cut);
}

TEST_CASE("of a big file only the end is read") {
    const auto text = numbered(0, 200'000);
    std::size_t read = 0;
    const auto answer = must(tail({file(1, text, &read)}, 3, {}));
    CHECK(answer.lines == Lines{"line 199997", "line 199998", "line 199999"});
    CHECK_FALSE(answer.is_cut);
    CHECK(read <= log_block_bytes);

    read = 0;
    const auto bounded = must(tail({file(1, text, &read)}, 1'000'000, {256U << 10U, 1'000'000}));
    CHECK(read == 256U << 10U);
    CHECK(bounded.is_cut);
    CHECK(bounded.lines.back() == "line 199999");
    for (std::size_t i = 0; i < bounded.lines.size(); ++i) { // none is half
        REQUIRE(bounded.lines[i] == fmt::format("line {}", 200'000 - bounded.lines.size() + i));
    }
    CHECK(must(tail({file(1, text)}, 1'000'000, {})).lines.size() == 10'000);
}

TEST_CASE("a file of one endless line gives its end, bounded") {
    std::size_t read = 0;
    const auto answer = must(tail({file(1, std::string(3U << 20U, '\0'), &read)}, 10, {}));
    REQUIRE(answer.lines.size() == 1);
    CHECK(answer.lines[0].starts_with("... \\x00"));
    CHECK(answer.lines[0].size() <= 4 * 1024 + 4);
    CHECK(answer.is_cut);
    CHECK(read == 1U << 20U);
}

TEST_CASE("a line over 16 KiB is cut and says by how much") {
    const auto answer = must(tail({file(1, "a\n" + std::string(20'000, 'x') + "\nb\n")}, 3, {}));
    REQUIRE(answer.lines.size() == 3);
    CHECK(answer.lines[1] == std::string(log_line_bytes_max, 'x') + " ... [3616 bytes more]");
    CHECK(answer.lines[2] == "b");
}

TEST_CASE("what a terminal must not see is spelt out, and text stays text") {
    CHECK(printable_line("plain \t text") == "plain \t text");
    CHECK(printable_line("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6") ==
          "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6");
    CHECK(printable_line("end\r") == "end");
    CHECK(printable_line("\x1b[31m\x07\x7f\rx") == "\\x1b[31m\\x07\\x7f\\x0dx");
    CHECK(printable_line(std::string_view{"a\0b", 3}) == "a\\x00b");
    CHECK(printable_line("\xc2\x9b") == "\\xc2\\x9b");          // C1: CSI
    CHECK(printable_line("\xe2\x80\xae") == "\\xe2\\x80\\xae"); // right-to-left override
    CHECK(printable_line("\xe2\x80\xa8") == "\\xe2\\x80\\xa8"); // line separator
    CHECK(printable_line("\xff\xfe") == "\\xff\\xfe");          // never in UTF-8
    CHECK(printable_line("\xc0\xaf") == "\\xc0\\xaf");          // longer than need be
    CHECK(printable_line("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");
    CHECK(printable_line("\xed\xa0\x80") == "\\xed\\xa0\\x80");          // a surrogate
    CHECK(printable_line("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80"); // above U+10FFFF
    CHECK(printable_line("x\xe2\x82") == "x\\xe2\\x82");                 // cut short
    const auto longest = printable_line(std::string(1U << 20U, '\x01'));
    CHECK(longest.ends_with("\\x01 ... [1032192 bytes more]"));
    CHECK(longest.size() <= (64U << 10U) + 64); // what `jackdaw log` takes of one line
}

TEST_CASE("following gives each line once, whole, and waits for one that is being written") {
    auto answer = must(tail({file(1, "a\n")}, 9, {}));
    answer = must(follow({file(1, "a\nb\nc")}, answer.next, {}));
    CHECK(answer.lines == Lines{"b"});
    answer = must(follow({file(1, "a\nb\nc")}, answer.next, {}));
    CHECK(answer.lines.empty());
    answer = must(follow({file(1, "a\nb\ncd\ne\n")}, answer.next, {}));
    CHECK(answer.lines == Lines{"cd", "e"});
    CHECK_FALSE(answer.is_cut);
    CHECK_FALSE(answer.has_more);
}

TEST_CASE("following goes on across rotation, with the rest of the old file first") {
    const LogCursor from{1, 2, false};
    const auto answer =
        must(follow({file(3, "e\n"), file(2, "d\n"), file(1, "a\nb\nc")}, from, {}));
    CHECK(answer.lines == Lines{"b", "c", "d", "e"});
    CHECK(answer.next == LogCursor{3, 2, false});
    CHECK_FALSE(answer.is_cut);
    // Renamed, and the new file is not there yet.
    CHECK(must(follow({file(1, "a\nb\n")}, from, {})).lines == Lines{"b"});
    CHECK(must(follow({}, from, {})).next == from);
}

TEST_CASE("a file that was emptied or is gone is said to be, and nothing is read twice") {
    auto answer = must(follow({file(1, "x\n")}, {1, 100, false}, {}));
    CHECK(answer.lines == Lines{"x"});
    CHECK(answer.is_cut);
    answer = must(follow({file(9, "d\n"), file(8, "c\n")}, {1, 100, false}, {}));
    CHECK(answer.lines == Lines{"c", "d"});
    CHECK(answer.is_cut);
    CHECK_FALSE(must(follow({file(9, "d\n")}, LogCursor{}, {})).is_cut);
}

TEST_CASE("a log that was removed and made anew brings no old lines again, rotated ones do come") {
    const auto changed = [](LogBytes log, std::int64_t ms) {
        log.changed_at_ms = ms;
        return log;
    };
    const auto read =
        must(tail({changed(file(1, "seen\n"), 400), changed(file(8, "old\n"), 100)}, 10, {}));
    CHECK(read.lines == Lines{"old", "seen"});
    const auto at = *parse_cursor(format_cursor(read.next));
    CHECK(at == read.next);
    auto answer =
        must(follow({changed(file(9, "new\n"), 500), changed(file(8, "old\n"), 100)}, at, {}));
    CHECK(answer.lines == Lines{"new"});
    CHECK(answer.is_cut);
    answer =
        must(follow({changed(file(9, "new\n"), 700), changed(file(7, "lost in between\n"), 600),
                     changed(file(8, "old\n"), 100)},
                    at, {}));
    CHECK(answer.lines == Lines{"lost in between", "new"});
    answer = must(follow({changed(file(9, ""), 300)}, at, {})); // made anew, with an older time
    CHECK(answer.lines.empty());
    CHECK(answer.next.file == 9);
}

TEST_CASE("an endless line is followed in bounded pieces, shown once and skipped to its end") {
    const std::string text = "a\n" + std::string(200'000, 'x') + "\nb\n";
    LogCursor at{1, 2, false};
    Lines seen;
    int calls = 0;
    for (bool more = true; more; ++calls) {
        REQUIRE(calls < 10);
        std::size_t read = 0;
        const auto answer = must(follow({file(1, text, &read)}, at, {1, 100}));
        CHECK(read <= log_block_bytes);
        seen.insert(seen.end(), answer.lines.begin(), answer.lines.end());
        at = answer.next;
        more = answer.has_more;
    }
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].starts_with(std::string(log_line_bytes_max, 'x') + " ... ["));
    CHECK(seen[1] == "b");
    CHECK(calls == 4);
}

TEST_CASE("however a log is written, rotated and read in pieces, each line comes once in order") {
    std::mt19937 random{7}; // the same each time
    for (int round = 0; round < 200; ++round) {
        std::vector<std::pair<std::uint64_t, std::string>> files{{1, ""}}; // newest first
        Lines written;
        Lines seen;
        LogCursor at{1, 0, false};
        std::uint64_t next_file = 2;
        const auto look = [&](const LogLimits& limits) {
            std::vector<LogBytes> now;
            for (const auto& [number, text] : files) {
                now.push_back(file(number, text));
            }
            const auto answer = must(follow(now, at, limits));
            REQUIRE_FALSE(answer.is_cut);
            seen.insert(seen.end(), answer.lines.begin(), answer.lines.end());
            at = *parse_cursor(format_cursor(answer.next));
            return answer.has_more;
        };
        for (int step = 0; step < 60; ++step) {
            switch (random() % 4) {
            case 0:
            case 1: {
                const auto line = std::string(random() % 40, 'x') + std::to_string(step);
                written.push_back(line);
                files.front().second += line.substr(0, line.size() / 2);
                look({1, 1 + random() % 3});
                files.front().second += line.substr(line.size() / 2) + "\n";
                break;
            }
            case 2: files.insert(files.begin(), {next_file++, ""}); break;
            default: look({1, 1 + random() % 3});
            }
        }
        for (int i = 0; look({}) && i < 100; ++i) {
        }
        REQUIRE(seen == written);
    }
}

TEST_CASE("a position is read only as it was given") {
    for (const LogCursor cursor :
         {LogCursor{}, LogCursor{1, 2, false}, LogCursor{~0ULL, ~0ULL, true},
          LogCursor{1, 2, false, 3}, LogCursor{1, 2, true, INT64_MAX}}) {
        CHECK(*parse_cursor(format_cursor(cursor)) == cursor);
    }
    for (const auto* text :
         {"", "1", "1.", ".1", "1.2.3", "1.2-", "-1.2", "01.2", "1.02", " 1.2", "1.2 ", "1.2++",
          "1.2@", "1.2@0", "1.2@03", "1.2@3+", "1.2@-3", "99999999999999999999.1", "a.b"}) {
        INFO(text);
        CHECK_FALSE(parse_cursor(text));
    }
}

TEST_CASE("a file that is cut short while it is read, or cannot be read, ends the reading") {
    auto shorter = file(1, "a\nb\n");
    shorter.size = 1'000'000;
    CHECK(must(follow({shorter}, {1, 0, false}, {})).lines == Lines{"a", "b"});
    (void)must(tail({shorter}, 5, {}));
    LogBytes broken;
    broken.file = 1;
    broken.size = 10;
    broken.read_at = [](std::uint64_t, char*, std::size_t) -> Result<std::size_t> {
        return Error{Errc::unavailable, "a bad sector"};
    };
    CHECK_FALSE(tail({broken}, 5, {}));
    CHECK_FALSE(follow({broken}, {1, 0, false}, {}));
}
