#include "agent/host/host_spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fmt/format.h>

#include "agent/guard/guard_client.h"
#include "agent/host/host_files.h"
#include "agent/host/host_protocol.h"
#include "agent/host/host_wire.h"

namespace jackdaw::agent::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t list_max_bytes = 16384;
constexpr std::size_t list_lines_max = 64;
constexpr std::size_t said_bytes_max = 300;
/// It answers in microseconds, unless the machine is starved; less than the agent waits for us.
constexpr std::chrono::seconds init_limit{12};
constexpr std::chrono::seconds guard_limit{1};  ///< for a place among those who call a guard
constexpr std::chrono::seconds coming_limit{5}; ///< a guard that was just spawned makes its socket
constexpr std::chrono::seconds left_limit{5};   ///< the first process kills what a dead guard left
constexpr std::chrono::milliseconds pause{5};
constexpr const char* tool_path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* tool_locale = "LC_ALL=C.UTF-8";

bool is_word(std::string_view text) {
    return !text.empty() && text.size() < 32 &&
           std::all_of(
               text.begin(), text.end(),
               [](char c) {
                   return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
               });
}

/// EAGAIN when so many wait there already that none has had a place within `limit`: who stands
/// still takes none out. Sends on it wait no longer either.
Result<UniqueFd> connect_to(const std::string& path, std::chrono::seconds limit) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return Error{Errc::invalid, "a socket's path is too long"};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    UniqueFd fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    const timeval wait{limit.count(), 0};
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) != 0 ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return file_error(fmt::format("connect to {}", path), errno);
    }
    return fd;
}

Error init_silent() {
    return Error{
        Errc::deadline,
        fmt::format("the machine's first process did not answer within {} s", init_limit.count())};
}

/// One question to the first process and its answer; `answer` is a whole valid message of the type.
template <class Answer>
Result<void> ask_init(const void* question, std::size_t size, int fd, std::uint32_t sequence,
                      int type, Answer& answer) {
    auto connected = connect_to(JACKDAW_INIT_SOCKET, init_limit);
    if (!connected && connected.error().cause().value() == EAGAIN) {
        return init_silent();
    }
    JACKDAW_TRY(const auto socket,
                std::move(connected).while_doing("reach the machine's first process"));
    const timeval limit{init_limit.count(), 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (!send_message(socket.get(), question, size, fd)) {
        return file_error("ask the machine's first process", errno);
    }
    const auto got = ::recv(socket.get(), &answer, sizeof answer, MSG_TRUNC);
    if (got < 0 && errno == EAGAIN) { // by SO_RCVTIMEO
        return init_silent();
    }
    if (got < 0) {
        return file_error("hear the machine's first process", errno);
    }
    if (static_cast<std::size_t>(got) > sizeof answer ||
        jackdaw_init_answer_valid(&answer, static_cast<std::size_t>(got)) != type ||
        answer.header.sequence != sequence) {
        return Error{Code::protocol, "the machine's first process answered something else"};
    }
    return ok();
}

Error refused(const jackdaw_init_reply& reply, const char* name) {
    switch (reply.reason) {
    case JACKDAW_INIT_NAME_TAKEN:
        return Error{Errc::conflict, fmt::format("a guard named {} lives", name)};
    case JACKDAW_INIT_POWERING_OFF: return Error{Errc::unavailable, "the machine is powering off"};
    case JACKDAW_INIT_TOO_MANY:
        return Error{Errc::exhausted,
                     fmt::format("{} guards live already", int{JACKDAW_INIT_GUARDS})};
    case JACKDAW_INIT_INVALID:
        return Error{Errc::invalid, "the machine's first process refused the order as not valid"};
    default:
        return Error{Errc::unavailable, fmt::format("spawn the guard {}", name),
                     std::error_code{reply.error, std::generic_category()}};
    }
}

/// What a tool said, cut, in one line.
std::string line_of(std::string_view output) {
    std::string line{output.substr(0, said_bytes_max)};
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Whether a lock file of a guard is held. Nobody but the first process starts guards, at our own
/// order, so a guard that comes up cannot meet this shared lock.
bool is_held(const std::string& guard, const char* suffix) {
    const auto path = fmt::format("{}/{}.{}", JACKDAW_GUARD_FOLDER, guard, suffix);
    const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

/// A connection to a guard that answers. One that was released may still take a connection, but
/// says nothing any more.
std::optional<GuardClient> answering(const std::string& guard) {
    auto fd = connect_to(fmt::format("{}/{}.sock", JACKDAW_GUARD_FOLDER, guard), guard_limit);
    if (!fd) {
        return std::nullopt;
    }
    std::optional<GuardClient> client{std::in_place, std::move(*fd)};
    if (!client->status()) {
        client.reset();
    }
    return client;
}

} // namespace

jackdaw_spawn_request new_request(std::uint32_t kind) {
    jackdaw_spawn_request request;
    std::memset(&request, 0, sizeof request);
    request.kind = kind;
    if (kind == JACKDAW_SPAWN_JOB) {
        request.oom_score_adj = job_oom_score_adj;
    }
    return request;
}

void take_over(jackdaw_spawn_request& request, const jackdaw_spawn_request& wanted) {
    request.nofile = wanted.nofile;
    request.memlock_bytes = wanted.memlock_bytes;
    if (request.kind != JACKDAW_SPAWN_JOB) {
        request.oom_score_adj = wanted.oom_score_adj;
    }
    request.stop_count = wanted.stop_count;
    std::memcpy(request.stop, wanted.stop, sizeof request.stop);
    request.argc = wanted.argc;
    request.envc = wanted.envc;
    request.strings_size = wanted.strings_size;
    std::memcpy(request.strings, wanted.strings, sizeof request.strings);
}

Result<ProgramList> ProgramList::parse(std::string_view text) {
    ProgramList list;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const auto bad = [&](const char* what) {
            return Error{Errc::invalid,
                         fmt::format("line {} of the program list {}", number, what)};
        };
        std::vector<std::string_view> words;
        for (auto rest = line; !rest.empty();) {
            const auto space = std::min(rest.find(' '), rest.size());
            words.push_back(rest.substr(0, space));
            rest.remove_prefix(std::min(space + 1, rest.size()));
        }
        const bool database = words.size() == 2 && words[0] == "database";
        const bool job = words.size() == 3 && words[0] == "job" && is_word(words[1]);
        if ((!database && !job) || !words.back().starts_with('/')) {
            return bad("is neither 'database /PATH' nor 'job NAME /PATH'");
        }
        if (list.lines_.size() == list_lines_max) {
            return bad("is one too many");
        }
        list.lines_.push_back(
            {job ? std::string{words[1]} : std::string{}, std::string{words.back()}});
    }
    return list;
}

bool ProgramList::allows_database(std::string_view program) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
        return line.job.empty() && line.program == program;
    });
}

