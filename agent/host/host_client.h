#pragma once
// Host over the socket pair to jackdaw-host.

#include <chrono>
#include <memory>

#include "agent/host/host.h"
#include "agent/host/host_protocol.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent {

/// One caller at a time. A verb that is not answered in its time is `unavailable` (outcome
/// unknown); so is every verb once jackdaw-host has ended: then this process ends, too, and both
/// start again.
class HostClient final : public Host {
public:
    explicit HostClient(UniqueFd socket);
    ~HostClient() override;

    /// Readable for good when jackdaw-host has ended; otherwise of no meaning outside a verb.
    [[nodiscard]] int poll_fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool has_ended() const noexcept override;

    /// /run/jackdaw/admin.sock, listening, non-blocking.
    [[nodiscard]] Result<UniqueFd> bind_admin_socket();
    /// The same of /run/jackdaw/public.sock, which everybody may open.
    [[nodiscard]] Result<UniqueFd> bind_public_socket();

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

private:
    Result<void> ask(const void* request, std::size_t size, std::chrono::seconds limit,
                     int fd = -1);
    Result<void> ask(host::Request& request, std::chrono::seconds limit, int fd = -1);
    Result<void> ask_about(host::Verb verb, const std::string& serial, std::chrono::seconds limit);
    Result<std::unique_ptr<GuardLink>> link();
    Result<UniqueFd> bind_socket(host::Verb verb, const char* which);
    host::Request request(host::Verb verb);

    UniqueFd socket_;
    std::uint32_t sequence_ = 0;
    std::unique_ptr<host::Reply> reply_; ///< the last one
    UniqueFd came_;                      ///< the descriptor that came with it
};

} // namespace jackdaw::agent
