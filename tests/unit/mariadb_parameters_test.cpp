// What MariaDB's parameters may be, over lists like the server's own.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "plugins/mariadb/config.h"
#include "plugins/mariadb/parameter_list.h"
#include "plugins/mariadb/parameter_owned.h"
#include "plugins/mariadb/parameter_rules.h"
#include "plugins/mariadb/parameter_texts.h"
#include "plugins/mariadb/parameter_together.h"
#include "plugins/mariadb/parameter_values.h"
#include "proto/wire/datastore_json.h"
#include "proto/wire/shapes_json.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;

namespace {

/// A row of SYSTEM_VARIABLES, by what differs.
struct Line {
    std::string name, type, current, default_value;
    std::string min, max, step, allowed;
    bool read_only = false;
    std::string origin = "COMPILE-TIME", scope = "GLOBAL";
};

Row row(const Line& line) {
    const auto maybe = [](const std::string& text) {
        return text.empty() ? std::optional<std::string>{} : std::optional{text};
    };
    return {line.name,
            line.scope,
            line.type,
            line.read_only ? "YES" : "NO",
            line.current,
            line.origin,
            line.origin == "CONFIG" ? std::optional<std::string>{"/etc/my.cnf"} : std::nullopt,
            line.default_value,
            maybe(line.min),
            maybe(line.max),
            maybe(line.step),
            maybe(line.allowed),
            "REQUIRED",
            "What it is. In seconds."};
}

plugins::Place place() {
    plugins::Place where;
    where.data_folder = "/v/data";
    where.config_folder = "/etc/jackdaw/database";
    where.run_folder = "/run/jackdaw/database";
    where.machine = {512 * mib, 2, "m"};
    return where;
}

std::vector<proto::Parameter> known(const plugins::Place& where = place()) {
    const Rows rows{
        row({"MAX_CONNECTIONS", "BIGINT UNSIGNED", "64", "151", "10", "100000", "1", "", false,
             "CONFIG"}),
        row({"JOIN_BUFFER_SIZE", "BIGINT UNSIGNED", "262144", "262144", "128",
             "18446744073709551615", "128", ""}),
        row({"SORT_BUFFER_SIZE", "BIGINT UNSIGNED", "2097152", "2097152", "1024",
             "18446744073709551615", "1", ""}),
        row({"NET_BUFFER_LENGTH", "BIGINT UNSIGNED", "16384", "16384", "1024", "1048576", "1024",
             ""}),
        row({"MAX_ALLOWED_PACKET", "BIGINT UNSIGNED", "16777216", "16777216", "1024", "1073741824",
             "1024", ""}),
        row({"MAX_USER_CONNECTIONS", "INT", "0", "0", "-1", "2147483647", "1", ""}),
        row({"LONG_QUERY_TIME", "DOUBLE", "10.000000", "10.000000", "0", "31536000", "", ""}),
        row({"GENERAL_LOG", "BOOLEAN", "OFF", "OFF", "", "", "", "OFF,ON"}),
        row({"INNODB_FLUSH_METHOD", "ENUM", "O_DIRECT", "O_DIRECT", "", "", "",
             "fsync,O_DSYNC,littlesync,nosync,O_DIRECT,O_DIRECT_NO_FSYNC", true}),
        row({"SQL_MODE", "SET", "STRICT_TRANS_TABLES", "STRICT_TRANS_TABLES", "", "", "",
             "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ONLY_FULL_GROUP_BY,ANSI,"
             "STRICT_TRANS_TABLES"}),
        row({"OPTIMIZER_SWITCH", "FLAGSET", "index_merge=on,mrr=off", "index_merge=on,mrr=off", "",
             "", "", "index_merge,mrr,default"}),
        row({"QUERY_CACHE_SIZE", "BIGINT UNSIGNED", "1048576", "1048576", "0",
             "18446744073709551615", "1024", ""}),
        row({"INIT_CONNECT", "VARCHAR", "", "", "", "", "", ""}),
        row({"TIME_ZONE", "VARCHAR", "SYSTEM", "SYSTEM", "", "", "", ""}),
        row({"DATADIR", "VARCHAR", "/v/data/", "", "", "", "", "", true, "CONFIG"}),
        row({"LAST_INSERT_ID", "BIGINT UNSIGNED", "", "0", "0", "1", "1", "", false, "COMPILE-TIME",
             "SESSION ONLY"}),
        row({"INNODB_BUFFER_POOL_SIZE", "BIGINT UNSIGNED", "134217728", "134217728", "2097152",
             "18446744073701163008", "1048576", "", false, "CONFIG"}),
        row({"INNODB_LOG_FILE_SIZE", "BIGINT UNSIGNED", "33554432", "100663296", "4194304",
             "18446744073709551615", "4096", "", false, "CONFIG"}),
        row({"TABLE_OPEN_CACHE", "BIGINT UNSIGNED", "512", "2000", "10", "1048576", "1", "", false,
             "CONFIG"}),
        row({"TABLE_OPEN_CACHE_INSTANCES", "INT UNSIGNED", "8", "8", "1", "64", "1", "", true}),
        row({"OPEN_FILES_LIMIT", "BIGINT UNSIGNED", "8289", "0", "0", "4294967295", "1", "", true,
             "AUTO"}),
        row({"LOG_SLOW_QUERY_TIME", "DOUBLE", "10.000000", "10.000000", "0", "31536000", "", ""}),
        row({"INNODB_TEMP_DATA_FILE_PATH", "VARCHAR", "ibtmp1:12M:autoextend:max:64M",
             "ibtmp1:12M:autoextend", "", "", "", "", true, "CONFIG"}),
        row({"CHARACTER_SET_SERVER", "ENUM", "utf8mb4", "latin1", "", "", "", ""}),
        row({"COLLATION_SERVER", "ENUM", "utf8mb4_general_ci", "latin1_swedish_ci", "", "", "",
             ""}),
        row({"REQUIRE_SECURE_TRANSPORT", "BOOLEAN", "OFF", "OFF", "", "", "", "OFF,ON"}),
        row({"HAVE_SSL", "VARCHAR", "DISABLED", "", "", "", "", "", true}),
    };
    auto list = parameters_of(rows, where);
    REQUIRE(list.has_value());
    return *list;
}

std::string taken(std::string_view name, std::string_view value) {
    const auto checked = check_parameter(known(), name, value);
    INFO((checked ? std::string{} : checked.error().to_string()));
    REQUIRE(checked.has_value());
    return checked->second;
}

Error refused(std::string_view name, std::string_view value) {
    auto checked = check_parameter(known(), name, value);
    INFO(name << " = " << value);
    REQUIRE_FALSE(checked.has_value());
    return std::move(checked).error();
}

Result<void> together(const std::map<std::string, std::string>& own) {
    auto where = place();
    where.parameters = own;
    return check_parameters_together(known(where), where);
}

} // namespace

