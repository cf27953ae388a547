// The engine in memory and its driver; see life_world.h.
#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "tests/unit/life_world.h"

namespace jackdaw::testing {
namespace {

class EngineDatabases final : public plugins::Databases {
public:
    explicit EngineDatabases(FakeEngine& engine) : engine_{engine} {}

    [[nodiscard]] Result<void> check(const proto::DatabaseSpec& spec) const override {
        if (spec.name.empty() || spec.name.size() > 64 ||
            spec.name.find('\0') != std::string::npos) {
            return Error{Code::bad_name, "a database's name has 1 to 64 bytes"};
        }
        return spec.name == "system" ? Result<void>{Error{Code::reserved_name, "it is ours"}}
                                     : ok();
    }
    Result<void> create(const plugins::Call& call, const proto::DatabaseSpec& spec) override {
        return engine_.speak(call, "databases.create", [&]() -> Result<void> {
            const auto [at, made] = engine_.databases_.emplace(spec.name, spec);
            return made || at->second == spec
                       ? ok()
                       : Result<void>{Error{Errc::conflict, "it is there with another charset"}};
        });
    }
    Result<std::vector<proto::DatabaseSpec>> list(const plugins::Call& call) override {
        std::vector<proto::DatabaseSpec> all;
        JACKDAW_CHECK(engine_.speak(call, "databases.list", [&] {
            for (const auto& [name, spec] : engine_.databases_) {
                all.push_back(spec);
            }
            return ok();
        }));
        return all;
    }
    Result<void> drop(const plugins::Call& call, std::string_view name) override {
        return engine_.speak(call, "databases.drop", [&]() -> Result<void> {
            return engine_.databases_.erase(std::string{name}) == 1
                       ? ok()
                       : Result<void>{Error{Errc::not_found, "no such database"}};
        });
    }

private:
    FakeEngine& engine_;
};

class EngineUsers final : public plugins::Users {
public:
    explicit EngineUsers(FakeEngine& engine) : engine_{engine} {}

    [[nodiscard]] Result<void> check(const proto::UserSpec& spec) const override {
        if (spec.name.empty() || spec.name.size() > 64 ||
            spec.name.find('\0') != std::string::npos) {
            return Error{Code::bad_name, "a user's name has 1 to 64 bytes"};
        }
        return spec.name == "root" ? Result<void>{Error{Code::reserved_name, "it is ours"}} : ok();
    }
    /// A sum, not a hash: enough to tell two passwords apart without holding either.
    [[nodiscard]] Result<std::string> make_verifier(const Secret& password) const override {
        if (password.empty()) {
            return Error{Code::bad_password, "an empty password"};
        }
        std::uint64_t sum = 1469598103934665603ULL;
        for (const char c : password.reveal()) {
            sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
        }
        return fmt::format("*{:016x}", sum);
    }
    Result<void> create(const plugins::Call& call, const proto::UserSpec& spec) override {
        return engine_.speak(call, "users.create", [&] {
            engine_.users_[spec.name + "@" + spec.host] = spec;
            return ok();
        });
    }
    Result<std::vector<proto::UserSpec>> list(const plugins::Call& call) override {
        std::vector<proto::UserSpec> all;
        JACKDAW_CHECK(engine_.speak(call, "users.list", [&] {
            for (const auto& [name, spec] : engine_.users_) {
                all.push_back(spec);
                all.back().verifier.clear();
            }
            return ok();
        }));
        return all;
    }
    Result<void> drop(const plugins::Call& call, std::string_view name,
                      std::string_view host) override {
        return engine_.speak(call, "users.drop", [&]() -> Result<void> {
            return engine_.users_.erase(fmt::format("{}@{}", name, host)) == 1
                       ? ok()
                       : Result<void>{Error{Errc::not_found, "no such user"}};
        });
    }
    Result<void> set_verifier(const plugins::Call& call, std::string_view name,
                              std::string_view host, std::string_view verifier) override {
        return engine_.speak(call, "users.set_verifier", [&]() -> Result<void> {
            const auto at = engine_.users_.find(fmt::format("{}@{}", name, host));
            if (at == engine_.users_.end()) {
                return Error{Errc::not_found, "no such user"};
            }
            at->second.verifier = verifier;
            return ok();
        });
    }

private:
    FakeEngine& engine_;
};

struct EngineParameter {
    const char* name;
    const char* otherwise;
    bool restart;
};
constexpr std::array engine_parameters{EngineParameter{"cache", "8", false},
                                       EngineParameter{"threads", "4", true}};

std::string value_in(const std::map<std::string, std::string>& own, const EngineParameter& known) {
    const auto at = own.find(known.name);
    return at == own.end() ? known.otherwise : at->second;
}

int number_of(const std::string& text) {
    int number = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc{} && read.ptr == end ? number : 0;
}

class EngineParameters final : public plugins::Parameters {
public:
    explicit EngineParameters(FakeEngine& engine) : engine_{engine} {}

