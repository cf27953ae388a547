// What jackdaw-init promises, as first process of a PID namespace.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/guard_sandbox.h"

using namespace jackdaw::test;
using jackdaw::UniqueFd;

namespace {

constexpr const char* quiet_agent = "#!/bin/sh\nexec sleep 1000\n";

Launch endless(const std::string& name, const std::string& script = "echo up; exec sleep 1000") {
    Launch launch = shell(script);
    launch.name = name;
    launch.stop = {{SIGTERM, 600}};
    return launch;
}

std::size_t lines(const std::string& path) {
    const std::string text = read_text(path);
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::size_t open_fds(pid_t pid) {
    const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

} // namespace

TEST_CASE("init spawns a guard at root's request, once per name") {
    Machine machine(quiet_agent);
    const UniqueFd host = machine.connect();
    CHECK(machine.ask(host.get(), JACKDAW_INIT_PING).error == 0);
    CHECK(machine.list(host.get()).empty());

    auto job = machine.spawn(host.get(), shell("echo done; exit 5"));
    CHECK(job.reply.error == 0);
    CHECK(job.reply.guard_pid > 1);
    CHECK(wait_phase(job.control.get(), JACKDAW_GUARD_ENDED).exit_status == 5);
    CHECK(machine.list(host.get()) == std::vector<std::string>{"job"});
    const auto again = machine.spawn(host.get(), shell("true"));
    CHECK(again.reply.error == EEXIST);
    CHECK(again.reply.reason == JACKDAW_INIT_NAME_TAKEN);
    CHECK(receive(again.control.get()).empty()); // nobody holds the other end

    CHECK(ask_ack(job.control.get(), JACKDAW_GUARD_RELEASE) == 0);
    REQUIRE(eventually([&] { return machine.list(host.get()).empty(); }));
    auto next = machine.spawn(host.get(), shell("exit 6"));
    CHECK(wait_phase(next.control.get(), JACKDAW_GUARD_ENDED).exit_status == 6);
    CHECK(machine.power_off() == 0);
}

TEST_CASE("descriptors of a request reach the child in their order") {
    Machine machine(quiet_agent);
    const UniqueFd host = machine.connect();
    std::vector<UniqueFd> files;
    Launch launch = shell("cat /proc/$$/fd/10 /proc/$$/fd/17");
    for (int i = 0; i < JACKDAW_SPAWN_EXTRA_FDS; ++i) {
        const std::string path = "/tmp/file" + std::to_string(i);
        write_text(path, "file " + std::to_string(i) + "\n");
        files.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC));
        launch.extra_fds.push_back(files.back().get());
    }
    auto job = machine.spawn(host.get(), launch);
    wait_phase(job.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ask_output(job.control.get()).data == "file 0\nfile 7\n");
}

TEST_CASE("when a guard is killed nothing of it is left, and its name is free again") {
    const bool with_groups = GENERATE(true, false);
    CAPTURE(with_groups);
    if (with_groups && !has_groups()) {
        WARN("skipped: no cgroup2 mount");
        return;
    }
    Machine machine(quiet_agent, with_groups);
    const UniqueFd host = machine.connect();
    auto other = machine.spawn(host.get(), endless("other"));
    wait_output(other.control.get(), "up");
    auto database = machine.spawn(
        host.get(),
        endless("database", "setsid sh -c 'trap \"\" TERM; (sleep 1000 & echo up; wait)' & "
                            "setsid sh -c 'echo up; exec sleep 1000' & echo up; wait"));
    REQUIRE(eventually([&] { return ask_output(database.control.get()).data == "up\nup\nup\n"; }));
    CHECK_FALSE(lock_is_free("database"));
    const pid_t guard = outer_pid(machine.pid(), database.reply.guard_pid);
    REQUIRE(guard > 0);
    kill(guard, SIGKILL);
    REQUIRE(eventually([] { return lock_is_free("database"); }));
    REQUIRE(eventually([] { return processes_of(database_uid) == 1; })); // the other guard's alone
    REQUIRE(
        eventually([&] { return machine.list(host.get()) == std::vector<std::string>{"other"}; }));
    CHECK_FALSE(exists("/run/jackdaw/cgroup/guards/database"));
    CHECK(ask_status(other.control.get()).phase == JACKDAW_GUARD_RUNNING);

    auto next = machine.spawn(host.get(), endless("database"));
    CHECK(next.reply.error == 0);
    wait_output(next.control.get(), "up");
}

