#include "tests/real/guard_sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

#include "proto/machine/process.h"

namespace jackdaw::test {
namespace {

namespace fs = std::filesystem;

const std::string groups_folder = "/run/jackdaw/cgroup/guards/";

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
    std::vector<const char*> result;
    for (const auto& text : strings) {
        result.push_back(text.c_str());
    }
    return result;
}

template <typename T>
std::string bytes_of(const T& message) {
    return {reinterpret_cast<const char*>(&message), sizeof message};
}

template <typename T>
T message_of(const std::string& bytes) {
    T message;
    REQUIRE(bytes.size() == sizeof message);
    std::memcpy(&message, bytes.data(), sizeof message);
    return message;
}

} // namespace

Launch shell(const std::string& script) {
    Launch launch;
    launch.argv = {"/bin/sh", "-c", script};
    return launch;
}

jackdaw_spawn_request request_of(const Launch& launch, bool with_control) {
    jackdaw_spawn_request request{};
    jackdaw_init_header_set(&request.header, JACKDAW_INIT_SPAWN, 5, sizeof request);
    request.kind = launch.kind;
    request.flags = with_control ? JACKDAW_SPAWN_HAS_CONTROL : 0;
    launch.name.copy(request.name, sizeof request.name - 1);
    request.uid = launch.uid;
    request.gid = launch.uid;
    request.nofile = launch.nofile;
    request.oom_score_adj = 200;
    request.stop_count = static_cast<std::uint32_t>(launch.stop.size());
    for (std::size_t i = 0; i < launch.stop.size(); ++i) {
        request.stop[i] = {launch.stop[i].first, launch.stop[i].second};
    }
    request.extra_fds = static_cast<std::uint32_t>(launch.extra_fds.size());
    launch.log.copy(request.log_path, sizeof request.log_path - 1);
    const auto argv = pointers(launch.argv);
    const auto environment = pointers(launch.environment);
    REQUIRE(jackdaw_spawn_request_pack(&request, launch.folder.c_str(), argv.data(), argv.size(),
                                       environment.data(), environment.size()) == 1);
    return request;
}

pid_t start_guard_with(const std::string& spec_bytes,
                       const std::vector<std::pair<int, int>>& fds_at) {
    const UniqueFd spec{memfd_create("spec", MFD_CLOEXEC)};
    REQUIRE(write(spec.get(), spec_bytes.data(), spec_bytes.size()) ==
            static_cast<ssize_t>(spec_bytes.size()));
    const pid_t pid = fork();
    if (pid == 0) {
        std::vector<std::pair<int, int>> lifted{
            {fcntl(spec.get(), F_DUPFD_CLOEXEC, 100), JACKDAW_GUARD_SPEC_FD}};
        for (const auto& [fd, at] : fds_at) {
            lifted.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 100), at);
        }
        close_range(3, 99, 0);
        for (const auto& [fd, at] : lifted) {
            dup2(fd, at);
        }
        execl("/usr/lib/jackdaw/jackdaw-guard", "jackdaw-guard", "test", nullptr);
        _exit(127);
    }
    return pid;
}

