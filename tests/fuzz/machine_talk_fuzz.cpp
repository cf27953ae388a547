// Both ends of the sockets inside a machine, each against a peer that says anything: the agent's
// ends of a guard and of jackdaw-host, a guard's end, and that of the first process. The first byte
// chooses the end, the second what is asked; then come messages: a byte with the kind (whose header
// and sequence are made right, so that what is behind them is met), two bytes of length, the bytes.
// What a guard or the first process would do to processes is replaced here by noting it.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "agent/guard/guard_client.h"
#include "agent/guard/guard_output.h"
#include "agent/guard/guard_run.h"
#include "agent/guard/guard_server.h"
#include "agent/host/host_client.h"
#include "agent/host/host_protocol.h"
#include "agent/host/host_wire.h"
#include "coordinator/cloud/local/init/init_guards.h"
#include "coordinator/cloud/local/init/init_server.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

int stops = 0, kills = 0, spawns = 0;

} // namespace

namespace jackdaw::guard {
bool is_over(const State& state) {
    return state.phase == Phase::ended || state.phase == Phase::failed_to_start;
}
void stop_clean(State&) {
    ++stops;
}
void stop_kill(State&) {
    ++kills;
}
} // namespace jackdaw::guard

namespace jackdaw::init {
/// Unpacks it as the guard does, and takes a place in the table.
void spawn_guard(State& state, const jackdaw_spawn_request& request, const int* fds,
                 jackdaw_init_reply& reply) {
    require(jackdaw_spawn_request_valid(&request, sizeof request) == 1);
    require(jackdaw_guard_name_valid(request.name) == 1);
    for (std::uint32_t i = 0; i < request.extra_fds; ++i) {
        require(::fcntl(fds[i], F_GETFD) >= 0);
    }
    auto* const free = std::find_if(std::begin(state.guards), std::end(state.guards),
                                    [](const Guard& guard) { return guard.pid == 0; });
    if (free == std::end(state.guards)) {
        reply.error = EAGAIN;
        reply.reason = JACKDAW_INIT_TOO_MANY;
        return;
    }
    free->pid = 1000 + ++spawns;
    std::memcpy(free->name, request.name, sizeof free->name);
    reply.guard_pid = free->pid;
}
} // namespace jackdaw::init

namespace {

/// What is left of the input; reading behind its end gives zeros.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size)
        : rest_{reinterpret_cast<const char*>(data), size} {}
    [[nodiscard]] bool empty() const { return rest_.empty(); }
    std::uint8_t byte() {
        const auto one = take(1);
        return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
    }
    std::string_view take(std::size_t size) {
        const auto part = rest_.substr(0, size);
        rest_.remove_prefix(part.size());
        return part;
    }
    std::string_view sized() {
        const std::size_t low = byte();
        return take(low | static_cast<std::size_t>(byte()) << 8U);
    }

private:
    std::string_view rest_;
};

struct Pair {
    UniqueFd ours, theirs; ///< theirs: the program's
    Pair() {
        std::array<int, 2> ends{};
        require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                             ends.data()) == 0);
        ours = UniqueFd{ends[0]};
        theirs = UniqueFd{ends[1]};
    }
    bool send(std::string_view bytes) const {
        return ::send(ours.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
    }
};

