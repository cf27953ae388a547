#pragma once
// Two small Hosts around the real one: SerialHost lets several threads call one Host, a verb at a
// time; NoHost is the machine of a plain member of a fleet, which has no instance and no root
// process.

#include <mutex>
#include <type_traits>

#include "agent/host/host.h"

namespace jackdaw::agent {

/// Thread-safe: each verb waits for the one before it. Does not own the inner one, which outlives
/// it.
class SerialHost final : public Host {
public:
    explicit SerialHost(Host& inner) : inner_{inner} {}

    Result<MachineFile> machine_file() override {
        return locked([&] { return inner_.machine_file(); });
    }
    Result<std::optional<std::string>> read_fleet_file(FleetFile which) override {
        return locked([&] { return inner_.read_fleet_file(which); });
    }
    Result<plugins::MachineFacts> facts() override {
        return locked([&] { return inner_.facts(); });
    }
    Result<void> set_firewall(const std::vector<std::string>& allow, std::uint16_t port) override {
        return locked([&] { return inner_.set_firewall(allow, port); });
    }
    Result<VolumeInfo> inspect_volume(const std::string& serial) override {
        return locked([&] { return inner_.inspect_volume(serial); });
    }
    Result<std::unique_ptr<GuardLink>> spawn_mkfs(const std::string& guard,
                                                  const Mkfs& mkfs) override {
        return locked([&] { return inner_.spawn_mkfs(guard, mkfs); });
    }
    Result<void> mount_volume(const std::string& serial, const std::string& uuid) override {
        return locked([&] { return inner_.mount_volume(serial, uuid); });
    }
    Result<void> unmount_volume(const std::string& serial) override {
        return locked([&] { return inner_.unmount_volume(serial); });
    }
    Result<std::unique_ptr<GuardLink>> spawn_grow(const std::string& guard,
                                                  const std::string& serial) override {
        return locked([&] { return inner_.spawn_grow(guard, serial); });
    }
    Result<std::optional<VolumeStamp>> read_stamp() override {
        return locked([&] { return inner_.read_stamp(); });
    }
    Result<void> write_stamp(const VolumeStamp& stamp, const std::string& take_over_id) override {
        return locked([&] { return inner_.write_stamp(stamp, take_over_id); });
    }
    Result<void> erase_stamp() override {
        return locked([&] { return inner_.erase_stamp(); });
    }
    Result<void> prepare_folders() override {
        return locked([&] { return inner_.prepare_folders(); });
    }
    Result<void> wipe_data() override {
        return locked([&] { return inner_.wipe_data(); });
    }
    Result<void> sync_volume() override {
        return locked([&] { return inner_.sync_volume(); });
    }
    Result<void> write_config(const std::vector<plugins::RenderedFile>& files) override {
        return locked([&] { return inner_.write_config(files); });
    }
    Result<UniqueFd> open_log(LogOwner owner, const std::string& name) override {
        return locked([&] { return inner_.open_log(owner, name); });
    }
    Result<void> rotate_log(const std::string& name, unsigned keep) override {
        return locked([&] { return inner_.rotate_log(name, keep); });
    }
    Result<std::unique_ptr<GuardLink>> spawn_database(const plugins::LaunchSpec& spec) override {
        return locked([&] { return inner_.spawn_database(spec); });
    }
    Result<std::unique_ptr<GuardLink>> spawn_job(const std::string& guard,
                                                 const std::string& datastore,
                                                 const plugins::Job& job) override {
        return locked([&] { return inner_.spawn_job(guard, datastore, job); });
    }
    Result<std::unique_ptr<GuardLink>> connect_guard(const std::string& guard) override {
        return locked([&] { return inner_.connect_guard(guard); });
    }
    Result<std::vector<std::string>> list_guards() override {
        return locked([&] { return inner_.list_guards(); });
    }
    bool has_ended() const noexcept override { return inner_.has_ended(); }

private:
    template <class Verb>
    std::invoke_result_t<Verb> locked(Verb verb) {
        const std::lock_guard lock{mutex_};
        return verb();
    }
    Host& inner_;
    std::mutex mutex_;
};

/// Answers what a machine without root can: no instance, no hand-over, no guards. The rest is
/// `unsupported`.
class NoHost final : public Host {
public:
    Result<MachineFile> machine_file() override { return MachineFile{}; }
    Result<std::optional<std::string>> read_fleet_file(FleetFile) override {
        return std::optional<std::string>{};
    }
    Result<plugins::MachineFacts> facts() override { return refuse(); }
    Result<void> set_firewall(const std::vector<std::string>&, std::uint16_t) override {
        return refuse();
    }
    Result<VolumeInfo> inspect_volume(const std::string&) override { return refuse(); }
    Result<std::unique_ptr<GuardLink>> spawn_mkfs(const std::string&, const Mkfs&) override {
        return refuse();
    }
    Result<void> mount_volume(const std::string&, const std::string&) override { return refuse(); }
    Result<void> unmount_volume(const std::string&) override { return refuse(); }
    Result<std::unique_ptr<GuardLink>> spawn_grow(const std::string&, const std::string&) override {
        return refuse();
    }
    Result<std::optional<VolumeStamp>> read_stamp() override { return refuse(); }
    Result<void> write_stamp(const VolumeStamp&, const std::string&) override { return refuse(); }
    Result<void> erase_stamp() override { return refuse(); }
    Result<void> prepare_folders() override { return refuse(); }
    Result<void> wipe_data() override { return refuse(); }
    Result<void> sync_volume() override { return refuse(); }
    Result<void> write_config(const std::vector<plugins::RenderedFile>&) override {
        return refuse();
    }
    Result<UniqueFd> open_log(LogOwner, const std::string&) override { return refuse(); }
    Result<void> rotate_log(const std::string&, unsigned) override { return refuse(); }
    Result<std::unique_ptr<GuardLink>> spawn_database(const plugins::LaunchSpec&) override {
        return refuse();
    }
    Result<std::unique_ptr<GuardLink>> spawn_job(const std::string&, const std::string&,
                                                 const plugins::Job&) override {
        return refuse();
    }
    Result<std::unique_ptr<GuardLink>> connect_guard(const std::string&) override {
        return std::unique_ptr<GuardLink>{};
    }
    Result<std::vector<std::string>> list_guards() override { return std::vector<std::string>{}; }

private:
    static Error refuse() {
        return Error{Errc::unsupported,
                     "this agent is a plain member of its fleet: it has no machine of its own"};
    }
};

} // namespace jackdaw::agent