TEST_CASE("numbers have suffixes, and are refused where the server would clamp or round them") {
    CHECK(taken("max_connections", "100") == "100");
    CHECK(taken("MAX-Connections", " 100 ") == "100");
    CHECK(taken("sort_buffer_size", "4M") == "4194304");
    CHECK(taken("sort_buffer_size", "2g") == "2147483648");
    CHECK(taken("max_user_connections", "-1") == "-1");
    CHECK(refused("max_connections", "9").hint() == "from 10 to 100000");
    CHECK(refused("max_connections", "100001").code() == Errc::invalid);
    CHECK(refused("max_user_connections", "-2").code() == Errc::invalid);
    for (const char* value : {"", "x", "1.5", "0x10", "1e3", "+1", "--1", "1 0", "10KB", "M",
                              "18446744073709551616", "16E"}) {
        CHECK(refused("sort_buffer_size", value).code() == Errc::invalid);
    }
    CHECK(refused("join_buffer_size", "1000").hint() == "896 or 1024");
    CHECK(refused("join_buffer_size", "18446744073709551615").hint().find("18446744073709551488") !=
          std::string::npos);
    CHECK(taken("join_buffer_size", "18446744073709551488") == "18446744073709551488");
    CHECK(refused("query_cache_size", "1K").message().find("silently") != std::string::npos);
    CHECK(taken("query_cache_size", "0") == "0");
}

