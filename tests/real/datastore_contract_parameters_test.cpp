// The facet Parameters (plugins/api/facets.h), held against real servers. Every settable parameter
// of MariaDB at its borders is mariadb_parameter_sweep.cpp.

#include <mysql.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract.h"

using namespace jackdaw;
using namespace jackdaw::test;

namespace {

using Own = std::map<std::string, std::string>;

template <class T>
std::string why(const Result<T>& result) {
    return result ? std::string{} : result.error().to_string();
}

#define REQUIRE_OK(...)                                                                            \
    do {                                                                                           \
        auto&& outcome = (__VA_ARGS__);                                                            \
        INFO(why(outcome));                                                                        \
        REQUIRE(outcome.has_value());                                                              \
    } while (false)

/// One server with its facet, left without own settings.
class Fixture {
public:
    explicit Fixture(Server& server)
        : server_{server}, facet_{*server.store().parameters()}, place_{server.place()} {
        known = list();
    }

    std::vector<proto::Parameter> list() {
        const AsAgent agent;
        auto listed = facet_.list(plenty(), place_);
        REQUIRE_OK(listed);
        return *listed;
    }
    proto::Parameter find(const std::string& name) {
        const auto all = list();
        const auto found =
            std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
        INFO(name);
        REQUIRE(found != all.end());
        return *found;
    }
    Result<std::pair<std::string, std::string>> check(const std::string& name,
                                                      const std::string& value) {
        return facet_.check(known, name, value);
    }
    Result<void> together(const Own& own) {
        auto place = place_;
        place.parameters = own;
        return facet_.check_together(known, place);
    }
    /// Wishes for `own` alone; what changed is what differs from before.
    Result<std::vector<std::string>> apply(const Own& own, bool backwards = false) {
        std::vector<std::string> changed;
        for (const auto* side : {&own, &std::as_const(place_.parameters)}) {
            for (const auto& [name, value] : *side) {
                if (std::find(changed.begin(), changed.end(), name) == changed.end()) {
                    changed.push_back(name);
                }
            }
        }
        if (backwards) {
            std::reverse(changed.begin(), changed.end());
        }
        place_.parameters = own;
        const AsAgent agent;
        return facet_.apply(plenty(), place_, changed);
    }
    /// As if the last wish had never been: it was refused.
    void forget() { place_.parameters.clear(); }
    void restart() {
        server_.store().release();
        REQUIRE(server_.stop(SIGTERM) == 0);
        server_.set_parameters(place_.parameters);
        const auto job = server_.store().check_config_job(server_.place());
        REQUIRE(job.has_value());
        const auto files = server_.store().render(server_.place());
        REQUIRE_OK(files);
        server_.write_config(*files);
        const auto ended = server_.run(*job);
        REQUIRE_OK(server_.store().judge_config(ended.status, ended.output));
        server_.start();
    }
    plugins::Parameters& facet() { return facet_; }
    [[nodiscard]] const plugins::Place& place() const { return place_; }
    std::vector<proto::Parameter> known;

private:
    Server& server_;
    plugins::Parameters& facet_;
    plugins::Place place_;
};

/// A client of MariaDB as the agent's account.
void run_sql(const Server& server, const std::vector<std::string>& statements) {
    const AsAgent agent;
    MYSQL* const session = ::mysql_init(nullptr);
    const auto socket = server.place().run_folder + "/mysqld.sock";
    REQUIRE(::mysql_real_connect(session, nullptr, "jackdawd", nullptr, nullptr, 0, socket.c_str(),
                                 0) != nullptr);
    for (const auto& sql : statements) {
        INFO(sql);
        const bool fine = ::mysql_real_query(session, sql.data(), sql.size()) == 0;
        INFO(::mysql_error(session));
        REQUIRE(fine);
    }
    ::mysql_close(session);
}

struct Change {
    std::string name, value, canonical;
};

/// One of each type that changes at once, and one or more that wait.
std::vector<Change> dynamic_ones(const std::string& datastore) {
    if (datastore == "fake") {
        return {{"cache_bytes", "2M", "2097152"},
                {"features", "trace,audit", "audit,trace"},
                {"greeting", "100% \"so\" # \\n", "100% \"so\" # \\n"},
                {"idle_timeout", "7.50", "7.5"},
                {"log_level", "VERBOSE", "verbose"}};
    }
    return {{"general_log", "1", "ON"},
            {"max_connections", "50", "50"},
            {"sort_buffer_size", "1M", "1048576"},
            {"long_query_time", "0.250", "0.25"},
            {"binlog_row_image", "minimal", "MINIMAL"},
            {"sql_mode", "ansi_quotes,strict_all_tables", "ANSI_QUOTES,STRICT_ALL_TABLES"},
            {"optimizer_switch", "mrr=on", "mrr=on"},
            {"init_connect", "SET @a = 'x\\y\"z#'", "SET @a = 'x\\y\"z#'"},
            {"innodb_buffer_pool_size", "64M", "67108864"},
            {"default_storage_engine", "aria", "Aria"},
            {"time_zone", "+01:00", "+01:00"}};
}

std::vector<Change> waiting_ones(const std::string& datastore) {
    if (datastore == "fake") {
        return {{"durable_writes", "no", "OFF"}, {"threads", "4", "4"}};
    }
    return {{"innodb_flush_method", "fsync", "fsync"},
            {"innodb_log_buffer_size", "4M", "4194304"},
            {"performance_schema_users_size", "10", "10"},
            {"event_scheduler", "disabled", "DISABLED"},
            {"max_user_connections", "20", "20"},
            {"tls_version", "TLSv1.3", "TLSv1.3"},
            {"innodb_temp_data_file_path", "ibtmp1:12M:autoextend:max:32M",
             "ibtmp1:12M:autoextend:max:32M"}};
}

#define FOR_EACH_DATASTORE(server)                                                                 \
    for (const auto& datastore : datastores)                                                       \
        DYNAMIC_SECTION(datastore)                                                                 \
    if (Server* server_pointer = server_of(datastore); server_pointer != nullptr)                  \
        for (bool first = true; first;)                                                            \
            for (Server& server = *server_pointer; first; first = false)

} // namespace

