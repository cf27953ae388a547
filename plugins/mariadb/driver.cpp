// MariaDB as a Datastore: hands each verb to the file that knows it.

#include <fmt/format.h>

#include "plugins/api/abi.h"
#include "plugins/api/datastore.h"
#include "plugins/mariadb/accounts.h"
#include "plugins/mariadb/config.h"
#include "plugins/mariadb/errors.h"
#include "plugins/mariadb/grants.h"
#include "plugins/mariadb/logs.h"
#include "plugins/mariadb/metrics.h"
#include "plugins/mariadb/parameters.h"
#include "plugins/mariadb/programs.h"
#include "plugins/mariadb/root.h"
#include "plugins/mariadb/schemas.h"
#include "plugins/mariadb/session.h"
#include "plugins/mariadb/sessions.h"
#include "plugins/mariadb/text.h"
#include "plugins/mariadb/way_in.h"

namespace jackdaw::mariadb {
namespace {

class MariaDb final : public plugins::Datastore {
public:
    [[nodiscard]] std::string_view name() const noexcept override { return "mariadb"; }
    [[nodiscard]] std::uint16_t default_port() const noexcept override { return 3306; }
    /// mkfs.xfs makes nothing below 300 MiB; the rest is MariaDB's first files with room for some
    /// rows.
    [[nodiscard]] std::uint64_t volume_bytes_min() const noexcept override { return 320 * mib; }
    [[nodiscard]] std::uint64_t memory_bytes_min() const noexcept override { return 256 * mib; }
    [[nodiscard]] std::string connection_uri(std::string_view address,
                                             std::uint16_t port) const override {
        const bool is_v6 = address.find(':') != std::string_view::npos;
        return fmt::format(fmt::runtime(is_v6 ? "mysql://[{}]:{}/" : "mysql://{}:{}/"), address,
                           port);
    }

    [[nodiscard]] plugins::Job version_job(const plugins::Place& place) const override {
        return mariadb::version_job(place);
    }
    [[nodiscard]] Result<std::string> parse_version(std::string_view output) const override {
        return mariadb::parse_version(output);
    }
    [[nodiscard]] plugins::Job initialise_job(const plugins::Place& place) const override {
        return mariadb::initialise_job(with_port(place));
    }
    [[nodiscard]] Result<std::vector<plugins::RenderedFile>>
    render(const plugins::Place& place) const override {
        for (const auto& value : {place.data_folder, place.config_folder, place.run_folder,
                                  place.log_folder, place.admin_user, place.bind_address}) {
            if (!is_plain_option_value(value)) {
                return Error{Errc::invalid, "a folder, account or address cannot stand in my.cnf"};
            }
        }
        const auto full = with_port(place);
        JACKDAW_TRY(auto options, option_file(full));
        return std::vector<plugins::RenderedFile>{{option_file_name, std::move(options)},
                                                  {init_file_name, init_file(full)}};
    }
    [[nodiscard]] std::optional<plugins::Job>
    check_config_job(const plugins::Place& place) const override {
        return mariadb::check_config_job(place);
    }
    [[nodiscard]] Result<void> judge_config(int exit_status,
                                            std::string_view output) const override {
        return mariadb::judge_config(exit_status, output);
    }
    /// "[ERROR]" of the server, "ERROR 1045" and "error: …" of its tools.
    [[nodiscard]] bool complains(std::string_view line) const override {
        return line.find("ERROR") != std::string_view::npos ||
               line.find("rror:") != std::string_view::npos;
    }
    [[nodiscard]] std::string start_complaint(std::string_view output) const override {
        return mariadb::start_complaint(output);
    }
    [[nodiscard]] plugins::LaunchSpec launch(const plugins::Place& place) const override {
        return mariadb::launch(place);
    }