TEST_CASE("reals have no more decimals than the server keeps") {
    CHECK(taken("long_query_time", "0.500") == "0.5");
    CHECK(taken("long_query_time", "10") == "10");
    CHECK(taken("long_query_time", "0.000001") == "0.000001");
    for (const char* value : {"0.0000001", "1e3", "-1", "", ".5", "31536001", "nan", "1,5"}) {
        CHECK(refused("long_query_time", value).code() == Errc::invalid);
    }
}

TEST_CASE("booleans, enumerations and sets are written as the server writes them") {
    for (const char* value : {"on", "1", "True", "yes"}) {
        CHECK(taken("general_log", value) == "ON");
    }
    CHECK(taken("general_log", "off") == "OFF");
    CHECK(refused("general_log", "maybe").hint() == "allowed: ON, OFF");
    CHECK(taken("innodb_flush_method", "o_direct") == "O_DIRECT");
    CHECK(taken("innodb_flush_method", "0") == "fsync");
    CHECK(refused("innodb_flush_method", "bogus").hint().find("O_DSYNC") != std::string::npos);
    CHECK(refused("innodb_flush_method", "6").code() == Errc::invalid);
    CHECK(refused("innodb_flush_method", "nosync").code() == Errc::invalid);
    CHECK(taken("sql_mode", "only_full_group_by, pipes_as_concat") ==
          "PIPES_AS_CONCAT,ONLY_FULL_GROUP_BY");
    CHECK(taken("sql_mode", "ansi") ==
          "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI");
    CHECK(taken("sql_mode", "").empty());
    CHECK(refused("sql_mode", "ANSI,NOT_THERE").code() == Errc::invalid);
    CHECK(taken("optimizer_switch", "mrr=ON,index_merge=off") == "index_merge=off,mrr=on");
    CHECK(refused("optimizer_switch", "mrr").code() == Errc::invalid);
    CHECK(refused("optimizer_switch", "mrr=maybe").code() == Errc::invalid);
    CHECK(refused("optimizer_switch", "default").code() == Errc::invalid);
}

TEST_CASE("an unknown name gets the nearest one, and what is not to be set its reason") {
    const auto unknown = refused("max_conections", "1");
    CHECK(unknown.code() == Errc::not_found);
    CHECK(unknown.hint() == "did you mean max_connections?");
    CHECK(refused("zzzzzzzz", "1").code() == Errc::not_found);
    CHECK(refused(std::string(65, 'a'), "1").code() == Errc::not_found);
    CHECK(refused("a;b", "1").code() == Errc::not_found);
    CHECK(refused("datadir", "/").code() == Errc::not_allowed);
    CHECK(refused("last_insert_id", "1").code() == Errc::not_allowed);
    CHECK(check_parameter(known(), "default-time-zone", "+01:00")->first == "time_zone");
}