TEST_CASE("the list of parameters is whole, sorted and quick") {
    FOR_EACH_DATASTORE(server) {
        Fixture fixture{server};
        const auto& known = fixture.known;
        REQUIRE(known.size() >= (datastore == "fake" ? 9U : 600U));
        REQUIRE(std::is_sorted(known.begin(), known.end(),
                               [](const auto& a, const auto& b) { return a.name < b.name; }));
        std::map<std::string, int> types, sources;
        for (const auto& one : known) {
            ++types[one.type];
            ++sources[one.source];
            INFO(one.name);
            CHECK_FALSE(one.is_configured);
            CHECK_FALSE(one.pending);
            CHECK(one.text.size() <= 300);
        }
        CHECK(types.size() == 6);
        CHECK(sources["default"] > 0);
        CHECK(sources["computed"] > 0);
        CHECK(sources["runtime"] == 0);
        auto best = std::chrono::steady_clock::duration::max();
        for (int i = 0; i < 10; ++i) {
            const auto from = std::chrono::steady_clock::now();
            (void)fixture.list();
            best = std::min(best, std::chrono::steady_clock::now() - from);
        }
        const auto us = std::chrono::duration_cast<std::chrono::microseconds>(best).count();
        std::cout << datastore << ": " << known.size() << " parameters in " << us << " us\n";
    }
}

TEST_CASE("what the server has now is a value that check takes, unchanged") {
    FOR_EACH_DATASTORE(server) {
        Fixture fixture{server};
        int taken = 0;
        for (const auto& one : fixture.known) {
            if (!one.settable || one.current.empty() || one.source == "computed") {
                continue;
            }
            const auto checked = fixture.check(one.name, one.current);
            // Values by which the server says "computed" or "without bound".
            if (!checked && one.name.starts_with("performance_schema_")) {
                continue;
            }
            INFO(one.name << " = " << one.current << ": " << why(checked));
            CHECK(checked.has_value());
            taken += checked && checked->second == one.current ? 1 : 0;
        }
        CHECK(taken >= (datastore == "fake" ? 6 : 350));
    }
}