GuardProcess start_guard(const Launch& launch, bool in_group) {
    int control[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
    const UniqueFd guards_end{control[1]};
    GuardProcess guard{0, UniqueFd{control[0]}};
    std::vector<std::pair<int, int>> fds{{guards_end.get(), JACKDAW_GUARD_CONTROL_FD}};
    for (std::size_t i = 0; i < launch.extra_fds.size(); ++i) {
        fds.emplace_back(launch.extra_fds[i], JACKDAW_GUARD_EXTRA_FDS_FROM + static_cast<int>(i));
    }
    UniqueFd group;
    if (in_group && has_groups()) {
        fs::create_directories(groups_folder + launch.name);
        group.reset(open((groups_folder + launch.name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        fds.emplace_back(group.get(), JACKDAW_GUARD_GROUP_FD);
    }
    guard.pid = start_guard_with(bytes_of(request_of(launch, true)), fds);
    return guard;
}

UniqueFd connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd fd{socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return {};
    }
    return fd;
}

UniqueFd connect_guard(const std::string& name) {
    return connect_to(JACKDAW_GUARD_FOLDER "/" + name + ".sock");
}

std::string receive(int fd) {
    pollfd ready{fd, POLLIN, 0};
    REQUIRE(poll(&ready, 1, patience_ms) == 1);
    std::string message(sizeof(jackdaw_guard_output), '\0');
    const ssize_t got = recv(fd, message.data(), message.size(), 0);
    message.resize(got > 0 ? static_cast<std::size_t>(got) : 0); // ECONNRESET is an end, too
    return message;
}

jackdaw_guard_status wait_phase(int fd, std::uint32_t phase) {
    for (int i = 0; i < 100; ++i) {
        const std::string message = receive(fd);
        REQUIRE_FALSE(message.empty());
        if (jackdaw_guard_answer_valid(message.data(), message.size()) ==
            JACKDAW_GUARD_STATUS_EVENT) {
            const auto status = message_of<jackdaw_guard_status>(message);
            CHECK(status.header.sequence == 0);
            if (status.phase == phase) {
                return status;
            }
        }
    }
    FAIL("the phase did not come");
    return {};
}

std::string ask(int fd, std::uint16_t type, std::uint32_t argument) {
    static std::uint32_t sequence = 0;
    jackdaw_guard_request request{};
    jackdaw_guard_header_set(&request.header, type, ++sequence, sizeof request);
    request.argument = argument;
    REQUIRE(send_bytes(fd, bytes_of(request)));
    for (int i = 0; i < 100; ++i) {
        const std::string message = receive(fd);
        REQUIRE(jackdaw_guard_answer_valid(message.data(), message.size()) != 0);
        jackdaw_guard_header header;
        std::memcpy(&header, message.data(), sizeof header);
        if (header.sequence == sequence) {
            return message;
        }
    }
    FAIL("no answer came");
    return {};
}

int ask_ack(int fd, std::uint16_t type, std::uint32_t argument) {
    return message_of<jackdaw_guard_ack>(ask(fd, type, argument)).error;
}

jackdaw_guard_status ask_status(int fd) {
    return message_of<jackdaw_guard_status>(ask(fd, JACKDAW_GUARD_STATUS));
}

OutputTail ask_output(int fd) {
    const std::string message = ask(fd, JACKDAW_GUARD_OUTPUT);
    REQUIRE(message.size() >= offsetof(jackdaw_guard_output, data));
    OutputTail tail;
    std::memcpy(&tail.total, message.data() + offsetof(jackdaw_guard_output, total),
                sizeof tail.total);
    tail.data = message.substr(offsetof(jackdaw_guard_output, data));
    return tail;
}

void wait_output(int fd, const std::string& text) {
    REQUIRE(eventually([&] { return ask_output(fd).data.find(text) != std::string::npos; }));
}

bool send_bytes(int fd, const std::string& bytes, const std::vector<int>& fds) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 32)] = {};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool eventually(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{patience_ms};
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(
            std::chrono::milliseconds{2}); // between looks, not instead of one
    }
    return true;
}

int wait_exit(pid_t pid) {
    const UniqueFd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
    pollfd ended{process.get(), POLLIN, 0};
    if (poll(&ended, 1, patience_ms) != 1) {
        return -1;
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void kill_and_reap(pid_t pid) {
    kill(pid, SIGKILL);
    wait_exit(pid);
}

int processes_of(unsigned uid) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        std::ifstream status(entry.path() / "status");
        std::string key;
        std::string line;
        bool zombie = false;
        while (status >> key && std::getline(status, line)) {
            zombie = zombie || (key == "State:" && line.find('Z') != std::string::npos);
            if (key == "Uid:" && std::stoul(line) == uid && !zombie) {
                ++count;
            }
        }
    }
    return count;
}

bool lock_is_free(const std::string& name) {
    const UniqueFd fd{
        open((JACKDAW_GUARD_FOLDER "/" + name + ".lock").c_str(), O_RDWR | O_CLOEXEC)};
    return fd && flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

bool group_is_empty(const std::string& name) {
    return read_text(groups_folder + name + "/cgroup.events").find("populated 0") !=
           std::string::npos;
}

void kill_group(const std::string& name) {
    std::ofstream(groups_folder + name + "/cgroup.kill") << 1;
}

bool has_groups() {
    return exists("/run/jackdaw/cgroup/cgroup.procs");
}

bool exists(const std::string& path) {
    return fs::exists(path);
}

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const std::string& path, const std::string& text, unsigned mode) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path + ".new") << text;
    REQUIRE(chmod((path + ".new").c_str(), mode) == 0);
    REQUIRE(rename((path + ".new").c_str(), path.c_str()) == 0);
}

long smaps_kb(pid_t pid, const std::string& key) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind(key + ":", 0) == 0) {
            return std::stol(line.substr(key.size() + 1));
        }
    }
    return -1;
}