TEST_CASE("texts are printable and bounded, and some have a grammar") {
    CHECK(taken("init_connect", "SET @a = 'b\\c\"d'") == "SET @a = 'b\\c\"d'");
    for (const std::string& value : {std::string{"a\nb"}, std::string{"a\0b", 3},
                                     std::string{"\xff"}, std::string(1025, 'a')}) {
        CHECK(refused("init_connect", value).code() == Errc::invalid);
    }
    CHECK(taken("time_zone", "system") == "SYSTEM");
    CHECK(taken("time_zone", "-12:59") == "-12:59");
    CHECK(taken("time_zone", "Europe/Berlin") == "Europe/Berlin");
    for (const char* value : {"+14:00", "-13:00", "+5:00", "+05:60", "", "a b", "'x"}) {
        CHECK(refused("time_zone", value).code() == Errc::invalid);
    }
    CHECK(taken("character_set_server", "UTF8") == "utf8mb3");
    CHECK(refused("character_set_server", "nonsense").code() == Errc::invalid);
    const auto bytes = [](const char* text) { return temporary_path_bytes(text); };
    constexpr TemporaryBytes none{1, 1};
    CHECK(bytes("ibtmp1:12M:autoextend:max:64M").value_or(none).most == 64 * mib);
    CHECK(bytes("ibtmp1:12M:autoextend").value_or(none).most == 0);
    const auto two = bytes("a:12M;b:1G:autoextend:max:2G").value_or(none);
    CHECK(two.most == 12 * mib + 2 * gib);
    CHECK(two.first == 12 * mib + gib);
    for (const char* text : {"", "ibtmp1", "a:1M", "a:12", "../a:12M", "/a:12M", "a:12M:x",
                             "a:12M:autoextend:max:1M", "a:12M:autoextend:max:64M:x", "a:12M;",
                             "a:12M:autoextend;b:12M", "a:99999999999999999999M"}) {
        INFO(text);
        CHECK_FALSE(bytes(text).has_value());
    }
}

TEST_CASE("what does not go together is refused before anything is changed") {
    CHECK(together({}).has_value());
    CHECK(together({{"max_connections", "80"}}).has_value());
    for (const auto& own : std::vector<std::map<std::string, std::string>>{
             {{"innodb_buffer_pool_size", "536870912"}},
             {{"max_connections", "10000"}},
             {{"sort_buffer_size", "134217728"}},
             {{"sort_buffer_size", "1073741824"}},
             {{"innodb_log_file_size", "1073741824"}},
             {{"table_open_cache", "100000"}},
             {{"net_buffer_length", "1048576"}, {"max_allowed_packet", "1024"}},
             {{"long_query_time", "1"}, {"log_slow_query_time", "2"}},
             {{"innodb_temp_data_file_path", "ibtmp1:12M:autoextend"}},
             {{"character_set_server", "latin1"}, {"collation_server", "utf8mb4_bin"}},
             {{"collation_server", "latin1_swedish_ci"}},
             {{"require_secure_transport", "ON"}},
             {{"max_connections", "18446744073709551615"},
              {"sort_buffer_size", "18446744073709551615"}}}) {
        INFO(own.begin()->first);
        const auto judged = together(own);
        REQUIRE_FALSE(judged.has_value());
        CHECK(judged.error().code() == Errc::invalid);
        CHECK_FALSE(judged.error().message().empty());
    }
    CHECK(together({{"long_query_time", "1.0"}, {"log_slow_query_time", "1"}}).has_value());
    CHECK(together({{"character_set_server", "latin1"}, {"collation_server", "latin1_bin"}})
              .has_value());
}

TEST_CASE("a redo log that does not fit the volume is refused, and growth makes it fit") {
    auto where = place();
    where.machine.memory_bytes = 16 * gib;
    where.machine.volume_bytes = gib;
    where.parameters = {{"innodb_log_file_size", "536870912"}};
    CHECK(check_parameters_together(known(where), where).has_value());
    where.parameters = {{"innodb_log_file_size", "541065216"}};
    const auto large = check_parameters_together(known(where), where);
    REQUIRE_FALSE(large.has_value());
    CHECK(large.error().message().find("half of the volume") != std::string::npos);
    CHECK(large.error().hint().find("resize") != std::string::npos);
    where.machine.volume_bytes = 4 * gib;
    CHECK(check_parameters_together(known(where), where).has_value());
    where.machine.volume_free_bytes = 512 * mib; // its size would do, what is on it not
    const auto crowded = check_parameters_together(known(where), where);
    REQUIRE_FALSE(crowded.has_value());
    CHECK(crowded.error().message().find("512 MiB are free") != std::string::npos);
    where.machine.volume_free_bytes = 600 * mib;
    CHECK(check_parameters_together(known(where), where).has_value());
}