bool ProgramList::allows_job(std::string_view name, std::string_view program) const {
    return !name.empty() && std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
        return line.job == name && line.program == program;
    });
}

Result<ProgramList> Spawner::programs(const std::string& datastore) const {
    if (!is_word(datastore)) {
        return Error{Code::unknown_datastore,
                     "a datastore's name has letters a to z, digits, '-' and '_'"};
    }
    JACKDAW_CHECK(check_root_owned(machine_->plugin_folder + "/", false));
    const UniqueFd folder{
        ::open(machine_->plugin_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!folder) {
        return file_error(fmt::format("open {}", machine_->plugin_folder), errno);
    }
    JACKDAW_TRY(const auto text, read_root_file(folder.get(), datastore + ".jobs", list_max_bytes));
    if (!text) {
        return Error{Code::unknown_datastore,
                     fmt::format("there is no list of programs for {}", datastore)};
    }
    return ProgramList::parse(*text);
}

Result<UniqueFd> Spawner::send(jackdaw_spawn_request& request) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return file_error("make a guard's control socket", errno);
    }
    UniqueFd ours{ends[0]};
    const UniqueFd guards{ends[1]};
    request.flags = JACKDAW_SPAWN_HAS_CONTROL;
    request.extra_fds = 0;
    // NAME_TAKEN also while a released guard exits, and while the processes of a dead one are being
    // killed: a moment.
    const auto until = Clock::now() + left_limit;
    for (;;) {
        const auto sequence = ++sequence_;
        jackdaw_init_header_set(&request.header, JACKDAW_INIT_SPAWN, sequence, sizeof request);
        if (jackdaw_spawn_request_valid(&request, sizeof request) == 0) {
            return Error{Errc::invalid, "the order to start a program is not valid"};
        }
        jackdaw_init_reply reply{};
        JACKDAW_CHECK(
            ask_init(&request, sizeof request, guards.get(), sequence, JACKDAW_INIT_REPLY, reply));
        if (reply.error == 0) {
            return ours;
        }
        if (reply.reason != JACKDAW_INIT_NAME_TAKEN || Clock::now() > until ||
            answering(request.name)) {
            return refused(reply, request.name);
        }
        std::this_thread::sleep_for(pause);
    }
}

Result<UniqueFd> Spawner::tool(const std::string& guard, const std::vector<std::string>& argv) {
    JACKDAW_CHECK(check_root_owned(argv.front(), true));
    auto request = new_request(JACKDAW_SPAWN_JOB);
    std::vector<const char*> words;
    for (const auto& word : argv) {
        words.push_back(word.c_str());
    }
    const char* environment[] = {tool_path, tool_locale};
    if (!set_text(request.name, guard) ||
        jackdaw_spawn_request_pack(&request, "/", words.data(), words.size(), environment, 2) ==
            0) {
        return Error{Errc::invalid, "a tool's arguments do not fit"};
    }
    return send(request);
}

Result<UniqueFd> Spawner::as_database_user(jackdaw_spawn_request& request,
                                           const jackdaw_spawn_request& wanted) {
    request.uid = machine_->database_uid;
    request.gid = machine_->database_gid;
    take_over(request, wanted);
    return send(request);
}

