#pragma once
// A machine in memory, for tests: it outlives the agents that talk to it. A new agent is a new
// caller of the same object; the old one's links are dropped, its guards live on.
//
// What an agent must never do is not merely refused but kept as a sentence in violations(): a
// database on a half-made data folder, two databases at once, a format over somebody's bytes. A
// test ends with CHECK(host.violations().empty()).
//
// Faults are aimed by the number of a call, 1 being the next one after reset_calls():
//   host.fail_at(7, Error{…})      the 7th call has no effect and answers that
//   host.before(7, fn), after(7, fn)   fn runs around the effect, with no lock held
//   host.cut_off()                 from now on nobody is answered and nothing happens: what the
//                                  agent does after its kill -9; reconnect() is for the next agent
//
// Thread-safe: one mutex, never held while fn runs. Beside the verbs of Host, what a link is asked
// (wait_end, request_stop, output, release) counts as a call; status() does not, being polled.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host/host.h"

namespace jackdaw::agent {

/// What a job does when its end is waited for.
struct JobScript {
    int exit_status = 0;
    std::string output;
    bool hangs = false;      ///< until it is killed
    bool guard_dies = false; ///< `unavailable`; what it did stays half done
    bool fills_data = false; ///< initialises the data folder, complete only at a good end
};

enum class DataFolder : std::uint8_t { absent, empty, half_made, complete };

class FakeHost final : public Host {
public:
    /// The volume as a test wants to find or see it.
    struct Volume {
        std::uint64_t size_bytes = std::uint64_t{1} << 30;
        bool attached = true;
        bool blank = true;
        std::string filesystem, uuid;
        bool half_formatted = false; ///< a mkfs was cut off: it carries its uuid, nothing else
        bool mounted = false;
        std::uint64_t filesystem_bytes = 0, used_bytes = 0;
        std::optional<VolumeStamp> stamp;
        DataFolder data = DataFolder::absent;
        std::uint64_t data_generation = 0; ///< grows when the data folder is emptied
    };

    explicit FakeHost(MachineFile machine);
    ~FakeHost() override;
    FakeHost(const FakeHost&) = delete;
    FakeHost& operator=(const FakeHost&) = delete;

    // ---- for the test: the machine ----
    [[nodiscard]] Volume volume() const;
    void set_volume(Volume volume);
    void set_fleet_file(FleetFile which, std::string content);
    /// By the job's name; without a script a job ends with 0 and says nothing. The jobs of
    /// plugins/fake have theirs from the start.
    void set_job(const std::string& name, JobScript script);
    /// Every job that runs comes to its scripted end, while nobody looks.
    void finish_jobs();
    /// The database ends by itself.
    void end_database(std::optional<int> exit_status, int signal = 0);
    /// The guard dies and what it guards with it.
    void kill_guard(const std::string& guard);
    /// New databases end at once with this status until it is cleared by nullopt.
    void set_database_refuses(std::optional<int> exit_status);
    /// New databases end at once while their configuration holds this word; empty: none does.
    void set_database_refuses_word(std::string word);
    /// What new databases print at their start.
    void set_database_says(std::string output);
    [[nodiscard]] bool database_running() const;
    [[nodiscard]] std::int64_t database_pid() const; ///< 0: none
    [[nodiscard]] std::uint32_t databases_started() const;
    [[nodiscard]] std::map<std::string, std::string> config() const;
    [[nodiscard]] std::vector<std::string> allowed() const; ///< of the last set_firewall
    [[nodiscard]] std::vector<std::string> guard_names() const;
    [[nodiscard]] std::vector<std::string> violations() const;
    void add_violation(std::string sentence);
    /// What the engine or the guard writes, behind what is there.
    void append_log(LogOwner owner, const std::string& name, std::string_view text);
    /// Something that is no log stands there: open and rotate refuse with that ("a FIFO").
    void set_log_hostile(const std::string& name, std::string kind);

    // ---- for the test: calls and faults ----
    void reset_calls(); ///< forgets counts, names and faults
    [[nodiscard]] std::size_t calls() const;
    [[nodiscard]] std::vector<std::string> call_names() const;
    void fail_at(std::size_t call, Error error);
    void fail_next(std::string name, Error error); ///< the next call of that name
    void before(std::size_t call, std::function<void()> fn);
    void after(std::size_t call, std::function<void()> fn);
    void cut_off();
    void end_host(); ///< cut off, and it is known: has_ended()
    void reconnect();
    [[nodiscard]] bool is_cut_off() const;

