// What a guard promises, against the real program: processes, locks, cgroups and sockets of a
// private world.

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proto/machine/process.h"
#include "tests/real/guard_sandbox.h"

using namespace jackdaw::test;
using jackdaw::UniqueFd;

namespace {

/// A tree that ignores SIGTERM, one of it in a session of its own. Says "up" twice.
constexpr const char* stubborn_tree =
    "trap '' TERM; "
    "setsid sh -c 'trap \"\" TERM; echo up; while :; do sleep 1000; done' & "
    "echo up; while :; do sleep 1000; done";

Launch endless(const char* script = "echo up; exec sleep 1000") {
    Launch launch = shell(script);
    launch.stop = {{SIGTERM, 600}};
    return launch;
}

void finish(GuardProcess& guard) {
    ask_ack(guard.control.get(), JACKDAW_GUARD_STOP, JACKDAW_GUARD_STOP_KILL);
    while (ask_status(guard.control.get()).phase < JACKDAW_GUARD_ENDED) {
        wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    }
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_RELEASE) == 0);
    CHECK(wait_exit(guard.pid) == 0);
}

std::size_t count(const std::string& text, const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) {
        ++found;
    }
    return found;
}

/// A second guard of that name that must not come to be.
jackdaw_guard_status refused(const std::string& name) {
    Launch launch = endless("echo second >/tmp/second; exec sleep 1000");
    launch.name = name;
    GuardProcess second = start_guard(launch);
    const auto status = wait_phase(second.control.get(), JACKDAW_GUARD_FAILED_TO_START);
    CHECK(wait_exit(second.pid) == JACKDAW_GUARD_EXIT_REFUSED);
    CHECK_FALSE(exists("/tmp/second"));
    return status;
}

} // namespace

TEST_CASE("an ended job's output and exit status are kept until somebody releases them") {
    clean_machine();
    auto guard = start_guard(shell("echo out; echo err >&2; exit 7"));
    const auto running = wait_phase(guard.control.get(), JACKDAW_GUARD_RUNNING);
    CHECK(running.guard_pid == guard.pid);
    CHECK(running.child_pid > 0);
    CHECK(running.started_boottime_ns > 0);
    CHECK(running.ended_boottime_ns == 0);
    const auto ended = wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ended.exit_status == 7);
    CHECK(ended.signal == 0);
    CHECK(ended.ended_boottime_ns > ended.started_boottime_ns);
    CHECK(ended.name == std::string("job"));

    guard.control.reset(); // the agent that started it dies
    const UniqueFd later = connect_guard("job");
    REQUIRE(later);
    CHECK(wait_phase(later.get(), JACKDAW_GUARD_ENDED).exit_status == 7); // greeted
    CHECK(ask_status(later.get()).exit_status == 7);
    CHECK(ask_output(later.get()).data == "out\nerr\n");
    CHECK_FALSE(lock_is_free("job"));
    CHECK(ask_ack(later.get(), JACKDAW_GUARD_RELEASE) == 0);
    CHECK(wait_exit(guard.pid) == 0);
    CHECK(std::filesystem::is_empty(JACKDAW_GUARD_FOLDER)); // nothing stays of a name
}

TEST_CASE("a guard counts the CPU time of its whole tree") {
    clean_machine();
    auto guard = start_guard(shell("(i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done) & wait"));
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).cpu_us > 1000);
    finish(guard);
}

TEST_CASE("what a guard cannot do it says by errno") {
    clean_machine();
    auto guard = start_guard(endless());
    wait_phase(guard.control.get(), JACKDAW_GUARD_RUNNING);
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_RELEASE) == EBUSY);
    CHECK(ask_ack(guard.control.get(), 50) == ENOSYS);
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_STOP, 3) == EINVAL);
    CHECK(ask_status(guard.control.get()).phase == JACKDAW_GUARD_RUNNING);
    finish(guard);
}

