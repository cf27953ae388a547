#include "agent/guard/guard_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "proto/machine/guard_protocol.h"

namespace jackdaw::agent {
namespace {

constexpr std::chrono::seconds answer_limit{
    5};                            ///< a guard answers at once; a frozen machine does not
constexpr int events_between = 64; ///< at most so many events before an answer

std::error_code last_error() {
    return {errno, std::system_category()};
}

std::string_view reason_text(std::uint32_t reason) {
    switch (reason) {
    case JACKDAW_GUARD_REASON_LOCKED: return "another guard of that name holds its lock";
    case JACKDAW_GUARD_REASON_NOT_EMPTY: return "processes are left in its control group";
    case JACKDAW_GUARD_REASON_SPEC: return "its spawn request is not valid";
    case JACKDAW_GUARD_REASON_SETUP: return "its own socket, pipe, log or locks";
    case JACKDAW_GUARD_REASON_CHILD: return "the child's user, limits or descriptors";
    case JACKDAW_GUARD_REASON_WORKING_FOLDER: return "the working folder";
    case JACKDAW_GUARD_REASON_EXECUTE: return "the program cannot be executed";
    default: return "it does not say why";
    }
}

} // namespace

GuardClient::GuardClient(UniqueFd socket) : socket_{std::move(socket)} {}

Result<std::unique_ptr<GuardClient>> GuardClient::connect(const std::string& folder,
                                                          const std::string& name) {
    const auto path = folder + "/" + name + ".sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return Error{Errc::invalid, fmt::format("guard name '{}' is too long", name)};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    UniqueFd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    if (!socket) {
        return Error{Errc::exhausted, "make a socket", last_error()};
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const bool absent = errno == ENOENT || errno == ECONNREFUSED;
        return Error{absent ? Errc::not_found : Errc::unavailable,
                     fmt::format("connect to guard '{}'", name), last_error()};
    }
    return std::make_unique<GuardClient>(std::move(socket));
}

Result<std::uint32_t> GuardClient::send(std::uint16_t type, std::uint32_t argument) {
    jackdaw_guard_request request{};
    jackdaw_guard_header_set(&request.header, type, ++sequence_, sizeof request);
    request.argument = argument;
    if (::send(socket_.get(), &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(sizeof request)) {
        return Error{Errc::unavailable, "the guard is gone", last_error()};
    }
    return sequence_;
}

Result<GuardClient::Answer> GuardClient::receive(std::chrono::steady_clock::time_point deadline,
                                                 int cancel_fd) {
    for (;;) {
        std::array<char, sizeof(jackdaw_guard_output)> buffer; // 32 KiB, filled by the kernel
        const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size == 0) {
            return Error{Errc::unavailable, "the guard has died"};
        }
        if (size > 0) {
            const int type =
                jackdaw_guard_answer_valid(buffer.data(), static_cast<std::size_t>(size));
            if (type == 0) {
                return Error{Errc::corrupt, "the guard sent something that is no answer"};
            }
            return Answer{type, std::string(buffer.data(), static_cast<std::size_t>(size))};
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return Error{Errc::unavailable, "the guard is gone", last_error()};
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return Error{Errc::deadline, "the guard did not answer in time"};
        }
        std::array<pollfd, 2> waits{pollfd{socket_.get(), POLLIN, 0}, pollfd{cancel_fd, POLLIN, 0}};
        const auto ms = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
        (void)::poll(waits.data(), waits.size(), ms); // EINTR: look again
        if ((waits[1].revents & POLLIN) != 0) {
            return Error{Errc::cancelled, "asked to stop waiting"};
        }
    }
}

Result<void> GuardClient::take_status(const std::string& bytes) {
    jackdaw_guard_status status{};
    std::memcpy(&status, bytes.data(), sizeof status);
    GuardStatus now;
    now.child_pid = status.child_pid;
    now.started_boottime_ns = status.started_boottime_ns;
    now.ended_boottime_ns = status.ended_boottime_ns;
    now.cpu_us = status.cpu_us;
    now.signal = status.signal;
    if (status.exit_status >= 0) {
        now.exit_status = status.exit_status;
    }
    switch (status.phase) {
    case JACKDAW_GUARD_RUNNING: now.phase = GuardPhase::running; break;
    case JACKDAW_GUARD_STOPPING: now.phase = GuardPhase::stopping; break;
    case JACKDAW_GUARD_ENDED: now.phase = GuardPhase::ended; break;
    default:
        failed_ = Error{
            Code::job_failed,
            fmt::format("the guard could not start it: {}{}", reason_text(status.reason),
                        status.error != 0
                            ? fmt::format(" ({})", std::system_category().message(status.error))
                            : "")};
        return failed_->clone();
    }
    last_ = now;
    return ok();
}

