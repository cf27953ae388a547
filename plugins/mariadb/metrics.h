#pragma once
// Facet: metrics, in at most five questions over the session that is kept.

#include "plugins/api/facets.h"
#include "plugins/mariadb/session.h"

namespace jackdaw::mariadb {

/// Speaks over a session that it does not own.
class ServerMetrics final : public plugins::Metrics {
public:
    explicit ServerMetrics(Session& session) noexcept : session_{session} {}

    /// mysql_up 0 alone when nobody answers or lets us in. One of the lesser questions that failed
    /// leaves its families out and makes mysql_exporter_last_scrape_error 1.
    /// jackdaw_database_metrics_left_out: samples above the bounds of metric_families.h.
    Result<std::vector<proto::MetricFamily>> collect(const plugins::Call& call) override;
    [[nodiscard]] std::vector<proto::MetricFamily> down() const override; ///< mysql_up 0
    Result<proto::DatabaseLoad> load(const plugins::Call& call) override;

private:
    Session& session_;
};

} // namespace jackdaw::mariadb
