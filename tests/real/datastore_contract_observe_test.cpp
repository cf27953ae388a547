// What every driver promises of its logs and metrics.

#include <mysql.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract.h"

using namespace jackdaw;
using namespace jackdaw::test;
namespace fs = std::filesystem;

namespace {

template <class T>
std::string why(const T& result) {
    return result ? std::string{} : result.error().to_string();
}

#define REQUIRE_OK(...)                                                                            \
    do {                                                                                           \
        auto&& outcome = (__VA_ARGS__);                                                            \
        INFO(why(outcome));                                                                        \
        REQUIRE(outcome.has_value());                                                              \
    } while (false)

std::string read(const std::string& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::size_t count(const std::string& text, const std::string& word) {
    std::size_t found = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        ++found;
    }
    return found;
}

/// One request of a plain client, in a session of its own: not the driver's.
void say(const Server& server, const std::string& mariadb, const std::string& fake) {
    if (server.place().admin_user == "jackdawd") {
        const AsAgent agent;
        MYSQL* const session = ::mysql_init(nullptr);
        const auto socket = server.place().run_folder + "/mysqld.sock";
        REQUIRE(::mysql_real_connect(session, nullptr, "jackdawd", nullptr, nullptr, 0,
                                     socket.c_str(), CLIENT_MULTI_STATEMENTS) != nullptr);
        int more = ::mysql_query(session, mariadb.c_str());
        INFO(mariadb << ": " << ::mysql_error(session));
        REQUIRE(more == 0);
        while (more == 0) { // ends with the statements
            ::mysql_free_result(::mysql_store_result(session));
            more = ::mysql_next_result(session);
        }
        ::mysql_close(session);
        return;
    }
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = server.place().run_folder + "/fake.sock";
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const auto line = fake + "\n";
    REQUIRE(::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0);
    char reply[256] = {};
    REQUIRE(::recv(fd, reply, sizeof reply - 1, 0) > 0);
    INFO(fake << ": " << reply);
    REQUIRE(std::string{reply}.starts_with("OK"));
    ::close(fd);
}

void turn(const Server& server, const std::string& log, bool on) {
    const auto variable = log == "slow" ? "slow_query_log" : "general_log";
    say(server, std::string{"SET GLOBAL "} + variable + (on ? " = ON" : " = OFF"),
        on ? "LOG on" : "LOG off");
}

} // namespace

TEST_CASE("every log has a name, a file that jackdaw-host opens, and a way to turn it on") {
    for (const auto& datastore : datastores) {
        Server* const server = server_of(datastore);
        if (server == nullptr) {
            continue;
        }
        const AsAgent agent;
        auto* const logs = server->store().logs();
        REQUIRE(logs != nullptr);
        std::set<std::string> names;
        int of_guard = 0;
        for (const auto& log : logs->files()) {
            INFO(log.name);
            REQUIRE(names.insert(log.name).second);
            of_guard += log.file.empty() ? 1 : 0;
            CHECK(log.file.empty() == log.enabled_by.empty());
            CHECK(log.file.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") ==
                  std::string::npos);
            const auto enabled = logs->is_enabled(plenty(), log.name);
            REQUIRE_OK(enabled);
            CHECK(*enabled == log.enabled_by.empty()); // the others are off until asked for
            REQUIRE_OK(logs->reopen(plenty(), log.name));
        }
        CHECK(of_guard == 1);
        CHECK(logs->is_enabled(plenty(), "nonsense").error().code() == Errc::not_found);
        CHECK(logs->reopen(plenty(), "nonsense").error().code() == Errc::not_found);
    }
}

