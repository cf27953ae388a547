#include "coordinator/client/http_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace jackdaw::cli {
namespace {

Error broken(std::string_view what) {
    return Error{Code::protocol, fmt::format("the answer is not HTTP: {}", what)};
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same_word(std::string_view a, std::string_view lower) {
    return std::ranges::equal(a, lower, [](char x, char y) {
        return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
    });
}

Result<std::uint64_t> number(std::string_view text, int base, std::string_view what) {
    std::uint64_t value = 0;
    const auto [end, failure] =
        std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size() ||
        value > http_body_bytes_max) {
        return broken(what);
    }
    return value;
}

} // namespace

Result<void> HttpReader::feed(std::string_view bytes) {
    pending_ += bytes;
    for (;;) { // each step consumes something or says that it cannot
        JACKDAW_TRY(const bool more, step());
        if (!more) {
            return ok();
        }
    }
}

Result<void> HttpReader::end() {
    if (state_ == State::body_until_end) {
        state_ = State::complete;
    }
    return complete() ? ok() : Result<void>{broken("it ends early")};
}

Result<bool> HttpReader::take_line(std::string& line) {
    const auto end = pending_.find("\r\n");
    if (end == std::string::npos) {
        if (pending_.size() > http_head_bytes_max) {
            return broken("a line without an end");
        }
        return false;
    }
    line = pending_.substr(0, end);
    pending_.erase(0, end + 2);
    return true;
}

Result<bool> HttpReader::step() {
    std::string line;
    switch (state_) {
    case State::head: {
        const auto end = pending_.find("\r\n\r\n");
        if (end == std::string::npos || end > http_head_bytes_max) {
            if (pending_.size() > http_head_bytes_max) {
                return broken("the head is too long");
            }
            return false;
        }
        JACKDAW_CHECK(read_head());
        return true;
    }
    case State::body_length:
    case State::chunk_data:
    case State::body_until_end: {
        const auto size =
            state_ == State::body_until_end
                ? pending_.size()
                : static_cast<std::size_t>(std::min<std::uint64_t>(left_, pending_.size()));
        if (size > 0) {
            auto piece = pending_.substr(0, size);
            pending_.erase(0, size);
            left_ -= state_ == State::body_until_end ? 0 : size;
            JACKDAW_CHECK(on_body_(piece));
        }
        if (state_ == State::body_until_end || left_ > 0) {
            return false;
        }
        state_ = state_ == State::chunk_data ? State::chunk_end : State::complete;
        return true;
    }
    case State::chunk_size: {
        JACKDAW_TRY(const bool have, take_line(line));
        if (!have) {
            return false;
        }
        JACKDAW_TRY(left_, number(trimmed(std::string_view{line}.substr(0, line.find(';'))), 16,
                                  "a chunk's size"));
        state_ = left_ == 0 ? State::trailer : State::chunk_data;
        return true;
    }
    case State::chunk_end: {
        JACKDAW_TRY(const bool have, take_line(line));
        if (have && !line.empty()) {
            return broken("a chunk is longer than it says");
        }
        state_ = have ? State::chunk_size : state_;
        return have;
    }
    case State::trailer: {
        JACKDAW_TRY(const bool have, take_line(line));
        if (have && line.empty()) {
            state_ = State::complete;
        }
        return have;
    }
    case State::complete: break;
    }
    return false;
}

Result<void> HttpReader::read_head() {
    std::string line;
    JACKDAW_TRY(const bool first, take_line(line));
    const std::string_view start = line;
    if (!first || !start.starts_with("HTTP/1.") || start.size() < 12 || start[8] != ' ') {
        return broken("the status line");
    }
    JACKDAW_TRY(const auto status, number(start.substr(9, 3), 10, "the status"));
    status_ = static_cast<int>(status);
    for (std::size_t i = 0; i < http_head_bytes_max; ++i) { // the head is that long at most
        JACKDAW_TRY(const bool have, take_line(line));
        if (!have) {
            return broken("the head");
        }
        if (line.empty()) {
            break;
        }
        JACKDAW_CHECK(read_header(line));
    }
    if (status_ >= 100 && status_ < 200) {
        state_ = State::head; // an interim answer: the real one follows
    } else if (status_ == 204 || status_ == 304) {
        state_ = State::complete;
    } else if (chunked_) {
        state_ = State::chunk_size;
    } else if (has_length_) {
        state_ = left_ == 0 ? State::complete : State::body_length;
    } else {
        state_ = State::body_until_end;
    }
    return ok();
}

Result<void> HttpReader::read_header(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
        return broken("a header");
    }
    const auto name = line.substr(0, colon);
    const auto value = trimmed(line.substr(colon + 1));
    if (same_word(name, "content-length")) {
        JACKDAW_TRY(left_, number(value, 10, "the length"));
        has_length_ = true;
    } else if (same_word(name, "transfer-encoding")) {
        if (!same_word(value, "chunked")) {
            return broken("a transfer encoding other than chunked");
        }
        chunked_ = true;
    }
    return ok();
}

Result<bool> SseReader::feed(std::string_view bytes) {
    pending_ += bytes;
    for (;;) { // each turn takes one line out of pending_
        const auto end = pending_.find('\n');
        if (end == std::string::npos) {
            break;
        }
        auto text = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        if (!text.empty() && text.back() == '\r') {
            text.pop_back();
        }
        JACKDAW_TRY(const bool more, line(text));
        if (!more) {
            return false;
        }
    }
    if (pending_.size() + data_.size() > sse_event_bytes_max) {
        return Error{Code::protocol, "an event of the stream is too long"};
    }
    return true;
}

Result<bool> SseReader::line(std::string_view text) {
    if (text.empty()) { // the end of an event
        bool more = true;
        if (has_data_) {
            const auto name = event_.empty() ? std::string_view{"message"} : event_;
            JACKDAW_TRY(more, sink_(name, data_));
        }
        event_.clear();
        data_.clear();
        has_data_ = false;
        return more;
    }
    const auto colon = text.find(':');
    const auto field = text.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (value.starts_with(' ')) {
        value.remove_prefix(1);
    }
    if (field == "event") {
        event_ = value;
    } else if (field == "data") {
        data_ += has_data_ ? "\n" : "";
        data_ += value;
        has_data_ = true;
    }
    return true;
}

} // namespace jackdaw::cli
