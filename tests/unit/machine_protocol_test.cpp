// The fixed-size messages of guard, host and init: their bytes are kept for ever, and nothing that
// is not one of them passes. The golden files are the fuzz target's corpus; an old one is never
// changed.

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proto/machine/guard_protocol.h"
#include "proto/machine/init_protocol.h"

namespace {

std::string golden(const std::string& name) {
    std::ifstream file(JACKDAW_GOLDEN_FOLDER "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
std::string bytes(const T& message, std::size_t size = sizeof(T)) {
    return {reinterpret_cast<const char*>(&message), size};
}

void set_name(char* field, const char* name) {
    std::memset(field, 0, JACKDAW_NAME_SIZE);
    std::strncpy(field, name, JACKDAW_NAME_SIZE - 1);
}

jackdaw_spawn_request spawn_request() {
    jackdaw_spawn_request request{};
    jackdaw_init_header_set(&request.header, JACKDAW_INIT_SPAWN, 7, sizeof request);
    request.kind = JACKDAW_SPAWN_DATABASE;
    request.flags = JACKDAW_SPAWN_HAS_CONTROL;
    set_name(request.name, "database");
    request.uid = 47413;
    request.gid = 47413;
    request.nofile = 65536;
    request.memlock_bytes = 8 << 20;
    request.oom_score_adj = 200;
    request.stop_count = 2;
    request.stop[0] = {15, 600};
    request.stop[1] = {3, 5};
    std::strcpy(request.log_path, "/var/log/jackdaw/database.log");
    const char* argv[] = {"/usr/sbin/mariadbd", "--defaults-file=/etc/jackdaw/database/my.cnf", ""};
    const char* environment[] = {"PATH=/usr/bin", "EMPTY="};
    REQUIRE(jackdaw_spawn_request_pack(&request, "/var/lib/jackdaw/volume/data", argv, 3,
                                       environment, 2) == 1);
    return request;
}

jackdaw_guard_status guard_status() {
    jackdaw_guard_status status{};
    jackdaw_guard_header_set(&status.header, JACKDAW_GUARD_STATUS_REPLY, 0x01020304, sizeof status);
    status.phase = JACKDAW_GUARD_ENDED;
    status.exit_status = -1;
    status.signal = 9;
    status.child_pid = 41;
    status.guard_pid = 40;
    status.started_boottime_ns = 1'000'000'007;
    status.ended_boottime_ns = 2'000'000'009;
    status.cpu_us = 123'456;
    status.output_bytes = 204'800;
    status.log_lost_bytes = 17;
    set_name(status.name, "mkfs-0190");
    return status;
}

jackdaw_guard_request guard_request(std::uint16_t type, std::uint32_t argument) {
    jackdaw_guard_request request{};
    jackdaw_guard_header_set(&request.header, type, 9, sizeof request);
    request.argument = argument;
    return request;
}

jackdaw_guard_output guard_output(std::uint32_t length) {
    jackdaw_guard_output output{};
    jackdaw_guard_header_set(&output.header, JACKDAW_GUARD_OUTPUT_REPLY, 9,
                             offsetof(jackdaw_guard_output, data) + length);
    output.total = 100'000;
    output.length = length;
    std::memset(output.data, 'x', length);
    return output;
}

bool spawn_valid(const jackdaw_spawn_request& request) {
    return jackdaw_spawn_request_valid(&request, sizeof request) == 1;
}

/// A request that someone broke in one way.
bool spawn_valid_after(const std::function<void(jackdaw_spawn_request&)>& breaking) {
    auto request = spawn_request();
    breaking(request);
    return spawn_valid(request);
}

} // namespace

TEST_CASE(
    "the bytes of every message are those of the golden files") { // doubled: too long to print
    CHECK((bytes(spawn_request()) == golden("spawn")));
    CHECK((bytes(guard_status()) == golden("status")));
    CHECK((bytes(guard_request(JACKDAW_GUARD_STOP, JACKDAW_GUARD_STOP_KILL)) == golden("stop")));
    CHECK(
        (bytes(guard_output(100), offsetof(jackdaw_guard_output, data) + 100) == golden("output")));

    jackdaw_guard_ack ack{};
    jackdaw_guard_header_set(&ack.header, JACKDAW_GUARD_ACK, 9, sizeof ack);
    ack.error = 16;
    CHECK((bytes(ack) == golden("ack")));

    jackdaw_init_query query{};
    jackdaw_init_header_set(&query.header, JACKDAW_INIT_LIST, 3, sizeof query);
    CHECK((bytes(query) == golden("list_query")));

    jackdaw_init_list list{};
    jackdaw_init_header_set(&list.header, JACKDAW_INIT_LIST_REPLY, 3, sizeof list);
    list.count = 1;
    set_name(list.names[0], "database");
    CHECK((bytes(list) == golden("list")));

    jackdaw_init_reply reply{};
    jackdaw_init_header_set(&reply.header, JACKDAW_INIT_REPLY, 7, sizeof reply);
    reply.error = 17;
    reply.reason = JACKDAW_INIT_NAME_TAKEN;
    CHECK((bytes(reply) == golden("init_reply")));
}

TEST_CASE("a spawn request is taken whole or not at all") {
    const auto request = spawn_request();
    CHECK(spawn_valid(request));
    CHECK(jackdaw_init_request_valid(&request, sizeof request) == JACKDAW_INIT_SPAWN);
    CHECK(jackdaw_spawn_request_valid(&request, sizeof request - 1) == 0);
    CHECK(jackdaw_spawn_request_valid(&request, 0) == 0);

    std::vector<char> shifted(sizeof request + 1);
    std::memcpy(shifted.data() + 1, &request, sizeof request);
    CHECK(jackdaw_spawn_request_valid(shifted.data() + 1, sizeof request) == 1);
}

TEST_CASE("a spawn request with one field wrong is refused") {
    using R = jackdaw_spawn_request;
    CHECK_FALSE(spawn_valid_after([](R& r) { r.header.magic ^= 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.header.version = 2; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.header.type = JACKDAW_INIT_PING; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.header.size -= 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.kind = 3; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.flags = 2; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.uid = 0; })); // a database is never root
    CHECK_FALSE(spawn_valid_after([](R& r) { r.gid = 0; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.uid = UINT32_MAX; })); // "unchanged" to setresuid
    CHECK_FALSE(spawn_valid_after([](R& r) { r.gid = UINT32_MAX; }));
    CHECK_FALSE(spawn_valid_after(
        [](R& r) { r.oom_score_adj = -1; })); // lowering is refused by the kernel, too
    CHECK_FALSE(spawn_valid_after([](R& r) { r.oom_score_adj = 1001; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.stop_count = 5; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.stop[1].signal = 0; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.stop[1].signal = 65; }));
    CHECK_FALSE(
        spawn_valid_after([](R& r) { r.stop[0].seconds = JACKDAW_SPAWN_STOP_SECONDS + 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.argc = 0; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.argc += 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.argc = UINT32_MAX; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.envc -= 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.envc = UINT32_MAX; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.extra_fds = JACKDAW_SPAWN_EXTRA_FDS + 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.strings_size -= 1; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.strings_size = UINT32_MAX; }));
    CHECK_FALSE(spawn_valid_after([](R& r) { r.strings[sizeof r.strings - 1] = 'x'; }));
    CHECK_FALSE(
        spawn_valid_after([](R& r) { r.strings[0] = '.'; })); // the working folder is absolute
    CHECK_FALSE(spawn_valid_after([](R& r) { r.reserved[3] = 1; }));
    CHECK(spawn_valid_after([](R& r) { r.stop_count = 0; }));
    CHECK(spawn_valid_after([](R& r) { r.kind = JACKDAW_SPAWN_JOB, r.uid = 0, r.gid = 0; }));
}

TEST_CASE("only absolute programs and NAME=value reach a child") {
    auto request = spawn_request();
    const char* relative[] = {"mariadbd"};
    REQUIRE(jackdaw_spawn_request_pack(&request, "/", relative, 1, nullptr, 0) == 1);
    CHECK_FALSE(spawn_valid(request));

    const char* program[] = {"/bin/true"};
    for (const char* variable : {"PATH", "=value", ""}) {
        REQUIRE(jackdaw_spawn_request_pack(&request, "/", program, 1, &variable, 1) == 1);
        CHECK_FALSE(spawn_valid(request));
    }
    REQUIRE(jackdaw_spawn_request_pack(&request, "/", program, 1, nullptr, 0) == 1);
    CHECK(spawn_valid(request));
}

TEST_CASE("names and logs cannot leave their folders") {
    for (const char* name : {"", ".", "..", ".hidden", "a/b", "a b", "a\n", "\xc3\xa4"}) {
        CAPTURE(name);
        auto request = spawn_request();
        set_name(request.name, name);
        CHECK_FALSE(spawn_valid(request));
        std::memset(request.log_path, 0, sizeof request.log_path);
        set_name(request.name, "database");
        std::strcpy(request.log_path, (std::string(JACKDAW_LOG_FOLDER) + name).c_str());
        CHECK_FALSE(spawn_valid(request));
    }
    auto request = spawn_request();
    std::memset(request.name, 'a', sizeof request.name); // without its NUL
    CHECK_FALSE(spawn_valid(request));
    request.name[JACKDAW_NAME_SIZE - 1] = '\0';
    CHECK(spawn_valid(request));
    request.name[3] = '\0'; // something after the end
    CHECK_FALSE(spawn_valid(request));

    request = spawn_request();
    std::strcpy(request.log_path, "/etc/passwd");
    CHECK_FALSE(spawn_valid(request));
    std::memset(request.log_path, 0, sizeof request.log_path);
    CHECK(spawn_valid(request));
    request.log_path[9] = 'x';
    CHECK_FALSE(spawn_valid(request));
}

TEST_CASE("what was packed is unpacked, with NULLs at the ends") {
    auto request = spawn_request();
    std::vector<char*> argv(JACKDAW_SPAWN_ARGUMENTS + 1);
    std::vector<char*> environment(JACKDAW_SPAWN_ENVIRONMENT + 1);
    const char* folder = jackdaw_spawn_request_unpack(&request, argv.data(), environment.data());
    CHECK(folder == std::string("/var/lib/jackdaw/volume/data"));
    CHECK(argv[0] == std::string("/usr/sbin/mariadbd"));
    CHECK(argv[2] == std::string());
    CHECK(argv[3] == nullptr);
    CHECK(environment[1] == std::string("EMPTY="));
    CHECK(environment[2] == nullptr);
    CHECK(jackdaw_spawn_stop_seconds(&request) == 605);
}

TEST_CASE("strings that do not fit are refused, those that just fit are not") {
    jackdaw_spawn_request request = spawn_request();
    const std::string longest(JACKDAW_SPAWN_STRINGS_SIZE - 2 - 1, '/'); // beside "/" and both NULs
    const std::string longer = longest + "/";
    const char* fits[] = {longest.c_str()};
    const char* does_not[] = {longer.c_str()};
    CHECK(jackdaw_spawn_request_pack(&request, "/", fits, 1, nullptr, 0) == 1);
    CHECK(spawn_valid(request));
    CHECK(jackdaw_spawn_request_pack(&request, "/", does_not, 1, nullptr, 0) == 0);

    const std::vector<const char*> many(JACKDAW_SPAWN_ARGUMENTS + 1, "/");
    CHECK(jackdaw_spawn_request_pack(&request, "/", many.data(), many.size(), nullptr, 0) == 0);
    CHECK(jackdaw_spawn_request_pack(&request, "/", many.data(), many.size() - 1, nullptr, 0) == 1);
    CHECK(spawn_valid(request));
}

TEST_CASE("a guard takes whole requests of any type, nothing else") {
    const auto request = guard_request(77, 0); // answered by ENOSYS, hence valid
    CHECK(jackdaw_guard_request_valid(&request, sizeof request) == 1);
    CHECK(jackdaw_guard_request_valid(&request, sizeof request - 1) == 0);
    auto other = request;
    other.header.version = 2;
    CHECK(jackdaw_guard_request_valid(&other, sizeof other) == 0);
    other = request;
    other.header.magic = JACKDAW_INIT_MAGIC;
    CHECK(jackdaw_guard_request_valid(&other, sizeof other) == 0);
    other = request;
    other.header.type = 0;
    CHECK(jackdaw_guard_request_valid(&other, sizeof other) == 0);
}

TEST_CASE("a client takes no answer whose length or ranges lie") {
    const auto status = guard_status();
    CHECK(jackdaw_guard_answer_valid(&status, sizeof status) == JACKDAW_GUARD_STATUS_REPLY);
    auto broken = status;
    broken.phase = 5;
    CHECK(jackdaw_guard_answer_valid(&broken, sizeof broken) == 0);
    broken = status;
    broken.exit_status = 256;
    CHECK(jackdaw_guard_answer_valid(&broken, sizeof broken) == 0);

    auto output = guard_output(100);
    const std::size_t size = offsetof(jackdaw_guard_output, data) + 100;
    CHECK(jackdaw_guard_answer_valid(&output, size) == JACKDAW_GUARD_OUTPUT_REPLY);
    output.length = 101;
    CHECK(jackdaw_guard_answer_valid(&output, size) == 0);
    output.length = UINT32_MAX;
    CHECK(jackdaw_guard_answer_valid(&output, size) == 0);

    jackdaw_init_list list{};
    jackdaw_init_header_set(&list.header, JACKDAW_INIT_LIST_REPLY, 3, sizeof list);
    CHECK(jackdaw_init_answer_valid(&list, sizeof list) == JACKDAW_INIT_LIST_REPLY);
    list.count = 1; // an empty name
    CHECK(jackdaw_init_answer_valid(&list, sizeof list) == 0);
    list.count = JACKDAW_INIT_GUARDS + 1;
    CHECK(jackdaw_init_answer_valid(&list, sizeof list) == 0);
}