TEST_CASE("a parameter of every type is set at once, read back, and unset") {
    FOR_EACH_DATASTORE(server) {
        Fixture fixture{server};
        Own own;
        std::map<std::string, std::string> before;
        for (const auto& [name, value, canonical] : dynamic_ones(datastore)) {
            const auto checked = fixture.check(name, value);
            INFO(name << ": " << why(checked));
            REQUIRE(checked.has_value());
            REQUIRE(checked->second == canonical);
            own[checked->first] = checked->second;
            before[name] = fixture.find(name).current;
        }
        REQUIRE_OK(fixture.together(own));
        for (int round = 0; round < 2; ++round) { // as after a crash of the agent
            const auto waiting = fixture.apply(own);
            REQUIRE_OK(waiting);
            REQUIRE(waiting->empty());
        }
        for (const auto& one : fixture.list()) {
            if (own.contains(one.name)) {
                INFO(one.name << " is " << one.current);
                CHECK(one.is_configured);
                CHECK(one.configured == own[one.name]);
                CHECK_FALSE(one.pending);
                CHECK(one.source == "configured");
            }
        }
        // By a start, too.
        fixture.restart();
        for (const auto& one : fixture.list()) {
            if (own.contains(one.name)) {
                INFO(one.name << " is " << one.current << " after a start");
                CHECK_FALSE(one.pending);
                // The server does not say it of all of them.
                CHECK((one.from.find(server.place().config_folder) == 0 ||
                       one.name == "default_storage_engine" || one.name == "time_zone"));
            }
        }
        const auto undone = fixture.apply({});
        REQUIRE_OK(undone);
        CHECK(undone->empty());
        for (const auto& [name, value] : before) {
            const auto now = fixture.find(name);
            INFO(name);
            CHECK(now.current == value);
            CHECK_FALSE(now.is_configured);
        }
        fixture.restart();
    }
}

TEST_CASE("what only a start takes is told of, shown as pending, and there after the start") {
    FOR_EACH_DATASTORE(server) {
        Fixture fixture{server};
        Own own;
        std::vector<std::string> names;
        std::map<std::string, std::string> before;
        for (const auto& [name, value, canonical] : waiting_ones(datastore)) {
            const auto checked = fixture.check(name, value);
            INFO(name << ": " << why(checked));
            REQUIRE(checked.has_value());
            REQUIRE(checked->second == canonical);
            own[name] = canonical;
            names.push_back(name);
            before[name] = fixture.find(name).current;
        }
        std::sort(names.begin(), names.end());
        if (datastore == "fake") { // taken back before a start, nothing waits any more
            REQUIRE_OK(fixture.apply(own));
            const auto undone = fixture.apply({});
            REQUIRE_OK(undone);
            CHECK(undone->empty());
        }
        // One that is taken now goes with them, and is not kept back.
        const auto extra = dynamic_ones(datastore).front();
        own[extra.name] = extra.canonical;
        REQUIRE_OK(fixture.together(own));
        const auto waiting = fixture.apply(own);
        REQUIRE_OK(waiting);
        REQUIRE(*waiting == names);
        CHECK_FALSE(fixture.find(extra.name).pending);
        for (const auto& name : names) {
            INFO(name);
            CHECK(fixture.find(name).pending);
            CHECK(fixture.find(name).current == before[name]);
        }
        fixture.restart();
        for (const auto& name : names) {
            const auto now = fixture.find(name);
            INFO(name << " is " << now.current);
            CHECK_FALSE(now.pending);
            CHECK(now.source == "configured");
        }
        REQUIRE_OK(fixture.apply({}));
        fixture.restart();
        for (const auto& [name, value] : before) {
            INFO(name);
            CHECK(fixture.find(name).current == value);
        }
    }
}

