#include "tests/unit/life_world.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace jackdaw::testing {
namespace {

constexpr std::chrono::seconds patience{60};
constexpr std::size_t map_bytes = std::size_t{2} << 20;

} // namespace

bool ended(const proto::Operation& operation) {
    return operation.status == "done" || operation.status == "failed" ||
           operation.status == "undone";
}

agent::MachineFile test_machine() {
    agent::MachineFile machine;
    machine.instance_id = "018f3c1e-0000-7000-8000-000000000001";
    machine.instance_name = "db1";
    machine.fleet = "lab";
    machine.volume_serial = "vol-0001";
    machine.address = "10.9.0.2";
    machine.database_uid = machine.database_gid = 47413;
    return machine;
}

proto::InstanceSpec test_spec() {
    const auto machine = test_machine();
    proto::InstanceSpec spec;
    spec.name = machine.instance_name;
    spec.id = machine.instance_id;
    spec.fleet = machine.fleet;
    spec.datastore = "fake";
    spec.volume_size_bytes = std::uint64_t{1} << 30;
    spec.volume_serial = machine.volume_serial;
    spec.address = machine.address;
    spec.databases.push_back({"app", "", ""});
    proto::UserSpec user;
    user.name = "app";
    user.databases = {"app"};
    spec.users.push_back(std::move(user));
    return spec;
}

std::vector<Secret> passwords_of(const std::string& clear) {
    std::vector<Secret> all;
    all.emplace_back(std::string{clear});
    return all;
}

agent::LifeSettings LifeWorld::quick() {
    agent::LifeSettings settings;
    settings.probe_period = std::chrono::milliseconds{20};
    settings.adoption_period = std::chrono::milliseconds{20};
    settings.usage_period = std::chrono::milliseconds{3'600'000};
    settings.agent_version = "0.0.1-test";
    settings.supervisor.pause_step = std::chrono::milliseconds{1};
    settings.supervisor.pause_max = std::chrono::milliseconds{2};
    return settings;
}

LifeWorld::LifeWorld(agent::LifeSettings settings) : settings_{std::move(settings)} {
    spdlog::set_level(spdlog::level::off);
    // Durability is the store's own test; here commits by the ten thousand must only be quick.
    const std::filesystem::path memory{"/dev/shm"};
    const auto below =
        ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
    auto made = (below / "jackdaw-life-XXXXXX").string();
    REQUIRE(::mkdtemp(made.data()) != nullptr);
    root_ = made;
    std::filesystem::create_directory(state_folder());
    clock_ = std::make_unique<runtime::Clock>("machine-boot-1", faults_file());
}

LifeWorld::~LifeWorld() {
    engine.let_go();
    stop_agent();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
}

std::string LifeWorld::state_folder() const {
    return fmt::format("{}/state-{}", root_, folder_);
}

void LifeWorld::shift_wall_clock(std::int64_t seconds) {
    std::ofstream out{faults_file() + ".new"};
    out << fmt::format("wall {:+}\n", seconds);
    out.close();
    std::filesystem::rename(faults_file() + ".new", faults_file());
}

// ---- agents -----------------------------------------------------------------------------------

void LifeWorld::start_agent() {
    REQUIRE(life_ == nullptr);
    auto store = agent::StateStore::open({state_folder(), map_bytes, true});
    if (!store) {
        FAIL(store.error().to_string());
    }
    store_ = *std::move(store);
    agent::Life::Parts parts{
        host,
        *store_,
        *clock_,
        [this](const std::string& name) -> Result<std::shared_ptr<plugins::Datastore>> {
            if (name != "fake" || without_driver) {
                return Error{Code::unknown_datastore, "no such driver"};
            }
            return make_fake_datastore(engine);
        },
        on_point,
        [this](const std::string&) { changed(); },
        [this](std::string_view kind, const std::string&, const std::string& text,
               const std::string&) {
            const std::lock_guard lock{mutex_};
            told_.push_back(std::string{kind} + ": " + text);
        },
        [this](const Error& error) {
            const std::lock_guard lock{mutex_};
            fatal_.push_back(error.to_string());
        }};
    life_ = std::make_unique<agent::Life>(std::move(parts), settings_);
    const auto started = life_->start();
    if (!started) {
        FAIL(started.error().to_string());
    }
}

void LifeWorld::stop_agent() {
    if (life_ != nullptr) {
        life_->stop();
        life_.reset();
        store_.reset();
    }
}

void LifeWorld::kill_agent() {
    // The caller stands on the one thread that writes the journal now, so the copy is what a
    // kill at this instant leaves. What the cut-off agent still writes goes into the old folder.
    std::filesystem::copy(state_folder(), fmt::format("{}/state-{}", root_, folder_ + 1));
    host.cut_off();
    const std::lock_guard lock{mutex_};
    killed_ = true;
    ++changes_;
    turned_.notify_all();
}