TEST_CASE("the agent is started again whenever it ends, with its arguments and its log") {
    write_text("/etc/jackdaw/agent.argv", "--listen\n10.0.0.1:7412\n\ntwo words\n");
    Machine machine("#!/bin/sh\necho \"$#: $1, $2, $3\"\necho again >>/tmp/starts\nexit 1\n");
    CHECK(eventually([] { return lines("/tmp/starts") >= 6; })); // past the forgiven ones
    const std::string log = read_text("/var/log/jackdaw/agent.log");
    CHECK(log.substr(0, log.find('\n')) == "3: --listen, 10.0.0.1:7412, two words");
    CHECK(machine.power_off() == 0);
    std::filesystem::remove("/etc/jackdaw/agent.argv");
}

TEST_CASE("the log of an agent that never ends stays bounded, and the agent goes on writing it") {
    std::filesystem::remove("/tmp/filled");
    Machine machine("#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\0' x\necho full >/tmp/filled\n"
                    "while :; do echo more; sleep 0.05; done\n");
    REQUIRE(eventually([] { return exists("/tmp/filled"); }));
    const UniqueFd host = machine.connect();
    REQUIRE(eventually([&] { // each request is a turn of its loop, and so a look
        (void)machine.list(host.get());
        return exists("/var/log/jackdaw/agent.log.1");
    }));
    CHECK(std::filesystem::file_size("/var/log/jackdaw/agent.log.1") == std::uintmax_t{4} << 20U);
    CHECK(eventually([] {
        const auto log = read_text("/var/log/jackdaw/agent.log");
        return log.size() < 1'000'000 && log.ends_with("more\n");
    }));
    CHECK(machine.power_off() == 0);
}

TEST_CASE("an agent that dies leaves databases alone") {
    Machine machine("#!/bin/sh\necho $$ >>/tmp/starts\nexec sleep 1000\n");
    const UniqueFd host = machine.connect();
    auto database = machine.spawn(host.get(), endless("database"));
    wait_output(database.control.get(), "up");
    REQUIRE(eventually([] { return lines("/tmp/starts") == 1; }));
    const pid_t agent = outer_pid(machine.pid(), std::stoi(read_text("/tmp/starts")));
    REQUIRE(agent > 0);
    kill(agent, SIGKILL);
    REQUIRE(eventually([] { return lines("/tmp/starts") == 2; }));
    CHECK(ask_status(database.control.get()).phase == JACKDAW_GUARD_RUNNING);
    CHECK(processes_of(database_uid) == 1);
}

TEST_CASE("power-off ends the agent, then databases cleanly, jobs at once, then the machine") {
    Machine machine("#!/bin/sh\ntrap 'echo agent >>/tmp/order; exit' TERM\necho up >/tmp/agent\n"
                    "while :; do sleep 0.05; done\n");
    REQUIRE(eventually([] { return exists("/tmp/agent"); }));
    write_text("/tmp/order", "", 0666);
    const UniqueFd host = machine.connect();
    Launch launch =
        endless("database", "trap 'sleep 0.3; echo database >>/tmp/order; exit' TERM; echo up; "
                            "while :; do sleep 0.05; done");
    launch.kind = JACKDAW_SPAWN_DATABASE;
    auto database = machine.spawn(host.get(), launch);
    auto job = machine.spawn(host.get(),
                             endless("job", "trap 'echo job >>/tmp/order; exit' TERM; echo up; "
                                            "while :; do sleep 0.05; done"));
    wait_output(database.control.get(), "up");
    wait_output(job.control.get(), "up");
    CHECK(machine.power_off() == 0);
    CHECK(read_text("/tmp/order") == "agent\ndatabase\n");
    CHECK(processes_of(database_uid) == 0);
}