    // ---- Host ----
    Result<MachineFile> machine_file() override;
    Result<std::optional<std::string>> read_fleet_file(FleetFile which) override;
    Result<plugins::MachineFacts> facts() override;
    Result<void> set_firewall(const std::vector<std::string>& allow, std::uint16_t port) override;
    Result<VolumeInfo> inspect_volume(const std::string& serial) override;
    Result<std::unique_ptr<GuardLink>> spawn_mkfs(const std::string& guard,
                                                  const Mkfs& mkfs) override;
    Result<void> mount_volume(const std::string& serial, const std::string& uuid) override;
    Result<void> unmount_volume(const std::string& serial) override;
    Result<std::unique_ptr<GuardLink>> spawn_grow(const std::string& guard,
                                                  const std::string& serial) override;
    Result<std::optional<VolumeStamp>> read_stamp() override;
    Result<void> write_stamp(const VolumeStamp& stamp, const std::string& take_over_id) override;
    Result<void> erase_stamp() override;
    Result<void> prepare_folders() override;
    Result<void> wipe_data() override;
    Result<void> sync_volume() override;
    Result<void> write_config(const std::vector<plugins::RenderedFile>& files) override;
    Result<UniqueFd> open_log(LogOwner owner, const std::string& name) override;
    Result<void> rotate_log(const std::string& name, unsigned keep) override;
    Result<std::unique_ptr<GuardLink>> spawn_database(const plugins::LaunchSpec& spec) override;
    Result<std::unique_ptr<GuardLink>> spawn_job(const std::string& guard,
                                                 const std::string& datastore,
                                                 const plugins::Job& job) override;
    Result<std::unique_ptr<GuardLink>> connect_guard(const std::string& guard) override;
    Result<std::vector<std::string>> list_guards() override;
    bool has_ended() const noexcept override { return ended_; }

private:
    struct Guard;
    class Link;
    using Links = Result<std::unique_ptr<GuardLink>>;

    /// One call: counted, its faults run, its effect made under the mutex. `verb` is true for
    /// verbs of Host, which one caller may use at a time.
    template <class T>
    Result<T> call(std::string_view name, bool verb, const std::function<Result<T>()>& effect);
    [[nodiscard]] std::shared_ptr<Guard> start_guard(const std::string& name, JobScript script,
                                                     std::function<void()> at_good_end);
    [[nodiscard]] Links link_to(std::shared_ptr<Guard> guard);
    [[nodiscard]] Result<void> check_log(const std::string& name) const;
    [[nodiscard]] Result<void> check_serial(const std::string& serial) const;
    [[nodiscard]] Result<void> check_name_free(const std::string& guard) const;
    /// The scripted end of a running job; nothing for one that hangs.
    void play(Guard& guard);
    void end(Guard& guard, std::optional<int> exit_status, int signal);
    void die(Guard& guard); ///< it leaves the map, which may have been its last owner

    struct Faults {
        std::optional<Error> error;
        std::function<void()> before, after;
    };

    mutable std::mutex mutex_;
    MachineFile machine_;
    Volume volume_;
    std::map<FleetFile, std::string> fleet_files_;
    std::map<std::string, JobScript> scripts_;
    std::map<std::string, std::shared_ptr<Guard>> guards_; ///< those that hold their locks
    std::map<std::string, std::string> config_;
    std::map<std::pair<LogOwner, std::string>, UniqueFd> logs_; ///< memory files
    std::map<std::string, std::string> hostile_logs_;
    std::vector<std::string> allowed_;
    std::optional<int> database_refuses_;
    std::string database_says_;
    std::string refused_word_;
    std::uint32_t databases_started_ = 0;
    std::int64_t last_pid_ = 100;
    std::vector<std::string> violations_;
    std::vector<std::string> call_names_;
    std::map<std::size_t, Faults> faults_;
    std::map<std::string, Error> fail_next_;
    std::atomic<bool> ended_{false};
    bool cut_off_ = false;
    bool in_verb_ = false;
};

} // namespace jackdaw::agent
