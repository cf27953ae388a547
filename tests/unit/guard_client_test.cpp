// The agent's end of a guard's protocol, against a guard that says what the test wants.
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include <catch2/catch.hpp>

#include "agent/guard/guard_client.h"
#include "proto/machine/init_protocol.h"

using namespace jackdaw;
using namespace jackdaw::agent;

namespace {

struct Pair {
    UniqueFd agents, guards;
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        agents.reset(ends[0]);
        guards.reset(ends[1]);
    }
};

jackdaw_guard_status status_of(std::uint32_t phase, std::uint32_t sequence = 0) {
    jackdaw_guard_status status{};
    jackdaw_guard_header_set(
        &status.header, sequence == 0 ? JACKDAW_GUARD_STATUS_EVENT : JACKDAW_GUARD_STATUS_REPLY,
        sequence, sizeof status);
    status.phase = phase;
    status.exit_status = -1;
    status.child_pid = 42;
    std::memcpy(status.name, "job", 4);
    return status;
}

template <class Message>
void say(int fd, const Message& message, std::size_t size = sizeof(Message)) {
    (void)!::send(fd, &message, size, MSG_NOSIGNAL);
}

/// Answers each request by `answer` until the agent's end closes.
class ScriptedGuard {
public:
    ScriptedGuard(UniqueFd fd, std::function<void(int, const jackdaw_guard_request&)> answer)
        : fd_{std::move(fd)}, thread_{[this, answer = std::move(answer)] {
              jackdaw_guard_request request{};
              while (::recv(fd_.get(), &request, sizeof request, 0) ==
                     static_cast<ssize_t>(sizeof request)) {
                  answer(fd_.get(), request);
              }
          }} {}
    ~ScriptedGuard() { thread_.join(); }
    ScriptedGuard(const ScriptedGuard&) = delete;
    ScriptedGuard& operator=(const ScriptedGuard&) = delete;

private:
    UniqueFd fd_;
    std::thread thread_;
};

void ack(int fd, const jackdaw_guard_request& request, int error = 0) {
    jackdaw_guard_ack answer{};
    jackdaw_guard_header_set(&answer.header, JACKDAW_GUARD_ACK, request.header.sequence,
                             sizeof answer);
    answer.error = error;
    say(fd, answer);
}

} // namespace

TEST_CASE("a status is what the guard says now, whatever events came before") {
    Pair pair;
    say(pair.guards.get(), status_of(JACKDAW_GUARD_RUNNING));
    const ScriptedGuard guard{
        std::move(pair.guards), [](int fd, const jackdaw_guard_request& request) {
            auto ended = status_of(JACKDAW_GUARD_ENDED, request.header.sequence);
            ended.exit_status = 0;
            say(fd, ended);
        }};
    GuardClient client{std::move(pair.agents)};
    const auto status = client.status();
    REQUIRE(status);
    CHECK(status->succeeded());
    CHECK(status->child_pid == 42);
}

TEST_CASE("a guard that died is unavailable, and its child has not succeeded") {
    Pair pair;
    say(pair.guards.get(), status_of(JACKDAW_GUARD_RUNNING));
    pair.guards.reset();
    GuardClient client{std::move(pair.agents)};
    const auto status = client.status();
    REQUIRE_FALSE(status);
    CHECK(status.error().code() == Errc::unavailable);
    CHECK(client.wait_end(std::chrono::seconds{5}, -1).error().code() == Errc::unavailable);
}

TEST_CASE("what could not be started has ended without success, and says why") {
    Pair pair;
    auto failed = status_of(JACKDAW_GUARD_FAILED_TO_START);
    failed.reason = JACKDAW_GUARD_REASON_EXECUTE;
    failed.error = ENOENT;
    say(pair.guards.get(), failed);
    pair.guards.reset(); // and exits
    GuardClient client{std::move(pair.agents)};
    const auto end = client.wait_end(std::chrono::seconds{5}, -1);
    REQUIRE(end);
    CHECK(end->phase == GuardPhase::ended);
    CHECK_FALSE(end->succeeded());
    const auto words = client.output();
    REQUIRE(words);
    CHECK(words->find("cannot be executed") != std::string::npos);
    CHECK(client.release());
}

TEST_CASE("waiting ends by the end, by the limit, or by a cancellation") {
    Pair pair;
    const UniqueFd cancel{::eventfd(0, EFD_CLOEXEC)};
    const int raw = pair.guards.get();
    std::atomic<std::uint32_t> phase{JACKDAW_GUARD_RUNNING};
    const auto now = [&](std::uint32_t sequence) {
        auto status = status_of(phase, sequence);
        status.signal = phase == JACKDAW_GUARD_ENDED ? 9 : 0;
        return status;
    };
    const ScriptedGuard guard{std::move(pair.guards),
                              [&](int fd, const jackdaw_guard_request& request) {
                                  say(fd, now(request.header.sequence));
                              }};
    GuardClient client{std::move(pair.agents)};
    CHECK(client.wait_end(std::chrono::milliseconds{1}, cancel.get()).error().code() ==
          Errc::deadline);
    REQUIRE(::eventfd_write(cancel.get(), 1) == 0);
    CHECK(client.wait_end(std::chrono::hours{1}, cancel.get()).error().code() == Errc::cancelled);
    phase = JACKDAW_GUARD_ENDED;
    say(raw, now(0));
    const auto end = client.wait_end(std::chrono::hours{1}, -1);
    REQUIRE(end);
    CHECK(end->signal == 9);
    CHECK_FALSE(end->succeeded());
}

TEST_CASE("output, stop and release go to the guard; what it refuses is told") {
    Pair pair;
    const ScriptedGuard guard{
        std::move(pair.guards), [](int fd, const jackdaw_guard_request& request) {
            if (request.header.type == JACKDAW_GUARD_OUTPUT) {
                static jackdaw_guard_output output;
                const auto size = offsetof(jackdaw_guard_output, data) + 5;
                jackdaw_guard_header_set(&output.header, JACKDAW_GUARD_OUTPUT_REPLY,
                                         request.header.sequence, size);
                output.length = 5;
                std::memcpy(output.data, "hello", 5);
                say(fd, output, size);
            } else if (request.header.type == JACKDAW_GUARD_STOP) {
                ack(fd, request, request.argument == JACKDAW_GUARD_STOP_KILL ? 0 : EINVAL);
            } else {
                ack(fd, request, EBUSY);
            }
        }};
    GuardClient client{std::move(pair.agents)};
    CHECK(*client.output() == "hello");
    CHECK(client.request_stop(StopKind::kill));
    CHECK_FALSE(client.request_stop(StopKind::clean));
    CHECK(client.release()); // no effect before the end, and no error
}

TEST_CASE("a guard that speaks nonsense is refused") {
    Pair pair;
    const ScriptedGuard guard{std::move(pair.guards), [](int fd, const jackdaw_guard_request&) {
                                  (void)!::send(fd, "nonsense", 8, MSG_NOSIGNAL);
                              }};
    GuardClient client{std::move(pair.agents)};
    const auto status = client.status();
    REQUIRE_FALSE(status);
    CHECK(status.error().id() == Code::protocol);
}