TEST_CASE("unknown, unsettable and wrong ones are refused before anything is set") {
    FOR_EACH_DATASTORE(server) {
        Fixture fixture{server};
        const bool fake = datastore == "fake";
        const auto code = [&](const std::string& name, const std::string& value) {
            const auto checked = fixture.check(name, value);
            INFO(name << " = " << value);
            REQUIRE_FALSE(checked.has_value());
            return checked.error().code();
        };
        const auto misspelt = fixture.check(fake ? "cache_byts" : "max_conections", "1");
        REQUIRE_FALSE(misspelt.has_value());
        CHECK(misspelt.error().hint().find(fake ? "cache_bytes" : "max_connections") !=
              std::string::npos);
        CHECK(code(fake ? "version" : "datadir", "x") == Errc::not_allowed);
        CHECK(code(fake ? "threads" : "max_connections", "0") == Errc::invalid);
        CHECK(code(fake ? "cache_bytes" : "join_buffer_size", "70001") == Errc::invalid);
        CHECK(code(fake ? "durable_writes" : "general_log", "maybe") == Errc::invalid);
        CHECK(code(fake ? "log_level" : "innodb_flush_method", "bogus") == Errc::invalid);
        CHECK(code(fake ? "features" : "sql_mode", "bogus") == Errc::invalid);
        CHECK(code(fake ? "greeting" : "init_connect", "a\nb") == Errc::invalid);
        CHECK(code(fake ? "idle_timeout" : "long_query_time", "soon") == Errc::invalid);
        CHECK_FALSE(
            fixture.together({{fake ? "cache_bytes" : "innodb_buffer_pool_size", "536870912"}})
                .has_value());
        for (const auto* name : {"no_such_parameter", fake ? "version" : "datadir"}) {
            const auto applied = fixture.apply(
                {{dynamic_ones(datastore)[1].name, dynamic_ones(datastore)[1].canonical},
                 {name, "x"}});
            REQUIRE_FALSE(applied.has_value());
            CHECK((applied.error().code() == Errc::not_found ||
                   applied.error().code() == Errc::not_allowed));
            fixture.forget();
        }
        if (!fake) { // all of it was looked at first
            CHECK(fixture.find("max_connections").current != "50");
        }
    }
}

TEST_CASE("MariaDB: what would disable something silently is refused by name") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Fixture fixture{*server};
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"innodb_flush_method", "nosync"},
             {"innodb_flush_method", "6"},
             {"ssl_cert", "/nowhere"},
             {"ssl_key", ""},
             {"plugin_load_add", "nothing"},
             {"plugin_maturity", "unknown"},
             {"default_storage_engine", "ROCKSDB"},
             {"innodb_compression_algorithm", "snappy"},
             {"innodb_encrypt_tables", "ON"},
             {"query_cache_size", "1024"},
             {"innodb_log_write_ahead_size", "600"},
             {"innodb_ft_sort_pll_degree", "3"},
             {"event_scheduler", "ORIGINAL"},
             {"skip_grant_tables", "ON"},
             {"character_set_server", "nonsense"},
             {"wsrep_provider", "/x.so"},
             {"max_session_mem_used", "8192"},
             {"session_track_system_variables", "autocommit,nothing"},
             {"open_files_limit", "10"},
             {"autocommit", "maybe"}}) {
        INFO(name << " = " << value);
        const auto checked = fixture.check(name, value);
        REQUIRE_FALSE(checked.has_value());
        CHECK_FALSE(checked.error().message().empty());
    }
    // What gets past check() because only the data tells, SET refuses; nothing was written by then.
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"time_zone", "Nowhere/Land"},
             {"innodb_ft_server_stopword_table", "nowhere/land"},
             {"collation_server", "utf8mb4_nonsense"}}) {
        INFO(name);
        REQUIRE_OK(fixture.check(name, value));
        const auto before = fixture.find(name).current;
        const auto applied = fixture.apply({{name, value}});
        REQUIRE_FALSE(applied.has_value());
        CHECK(applied.error().code() == Errc::invalid);
        CHECK(fixture.find(name).current == before);
        fixture.forget();
    }
}

TEST_CASE("MariaDB: a failure in the middle names what is set, and the old wish takes it back") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Fixture fixture{*server};
    const auto applied =
        fixture.apply({{"binlog_row_image", "MINIMAL"}, {"time_zone", "Nowhere/Land"}});
    REQUIRE_FALSE(applied.has_value());
    CHECK(applied.error().message().find("binlog_row_image") != std::string::npos);
    CHECK(fixture.find("binlog_row_image").current == "MINIMAL");
    REQUIRE_OK(fixture.apply({}));
    CHECK(fixture.find("binlog_row_image").current == "FULL");
}

