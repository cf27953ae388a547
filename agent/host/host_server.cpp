#include "agent/host/host_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "agent/host/host_files.h"
#include "agent/host/host_firewall.h"
#include "agent/host/host_logs.h"
#include "agent/host/host_machine.h"
#include "agent/host/host_wire.h"
#include "proto/base/ids.h"

namespace jackdaw::agent::host {
namespace {

constexpr std::chrono::seconds nft_limit{5};
constexpr const char* nft_program = "/usr/sbin/nft";
constexpr const char* firewall_guard = "firewall";

std::string first_of(std::initializer_list<const char*> paths) {
    for (const char* path : paths) {
        if (::access(path, X_OK) == 0) {
            return path;
        }
    }
    return *paths.begin();
}

void fill(Reply& reply, const MachineFile& machine) {
    set_cut(reply.instance_id, machine.instance_id);
    set_cut(reply.instance_name, machine.instance_name);
    set_cut(reply.fleet, machine.fleet);
    set_cut(reply.volume_serial, machine.volume_serial);
    set_cut(reply.address, machine.address);
    set_cut(reply.plugin_folder, machine.plugin_folder);
    reply.database_uid = machine.database_uid;
    reply.database_gid = machine.database_gid;
}

void fill(Reply& reply, const VolumeInfo& info) {
    set_cut(reply.device, info.device);
    set_cut(reply.filesystem, info.filesystem);
    set_cut(reply.uuid, info.uuid);
    reply.size_bytes = info.size_bytes;
    reply.blank = info.blank ? 1 : 0;
    reply.mounted = info.mounted ? 1 : 0;
    reply.filesystem_bytes = info.filesystem_bytes;
    reply.used_bytes = info.used_bytes;
    reply.free_bytes = info.free_bytes;
}

/// Descriptors are copies of what the agent gave: read, never mapped, so that it cannot hurt us by
/// cutting them.
Result<std::string> read_exactly(int fd, std::uint64_t at, std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t done = 0; done < size;) {
        const auto got =
            ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(at + done));
        if (got <= 0) {
            return Error{Errc::invalid, "the configuration's bytes are fewer than announced"};
        }
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

} // namespace

Result<void> Server::set_firewall(const Request& request) {
    if (request.port == 0) {
        return Error{Errc::invalid, "a database's port is 1 to 65535"};
    }
    std::vector<std::string> allow;
    for (std::uint32_t i = 0; i < request.count; ++i) {
        JACKDAW_TRY(auto network, canonical_network(text_of(request.allow[i])));
        allow.push_back(std::move(network));
    }
    if (allow.empty()) {
        JACKDAW_TRY(allow, own_networks(machine_.address));
    }
    if (::access(nft_program, X_OK) != 0) {
        return Error{Code::host_lacks, fmt::format("this machine has no {}", nft_program)};
    }
    JACKDAW_TRY(const auto folder, open_no_links("/run/jackdaw", O_RDONLY | O_DIRECTORY));
    const auto rules = render_rules(allow, static_cast<std::uint16_t>(request.port),
                                    machine_.database_uid, ports_);
    JACKDAW_CHECK(replace_file(folder.get(), "firewall.nft", rules, 0600));
    const auto applied =
        spawner_.run(firewall_guard, {nft_program, "-f", firewall_file}, nft_limit);
    if (!applied) {
        return applied.error().clone().while_doing("set the packet filter");
    }
    return ok();
}

Result<void> Server::spawn_mkfs(const Request& request, UniqueFd& out) {
    Mkfs mkfs;
    mkfs.serial = text_of(request.serial);
    mkfs.filesystem = text_of(request.filesystem);
    mkfs.uuid = text_of(request.uuid);
    mkfs.overwrite = request.overwrite == 1;
    const auto guard = text_of(request.guard);
    for (const auto& name : {guard, std::string{database_guard}}) {
        JACKDAW_TRY(const auto phase, spawner_.phase_of(name));
        if (phase) {
            return Error{Errc::conflict, fmt::format("a guard named {} lives", name)};
        }
    }
    JACKDAW_TRY(const auto node, volume_.prepare_mkfs(mkfs));
    std::vector<std::string> argv;
    if (mkfs.filesystem == "xfs") {
        argv = {first_of({"/usr/sbin/mkfs.xfs", "/sbin/mkfs.xfs"}),
                "-q",
                "-f",
                "-m",
                "uuid=" + mkfs.uuid,
                node};
    } else {
        argv = {first_of({"/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"}),
                "-q",
                "-F",
                "-U",
                mkfs.uuid,
                node};
    }
    JACKDAW_TRY(out, spawner_.tool(guard, argv));
    return ok();
}

Result<void> Server::spawn_grow(const Request& request, UniqueFd& out) {
    JACKDAW_TRY(const auto info, volume_.mounted_info(text_of(request.serial)));
    std::vector<std::string> argv;
    if (info.filesystem == "xfs") {
        argv = {first_of({"/usr/sbin/xfs_growfs", "/sbin/xfs_growfs"}), std::string{volume_folder}};
    } else {
        argv = {first_of({"/usr/sbin/resize2fs", "/sbin/resize2fs"}), info.device};
    }
    JACKDAW_TRY(out, spawner_.tool(text_of(request.guard), argv));
    return ok();
}

Result<void> Server::config(const Request& request, const std::vector<UniqueFd>& fds) {
    if (fds.size() != 1) {
        return Error{Errc::invalid, "a configuration comes in one descriptor"};
    }
    std::vector<plugins::RenderedFile> files;
    std::uint64_t at = 0;
    for (std::uint32_t i = 0; i < request.count; ++i) {
        JACKDAW_TRY(auto bytes, read_exactly(fds.front().get(), at, request.files[i].size));
        at += request.files[i].size;
        files.push_back({text_of(request.files[i].name), std::move(bytes)});
    }
    return write_config(files);
}

Result<void> Server::prepare() {
    JACKDAW_CHECK(prepare_folders(machine_, volume_));
    const auto phase = spawner_.phase_of(std::string{database_guard});
    const bool runs = !phase || (*phase && **phase != GuardPhase::ended); // or nobody knows
    return runs ? ok() : clear_run_folder(machine_);
}

Result<void> Server::wipe() {
    JACKDAW_TRY(const auto phase, spawner_.phase_of(std::string{database_guard}));
    if (phase && *phase != GuardPhase::ended) {
        return Error{Errc::conflict, "the database runs on it"};
    }
    return wipe_data(volume_);
}

Result<void> Server::dispatch(const Request& request, const std::vector<UniqueFd>& fds,
                              Reply& reply, UniqueFd& out) {
    const auto serial = text_of(request.serial);
    switch (static_cast<Verb>(request.header.verb)) {
    case Verb::machine_file: fill(reply, machine_); return ok();
    case Verb::read_fleet_file: {
        JACKDAW_TRY(auto file, open_fleet_file(static_cast<FleetFile>(request.fleet_file)));
        reply.has = file ? 1 : 0;
        out = file ? std::move(*file) : UniqueFd{};
        return ok();
    }
    case Verb::facts: {
        JACKDAW_TRY(const auto facts, machine_facts());
        reply.cores = facts.cores;
        reply.memory_bytes = facts.memory_bytes;
        set_cut(reply.hostname, facts.hostname);
        return ok();
    }
    case Verb::set_firewall: return set_firewall(request);
    case Verb::bind_admin_socket: {
        JACKDAW_TRY(out, bind_socket(admin_socket));
        return ok();
    }
    case Verb::bind_public_socket: {
        JACKDAW_TRY(out, bind_socket(public_socket));
        return ok();
    }
    case Verb::inspect_volume: {
        JACKDAW_TRY(const auto info, volume_.inspect(serial));
        fill(reply, info);
        return ok();
    }
    case Verb::spawn_mkfs: return spawn_mkfs(request, out);
    case Verb::mount_volume: return volume_.mount(serial, text_of(request.uuid));
    case Verb::unmount_volume: return volume_.unmount(serial);
    case Verb::spawn_grow: return spawn_grow(request, out);
    case Verb::read_stamp: {
        JACKDAW_TRY(const auto stamp, volume_.read_stamp());
        if (stamp) {
            reply.has = 1;
            set_cut(reply.stamp.instance_id, stamp->instance_id);
            set_cut(reply.stamp.datastore, stamp->datastore);
            set_cut(reply.stamp.version, stamp->version);
            reply.stamp.sealed = stamp->sealed ? 1 : 0;
        }
        return ok();
    }
    case Verb::write_stamp:
        return volume_.write_stamp({text_of(request.stamp.instance_id),
                                    text_of(request.stamp.datastore),
                                    text_of(request.stamp.version), request.stamp.sealed == 1},
                                   text_of(request.take_over_id));
    case Verb::erase_stamp: return volume_.erase_stamp();
    case Verb::prepare_folders: return prepare();
    case Verb::wipe_data: return wipe();
    case Verb::sync_volume: return volume_.sync();
    case Verb::write_config: return config(request, fds);
    case Verb::open_log: {
        JACKDAW_TRY(out, open_log(machine_, volume_, static_cast<LogOwner>(request.log_owner),
                                  text_of(request.log)));
        return ok();
    }
    case Verb::rotate_log: return rotate_log(machine_, volume_, text_of(request.log), request.keep);
    case Verb::connect_guard: {
        JACKDAW_TRY(auto found, spawner_.connect(text_of(request.guard)));
        reply.has = found ? 1 : 0;
        out = found ? std::move(*found) : UniqueFd{};
        return ok();
    }
    case Verb::list_guards: {
        JACKDAW_TRY(const auto names, spawner_.list());
        for (const auto& name : names) {
            set_cut(reply.names[reply.count++], name);
        }
        return ok();
    }
    case Verb::spawn_database:
    case Verb::spawn_job: break;
    }
    return Error{Errc::unsupported, "there is no such verb"};
}

Result<void> Server::dispatch(const SpawnRequest& request, UniqueFd& out) {
    if (request.header.verb == static_cast<std::uint16_t>(Verb::spawn_job)) {
        JACKDAW_TRY(out, spawner_.job(text_of(request.guard), text_of(request.datastore),
                                      text_of(request.job), request.spawn));
        return ok();
    }
    // Whatever the agent believes: no database on a data folder that is not sealed, or not this
    // machine's.
    JACKDAW_TRY(const auto stamp, volume_.read_stamp());
    if (!stamp || !stamp->sealed) {
        return Error{Errc::conflict,
                     "the data folder is not complete; no database is started on it"};
    }
    if (stamp->instance_id != machine_.instance_id) {
        return Error{Code::volume_foreign,
                     fmt::format("it is stamped for instance {}", stamp->instance_id)};
    }
    JACKDAW_TRY(out, spawner_.database(stamp->datastore, request.spawn));
    return ok();
}

void Server::handle(const void* bytes, const std::vector<UniqueFd>& fds, Reply& reply,
                    UniqueFd& out) {
    Header header;
    std::memcpy(&header, bytes, sizeof header);
    reply = make_reply(header);
    Result<void> done;
    if (broken_) {
        done = broken_->clone();
    } else if (header.size == sizeof(SpawnRequest)) {
        SpawnRequest request;
        std::memcpy(&request, bytes, sizeof request);
        done = dispatch(request, out);
    } else {
        Request request;
        std::memcpy(&request, bytes, sizeof request);
        done = dispatch(request, fds, reply, out);
    }
    if (!done) {
        reply = make_reply(header);
        set_error(reply, done.error());
        out.reset();
    }
}

void Server::run(int socket) {
    std::vector<char> bytes(std::max(sizeof(Request), sizeof(SpawnRequest)) + 1);
    const auto reply = std::make_unique<Reply>();
    for (;;) {
        std::vector<UniqueFd> fds;
        const auto got = receive_message(socket, bytes.data(), bytes.size(), fds);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0 || !request_valid(bytes.data(), static_cast<std::size_t>(got))) {
            return;
        }
        UniqueFd out;
        handle(bytes.data(), fds, *reply, out);
        if (!send_message(socket, reply.get(), sizeof *reply, out.get())) {
            return;
        }
    }
}

} // namespace jackdaw::agent::host