    Result<std::vector<proto::Parameter>> list(const plugins::Call& call,
                                               const plugins::Place& place) override {
        std::vector<proto::Parameter> all;
        JACKDAW_CHECK(engine_.speak(call, "parameters.list", [&] {
            for (const auto& known : engine_parameters) {
                proto::Parameter one;
                one.name = known.name;
                one.type = "integer";
                one.min = "1";
                one.max = "64";
                one.restart = known.restart;
                one.default_value = known.otherwise;
                one.current = value_in(engine_.values_, known);
                one.is_configured = place.parameters.contains(known.name);
                one.configured = one.is_configured ? value_in(place.parameters, known) : "";
                one.pending = one.is_configured && one.configured != one.current;
                one.source = one.is_configured && !one.pending ? "configured" : "default";
                all.push_back(std::move(one));
            }
            return ok();
        }));
        return all;
    }
    [[nodiscard]] Result<std::pair<std::string, std::string>>
    check(const std::vector<proto::Parameter>& known, std::string_view name,
          std::string_view value) const override {
        if (std::ranges::find(known, name, &proto::Parameter::name) == known.end()) {
            return Error{Errc::not_found, "no such parameter"};
        }
        const auto number = number_of(std::string{value});
        if (number < 1 || number > 64) {
            return Error{Errc::invalid, "from 1 to 64"};
        }
        return std::pair{std::string{name}, fmt::format("{}", number)};
    }
    [[nodiscard]] Result<void> check_together(const std::vector<proto::Parameter>&,
                                              const plugins::Place& place) const override {
        const auto& [cache, threads] = engine_parameters;
        return number_of(value_in(place.parameters, threads)) >
                       number_of(value_in(place.parameters, cache))
                   ? Result<void>{Error{Errc::invalid, "threads is above cache"}}
                   : ok();
    }
    Result<void> try_out(const plugins::Call& call,
                         const std::map<std::string, std::string>& values) override {
        return values.empty() ? ok() : engine_.speak(call, "parameters.try_out");
    }
    Result<std::vector<std::string>> apply(const plugins::Call& call, const plugins::Place& wanted,
                                           const std::vector<std::string>& changed) override {
        std::vector<std::string> waiting;
        JACKDAW_CHECK(engine_.speak(call, "parameters.apply", [&]() -> Result<void> {
            for (const auto& known : engine_parameters) {
                const auto value = value_in(wanted.parameters, known);
                if (std::find(changed.begin(), changed.end(), known.name) == changed.end() ||
                    value == value_in(engine_.values_, known)) {
                    continue;
                }
                if (known.restart) {
                    waiting.emplace_back(known.name);
                } else {
                    engine_.values_[known.name] = value;
                }
            }
            return ok();
        }));
        return waiting;
    }

private:
    FakeEngine& engine_;
};

class EngineSessions final : public plugins::Sessions {
public:
    explicit EngineSessions(FakeEngine& engine) : engine_{engine} {}

    Result<std::vector<proto::SessionShape>> list(const plugins::Call& call) override {
        JACKDAW_CHECK(engine_.speak(call, "sessions.list"));
        proto::SessionShape own, tenant;
        own.id = 1;
        own.own = true;
        tenant.id = 7;
        tenant.user = "app";
        return std::vector{own, tenant};
    }
    Result<void> kill(const plugins::Call& call, std::uint64_t, bool) override {
        return engine_.speak(call, "sessions.kill");
    }

private:
    FakeEngine& engine_;
};

class EngineDatastore final : public plugins::Datastore {
public:
    explicit EngineDatastore(FakeEngine& engine)
        : engine_{engine},
          databases_{engine},
          users_{engine},
          parameters_{engine},
          sessions_{engine} {}

