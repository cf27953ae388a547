#include "plugins/mariadb/metrics.h"

#include <charconv>

#include "plugins/mariadb/metric_families.h"

namespace jackdaw::mariadb {
namespace {

constexpr const char* up_help = "Whether the server answers the agent.";

bool ends_the_scrape(const Error& error) {
    return error.code() == Errc::deadline || error.code() == Errc::cancelled ||
           error.id() == Code::database_down;
}

std::optional<std::uint64_t> number_of(const std::optional<std::string>& text) {
    std::uint64_t number = 0;
    if (!text) {
        return std::nullopt;
    }
    const auto* const end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, number);
    return read.ec == std::errc{} && read.ptr == end ? std::optional{number} : std::nullopt;
}

} // namespace

Result<proto::DatabaseLoad> ServerMetrics::load(const plugins::Call& call) {
    if (!session_.is_aimed()) {
        return Error{Errc::unavailable, "not adopted yet"};
    }
    // Questions: what clients sent; Queries would count the insides of procedures, too.
    JACKDAW_TRY(const auto rows,
                session_.query(call, "SHOW GLOBAL STATUS WHERE Variable_name IN "
                                     "('Threads_connected', 'Threads_running', 'Questions', "
                                     "'Slow_queries')"));
    JACKDAW_TRY(const auto limit, session_.query(call, "SELECT @@GLOBAL.max_connections"));
    proto::DatabaseLoad load;
    for (const auto& row : rows) {
        if (row.size() != 2 || !row[0]) {
            continue;
        }
        const auto number = number_of(row[1]);
        if (*row[0] == "Threads_connected") {
            load.connections = number;
        } else if (*row[0] == "Threads_running") {
            load.running = number;
        } else if (*row[0] == "Questions") {
            load.queries = number;
        } else if (*row[0] == "Slow_queries") {
            load.slow_queries = number;
        }
    }
    if (limit.size() == 1 && limit[0].size() == 1) {
        load.connections_max = number_of(limit[0][0]);
    }
    return load;
}

std::vector<proto::MetricFamily> ServerMetrics::down() const {
    Families families;
    families.add_own("mysql_up", up_help, 0);
    return families.take();
}

Result<std::vector<proto::MetricFamily>> ServerMetrics::collect(const plugins::Call& call) {
    if (!session_.is_aimed()) {
        return Error{Errc::unavailable, "not adopted yet"};
    }
    Families families;
    const auto status = session_.query(call, "SHOW GLOBAL STATUS");
    if (!status) {
        const auto number = session_.last_error();
        if (status.error().id() == Code::database_down || is_connection_limit(number) ||
            is_access_denied(number)) {
            return down();
        }
        return status.error().clone().while_doing("read MariaDB's status");
    }
    add_status(families, *status);
    bool has_response_times = false;
    JACKDAW_TRY(const auto variables, session_.query(call, "SHOW GLOBAL VARIABLES"));
    add_variables(families, variables, has_response_times);

    bool failed = false;
    const auto slaves = session_.query_table(call, "SHOW ALL SLAVES STATUS");
    if (slaves) {
        add_slaves(families, *slaves);
    } else if (ends_the_scrape(slaves.error())) {
        return slaves.error().clone().while_doing("read the state of replication");
    }
    failed = failed || !slaves;
    const auto compression = session_.query(call, compression_query);
    if (compression) {
        add_compression(families, *compression);
    } else if (ends_the_scrape(compression.error())) {
        return compression.error().clone().while_doing("read what InnoDB compressed");
    }
    failed = failed || !compression;
    if (has_response_times) {
        const auto times = session_.query(call, response_time_query);
        if (times) {
            add_response_times(families, *times);
        } else if (ends_the_scrape(times.error())) {
            return times.error().clone().while_doing("read response times");
        }
        failed = failed || !times;
    }
    families.add_own("mysql_exporter_last_scrape_error",
                     "Whether a part of these metrics could not be read.", failed ? 1 : 0);
    families.add_own("mysql_up", up_help, 1);
    families.add_own("jackdaw_database_metrics_left_out",
                     "Samples that were left out of these since there were too many.",
                     static_cast<double>(families.left_out()));
    return families.take();
}

} // namespace jackdaw::mariadb
