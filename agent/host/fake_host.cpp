#include "agent/host/fake_host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "agent/host/fake_guard.h"

namespace jackdaw::agent {

FakeHost::FakeHost(MachineFile machine) : machine_{std::move(machine)} {
    scripts_["fake-version"] = JobScript{0, "jackdaw-fake-db 1.2.3\n", false, false, false};
    scripts_["fake-init"] = JobScript{0, "made\n", false, false, true};
}

FakeHost::~FakeHost() = default;

// ---- for the test -----------------------------------------------------------------------------

FakeHost::Volume FakeHost::volume() const {
    const std::lock_guard lock{mutex_};
    return volume_;
}

void FakeHost::set_volume(Volume volume) {
    const std::lock_guard lock{mutex_};
    volume_ = std::move(volume);
}

void FakeHost::set_fleet_file(FleetFile which, std::string content) {
    const std::lock_guard lock{mutex_};
    fleet_files_[which] = std::move(content);
}

void FakeHost::set_job(const std::string& name, JobScript script) {
    const std::lock_guard lock{mutex_};
    scripts_[name] = std::move(script);
}

void FakeHost::finish_jobs() {
    const std::lock_guard lock{mutex_};
    for (auto entry = guards_.begin(); entry != guards_.end();) {
        const auto guard = (entry++)->second; // playing a death takes it out of the map
        if (guard->name != database_guard) {
            play(*guard);
        }
    }
}

void FakeHost::end_database(std::optional<int> exit_status, int signal) {
    const std::lock_guard lock{mutex_};
    if (const auto found = guards_.find(std::string{database_guard}); found != guards_.end()) {
        end(*found->second, exit_status, signal);
    }
}

void FakeHost::kill_guard(const std::string& guard) {
    const std::lock_guard lock{mutex_};
    if (const auto found = guards_.find(guard); found != guards_.end()) {
        die(*found->second);
    }
}

void FakeHost::set_database_refuses(std::optional<int> exit_status) {
    const std::lock_guard lock{mutex_};
    database_refuses_ = exit_status;
}

void FakeHost::set_database_says(std::string output) {
    const std::lock_guard lock{mutex_};
    database_says_ = std::move(output);
}

void FakeHost::set_database_refuses_word(std::string word) {
    const std::lock_guard lock{mutex_};
    refused_word_ = std::move(word);
}

bool FakeHost::database_running() const {
    return database_pid() != 0;
}

std::int64_t FakeHost::database_pid() const {
    const std::lock_guard lock{mutex_};
    const auto found = guards_.find(std::string{database_guard});
    return found != guards_.end() && found->second->status.phase != GuardPhase::ended
               ? found->second->status.child_pid
               : 0;
}

std::uint32_t FakeHost::databases_started() const {
    const std::lock_guard lock{mutex_};
    return databases_started_;
}

std::map<std::string, std::string> FakeHost::config() const {
    const std::lock_guard lock{mutex_};
    return config_;
}

std::vector<std::string> FakeHost::allowed() const {
    const std::lock_guard lock{mutex_};
    return allowed_;
}

std::vector<std::string> FakeHost::guard_names() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> names;
    for (const auto& [name, guard] : guards_) {
        names.push_back(name);
    }
    return names;
}

std::vector<std::string> FakeHost::violations() const {
    const std::lock_guard lock{mutex_};
    return violations_;
}

void FakeHost::add_violation(std::string sentence) {
    const std::lock_guard lock{mutex_};
    violations_.push_back(std::move(sentence));
}

void FakeHost::append_log(LogOwner owner, const std::string& name, std::string_view text) {
    const std::lock_guard lock{mutex_};
    auto& fd = logs_[{owner, name}];
    if (!fd) {
        fd.reset(::memfd_create("log", MFD_CLOEXEC));
    }
    while (!text.empty()) {
        const auto put = ::write(fd.get(), text.data(), text.size());
        assert(put > 0);
        text.remove_prefix(static_cast<std::size_t>(put));
    }
}