TEST_CASE("MariaDB: bounds move in the order in which none cuts the other") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Fixture fixture{*server};
    bool backwards = false;
    for (const auto& [low, high] : std::vector<std::pair<std::string, std::string>>{
             {"100", "200"}, {"8000", "9000"}, {"100", "200"}, {"3000", "5000"}}) {
        const Own own{{"innodb_io_capacity", low},
                      {"innodb_io_capacity_max", high},
                      {"innodb_max_dirty_pages_pct_lwm", low == "100" ? "10.5" : "60.5"},
                      {"innodb_max_dirty_pages_pct", low == "100" ? "20.25" : "70.25"},
                      {"net_buffer_length", low == "100" ? "1024" : "65536"},
                      {"max_allowed_packet", low == "100" ? "1024" : "65536"}};
        REQUIRE_OK(fixture.together(own));
        REQUIRE_OK(fixture.apply(own, backwards));
        backwards = !backwards;
        for (const auto& [name, value] : own) {
            CHECK(fixture.find(name).current == value);
        }
    }
    // What the server computes when nobody says waits for the start that computes it.
    REQUIRE_OK(fixture.apply({{"innodb_io_capacity_max", "4000"}}));
    const auto undone = fixture.apply({});
    REQUIRE_OK(undone);
    CHECK(*undone == std::vector<std::string>{"innodb_io_capacity_max"});
    fixture.restart();
    CHECK(fixture.find("innodb_io_capacity_max").current == "2000");
}

TEST_CASE("MariaDB: names of one thing change over, and a character set brings its collation") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Fixture fixture{*server};
    REQUIRE_OK(fixture.apply({{"long_query_time", "3"}}));
    CHECK(fixture.find("log_slow_query_time").source == "configured");
    REQUIRE_OK(fixture.apply({{"log_slow_query_time", "4"}})); // the old name unset, the new set
    CHECK(fixture.find("long_query_time").current == "4");
    REQUIRE_OK(fixture.apply({{"expire_logs_days", "2"}}));
    CHECK(fixture.find("binlog_expire_logs_seconds").current == "172800");
    REQUIRE_OK(fixture.apply({{"binlog_expire_logs_seconds", "86400"}}));
    CHECK(fixture.find("expire_logs_days").current == "1");
    CHECK_FALSE(
        fixture.together({{"expire_logs_days", "1"}, {"binlog_expire_logs_seconds", "86400"}})
            .has_value());
    REQUIRE_OK(fixture.apply({}));
    CHECK(fixture.find("expire_logs_days").current == "0");
    CHECK(fixture.find("long_query_time").current == "1"); // as a start gives it: my.cnf says so

    const Own charset{{"character_set_server", "latin1"}, {"collation_server", "latin1_bin"}};
    REQUIRE_OK(fixture.apply(charset));
    CHECK(fixture.find("collation_server").current == "latin1_bin");
    run_sql(*server, {"SET GLOBAL character_set_server = utf8mb3"});
    { // the set one alone is named, and the other comes back with it
        auto place = fixture.place();
        const AsAgent agent;
        REQUIRE_OK(fixture.facet().apply(plenty(), place, {"character_set_server"}));
    }
    CHECK(fixture.find("character_set_server").current == "latin1");
    CHECK(fixture.find("collation_server").current == "latin1_bin");
    REQUIRE_OK(fixture.apply({}));
    CHECK(fixture.find("character_set_server").current == "utf8mb4");
    fixture.restart();
    CHECK(fixture.find("time_zone").default_value == "SYSTEM");
}

