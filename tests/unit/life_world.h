#pragma once
// A whole agent's life without a machine: Life over FakeHost, a datastore in memory, and a state
// folder of the test's own. Agents come and go; host, engine and folder stay.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/host/fake_host.h"
#include "agent/life/life.h"
#include "plugins/api/datastore.h"
#include "proto/runtime/clock.h"

namespace jackdaw::testing {

inline constexpr const char* clear_password = "correct-horse-7";
inline constexpr const char* other_password = "battery-staple-9";

/// What the database process knows; lost when its data folder is emptied, deaf when it does not
/// run. Shared by the driver objects of all agents. Thread-safe.
class FakeEngine {
public:
    explicit FakeEngine(agent::FakeHost& host) : host_{host} {}

    /// `unavailable` while no database runs or the agent is cut off; then `what` is held, if the
    /// test asked for that, until it is let go (`cancelled` or `deadline` like any speech).
    Result<void> speak(const plugins::Call& call, const std::string& what,
                       const std::function<Result<void>()>& effect = {});

    void hold(const std::string& what);
    void wait_held(); ///< until somebody stands at what is held
    void let_go();
    /// The next `times` speeches of this name answer `code`, before their effect.
    void fail(const std::string& what, std::uint32_t times, Errc code = Errc::unavailable);
    /// From now on its driver has parameters, whole numbers from 1 to 64: `cache` (8 unless set),
    /// which a running database takes at once, and `threads` (4), which waits for a start and is
    /// not above `cache`. Only while no agent lives.
    void give_parameters() { has_parameters_ = true; }
    [[nodiscard]] bool has_parameters() const { return has_parameters_; }
    /// What the database that runs, or ran last, has of them.
    [[nodiscard]] std::map<std::string, std::string> values();

    /// From now on its driver has sessions: 1, the agent's own, and 7 of 'app'.
    void give_sessions() { has_sessions_ = true; }
    [[nodiscard]] bool has_sessions() const { return has_sessions_; }

    /// How often that was said, whatever came of it.
    [[nodiscard]] std::uint64_t said(const std::string& what);
    [[nodiscard]] std::vector<std::string> databases();
    [[nodiscard]] std::map<std::string, proto::UserSpec> users(); ///< by NAME@HOST
    [[nodiscard]] bool secured();
    /// What its driver renders from now on, beside the instance's id. Only while no agent lives.
    void set_rendered(std::string line) { rendered_ = std::move(line); }
    [[nodiscard]] const std::string& rendered() const { return rendered_; }
    /// What its driver tells from now on of accounts and limits; a repair ends what is wrong with
    /// the account, if it `mends`.
    void set_examination(plugins::Examination seen, bool mends = true);
    void set_shut_out(plugins::ShutOut shut_out);
    [[nodiscard]] plugins::Examination examination();
    [[nodiscard]] plugins::ShutOut shut_out();
    void repaired(bool again); ///< inside speak()'s effect

    // The driver's, inside speak()'s effect.
    std::map<std::string, proto::DatabaseSpec> databases_;
    std::map<std::string, proto::UserSpec> users_;
    bool secured_ = false;
    std::map<std::string, std::string> values_;

private:
    void forget_lost_data();
    void read_configuration(); ///< as a start does, after one

    agent::FakeHost& host_;
    std::mutex mutex_;
    std::condition_variable turned_;
    std::uint64_t generation_ = 0;
    std::string held_;
    bool stands_ = false;
    std::string failing_;
    std::uint32_t fails_ = 0;
    Errc failure_ = Errc::unavailable;
    bool has_parameters_ = false;
    std::atomic<bool> has_sessions_ = false;
    std::uint32_t starts_read_ = 0;
    std::map<std::string, std::uint64_t> said_;
    bool speaking_ = false;
    std::string rendered_;
    std::mutex seen_mutex_; ///< of the three below
    plugins::Examination examination_;
    bool mends_ = true;
    plugins::ShutOut shut_out_ = plugins::ShutOut::no;
};

/// The driver of one agent. Named "fake", with the jobs that FakeHost has scripts for.
[[nodiscard]] std::shared_ptr<plugins::Datastore> make_fake_datastore(FakeEngine& engine);

[[nodiscard]] agent::MachineFile test_machine();
[[nodiscard]] proto::InstanceSpec test_spec();
[[nodiscard]] std::vector<Secret> passwords_of(const std::string& clear);

class LifeWorld {
public:
    explicit LifeWorld(agent::LifeSettings settings = quick());
    ~LifeWorld();
    LifeWorld(const LifeWorld&) = delete;
    LifeWorld& operator=(const LifeWorld&) = delete;

    /// Probes and restarts at once; the volume's fill is not read unless a test wants it.
    [[nodiscard]] static agent::LifeSettings quick();

    void start_agent();
    void stop_agent();
    /// For a fault of FakeHost: what a kill -9 here leaves. The state folder is copied as it stands
    /// and the agent is cut off; then replace_killed().
    void kill_agent();
    [[nodiscard]] bool killed() const;
    /// Drops the killed agent and starts another on what it left. `meanwhile` runs between.
    void replace_killed(const std::function<void()>& meanwhile = {});

    [[nodiscard]] agent::Life& life() { return *life_; }
    [[nodiscard]] Result<agent::Life::Submitted> create(proto::InstanceSpec spec = test_spec(),
                                                        std::string operation_id = {},
                                                        const std::string& clear = clear_password);
    [[nodiscard]] Result<agent::Life::Submitted> submit(std::string action,
                                                        agent::Json arguments = {});
    /// Create, and the instance runs; the life has gone over to watching it.
    proto::Operation must_create(proto::InstanceSpec spec = test_spec());
    /// Submit, and it ends `done`.
    proto::Operation must_do(std::string action, agent::Json arguments = {});

    /// Wakes at every change that Life tells; fails the test after 60 s.
    void wait(const std::string& what, const std::function<bool()>& until);
    /// Ended or killed; the shape as it stands then.
    proto::Operation wait_ended(const std::string& id);
    /// All operations have ended and the database that runs has been probed since: from here on
    /// the life asks nothing of the host by itself.
    void wait_watching();
    proto::Instance wait_status(const std::string& status);

    [[nodiscard]] std::vector<std::string> fatal_errors() const;
    /// What went into the timeline: "kind: text".
    [[nodiscard]] std::vector<std::string> told() const;
    [[nodiscard]] std::string state_folder() const;
    [[nodiscard]] std::string faults_file() const { return root_ + "/faults"; }
    void shift_wall_clock(std::int64_t seconds); ///< 0: as it is
    /// For `meanwhile`: the machine went off and on. Mounts, processes and firewall rules are gone.
    void power_cycle();
    bool without_driver = false; ///< the plug-in folder is empty; only while no agent lives
    /// Called on the life thread at each point; set it before start_agent().
    agent::FaultPoint on_point;

    agent::FakeHost host{test_machine()};
    FakeEngine engine{host};

private:
    void changed();

    agent::LifeSettings settings_;
    std::string root_;
    std::uint32_t boot_ = 1;
    std::uint32_t folder_ = 0; ///< number of the present agent's state folder
    std::unique_ptr<runtime::Clock> clock_;
    std::unique_ptr<agent::StateStore> store_;
    std::unique_ptr<agent::Life> life_;

    mutable std::mutex mutex_;
    std::condition_variable turned_;
    std::uint64_t changes_ = 0;
    bool killed_ = false;
    std::vector<std::string> fatal_;
    std::vector<std::string> told_;
};

[[nodiscard]] bool ended(const proto::Operation& operation);

} // namespace jackdaw::testing
