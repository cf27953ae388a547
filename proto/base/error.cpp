#include "proto/base/error.h"

#include <array>
#include <iterator>

#include <fmt/format.h>

namespace jackdaw {
namespace {

constexpr std::array rows{
#define X(identifier, name, reaction, exit_status, text, hint)                                     \
    CodeRow{Code::identifier, name, Errc::reaction, exit_status, text, hint},
#include "proto/base/error_codes.def"
#undef X
};

} // namespace

const CodeRow& row_of(Code code) noexcept {
    return rows[static_cast<std::size_t>(code)];
}

const CodeRow* find_code(std::string_view name) noexcept {
    for (const auto& row : rows) {
        if (row.name == name) {
            return &row;
        }
    }
    return nullptr;
}

std::vector<CodeRow> all_codes() {
    return {rows.begin(), rows.end()};
}

Code general_code(Errc reaction) noexcept {
    for (const auto& row : rows) { // the general rows stand first in the table
        if (row.reaction == reaction) {
            return row.code;
        }
    }
    return Code::internal;
}

std::string_view to_string(Errc code) noexcept {
    switch (code) { // no default: -Wswitch names the value we forgot
    case Errc::invalid: return "invalid";
    case Errc::not_found: return "not_found";
    case Errc::unsupported: return "unsupported";
    case Errc::conflict: return "conflict";
    case Errc::busy: return "busy";
    case Errc::unavailable: return "unavailable";
    case Errc::deadline: return "deadline";
    case Errc::cancelled: return "cancelled";
    case Errc::exhausted: return "exhausted";
    case Errc::corrupt: return "corrupt";
    case Errc::internal: return "internal";
    case Errc::not_allowed: return "not_allowed";
    }
    return "?";
}

Error::Error(Errc code, std::string message, std::source_location where)
    : Error{code, std::move(message), std::error_code{}, where} {}

Error::Error(Code id, std::string message, std::source_location where)
    : state_{new State{row_of(id).reaction, id, std::move(message), {}, {}, {Frame{{}, where}}}} {}

Error::Error(Errc code, std::string message, std::error_code cause, std::source_location where)
    : state_{
          new State{code, general_code(code), std::move(message), {}, cause, {Frame{{}, where}}}} {}

Error Error::with_hint(std::string hint) && {
    state_->hint = std::move(hint);
    return std::move(*this);
}

Error Error::with_id(Code id) && {
    state_->id = id;
    state_->code = row_of(id).reaction;
    return std::move(*this);
}

std::string Error::hint() const {
    return state_->hint.empty() ? std::string{row_of(state_->id).hint} : state_->hint;
}

std::string Error::doing() const {
    std::string line;
    for (auto frame = frames().rbegin(); frame != frames().rend(); ++frame) { // outermost first
        if (!frame->doing.empty()) {
            line += (line.empty() ? "" : ": ") + frame->doing;
        }
    }
    return line;
}

Error Error::clone() const {
    return Error{std::make_unique<State>(*state_)};
}

Error Error::while_doing(std::string doing, std::source_location where) && {
    state_->frames.push_back(Frame{std::move(doing), where});
    return std::move(*this);
}

std::string Error::to_string() const {
    std::string line;
    for (auto frame = frames().rbegin(); frame != frames().rend(); ++frame) { // outermost first
        if (!frame->doing.empty()) {
            line += frame->doing;
            line += ": ";
        }
    }
    line += message();
    if (cause()) {
        fmt::format_to(std::back_inserter(line), " [{}; {}:{}]", jackdaw::to_string(code()),
                       cause().category().name(), cause().value());
    } else {
        fmt::format_to(std::back_inserter(line), " [{}]", jackdaw::to_string(code()));
    }
    return line;
}

std::string Error::to_debug_string() const {
    std::string text = to_string();
    for (const auto& frame : frames()) { // innermost first, as a stack trace reads
        fmt::format_to(std::back_inserter(text), "\n  at {}:{} {}", frame.where.file_name(),
                       frame.where.line(), frame.doing);
    }
    return text;
}

} // namespace jackdaw
