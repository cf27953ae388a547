#pragma once
// The steps that operations are made of. Each is idempotent: it looks before it does, so that
// running it again after a `kill -9` anywhere inside ends in the same state. Plain blocking code on
// the life thread.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/operations.h"
#include "agent/host/host.h"
#include "agent/life/instance_state.h"
#include "plugins/api/datastore.h"
#include "proto/runtime/clock.h"

namespace jackdaw::agent {

/// Asks what runs to end early: an eventfd for poll(2) and a flag for drivers, raised together.
class StopSignal {
public:
    StopSignal();
    void raise() noexcept;
    void clear() noexcept;
    [[nodiscard]] bool raised() const noexcept { return flag_.load(); }
    [[nodiscard]] int fd() const noexcept { return event_.get(); }
    [[nodiscard]] const std::atomic<bool>& flag() const noexcept { return flag_; }

private:
    UniqueFd event_;
    std::atomic<bool> flag_{false};
};

/// What std::timed_mutex is, in parts that g++ 12's thread sanitizer follows: it does not know of
/// pthread_mutex_clocklock(3), by which the standard one waits. Thread-safe; not recursive.
class TimedMutex {
public:
    void lock() {
        std::unique_lock held{mutex_};
        free_.wait(held, [this] { return !locked_; });
        locked_ = true;
    }
    [[nodiscard]] bool try_lock_for(std::chrono::milliseconds limit) {
        std::unique_lock held{mutex_};
        if (!free_.wait_for(held, limit, [this] { return !locked_; })) {
            return false;
        }
        locked_ = true;
        return true;
    }
    void unlock() {
        const std::lock_guard held{mutex_};
        locked_ = false;
        free_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable free_;
    bool locked_ = false;
};

/// The loaded driver and where its instance lives. Speech verbs are taken one at a time, by lock().
struct DriverSlot {
    std::shared_ptr<plugins::Datastore> driver; ///< null until there is a spec
    plugins::Place place;
    TimedMutex speech;
};

/// The database's process as this agent holds it; null link: none known.
struct DatabaseProcess {
    std::unique_ptr<GuardLink> link;
    GuardStatus status;
    std::string since; ///< RFC 3339
    bool answers = false;
    std::string detail;
    bool volume_full = false;
};

struct StepContext {
    Host& host;
    InstanceState& state;
    DriverSlot& slot;
    DatabaseProcess& database;
    StopSignal& stop;
    const runtime::Clock& clock;
    const Record* record; ///< stays valid during the step
    /// Journals an argument of the operation; durable when it returns.
    std::function<Result<void>(const std::string& key, Json value)> set_argument;
    std::function<void(double)> progress;
    /// Something that the caller should know although the step is done; journalled with its end.
    std::function<void(std::string)> warn;
    /// Into the timeline; `kind` as in agent/timeline.h.
    std::function<void(std::string_view kind, std::string text)> tell;
    /// Loads the driver for the spec and fills the slot.
    std::function<Result<void>()> need_driver;
    std::int64_t engine_us = 0; ///< adds up what the engine's own processes took

