#include "agent/guard/guard_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

namespace jackdaw::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int messages_per_turn = 64; ///< read without waiting, at most

int left_ms(Clock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

const char* words_of(std::uint32_t reason) {
    switch (reason) {
    case JACKDAW_GUARD_REASON_LOCKED:
        return "another guard of that name, or what it left, holds its lock";
    case JACKDAW_GUARD_REASON_NOT_EMPTY: return "processes are left in its cgroup";
    case JACKDAW_GUARD_REASON_SPEC: return "the order to start it is not valid";
    case JACKDAW_GUARD_REASON_SETUP: return "the guard could not make its socket, log or locks";
    case JACKDAW_GUARD_REASON_CHILD:
        return "its user, groups, limits or descriptors could not be set";
    case JACKDAW_GUARD_REASON_WORKING_FOLDER: return "its working folder cannot be entered";
    case JACKDAW_GUARD_REASON_EXECUTE: return "the program cannot be executed";
    default: return "the guard does not say why";
    }
}

} // namespace

GuardClient::GuardClient(UniqueFd socket)
    : socket_{std::move(socket)}, buffer_{std::make_unique<Buffer>()} {
    assert(socket_);
}

Error GuardClient::died(const char* doing) const {
    return Error{Code::guard_died, fmt::format("{}: the guard has died", doing)};
}