TEST_CASE(
    "a child has its user's rights, its own environment and descriptors, nothing of the guard's") {
    clean_machine();
    write_text("/tmp/handed", "handed over");
    const UniqueFd handed{open("/tmp/handed", O_RDONLY | O_CLOEXEC)};
    const UniqueFd second{open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    Launch launch = shell(
        "id -u; id -g; id -G; pwd; cat /proc/$$/fd/10; echo; readlink /proc/$$/fd/11; ulimit -Sn; "
        "cat /proc/$$/oom_score_adj; tr '\\0' ' ' </proc/$$/environ; echo; "
        "grep -E '^(SigBlk|SigIgn|CapEff|NoNewPrivs)' /proc/$$/status | tr '\\n\\t' '  '; echo; "
        "grep core /proc/$$/limits; ls /proc/$$/fd; exit 0");
    launch.environment = {"PATH=/usr/bin:/bin", "WORD=a b"};
    launch.folder = "/usr/lib";
    launch.nofile = 128; // below the number of the lock's descriptor, which is placed before
    launch.extra_fds = {handed.get(), second.get()};
    auto guard = start_guard(launch);
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).exit_status == 0);
    const int score = std::stoi(read_text("/proc/self/oom_score_adj"));
    CHECK(ask_output(guard.control.get()).data ==
          "47413\n47413\n47413\n/usr/lib\nhanded over\n/dev/zero\n128\n" +
              std::to_string(std::min(score + 200, 1000)) +
              "\nPATH=/usr/bin:/bin WORD=a b \n"
              "SigBlk: 0000000000000000 SigIgn: 0000000000000000 CapEff: 0000000000000000 "
              "NoNewPrivs: 0 \n"
              "Max core file size        1                    1                    bytes     \n"
              "0\n1\n10\n11\n2\n200\n");
    finish(guard);
}

TEST_CASE("a limit above the hard one is clamped, not refused") {
    clean_machine();
    Launch launch = shell("[ \"$(ulimit -Sn)\" = \"$(ulimit -Hn)\" ]");
    launch.nofile = std::uint64_t{1} << 40;
    auto guard = start_guard(launch);
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).exit_status == 0);
    finish(guard);
}

TEST_CASE("a stop lets a database end by itself within its time") {
    clean_machine();
    auto guard =
        start_guard(endless("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"));
    wait_output(guard.control.get(), "up");
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_STOP, JACKDAW_GUARD_STOP_CLEAN) == 0);
    const auto ended = wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ended.exit_status == 3);
    CHECK(count(ask_output(guard.control.get()).data, "bye") == 1);
    finish(guard);
}

TEST_CASE("a tree that ignores every signal is gone when its time is over, runaways too") {
    clean_machine();
    const bool in_group = GENERATE(true, false);
    CAPTURE(in_group);
    Launch launch = endless(stubborn_tree);
    launch.stop = {{SIGTERM, 0}, {SIGINT, 1}};
    auto guard = start_guard(launch, in_group);
    REQUIRE(eventually([&] { return count(ask_output(guard.control.get()).data, "up") == 2; }));
    CHECK(processes_of(database_uid) >= 2);
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_STOP, JACKDAW_GUARD_STOP_CLEAN) == 0);
    wait_phase(guard.control.get(), JACKDAW_GUARD_STOPPING);
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).signal == SIGKILL);
    CHECK(processes_of(database_uid) == 0);
    finish(guard);
}

TEST_CASE("a kill does not wait for a clean stop's time") {
    clean_machine();
    auto guard = start_guard(endless(stubborn_tree)); // 600 s
    wait_output(guard.control.get(), "up");
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_STOP, JACKDAW_GUARD_STOP_CLEAN) == 0);
    CHECK(ask_ack(guard.control.get(), JACKDAW_GUARD_STOP, JACKDAW_GUARD_STOP_KILL) == 0);
    wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(processes_of(database_uid) == 0);
    finish(guard);
}

TEST_CASE("what a job leaves behind ends with it") {
    clean_machine();
    auto guard = start_guard(shell("setsid sleep 1000 & exit 0"));
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).exit_status == 0);
    CHECK(processes_of(database_uid) == 0);
    finish(guard);
}

TEST_CASE("SIGTERM to a guard is a clean stop after which it does not wait for a release") {
    clean_machine();
    auto guard = start_guard(endless("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"));
    wait_output(guard.control.get(), "up");
    kill(guard.pid, SIGTERM);
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).exit_status == 9);
    CHECK(wait_exit(guard.pid) == 0);
    CHECK(std::filesystem::is_empty(JACKDAW_GUARD_FOLDER));
}

TEST_CASE("a second guard of a name is refused while the first lives") {
    clean_machine();
    auto first = start_guard(endless());
    wait_phase(first.control.get(), JACKDAW_GUARD_RUNNING);
    const auto status = refused("job");
    CHECK(status.reason == JACKDAW_GUARD_REASON_LOCKED);
    CHECK(ask_status(first.control.get()).phase == JACKDAW_GUARD_RUNNING);
    CHECK(connect_guard("job")); // its socket was not taken away
    finish(first);
}

TEST_CASE("a database that unlocks the lock it inherited does not let a second guard in") {
    clean_machine();
    auto first = start_guard(endless("flock -u 200; echo up; exec sleep 1000"));
    wait_output(first.control.get(), "up");
    CHECK(lock_is_free("job")); // it could do that
    CHECK(refused("job").reason == JACKDAW_GUARD_REASON_LOCKED);
    finish(first);
}

