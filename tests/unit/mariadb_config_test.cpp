#include <algorithm>
#include <csignal>
#include <string>

#include <catch2/catch.hpp>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/programs.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;

namespace {

plugins::MachineFacts machine(std::uint64_t memory, std::uint64_t volume = 0) {
    plugins::MachineFacts facts;
    facts.memory_bytes = memory;
    facts.volume_bytes = volume;
    facts.hostname = "m";
    return facts;
}

plugins::Place place() {
    plugins::Place where;
    where.data_folder = "/v/data";
    where.config_folder = "/etc/jackdaw/database";
    where.run_folder = "/run/jackdaw/database";
    where.log_folder = "/v/log";
    where.port = 3306;
    where.machine = machine(gib);
    where.machine.cores = 2;
    return where;
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST_CASE("sizes grow with the machine and never exceed it") {
    Sizes before{};
    for (const auto memory :
         {0 * mib, 256 * mib, 512 * mib, 1 * gib, 2 * gib, 4 * gib, 16 * gib, 256 * gib}) {
        INFO(memory / mib);
        const auto sizes = sizes_for(machine(memory));
        CHECK(sizes.buffer_pool_bytes >= before.buffer_pool_bytes);
        CHECK(sizes.connections_max >= before.connections_max);
        CHECK(sizes.table_cache >= before.table_cache);
        CHECK(sizes.buffer_pool_bytes % (16 * mib) == 0);
        CHECK(sizes.buffer_pool_bytes + sizes.aria_cache_bytes <=
              std::max(memory, 256 * mib) * 3 / 4);
        CHECK(sizes.redo_log_bytes <= 48 * mib);
        auto where = place();
        where.machine.memory_bytes = memory;
        CHECK(open_files_wanted(where) >= sizes.connections_max + 16ULL * sizes.table_cache);
        before = sizes;
    }
    CHECK(sizes_for(machine(gib)).buffer_pool_bytes == 256 * mib);
    CHECK(sizes_for(machine(4 * gib)).buffer_pool_bytes == 256 * mib + 1536 * mib);
}

TEST_CASE("what fills the volume is sized by the volume, too, and each formula is told") {
    for (const auto memory : {256 * mib, 512 * mib, gib, 16 * gib, 256 * gib}) {
        std::uint64_t before = 0;
        for (const auto volume : {320 * mib, gib, 20 * gib, 1024 * gib, 64 * 1024 * gib}) {
            INFO(memory / mib << " MiB of memory, " << volume / mib << " of volume");
            const auto sizes = sizes_for(machine(memory, volume));
            CHECK(sizes.redo_log_bytes >= 32 * mib);
            CHECK(sizes.redo_log_bytes <= std::max(volume / 16, 32 * mib));
            CHECK(sizes.redo_log_bytes <= gib);
            CHECK(sizes.redo_log_bytes >= before); // more volume, never less log
            CHECK(sizes.temporary_bytes_max <= std::max(volume / 4, 64 * mib));
            before = sizes.redo_log_bytes;
        }
    }
    CHECK(sizes_for(machine(gib, 20 * gib)).redo_log_bytes == 64 * mib);
    CHECK(sizes_for(machine(16 * gib, 20 * gib)).redo_log_bytes == gib);
    auto where = place();
    const auto small = computed_settings(where);
    where.machine = machine(64 * gib, 1024 * gib);
    where.machine.cores = 16;
    for (const auto& [name, value] : computed_settings(where)) { // formulas for these, no others
        INFO(name);
        CHECK((*find_setting(small, name) != value) == !formula_of(name).empty());
    }
}

TEST_CASE("my.cnf is durable, local where it must be, and logs to the guard") {
    const auto text = *option_file(place());
    for (const char* line : {"[mariadbd]",
                             "datadir = /v/data",
                             "socket = /run/jackdaw/database/mysqld.sock",
                             "port = 3306",
                             "bind_address = 0.0.0.0",
                             "init_file = /etc/jackdaw/database/init.sql",
                             "innodb_flush_log_at_trx_commit = 1",
                             "innodb_doublewrite = ON",
                             "local_infile = OFF",
                             "symbolic_links = OFF",
                             "skip_name_resolve = ON",
                             "secure_file_priv = /etc/jackdaw/database",
                             "character_set_server = utf8mb4",
                             "innodb_log_file_size = 48M",
                             "log_output = FILE",
                             "slow_query_log = OFF",
                             "slow_query_log_file = /v/log/slow.log",
                             "long_query_time = 1",
                             "general_log = OFF",
                             "general_log_file = /v/log/general.log"}) {
        INFO(line);
        CHECK(has_line(text, line));
    }
    CHECK(text.find("log_error") == std::string::npos);
    CHECK(text.find("extra_port") == std::string::npos);
}

TEST_CASE("an instance's own settings end my.cnf, each once, in place of what is computed") {
    auto where = place();
    where.parameters = {{"max_connections", "77"},
                        {"sql_mode", "ANSI"},
                        {"init_connect", "SET @a = 'x\\y\"z'; # no comment"},
                        {"time_zone", "+01:00"}};
    const auto text = *option_file(where);
    CHECK(has_line(text, "max_connections = \"77\""));
    CHECK(has_line(text, "sql_mode = \"ANSI\""));
    CHECK(has_line(text, "init_connect = \"SET @a = 'x\\\\y\\\"z'; # no comment\""));
    CHECK(has_line(text, "default_time_zone = \"+01:00\"")); // the option's name
    std::size_t times = 0;
    for (auto at = text.find("\nmax_connections"); at != std::string::npos;
         at = text.find("\nmax_connections", at + 1)) {
        ++times;
    }
    CHECK(times == 1);
    CHECK(text.find("this instance's own") < text.find("max_connections"));
    CHECK(open_files_wanted(where) == 100 + 77 + 16 * sizes_for(where.machine).table_cache);
}

TEST_CASE("no value begins another line, and what the agent owns is not rendered") {
    auto where = place();
    for (const std::string& value :
         {std::string{"a\nskip_grant_tables"}, std::string{"a\r"}, std::string{"a\0b", 3},
          std::string(4000, 'x'), std::string(2000, '\\')}) {
        where.parameters = {{"init_connect", value}};
        const auto text = option_file(where);
        REQUIRE_FALSE(text.has_value());
        CHECK(text.error().code() == Errc::invalid);
    }
    for (const char* name : {"a b", "[x", "A", "", "!include", "x=1\ny"}) {
        INFO(name);
        where.parameters = {{name, "1"}};
        CHECK_FALSE(option_file(where).has_value());
    }
    for (const char* name : {"datadir", "init_file", "ssl_cert", "wsrep_provider", "port"}) {
        INFO(name);
        where.parameters = {{name, "1"}};
        const auto text = option_file(where);
        REQUIRE_FALSE(text.has_value());
        CHECK(text.error().code() == Errc::not_allowed);
    }
    where.parameters.clear();
    for (int i = 0; i < 1001; ++i) {
        where.parameters["p" + std::to_string(i)] = "1";
    }
    CHECK_FALSE(option_file(where).has_value());
}

TEST_CASE("the init job writes the redo log that the server then wants") {
    for (const auto memory : {512 * mib, 8 * gib}) {
        auto where = place();
        where.machine.memory_bytes = memory;
        const auto job = initialise_job(where);
        const auto size = "--innodb-log-file-size=" +
                          std::to_string(sizes_for(where.machine).redo_log_bytes / mib) + "M";
        CHECK(std::find(job.argv.begin(), job.argv.end(), size) != job.argv.end());
        CHECK(job.argv[1] == "--no-defaults");
        CHECK(std::find(job.argv.begin(), job.argv.end(),
                        "--extra-file=/usr/lib/jackdaw/plugins/mariadb-timezones.sql") !=
              job.argv.end());
    }
}

TEST_CASE("each statement of the init file stands on one line and names the agent's account") {
    const auto text = init_file(place());
    CHECK(text.find("IDENTIFIED VIA unix_socket") != std::string::npos);
    CHECK(text.find("'jackdawd'@'localhost'") != std::string::npos);
    // An own setting that refuses changes is taken back for this session before the first of them.
    const auto first_change = text.find("DELETE");
    REQUIRE(first_change != std::string::npos);
    for (const auto* pinned : {"sql_safe_updates = OFF", "max_statement_time = 0", "READ WRITE",
                               "autocommit = ON", "sql_mode = ''", "range_alloc_block_size = "}) {
        INFO(pinned);
        CHECK(text.find(pinned) < first_change);
    }
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        REQUIRE(end != std::string_view::npos);
        REQUIRE(end > 0);
        CHECK(rest[end - 1] == ';');
        rest.remove_prefix(end + 1);
    }
}

TEST_CASE("only plain words go into an option file") {
    CHECK(is_plain_option_value("/var/lib/x-1.2_3"));
    CHECK(is_plain_option_value("::"));
    for (const std::string& bad : {std::string{}, std::string{"a\nb"}, std::string{"a b"},
                                   std::string{"#"}, std::string(256, 'a')}) {
        CHECK_FALSE(is_plain_option_value(bad));
    }
}

TEST_CASE("a version is MariaDB's own and at least 10.11") {
    const auto version = [](const char* text) { return parse_version(text); };
    CHECK(
        *version(
            "/usr/sbin/mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64") ==
        "10.11.14");
    CHECK(*version("/usr/sbin/mariadbd  Ver 11.8.3-MariaDB-1 for x") == "11.8.3");
    CHECK(version("mariadbd  Ver 10.6.1-MariaDB").error().code() == Errc::unsupported);
    CHECK(version("mysqld  Ver 9.0.1 for Linux").error().code() == Errc::unsupported);
    for (const char* text :
         {"", " Ver ", " Ver x", " Ver 10", " Ver 99999999999.1-MariaDB", "no such file"}) {
        INFO(text);
        const auto parsed = version(text);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().id() == Code::install_missing);
    }
}

