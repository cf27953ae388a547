// The fake as a Datastore: everything a driver does, over an engine that is honest and small.

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>

#include "plugins/api/abi.h"
#include "plugins/api/datastore.h"
#include "plugins/fake/fake_accounts.h"
#include "plugins/fake/fake_names.h"
#include "plugins/fake/fake_observe.h"
#include "plugins/fake/fake_parameters.h"
#include "plugins/fake/fake_session.h"
#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

constexpr const char* program = "/usr/lib/jackdaw/plugins/jackdaw-fake-db";
constexpr std::size_t password_bytes_max = 512;
constexpr std::array<std::string_view, 3> charsets{"utf8mb4", "utf8", "latin1"};

std::string socket_path(const plugins::Place& place) {
    return place.run_folder + "/fake.sock";
}

std::string config_path(const plugins::Place& place) {
    return place.config_folder + "/" + config_name;
}

std::string options_path(const plugins::Place& place) {
    return place.run_folder + "/fake.options";
}

/// Speaks over a session that it does not own.
class FakeDatabases final : public plugins::Databases {
public:
    explicit FakeDatabases(FakeSession& session) noexcept : session_{session} {}

    [[nodiscard]] Result<void> check(const proto::DatabaseSpec& spec) const override {
        JACKDAW_CHECK(check_database(spec.name));
        const auto charset = charset_of(spec);
        if (std::find(charsets.begin(), charsets.end(), charset) == charsets.end()) {
            return Error{Errc::invalid, "the fake has utf8mb4, utf8 and latin1"};
        }
        return ok();
    }

    Result<void> create(const plugins::Call& call, const proto::DatabaseSpec& spec) override {
        JACKDAW_CHECK(check(spec));
        const auto charset = charset_of(spec);
        const auto collation = spec.collation.empty() ? charset + "_general_ci" : spec.collation;
        const auto made = session_.ask(call, {"MKDB", spec.name, charset, collation});
        if (!made && made.error().code() != Errc::conflict) {
            return made.error().clone();
        }
        JACKDAW_TRY(const auto present, list(call));
        for (const auto& one : present) {
            if (one.name == spec.name) {
                if (one.charset == charset && one.collation == collation) {
                    return ok();
                }
                return Error{Errc::conflict, fmt::format("database \"{}\" exists with {} / {}",
                                                         spec.name, one.charset, one.collation)};
            }
        }
        return Error{Errc::internal, "the database is not there after it was made"};
    }

    Result<std::vector<proto::DatabaseSpec>> list(const plugins::Call& call) override {
        JACKDAW_TRY(const auto lines, session_.ask_list(call, {"LSDB"}));
        std::vector<proto::DatabaseSpec> specs;
        for (const auto& line : lines) {
            if (line.size() != 3) {
                return Error{Errc::corrupt, "the fake's list of databases has another shape"};
            }
            specs.push_back({line[0], line[1], line[2]});
        }
        return specs;
    }

    Result<void> drop(const plugins::Call& call, std::string_view name) override {
        JACKDAW_CHECK(check({std::string{name}, {}, {}}));
        JACKDAW_CHECK(session_.ask(call, {"RMDB", std::string{name}}));
        return ok();
    }

private:
    static std::string charset_of(const proto::DatabaseSpec& spec) {
        if (!spec.charset.empty()) {
            return spec.charset;
        }
        return spec.collation.empty() ? "utf8mb4"
                                      : spec.collation.substr(0, spec.collation.find('_'));
    }
    FakeSession& session_;
};

/// Speaks over a session that it does not own.
class FakeUsers final : public plugins::Users {
public:
    explicit FakeUsers(FakeSession& session) noexcept : session_{session} {}

    [[nodiscard]] Result<void> check(const proto::UserSpec& spec) const override {
        JACKDAW_CHECK(check_account(spec.name, spec.host));
        if (spec.databases.size() > 1000) {
            return Error{Errc::invalid, "a user names at most 1000 databases"};
        }
        for (const auto& database : spec.databases) {
            JACKDAW_CHECK(check_name(database, "database name"));
        }
        if (!spec.verifier.empty() && !is_verifier(spec.verifier)) {
            return Error{Code::bad_password, "not a verifier of the fake"};
        }
        return ok();
    }

    [[nodiscard]] Result<std::string> make_verifier(const Secret& password) const override {
        const auto clear = password.reveal();
        if (clear.empty() || clear.size() > password_bytes_max ||
            clear.find('\0') != std::string_view::npos) {
            return Error{Code::bad_password, "a password has 1 to 512 bytes and no NUL"};
        }
        return verifier_of(clear);
    }