TEST_CASE("a killed guard takes its child along, and what else is left keeps the next one out") {
    clean_machine();
    const bool unlocks = GENERATE(false, true);
    CAPTURE(unlocks);
    if (!has_groups()) {
        WARN("skipped: no cgroup2 mount");
        return;
    }
    const std::string script = "setsid sh -c 'echo up; exec sleep 1000' & " +
                               std::string(unlocks ? "flock -u 200; " : "") +
                               "echo up; exec sleep 1000";
    auto first = start_guard(endless(script.c_str()));
    REQUIRE(eventually([&] { return count(ask_output(first.control.get()).data, "up") == 2; }));
    kill_and_reap(first.pid);
    REQUIRE(
        eventually([] { return processes_of(database_uid) == 1; })); // by its parent-death signal
    CHECK(refused("job").reason ==
          (unlocks ? JACKDAW_GUARD_REASON_NOT_EMPTY : JACKDAW_GUARD_REASON_LOCKED));
    kill_group("job"); // what init does
    REQUIRE(eventually([] { return lock_is_free("job") && group_is_empty("job"); }));
    auto next = start_guard(endless());
    wait_phase(next.control.get(), JACKDAW_GUARD_RUNNING);
    finish(next);
}

TEST_CASE("a program that cannot be executed is an end with its errno") {
    clean_machine();
    Launch launch;
    launch.argv = {"/usr/bin/no-such-program"};
    auto guard = start_guard(launch);
    const auto status = wait_phase(guard.control.get(), JACKDAW_GUARD_FAILED_TO_START);
    CHECK(status.reason == JACKDAW_GUARD_REASON_EXECUTE);
    CHECK(status.error == ENOENT);
    CHECK(status.exit_status == -1);
    const UniqueFd later = connect_guard("job"); // kept, like any end
    CHECK(ask_status(later.get()).error == ENOENT);
    finish(guard);

    launch.argv = {"/bin/true"};
    launch.folder = "/root"; // 0700: the user's rights count, not the guard's
    guard = start_guard(launch);
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_FAILED_TO_START).reason ==
          JACKDAW_GUARD_REASON_WORKING_FOLDER);
    finish(guard);
}

TEST_CASE("of much output the last 32 KiB are kept, and the child never waits") {
    clean_machine();
    auto guard = start_guard(
        shell("i=0; while [ $i -lt 200 ]; do printf '%01024d' $i; i=$((i+1)); done; printf end"));
    const auto ended = wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ended.exit_status == 0);
    CHECK(ended.output_bytes == 200 * 1024 + 3);
    const OutputTail tail = ask_output(guard.control.get());
    CHECK(tail.total == 200 * 1024 + 3);
    REQUIRE(tail.data.size() == JACKDAW_GUARD_OUTPUT_SIZE);
    CHECK(tail.data.substr(tail.data.size() - 7) == "0199end");
    CHECK(tail.data.substr(1024 - 3 - 3, 6).substr(0, 3) != "end");
    CHECK(count(tail.data, std::string(1021, '0') + "168") == 0); // cut at the front
    CHECK(count(tail.data, std::string(1021, '0') + "169") == 1);
    finish(guard);
}

TEST_CASE("a log is rotated and stays within three files") {
    clean_machine();
    Launch launch = shell("head -c 5000000 /dev/zero; printf last");
    launch.log = "/var/log/jackdaw/job.log";
    auto guard = start_guard(launch);
    const auto ended = wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ended.log_lost_bytes == 0);
    finish(guard);
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/var/log/jackdaw")) {
        ++files;
        CHECK(entry.file_size() <= (1U << 20) + 4096);
    }
    CHECK(files == 3);
    const std::string newest = read_text(launch.log);
    CHECK(newest.substr(newest.size() - 4) == "last");
}