TEST_CASE(
    "a configuration is refused for errors, unknown names and adjusted numbers, not for warnings") {
    CHECK(
        judge_config(0, "mariadbd  Ver 10.11\n[Note] Starting\n[Warning] something\n").has_value());
    CHECK(judge_config(0, "[Warning] Could not increase number of max_open_files to more than "
                          "20000 (request: 32184)")
              .has_value());
    for (const char* line :
         {"0 [ERROR] mariadbd: unknown variable 'foo=1'",
          "[Warning] option 'x': unsigned value 1 adjusted to 2",
          "[Warning] option 'x': boolean value 'y' wasn't recognized. Set to OFF.",
          "[Warning] net_buffer_length (2) is set to be larger than "
          "max_allowed_packet (1). Please rectify.",
          "mariadbd: unknown option '--y'"}) {
        const auto judged = judge_config(0, std::string{"[Note] first\n"} + line + "\nlast\n");
        REQUIRE_FALSE(judged.has_value());
        CHECK(judged.error().id() == Code::config_refused);
        CHECK(judged.error().message() == line);
    }
    CHECK_FALSE(judge_config(7, "").has_value());
    CHECK(judge_config(0, "[ERROR] " + std::string(65536, 'x')).error().message().size() <= 300);
}

TEST_CASE(
    "the check of a configuration allocates no performance schema that the file switches on") {
    auto where = place();
    where.parameters = {{"performance_schema", "ON"}};
    const auto argv = check_config_job(where).argv;
    const auto at = [&](const std::string& word) {
        return std::find(argv.begin(), argv.end(), word) - argv.begin();
    };
    CHECK(argv.at(1) == "--defaults-file=/etc/jackdaw/database/my.cnf"); // read all the same
    CHECK(at("--performance-schema=OFF") < at("--version"));
}

TEST_CASE("an init file that ended early is seen in what the server prints") {
    CHECK(start_complaint("").empty());
    CHECK(start_complaint("2026-11-29 [ERROR] Event Scheduler: ERROR: 1175\n").empty());
    const auto told = start_complaint("2026-11-29 [Note] Starting\nERROR: 1175  You are using "
                                      "safe update\x01\n2026-11-29 [Note] ready\n");
    CHECK(told.find("1175  You are using safe update?") != std::string::npos);
    CHECK(told.find("ready") == std::string::npos);
}

TEST_CASE("the server is stopped by one SIGTERM and has ten minutes") {
    const auto spec = launch(place());
    REQUIRE(spec.argv == std::vector<std::string>{"/usr/sbin/mariadbd",
                                                  "--defaults-file=/etc/jackdaw/database/my.cnf"});
    REQUIRE(spec.stop.size() == 1);
    CHECK(spec.stop[0].signal == SIGTERM);
    CHECK(spec.stop[0].wait == std::chrono::seconds{600});
    CHECK(spec.limits.open_files > 0);
}