TEST_CASE("a log that was renamed is written anew once it was reopened, and no line is lost") {
    for (const auto& datastore : datastores) {
        Server* const server = server_of(datastore);
        if (server == nullptr) {
            continue;
        }
        auto& logs = *server->store().logs();
        const auto path = server->place().log_folder + "/general.log";
        turn(*server, "general", true);
        {
            const AsAgent agent;
            CHECK(*logs.is_enabled(plenty(), "general"));
        }
        say(*server, "SELECT 'first-word'", "PUT first-word 1");
        REQUIRE(count(read(path), "first-word") == 1);
        fs::rename(path, path + ".1");
        say(*server, "SELECT 'second-word'", "PUT second-word 1");
        CHECK(count(read(path + ".1"), "second-word") == 1);
        CHECK_FALSE(fs::exists(path));
        {
            const AsAgent agent;
            REQUIRE_OK(logs.reopen(plenty(), "general"));
        }
        say(*server, "SELECT 'third-word'", "PUT third-word 1");
        CHECK(count(read(path), "third-word") == 1);
        CHECK(count(read(path + ".1"), "third-word") == 0);
        struct stat info{};
        REQUIRE(::stat(path.c_str(), &info) == 0);
        CHECK((info.st_mode & 0007) == 0); // for nobody else
        turn(*server, "general", false);
        const AsAgent agent;
        CHECK_FALSE(*logs.is_enabled(plenty(), "general"));
    }
}

TEST_CASE("MariaDB's slow log has what took a second, and nothing that the agent says") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    auto& store = server->store();
    for (const auto* log : {"slow", "general"}) {
        turn(*server, log, true);
    }
    say(*server, "SELECT SLEEP(1.1), 'slow-word'; SELECT 'quick-word'", "");
    say(*server, "SET GLOBAL long_query_time = 0", "");
    {
        const AsAgent agent;
        store.release(); // logs in again, with the new global value
        REQUIRE_OK(store.users()->create(
            plenty(), {"logged", "%", {}, *store.users()->make_verifier(Secret{"agent-word"})}));
        REQUIRE_OK(store.users()->drop(plenty(), "logged", "%"));
        REQUIRE(store.probe(plenty())->answers);
    }
    say(*server, "SET GLOBAL long_query_time = 1", "");
    for (const auto* log : {"slow", "general"}) {
        turn(*server, log, false);
    }
    const auto slow = read(server->place().log_folder + "/slow.log");
    CHECK(count(slow, "slow-word") == 1);
    CHECK(count(slow, "quick-word") == 0);
    const auto general = read(server->place().log_folder + "/general.log");
    CHECK(count(general, "quick-word") == 1);
    for (const auto& text : {slow, general}) {
        CHECK(count(text, "logged") == 0);
        CHECK(count(text, "VERSION()") == 0);
    }
}

TEST_CASE("a log that MariaDB cannot open again is an error, and turning it off and on mends it") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    auto& logs = *server->store().logs();
    const auto path = server->place().log_folder + "/general.log";
    turn(*server, "general", true);
    fs::remove(path);
    fs::create_directory(path);
    {
        const AsAgent agent;
        const auto reopened = logs.reopen(plenty(), "general");
        REQUIRE_FALSE(reopened.has_value());
        CHECK(reopened.error().to_string().find("general.log") != std::string::npos);
    }
    fs::remove(path);
    turn(*server, "general", false);
    turn(*server, "general", true);
    say(*server, "SELECT 'mended-word'", "");
    CHECK(count(read(path), "mended-word") == 1);
    turn(*server, "general", false);
    say(*server, "SET GLOBAL general_log = ON, GLOBAL log_output = 'TABLE'", "");
    {
        const AsAgent agent;
        CHECK_FALSE(*logs.is_enabled(plenty(), "general")); // into no file
        CHECK(*logs.elsewhere(plenty(), "general") == "the table mysql.general_log");
        CHECK(logs.elsewhere(plenty(), "slow")->empty()); // it is off
    }
    say(*server,
        "SET GLOBAL general_log = OFF, GLOBAL log_output = 'FILE', GLOBAL general_log_file = "
        "'led_away.log', GLOBAL general_log = ON",
        "");
    {
        const AsAgent agent;
        CHECK(*logs.is_enabled(plenty(), "general"));
        CHECK(*logs.elsewhere(plenty(), "general") == "led_away.log in the data folder");
    }
    say(*server, "SET GLOBAL general_log = OFF, GLOBAL general_log_file = '" + path + "'", "");
    const AsAgent agent;
    CHECK(logs.elsewhere(plenty(), "general")->empty());
}
