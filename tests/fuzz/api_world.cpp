#include "tests/fuzz/api_world.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "tests/fuzz/require.h"

namespace jackdaw::fuzz {
namespace {

constexpr std::size_t map_bytes = std::size_t{2} << 20;
/// Below the 64 waiting operations beyond which nothing is taken, so that this, too, is met.
constexpr std::size_t operations_max = 70;
constexpr const char* instance_id = "018f3c1e-0000-7000-8000-000000000001";

agent::MachineFile machine() {
    agent::MachineFile file;
    file.instance_id = instance_id;
    file.instance_name = "db1";
    file.fleet = "lab";
    file.volume_serial = "vol-0001";
    file.address = "10.9.0.2";
    file.database_uid = file.database_gid = 47413;
    return file;
}

proto::InstanceSpec instance() {
    proto::InstanceSpec spec;
    spec.name = "db1";
    spec.id = instance_id;
    spec.fleet = "lab";
    spec.datastore = "fake";
    spec.volume_size_bytes = std::uint64_t{1} << 30;
    spec.volume_serial = "vol-0001";
    spec.address = "10.9.0.2";
    spec.databases.push_back({"app", "", ""});
    return spec;
}

} // namespace

ApiWorld::ApiWorld() : clock_{"machine-boot-1", ""}, host_{machine()} {
    spdlog::set_level(spdlog::level::off);
    // libcrypto must clean up after the threads of pools that are made later, so it comes first.
    require(
        make_api_datastore()->users()->make_verifier(Secret{std::string{"password"}}).has_value());
    const bool has_memory = ::access("/dev/shm", W_OK) == 0;
    std::string made = has_memory ? "/dev/shm/jackdaw-fuzz-XXXXXX" : "/tmp/jackdaw-fuzz-XXXXXX";
    require(::mkdtemp(made.data()) != nullptr);
    root_ = made;
    start(root_ + "/made");
    make_instance();
    host_.append_log(agent::LogOwner::guard, "database", "one line\nanother \x1b[31m line\n");
    timeline_->add("agent.started", "db1", "made");
    timeline_->flush();
    stop();
    reset_if_full();
}

ApiWorld::~ApiWorld() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
}

void ApiWorld::start(const std::string& folder) {
    std::filesystem::create_directories(folder);
    auto store = agent::StateStore::open({folder, map_bytes, true});
    require(static_cast<bool>(store));
    store_ = *std::move(store);
    timeline_ = std::make_unique<agent::Timeline>(agent::Timeline::Parts{
        *store_, clock_, [](const std::function<void()>& work) { work(); }, [] {}});
    require(static_cast<bool>(timeline_->load()));
    agent::LifeSettings settings;
    settings.probe_period = std::chrono::milliseconds{20};
    settings.agent_version = "0.0.1-fuzz";
    agent::Life::Parts parts{
        host_,
        *store_,
        clock_,
        [](const std::string& name) -> Result<std::shared_ptr<plugins::Datastore>> {
            if (name != "fake") {
                return Error{Code::unknown_datastore, "no such driver"};
            }
            return make_api_datastore();
        },
        {},
        [](const std::string&) {},
        {},
        [](const Error&) { require(false); }};
    life_ = std::make_unique<agent::Life>(std::move(parts), settings);
    require(static_cast<bool>(life_->start()));
    fleet_.all.clear();
    fleet_.running.clear();
    fleet_.add("db1", "00000000000000a1");
    fleet_.add_instance("db1", "");
    router_ = std::make_unique<agent::Router>(
        agent::Router::Parts{*life_, clock_, fleet_, "0.0.1-fuzz", timeline_.get(), &host_});
}

void ApiWorld::make_instance() {
    const auto submitted = life_->create(instance(), {}, {});
    require(static_cast<bool>(submitted));
    made_id_ = submitted->operation.id;
    for (;;) {
        const auto shape = life_->operation(made_id_);
        const auto view = life_->instance();
        require(shape && shape->status != "failed");
        if (shape->status == "done" && view && view->status == "running") {
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

void ApiWorld::stop() {
    router_.reset();
    if (life_ != nullptr) {
        life_->stop();
    }
    life_.reset();
    timeline_.reset();
    store_.reset();
}

void ApiWorld::reset_if_full() {
    if (life_ != nullptr && life_->instance() && operations() < operations_max) {
        return;
    }
    stop();
    const auto fresh = root_ + "/now";
    std::filesystem::remove_all(fresh);
    std::filesystem::copy(root_ + "/made", fresh);
    host_.reset_calls();
    start(fresh);
    life_->stop(); // its thread: what is asked for waits, and nothing moves by itself
}

} // namespace jackdaw::fuzz