TEST_CASE("a machine that is powering off starts nothing, and waits for no agent for ever") {
    Machine machine("#!/bin/sh\ntrap '' TERM\necho up >/tmp/agent\nwhile :; do sleep 1000; done\n");
    REQUIRE(eventually([] { return exists("/tmp/agent"); }));
    const UniqueFd host = machine.connect();
    kill(machine.pid(), SIGTERM);
    jackdaw_init_reply reply{};
    REQUIRE(eventually([&] {
        Launch launch = shell("exit 0");
        static int number = 0;
        launch.name =
            "job" + std::to_string(++number); // some may still come in before the signal is read
        reply = machine.spawn(host.get(), launch).reply;
        return reply.error != 0;
    }));
    CHECK(reply.error == ESHUTDOWN);
    CHECK(reply.reason == JACKDAW_INIT_POWERING_OFF);
    CHECK(machine.power_off() == 0);
}

TEST_CASE("init survives garbage and keeps none of its descriptors") {
    Machine machine(quiet_agent);
    const UniqueFd host = machine.connect();
    CHECK(machine.ask(host.get(), JACKDAW_INIT_PING).error == 0);
    REQUIRE(eventually([&] { return open_fds(machine.pid()) > 0; }));
    const std::size_t before = open_fds(machine.pid());
    std::mt19937 random{42};
    const auto request = request_of(shell("true"), true);
    const std::string good(reinterpret_cast<const char*>(&request), sizeof request);
    for (int i = 0; i < 200; ++i) {
        const UniqueFd client = machine.connect();
        REQUIRE(client);
        std::string bytes = good;
        if (i % 2 == 0) {
            bytes[random() % 344] ^=
                static_cast<char>(1 + random() % 255); // one byte before the strings
        } else {
            bytes.resize(random() % 30'000 + 1, 'x');
        }
        // Never what it asks for: a request whose bytes are still valid is refused for its
        // descriptors.
        send_bytes(client.get(), bytes, std::vector<int>(2 + random() % 20, host.get()));
        receive(client.get());
    }
    CHECK(machine.ask(host.get(), JACKDAW_INIT_PING).error == 0);
    CHECK(machine.list(host.get()).empty());
    eventually([&] { return open_fds(machine.pid()) <= before; });
    CHECK(open_fds(machine.pid()) <= before);
    CHECK(machine.power_off() == 0);
}

TEST_CASE("a lock that init was given lasts as long as the machine, and no child has it") {
    write_text("/run/volume", "");
    const auto locked_by_us = [] {
        const UniqueFd fd{open("/run/volume", O_RDWR | O_CLOEXEC)};
        return flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
    };
    UniqueFd held{open("/run/volume", O_RDWR | O_CLOEXEC)};
    REQUIRE(flock(held.get(), LOCK_EX | LOCK_NB) == 0);
    Machine machine(
        "#!/bin/sh\nls -l /proc/$$/fd >/tmp/fds.new\nmv /tmp/fds.new /tmp/fds\nexec sleep 1000\n",
        true, held.get());
    held.reset();
    const UniqueFd host = machine.connect();
    auto job = machine.spawn(host.get(), shell("ls -l /proc/$$/fd; exit 0"));
    wait_phase(job.control.get(), JACKDAW_GUARD_ENDED);
    CHECK(ask_output(job.control.get()).data.find("/run/volume") == std::string::npos);
    REQUIRE(eventually([] { return exists("/tmp/fds"); }));
    CHECK(read_text("/tmp/fds").find("/run/volume") == std::string::npos);
    CHECK_FALSE(locked_by_us());
    CHECK(machine.power_off() == 0);
    CHECK(eventually(locked_by_us));
}

TEST_CASE("init is nobody's but a first process") {
    const pid_t child = fork();
    if (child == 0) {
        execl("/usr/lib/jackdaw/jackdaw-init", "jackdaw-init", nullptr);
        _exit(127);
    }
    CHECK(wait_exit(child) == 64);
}