    Result<void> create(const plugins::Call& call, const proto::UserSpec& spec) override {
        JACKDAW_CHECK(check(spec));
        if (spec.verifier.empty()) {
            return Error{Code::bad_password, "a user needs a password"};
        }
        FakeSession::Words request{"MKUSER", spec.name, spec.host, spec.verifier};
        request.insert(request.end(), spec.databases.begin(), spec.databases.end());
        JACKDAW_CHECK(
            session_.ask(call, request).while_doing(fmt::format("create user \"{}\"", spec.name)));
        return ok();
    }

    Result<std::vector<proto::UserSpec>> list(const plugins::Call& call) override {
        JACKDAW_TRY(const auto lines, session_.ask_list(call, {"LSUSER"}));
        std::vector<proto::UserSpec> users;
        for (const auto& line : lines) {
            if (line.size() < 2) {
                return Error{Errc::corrupt, "the fake's list of users has another shape"};
            }
            proto::UserSpec user;
            user.name = line[0];
            user.host = line[1];
            user.databases.assign(line.begin() + 2, line.end());
            users.push_back(std::move(user));
        }
        return users;
    }

    Result<void> drop(const plugins::Call& call, std::string_view name,
                      std::string_view host) override {
        JACKDAW_CHECK(check_account(name, host));
        JACKDAW_CHECK(session_.ask(call, {"RMUSER", std::string{name}, std::string{host}}));
        return ok();
    }

    Result<void> set_verifier(const plugins::Call& call, std::string_view name,
                              std::string_view host, std::string_view verifier) override {
        JACKDAW_CHECK(check_account(name, host));
        if (!is_verifier(verifier)) {
            return Error{Code::bad_password, "not a verifier of the fake"};
        }
        JACKDAW_CHECK(session_.ask(
            call, {"PASSWD", std::string{name}, std::string{host}, std::string{verifier}}));
        return ok();
    }

private:
    FakeSession& session_;
};