TEST_CASE("a full disk under the log costs its lines, not the child's time") {
    clean_machine();
    REQUIRE(mount("tmpfs", "/var/log/jackdaw", "tmpfs", 0, "size=64k,mode=755") == 0);
    Launch launch = shell("head -c 500000 /dev/zero; exit 4");
    launch.log = "/var/log/jackdaw/job.log";
    auto guard = start_guard(launch);
    const auto ended = wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ended.exit_status == 4);
    CHECK(ended.log_lost_bytes >= 400'000);
    CHECK(ended.output_bytes == 500'000);
    finish(guard);
    REQUIRE(umount("/var/log/jackdaw") == 0);
}

TEST_CASE("a log that is a link is not followed") {
    clean_machine();
    write_text("/tmp/victim", "untouched");
    std::filesystem::create_symlink("/tmp/victim", "/var/log/jackdaw/job.log");
    Launch launch = shell("echo words");
    launch.log = "/var/log/jackdaw/job.log";
    auto guard = start_guard(launch);
    CHECK(wait_phase(guard.control.get(), JACKDAW_GUARD_ENDED).log_lost_bytes == 6);
    finish(guard);
    CHECK(read_text("/tmp/victim") == "untouched");
}

TEST_CASE("garbage ends its own connection and nothing else") {
    clean_machine();
    auto guard = start_guard(endless());
    wait_phase(guard.control.get(), JACKDAW_GUARD_RUNNING);
    std::mt19937 random{20240229};
    for (int i = 0; i < 300; ++i) {
        const UniqueFd client = connect_guard("job");
        REQUIRE(client);
        std::string bytes(1 + random() % 100, '\0');
        for (char& byte : bytes) {
            byte = static_cast<char>(random());
        }
        const UniqueFd passed{dup(client.get())};
        send_bytes(client.get(), bytes, {passed.get()});
        while (!receive(client.get()).empty()) { // the greeting, then the end
        }
    }
    CHECK(ask_status(guard.control.get()).phase == JACKDAW_GUARD_RUNNING);
    std::size_t open_fds = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(guard.pid) + "/fd")) {
        ++open_fds;
    }
    CHECK(open_fds < 20);
    finish(guard);
}

TEST_CASE("a client that never reads makes nobody wait") {
    clean_machine();
    auto guard = start_guard(endless());
    wait_phase(guard.control.get(), JACKDAW_GUARD_RUNNING);
    const UniqueFd deaf = connect_guard("job");
    jackdaw_guard_request request{};
    jackdaw_guard_header_set(&request.header, JACKDAW_GUARD_OUTPUT, 1, sizeof request);
    for (int i = 0; i < 5000; ++i) {
        send(deaf.get(), &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    CHECK(ask_status(guard.control.get()).phase == JACKDAW_GUARD_RUNNING);
    finish(guard);
}

TEST_CASE("more clients than there are places are turned away, and a place comes free again") {
    clean_machine();
    auto guard = start_guard(endless());
    wait_phase(guard.control.get(), JACKDAW_GUARD_RUNNING);
    std::vector<UniqueFd> clients;
    for (int i = 1; i < JACKDAW_GUARD_CLIENTS; ++i) { // beside the control end
        clients.push_back(connect_guard("job"));
        wait_phase(clients.back().get(), JACKDAW_GUARD_RUNNING);
    }
    CHECK(receive(connect_guard("job").get()).empty());
    clients.pop_back();
    CHECK(eventually([] { return !receive(connect_guard("job").get()).empty(); }));
    finish(guard);
}

TEST_CASE("only root and the agent are served") {
    clean_machine();
    auto guard = start_guard(endless());
    wait_phase(guard.control.get(), JACKDAW_GUARD_RUNNING);
    const std::string path = JACKDAW_GUARD_FOLDER "/job.sock";
    const auto greeted_as = [](uid_t uid, gid_t gid) {
        const pid_t child = fork();
        if (child == 0) {
            const bool became = setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
            const UniqueFd client = connect_guard("job");
            char byte = 0;
            const bool greeted = client && recv(client.get(), &byte, 1, 0) == 1;
            _exit(!became ? 3 : !client ? 2 : greeted ? 0 : 1);
        }
        return wait_exit(child);
    };
    CHECK(greeted_as(JACKDAW_AGENT_UID, JACKDAW_AGENT_GID) == 0);
    CHECK(greeted_as(database_uid, database_uid) == 2); // by the file's mode
    std::filesystem::permissions(path, std::filesystem::perms::all);
    CHECK(greeted_as(database_uid, database_uid) == 1); // and by who it is
    finish(guard);
}

TEST_CASE("a guard that is given nonsense says so and starts nothing") {
    clean_machine();
    int control[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
    const UniqueFd ours{control[0]};
    const pid_t pid = start_guard_with("nonsense", {{control[1], JACKDAW_GUARD_CONTROL_FD}});
    close(control[1]);
    CHECK(wait_phase(ours.get(), JACKDAW_GUARD_FAILED_TO_START).reason ==
          JACKDAW_GUARD_REASON_SPEC);
    CHECK(wait_exit(pid) == 71);
    CHECK(std::filesystem::is_empty(JACKDAW_GUARD_FOLDER));
}

TEST_CASE("a guard costs at most 300 kB of its own memory") {
    clean_machine();
    auto guard = start_guard(endless("head -c 100000 /dev/zero; exec sleep 1000"));
    REQUIRE(eventually([&] { return ask_output(guard.control.get()).total == 100'000; }));
    const long dirty_kb = smaps_kb(guard.pid, "Private_Dirty");
    CHECK(dirty_kb > 0);
    CHECK(dirty_kb <= 300);
    finish(guard);
}