void FakeHost::set_log_hostile(const std::string& name, std::string kind) {
    const std::lock_guard lock{mutex_};
    hostile_logs_[name] = std::move(kind);
}

void FakeHost::reset_calls() {
    const std::lock_guard lock{mutex_};
    call_names_.clear();
    faults_.clear();
    fail_next_.clear();
}

std::size_t FakeHost::calls() const {
    const std::lock_guard lock{mutex_};
    return call_names_.size();
}

std::vector<std::string> FakeHost::call_names() const {
    const std::lock_guard lock{mutex_};
    return call_names_;
}

void FakeHost::fail_at(std::size_t call, Error error) {
    const std::lock_guard lock{mutex_};
    faults_[call].error = std::move(error);
}

void FakeHost::fail_next(std::string name, Error error) {
    const std::lock_guard lock{mutex_};
    fail_next_.insert_or_assign(std::move(name), std::move(error));
}

void FakeHost::before(std::size_t call, std::function<void()> fn) {
    const std::lock_guard lock{mutex_};
    faults_[call].before = std::move(fn);
}

void FakeHost::after(std::size_t call, std::function<void()> fn) {
    const std::lock_guard lock{mutex_};
    faults_[call].after = std::move(fn);
}

void FakeHost::cut_off() {
    const std::lock_guard lock{mutex_};
    cut_off_ = true;
}

void FakeHost::end_host() {
    ended_ = true;
    cut_off();
}

void FakeHost::reconnect() {
    ended_ = false;
    const std::lock_guard lock{mutex_};
    cut_off_ = false;
    in_verb_ = false;
}

bool FakeHost::is_cut_off() const {
    const std::lock_guard lock{mutex_};
    return cut_off_;
}

// ---- the machine ------------------------------------------------------------------------------

Result<MachineFile> FakeHost::machine_file() {
    return call<MachineFile>("machine_file", true, [&] { return machine_; });
}

Result<std::optional<std::string>> FakeHost::read_fleet_file(FleetFile which) {
    using Content = std::optional<std::string>;
    return call<Content>("read_fleet_file", true, [&]() -> Result<Content> {
        const auto found = fleet_files_.find(which);
        return found == fleet_files_.end() ? Content{} : Content{found->second};
    });
}

Result<plugins::MachineFacts> FakeHost::facts() {
    return call<plugins::MachineFacts>("facts", true, [&] {
        return plugins::MachineFacts{std::uint64_t{1} << 30, 2, machine_.instance_name};
    });
}

Result<void> FakeHost::set_firewall(const std::vector<std::string>& allow, std::uint16_t) {
    return call<void>("set_firewall", true, [&]() -> Result<void> {
        allowed_ = allow;
        return ok();
    });
}

// ---- the volume -------------------------------------------------------------------------------

Result<void> FakeHost::check_serial(const std::string& serial) const {
    if (serial != machine_.volume_serial) {
        return Error{Errc::not_allowed, "that serial is not this machine's volume"};
    }
    if (!volume_.attached) {
        return Error{Code::volume_missing, "no device has this serial"};
    }
    return ok();
}

Result<void> FakeHost::check_name_free(const std::string& guard) const {
    if (guards_.contains(guard)) {
        return Error{Errc::conflict, fmt::format("a guard '{}' lives", guard)};
    }
    return ok();
}

Result<VolumeInfo> FakeHost::inspect_volume(const std::string& serial) {
    return call<VolumeInfo>("inspect_volume", true, [&]() -> Result<VolumeInfo> {
        JACKDAW_CHECK(check_serial(serial));
        VolumeInfo info;
        info.device = "/dev/fake0";
        info.size_bytes = volume_.size_bytes;
        info.blank = volume_.blank;
        info.filesystem = volume_.filesystem;
        info.uuid = volume_.uuid;
        info.mounted = volume_.mounted;
        if (volume_.mounted) {
            info.filesystem_bytes = volume_.filesystem_bytes;
            info.used_bytes = volume_.used_bytes;
            info.free_bytes = volume_.filesystem_bytes - volume_.used_bytes;
        }
        return info;
    });
}