Result<GuardClient::Answer> GuardClient::ask(std::uint16_t type, std::uint32_t argument,
                                             int wanted) {
    JACKDAW_TRY(const auto sequence, send(type, argument));
    const auto deadline = std::chrono::steady_clock::now() + answer_limit;
    for (int message = 0; message < events_between; ++message) {
        JACKDAW_TRY(auto answer, receive(deadline, -1));
        jackdaw_guard_header header{};
        std::memcpy(&header, answer.bytes.data(), sizeof header);
        if (answer.type == JACKDAW_GUARD_STATUS_EVENT) {
            (void)take_status(
                answer.bytes); // kept in last_ or failed_; the caller asked for something else
            continue;
        }
        if (header.sequence == sequence &&
            (answer.type == wanted || answer.type == JACKDAW_GUARD_ACK)) {
            return answer;
        }
    }
    return Error{Errc::corrupt, "the guard sends events without an answer"};
}

Result<void> GuardClient::ask_ack(std::uint16_t type, std::uint32_t argument, const char* doing) {
    JACKDAW_TRY(const auto answer, ask(type, argument, JACKDAW_GUARD_ACK));
    jackdaw_guard_ack ack{};
    std::memcpy(&ack, answer.bytes.data(), sizeof ack);
    if (ack.error != 0) {
        return Error{Errc::conflict, doing, std::error_code{ack.error, std::system_category()}};
    }
    return ok();
}

Result<GuardStatus> GuardClient::status() {
    if (failed_) {
        return failed_->clone();
    }
    // What has come unasked first, the guard's last words among it: one that has died answers
    // nothing more.
    for (int message = 0; message < events_between; ++message) {
        auto waiting = receive(std::chrono::steady_clock::now(), -1);
        if (!waiting) {
            if (waiting.error().code() == Errc::deadline) {
                break;
            }
            return last_ && last_->phase == GuardPhase::ended ? Result<GuardStatus>{*last_}
                                                              : std::move(waiting).error();
        }
        if (waiting->type == JACKDAW_GUARD_STATUS_EVENT) {
            JACKDAW_CHECK(take_status(waiting->bytes));
        }
    }
    if (last_ && last_->phase == GuardPhase::ended) {
        return *last_;
    }
    JACKDAW_TRY(const auto answer, ask(JACKDAW_GUARD_STATUS, 0, JACKDAW_GUARD_STATUS_REPLY));
    if (answer.type != JACKDAW_GUARD_STATUS_REPLY) {
        return Error{Errc::corrupt, "the guard does not know the request for its status"};
    }
    JACKDAW_CHECK(take_status(answer.bytes));
    return *last_;
}

Result<void> GuardClient::request_stop(StopKind kind) {
    return ask_ack(JACKDAW_GUARD_STOP,
                   kind == StopKind::kill ? JACKDAW_GUARD_STOP_KILL : JACKDAW_GUARD_STOP_CLEAN,
                   "ask a guard to stop");
}

Result<std::string> GuardClient::output() {
    JACKDAW_TRY(const auto answer, ask(JACKDAW_GUARD_OUTPUT, 0, JACKDAW_GUARD_OUTPUT_REPLY));
    if (answer.type != JACKDAW_GUARD_OUTPUT_REPLY) {
        return Error{Errc::corrupt, "the guard does not know the request for output"};
    }
    std::uint32_t length = 0;
    std::memcpy(&length, answer.bytes.data() + offsetof(jackdaw_guard_output, length),
                sizeof length);
    return answer.bytes.substr(offsetof(jackdaw_guard_output, data), length);
}

Result<void> GuardClient::release() {
    return ask_ack(JACKDAW_GUARD_RELEASE, 0, "release a guard");
}

Result<GuardStatus> GuardClient::wait_end(std::chrono::milliseconds limit, int cancel_fd) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        JACKDAW_TRY(const auto now, status());
        if (now.phase == GuardPhase::ended) {
            return now;
        }
        auto message = receive(deadline, cancel_fd);
        if (!message) {
            return std::move(message).error();
        }
        if (message->type == JACKDAW_GUARD_STATUS_EVENT) {
            JACKDAW_CHECK(take_status(message->bytes));
            if (last_->phase == GuardPhase::ended) {
                return *last_;
            }
        }
    }
}

} // namespace jackdaw::agent