TEST_CASE("what is computed for a machine goes together on every size of it") {
    for (const auto memory : {256 * mib, 512 * mib, gib, 4 * gib, 64 * gib, 1024 * gib}) {
        INFO(memory / mib);
        auto where = place();
        where.machine.memory_bytes = memory;
        const auto computed = computed_settings(where);
        for (const auto* name : {"innodb_buffer_pool_size", "max_connections", "table_open_cache",
                                 "innodb_log_file_size", "innodb_temp_data_file_path"}) {
            auto own = where; // the same, now as an own setting
            own.parameters[name] = *find_setting(computed, name);
            const auto judged = check_parameters_together(known(own), own);
            INFO((judged ? std::string{} : judged.error().to_string()));
            CHECK(judged.has_value());
        }
    }
}

TEST_CASE("a list tells where each value comes from, and what waits") {
    auto where = place();
    where.parameters = {{"max_connections", "100"}, {"general_log", "OFF"}, {"sql_mode", "ANSI"}};
    const auto list = known(where);
    CHECK(std::is_sorted(list.begin(), list.end(),
                         [](const auto& a, const auto& b) { return a.name < b.name; }));
    const auto& connections = *find_parameter(list, "max_connections");
    CHECK(connections.pending);
    CHECK(connections.configured == "100");
    CHECK(connections.source == "computed"); // what my.cnf would say without it
    CHECK(connections.from == "/etc/my.cnf");
    CHECK(find_parameter(list, "general_log")->source == "configured");
    CHECK_FALSE(find_parameter(list, "general_log")->pending);
    CHECK(find_parameter(list, "innodb_buffer_pool_size")->source == "computed");
    CHECK(find_parameter(list, "long_query_time")->source == "default");
    CHECK(find_parameter(list, "long_query_time")->current == "10");
    CHECK(find_parameter(list, "long_query_time")->unit == "seconds");
    CHECK(find_parameter(list, "join_buffer_size")->step == "128");
    CHECK(find_parameter(list, "join_buffer_size")->unit == "bytes");
    CHECK_FALSE(find_parameter(list, "datadir")->settable);
    CHECK_FALSE(find_parameter(list, "last_insert_id")->settable);
    CHECK(find_parameter(list, "innodb_flush_method")->restart);
    CHECK(find_parameter(list, "nothing") == nullptr);
    const auto drifted = parameters_of(
        {row({"GENERAL_LOG", "BOOLEAN", "ON", "OFF", "", "", "", "OFF,ON", false, "SQL"})},
        place());
    CHECK(drifted->front().source == "runtime");
}

TEST_CASE("what is computed for one name of a thing is computed for the other") {
    const auto computed = computed_settings(place());
    for (const auto* name : {"long_query_time", "log_slow_query_time"}) {
        INFO(name);
        const auto* const value = computed_value(computed, name);
        REQUIRE(value != nullptr);
        CHECK(*value == "1");
    }
    CHECK(computed_value(computed, "sort_buffer_size") == nullptr);
    // As after an unset, which gives the running server what a start would give it.
    const auto list = parameters_of({row({"LOG_SLOW_QUERY_TIME", "DOUBLE", "1.000000", "10.000000",
                                          "0", "31536000", "", "", false, "SQL"})},
                                    place());
    REQUIRE(list.has_value());
    CHECK(list->front().source == "computed");
}