FakeHost::Links FakeHost::spawn_mkfs(const std::string& guard, const Mkfs& mkfs) {
    return call<std::unique_ptr<GuardLink>>("spawn_mkfs", true, [&]() -> Links {
        JACKDAW_CHECK(check_serial(mkfs.serial));
        JACKDAW_CHECK(check_name_free(guard));
        if (volume_.mounted) {
            violations_.emplace_back("mkfs: the volume is mounted");
            return Error{Errc::conflict, "the volume is mounted"};
        }
        if (!volume_.blank && !mkfs.overwrite && volume_.uuid != mkfs.uuid) {
            violations_.emplace_back("mkfs: the volume holds something that nobody gave away");
            return Error{Code::volume_not_blank, "it holds " + volume_.filesystem};
        }
        if (volume_.stamp && volume_.stamp->sealed && !mkfs.overwrite) {
            violations_.emplace_back("mkfs: the volume holds a complete data folder");
        }
        volume_.blank = false;
        volume_.filesystem = mkfs.filesystem;
        volume_.uuid = mkfs.uuid;
        volume_.half_formatted = true;
        volume_.stamp.reset();
        volume_.data = DataFolder::absent;
        ++volume_.data_generation;
        return link_to(start_guard(guard, scripts_["mkfs"], [this] {
            volume_.half_formatted = false;
            volume_.filesystem_bytes = volume_.size_bytes;
            volume_.used_bytes = volume_.size_bytes / 100;
        }));
    });
}

Result<void> FakeHost::mount_volume(const std::string& serial, const std::string& uuid) {
    return call<void>("mount_volume", true, [&]() -> Result<void> {
        JACKDAW_CHECK(check_serial(serial));
        if (volume_.uuid != uuid || uuid.empty()) {
            return Error{Code::volume_foreign,
                         fmt::format("it carries '{}', not '{}'", volume_.uuid, uuid)};
        }
        if (volume_.half_formatted) {
            violations_.emplace_back("mount: the file system is half made");
            return Error{Errc::corrupt, "the file system is half made"};
        }
        volume_.mounted = true;
        return ok();
    });
}

Result<void> FakeHost::unmount_volume(const std::string& serial) {
    return call<void>("unmount_volume", true, [&]() -> Result<void> {
        JACKDAW_CHECK(check_serial(serial));
        const auto found = guards_.find(std::string{database_guard});
        if (found != guards_.end() && found->second->status.phase != GuardPhase::ended) {
            violations_.emplace_back("unmount: the database runs on the volume");
            return Error{Errc::busy, "the volume is in use"};
        }
        volume_.mounted = false;
        return ok();
    });
}

FakeHost::Links FakeHost::spawn_grow(const std::string& guard, const std::string& serial) {
    return call<std::unique_ptr<GuardLink>>("spawn_grow", true, [&]() -> Links {
        JACKDAW_CHECK(check_serial(serial));
        JACKDAW_CHECK(check_name_free(guard));
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        return link_to(start_guard(guard, scripts_["grow"],
                                   [this] { volume_.filesystem_bytes = volume_.size_bytes; }));
    });
}

Result<std::optional<VolumeStamp>> FakeHost::read_stamp() {
    using Stamp = std::optional<VolumeStamp>;
    return call<Stamp>("read_stamp", true, [&]() -> Result<Stamp> {
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        return volume_.stamp;
    });
}

