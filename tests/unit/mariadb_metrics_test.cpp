// MariaDB's answers as metric families, whatever a hostile server puts into them.
#include <algorithm>
#include <limits>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "plugins/mariadb/metric_dates.h"
#include "plugins/mariadb/metric_families.h"

using namespace jackdaw;
using namespace jackdaw::mariadb;

namespace {

/// "name type suffix{label=value,…} number" of each sample, in their order.
std::vector<std::string> lines(Families& families) {
    std::vector<std::string> result;
    for (const auto& family : families.take()) {
        for (const auto& sample : family.samples) {
            std::string labels;
            for (const auto& [name, value] : sample.labels) {
                labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", name, value);
            }
            result.push_back(fmt::format("{} {} {}{{{}}} {}", family.name, family.type,
                                         sample.suffix, labels, sample.value));
        }
    }
    return result;
}

bool has(const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

} // namespace

TEST_CASE("only what is a number as a whole is one") {
    for (const auto& [text, value] : std::vector<std::pair<const char*, double>>{
             {"0", 0},
             {"12", 12},
             {"-1.5", -1.5},
             {"2e3", 2000},
             {"18446744073709551615", 18446744073709551615.0},
             {"ON", 1},
             {"yes", 1},
             {"OFF", 0},
             {"No", 0},
             {"DISABLED", 0},
             {"Connecting", 0},
             {"Primary", 1},
             {"non-Primary", 0},
             {"Disconnected", 0},
             {"Jan  2 00:00:01 1970 GMT", 86401},
             {"2000-03-01 00:00:00", 951868800}}) {
        INFO(text);
        CHECK((metric_number(text) == value));
    }
    for (const std::string text : {"",        "-",
                                   "1 ",      " 1",
                                   "1x",      "0x10",
                                   "inf",     "-inf",
                                   "nan",     "NaN",
                                   "1e999",   "127.0.0.1",
                                   ".5",      "+1",
                                   "--1",     "1,5",
                                   "onn",     "REPEATABLE-READ",
                                   "/v/data", "2000-13-01 00:00:00"}) {
        INFO(text);
        CHECK_FALSE(metric_number(text));
    }
    CHECK_FALSE(metric_number(std::string(41, '1')));
}

TEST_CASE("dates are read only as they are written") {
    CHECK((date_seconds("Nov 12 10:12:13 2027 GMT") == 1826014333));
    CHECK((date_seconds("Feb 29 00:00:00 2028 GMT") == 1835395200));
    for (const auto* text :
         {"Nov 12 10:12:13 2027", "Nov 12 10:12:13 2027 CET", "Non 12 10:12:13 2027 GMT",
          "Nov 32 10:12:13 2027 GMT", "Feb 29 00:00:00 2027 GMT", "Nov 12 24:12:13 2027 GMT",
          "Nov 12 10:12:13 1969 GMT", "Nov 12 10-12-13 2027 GMT", "Nov 1x 10:12:13 2027 GMT",
          "2027-11-12T10:12:13", "2027-11-12 10:12:1x", "                        "}) {
        INFO(text);
        CHECK_FALSE(date_seconds(text));
    }
}

TEST_CASE("status variables have the exporter's names and groups") {
    Families families;
    add_status(families, {{"Threads_running", "3"},
                          {"Com_select", "7"},
                          {"Com_stmt_prepare", "1"},
                          {"Handler_read_rnd_next", "8"},
                          {"Connection_errors_max_connections", "2"},
                          {"Innodb_buffer_pool_pages_data", "4"},
                          {"Innodb_buffer_pool_pages_dirty", "5"},
                          {"Innodb_buffer_pool_pages_total", "9"},
                          {"Innodb_buffer_pool_pages_made_young", "6"},
                          {"Innodb_rows_read", "10"},
                          {"Performance_schema_users_lost", "0"},
                          {"Innodb_row_lock_time_max", "11"},
                          {"Rpl_status", "AUTH_MASTER"},
                          {"Max_memory_used", std::nullopt},
                          {"wsrep_cluster_status", "Disconnected"},
                          {"Odd-näme", "1"},
                          {std::nullopt, "1"},
                          {"one"}});
    CHECK(lines(families) ==
          std::vector<std::string>{
              "mysql_global_status_buffer_pool_dirty_pages gauge {} 5",
              "mysql_global_status_buffer_pool_page_changes counter _total{operation=made_young} 6",
              "mysql_global_status_buffer_pool_pages gauge {state=data} 4",
              "mysql_global_status_commands counter _total{command=select} 7",
              "mysql_global_status_commands counter _total{command=stmt_prepare} 1",
              "mysql_global_status_connection_errors counter _total{error=max_connections} 2",
              "mysql_global_status_handlers counter _total{handler=read_rnd_next} 8",
              "mysql_global_status_innodb_row_lock_time_max unknown {} 11",
              "mysql_global_status_innodb_row_ops counter _total{operation=read} 10",
              "mysql_global_status_odd_n__me unknown {} 1",
              ("mysql_global_status_performance_schema_lost counter "
               "_total{instrumentation=users_lost} 0"),
              "mysql_global_status_threads_running unknown {} 3",
              "mysql_global_status_wsrep_cluster_status unknown {} 0",
          });
}

TEST_CASE("variables are numbers, booleans and the texts that say what server it is") {
    Families families;
    bool response_times = true;
    add_variables(families,
                  {{"max_connections", "151"},
                   {"read_only", "OFF"},
                   {"have_ssl", "YES"},
                   {"datadir", "/v/data/"},
                   {"version", "10.11.19-MariaDB"},
                   {"innodb_version", "10.11.19"},
                   {"version_comment", "Debian\n12"},
                   {"tx_isolation", "REPEATABLE-READ"},
                   {"wsrep_cluster_name", "c"},
                   {"wsrep_provider_options", "a = 1; gcache.size = 128M; b = 2"}},
                  response_times);
    CHECK_FALSE(response_times);
    CHECK(
        lines(families) ==
        std::vector<std::string>{
            "mysql_galera_gcache_size_bytes gauge {} 134217728",
            "mysql_galera_variables info _info{wsrep_cluster_name=c} 1",
            "mysql_global_variables_have_ssl gauge {} 1",
            "mysql_global_variables_max_connections gauge {} 151",
            "mysql_global_variables_read_only gauge {} 0",
            "mysql_transaction_isolation gauge {level=REPEATABLE-READ} 1",
            ("mysql_version info "
             "_info{innodb_version=10.11.19,version=10.11.19-MariaDB,version_comment=Debian 12} 1"),
        });
    add_variables(families, {{"query_response_time_stats", "ON"}}, response_times);
    CHECK(response_times);
}

TEST_CASE("replication has a sample for each connection") {
    Families families;
    Table table;
    table.columns = {"Connection_name", "Master_Host", "Seconds_Behind_Master", "Slave_IO_Running",
                     "Last_Error"};
    table.rows = {{"", "10.1.2.3", "5", "Connecting", ""},
                  {"second", "10.1.2.4", std::nullopt, "Yes", "x"},
                  {"short"}};
    add_slaves(families, table);
    const auto all = lines(families);
    CHECK(has(all, "mysql_slave_status_seconds_behind_master unknown "
                   "{master_host=10.1.2.3,master_uuid=,channel_name=,connection_name=} 5"));
    CHECK(has(all, "mysql_slave_status_slave_io_running unknown "
                   "{master_host=10.1.2.3,master_uuid=,channel_name=,connection_name=} 0"));
    CHECK(has(all, "mysql_slave_status_slave_io_running unknown "
                   "{master_host=10.1.2.4,master_uuid=,channel_name=,connection_name=second} 1"));
    CHECK(all.size() == 3);
}

TEST_CASE("compressed pages and response times") {
    Families families;
    add_compression(families, {{"cmp", "8192", "0", "1", "2", "3", "4", "5"},
                               {"mem", "8192", "1", "6", "7", "8", "9000", "0"},
                               {"mem", "x"},
                               {"cmp", "4096", "0", "1", "2", "x", "4", "5"}});
    add_response_times(families, {{"      0.100000", "2", "      0.125000"},
                                  {"      1.000000", "3", "      0.500000"},
                                  {"TOO LONG", "1", "TOO LONG"}});
    const auto all = lines(families);
    for (const auto* line :
         {"mysql_info_schema_innodb_cmp_compress_ops counter _total{page_size=8192} 1",
          "mysql_info_schema_innodb_cmp_compress_ops_ok counter _total{page_size=8192} 2",
          "mysql_info_schema_innodb_cmp_compress_time_seconds counter _total{page_size=8192} 3",
          "mysql_info_schema_innodb_cmp_uncompress_ops counter _total{page_size=8192} 4",
          "mysql_info_schema_innodb_cmp_uncompress_time_seconds counter _total{page_size=8192} 5",
          "mysql_info_schema_innodb_cmpmem_pages_used_total unknown "
          "{page_size=8192,buffer_pool=1} 6",
          "mysql_info_schema_innodb_cmpmem_pages_free_total unknown "
          "{page_size=8192,buffer_pool=1} 7",
          "mysql_info_schema_innodb_cmpmem_relocation_ops counter "
          "_total{page_size=8192,buffer_pool=1} 8",
          "mysql_info_schema_innodb_cmpmem_relocation_time_seconds counter "
          "_total{page_size=8192,buffer_pool=1} 9",
          "mysql_info_schema_query_response_time_seconds histogram _bucket{le=0.1} 2",
          "mysql_info_schema_query_response_time_seconds histogram _bucket{le=1} 5",
          "mysql_info_schema_query_response_time_seconds histogram _bucket{le=+Inf} 6",
          "mysql_info_schema_query_response_time_seconds histogram _sum{} 0.625",
          "mysql_info_schema_query_response_time_seconds histogram _count{} 6"}) {
        INFO(line);
        CHECK(has(all, line));
    }
    CHECK(all.size() == 14);
}

TEST_CASE("a server without end gives a bounded answer") {
    Families families;
    Rows rows;
    for (int i = 0; i < 20'000; ++i) {
        rows.push_back({fmt::format("Com_x{}", i), "1"});
        rows.push_back({fmt::format("{}{}", std::string(300, 'n'), i), "1"});
        rows.push_back({fmt::format("v{}", i), "1"});
    }
    add_status(families, rows);
    CHECK(families.left_out() > 0);
    families.add_own("mysql_up", "Whether it answers.", 1); // beyond the bounds: it tells of them
    std::size_t samples = 0;
    const auto taken = families.take();
    CHECK(taken.size() == families_max + 1);
    const auto up = std::find_if(taken.begin(), taken.end(),
                                 [](const auto& family) { return family.name == "mysql_up"; });
    REQUIRE(up != taken.end());
    CHECK(up->type == "gauge");
    REQUIRE(up->samples.size() == 1);
    CHECK((up->samples.front().value == 1));
    for (const auto& family : taken) {
        samples += family.samples.size();
        CHECK(family.name.size() <= 200);
    }
    CHECK(samples <= samples_max + 1);
    // One of a name that is another type's already.
    add_status(families, {{"buffer_pool_pages", "1"}, {"Innodb_buffer_pool_pages_data", "1"}});
    CHECK(families.left_out() == 1);
}
