#include "coordinator/cloud/local/init/init_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "coordinator/cloud/local/init/init_guards.h"
#include "proto/machine/process.h"

namespace jackdaw::init {
namespace {

constexpr int most_fds = JACKDAW_SPAWN_EXTRA_FDS + 1;
constexpr size_t control_size = CMSG_SPACE(sizeof(int) * most_fds);
// The kernel fills the padding, too: one more than asked for fits, and must be closed.
constexpr int fitting_fds = static_cast<int>((control_size - CMSG_LEN(0)) / sizeof(int));

struct Received {
    ssize_t size = -1;
    bool whole = false; ///< neither bytes nor descriptors were cut off
    int fds[fitting_fds];
    int fd_count = 0;
};

/// A request is the largest thing we take; one buffer is enough for one thread.
alignas(8) char buffer[sizeof(jackdaw_spawn_request)];

Received receive(int client) {
    Received received;
    alignas(cmsghdr) char control[control_size];
    iovec part{buffer, sizeof buffer};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    received.size = recvmsg(client, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received.size < 0) {
        return received;
    }
    received.whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && received.fd_count < fitting_fds; ++i) {
            memcpy(&received.fds[received.fd_count++], CMSG_DATA(header) + i * sizeof(int),
                   sizeof(int));
        }
    }
    return received;
}

void drop(State& state, int index) {
    close(state.clients[index]);
    state.clients[index] = -1;
}

void send_bytes(int client, const void* bytes, size_t size) {
    const ssize_t ignored = send(client, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored; // it is still reading nothing: its own deadline tells it
}

jackdaw_init_reply make_reply(uint32_t sequence) {
    jackdaw_init_reply reply{};
    jackdaw_init_header_set(&reply.header, JACKDAW_INIT_REPLY, sequence, sizeof reply);
    return reply;
}

void send_list(const State& state, int client, uint32_t sequence) {
    jackdaw_init_list list{};
    jackdaw_init_header_set(&list.header, JACKDAW_INIT_LIST_REPLY, sequence, sizeof list);
    for (const Guard& guard : state.guards) {
        if (guard.pid != 0) {
            memcpy(list.names[list.count++], guard.name, JACKDAW_NAME_SIZE);
        }
    }
    send_bytes(client, &list, sizeof list);
}

void spawn(State& state, int client, const Received& received) {
    const auto& request = *reinterpret_cast<const jackdaw_spawn_request*>(buffer);
    const bool has_control = (request.flags & JACKDAW_SPAWN_HAS_CONTROL) != 0;
    const auto expected = static_cast<int>(request.extra_fds) + (has_control ? 1 : 0);
    jackdaw_init_reply reply = make_reply(request.header.sequence);
    if (received.fd_count != expected) {
        reply.error = EINVAL;
        reply.reason = JACKDAW_INIT_INVALID;
    } else {
        spawn_guard(state, request, received.fds, reply);
    }
    send_bytes(client, &reply, sizeof reply);
}

bool is_root(int client) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

/// True when the connection may go on.
bool answer(State& state, int client, const Received& received) {
    if (!received.whole) {
        return false;
    }
    const int type = jackdaw_init_request_valid(buffer, static_cast<size_t>(received.size));
    const auto& header = *reinterpret_cast<const jackdaw_init_header*>(buffer);
    if (type == JACKDAW_INIT_SPAWN) {
        spawn(state, client, received);
        return true;
    }
    if (received.fd_count != 0) {
        return false;
    }
    if (type == JACKDAW_INIT_LIST) {
        send_list(state, client, header.sequence);
        return true;
    }
    if (type == JACKDAW_INIT_PING) {
        const jackdaw_init_reply reply = make_reply(header.sequence);
        send_bytes(client, &reply, sizeof reply);
        return true;
    }
    return false;
}

} // namespace

bool listen(State& state) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    jackdaw_join(address.sun_path, sizeof address.sun_path, JACKDAW_INIT_SOCKET, "", "");
    state.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(JACKDAW_INIT_SOCKET);
    const mode_t before = umask(0177);
    const bool bound =
        bind(state.listen_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(state.listen_fd, clients_at_once) == 0;
    umask(before);
    if (!bound) {
        jackdaw_say(program_name, "no guard can be started: cannot listen on", JACKDAW_INIT_SOCKET,
                    errno);
        close(state.listen_fd);
        state.listen_fd = -1;
    }
    return bound;
}

void accept_client(State& state) {
    const int client = accept4(state.listen_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        return;
    }
    for (int& place : state.clients) {
        if (place < 0 && is_root(client)) {
            place = client;
            return;
        }
    }
    close(client);
}

void serve_client(State& state, int index) {
    const int client = state.clients[index];
    const Received received = receive(client);
    if (received.size < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            drop(state, index);
        }
        return;
    }
    if (received.size == 0 || !answer(state, client, received)) {
        drop(state, index);
    }
    for (int i = 0; i < received.fd_count; ++i) {
        close(received.fds[i]);
    }
}

} // namespace jackdaw::init