Result<void> FakeHost::write_stamp(const VolumeStamp& stamp, const std::string& take_over_id) {
    return call<void>("write_stamp", true, [&]() -> Result<void> {
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        if (stamp.instance_id != machine_.instance_id) {
            return Error{Errc::not_allowed, "a stamp of another instance than this machine's"};
        }
        if (volume_.stamp && volume_.stamp->instance_id != stamp.instance_id &&
            volume_.stamp->instance_id != take_over_id) {
            return Error{Code::volume_foreign, "it is stamped for " + volume_.stamp->instance_id};
        }
        if (stamp.sealed && volume_.data != DataFolder::complete) {
            violations_.emplace_back("write_stamp: sealed over a data folder that is not complete");
        }
        volume_.stamp = stamp;
        return ok();
    });
}

Result<void> FakeHost::erase_stamp() {
    return call<void>("erase_stamp", true, [&]() -> Result<void> {
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        volume_.stamp.reset();
        return ok();
    });
}

// ---- folders and files ------------------------------------------------------------------------

Result<void> FakeHost::prepare_folders() {
    return call<void>("prepare_folders", true, [&]() -> Result<void> {
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        if (volume_.data == DataFolder::absent) {
            volume_.data = DataFolder::empty;
        }
        return ok();
    });
}

Result<void> FakeHost::wipe_data() {
    return call<void>("wipe_data", true, [&]() -> Result<void> {
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        if (volume_.stamp && volume_.stamp->sealed) {
            violations_.emplace_back("wipe_data: the data folder is sealed");
            return Error{Errc::conflict, "the data folder is sealed"};
        }
        for (const auto& [name, guard] : guards_) {
            if (guard->status.phase != GuardPhase::ended) {
                violations_.push_back(fmt::format("wipe_data: '{}' runs on it", name));
            }
        }
        volume_.data = DataFolder::empty;
        ++volume_.data_generation;
        return ok();
    });
}

Result<void> FakeHost::sync_volume() {
    return call<void>("sync_volume", true, [&]() -> Result<void> {
        return volume_.mounted ? ok()
                               : Result<void>{Error{Errc::conflict, "the volume is not mounted"}};
    });
}

Result<void> FakeHost::write_config(const std::vector<plugins::RenderedFile>& files) {
    return call<void>("write_config", true, [&]() -> Result<void> {
        config_.clear();
        for (const auto& file : files) {
            config_[file.name] = file.content;
        }
        return ok();
    });
}

// ---- logs -------------------------------------------------------------------------------------

Result<void> FakeHost::check_log(const std::string& name) const {
    const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (name.empty() || name.size() > 60 || !is_word(name.front()) ||
        !std::ranges::all_of(
            name, [&](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; })) {
        return Error{Errc::invalid, "that cannot be the name of a log"};
    }
    if (const auto found = hostile_logs_.find(name); found != hostile_logs_.end()) {
        return Error{Errc::not_allowed, fmt::format("{} is {}", name, found->second)};
    }
    return ok();
}