bool LifeWorld::killed() const {
    const std::lock_guard lock{mutex_};
    return killed_;
}

void LifeWorld::replace_killed(const std::function<void()>& meanwhile) {
    REQUIRE(killed());
    stop_agent();
    ++folder_;
    {
        const std::lock_guard lock{mutex_};
        killed_ = false;
        fatal_.clear();
    }
    host.reset_calls();
    host.reconnect();
    if (meanwhile) {
        meanwhile();
    }
    start_agent();
}

void LifeWorld::power_cycle() {
    REQUIRE(life_ == nullptr);
    for (const auto& guard : host.guard_names()) {
        host.kill_guard(guard);
    }
    auto volume = host.volume();
    volume.mounted = false;
    host.set_volume(std::move(volume));
    (void)host.set_firewall({}, 0);
    host.reset_calls();
    clock_ =
        std::make_unique<runtime::Clock>(fmt::format("machine-boot-{}", ++boot_), faults_file());
}

// ---- requests ---------------------------------------------------------------------------------

Result<agent::Life::Submitted> LifeWorld::create(proto::InstanceSpec spec, std::string operation_id,
                                                 const std::string& clear) {
    agent::SubmitRequest request;
    request.id = std::move(operation_id);
    request.caller = "uid 0";
    return life().create(std::move(spec), passwords_of(clear), request);
}

Result<agent::Life::Submitted> LifeWorld::submit(std::string action, agent::Json arguments) {
    agent::SubmitRequest request;
    request.action = std::move(action);
    request.arguments = arguments.is_null() ? agent::Json::object() : std::move(arguments);
    request.caller = "uid 0";
    return life().submit(std::move(request));
}

proto::Operation LifeWorld::must_create(proto::InstanceSpec spec) {
    auto submitted = create(std::move(spec));
    if (!submitted) {
        FAIL(submitted.error().to_string());
    }
    auto operation = wait_ended(submitted->operation.id);
    INFO((operation.error ? operation.error->message + ": " + operation.error->cause : ""));
    REQUIRE(operation.status == "done");
    wait_watching();
    return operation;
}

proto::Operation LifeWorld::must_do(std::string action, agent::Json arguments) {
    auto submitted = submit(std::move(action), std::move(arguments));
    if (!submitted) {
        FAIL(submitted.error().to_string());
    }
    auto operation = wait_ended(submitted->operation.id);
    INFO(operation.action);
    INFO((operation.error ? operation.error->message + ": " + operation.error->cause : ""));
    REQUIRE(operation.status == "done");
    return operation;
}

// ---- waiting ----------------------------------------------------------------------------------

void LifeWorld::changed() {
    const std::lock_guard lock{mutex_};
    ++changes_;
    turned_.notify_all();
}

void LifeWorld::wait(const std::string& what, const std::function<bool()>& until) {
    const auto limit = std::chrono::steady_clock::now() + patience;
    for (;;) {
        std::uint64_t seen = 0;
        {
            const std::lock_guard lock{mutex_};
            seen = changes_;
        }
        if (until()) { // without our mutex: Life tells of changes under its own
            return;
        }
        std::unique_lock lock{mutex_};
        // Looks again by itself, too: not everything that a test waits for is told.
        turned_.wait_for(lock, std::chrono::milliseconds{20}, [&] { return changes_ != seen; });
        if (std::chrono::steady_clock::now() > limit) {
            FAIL("waited in vain for: " << what);
        }
    }
}

proto::Operation LifeWorld::wait_ended(const std::string& id) {
    wait("the end of " + id, [&] {
        const auto operation = life().operation(id);
        return killed() || (operation && ended(*operation));
    });
    return life().operation(id).value_or(proto::Operation{});
}

void LifeWorld::wait_watching() {
    wait("the end of every operation", [&] {
        const auto all = life().operations(1000);
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return ended(one); });
    });
    // One round of watching probes, then reads the volume's fill: the second probe comes after
    // both.
    const auto before = engine.said("probe");
    wait("two probes", [&] { return engine.said("probe") >= before + 2; });
}

proto::Instance LifeWorld::wait_status(const std::string& status) {
    std::optional<proto::Instance> view;
    wait("status " + status, [&] {
        view = life().instance();
        return view && view->status == status;
    });
    return *view;
}

std::vector<std::string> LifeWorld::told() const {
    const std::lock_guard lock{mutex_};
    return told_;
}

std::vector<std::string> LifeWorld::fatal_errors() const {
    const std::lock_guard lock{mutex_};
    return fatal_;
}

} // namespace jackdaw::testing