template <class Message>
std::string with_body(std::string_view body, std::uint16_t type, std::uint32_t sequence) {
    std::string bytes(sizeof(Message), '\0');
    constexpr auto head = sizeof(jackdaw_guard_header);
    std::memcpy(bytes.data() + head, body.data(), std::min(body.size(), bytes.size() - head));
    jackdaw_guard_header header{};
    jackdaw_guard_header_set(&header, type, sequence, bytes.size());
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

std::string guard_answer(Input& input) {
    const auto kind = input.byte();
    const std::uint32_t sequence = 1 + kind / 8U; // 1 is the first question's
    const auto body = input.sized();
    switch (kind % 5) {
    case 0: return std::string{body};
    case 1: return with_body<jackdaw_guard_status>(body, JACKDAW_GUARD_STATUS_EVENT, 0);
    case 2: return with_body<jackdaw_guard_status>(body, JACKDAW_GUARD_STATUS_REPLY, sequence);
    case 3: return with_body<jackdaw_guard_ack>(body, JACKDAW_GUARD_ACK, sequence);
    default: {
        std::string bytes(offsetof(jackdaw_guard_output, data), '\0');
        bytes += body;
        const auto length = static_cast<std::uint32_t>(body.size());
        std::memcpy(bytes.data() + offsetof(jackdaw_guard_output, length), &length, sizeof length);
        jackdaw_guard_header header{};
        jackdaw_guard_header_set(&header, JACKDAW_GUARD_OUTPUT_REPLY, sequence, bytes.size());
        std::memcpy(bytes.data(), &header, sizeof header);
        return bytes;
    }
    }
}

template <class T>
void check(const Result<T>& result) {
    if (!result) {
        require(result.error().to_string().size() <= 4096);
    }
}

/// The agent's end of a guard. The other end's silence is its death: nothing waits.
void agent_of_guard(Input& input, std::uint8_t questions) {
    Pair pair;
    while (!input.empty() && pair.send(guard_answer(input))) {
    }
    ::shutdown(pair.ours.get(), SHUT_WR);
    agent::GuardClient client{std::move(pair.theirs)};
    for (int count = 0; count < 4; ++count, questions /= 4) {
        switch (questions % 4) {
        case 0: {
            const auto status = client.status();
            check(status);
            require(!status || !status->exit_status ||
                    (status->phase == agent::GuardPhase::ended && *status->exit_status >= 0 &&
                     *status->exit_status <= 255));
            break;
        }
        case 1: {
            const auto output = client.output();
            check(output);
            require(!output || output->size() <= JACKDAW_GUARD_OUTPUT_SIZE);
            break;
        }
        case 2: check(client.request_stop(agent::StopKind::clean)); break;
        default: check(client.wait_end(std::chrono::milliseconds{0}, -1)); check(client.release());
        }
    }
}

std::string host_reply(Input& input, std::uint32_t sequence, bool& with_fd) {
    const auto kind = input.byte();
    const auto body = input.sized();
    with_fd = (kind & 1U) != 0;
    if ((kind & 2U) != 0) {
        return std::string{body};
    }
    agent::host::Header asked;
    asked.sequence = sequence;
    asked.verb = 1;
    auto reply = agent::host::make_reply(asked);
    auto* const fields = reinterpret_cast<char*>(&reply) + sizeof reply.header;
    // From a place that the input chooses: the fields lie kilobytes apart.
    const auto at = static_cast<std::size_t>(kind / 4U) * 64 % (sizeof reply - sizeof asked);
    std::memcpy(fields + at, body.data(), std::min(body.size(), sizeof reply - sizeof asked - at));
    return {reinterpret_cast<const char*>(&reply), sizeof reply};
}

void ask_host(agent::HostClient& client, std::uint8_t verb) {
    switch (verb % 12) {
    case 0: check(client.machine_file()); break;
    case 1:
        if (const auto file = client.read_fleet_file(agent::FleetFile::statement); file && *file) {
            require((*file)->size() <= agent::host::fleet_file_max_bytes);
        }
        break;
    case 2:
        if (const auto facts = client.facts()) {
            require(facts->cores >= 1 && facts->hostname.size() < 72);
        }
        break;
    case 3: check(client.inspect_volume("vol-0001")); break;
    case 4:
        if (const auto stamp = client.read_stamp(); stamp && *stamp) {
            require((*stamp)->instance_id.size() < 40 && (*stamp)->version.size() < 64);
        }
        break;
    case 5: check(client.open_log(agent::LogOwner::engine, "slow.log")); break;
    case 6:
        if (const auto names = client.list_guards()) {
            require(names->size() <= JACKDAW_INIT_GUARDS);
            for (const auto& name : *names) {
                require(name.size() < JACKDAW_NAME_SIZE);
            }
        }
        break;
    case 7: check(client.bind_admin_socket()); break;
    case 8: check(client.spawn_grow("grow", "vol-0001")); break;
    case 9: check(client.set_firewall({"10.0.0.0/8"}, 3306)); break;
    case 10: check(client.rotate_log("slow.log", 3)); break;
    default: check(client.connect_guard("database"));
    }
}

/// The agent's end of jackdaw-host.
void agent_of_host(Input& input, std::uint8_t verb) {
    Pair pair;
    const UniqueFd file{::memfd_create("fuzz", MFD_CLOEXEC)};
    std::string content(static_cast<std::size_t>(verb) * 512, 'x'); // some beyond the bound
    require(::write(file.get(), content.data(), content.size()) >= 0);
    for (std::uint32_t sequence = 1; !input.empty() && sequence <= 4; ++sequence) {
        bool with_fd = false;
        const auto reply = host_reply(input, sequence, with_fd);
        if (!agent::host::send_message(pair.ours.get(), reply.data(), reply.size(),
                                       with_fd ? file.get() : -1)) {
            break;
        }
    }
    ::shutdown(pair.ours.get(), SHUT_WR);
    agent::HostClient client{std::move(pair.theirs)};
    for (unsigned count = 0; count < 3; ++count) {
        ask_host(client, static_cast<std::uint8_t>(verb + count * 5));
    }
}

/// Every answer that came must be one that the other side accepts.
template <class Valid>
void check_answers(const Pair& pair, Valid valid) {
    static std::array<char, 65536> buffer{};
    for (;;) {
        const auto got = ::recv(pair.ours.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got <= 0) {
            return;
        }
        require(valid(buffer.data(), static_cast<std::size_t>(got)) != 0);
    }
}

void guard_side(Input& input, std::uint8_t choice) {
    static guard::State state;
    state = guard::State{};
    std::ranges::fill(state.clients, -1);
    static constexpr std::array phases{guard::Phase::running, guard::Phase::stopping,
                                       guard::Phase::ended, guard::Phase::failed_to_start};
    state.phase = phases[choice % phases.size()];
    state.wait_status = choice;
    std::memcpy(state.spec.name, "database", sizeof "database");
    std::array<int, 2> output{};
    require(::pipe2(output.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    state.output.pipe_fd = output[0];
    const UniqueFd writer{output[1]};
    Pair pair;
    state.clients[0] = std::move(pair.theirs).release();
    for (int count = 0; count < 64 && !input.empty() && state.clients[0] >= 0; ++count) {
        const auto kind = input.byte();
        const auto body = input.sized();
        if (kind % 8 == 7) { // the child says something
            (void)!::write(writer.get(), body.data(), body.size());
            continue;
        }
        std::string bytes{body};
        if (kind % 8 != 0) {
            jackdaw_guard_request request{};
            jackdaw_guard_header_set(&request.header, kind % 8, kind, sizeof request);
            request.argument = body.empty() ? 0 : static_cast<std::uint8_t>(body[0]);
            bytes.assign(reinterpret_cast<const char*>(&request), sizeof request);
        }
        if (!pair.send(bytes)) {
            break;
        }
        guard::serve_client(state, 0);
        check_answers(pair, jackdaw_guard_answer_valid);
        require(!state.released || guard::is_over(state)); // never let go of what still runs
        require(guard::tail(state.output).first_size + guard::tail(state.output).second_size <=
                JACKDAW_GUARD_OUTPUT_SIZE);
    }
    if (state.clients[0] >= 0) {
        ::close(state.clients[0]);
    }
    if (state.output.pipe_fd >= 0) {
        ::close(state.output.pipe_fd);
    }
}

void send_with_fds(const Pair& pair, std::string bytes, std::size_t count) {
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 16)> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (count > 0) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        auto* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        const int fd = pair.ours.get();
        for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
        }
    }
    (void)::sendmsg(pair.ours.get(), &message, MSG_NOSIGNAL);
}