    Result<void> adopt(const plugins::Call& call, const plugins::Place& place) override {
        admin_user_ = place.admin_user;
        log_folder_ = place.log_folder;
        session_.aim(socket_path(place), place.admin_user);
        // An open session proves nothing about the server of now; the statement does, and opens a
        // dead one again.
        return session_.run(call, "DO 1").while_doing("adopt MariaDB");
    }

    void release() noexcept override { session_.close_for_good(); }

    Result<plugins::Observation> probe(const plugins::Call& call) override {
        plugins::Observation seen;
        if (!session_.is_aimed()) {
            return Error{Errc::unavailable, "not adopted yet"};
        }
        auto rows = session_.query(call, "SELECT VERSION(), @@GLOBAL.read_only");
        seen.sessions_ended = session_.losses();
        if (rows) {
            seen.answers = true;
            if (!rows->empty() && rows->front().size() == 2) {
                const auto text = rows->front()[0].value_or("");
                seen.version = printable(text.substr(0, text.find('-')), version_bytes_max);
                seen.detail = rows->front()[1] == "0" ? "answers" : "answers, read-only";
            }
            return seen;
        }
        if (rows.error().code() == Errc::cancelled) {
            return std::move(rows).error();
        }
        // Alive, though we were not let in: a restart would cut the clients that are.
        const auto number = session_.last_error();
        seen.shut_out = is_connection_limit(number) ? plugins::ShutOut::crowd
                        : is_access_denied(number)  ? plugins::ShutOut::account
                                                    : plugins::ShutOut::no;
        seen.answers = seen.shut_out != plugins::ShutOut::no;
        seen.detail = rows.error().to_string();
        seen.volume_full = rows.error().id() == Code::volume_full;
        return seen;
    }

    Result<void> secure(const plugins::Call& call) override {
        if (!session_.is_aimed()) {
            return Error{Errc::unavailable, "not adopted yet"};
        }
        return secure_accounts(session_, call, admin_user_).while_doing("secure MariaDB");
    }

    Result<plugins::Examination> examine(const plugins::Call& call) override {
        return mariadb::examine(session_, call, admin_user_);
    }
    Result<plugins::Repaired> repair(const plugins::Call& call, bool again,
                                     const plugins::BeforeStopping& before) override {
        return repair_account(session_, call, admin_user_, again, before)
            .while_doing("repair the agent's account in MariaDB");
    }

    [[nodiscard]] plugins::Databases* databases() noexcept override { return &schemas_; }
    [[nodiscard]] plugins::Users* users() noexcept override { return &accounts_; }
    [[nodiscard]] plugins::Grants* grants() noexcept override { return &grants_; }
    [[nodiscard]] plugins::Root* root() noexcept override { return &root_; }
    [[nodiscard]] plugins::Sessions* sessions() noexcept override { return &sessions_; }
    [[nodiscard]] plugins::Logs* logs() noexcept override { return &logs_; }
    [[nodiscard]] plugins::Metrics* metrics() noexcept override { return &metrics_; }
    [[nodiscard]] plugins::Parameters* parameters() noexcept override { return &parameters_; }

private:
    [[nodiscard]] plugins::Place with_port(plugins::Place place) const {
        if (place.port == 0) {
            place.port = default_port();
        }
        return place;
    }

    Session session_;
    Schemas schemas_{session_};
    Accounts accounts_{session_};
    AccountGrants grants_{session_};
    RootAccount root_{session_};
    std::string log_folder_;
    ServerLogs logs_{session_, log_folder_};
    ServerMetrics metrics_{session_};
    EngineParameters parameters_{session_};
    std::string admin_user_;
    ServerSessions sessions_{session_, admin_user_};
};

std::unique_ptr<plugins::Datastore> make() {
    return std::make_unique<MariaDb>();
}

constexpr JackdawDriver driver{plugins::abi_hash, "mariadb", &make};

} // namespace
} // namespace jackdaw::mariadb

extern "C" __attribute__((visibility("default"))) const JackdawDriver* jackdaw_driver() {
    return &jackdaw::mariadb::driver;
}
