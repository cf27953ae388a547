#include "plugins/mariadb/metrics.h"

#include "plugins/mariadb/metric_families.h"

namespace jackdaw::mariadb {
namespace {

constexpr const char* up_help = "Whether the server answers the agent.";

bool ends_the_scrape(const Error& error) {
    return error.code() == Errc::deadline || error.code() == Errc::cancelled ||
           error.id() == Code::database_down;
}

} // namespace

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
            families.add("mysql_up", "gauge", up_help, "", {}, 0);
            return families.take();
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
    families.add("mysql_exporter_last_scrape_error", "gauge",
                 "Whether a part of these metrics could not be read.", "", {}, failed ? 1 : 0);
    families.add("mysql_up", "gauge", up_help, "", {}, 1);
    families.add("jackdaw_database_metrics_left_out", "gauge",
                 "Samples that were left out of these since there were too many.", "", {},
                 static_cast<double>(families.left_out()));
    return families.take();
}

} // namespace jackdaw::mariadb