TEST_CASE("MariaDB: a tenant's global values show as drift and do not blind the agent") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Fixture fixture{*server};
    run_sql(*server,
            {"CREATE OR REPLACE DATABASE words", "CREATE TABLE words.stop (value VARCHAR(30)) "
                                                 "ENGINE=InnoDB"});
    REQUIRE_OK(fixture.apply({{"innodb_ft_server_stopword_table", "words/stop"}}));
    CHECK(fixture.find("innodb_ft_server_stopword_table").current == "words/stop");
    REQUIRE_OK(fixture.apply({}));
    run_sql(*server,
            {"DROP DATABASE words", "SET GLOBAL wait_timeout = 77", "SET GLOBAL max_join_size = 1",
             "SET GLOBAL tmp_disk_table_size = 1024", "SET GLOBAL tmp_memory_table_size = 0",
             "SET GLOBAL max_heap_table_size = 16384", "SET GLOBAL optimizer_switch = 'mrr=on'",
             "SET GLOBAL sql_mode = 'ORACLE'", "SET GLOBAL max_session_mem_used = 65536",
             "SET GLOBAL sql_safe_updates = ON", "SET GLOBAL tx_read_only = ON",
             "SET GLOBAL group_concat_max_len = 4",
             "SET GLOBAL range_alloc_block_size = 4294966272",
             "SET GLOBAL transaction_alloc_block_size = 4294966272",
             "SET GLOBAL sort_buffer_size = 8589934592"});
    server->store().release(); // a session that begins with those
    {
        const AsAgent agent;
        REQUIRE_OK(server->store().adopt(plenty(), server->place()));
        REQUIRE_OK(server->store().users()->list(plenty()));
        REQUIRE_OK(server->store().databases()->create(plenty(), {"written", "", ""}));
        REQUIRE_OK(server->store().databases()->drop(plenty(), "written"));
    }
    CHECK(fixture.find("default_storage_engine").allowed.size() > 2); // a list that was not cut
    CHECK(fixture.find("wait_timeout").source == "runtime");
    CHECK(fixture.find("wait_timeout").current == "77");
    CHECK(fixture.find("optimizer_switch").source == "runtime");
    fixture.restart();
    CHECK(fixture.find("wait_timeout").source == "default");
}

TEST_CASE("MariaDB: a start mends the agent's account, whatever the instance sets") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Fixture fixture{*server};
    const Own own{{"sql_safe_updates", "ON"}, {"tx_read_only", "ON"}, {"autocommit", "OFF"}};
    REQUIRE_OK(fixture.together(own));
    REQUIRE_OK(fixture.apply(own));
    run_sql(*server, {"SET SESSION TRANSACTION READ WRITE",
                      "RENAME USER 'jackdawd'@'localhost' TO 'taken'@'localhost'"});
    fixture.restart(); // and adopts: nobody else bears the name
    for (const auto& [name, value] : own) {
        INFO(name);
        CHECK(fixture.find(name).current == value);
    }
    {
        const AsAgent agent;
        REQUIRE_OK(server->store().secure(plenty()));
        REQUIRE_OK(server->store().users()->drop(plenty(), "taken", "localhost"));
    }
    REQUIRE_OK(fixture.apply({}));
    fixture.restart();
}

TEST_CASE("the fake: a parameter that check takes may still keep it from starting") {
    Server& server = *server_of("fake");
    Fixture fixture{server};
    const auto checked = fixture.check("extension", "nothing");
    REQUIRE_OK(checked);
    auto place = server.place();
    place.parameters = {{"extension", "nothing"}};
    const auto files = server.store().render(place);
    REQUIRE_OK(files);
    server.store().release();
    REQUIRE(server.stop(SIGTERM) == 0);
    server.write_config(*files);
    const auto parse = server.run(*server.store().check_config_job(place));
    CHECK(server.store().judge_config(parse.status, parse.output).has_value());
    const auto spec = server.store().launch(place);
    const auto ended = server.run(
        {"serve", spec.argv, spec.environment, spec.working_folder, std::chrono::seconds{60}});
    CHECK(ended.status == 1);
    CHECK(ended.output.find("nothing") != std::string::npos);
    server.start();
    // A file that nobody rendered is refused with its line.
    server.write_config({{"fake.conf", "[fake]\nthreads = 99\n"}});
    const auto bad = server.run(*server.store().check_config_job(place));
    const auto judged = server.store().judge_config(bad.status, bad.output);
    REQUIRE_FALSE(judged.has_value());
    CHECK(judged.error().message().find("line 2") != std::string::npos);
    server.write_config(*server.store().render(server.place()));
}
