#include "agent/host/host_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "agent/guard/guard_client.h"
#include "agent/host/host_wire.h"

namespace jackdaw::agent {
namespace {

using Clock = std::chrono::steady_clock;
using host::Verb;

constexpr std::chrono::seconds quick_limit{
    15}; ///< looks, links, small files; also the wait for an older host
constexpr std::chrono::seconds mount_limit{120}; ///< a journal to replay
constexpr std::chrono::seconds sync_limit{600};  ///< a volume's worth of dirty pages
constexpr std::chrono::seconds wipe_limit{600};

Error does_not_fit() {
    return Error{Errc::invalid, "an argument is longer than the host takes"};
}

/// What the table's row of `not_allowed` advises is about callers, not about files.
Result<void> with_log_hint(Result<void> result) {
    if (result || result.error().code() != Errc::not_allowed) {
        return result;
    }
    return std::move(result).error().with_hint(
        fmt::format("somebody with the database's rights put it there; as root of the machine look "
                    "at {} and remove it",
                    log_folder));
}

/// A memory file with these bytes one behind the other.
Result<UniqueFd> memory_file(const std::vector<plugins::RenderedFile>& files) {
    UniqueFd fd{::memfd_create("jackdaw-config", MFD_CLOEXEC)};
    if (!fd) {
        return Error{Errc::exhausted, "make a memory file",
                     std::error_code{errno, std::generic_category()}};
    }
    for (const auto& file : files) {
        std::string_view rest{file.content};
        while (!rest.empty()) {
            const auto put = ::write(fd.get(), rest.data(), rest.size());
            if (put < 0) {
                return Error{Errc::exhausted, "fill a memory file",
                             std::error_code{errno, std::generic_category()}};
            }
            rest.remove_prefix(static_cast<std::size_t>(put));
        }
    }
    return fd;
}

Result<std::string> read_all(int fd, std::size_t max) {
    std::string bytes(max + 1, '\0');
    std::size_t size = 0;
    while (size < bytes.size()) {
        const auto got =
            ::pread(fd, bytes.data() + size, bytes.size() - size, static_cast<off_t>(size));
        if (got < 0) {
            return Error{Errc::unavailable, "read a handed-over file",
                         std::error_code{errno, std::generic_category()}};
        }
        if (got == 0) {
            break;
        }
        size += static_cast<std::size_t>(got);
    }
    if (size > max) {
        return Error{Errc::invalid, fmt::format("a handed-over file has more than {} bytes", max)};
    }
    bytes.resize(size);
    return bytes;
}

Result<void> pack(jackdaw_spawn_request& spawn, const std::vector<std::string>& argv,
                  const std::vector<std::string>& environment, const std::string& folder) {
    std::vector<const char*> arguments;
    std::vector<const char*> variables;
    for (const auto& word : argv) {
        arguments.push_back(word.c_str());
    }
    for (const auto& word : environment) {
        variables.push_back(word.c_str());
    }
    jackdaw_init_header_set(&spawn.header, JACKDAW_INIT_SPAWN, 0, sizeof spawn);
    // Placeholders: the host decides name, kind, user and log, but the whole request must be valid.
    spawn.kind = JACKDAW_SPAWN_JOB;
    std::memcpy(spawn.name, "host", sizeof "host");
    if (jackdaw_spawn_request_pack(&spawn, folder.empty() ? "/" : folder.c_str(), arguments.data(),
                                   arguments.size(), variables.data(), variables.size()) == 0) {
        return does_not_fit();
    }
    return jackdaw_spawn_request_valid(&spawn, sizeof spawn) != 0
               ? ok()
               : Result<void>{
                     Error{Errc::invalid, "a program's path, folder or environment is not valid"}};
}

} // namespace

HostClient::HostClient(UniqueFd socket)
    : socket_{std::move(socket)}, reply_{std::make_unique<host::Reply>()} {
    assert(socket_);
}

HostClient::~HostClient() = default;

bool HostClient::has_ended() const noexcept {
    pollfd look{socket_.get(), POLLIN, 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

host::Request HostClient::request(Verb verb) {
    return host::make_request(verb, ++sequence_);
}

Result<void> HostClient::ask(const void* request, std::size_t size, std::chrono::seconds limit,
                             int fd) {
    host::Header header;
    std::memcpy(&header, request, sizeof header);
    came_.reset();
    const auto gone = [] {
        return Error{Errc::unavailable, "jackdaw-host has ended; what it was doing is unknown"};
    };
    if (!host::send_message(socket_.get(), request, size, fd)) {
        return gone();
    }
    const auto until = Clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        if (left <= 0) {
            return Error{
                Errc::unavailable,
                fmt::format("jackdaw-host did not answer within {} s; the outcome is unknown",
                            limit.count())};
        }
        pollfd wait{socket_.get(), POLLIN, 0};
        if (::poll(&wait, 1, static_cast<int>(left)) <= 0) {
            continue;
        }
        std::vector<UniqueFd> fds;
        const auto got = host::receive_message(socket_.get(), reply_.get(), sizeof *reply_, fds);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return gone();
        }
        if (!host::reply_valid(reply_.get(), static_cast<std::size_t>(got)) || fds.size() > 1) {
            return Error{Code::protocol, "jackdaw-host answered something that it cannot mean"};
        }
        if (reply_->header.sequence != header.sequence) {
            continue; // the late answer to a verb that was given up
        }
        if (!fds.empty()) {
            came_ = std::move(fds.front());
        }
        auto result = host::error_of(*reply_);
        if (!result && result.error().id() == Code::deadline) {
            return std::move(result).error().with_hint(
                "is that machine starved, or does it stand still? `jackdaw op resume` does it "
                "again");
        }
        return result;
    }
}

Result<void> HostClient::ask(host::Request& request, std::chrono::seconds limit, int fd) {
    return ask(&request, sizeof request, limit, fd);
}

Result<void> HostClient::ask_about(Verb verb, const std::string& serial,
                                   std::chrono::seconds limit) {
    auto question = request(verb);
    if (!serial.empty() && !host::set_text(question.serial, serial)) {
        return does_not_fit();
    }
    return ask(question, limit);
}

Result<std::unique_ptr<GuardLink>> HostClient::link() {
    if (!came_) {
        return Error{Code::protocol, "jackdaw-host did not hand out the guard's descriptor"};
    }
    return std::unique_ptr<GuardLink>{std::make_unique<GuardClient>(std::move(came_))};
}

Result<UniqueFd> HostClient::bind_socket(Verb verb, const char* which) {
    JACKDAW_CHECK(ask_about(verb, {}, quick_limit).while_doing(fmt::format("bind {}", which)));
    if (!came_) {
        return Error{Code::protocol, fmt::format("jackdaw-host did not hand out {}", which)};
    }
    return std::move(came_);
}

Result<UniqueFd> HostClient::bind_admin_socket() {
    return bind_socket(Verb::bind_admin_socket, "admin.sock");
}

Result<UniqueFd> HostClient::bind_public_socket() {
    return bind_socket(Verb::bind_public_socket, "public.sock");
}

Result<MachineFile> HostClient::machine_file() {
    // The first verb after a start: an older host may still be inside one.
    JACKDAW_CHECK(
        ask_about(Verb::machine_file, {}, wipe_limit).while_doing("read the machine file"));
    MachineFile file;
    file.instance_id = host::text_of(reply_->instance_id);
    file.instance_name = host::text_of(reply_->instance_name);
    file.fleet = host::text_of(reply_->fleet);
    file.volume_serial = host::text_of(reply_->volume_serial);
    file.address = host::text_of(reply_->address);
    file.database_uid = reply_->database_uid;
    file.database_gid = reply_->database_gid;
    file.plugin_folder = host::text_of(reply_->plugin_folder);
    return file;
}

Result<std::optional<std::string>> HostClient::read_fleet_file(FleetFile which) {
    auto question = request(Verb::read_fleet_file);
    question.fleet_file = static_cast<std::uint32_t>(which);
    JACKDAW_CHECK(ask(question, quick_limit).while_doing("read a handed-over file"));
    if (reply_->has == 0 || !came_) {
        return std::optional<std::string>{};
    }
    JACKDAW_TRY(auto bytes, read_all(came_.get(), host::fleet_file_max_bytes));
    return std::optional{std::move(bytes)};
}

Result<plugins::MachineFacts> HostClient::facts() {
    JACKDAW_CHECK(ask_about(Verb::facts, {}, quick_limit).while_doing("look at the machine"));
    return plugins::MachineFacts{reply_->memory_bytes, std::max(1U, reply_->cores),
                                 host::text_of(reply_->hostname)};
}

Result<void> HostClient::set_firewall(const std::vector<std::string>& allow, std::uint16_t port) {
    auto question = request(Verb::set_firewall);
    if (allow.size() > host::allow_max) {
        return Error{Errc::invalid,
                     fmt::format("at most {} networks can be allowed", host::allow_max)};
    }
    question.port = port;
    for (const auto& network : allow) {
        if (!host::set_text(question.allow[question.count++], network)) {
            return does_not_fit();
        }
    }
    return ask(question, std::chrono::seconds{30}).while_doing("set the packet filter");
}

Result<VolumeInfo> HostClient::inspect_volume(const std::string& serial) {
    JACKDAW_CHECK(
        ask_about(Verb::inspect_volume, serial, quick_limit).while_doing("look at the volume"));
    VolumeInfo info;
    info.device = host::text_of(reply_->device);
    info.size_bytes = reply_->size_bytes;
    info.blank = reply_->blank != 0;
    info.filesystem = host::text_of(reply_->filesystem);
    info.uuid = host::text_of(reply_->uuid);
    info.mounted = reply_->mounted != 0;
    info.filesystem_bytes = reply_->filesystem_bytes;
    info.used_bytes = reply_->used_bytes;
    info.free_bytes = reply_->free_bytes;
    return info;
}

Result<std::unique_ptr<GuardLink>> HostClient::spawn_mkfs(const std::string& guard,
                                                          const Mkfs& mkfs) {
    auto question = request(Verb::spawn_mkfs);
    question.overwrite = mkfs.overwrite ? 1 : 0;
    if (!host::set_text(question.guard, guard) || !host::set_text(question.serial, mkfs.serial) ||
        !host::set_text(question.filesystem, mkfs.filesystem) ||
        !host::set_text(question.uuid, mkfs.uuid)) {
        return does_not_fit();
    }
    JACKDAW_CHECK(ask(question, quick_limit).while_doing("format the volume"));
    return link();
}

Result<void> HostClient::mount_volume(const std::string& serial, const std::string& uuid) {
    auto question = request(Verb::mount_volume);
    if (!host::set_text(question.serial, serial) || !host::set_text(question.uuid, uuid)) {
        return does_not_fit();
    }
    return ask(question, mount_limit).while_doing("mount the volume");
}

Result<void> HostClient::unmount_volume(const std::string& serial) {
    return ask_about(Verb::unmount_volume, serial, sync_limit).while_doing("unmount the volume");
}

Result<std::unique_ptr<GuardLink>> HostClient::spawn_grow(const std::string& guard,
                                                          const std::string& serial) {
    auto question = request(Verb::spawn_grow);
    if (!host::set_text(question.guard, guard) || !host::set_text(question.serial, serial)) {
        return does_not_fit();
    }
    JACKDAW_CHECK(ask(question, quick_limit).while_doing("grow the file system"));
    return link();
}

Result<std::optional<VolumeStamp>> HostClient::read_stamp() {
    JACKDAW_CHECK(
        ask_about(Verb::read_stamp, {}, quick_limit).while_doing("read the volume's stamp"));
    if (reply_->has == 0) {
        return std::optional<VolumeStamp>{};
    }
    return std::optional{VolumeStamp{
        host::text_of(reply_->stamp.instance_id), host::text_of(reply_->stamp.datastore),
        host::text_of(reply_->stamp.version), reply_->stamp.sealed == 1}};
}

Result<void> HostClient::write_stamp(const VolumeStamp& stamp, const std::string& take_over_id) {
    auto question = request(Verb::write_stamp);
    question.stamp.sealed = stamp.sealed ? 1 : 0;
    if (!host::set_text(question.stamp.instance_id, stamp.instance_id) ||
        !host::set_text(question.stamp.datastore, stamp.datastore) ||
        !host::set_text(question.stamp.version, stamp.version) ||
        !host::set_text(question.take_over_id, take_over_id)) {
        return does_not_fit();
    }
    return ask(question, quick_limit).while_doing("stamp the volume");
}

Result<void> HostClient::erase_stamp() {
    return ask_about(Verb::erase_stamp, {}, quick_limit).while_doing("erase the volume's stamp");
}

Result<void> HostClient::prepare_folders() {
    return ask_about(Verb::prepare_folders, {}, quick_limit)
        .while_doing("make the instance's folders");
}

Result<void> HostClient::wipe_data() {
    return ask_about(Verb::wipe_data, {}, wipe_limit).while_doing("wipe the data folder");
}

Result<void> HostClient::sync_volume() {
    return ask_about(Verb::sync_volume, {}, sync_limit).while_doing("sync the volume");
}

Result<void> HostClient::write_config(const std::vector<plugins::RenderedFile>& files) {
    auto question = request(Verb::write_config);
    if (files.size() > host::config_files_max) {
        return does_not_fit();
    }
    for (const auto& file : files) {
        auto& slot = question.files[question.count++];
        if (!host::set_text(slot.name, file.name) ||
            file.content.size() > host::config_file_max_bytes) {
            return does_not_fit();
        }
        slot.size = static_cast<std::uint32_t>(file.content.size());
    }
    JACKDAW_TRY(const auto contents, memory_file(files));
    return ask(question, std::chrono::seconds{60}, contents.get())
        .while_doing("write the configuration");
}

Result<UniqueFd> HostClient::open_log(LogOwner owner, const std::string& name) {
    auto question = request(Verb::open_log);
    question.log_owner = static_cast<std::uint32_t>(owner);
    if (!host::is_log_name(name) || !host::set_text(question.log, name)) {
        return Error{Errc::invalid, "a log's name has 1 to 60 of a-z, 0-9, _ . -"};
    }
    JACKDAW_CHECK(with_log_hint(ask(question, quick_limit))
                      .while_doing(fmt::format("open the log {}", name)));
    if (!came_) {
        return Error{Code::protocol, "jackdaw-host did not hand out the log's descriptor"};
    }
    return std::move(came_);
}

Result<void> HostClient::rotate_log(const std::string& name, unsigned keep) {
    auto question = request(Verb::rotate_log);
    if (!host::is_log_name(name) || !host::set_text(question.log, name) || keep < 1 ||
        keep > log_keep_max) {
        return Error{Errc::invalid, "a log's name has 1 to 60 of a-z, 0-9, _ . -, and 1 to 9 older "
                                    "ones are kept"};
    }
    question.keep = keep;
    return with_log_hint(ask(question, quick_limit))
        .while_doing(fmt::format("rotate the log {}", name));
}

Result<std::unique_ptr<GuardLink>> HostClient::spawn_database(const plugins::LaunchSpec& spec) {
    const auto question = std::make_unique<host::SpawnRequest>(
        host::make_spawn_request(Verb::spawn_database, ++sequence_));
    auto& spawn = question->spawn;
    JACKDAW_CHECK(pack(spawn, spec.argv, spec.environment, spec.working_folder)
                      .while_doing("start the database"));
    spawn.nofile = spec.limits.open_files;
    spawn.memlock_bytes = spec.limits.locked_memory_bytes;
    spawn.oom_score_adj = std::clamp(spec.limits.oom_score_adj, 0, 1000);
    if (spec.stop.size() > JACKDAW_SPAWN_STOP_STEPS) {
        return does_not_fit();
    }
    for (const auto& step : spec.stop) {
        const auto seconds =
            std::clamp<std::int64_t>(step.wait.count(), 0, JACKDAW_SPAWN_STOP_SECONDS);
        spawn.stop[spawn.stop_count++] = {step.signal, static_cast<std::uint32_t>(seconds)};
    }
    JACKDAW_CHECK(
        ask(question.get(), sizeof *question, quick_limit).while_doing("start the database"));
    return link();
}

Result<std::unique_ptr<GuardLink>> HostClient::spawn_job(const std::string& guard,
                                                         const std::string& datastore,
                                                         const plugins::Job& job) {
    const auto question = std::make_unique<host::SpawnRequest>(
        host::make_spawn_request(Verb::spawn_job, ++sequence_));
    JACKDAW_CHECK(pack(question->spawn, job.argv, job.environment, job.working_folder)
                      .while_doing(fmt::format("start {}", job.name)));
    if (!host::set_text(question->guard, guard) ||
        !host::set_text(question->datastore, datastore) ||
        !host::set_text(question->job, job.name)) {
        return does_not_fit();
    }
    JACKDAW_CHECK(ask(question.get(), sizeof *question, quick_limit)
                      .while_doing(fmt::format("start {}", job.name)));
    return link();
}

Result<std::unique_ptr<GuardLink>> HostClient::connect_guard(const std::string& guard) {
    auto question = request(Verb::connect_guard);
    if (!host::set_text(question.guard, guard)) {
        return does_not_fit();
    }
    JACKDAW_CHECK(
        ask(question, quick_limit).while_doing(fmt::format("connect to guard {}", guard)));
    if (reply_->has == 0) {
        return std::unique_ptr<GuardLink>{};
    }
    return link();
}

Result<std::vector<std::string>> HostClient::list_guards() {
    JACKDAW_CHECK(ask_about(Verb::list_guards, {}, quick_limit).while_doing("list the guards"));
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < reply_->count; ++i) {
        names.push_back(host::text_of(reply_->names[i]));
    }
    return names;
}

} // namespace jackdaw::agent
