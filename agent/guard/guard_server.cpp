#include "agent/guard/guard_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/guard_output.h"
#include "agent/guard/guard_run.h"
#include "proto/machine/process.h"

namespace jackdaw::guard {
namespace {

/// What stands before jackdaw_guard_output's data.
struct OutputHead {
    jackdaw_guard_header header;
    uint64_t total;
    uint32_t length;
    uint32_t reserved;
};
static_assert(sizeof(OutputHead) == offsetof(jackdaw_guard_output, data));

uint32_t visible_phase(Phase phase) {
    switch (phase) {
    case Phase::starting:
    case Phase::running: return JACKDAW_GUARD_RUNNING;
    case Phase::stopping:
    case Phase::sweeping: return JACKDAW_GUARD_STOPPING;
    case Phase::ended: return JACKDAW_GUARD_ENDED;
    case Phase::failed_to_start: return JACKDAW_GUARD_FAILED_TO_START;
    }
    return 0;
}

jackdaw_guard_status status_of(const State& state, uint16_t type, uint32_t sequence) {
    jackdaw_guard_status status{};
    jackdaw_guard_header_set(&status.header, type, sequence, sizeof status);
    status.phase = visible_phase(state.phase);
    status.exit_status = -1;
    status.child_pid = state.child;
    status.guard_pid = getpid();
    status.started_boottime_ns = state.started_boottime_ns;
    status.ended_boottime_ns = state.ended_boottime_ns;
    status.cpu_us = state.cpu_us;
    status.output_bytes = state.output.total;
    status.log_lost_bytes = state.output.log_lost;
    memcpy(status.name, state.spec.name, sizeof status.name);
    if (state.phase == Phase::failed_to_start) {
        status.reason = state.fail_reason;
        status.error = state.fail_errno;
    } else if (state.phase == Phase::ended) {
        status.exit_status = WIFEXITED(state.wait_status) ? WEXITSTATUS(state.wait_status) : -1;
        status.signal = WIFSIGNALED(state.wait_status) ? WTERMSIG(state.wait_status) : 0;
    }
    return status;
}

void send_bytes(int client, const void* bytes, size_t size) {
    const ssize_t ignored = send(client, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored; // the header says what a client does that lost a message
}

void send_status(const State& state, int client, uint16_t type, uint32_t sequence) {
    const jackdaw_guard_status status = status_of(state, type, sequence);
    send_bytes(client, &status, sizeof status);
}

void send_ack(int client, uint32_t sequence, int error) {
    jackdaw_guard_ack ack{};
    jackdaw_guard_header_set(&ack.header, JACKDAW_GUARD_ACK, sequence, sizeof ack);
    ack.error = error;
    send_bytes(client, &ack, sizeof ack);
}

/// Straight from the ring: a copy would be 32 KiB of memory for ever.
void send_output(State& state, int client, uint32_t sequence) {
    drain_output(state.output);
    const Tail data = tail(state.output);
    const size_t length = data.first_size + data.second_size;
    OutputHead head{};
    jackdaw_guard_header_set(&head.header, JACKDAW_GUARD_OUTPUT_REPLY, sequence,
                             sizeof head + length);
    head.total = state.output.total;
    head.length = static_cast<uint32_t>(length);
    iovec parts[] = {{&head, sizeof head},
                     {const_cast<char*>(data.first), data.first_size},
                     {const_cast<char*>(data.second), data.second_size}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 3;
    const ssize_t ignored = sendmsg(client, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
}

int stop(State& state, uint32_t kind) {
    switch (kind) {
    case JACKDAW_GUARD_STOP_CLEAN: stop_clean(state); return 0;
    case JACKDAW_GUARD_STOP_KILL: stop_kill(state); return 0;
    default: return EINVAL;
    }
}

int release(State& state) {
    if (!is_over(state)) {
        return EBUSY;
    }
    state.released = true;
    return 0;
}

void answer(State& state, int client, const jackdaw_guard_request& request) {
    const uint32_t sequence = request.header.sequence;
    switch (request.header.type) {
    case JACKDAW_GUARD_STATUS:
        send_status(state, client, JACKDAW_GUARD_STATUS_REPLY, sequence);
        break;
    case JACKDAW_GUARD_OUTPUT: send_output(state, client, sequence); break;
    case JACKDAW_GUARD_STOP: send_ack(client, sequence, stop(state, request.argument)); break;
    case JACKDAW_GUARD_RELEASE: send_ack(client, sequence, release(state)); break;
    default: send_ack(client, sequence, ENOSYS); break;
    }
}

bool may_connect(int client) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == JACKDAW_AGENT_UID);
}

} // namespace

void accept_client(State& state) {
    const int client = accept4(state.listen_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        return;
    }
    for (int& place : state.clients) {
        if (place < 0 && may_connect(client)) {
            place = client;
            send_status(state, client, JACKDAW_GUARD_STATUS_EVENT, 0);
            return;
        }
    }
    close(client);
}

void serve_client(State& state, int index) {
    jackdaw_guard_request request;
    const int client = state.clients[index];
    // MSG_TRUNC: the real size of a message that is too long. Descriptors that came with it are
    // dropped by the kernel.
    const ssize_t got = recv(client, &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got != sizeof request || jackdaw_guard_request_valid(&request, sizeof request) == 0) {
        close(client);
        state.clients[index] = -1;
        return;
    }
    answer(state, client, request);
}

void announce(const State& state) {
    for (const int client : state.clients) {
        if (client >= 0) {
            send_status(state, client, JACKDAW_GUARD_STATUS_EVENT, 0);
        }
    }
}

void announce_refusal(State& state, uint32_t reason, int error) {
    state.phase = Phase::failed_to_start;
    state.fail_reason = reason;
    state.fail_errno = error;
    announce(state);
}

} // namespace jackdaw::guard