TEST_CASE("a list that was kept judges as the server's own does") {
    auto where = place();
    where.parameters = {{"max_connections", "100"}}; // of the start it was listed at
    std::vector<proto::Parameter> kept;
    for (auto one : known(where)) {
        one.text.clear(); // as the agent keeps it
        one.formula.clear();
        one.from.clear();
        const auto text = proto::parse_json(proto::to_json(one).dump());
        REQUIRE(text.has_value());
        auto again = proto::parameter_from(*text);
        REQUIRE(again.has_value());
        kept.push_back(*std::move(again));
    }
    const auto said = [](const Result<std::pair<std::string, std::string>>& checked) {
        return checked ? checked->first + " = " + checked->second
                       : checked.error().message() + "; " + checked.error().hint();
    };
    for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"max_connections", "90"},
             {"max_connections", "9"},
             {"max_user_connections", "-1"},
             {"join_buffer_size", "1000"},
             {"sort_buffer_size", "18446744073709551615"},
             {"long_query_time", "0.500"},
             {"general_log", "1"},
             {"innodb_flush_method", "o_dsync"},
             {"innodb_flush_method", "nosync"},
             {"sql_mode", "ansi"},
             {"optimizer_switch", "mrr=on"},
             {"time_zone", "+01:00"},
             {"default-time-zone", "Nowhere and more"},
             {"datadir", "/"},
             {"max_conections", "1"}}) {
        INFO(name << " = " << value);
        CHECK(said(check_parameter(kept, name, value)) ==
              said(check_parameter(known(), name, value)));
    }
    for (const auto& own : std::vector<std::map<std::string, std::string>>{
             {},
             {{"max_connections", "80"}},
             {{"max_connections", "10000"}},
             {{"innodb_log_file_size", "1073741824"}},
             {{"net_buffer_length", "1048576"}, {"max_allowed_packet", "1024"}},
             {{"require_secure_transport", "ON"}}}) {
        where.parameters = own;
        const auto now = check_parameters_together(known(where), where);
        const auto then = check_parameters_together(kept, where);
        INFO((now ? std::string{} : now.error().to_string()));
        REQUIRE(then.has_value() == now.has_value());
        CHECK((now || then.error().message() == now.error().message()));
    }
}

TEST_CASE("a server that lies about its parameters is bounded and cleaned") {
    const auto line = row({"X\x01Y\xff" + std::string(5000, 'a'), "VARCHAR",
                           std::string(100'000, 'b') + "\n", "\x1b[31m", "", "", "", ""});
    const auto list = parameters_of({line}, place());
    REQUIRE(list.has_value());
    CHECK(list->front().name.size() <= 64);
    CHECK(list->front().name.substr(0, 4) == "x?y?");
    CHECK(list->front().current.size() <= 4096);
    CHECK(list->front().default_value == "?[31m");
    std::string words;
    for (int i = 0; i < 10'000; ++i) {
        words += "w" + std::to_string(i) + ",";
    }
    const auto many = parameters_of({row({"S", "SET", "", "", "", "", "", words})}, place());
    CHECK(many->front().allowed.size() <= 200);
    CHECK_FALSE(parameters_of(Rows(2001, line), place()).has_value());
    CHECK(parameters_of({Row{"only one"}}, place()).error().code() == Errc::corrupt);
    // Ranges that make no sense refuse, and do not divide by zero.
    auto odd = parameters_of({row({"N", "INT", "1", "1", "5", "1", "0", ""})}, place());
    CHECK_FALSE(check_parameter(*odd, "n", "3").has_value());
    odd = parameters_of({row({"N", "INT", "1", "1", "x", "y", "z", ""})}, place());
    CHECK(check_parameter(*odd, "n", "3").has_value());
}

TEST_CASE("a value in SQL is bare where it is a number, and quoted where it is not") {
    proto::Parameter number;
    number.type = "integer";
    CHECK(sql_value(number, "5") == "5");
    proto::Parameter text;
    text.type = "string";
    CHECK(sql_value(text, "a'b") == "'a''b'");
}

TEST_CASE("units come from names and from what the server says") {
    CHECK(unit_of("sort_buffer_size", "") == "bytes");
    CHECK(unit_of("thread_cache_size", "How many threads") == "");
    CHECK(unit_of("wait_timeout", "The number of seconds the server waits") == "seconds");
    CHECK(unit_of("deadlock_timeout_long", "(in microseconds)") == "microseconds");
    CHECK(unit_of("innodb_old_blocks_time", "at least this many milliseconds ago") ==
          "milliseconds");
    CHECK(unit_of("innodb_max_dirty_pages_pct", "Percentage of") == "percent");
    CHECK(unit_of("max_connections", "The number of") == "");
    CHECK(unit_of("log_slow_query_time", "seconds ... with microsecond precision") == "seconds");
}
