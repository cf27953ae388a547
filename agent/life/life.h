#pragma once
// The life of the one instance: a thread that runs operations step by step, adopts the database at
// start, watches it, and starts it again when it has ended.
//
//   submit / abort / resume / query ──►  Life  ──► Host (root's verbs), guards, driver
//              (any thread)               │  ▲
//                                         ▼  └── probe each second, guard events
//                        journal first, then the step; views for the sockets; on_change
//
// One thread of its own, because what it does blocks: helper programs, the engine's protocol,
// commits. Public methods may be called from any thread; they take a short lock and may wait for
// one commit.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/core/concerns.h"
#include "agent/core/operations.h"
#include "agent/core/supervisor.h"
#include "agent/host/host.h"
#include "agent/life/instance_state.h"
#include "agent/life/steps.h"
#include "agent/state/store.h"
#include "plugins/api/datastore.h"
#include "proto/runtime/clock.h"

namespace jackdaw::agent {

/// Where drivers come from: the plug-in folder, or a test.
using DriverSource =
    std::function<Result<std::shared_ptr<plugins::Datastore>>(const std::string& name)>;

/// Called at points that the kill tests aim at: ("instance.create", "volume.mount", "begin" |
/// "effect" | "done"), and when a step is taken back "undo" | "undo-effect" | "undo-done".
using FaultPoint =
    std::function<void(std::string_view action, std::string_view step, std::string_view point)>;

struct LifeSettings {
    std::chrono::milliseconds probe_period{1000};
    std::chrono::milliseconds probe_limit{900};
    std::chrono::milliseconds examine_period{5'000}; ///< how often the server is questioned
    /// Before the second repair of the agent's account in a row; the others wait twice as long
    /// each.
    std::chrono::milliseconds repair_pause{10'000};
    std::chrono::milliseconds usage_period{10'000};    ///< how often the volume's fill is read
    std::chrono::milliseconds adoption_period{10'000}; ///< between tries to reach a silent guard
    std::chrono::seconds operation_limit{1800};
    /// Whose files are memory, where they are file systems of that kind (tmpfs(5)).
    std::vector<std::string> memory_folders{};
    bool renew_firewall = false; ///< at start: its rules may be from before a setting was changed
    std::string agent_version;
    SupervisorConfig supervisor;
};

struct SubmitRequest {
    std::string id; ///< UUIDv7 from the caller, or empty
    std::string action;
    std::string target;
    Json arguments = Json::object();
    std::string idempotency_key;
    std::string request_mac; ///< see Record; empty without a key
    std::string caller;
    std::string cause = "request";
};

class Life {
public:
    struct Parts {
        Host& host;
        StateStore& store;
        const runtime::Clock& clock;
        DriverSource drivers;
        FaultPoint fault_point; ///< may be empty
        /// Runs after the views have changed, on the life thread or on a submitter's, under the
        /// core's lock: it must not block nor call Life. Operation id, or empty for the instance.
        std::function<void(const std::string& operation)> on_change;
        /// Into the timeline (agent/timeline.h); does not wait. May be empty.
        std::function<void(std::string_view kind, std::string subject, std::string text,
                           std::string operation)>
            tell;
        /// The store is gone for good: the program must end and be started again.
        std::function<void(const Error&)> on_fatal;
    };

    Life(Parts parts, LifeSettings settings);
    ~Life();
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;

    /// Reads the journal and adopts what runs; then the thread goes on by itself.
    [[nodiscard]] Result<void> start();
    /// Ends the thread at the next border; a step that is cut off is resumed by the next agent. The
    /// database goes on.
    void stop();

    /// Creates the instance: checks the spec as a whole, makes it durable, submits. The same spec
    /// again answers with the operation that made it (`no_op` true), and needs no passwords;
    /// another one is E-NAME-TAKEN.
    struct Submitted {
        proto::Operation operation;
        bool no_op = false;
    };
    [[nodiscard]] Result<Submitted> create(proto::InstanceSpec spec, std::vector<Secret> passwords,
                                           const SubmitRequest& request);
    [[nodiscard]] Result<Submitted> submit(SubmitRequest request);
    /// What submit() would answer to a request that was made before, however the instance is by
    /// now; nullopt: no request had this key, or it was another one (submit() says so).
    [[nodiscard]] std::optional<Submitted> submitted_before(const std::string& idempotency_key,
                                                            const std::string& request_mac) const;
    /// Both: `conflict` for one that has failed and was overtaken since (agent/life/overtaken.h).
    [[nodiscard]] Result<proto::Operation> abort(const std::string& id);
    [[nodiscard]] Result<proto::Operation> resume(const std::string& id);

    /// Speaks to the engine between the life thread's own words. `busy` when it is not to be had
    /// within 5 s; E-DATABASE-DOWN when nothing runs. Both are over at `deadline`.
    using Deadline = std::chrono::steady_clock::time_point;
    [[nodiscard]] Result<Json>
    query(const std::function<Result<Json>(plugins::Datastore&, const plugins::Call&)>& say,
          Deadline deadline = Deadline::max());
    /// The same, with where the instance lives and its own parameters.
    [[nodiscard]] Result<Json>
    query_place(const std::function<Result<Json>(plugins::Datastore&, const plugins::Call&,
                                                 const plugins::Place&)>& say,
                Deadline deadline = Deadline::max());
    /// Without speech, so also while nothing runs: for checks and what a record tells. `busy`,
    /// `not_found` as above.
    [[nodiscard]] Result<Json>
    with_place(const std::function<Result<Json>(plugins::Datastore&, const plugins::Place&)>& say,
               Deadline deadline = Deadline::max());
    /// The parameters as the server listed them at its last start, `current` among it, with what
    /// the spec sets now. Only the spec's own where no list was kept.
    [[nodiscard]] Result<std::vector<proto::Parameter>> recorded_parameters() const;
    /// "standard", "superuser" or "off", as the last operation that ended well made it; empty
    /// when the journal does not reach back so far.
    [[nodiscard]] std::string recorded_root_level() const;
    /// The driver without speech: for checks. `not_found` before there is an instance.
    [[nodiscard]] Result<std::shared_ptr<plugins::Datastore>>
    driver(Deadline deadline = Deadline::max());

    /// As it was last published; waits for nobody.
    [[nodiscard]] std::optional<proto::Instance> instance() const;
    [[nodiscard]] std::shared_ptr<const proto::InstanceSpec> spec() const; ///< null: none
    /// There was an instance, a delete has forgotten it, and no create came since. As last
    /// published, likewise: the loop asks.
    [[nodiscard]] bool deleted() const;
    [[nodiscard]] std::optional<proto::Operation> operation(const std::string& id) const;
    /// Newest first, at most `limit`; of these actions alone, if there are any.
    [[nodiscard]] std::vector<proto::Operation>
    operations(std::size_t limit, const std::vector<std::string_view>& actions = {}) const;

private:
    void run();
    [[nodiscard]] Result<void> adopt();
    /// Ok, too, when its guard lives and takes no connection: watch() tries again.
    [[nodiscard]] Result<void> adopt_database();
    void end_stray_jobs();
    /// Runs or undoes one step; false when there was nothing to do.
    bool work();
    void run_step(const Operations::Next& next);
    void watch();
    /// The caller has core_mutex_. A stop or a delete came in since the last look: it goes first.
    [[nodiscard]] bool is_to_end() const;
    /// Maintenance: nothing is started by itself. Ends it when its time is over.
    bool hands_off();
    void probe();
    void read_usage();
    /// What the probe and, now and then, an examination tell of the agent's way in and of limits.
    /// `seen` null: it did not answer, or is stopped.
    void weigh(const plugins::Observation* seen);
    /// A failure is kept in filter_stale_: it is a warning, and tried again as the usage is read.
    void renew_firewall();
    [[nodiscard]] std::optional<Figures::Inside> examine();
    void tell_all(const std::vector<Concerns::Change>& changes) const;
    /// A repair over the session that is still open, as an operation, with a growing pause.
    void repair_by_itself(const Figures& figures);
    /// Turns over the engine's logs that have become too large.
    void turn_logs();
    void database_ended(std::string_view how); ///< with what, in words
    /// After a start: what recorded_parameters() tells when it does not run.
    void keep_parameter_list();
    void wait_for_events();
    [[nodiscard]] Result<void> journal();
    /// The store is full: old operations go. False: none of them could.
    [[nodiscard]] bool make_room(const std::vector<Change>& wanted);
    [[nodiscard]] Result<void> load_driver();
    void publish();
    /// The caller has core_mutex_. True: it changed, and on_change({}) is due.
    bool refresh_view();
    /// The caller has core_mutex_.
    [[nodiscard]] bool was_deleted() const;
    [[nodiscard]] proto::Instance compose() const;
    [[nodiscard]] Now now() const;
    [[nodiscard]] std::string new_id() const;
    [[nodiscard]] proto::Operation shape(const std::string& id) const;
    [[nodiscard]] Result<std::string> submit_locked(SubmitRequest request);
    /// The caller has core_mutex_. `conflict`, with the operation that came since.
    [[nodiscard]] Result<void> check_not_overtaken(const Record& failed, bool undo) const;
    /// Why nothing is known of the engine: there is no instance, or not yet, or no driver for it.
    [[nodiscard]] Error no_driver() const;
    /// A database that does not let itself be asked, in the words of the instance's own status.
    [[nodiscard]] Error not_adopted(Error error) const;
    void wake() noexcept;
    void fault(std::string_view action, std::string_view step, std::string_view point) const;
    void tell(std::string_view kind, std::string text, const std::string& operation = {}) const;
    void tell_end(const Record& record) const;
    void tell_usage(std::uint64_t used_bytes, std::uint64_t size_bytes);

    Parts parts_;
    LifeSettings settings_;
    MachineFile machine_; ///< read once by start(): the host has one caller at a time

    mutable std::mutex core_mutex_; ///< operations_, state_; never held while a step runs
    Operations operations_;
    std::set<std::string> open_;              ///< operations whose end is still to be told
    std::set<std::string> from_earlier_boot_; ///< not ended well, nor yet gone on with in this one
    InstanceState state_;
    /// Replaced as a whole, under core_mutex_ and view_mutex_: who only reads waits for no commit.
    std::shared_ptr<const proto::Instance> view_;
    std::atomic<bool> deleted_{false};
    mutable std::mutex view_mutex_; ///< held for the copy of a pointer

    // The life thread's own.
    DriverSlot slot_;
    DatabaseProcess database_;
    Supervisor supervisor_;
    StopSignal stop_;
    std::string agent_since_;
    std::uint64_t volume_size_ = 0, volume_used_ = 0;
    bool volume_full_ = false;
    bool silent_told_ = false;      ///< that it does not answer
    unsigned pressure_percent_ = 0; ///< the highest mark that the volume's fill has passed
    Concerns concerns_;
    Instant next_examination_{};
    Instant next_repair_{};
    std::chrono::milliseconds repair_pause_{0}; ///< 0: none was tried of late
    Instant next_probe_{};
    Instant next_usage_{};
    Instant next_adoption_{};  ///< while the database's guard is silent
    std::string guard_silent_; ///< why; empty: it is not, or there is none
    std::string filter_stale_; ///< why the packet filter could not be renewed; empty: it was
    Instant next_renewal_{};
    std::uint32_t probes_failed_ = 0;
    std::optional<proto::ErrorShape> last_failure_; ///< why nothing runs although it should
    std::atomic<bool> forgiven_{false}; ///< somebody asked for a start: a crash loop is over

    UniqueFd wake_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

} // namespace jackdaw::agent
