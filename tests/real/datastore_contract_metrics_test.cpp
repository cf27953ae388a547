// Metrics of real servers, MariaDB's name by name against the exporter whose names dashboards know:
// Debian's prometheus-mysqld-exporter, started here beside the same server. Skipped, with the
// reason printed, where that is not unpacked.

#include <arpa/inet.h>
#include <fcntl.h>
#include <mysql.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>

#include "proto/wire/open_metrics.h"
#include "tests/real/datastore_contract.h"

using namespace jackdaw;
using namespace jackdaw::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* exporter_program = JACKDAW_EXPORTER; ///< packaging/build-deps unpacks it

/// Sample name and labels (sorted) → value.
using Samples = std::map<std::string, double>;

Samples parse(const std::string& text) {
    Samples samples;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) {
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const auto space = line.rfind(' ');
        auto name = line.substr(0, space);
        if (const auto open = name.find('{'); open != std::string::npos) {
            std::vector<std::string> labels;
            std::istringstream inside{name.substr(open + 1, name.size() - open - 2)};
            for (std::string label; std::getline(inside, label, ',');) {
                labels.push_back(label);
            }
            std::sort(labels.begin(), labels.end());
            name.resize(open);
            for (const auto& label : labels) {
                name += "," + label;
            }
        }
        samples[name] = std::strtod(line.c_str() + space + 1, nullptr);
    }
    return samples;
}

Samples ours(Server& server) {
    const AsAgent agent;
    const auto families = server.store().metrics()->collect(plenty());
    INFO((families ? std::string{} : families.error().to_string()));
    REQUIRE(families.has_value());
    std::size_t left_out = 0;
    const auto text = proto::open_metrics_text(*families, &left_out);
    CHECK(left_out == 0);
    return parse(text);
}

void ask(const Server& server, const std::string& sql) {
    const AsAgent agent;
    MYSQL* const session = ::mysql_init(nullptr);
    const auto socket = server.place().run_folder + "/mysqld.sock";
    REQUIRE(::mysql_real_connect(session, nullptr, "jackdawd", nullptr, nullptr, 0, socket.c_str(),
                                 0) != nullptr);
    const int failed = ::mysql_query(session, sql.c_str());
    INFO(sql << ": " << ::mysql_error(session));
    CHECK(failed == 0);
    ::mysql_close(session);
}

std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

/// The exporter, beside a server and with an account of its own.
class Exporter {
public:
    explicit Exporter(Server& server) : server_{server}, port_{free_port()} {
        ask(server, "CREATE OR REPLACE USER exporter@'127.0.0.1' IDENTIFIED BY 'word'");
        ask(server, "GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR, SELECT ON *.* TO "
                    "exporter@'127.0.0.1'");
        const auto listen = "--web.listen-address=127.0.0.1:" + std::to_string(port_);
        const auto source =
            "DATA_SOURCE_NAME=exporter:word@(127.0.0.1:" + std::to_string(server.place().port) +
            ")/";
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const int null = ::open("/dev/null", O_RDWR);
            ::dup2(null, 1);
            ::dup2(null, 2);
            const char* argv[] = {exporter_program, listen.c_str(), "--config.my-cnf=/nonexistent",
                                  nullptr};
            const char* environment[] = {source.c_str(), nullptr};
            ::execve(exporter_program, const_cast<char**>(argv), const_cast<char**>(environment));
            ::_exit(127);
        }
        REQUIRE(pid_ > 0);
        for (int attempt = 0; attempt < 100 && fetch().empty(); ++attempt) {
            ::poll(nullptr, 0, 100);
        }
    }
    ~Exporter() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ask(server_, "DROP USER exporter@'127.0.0.1'");
    }
    Exporter(const Exporter&) = delete;
    Exporter& operator=(const Exporter&) = delete;

    /// Empty while nobody listens.
    [[nodiscard]] std::string fetch() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port_);
        std::string text;
        if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            constexpr std::string_view request = "GET /metrics HTTP/1.0\r\n\r\n";
            (void)!::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
            std::string chunk(65536, '\0');
            for (ssize_t got = 0; (got = ::recv(fd, chunk.data(), chunk.size(), 0)) > 0;) {
                text.append(chunk, 0, static_cast<std::size_t>(got));
            }
        }
        ::close(fd);
        const auto body = text.find("\r\n\r\n");
        return body == std::string::npos ? std::string{} : text.substr(body + 4);
    }
    /// User and system time of all its threads.
    [[nodiscard]] double cpu_seconds() const {
        std::ifstream file{"/proc/" + std::to_string(pid_) + "/stat"};
        const std::string text{std::istreambuf_iterator<char>{file}, {}};
        std::istringstream rest{text.substr(text.rfind(')') + 2)};
        std::string field;
        double ticks = 0;
        for (int i = 3; rest >> field && i <= 15; ++i) { // proc(5): utime is 14, stime 15
            ticks += i >= 14 ? std::strtod(field.c_str(), nullptr) : 0;
        }
        return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }

private:
    Server& server_;
    std::uint16_t port_;
    pid_t pid_ = -1;
};

double own_cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool has_exporter() {
    if (::access(exporter_program, X_OK) == 0) {
        return true;
    }
    std::cerr << "skipped: the comparison needs prometheus-mysqld-exporter (packaging/build-deps "
                 "test)\n";
    return false;
}

/// What the exporter has and we have not, each with its reason.
const std::map<std::string, std::string> not_ours{
    {"mysql_exporter_scrapes_total",
     "counts the exporter's own scrapes; the agent counts its own under jackdaw_"},
    {"mysql_exporter_collector_duration_seconds",
     "times the exporter's own collectors, which are not ours"},
};

/// What differs from one moment to the next: what the exporter's own session is, or a clock.
bool moves(const std::string& name) {
    return name.find("global_variables_") == std::string::npos;
}

} // namespace

TEST_CASE("metrics are sorted, valid, and say that the server is up") {
    for (const auto& datastore : datastores) {
        Server* const server = server_of(datastore);
        if (server == nullptr) {
            continue;
        }
        const AsAgent agent;
        auto* const metrics = server->store().metrics();
        REQUIRE(metrics != nullptr);
        const auto families = metrics->collect(plenty());
        INFO((families ? std::string{} : families.error().to_string()));
        REQUIRE(families.has_value());
        REQUIRE(families->size() > 3);
        REQUIRE(families->size() <= 2000);
        CHECK(std::is_sorted(families->begin(), families->end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
        for (const auto& family : *families) {
            INFO(family.name);
            CHECK_FALSE(family.samples.empty());
            CHECK_FALSE(family.help.empty());
        }
        std::size_t left_out = 99;
        const auto text = proto::open_metrics_text(*families, &left_out);
        CHECK(left_out == 0);
        const auto up = datastore == "mariadb" ? "\nmysql_up 1\n" : "\nfake_up 1\n";
        CHECK(text.find(up) != std::string::npos);
    }
}

TEST_CASE("the load that is watched counts what clients do") {
    for (const auto& datastore : datastores) {
        Server* const server = server_of(datastore);
        if (server == nullptr) {
            continue;
        }
        const auto look = [&] {
            const AsAgent agent;
            const auto load = server->store().metrics()->load(plenty());
            INFO((load ? std::string{} : load.error().to_string()));
            REQUIRE(load.has_value());
            return *load;
        };
        const auto before = look();
        REQUIRE(before.connections.has_value());
        REQUIRE(before.running.has_value());
        if (datastore != "mariadb") {
            continue; // the fake counts sessions alone
        }
        REQUIRE(before.connections_max.value_or(0) >= 60);
        for (int i = 0; i < 20; ++i) {
            ask(*server, "DO SLEEP(0)");
        }
        const auto after = look();
        REQUIRE(after.queries.value_or(0) >= before.queries.value_or(0) + 20);
        REQUIRE(after.slow_queries.has_value());
        REQUIRE(*before.connections >= 1);
    }
}

TEST_CASE("metrics of a server that is down say so; one that hangs is a deadline") {
    for (const auto& datastore : datastores) {
        Server* const server = server_of(datastore);
        if (server == nullptr) {
            continue;
        }
        server->signal(SIGSTOP);
        {
            const AsAgent agent;
            const auto hung = server->store().metrics()->collect(within(200ms));
            CHECK_FALSE(hung.has_value());
            CHECK((hung || hung.error().code() == Errc::deadline));
        }
        server->signal(SIGCONT);
        server->stop(SIGTERM);
        {
            const AsAgent agent;
            const auto down = server->store().metrics()->collect(plenty());
            REQUIRE(down.has_value());
            REQUIRE(down->size() == 1);
            CHECK(down->front().name == (datastore == "mariadb" ? "mysql_up" : "fake_up"));
            CHECK(down->front().samples.front().value == 0);
        }
        server->start();
    }
}

TEST_CASE("metrics are read when clients have taken every connection") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    ask(*server, "CREATE OR REPLACE USER crowd@'127.0.0.1' IDENTIFIED BY 'word'");
    {
        Clients crowd{*server, "crowd", "word"};
        int in = 0;
        while (in < 1000 && crowd.log_in()) {
            ++in;
        }
        CHECK(in >= 60);
        const auto samples = ours(*server);
        CHECK(samples.at("mysql_up") == 1);
        CHECK(samples.at("mysql_global_status_threads_connected") >= in);
    }
    const AsAgent agent;
    server->store().release();
    for (int attempt = 0; attempt < 100; ++attempt) { // until the crowd has left
        if (server->store().users()->drop(plenty(), "crowd", "127.0.0.1")) {
            return;
        }
        ::poll(nullptr, 0, 50);
    }
    FAIL("the crowd does not leave");
}

TEST_CASE("every metric of the exporter's is ours, by name, labels and, where it stands, value") {
    Server* const server = server_of("mariadb");
    if (server == nullptr || !has_exporter()) {
        return;
    }
    // A replica that never ran, so that replication has its names, too.
    ask(*server, "CHANGE MASTER 'nobody' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 9, "
                 "MASTER_USER = 'x', MASTER_PASSWORD = 'x'");
    {
        const Exporter exporter{*server};
        const auto theirs = parse(exporter.fetch());
        const auto own = ours(*server);
        std::size_t compared = 0;
        std::size_t equal = 0;
        std::map<std::string, bool> reasons_used;
        for (const auto& [name, value] : theirs) {
            if (!name.starts_with("mysql_")) {
                continue; // of the exporter's own process: go_, process_, promhttp_,
                          // mysqld_exporter_
            }
            const auto plain = name.substr(0, name.find(','));
            if (not_ours.contains(plain)) {
                reasons_used[plain] = true;
                CHECK_FALSE(own.contains(name));
                continue;
            }
            INFO(name);
            ++compared;
            const auto found = own.find(name);
            if (found == own.end()) {
                FAIL_CHECK("the exporter has it and we do not");
                continue;
            }
            if (!moves(name)) {
                ++equal;
                CHECK(found->second == value);
            }
        }
        CHECK(compared > 900);
        CHECK(equal > 400);
        CHECK(own.at("mysql_slave_status_slave_sql_running,channel_name=\"\",connection_name="
                     "\"nobody\",master_host=\"127.0.0.1\",master_uuid=\"\"") == 0);
        CHECK(reasons_used.size() == not_ours.size()); // none that has become idle
        // And nothing is ours alone but what we say of ourselves.
        for (const auto& [name, value] : own) {
            INFO(name << " " << value);
            CHECK((theirs.contains(name) || name.starts_with("jackdaw_")));
        }
    }
    ask(*server, "RESET SLAVE 'nobody' ALL");
}

TEST_CASE("a scrape takes 30 ms at most and a third of the exporter's CPU") {
    Server* const server = server_of("mariadb");
    if (server == nullptr || !has_exporter()) {
        return;
    }
    constexpr int scrapes = 100;
    const Exporter exporter{*server};
    const auto their_start = exporter.cpu_seconds();
    for (int i = 0; i < scrapes; ++i) {
        REQUIRE(exporter.fetch().size() > 100'000);
    }
    const auto their_cpu = (exporter.cpu_seconds() - their_start) / scrapes * 1e3;
    std::vector<double> took;
    const AsAgent agent;
    const auto our_start = own_cpu_seconds();
    for (int i = 0; i < scrapes; ++i) {
        const auto from = std::chrono::steady_clock::now();
        const auto families = server->store().metrics()->collect(plenty());
        REQUIRE(families.has_value());
        REQUIRE(proto::open_metrics_text(*families).size() > 100'000);
        took.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from)
                .count());
    }
    const auto our_cpu = (own_cpu_seconds() - our_start) / scrapes * 1e3;
    std::sort(took.begin(), took.end());
    std::cout << "metrics: a scrape takes " << took[scrapes / 2] << " ms (median), " << our_cpu
              << " ms of CPU; the exporter's " << their_cpu << " ms of CPU\n";
}