std::size_t open_files() {
    const int probe = ::dup(0);
    require(probe >= 0);
    ::close(probe);
    return static_cast<std::size_t>(probe); // the lowest that is free
}

void first_process_side(Input& input) {
    static init::State state;
    state = init::State{};
    Pair pair;
    state.clients[0] = std::move(pair.theirs).release();
    const auto before = open_files();
    for (int count = 0; count < 70 && !input.empty() && state.clients[0] >= 0; ++count) {
        const auto kind = input.byte();
        std::string bytes{input.sized()};
        if (kind % 4 == 1) { // a whole spawn request, of which the input says the fields
            std::string whole(sizeof(jackdaw_spawn_request), '\0');
            constexpr auto head = sizeof(jackdaw_init_header);
            std::memcpy(whole.data() + head, bytes.data(),
                        std::min(bytes.size(), whole.size() - head));
            jackdaw_init_header header{};
            jackdaw_init_header_set(&header, JACKDAW_INIT_SPAWN, kind, whole.size());
            std::memcpy(whole.data(), &header, sizeof header);
            bytes = std::move(whole);
        } else if (kind % 4 >= 2) {
            jackdaw_init_query query{};
            jackdaw_init_header_set(&query.header,
                                    kind % 4 == 2 ? JACKDAW_INIT_PING : JACKDAW_INIT_LIST, kind,
                                    sizeof query);
            bytes.assign(reinterpret_cast<const char*>(&query), sizeof query);
        }
        send_with_fds(pair, std::move(bytes), kind / 16U);
        init::serve_client(state, 0);
        check_answers(pair, jackdaw_init_answer_valid);
    }
    if (state.clients[0] >= 0) {
        require(open_files() == before); // a descriptor that came was closed
        ::close(state.clients[0]);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input{data, size};
    const auto side = input.byte();
    const auto choice = input.byte();
    switch (side % 4) {
    case 0: agent_of_guard(input, choice); break;
    case 1: agent_of_host(input, choice); break;
    case 2: guard_side(input, choice); break;
    default: first_process_side(input);
    }
    return 0;
}