    [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
    [[nodiscard]] std::uint16_t default_port() const noexcept override { return 7433; }
    [[nodiscard]] std::uint64_t volume_bytes_min() const noexcept override { return 320ULL << 20U; }
    [[nodiscard]] std::uint64_t memory_bytes_min() const noexcept override { return 32ULL << 20U; }
    [[nodiscard]] std::string connection_uri(std::string_view address,
                                             std::uint16_t port) const override {
        return fmt::format("fake://{}:{}/", address, port);
    }
    [[nodiscard]] plugins::Job version_job(const plugins::Place&) const override {
        return job("fake-version");
    }
    [[nodiscard]] Result<std::string> parse_version(std::string_view output) const override {
        constexpr std::string_view mark = "jackdaw-fake-db ";
        if (!output.starts_with(mark)) {
            return Error{Errc::unsupported, "no version"};
        }
        const auto rest = output.substr(mark.size());
        return std::string{rest.substr(0, rest.find('\n'))};
    }
    [[nodiscard]] plugins::Job initialise_job(const plugins::Place&) const override {
        return job("fake-init");
    }
    [[nodiscard]] Result<std::vector<plugins::RenderedFile>>
    render(const plugins::Place& place) const override {
        auto text = fmt::format("instance = {}\n{}", place.instance_id, engine_.rendered());
        for (const auto& [name, value] : place.parameters) {
            text += fmt::format("{} = {}\n", name, value);
        }
        return std::vector<plugins::RenderedFile>{{"fake.conf", std::move(text)}};
    }
    [[nodiscard]] std::optional<plugins::Job>
    check_config_job(const plugins::Place&) const override {
        return job("fake-check");
    }
    [[nodiscard]] Result<void> judge_config(int exit_status,
                                            std::string_view output) const override {
        return exit_status == 0 ? ok()
                                : Result<void>{Error{Code::config_refused, std::string{output}}};
    }
    [[nodiscard]] bool complains(std::string_view line) const override {
        return line.starts_with("complaint");
    }
    [[nodiscard]] std::string start_complaint(std::string_view output) const override {
        return output.starts_with("half") ? std::string{output} : std::string{};
    }
    [[nodiscard]] plugins::LaunchSpec launch(const plugins::Place& place) const override {
        plugins::LaunchSpec spec;
        spec.argv = {"/usr/lib/jackdaw/fake-db", place.data_folder};
        spec.ready_within = std::chrono::seconds{30};
        return spec;
    }

    Result<void> adopt(const plugins::Call& call, const plugins::Place&) override {
        return engine_.speak(call, "adopt");
    }
    void release() noexcept override {}
    Result<plugins::Examination> examine(const plugins::Call& call) override {
        JACKDAW_CHECK(engine_.speak(call, "examine"));
        return engine_.examination();
    }
    Result<plugins::Repaired> repair(const plugins::Call& call, bool again,
                                     const plugins::BeforeStopping& before) override {
        plugins::Repaired repaired;
        JACKDAW_CHECK(engine_.speak(call, again ? "repair again" : "repair", [&]() -> Result<void> {
            if (again && engine_.examination().is_off != true) {
                repaired.stopped = "its scheduler was switched off";
                repaired.parameter = "scheduler";
                repaired.value = "ON";
                if (before) {
                    JACKDAW_CHECK(before(repaired));
                }
            }
            engine_.repaired(again);
            return ok();
        }));
        if (auto mended = engine_.speak(call, "mend"); !mended) {
            if (repaired.stopped.empty()) {
                return std::move(mended).error();
            }
            repaired.failed = std::move(mended).error();
        }
        return repaired;
    }
    Result<plugins::Observation> probe(const plugins::Call& call) override {
        plugins::Observation seen;
        seen.shut_out = engine_.shut_out();
        JACKDAW_CHECK(engine_.speak(call, "probe"));
        seen.answers = true;
        seen.version = "1.2.3";
        seen.detail = "answers";
        return seen;
    }
    Result<void> secure(const plugins::Call& call) override {
        return engine_.speak(call, "secure", [&] {
            engine_.secured_ = true;
            return ok();
        });
    }
    [[nodiscard]] plugins::Databases* databases() noexcept override { return &databases_; }
    [[nodiscard]] plugins::Users* users() noexcept override { return &users_; }
    [[nodiscard]] plugins::Parameters* parameters() noexcept override {
        return engine_.has_parameters() ? &parameters_ : nullptr;
    }
    [[nodiscard]] plugins::Sessions* sessions() noexcept override {
        return engine_.has_sessions() ? &sessions_ : nullptr;
    }

private:
    static plugins::Job job(const char* name) {
        plugins::Job job;
        job.name = name;
        job.argv = {"/usr/lib/jackdaw/fake-db"};
        return job;
    }
    FakeEngine& engine_;
    EngineDatabases databases_;
    EngineUsers users_;
    EngineParameters parameters_;
    EngineSessions sessions_;
};

} // namespace

std::shared_ptr<plugins::Datastore> make_fake_datastore(FakeEngine& engine) {
    return std::make_shared<EngineDatastore>(engine);
}

void FakeEngine::set_examination(plugins::Examination seen, bool mends) {
    const std::lock_guard lock{seen_mutex_};
    examination_ = std::move(seen);
    mends_ = mends;
}

void FakeEngine::set_shut_out(plugins::ShutOut shut_out) {
    const std::lock_guard lock{seen_mutex_};
    shut_out_ = shut_out;
}

plugins::Examination FakeEngine::examination() {
    const std::lock_guard lock{seen_mutex_};
    return examination_;
}

plugins::ShutOut FakeEngine::shut_out() {
    const std::lock_guard lock{seen_mutex_};
    return shut_out_;
}

void FakeEngine::repaired(bool again) {
    const std::lock_guard lock{seen_mutex_};
    examination_.is_off = again || examination_.is_off.value_or(false);
    if (mends_) {
        examination_.access = "";
    }
}

void FakeEngine::forget_lost_data() {
    if (const auto now = host_.volume().data_generation; now != generation_) {
        generation_ = now;
        databases_.clear();
        users_.clear();
        secured_ = false;
    }
}

Result<void> FakeEngine::speak(const plugins::Call& call, const std::string& what,
                               const std::function<Result<void>()>& effect) {
    const auto deaf = [&] { return host_.is_cut_off() || !host_.database_running(); };
    std::unique_lock lock{mutex_};
    ++said_[what];
    if (std::exchange(speaking_, true)) {
        host_.add_violation(what + ": two callers spoke to the engine at the same time");
    }
    struct Silence {
        bool& speaking;
        ~Silence() { speaking = false; }
    } const silence{speaking_};
    while (held_ == what) {
        stands_ = true;
        turned_.notify_all();
        if (call.cancelled()) {
            return Error{Errc::cancelled, "cancelled while the engine took its time"};
        }
        if (std::chrono::steady_clock::now() > call.deadline) {
            return Error{Errc::deadline, "the engine took too long"};
        }
        turned_.wait_for(lock, std::chrono::milliseconds{5}); // the flag wakes nobody
    }
    if (fails_ > 0 && failing_ == what) {
        --fails_;
        return Error{failure_, "the connection broke"};
    }
    if (deaf()) {
        return Error{Code::database_down, "nothing answers"};
    }
    forget_lost_data();
    read_configuration();
    return effect ? effect() : ok();
}

void FakeEngine::hold(const std::string& what) {
    const std::lock_guard lock{mutex_};
    held_ = what;
    stands_ = false;
}

void FakeEngine::wait_held() {
    std::unique_lock lock{mutex_};
    turned_.wait_for(lock, std::chrono::seconds{60}, [&] { return stands_; });
}

void FakeEngine::let_go() {
    const std::lock_guard lock{mutex_};
    held_.clear();
    turned_.notify_all();
}

void FakeEngine::fail(const std::string& what, std::uint32_t times, Errc code) {
    const std::lock_guard lock{mutex_};
    failing_ = what;
    fails_ = times;
    failure_ = code;
}

void FakeEngine::read_configuration() {
    const auto starts = host_.databases_started();
    if (!has_parameters_ || starts == starts_read_) {
        return;
    }
    starts_read_ = starts;
    values_.clear();
    std::istringstream lines{host_.config().at("fake.conf")};
    for (std::string line; std::getline(lines, line);) {
        if (const auto sign = line.find(" = "); sign != std::string::npos) {
            values_[line.substr(0, sign)] = line.substr(sign + 3);
        }
    }
}

std::map<std::string, std::string> FakeEngine::values() {
    const std::lock_guard lock{mutex_};
    std::map<std::string, std::string> all;
    for (const auto& known : engine_parameters) {
        all[known.name] = value_in(values_, known);
    }
    return all;
}

std::uint64_t FakeEngine::said(const std::string& what) {
    const std::lock_guard lock{mutex_};
    return said_[what];
}

std::vector<std::string> FakeEngine::databases() {
    const std::lock_guard lock{mutex_};
    forget_lost_data();
    std::vector<std::string> names;
    for (const auto& [name, spec] : databases_) {
        names.push_back(name);
    }
    return names;
}

std::map<std::string, proto::UserSpec> FakeEngine::users() {
    const std::lock_guard lock{mutex_};
    forget_lost_data();
    return users_;
}

bool FakeEngine::secured() {
    const std::lock_guard lock{mutex_};
    forget_lost_data();
    return secured_;
}

} // namespace jackdaw::testing
