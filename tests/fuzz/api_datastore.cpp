#include <fmt/format.h>

#include "tests/fuzz/api_world.h"

extern "C" const JackdawDriver* jackdaw_driver();

namespace jackdaw::fuzz {
namespace {

using plugins::Call;

/// What every facet asks of the real driver: its pure checks.
struct Real {
    std::unique_ptr<plugins::Datastore> driver = jackdaw_driver()->make();
};

class CannedDatabases final : public plugins::Databases {
public:
    explicit CannedDatabases(Real& real) : real_{*real.driver->databases()} {}
    [[nodiscard]] Result<void> check(const proto::DatabaseSpec& spec) const override {
        return real_.check(spec);
    }
    Result<void> create(const Call&, const proto::DatabaseSpec&) override { return ok(); }
    Result<std::vector<proto::DatabaseSpec>> list(const Call&) override {
        return std::vector<proto::DatabaseSpec>{{"app", "utf8mb4", "utf8mb4_general_ci"},
                                                {"bad \xff\x01 utf-8", "", ""}};
    }
    Result<void> drop(const Call&, std::string_view) override { return ok(); }

private:
    plugins::Databases& real_;
};

class CannedUsers final : public plugins::Users {
public:
    explicit CannedUsers(Real& real) : real_{*real.driver->users()} {}
    [[nodiscard]] Result<void> check(const proto::UserSpec& spec) const override {
        return real_.check(spec);
    }
    [[nodiscard]] Result<std::string> make_verifier(const Secret& password) const override {
        return real_.make_verifier(password);
    }
    Result<void> create(const Call&, const proto::UserSpec&) override { return ok(); }
    Result<std::vector<proto::UserSpec>> list(const Call&) override {
        proto::UserSpec user;
        user.name = "app";
        user.databases = {"app"};
        return std::vector<proto::UserSpec>{user};
    }
    Result<void> drop(const Call&, std::string_view, std::string_view) override { return ok(); }
    Result<void> set_verifier(const Call&, std::string_view, std::string_view,
                              std::string_view) override {
        return ok();
    }

private:
    plugins::Users& real_;
};

class CannedGrants final : public plugins::Grants {
public:
    explicit CannedGrants(Real& real) : real_{*real.driver->grants()} {}
    [[nodiscard]] Result<void> check(const proto::Grant& grant) const override {
        return real_.check(grant);
    }
    [[nodiscard]] Result<void> check_taken(const proto::Grant& grant) const override {
        return real_.check_taken(grant);
    }
    Result<proto::UserDetails> show(const Call&, std::string_view name,
                                    std::string_view host) override {
        if (name != "app") {
            return Error{Errc::not_found, fmt::format("there is no user \"{}\"", name)};
        }
        proto::UserDetails details;
        details.name = name;
        details.host = host;
        return details;
    }
    Result<void> grant(const Call&, std::string_view, std::string_view,
                       const proto::Grant&) override {
        return ok();
    }
    Result<void> revoke(const Call&, std::string_view, std::string_view,
                        const proto::Grant&) override {
        return ok();
    }
    Result<void> alter(const Call&, std::string_view, std::string_view,
                       const proto::UserAttributes&) override {
        return ok();
    }

private:
    plugins::Grants& real_;
};

class CannedRoot final : public plugins::Root {
public:
    explicit CannedRoot(Real& real) : real_{*real.driver->root()} {}
    [[nodiscard]] proto::RootStatus describe(std::string_view level) const override {
        return real_.describe(level);
    }
    Result<proto::RootStatus> status(const Call&) override { return real_.describe("standard"); }
    Result<void> enable(const Call&, std::string_view, std::string_view) override { return ok(); }
    Result<void> disable(const Call&) override { return ok(); }

private:
    plugins::Root& real_;
};

class CannedSessions final : public plugins::Sessions {
public:
    Result<std::vector<proto::SessionShape>> list(const Call&) override {
        proto::SessionShape session;
        session.id = 7;
        session.user = "app";
        session.query = "SELECT 1";
        return std::vector<proto::SessionShape>{session};
    }
    Result<void> kill(const Call&, std::uint64_t, bool) override { return ok(); }
};

class CannedParameters final : public plugins::Parameters {
public:
    explicit CannedParameters(Real& real) : real_{*real.driver->parameters()} {}
    Result<std::vector<proto::Parameter>> list(const Call&, const plugins::Place&) override {
        std::vector<proto::Parameter> all(6);
        set(all[0], "innodb_buffer_pool_size", "integer", "134217728");
        all[0].min = "2097152";
        all[0].max = "9223372036854775807";
        set(all[1], "long_query_time", "real", "10.000000");
        all[1].min = "0";
        all[1].max = "31536000";
        set(all[2], "max_connections", "integer", "151");
        all[2].min = "10";
        all[2].max = "100000";
        set(all[3], "slow_query_log", "boolean", "OFF");
        set(all[4], "sql_mode", "set", "STRICT_TRANS_TABLES");
        all[4].allowed = {"ANSI", "STRICT_TRANS_TABLES"};
        set(all[5], "tx_isolation", "enumeration", "REPEATABLE-READ");
        all[5].allowed = {"READ-COMMITTED", "REPEATABLE-READ"};
        return all;
    }
    [[nodiscard]] Result<std::pair<std::string, std::string>>
    check(const std::vector<proto::Parameter>& known, std::string_view name,
          std::string_view value) const override {
        return real_.check(known, name, value);
    }
    [[nodiscard]] Result<void> check_together(const std::vector<proto::Parameter>& known,
                                              const plugins::Place& place) const override {
        return real_.check_together(known, place);
    }
    Result<std::vector<std::string>> apply(const Call&, const plugins::Place&,
                                           const std::vector<std::string>&) override {
        return std::vector<std::string>{};
    }

private:
    static void set(proto::Parameter& parameter, const char* name, const char* type,
                    const char* current) {
        parameter.name = name;
        parameter.type = type;
        parameter.current = parameter.default_value = current;
    }
    plugins::Parameters& real_;
};

class CannedLogs final : public plugins::Logs {
public:
    explicit CannedLogs(Real& real) : real_{*real.driver->logs()} {}
    [[nodiscard]] std::vector<plugins::LogFile> files() const override { return real_.files(); }
    Result<bool> is_enabled(const Call&, std::string_view) override { return false; }
    Result<void> reopen(const Call&, std::string_view) override { return ok(); }

private:
    plugins::Logs& real_;
};

class CannedMetrics final : public plugins::Metrics {
public:
    Result<std::vector<proto::MetricFamily>> collect(const Call&) override {
        return std::vector<proto::MetricFamily>{{"mysql_up", "gauge", "it answers", {{"", {}, 1}}}};
    }
    Result<proto::DatabaseLoad> load(const Call&) override {
        return proto::DatabaseLoad{3, 151, 1, 1000, std::nullopt};
    }
};

/// Named as the machine in memory names its jobs.
class ApiDatastore final : public plugins::Datastore {
public:
    [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
    [[nodiscard]] std::uint16_t default_port() const noexcept override { return 3306; }
    [[nodiscard]] std::uint64_t volume_bytes_min() const noexcept override { return 320ULL << 20U; }
    [[nodiscard]] std::uint64_t memory_bytes_min() const noexcept override { return 32ULL << 20U; }
    [[nodiscard]] std::string connection_uri(std::string_view address,
                                             std::uint16_t port) const override {
        return real_.driver->connection_uri(address, port);
    }
    [[nodiscard]] plugins::Job version_job(const plugins::Place&) const override {
        return job("fake-version");
    }
    [[nodiscard]] Result<std::string> parse_version(std::string_view) const override {
        return std::string{"10.11.19"};
    }
    [[nodiscard]] plugins::Job initialise_job(const plugins::Place&) const override {
        return job("fake-init");
    }
    [[nodiscard]] Result<std::vector<plugins::RenderedFile>>
    render(const plugins::Place&) const override {
        return std::vector<plugins::RenderedFile>{{"fake.conf", "port = 3306\n"}};
    }
    [[nodiscard]] std::optional<plugins::Job>
    check_config_job(const plugins::Place&) const override {
        return std::nullopt;
    }
    [[nodiscard]] Result<void> judge_config(int, std::string_view) const override { return ok(); }
    [[nodiscard]] plugins::LaunchSpec launch(const plugins::Place&) const override {
        plugins::LaunchSpec spec;
        spec.argv = {"/usr/lib/jackdaw/fake-db"};
        spec.ready_within = std::chrono::seconds{30};
        return spec;
    }
    Result<void> adopt(const Call&, const plugins::Place&) override { return ok(); }
    void release() noexcept override {}
    Result<plugins::Observation> probe(const Call&) override {
        plugins::Observation seen;
        seen.answers = true;
        seen.version = "10.11.19";
        return seen;
    }
    Result<void> secure(const Call&) override { return ok(); }

    [[nodiscard]] plugins::Databases* databases() noexcept override { return &databases_; }
    [[nodiscard]] plugins::Users* users() noexcept override { return &users_; }
    [[nodiscard]] plugins::Grants* grants() noexcept override { return &grants_; }
    [[nodiscard]] plugins::Root* root() noexcept override { return &root_; }
    [[nodiscard]] plugins::Sessions* sessions() noexcept override { return &sessions_; }
    [[nodiscard]] plugins::Parameters* parameters() noexcept override { return &parameters_; }
    [[nodiscard]] plugins::Logs* logs() noexcept override { return &logs_; }
    [[nodiscard]] plugins::Metrics* metrics() noexcept override { return &metrics_; }

private:
    static plugins::Job job(const char* name) {
        plugins::Job job;
        job.name = name;
        job.argv = {"/usr/lib/jackdaw/fake-db"};
        return job;
    }
    Real real_;
    CannedDatabases databases_{real_};
    CannedUsers users_{real_};
    CannedGrants grants_{real_};
    CannedRoot root_{real_};
    CannedSessions sessions_;
    CannedParameters parameters_{real_};
    CannedLogs logs_{real_};
    CannedMetrics metrics_;
};

} // namespace

std::shared_ptr<plugins::Datastore> make_api_datastore() {
    return std::make_shared<ApiDatastore>();
}

} // namespace jackdaw::fuzz