namespace {

/// argv[0] of a valid request: the string behind the working folder.
const char* program_of(const jackdaw_spawn_request& wanted) {
    return wanted.strings + std::strlen(wanted.strings) + 1;
}

} // namespace

Result<UniqueFd> Spawner::database(const std::string& datastore,
                                   const jackdaw_spawn_request& wanted) {
    JACKDAW_TRY(const auto list, programs(datastore));
    const std::string program{program_of(wanted)};
    if (!list.allows_database(program)) {
        return Error{Errc::not_allowed,
                     fmt::format("{} is no database program of {}", program, datastore)};
    }
    JACKDAW_CHECK(check_root_owned(program, true));
    auto request = new_request(JACKDAW_SPAWN_DATABASE);
    set_cut(request.name, database_guard);
    set_cut(request.log_path, fmt::format("{}database.log", JACKDAW_LOG_FOLDER));
    return as_database_user(request, wanted);
}

Result<UniqueFd> Spawner::job(const std::string& guard, const std::string& datastore,
                              const std::string& name, const jackdaw_spawn_request& wanted) {
    if (guard == database_guard) {
        return Error{Errc::invalid, "a job cannot have the database's guard"};
    }
    JACKDAW_TRY(const auto list, programs(datastore));
    const std::string program{program_of(wanted)};
    if (!list.allows_job(name, program)) {
        return Error{Errc::not_allowed,
                     fmt::format("{} {} is no job of {}", name, program, datastore)};
    }
    JACKDAW_CHECK(check_root_owned(program, true));
    auto request = new_request(JACKDAW_SPAWN_JOB);
    if (!set_text(request.name, guard)) {
        return Error{Errc::invalid, "a guard's name is too long"};
    }
    return as_database_user(request, wanted);
}

Result<std::vector<std::string>> Spawner::list() {
    jackdaw_init_query query{};
    const auto sequence = ++sequence_;
    jackdaw_init_header_set(&query.header, JACKDAW_INIT_LIST, sequence, sizeof query);
    jackdaw_init_list answer{};
    JACKDAW_CHECK(ask_init(&query, sizeof query, -1, sequence, JACKDAW_INIT_LIST_REPLY, answer));
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < answer.count; ++i) {
        names.push_back(text_of(answer.names[i]));
    }
    return names;
}

Result<std::optional<UniqueFd>> Spawner::connect(const std::string& guard) {
    char field[JACKDAW_NAME_SIZE];
    if (!set_text(field, guard) || jackdaw_guard_name_valid(field) == 0) {
        return Error{Errc::invalid, "that is no guard's name"};
    }
    const auto until = Clock::now() + std::max(coming_limit, left_limit);
    for (;;) {
        JACKDAW_TRY(const auto living, list());
        const bool alive = has(living, guard);
        if (alive) {
            if (auto client = answering(guard)) {
                return std::optional{std::move(*client).take()};
            }
        } else if (!is_held(guard, "own") && !is_held(guard, "lock")) {
            return std::optional<UniqueFd>{};
        }
        if (Clock::now() > until) {
            return Error{Errc::busy,
                         alive ? fmt::format("the guard {} lives but takes no connection", guard)
                               : fmt::format("processes of the dead guard {} are left", guard)};
        }
        std::this_thread::sleep_for(pause);
    }
}

Result<std::optional<GuardPhase>> Spawner::phase_of(const std::string& guard) {
    JACKDAW_TRY(auto fd, connect(guard));
    if (!fd) {
        return std::optional<GuardPhase>{};
    }
    GuardClient client{std::move(*fd)};
    const auto status = client.status();
    return std::optional{status ? status->phase : GuardPhase::running}; // died just now: be careful
}

Result<std::string> Spawner::run(const std::string& guard, const std::vector<std::string>& argv,
                                 std::chrono::milliseconds limit) {
    JACKDAW_TRY(auto left, connect(guard));
    if (left) { // of a host that was killed while it waited
        GuardClient before{std::move(*left)};
        (void)before.request_stop(StopKind::kill);
        (void)before.wait_end(limit, -1);
        (void)before.release();
    }
    JACKDAW_TRY(auto control, tool(guard, argv));
    GuardClient client{std::move(control)};
    auto end = client.wait_end(limit, -1);
    if (!end) {
        (void)client.request_stop(StopKind::kill);
        (void)client.wait_end(limit, -1);
        (void)client.release();
        return std::move(end).error().while_doing(fmt::format("run {}", argv.front()));
    }
    auto output = client.output();
    (void)client.release();
    if (!end->succeeded()) {
        const bool killed = !end->exit_status && end->signal == SIGKILL; // not by us
        return Error{killed ? Code::killed : Code::job_failed,
                     fmt::format("{}: {}", argv.front(), output ? line_of(*output) : "it failed")};
    }
    return output;
}

} // namespace jackdaw::agent::host