pid_t outer_pid(pid_t first, pid_t inner) {
    const std::string space =
        fs::read_symlink("/proc/" + std::to_string(first) + "/ns/pid").string();
    for (const auto& entry : fs::directory_iterator("/proc")) {
        std::error_code error;
        if (fs::read_symlink(entry.path() / "ns/pid", error).string() != space) {
            continue;
        }
        std::ifstream status(entry.path() / "status");
        std::string line;
        while (std::getline(status, line)) {
            std::istringstream words(line);
            std::string key;
            pid_t outer = 0;
            pid_t own = 0;
            if (words >> key >> outer >> own && key == "NSpid:" && own == inner) {
                return outer;
            }
        }
    }
    return 0;
}

void clean_machine() {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    for (const std::string folder : {JACKDAW_GUARD_FOLDER, "/var/log/jackdaw", "/tmp"}) {
        for (const auto& entry : fs::directory_iterator(folder)) {
            fs::remove_all(entry.path());
        }
    }
    unlink(JACKDAW_INIT_SOCKET);
    for (const char* folder : {"/run/jackdaw/cgroup/guards", "/run/jackdaw/cgroup/agent"}) {
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(folder, error)) {
            rmdir(entry.path().c_str());
        }
        rmdir(folder);
    }
}

Machine::Machine(const std::string& agent, bool with_groups, int held_fd) {
    clean_machine();
    write_text("/usr/lib/jackdaw/jackdawd", agent, 0755);
    int ready[2];
    REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
    const pid_t parent = fork();
    if (parent == 0) {
        unshare(CLONE_NEWPID | CLONE_NEWNS);
        const pid_t first = fork();
        if (first != 0) { // init is to be a child of the test's: this one's end gives it to us
            const ssize_t ignored = write(ready[1], &first, sizeof first);
            _exit(ignored == sizeof first ? 0 : 1);
        }
        mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
        mount("proc", "/proc", "proc", 0, nullptr);
        if (!with_groups) {
            umount2("/run/jackdaw/cgroup", MNT_DETACH);
        }
        const std::string held = std::to_string(held_fd);
        if (held_fd >= 0) {
            fcntl(held_fd, F_SETFD, 0);
        }
        execl("/usr/lib/jackdaw/jackdaw-init", "jackdaw-init",
              held_fd >= 0 ? "--volume-fd" : nullptr, held.c_str(), nullptr);
        _exit(127);
    }
    REQUIRE(read(ready[0], &pid_, sizeof pid_) == sizeof pid_);
    close(ready[0]);
    close(ready[1]);
    wait_exit(parent);
    REQUIRE(eventually([] { return static_cast<bool>(connect_to(JACKDAW_INIT_SOCKET)); }));
}

Machine::~Machine() {
    if (pid_ != 0) {
        kill_and_reap(pid_);
    }
}

int Machine::power_off() {
    kill(pid_, SIGTERM);
    return wait_exit(std::exchange(pid_, 0));
}

UniqueFd Machine::connect() {
    return connect_to(JACKDAW_INIT_SOCKET);
}

jackdaw_init_reply Machine::ask(int fd, std::uint16_t type) {
    jackdaw_init_query query{};
    jackdaw_init_header_set(&query.header, type, 11, sizeof query);
    REQUIRE(send_bytes(fd, bytes_of(query)));
    const auto reply = message_of<jackdaw_init_reply>(receive(fd));
    CHECK(reply.header.sequence == 11);
    return reply;
}

std::vector<std::string> Machine::list(int fd) {
    jackdaw_init_query query{};
    jackdaw_init_header_set(&query.header, JACKDAW_INIT_LIST, 12, sizeof query);
    REQUIRE(send_bytes(fd, bytes_of(query)));
    const std::string message = receive(fd);
    REQUIRE(jackdaw_init_answer_valid(message.data(), message.size()) == JACKDAW_INIT_LIST_REPLY);
    const auto list = message_of<jackdaw_init_list>(message);
    return {list.names, list.names + list.count};
}

Machine::Spawned Machine::spawn(int fd, const Launch& launch) {
    int control[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
    const UniqueFd guards_end{control[1]};
    Spawned spawned;
    spawned.control.reset(control[0]);
    std::vector<int> fds{guards_end.get()};
    fds.insert(fds.end(), launch.extra_fds.begin(), launch.extra_fds.end());
    REQUIRE(send_bytes(fd, bytes_of(request_of(launch, true)), fds));
    spawned.reply = message_of<jackdaw_init_reply>(receive(fd));
    return spawned;
}

} // namespace jackdaw::test