class Fake final : public plugins::Datastore {
public:
    [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
    [[nodiscard]] std::uint16_t default_port() const noexcept override { return 7433; }
    [[nodiscard]] std::uint64_t volume_bytes_min() const noexcept override { return 320ULL << 20U; }
    [[nodiscard]] std::uint64_t memory_bytes_min() const noexcept override { return 32ULL << 20U; }
    [[nodiscard]] std::string connection_uri(std::string_view address,
                                             std::uint16_t port) const override {
        return fmt::format("fake://{}:{}/", address, port);
    }

    [[nodiscard]] plugins::Job version_job(const plugins::Place& /*place*/) const override {
        return job("fake-version", {program, "--version"});
    }
    [[nodiscard]] Result<std::string> parse_version(std::string_view output) const override {
        constexpr std::string_view mark = "jackdaw-fake-db ";
        const auto at = output.find(mark);
        if (at == std::string_view::npos) {
            return Error{Code::install_missing, "jackdaw-fake-db did not print its version"};
        }
        const auto rest = output.substr(at + mark.size());
        const auto text = rest.substr(0, rest.find_first_not_of("0123456789."));
        if (!text.starts_with("1.")) {
            return Error{Errc::unsupported, "this driver is for jackdaw-fake-db 1"};
        }
        return std::string{text};
    }
    [[nodiscard]] plugins::Job initialise_job(const plugins::Place& place) const override {
        return job("fake-init",
                   {program, "--init", place.data_folder, "--options", options_path(place)});
    }
    [[nodiscard]] Result<std::vector<plugins::RenderedFile>>
    render(const plugins::Place& place) const override {
        JACKDAW_TRY(auto config, render_config(place, port(place)));
        return std::vector<plugins::RenderedFile>{{config_name, std::move(config)}};
    }
    [[nodiscard]] std::optional<plugins::Job>
    check_config_job(const plugins::Place& place) const override {
        return job("fake-check",
                   {program, "--check", config_path(place), "--options", options_path(place)});
    }
    [[nodiscard]] Result<void> judge_config(int exit_status,
                                            std::string_view output) const override {
        if (exit_status != 0) {
            return Error{Code::config_refused,
                         std::string{output.substr(0, output.find('\n')).substr(0, 300)}};
        }
        return ok();
    }
    [[nodiscard]] plugins::LaunchSpec launch(const plugins::Place& place) const override {
        plugins::LaunchSpec spec;
        spec.argv = {program,
                     "--serve",
                     place.data_folder,
                     socket_path(place),
                     std::to_string(port(place)),
                     "--bind",
                     place.bind_address,
                     "--admin-user",
                     place.admin_user,
                     "--config",
                     config_path(place),
                     "--options",
                     options_path(place)};
        if (!place.log_folder.empty()) {
            spec.argv.insert(spec.argv.end(), {"--log-folder", place.log_folder});
        }
        spec.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
        spec.working_folder = place.data_folder;
        spec.stop = {plugins::StopStep{SIGTERM, std::chrono::seconds{30}}};
        spec.ready_within = std::chrono::seconds{60};
        return spec;
    }

    Result<void> adopt(const plugins::Call& call, const plugins::Place& place) override {
        session_.aim(socket_path(place));
        JACKDAW_CHECK(session_.ask(call, {"PING"}).while_doing("adopt the fake database"));
        return ok();
    }
    void release() noexcept override { session_.close(); }

    Result<plugins::Observation> probe(const plugins::Call& call) override {
        plugins::Observation seen;
        auto words = session_.ask(call, {"VERSION"});
        if (words) {
            seen.answers = true;
            seen.version = words->empty() ? "" : words->front();
            seen.detail = "answers";
            return seen;
        }
        if (words.error().code() == Errc::cancelled) {
            return std::move(words).error();
        }
        seen.answers =
            words.error().code() == Errc::exhausted; // refused for want of a connection, so alive
        seen.detail = words.error().to_string();
        return seen;
    }

    /// Has no accounts of its own to take away; looks whether it may administrate.
    Result<void> secure(const plugins::Call& call) override {
        JACKDAW_CHECK(session_.ask(call, {"STATUS"}).while_doing("secure the fake database"));
        return ok();
    }

    Result<plugins::Examination> examine(const plugins::Call& call) override {
        plugins::Examination seen;
        const auto words = session_.ask(call, {"CROWD"});
        if (words && words->size() == 2) {
            seen.connections->now = std::strtoull((*words)[0].c_str(), nullptr, 10);
            seen.connections->max = std::strtoull((*words)[1].c_str(), nullptr, 10);
        } else if (!words && words.error().code() != Errc::busy) {
            return words.error().clone();
        } else {
            seen.connections.reset();
            seen.unseen.push_back({"the connections",
                                   words ? "the answer has another shape" : words.error().message(),
                                   "jackdaw instance restart INSTANCE"});
        }
        return seen;
    }

    [[nodiscard]] plugins::Databases* databases() noexcept override { return &databases_; }
    [[nodiscard]] plugins::Users* users() noexcept override { return &users_; }
    [[nodiscard]] plugins::Grants* grants() noexcept override { return &grants_; }
    [[nodiscard]] plugins::Root* root() noexcept override { return &root_; }
    [[nodiscard]] plugins::Sessions* sessions() noexcept override { return &sessions_; }
    [[nodiscard]] plugins::Logs* logs() noexcept override { return &logs_; }
    [[nodiscard]] plugins::Metrics* metrics() noexcept override { return &metrics_; }
    [[nodiscard]] plugins::Parameters* parameters() noexcept override { return &parameters_; }

private:
    static plugins::Job job(std::string job_name, std::vector<std::string> argv) {
        plugins::Job made;
        made.name = std::move(job_name);
        made.argv = std::move(argv);
        made.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
        made.working_folder = "/";
        made.limit = std::chrono::seconds{120};
        return made;
    }
    [[nodiscard]] std::uint16_t port(const plugins::Place& place) const {
        return place.port != 0 ? place.port : default_port();
    }

    FakeSession session_;
    FakeDatabases databases_{session_};
    FakeUsers users_{session_};
    FakeGrants grants_{session_};
    FakeRoot root_{session_};
    FakeSessions sessions_{session_};
    FakeLogs logs_{session_};
    FakeMetrics metrics_{session_};
    FakeParameters parameters_{session_};
};

std::unique_ptr<plugins::Datastore> make() {
    return std::make_unique<Fake>();
}

constexpr JackdawDriver driver{plugins::abi_hash, "fake", &make};

} // namespace
} // namespace jackdaw::fake

extern "C" __attribute__((visibility("default"))) const JackdawDriver* jackdaw_driver() {
    return &jackdaw::fake::driver;
}