    [[nodiscard]] const Json& arguments() const { return record->arguments; }
    [[nodiscard]] proto::InstanceSpec spec() const { return *state.spec(); }
    [[nodiscard]] plugins::Call call(std::chrono::milliseconds limit) const;
    /// The name of this operation's job guard: the same for every agent that resumes it.
    [[nodiscard]] std::string job_guard() const;
};

/// One helper program of a step.
struct JobRun {
    std::function<Result<std::unique_ptr<GuardLink>>()> spawn;
    /// Makes the place as the job wants to find it (wipes what a cut-off one left); run before each
    /// spawn. May be empty.
    std::function<Result<void>()> prepare;
    std::chrono::milliseconds limit{600'000};
    bool engine = false; ///< its time counts as the engine's own
};
struct JobEnd {
    int exit_status = 0;
    std::string output; ///< the last 32 KiB
};

/// Runs a job under the guard named after the operation. What an earlier agent started for the same
/// step is taken over when it has ended with 0; otherwise it is killed, its outcome being unknown,
/// and the work is done again. A job that exits with another status is an E-JOB-FAILED with the
/// lines of its output that complain, unless `any_status`. Cancelled or out of time: the job is
/// killed first, so nothing of it runs on.
Result<JobEnd> run_job(StepContext& context, std::string_view step, const JobRun& run,
                       bool any_status = false);
/// Kills the job that an earlier agent started for this operation, if one is left; asks nobody
/// where none was ever begun. What undoes a step comes after it: a job writes until its end.
/// `deadline` when it will not end, and what connect_guard() says: nothing may be undone then.
Result<void> end_job(StepContext& context);
/// Ends the database by its own stop budget (`kill`: at once) and waits; no process of it is left
/// after ok. One that has never answered since its start is killed after half a minute.
Result<void> stop_database(StepContext& context, StopKind kind);
/// The database answers: from now on it is given the time that it needs to shut down. Durable,
/// since the next agent cannot know.
Result<void> note_answer(InstanceState& state, const DatabaseProcess& database);
/// "status 1", "signal 11"; of a SIGKILL, which is never the agent's own, with the machine's memory
/// where that is known (not 0): "signal 9, as when memory ends (the machine has 1.0 GiB)".
std::string how_it_ended(const GuardStatus& status, std::uint64_t memory_bytes);
/// What mends that: less for the engine to take, or more to take.
std::string mend_of_short_memory(const std::string& instance);
/// The hint of an operation that it stopped.
std::string mend_of_kill(const StepContext& context);
/// The last lines of a program's output, bounded, printable, in one line: "first | second".
std::string tail_of(std::string_view output, std::size_t lines_max = 8);
/// Of a program that failed: the last lines in which `driver` sees a complaint; the last lines when
/// there is none, or no driver (null).
std::string complaint_of(std::string_view output, const plugins::Datastore* driver);
/// A tool that is a shell script ends with a status of its own when what it runs is killed, and its
/// shell says so in a line: "Killed" (dash), "NAME: line N: PID Killed COMMAND" (bash).
bool tells_of_a_kill(std::string_view output);

using StepFunction = Result<void> (*)(StepContext&);

struct StepPlan {
    std::string_view name;
    StepFunction run;
    StepFunction undo; ///< leaves what was before the step; never null
    /// What it does ends with the machine (mounts, /run, firewall): an operation that a boot cut
    /// off does it again before it goes on.
    bool each_boot = false;
};

constexpr bool each_boot = true;

/// Argument of an instance.resume that has ended a maintenance; one without warns its caller that
/// there was none, and tells the timeline nothing.
inline constexpr const char* was_paused = "was_paused";

/// The steps of an action, in order; null for an unknown one. The one list: tests take it from
/// here.
const std::vector<StepPlan>* plan_of(std::string_view action);
std::vector<std::string_view> all_actions();

// The steps by their subject; plan.cpp puts them in order.
namespace steps {
/// E-DATABASE-DOWN, with the command that starts it, when nobody wants the database to run.
Result<void> need_running(const InstanceState& state);
/// E-PROTECTED, when the spec that is there says so.
Result<void> need_unprotected(const InstanceState& state);
Result<void> nothing(StepContext&);
Result<void> find_volume(StepContext&);
Result<void> format_volume(StepContext&);
Result<void> mount_volume(StepContext&);
/// For an undo: whether the file system that this create made can be read; a boot may have
/// unmounted it. False when there is none, or it was refused as somebody else's.
Result<bool> reach_own_volume(StepContext&);
Result<void> unmount_volume(StepContext&);
Result<void> stamp_volume(StepContext&);
Result<void> erase_stamp(StepContext&);
Result<void> release_stamp(StepContext&);
Result<void> restore_stamp(StepContext&);
Result<void> rescan_volume(StepContext&);
Result<void> grow_filesystem(StepContext&);
Result<void> cannot_shrink(StepContext&);
Result<void> record_size(StepContext&);
Result<void> prepare_folders(StepContext&);
Result<void> check_datastore(StepContext&);
Result<void> render_config(StepContext&);
Result<void> initialise_data(StepContext&);
Result<void> discard_data(StepContext&);
Result<void> seal_data(StepContext&);
Result<void> allow_network(StepContext&);
Result<void> start_database(StepContext&);
Result<void> stop_database(StepContext&);
Result<void> undo_start_database(StepContext&);
Result<void> undo_stop_database(StepContext&);
Result<void> secure_database(StepContext&);
Result<void> create_databases(StepContext&);
Result<void> create_users(StepContext&);
Result<void> probe_health(StepContext&);
Result<void> forget_instance(StepContext&);
/// The undo of a delete's last step: `conflict` when there is no instance any more.
Result<void> unless_forgotten(StepContext&);
Result<void> set_protect(StepContext&);
Result<void> rename_instance(StepContext&);
Result<void> repair_access(StepContext&);
Result<void> undo_rename_instance(StepContext&);
Result<void> create_database(StepContext&);
Result<void> undo_create_database(StepContext&);
Result<void> drop_database(StepContext&);
Result<void> create_user(StepContext&);
Result<void> undo_create_user(StepContext&);
Result<void> drop_user(StepContext&);
Result<void> set_password(StepContext&);
Result<void> cannot_bring_back(StepContext&);
/// The same of a step that marks as `begun` what it is about to do (facet_speech.h, mark_begun()):
/// one that was refused or cut off before has nothing to bring back.
Result<void> unless_begun(StepContext&);
Result<void> grant_user(StepContext&);
Result<void> undo_grant_user(StepContext&);
Result<void> revoke_user(StepContext&);
Result<void> undo_revoke_user(StepContext&);
Result<void> update_user(StepContext&);
Result<void> undo_update_user(StepContext&);
Result<void> enable_root(StepContext&);
Result<void> undo_enable_root(StepContext&);
Result<void> disable_root(StepContext&);
Result<void> kill_session(StepContext&);
Result<void> check_parameters(StepContext&);
Result<void> render_parameters(StepContext&);
Result<void> undo_render_parameters(StepContext&);
Result<void> keep_parameters(StepContext&);
Result<void> undo_keep_parameters(StepContext&);
Result<void> apply_parameters(StepContext&);
Result<void> undo_apply_parameters(StepContext&);
Result<void> begin_maintenance(StepContext&);
Result<void> end_maintenance(StepContext&);
} // namespace steps

} // namespace jackdaw::agent
