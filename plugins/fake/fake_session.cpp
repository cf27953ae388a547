#include "plugins/fake/fake_session.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

constexpr int slice_ms = 50; ///< how late a cancellation may be seen
constexpr long list_lines_max = 20'000;

Error down(std::string_view why) {
    return Error{Code::database_down, fmt::format("the fake database: {}", why)};
}

Error refusal(const std::string& why) {
    if (why == "exists") {
        return Error{Errc::conflict, "it exists"};
    }
    if (why == "absent") {
        return Error{Errc::not_found, "it does not exist"};
    }
    if (why == "full") {
        return Error{Code::volume_full, "the fake database cannot write"};
    }
    if (why == "denied") {
        return Error{Errc::not_allowed, "the fake database refuses"};
    }
    if (why == "locked") {
        return Error{Errc::busy, "somebody holds it"};
    }
    if (why == "limit") {
        return Error{Errc::exhausted, "the fake database has no connection left"};
    }
    return Error{Errc::internal, fmt::format("the fake database says \"{}\"", why.substr(0, 100))};
}

} // namespace

Result<void> FakeSession::wait(const plugins::Call& call, short events) {
    for (;;) { // bounded by the deadline
        if (call.cancelled()) {
            close();
            return Error{Errc::cancelled, "asked to stop"};
        }
        if (std::chrono::steady_clock::now() >= call.deadline) {
            close();
            return Error{Errc::deadline, "the fake database did not answer in time"};
        }
        pollfd entry{fd_.get(), events, 0};
        if (::poll(&entry, 1, slice_ms) > 0) {
            return ok();
        }
    }
}

Result<void> FakeSession::open(const plugins::Call& call) {
    if (fd_) {
        return ok();
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path_.empty() || socket_path_.size() >= sizeof address.sun_path) {
        return Error{Errc::unavailable, "no server was adopted yet"};
    }
    std::memcpy(address.sun_path, socket_path_.c_str(), socket_path_.size() + 1);
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    // A UNIX socket connects at once or not at all (EAGAIN: its backlog is full).
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return down(std::strerror(errno));
    }
    fd_ = std::move(fd);
    buffer_.clear();
    return wait(call, POLLOUT);
}

Result<void> FakeSession::send(const plugins::Call& call, std::string_view text) {
    while (!text.empty()) { // ends: each turn sends, or waits for a bounded time
        const auto sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            text.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            JACKDAW_CHECK(wait(call, POLLOUT));
        } else {
            close();
            return down("connection lost");
        }
    }
    return ok();
}

Result<std::string> FakeSession::receive_line(const plugins::Call& call) {
    for (;;) { // ends: each turn receives a bounded line, or waits for a bounded time
        if (const auto end = buffer_.find('\n'); end != std::string::npos) {
            auto line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            return line;
        }
        if (buffer_.size() > line_bytes_max) {
            close();
            return Error{Errc::corrupt, "the fake database's answer has no end"};
        }
        JACKDAW_CHECK(wait(call, POLLIN));
        std::array<char, 16384> chunk{};
        const auto got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
        if (got > 0) {
            buffer_.append(chunk.data(), static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EAGAIN) {
            close();
            return down("connection lost");
        }
    }
}

Result<FakeSession::Words> FakeSession::ask_once(const plugins::Call& call, const Words& request) {
    JACKDAW_CHECK(open(call));
    JACKDAW_CHECK(send(call, encode_line(request) + "\n"));
    JACKDAW_TRY(const auto line, receive_line(call));
    auto words = decode_line(line);
    if (!words || words->empty() || (words->front() != "OK" && words->size() < 2)) {
        close();
        return Error{Errc::corrupt, "the fake database's answer has another shape"};
    }
    if (words->front() != "OK") {
        if ((*words)[1] == "limit") {
            close();
        }
        return refusal((*words)[1]);
    }
    words->erase(words->begin());
    return std::move(*words);
}

Result<FakeSession::Words> FakeSession::ask(const plugins::Call& call, const Words& request) {
    const bool fresh = !fd_;
    auto words = ask_once(call, request);
    if (!words && !fresh && words.error().id() == Code::database_down) {
        words = ask_once(call, request);
    }
    return words;
}

Result<std::vector<FakeSession::Words>> FakeSession::ask_list(const plugins::Call& call,
                                                              const Words& request) {
    JACKDAW_TRY(const auto head, ask(call, request));
    const auto count = head.empty() ? -1 : std::strtol(head[0].c_str(), nullptr, 10);
    if (count < 0 || count > list_lines_max) {
        close();
        return Error{Errc::exhausted, "the fake database's list is longer than the agent reads"};
    }
    std::vector<Words> lines;
    for (long i = 0; i < count; ++i) {
        JACKDAW_TRY(const auto line, receive_line(call));
        auto words = decode_line(line);
        if (!words) {
            close();
            return Error{Errc::corrupt, "the fake database's list has another shape"};
        }
        lines.push_back(std::move(*words));
    }
    return lines;
}

} // namespace jackdaw::fake
