#pragma once
// The fake's facets that only look: logs and metrics.

#include "plugins/api/facets.h"
#include "plugins/fake/fake_session.h"

namespace jackdaw::fake {

/// error: the guard's; general: a file, turned on by the parameter general_log. Speaks over a
/// session that it does not own.
class FakeLogs final : public plugins::Logs {
public:
    explicit FakeLogs(FakeSession& session) noexcept : session_{session} {}
    [[nodiscard]] std::vector<plugins::LogFile> files() const override;
    Result<bool> is_enabled(const plugins::Call& call, std::string_view name) override;
    Result<void> reopen(const plugins::Call& call, std::string_view name) override;

private:
    FakeSession& session_;
};

/// fake_up (0 alone when nobody answers), and counts of what there is.
class FakeMetrics final : public plugins::Metrics {
public:
    explicit FakeMetrics(FakeSession& session) noexcept : session_{session} {}
    Result<std::vector<proto::MetricFamily>> collect(const plugins::Call& call) override;
    [[nodiscard]] std::vector<proto::MetricFamily> down() const override; ///< fake_up 0
    /// It counts sessions, and nothing that they do.
    Result<proto::DatabaseLoad> load(const plugins::Call& call) override;

private:
    FakeSession& session_;
};

} // namespace jackdaw::fake