Result<UniqueFd> FakeHost::open_log(LogOwner owner, const std::string& name) {
    return call<UniqueFd>("open_log", true, [&]() -> Result<UniqueFd> {
        JACKDAW_CHECK(check_log(name));
        if (owner == LogOwner::guard && !name.starts_with(guard_log)) {
            return Error{Errc::invalid, fmt::format("a guard keeps no log {}", name)};
        }
        if (owner == LogOwner::engine && !volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        const auto found = logs_.find({owner, name});
        if (found == logs_.end()) {
            return Error{Errc::not_found, fmt::format("there is no {} yet", name)};
        }
        // Of the same file, so that its inode tells whether it was rotated.
        UniqueFd fd{::open(fmt::format("/proc/self/fd/{}", found->second.get()).c_str(),
                           O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
        if (!fd) {
            return Error{Errc::unavailable, "open a log",
                         std::error_code{errno, std::generic_category()}};
        }
        return fd;
    });
}

Result<void> FakeHost::rotate_log(const std::string& name, unsigned keep) {
    return call<void>("rotate_log", true, [&]() -> Result<void> {
        JACKDAW_CHECK(check_log(name));
        if (keep < 1 || keep > log_keep_max) {
            return Error{Errc::invalid, "that cannot be rotated"};
        }
        if (!volume_.mounted) {
            return Error{Errc::conflict, "the volume is not mounted"};
        }
        const auto key = [&](unsigned i) {
            return std::pair{LogOwner::engine, i == 0 ? name : fmt::format("{}.{}", name, i)};
        };
        if (!logs_.contains(key(0))) {
            return ok();
        }
        for (unsigned i = keep; i <= log_keep_max; ++i) {
            logs_.erase(key(i));
        }
        for (unsigned i = keep; i-- > 0;) {
            if (auto node = logs_.extract(key(i))) {
                node.key() = key(i + 1);
                logs_.insert(std::move(node));
            }
        }
        return ok();
    });
}

// ---- processes --------------------------------------------------------------------------------

FakeHost::Links FakeHost::spawn_database(const plugins::LaunchSpec&) {
    return call<std::unique_ptr<GuardLink>>("spawn_database", true, [&]() -> Links {
        const std::string name{database_guard};
        if (guards_.contains(name)) {
            if (guards_.at(name)->status.phase != GuardPhase::ended) {
                violations_.emplace_back("spawn_database: one runs already");
            }
            return Error{Errc::conflict, "a guard 'database' lives"};
        }
        if (!volume_.mounted || volume_.data != DataFolder::complete) {
            violations_.emplace_back("spawn_database: the data folder is not complete");
            return Error{Errc::conflict, "the data folder is not complete"};
        }
        if (!volume_.stamp || !volume_.stamp->sealed ||
            volume_.stamp->instance_id != machine_.instance_id) {
            violations_.emplace_back("spawn_database: the stamp is not sealed for this instance");
            return Error{Errc::conflict, "the stamp is not sealed for this instance"};
        }
        ++databases_started_;
        JobScript script;
        script.hangs = true;
        script.output = database_says_;
        const auto guard = start_guard(name, script, {});
        const bool refused_word =
            !refused_word_.empty() && std::ranges::any_of(config_, [&](const auto& file) {
                return file.second.find(refused_word_) != std::string::npos;
            });
        if (database_refuses_ || refused_word) {
            guard->script.output = "the database refuses to start\n";
            end(*guard, database_refuses_.value_or(1), 0);
        }
        return link_to(guard);
    });
}

FakeHost::Links FakeHost::spawn_job(const std::string& guard, const std::string&,
                                    const plugins::Job& job) {
    return call<std::unique_ptr<GuardLink>>("spawn_job", true, [&]() -> Links {
        JACKDAW_CHECK(check_name_free(guard));
        const auto found = scripts_.find(job.name);
        const auto script = found == scripts_.end() ? JobScript{} : found->second;
        if (!script.fills_data) {
            return link_to(start_guard(guard, script, {}));
        }
        if (!volume_.mounted || volume_.data != DataFolder::empty) {
            violations_.push_back(
                fmt::format("spawn_job {}: the data folder is not empty", job.name));
        }
        volume_.data = DataFolder::half_made;
        return link_to(start_guard(guard, script, [this] { volume_.data = DataFolder::complete; }));
    });
}

FakeHost::Links FakeHost::connect_guard(const std::string& guard) {
    return call<std::unique_ptr<GuardLink>>("connect_guard", true, [&]() -> Links {
        const auto found = guards_.find(guard);
        if (found == guards_.end()) {
            return std::unique_ptr<GuardLink>{};
        }
        return link_to(found->second);
    });
}

Result<std::vector<std::string>> FakeHost::list_guards() {
    using Names = std::vector<std::string>;
    return call<Names>("list_guards", true, [&]() -> Result<Names> {
        Names names;
        for (const auto& [name, guard] : guards_) {
            names.push_back(name);
        }
        return names;
    });
}

} // namespace jackdaw::agent