/// One message into the buffer: its type; 0 when none came in time.
Result<int> GuardClient::receive(int wait_ms) {
    pollfd wait{socket_.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, wait_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) {
        return 0;
    }
    const auto got =
        ::recv(socket_.get(), buffer_->data(), buffer_->size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (got <= 0) {
        return died("listen to it");
    }
    const int type =
        static_cast<std::size_t>(got) <= buffer_->size()
            ? jackdaw_guard_answer_valid(buffer_->data(), static_cast<std::size_t>(got))
            : 0;
    if (type == 0) {
        return Error{Code::protocol, "a guard sent something that its protocol does not have"};
    }
    if (type == JACKDAW_GUARD_STATUS_EVENT || type == JACKDAW_GUARD_STATUS_REPLY) {
        jackdaw_guard_status status;
        std::memcpy(&status, buffer_->data(), sizeof status);
        note(status);
    }
    return type;
}

void GuardClient::note(const jackdaw_guard_status& status) {
    last_ = GuardStatus{};
    last_.phase = status.phase == JACKDAW_GUARD_RUNNING    ? GuardPhase::running
                  : status.phase == JACKDAW_GUARD_STOPPING ? GuardPhase::stopping
                                                           : GuardPhase::ended;
    last_.child_pid = status.child_pid;
    last_.started_boottime_ns = status.started_boottime_ns;
    last_.ended_boottime_ns = status.ended_boottime_ns;
    last_.cpu_us = status.cpu_us;
    last_.signal = status.signal;
    if (status.exit_status >= 0 && status.phase == JACKDAW_GUARD_ENDED) {
        last_.exit_status = status.exit_status;
    }
    if (status.phase == JACKDAW_GUARD_FAILED_TO_START) {
        start_failure_ = fmt::format("it could not be started: {} ({})", words_of(status.reason),
                                     std::generic_category().message(status.error));
    }
}

/// Events that lie there, so that poll_fd() is quiet until the next.
void GuardClient::drain() {
    for (int i = 0; i < messages_per_turn; ++i) {
        const auto type = receive(0);
        if (!type || *type == 0) {
            return;
        }
    }
}

Result<std::uint32_t> GuardClient::send(std::uint16_t type, std::uint32_t argument) {
    jackdaw_guard_request request{};
    const auto sequence = ++sequence_ == 0 ? ++sequence_ : sequence_;
    jackdaw_guard_header_set(&request.header, type, sequence, sizeof request);
    request.argument = argument;
    const auto until = Clock::now() + answer_limit;
    for (;;) {
        const auto sent =
            ::send(socket_.get(), &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == static_cast<ssize_t>(sizeof request)) {
            return sequence;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return died("ask it");
        }
        const int left = left_ms(until);
        if (left == 0) {
            return Error{Errc::unavailable, "the guard takes no message"};
        }
        pollfd wait{socket_.get(), POLLOUT, 0};
        (void)::poll(&wait, 1, left);
    }
}

/// Sends and waits for the answer, which is in the buffer then; the type that came (the one asked
/// for, or an ack).
Result<int> GuardClient::ask(std::uint16_t type, std::uint32_t argument, int answer) {
    JACKDAW_TRY(const auto sequence, send(type, argument));
    const auto until = Clock::now() + answer_limit;
    for (int left = left_ms(until); left > 0; left = left_ms(until)) {
        JACKDAW_TRY(const auto came, receive(left));
        jackdaw_guard_header header;
        std::memcpy(&header, buffer_->data(), sizeof header);
        if (came == 0 || header.sequence != sequence) {
            continue; // nothing, an event, or the answer to a question given up earlier
        }
        if (came != answer && came != JACKDAW_GUARD_ACK) {
            return Error{Code::protocol, "a guard answered something else than it was asked"};
        }
        return came;
    }
    return Error{Errc::unavailable, "the guard does not answer"};
}

Result<GuardStatus> GuardClient::status() {
    const auto came = ask(JACKDAW_GUARD_STATUS, 0, JACKDAW_GUARD_STATUS_REPLY);
    if (!came) {
        drain(); // its last words may lie there: refused, could not start, ended
        if (came.error().code() == Errc::unavailable && last_.phase == GuardPhase::ended) {
            return last_;
        }
        return came.error().clone();
    }
    if (*came != JACKDAW_GUARD_STATUS_REPLY) {
        return Error{Code::protocol, "a guard did not tell its status"};
    }
    drain();
    return last_;
}

Result<void> GuardClient::request_stop(StopKind kind) {
    const std::uint32_t argument =
        kind == StopKind::clean ? JACKDAW_GUARD_STOP_CLEAN : JACKDAW_GUARD_STOP_KILL;
    JACKDAW_TRY(const auto came, ask(JACKDAW_GUARD_STOP, argument, JACKDAW_GUARD_ACK));
    (void)came;
    jackdaw_guard_ack ack;
    std::memcpy(&ack, buffer_->data(), sizeof ack);
    if (ack.error != 0) {
        return Error{Errc::internal, "order a guard to stop",
                     std::error_code{ack.error, std::generic_category()}};
    }
    return ok();
}

Result<std::string> GuardClient::output() {
    const auto came = ask(JACKDAW_GUARD_OUTPUT, 0, JACKDAW_GUARD_OUTPUT_REPLY);
    if (!came) {
        return start_failure_.empty() ? Result<std::string>{came.error().clone()}
                                      : Result<std::string>{start_failure_};
    }
    if (*came != JACKDAW_GUARD_OUTPUT_REPLY) {
        return Error{Code::protocol, "a guard did not hand out the output"};
    }
    std::uint32_t length = 0;
    std::memcpy(&length, buffer_->data() + offsetof(jackdaw_guard_output, length), sizeof length);
    std::string text{buffer_->data() + offsetof(jackdaw_guard_output, data), length};
    drain();
    return text.empty() ? start_failure_ : text;
}

Result<void> GuardClient::release() {
    const auto came = ask(JACKDAW_GUARD_RELEASE, 0, JACKDAW_GUARD_ACK);
    if (!came) {
        // It exits on a release: gone is what was asked for.
        return came.error().code() == Errc::unavailable ? ok() : Result<void>{came.error().clone()};
    }
    return ok(); // EBUSY: no effect before the end
}

Result<GuardStatus> GuardClient::wait_end(std::chrono::milliseconds limit, int cancel_fd) {
    const auto until = Clock::now() + limit;
    JACKDAW_TRY(auto now, status());
    while (now.phase != GuardPhase::ended) {
        const int left = left_ms(until);
        if (left == 0) {
            return Error{Errc::deadline, "the program still runs when its time is over"};
        }
        pollfd waits[2] = {{socket_.get(), POLLIN, 0}, {cancel_fd, POLLIN, 0}};
        if (::poll(waits, 2, left) < 0 && errno != EINTR) {
            return Error{Errc::internal, "wait for a guard",
                         std::error_code{errno, std::generic_category()}};
        }
        if (cancel_fd >= 0 && waits[1].revents != 0) {
            return Error{Errc::cancelled, "asked to stop while a program was running"};
        }
        if (waits[0].revents != 0) {
            JACKDAW_TRY(const auto came, receive(0));
            (void)came;
            now = last_;
        }
    }
    return now;
}

} // namespace jackdaw::agent
