// jackdaw-host in a machine of the test's own: jackdaw-init is its first process, a loop device its
// volume. The private world is that of guard_sandbox.h; skipped, with the reason printed, without
// root.
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/core/log_tail.h"
#include "agent/host/host_client.h"
#include "agent/host/host_process.h"
#include "agent/log_fd.h"
#include "tests/real/guard_sandbox.h"
#include "tests/unit/host_contract.h"

using namespace jackdaw;
using namespace jackdaw::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t volume_bytes = std::uint64_t{320} << 20; ///< the smallest there is
constexpr const char* drive = "/etc/jackdaw/config-drive/openstack/latest/";

struct stat info_of(const std::string& path) {
    struct stat info{};
    INFO(path);
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info;
}

void check_owner(const std::string& path, unsigned uid, unsigned gid, unsigned mode) {
    const auto info = info_of(path);
    INFO(path);
    CHECK(info.st_uid == uid);
    CHECK(info.st_gid == gid);
    CHECK((info.st_mode & 07777) == mode);
}

/// A /dev of our own with a loop device under the volume's name. The device goes with the last
/// descriptor.
class LoopVolume {
public:
    LoopVolume() {
        file_.reset(::open("/run/volume.img", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        REQUIRE(::ftruncate(file_.get(), volume_bytes) == 0);
        const UniqueFd control{::open("/dev/loop-control", O_RDWR | O_CLOEXEC)};
        REQUIRE(control);
        for (int tries = 0; tries < 20 && !device_; ++tries) { // others take loop devices, too
            number_ = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
            device_.reset(::open(fmt::format("/dev/loop{}", number_).c_str(), O_RDWR | O_CLOEXEC));
            loop_config config{};
            config.fd = static_cast<__u32>(file_.get());
            config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
            if (device_ && ::ioctl(device_.get(), LOOP_CONFIGURE, &config) != 0) {
                device_.reset();
            }
        }
        REQUIRE(device_);
        const auto number = info_of(fmt::format("/dev/loop{}", number_)).st_rdev;
        REQUIRE(::mount("tmpfs", "/dev", "tmpfs", 0, "mode=755") == 0);
        node("null", makedev(1, 3), 0666);
        node("urandom", makedev(1, 9), 0666);
        REQUIRE(::mknod(fmt::format("/dev/loop{}", number_).c_str(), S_IFBLK | 0600, number) == 0);
        fs::create_directories("/dev/disk/by-id");
        fs::create_symlink(fmt::format("../../loop{}", number_),
                           fmt::format("/dev/disk/by-id/virtio-{}", contract_serial));
    }
    ~LoopVolume() { ::umount2("/dev", MNT_DETACH); }
    LoopVolume(const LoopVolume&) = delete;
    LoopVolume& operator=(const LoopVolume&) = delete;

    void grow(std::uint64_t bytes) const {
        REQUIRE(::ftruncate(file_.get(), static_cast<off_t>(bytes)) == 0);
        REQUIRE(::ioctl(device_.get(), LOOP_SET_CAPACITY, 0) == 0);
    }
    void write_at(std::uint64_t offset, const std::string& bytes) const {
        REQUIRE(::pwrite(device_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
                static_cast<ssize_t>(bytes.size()));
        REQUIRE(::fsync(device_.get()) == 0);
    }

private:
    static void node(const char* name, dev_t number, unsigned mode) {
        REQUIRE(::mknod(fmt::format("/dev/{}", name).c_str(), S_IFCHR | mode, number) == 0);
    }
    UniqueFd file_, device_;
    int number_ = -1;
};

/// This process stands in the machine's mount namespace while it lives: what the host mounts,
/// guards see.
class Inside {
public:
    explicit Inside(pid_t first)
        : space_{::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)},
          root_{::open("/", O_PATH | O_CLOEXEC)} {
        const UniqueFd space{
            ::open(fmt::format("/proc/{}/ns/mnt", first).c_str(), O_RDONLY | O_CLOEXEC)};
        const UniqueFd root{
            ::open(fmt::format("/proc/{}/root", first).c_str(), O_PATH | O_CLOEXEC)};
        enter(space, root);
    }
    ~Inside() { enter(space_, root_); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

private:
    static void enter(const UniqueFd& space, const UniqueFd& root) {
        const bool done = ::setns(space.get(), CLONE_NEWNS) == 0 && ::fchdir(root.get()) == 0 &&
                          ::chroot(".") == 0 && ::chdir("/") == 0;
        if (!done) {
            std::abort(); // the test would go on in a wrong place
        }
    }
    UniqueFd space_, root_;
};

const std::string logs{agent::log_folder};

void write_log(agent::LogOwner owner, const std::string& name, const std::string& text) {
    const bool engine = owner == agent::LogOwner::engine;
    const auto path = (engine ? logs : std::string{"/var/log/jackdaw"}) + "/" + name;
    std::ofstream{path, std::ios::app} << text;
    if (engine) {
        REQUIRE(::chown(path.c_str(), 47413, 47413) == 0);
    }
}

void write_drive() {
    fs::remove("/etc/jackdaw/machine.conf");
    test::write_text(std::string{drive} + "meta_data.json", "{}", 0600);
    test::write_text(
        std::string{drive} + "user_data",
        fmt::format(
            R"({{"fleet":"lab","instance_id":"{}","instance_name":"db1","volume_serial":"{}",
                                      "address":"","seeds":[]}})",
            contract_id, contract_serial),
        0600);
    test::write_text("/usr/lib/jackdaw/plugins/fake.jobs",
                     "job fake-init /bin/sh\ndatabase /bin/sleep\n", 0644);
    fs::permissions("/usr/lib/jackdaw/plugins", fs::perms{0755});
}

/// A machine with its volume, and the agent's end of a host in it.
struct World {
    World() : machine{"#!/bin/sh\nexec sleep 100000\n"}, inside{(prepare(), machine.pid())} {
        start();
    }
    ~World() { stop(); }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    void start() {
        auto forked = must(agent::fork_host());
        pid = forked.pid;
        host = std::make_unique<agent::HostClient>(std::move(forked.socket));
    }
    void stop() {
        host.reset(); // its end of the socket: the host goes
        CHECK(test::wait_exit(pid) == 0);
    }

    LoopVolume volume;
    test::Machine machine;
    Inside inside;
    pid_t pid = -1;
    std::unique_ptr<agent::HostClient> host;

private:
    static void prepare() { write_drive(); }
};

} // namespace

TEST_CASE("jackdaw-host is a Host") {
    World world;
    auto& host = *world.host;
    only_the_machines_own_volume_is_touched(host);
    a_blank_volume_is_formatted_and_mounted_by_its_uuid(host);
    the_stamp_says_whose_it_is(host);
    no_database_starts_before_the_data_folder_is_sealed(host);
    check_owner("/var/lib/jackdaw/volume/.jackdaw-stamp", 0, 0, 0644);
    check_owner("/var/lib/jackdaw/volume/data", 47413, 47413, 0700);
    check_owner("/var/lib/jackdaw/volume", 0, 0, 0755);
    check_owner("/etc/jackdaw/database/my.cnf", 0, 0, 0644);
    CHECK_FALSE(test::exists("/etc/jackdaw/database/extra.cnf"));
    one_database_lives_under_its_guard_until_it_is_stopped(host);
    check_owner("/var/lib/jackdaw/volume/log", 47413, 47413, 0750);
    logs_are_opened_for_reading_and_rotated(host, write_log);
    the_volume_is_given_back(host);
    a_volume_that_holds_something_is_formatted_by_order_only(host);
}

TEST_CASE("first boot writes the machine file once and makes the machine's folders") {
    World world;
    const auto file = must(world.host->machine_file());
    CHECK(file.instance_id == contract_id);
    CHECK(file.instance_name == "db1");
    check_owner("/etc/jackdaw/machine.conf", 0, 0, 0644);
    check_owner("/etc/jackdaw/fleet", 0, 47412, 0750);
    check_owner("/var/lib/jackdaw/state", 47412, 47412, 0700);
    check_owner("/run/jackdaw/guards", 0, 0, 0755);
    // The drive says something else later: the machine file stands.
    test::write_text(std::string{drive} + "user_data", R"({"instance_name":"other"})", 0600);
    world.stop();
    world.start();
    CHECK(must(world.host->machine_file()).instance_name == "db1");
    // A drive that is not whole yet decides nothing for good.
    world.stop();
    fs::remove("/etc/jackdaw/machine.conf");
    fs::remove(std::string{drive} + "user_data");
    world.start();
    CHECK(must(world.host->machine_file()).instance_id.empty());
    CHECK_FALSE(test::exists("/etc/jackdaw/machine.conf"));
    world.stop();
    write_drive();
    world.start();
    CHECK(must(world.host->machine_file()).instance_id == contract_id);
}

TEST_CASE("the folder of the database's sockets stays that of the machine file's user") {
    World world;
    (void)must(world.host->machine_file());
    check_owner("/run/jackdaw/database", 47413, 47413, 0755);
    world.stop();
    auto text = test::read_text("/etc/jackdaw/machine.conf");
    const std::string usual = "database_uid=47413";
    const auto at = text.find(usual);
    REQUIRE(at != std::string::npos);
    test::write_text("/etc/jackdaw/machine.conf",
                     text.replace(at, usual.size(), "database_uid=47500"), 0644);
    world.start(); // as after the agent's death: nothing prepares the folders again
    (void)must(world.host->machine_file());
    check_owner("/run/jackdaw/database", 47500, 47413, 0755);
}

TEST_CASE("a host that could not start tells every caller why") {
    World world;
    world.stop();
    test::write_text("/etc/jackdaw/machine.conf", "nonsense\n", 0644);
    world.start();
    const auto file = world.host->machine_file();
    REQUIRE_FALSE(file);
    CHECK(file.error().to_string().find("line 1 of the machine file") != std::string::npos);
    CHECK_FALSE(world.host->list_guards());
    fs::remove("/etc/jackdaw/machine.conf");
}

TEST_CASE("the admin socket is for root and its group, and handed over listening") {
    World world;
    const auto socket = must(world.host->bind_admin_socket());
    check_owner("/run/jackdaw/admin.sock", 0, 47414, 0660);
    int listening = 0;
    socklen_t size = sizeof listening;
    REQUIRE(::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0);
    CHECK(listening == 1);
    (void)must(world.host->bind_admin_socket()); // in the place of an earlier one
}

TEST_CASE("the public socket is for everybody, and another one than the admin socket") {
    World world;
    const auto admin = must(world.host->bind_admin_socket());
    const auto everyone = must(world.host->bind_public_socket());
    check_owner("/run/jackdaw/public.sock", 0, 0, 0666);
    check_owner("/run/jackdaw/admin.sock", 0, 47414, 0660);
    for (const auto& socket : {admin.get(), everyone.get()}) {
        sockaddr_un address{};
        socklen_t size = sizeof address;
        REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        CHECK(std::string{address.sun_path} ==
              (socket == admin.get() ? "/run/jackdaw/admin.sock" : "/run/jackdaw/public.sock"));
    }
    const UniqueFd caller{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/run/jackdaw/public.sock");
    CHECK(::connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
          0); // it listens
}

TEST_CASE("a handed-over file is read when root owns it, and only then") {
    World world;
    CHECK_FALSE(must(world.host->read_fleet_file(agent::FleetFile::seeds)));
    test::write_text("/etc/jackdaw/fleet/seeds", "10.1.2.3:7412\n", 0600);
    CHECK(must(world.host->read_fleet_file(agent::FleetFile::seeds)) == "10.1.2.3:7412\n");
    REQUIRE(::chown("/etc/jackdaw/fleet/seeds", 47413, 47413) == 0);
    CHECK(refusal(world.host->read_fleet_file(agent::FleetFile::seeds)) == Code::not_allowed);
    fs::remove("/etc/jackdaw/fleet/seeds");
    fs::create_symlink("/etc/shadow", "/etc/jackdaw/fleet/seeds");
    CHECK_FALSE(world.host->read_fleet_file(agent::FleetFile::seeds));
    fs::remove("/etc/jackdaw/fleet/seeds");
}

TEST_CASE("only programs of the list run, as the database's user") {
    World world;
    auto job = contract_job("id -u; id -G; cat /proc/self/oom_score_adj");
    const auto said = finish(must(world.host->spawn_job("op-7", "fake", job)));
    CHECK(said.find("47413\n47413\n1000\n") == 0); // and so is what it starts
    job.argv[0] = "/bin/sleep";                    // the database's program is no job
    CHECK(refusal(world.host->spawn_job("op-7", "fake", job)) == Code::not_allowed);
    job.argv[0] = "/bin/sh";
    job.name = "other";
    CHECK(refusal(world.host->spawn_job("op-7", "fake", job)) == Code::not_allowed);
    CHECK(refusal(world.host->spawn_job("op-7", "../fake", job)) == Code::unknown_datastore);
    CHECK(refusal(world.host->spawn_job("database", "fake", contract_job("true"))) ==
          Code::invalid);
    CHECK(refusal(world.host->spawn_job("../x", "fake", contract_job("true"))) == Code::invalid);
    REQUIRE(::chmod("/usr/lib/jackdaw/plugins/fake.jobs", 0666) == 0);
    CHECK(refusal(world.host->spawn_job("op-7", "fake", contract_job("true"))) ==
          Code::not_allowed);
}

TEST_CASE("a job that fails, is killed or hangs shows as that") {
    World world;
    auto link =
        must(world.host->spawn_job("op-1", "fake", contract_job("echo broken >&2; exit 3")));
    auto end = must(link->wait_end(std::chrono::seconds{60}, -1));
    CHECK(end.exit_status == 3);
    CHECK_FALSE(end.succeeded());
    CHECK(must(link->output()) == "broken\n");
    CHECK(refusal(world.host->spawn_job("op-1", "fake", contract_job("true"))) == Code::conflict);
    must(link->release());
    // The name is free as soon as it is released, however long the guard takes to go.
    link = must(world.host->spawn_job("op-1", "fake", contract_job("exec sleep 1000")));
    CHECK(link->wait_end(std::chrono::milliseconds{20}, -1).error().code() == Errc::deadline);
    must(link->request_stop(agent::StopKind::kill));
    end = must(link->wait_end(std::chrono::seconds{60}, -1));
    CHECK(end.signal == SIGKILL);
    must(link->release());
    CHECK_FALSE(must(world.host->connect_guard("op-1")));
    CHECK(must(world.host->list_guards()).empty());
}

TEST_CASE("a guard that stands still keeps no host, however many have called it by then") {
    World world;
    const auto link = must(world.host->spawn_job("op-1", "fake", contract_job("exec sleep 1000")));
    CHECK(must(world.host->connect_guard("op-1"))); // it listens
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, JACKDAW_GUARD_FOLDER "/op-1.sock", sizeof address.sun_path - 1);
    const auto call = [&] {
        UniqueFd fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        const bool taken = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                     sizeof address) == 0; // else EAGAIN: so many wait already
        return taken ? std::move(fd) : UniqueFd{};
    };
    ucred guard{};
    {
        const auto first = call();
        socklen_t size = sizeof guard;
        REQUIRE(::getsockopt(first.get(), SOL_SOCKET, SO_PEERCRED, &guard, &size) == 0);
    }
    REQUIRE(guard.pid > 1);
    REQUIRE(::kill(guard.pid, SIGSTOP) == 0);
    std::vector<UniqueFd> waiting;
    while (auto fd = call()) {
        waiting.push_back(std::move(fd));
    }
    REQUIRE_FALSE(waiting.empty());
    const auto seen = world.host->connect_guard("op-1");
    CHECK((!seen && seen.error().code() == Errc::busy));
    CHECK(world.host->facts()); // the next one is served
    REQUIRE(::kill(guard.pid, SIGCONT) == 0);
    waiting.clear();
    must(link->request_stop(agent::StopKind::kill));
    (void)must(link->wait_end(std::chrono::seconds{60}, -1));
    must(link->release());
}

TEST_CASE("bytes without a signature are not blank, and only our own cut-off mkfs is done again") {
    World world;
    world.volume.write_at(3 << 20, "somebody's");
    CHECK_FALSE(must(world.host->inspect_volume(contract_serial)).blank);
    CHECK(refusal(world.host->spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})) ==
          Code::volume_not_blank);
    world.volume.write_at(3 << 20, std::string(10, '\0'));
    CHECK(must(world.host->inspect_volume(contract_serial)).blank);
    (void)finish(
        must(world.host->spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    world.volume.write_at(
        0, std::string(8192, '\0')); // as if it had been cut off before its superblock
    CHECK_FALSE(must(world.host->inspect_volume(contract_serial)).blank);
    CHECK(refusal(world.host->spawn_mkfs("op-1", {contract_serial, "xfs", contract_other_uuid,
                                                  false})) == Code::volume_not_blank);
    (void)finish(
        must(world.host->spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(world.host->mount_volume(contract_serial, contract_uuid));
    must(world.host->unmount_volume(contract_serial));
    // It was in use: not even the same UUID formats it again.
    CHECK(refusal(world.host->spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})) ==
          Code::volume_not_blank);
}

TEST_CASE("a mount that a killed host left half-way is finished by the next one") {
    World world;
    auto& host = *world.host;
    const std::string folder{agent::volume_folder};
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.write_stamp({contract_id, "fake", "1.0", false}, {}));
    const auto device = must(host.inspect_volume(contract_serial)).device;
    must(host.unmount_volume(contract_serial));
    // Killed after it had looked at the stamp.
    fs::remove("/var/lib/jackdaw/volume-own");
    REQUIRE(::mount(device.c_str(), folder.c_str(), "xfs", MS_RDONLY, "norecovery") == 0);
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.prepare_folders());
    must(host.unmount_volume(contract_serial));
    // Killed after the mount, before it forgot what was to be formatted.
    const std::string intent = "/var/lib/jackdaw/mkfs-intent";
    test::write_text(intent, fmt::format("serial={}\nuuid={}\n", contract_serial, contract_uuid),
                     0600);
    REQUIRE(::mount(device.c_str(), folder.c_str(), "xfs", 0, nullptr) == 0);
    must(host.mount_volume(contract_serial, contract_uuid));
    CHECK_FALSE(test::exists(intent));
    must(host.unmount_volume(contract_serial));
    CHECK(refusal(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})) ==
          Code::volume_not_blank);
}

TEST_CASE("wiping leaves the folder, follows no link and crosses no mount") {
    World world;
    auto& host = *world.host;
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.prepare_folders());
    const std::string data{agent::data_folder};
    test::write_text("/run/outside/kept", "kept");
    fs::create_directories(data + "/a/b/c");
    test::write_text(data + "/a/b/c/file", "gone");
    fs::create_directory_symlink("/run/outside", data + "/a/link");
    must(host.wipe_data());
    CHECK(fs::is_empty(data));
    CHECK(test::read_text("/run/outside/kept") == "kept");
    fs::create_directory(data + "/mounted");
    REQUIRE(::mount("tmpfs", (data + "/mounted").c_str(), "tmpfs", 0, nullptr) == 0);
    test::write_text(data + "/mounted/kept", "kept");
    CHECK_FALSE(host.wipe_data());
    CHECK(test::read_text(data + "/mounted/kept") == "kept");
    REQUIRE(::umount((data + "/mounted").c_str()) == 0);
    must(host.unmount_volume(contract_serial));
}

TEST_CASE("what a database left in its run folder goes before the next one, root's stays") {
    World world;
    auto& host = *world.host;
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.prepare_folders());
    const std::string run{agent::database_run_folder};
    for (const auto* name : {"/huge.log", "/roots"}) {
        test::write_text(run + name, "x");
    }
    fs::create_symlink("/run/jackdaw", run + "/link");
    for (const auto* name : {"/huge.log", "/link"}) {
        REQUIRE(::lchown((run + name).c_str(), 47413, 47413) == 0);
    }
    must(host.prepare_folders());
    CHECK_FALSE(test::exists(run + "/huge.log"));
    CHECK_FALSE(fs::is_symlink(run + "/link"));
    CHECK(test::exists(run + "/roots"));
    CHECK(test::exists("/run/jackdaw/guards"));
    must(host.unmount_volume(contract_serial));
}

TEST_CASE("what stands in place of a log is refused by what it is, and neither read nor moved") {
    World world;
    auto& host = *world.host;
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    CHECK(refusal(host.open_log(agent::LogOwner::engine, "slow.log")) == Code::conflict);
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.write_stamp({contract_id, "fake", "1.0", false}, ""));
    CHECK(refusal(host.open_log(agent::LogOwner::engine, "slow.log")) == Code::not_found);
    must(host.prepare_folders());

    const auto path = logs + "/slow.log";
    const auto own = [](const std::string& what) {
        REQUIRE(::lchown(what.c_str(), 47413, 47413) == 0);
    };
    const std::vector<std::pair<std::string, std::function<void(const std::string&)>>> hostile{
        {"a symbolic link", [&](const auto& at) { fs::create_symlink("/etc/shadow", at); }},
        {"a symbolic link", [&](const auto& at) { fs::create_symlink("general.log", at); }},
        {"a symbolic link", [&](const auto& at) { fs::create_symlink("/proc/self/mem", at); }},
        {"a FIFO", [&](const auto& at) { REQUIRE(::mkfifo(at.c_str(), 0666) == 0); }},
        {"a device",
         [&](const auto& at) { REQUIRE(::mknod(at.c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0); }},
        {"a device",
         [&](const auto& at) { REQUIRE(::mknod(at.c_str(), S_IFBLK | 0666, makedev(7, 0)) == 0); }},
        {"a socket",
         [&](const auto& at) { REQUIRE(::mknod(at.c_str(), S_IFSOCK | 0666, 0) == 0); }},
        {"a folder", [&](const auto& at) { fs::create_directory(at); }},
        {"a hard link",
         [&](const auto& at) {
             write_log(agent::LogOwner::engine, "other", "text");
             fs::create_hard_link(logs + "/other", at);
         }},
        {"belongs to uid 0", [&](const auto& at) { test::write_text(at, "root's", 0644); }},
    };
    for (const auto& [kind, make] : hostile) {
        for (const auto* name : {"slow.log", "slow.log.1", "slow.log.9"}) {
            const auto at = logs + "/" + name;
            INFO(kind << " as " << name);
            make(at);
            if (kind != "belongs to uid 0") {
                own(at);
            }
            const bool present = at != path;
            if (present) {
                write_log(agent::LogOwner::engine, "slow.log", "text");
            }
            const auto before = info_of(at);
            const auto opened = host.open_log(agent::LogOwner::engine, name);
            REQUIRE(refusal(opened) == Code::not_allowed);
            CHECK(opened.error().to_string().find(kind) != std::string::npos);
            CHECK(opened.error().to_string().find(name) != std::string::npos);
            CHECK(opened.error().hint().find("remove it") != std::string::npos);
            const auto rotated = host.rotate_log("slow.log", 3);
            REQUIRE(refusal(rotated) == Code::not_allowed);
            CHECK(rotated.error().to_string().find(kind) != std::string::npos);
            CHECK(info_of(at).st_ino == before.st_ino);
            CHECK(fs::exists(fs::symlink_status(path)));
            for (const auto& entry : fs::directory_iterator{logs}) {
                fs::remove_all(entry);
            }
        }
    }
    fs::create_directory(path); // another file system's folder
    REQUIRE(::mount("tmpfs", path.c_str(), "tmpfs", 0, nullptr) == 0);
    CHECK(refusal(host.open_log(agent::LogOwner::engine, "slow.log")) == Code::not_allowed);
    CHECK(refusal(host.rotate_log("slow.log", 3)) == Code::not_allowed);
    REQUIRE(::umount(path.c_str()) == 0);
    fs::remove(path);

    // The guard's: root's folder, and the same looks.
    fs::create_symlink("/etc/shadow", "/var/log/jackdaw/database.log.1");
    CHECK(refusal(host.open_log(agent::LogOwner::guard, "database.log.1")) == Code::not_allowed);
    fs::remove("/var/log/jackdaw/database.log.1");
    must(host.unmount_volume(contract_serial));
}

TEST_CASE("the end of a log of 10 GB, all hole, is read at once") {
    World world;
    auto& host = *world.host;
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.write_stamp({contract_id, "fake", "1.0", false}, ""));
    must(host.prepare_folders());
    write_log(agent::LogOwner::engine, "general.log", "begin\n");
    const auto path = logs + "/general.log";
    REQUIRE(::truncate(path.c_str(), off_t{10} << 30) == 0);
    write_log(agent::LogOwner::engine, "general.log", "\nlast but one\nlast\n");
    { // an open log keeps the volume busy
        agent::LogFd log{must(host.open_log(agent::LogOwner::engine, "general.log"))};
        const auto from = std::chrono::steady_clock::now();
        const auto end = must(agent::tail({must(log.bytes())}, 100, {}));
        CHECK(std::chrono::steady_clock::now() - from < std::chrono::seconds{2});
        REQUIRE(end.lines.size() == 2);
        CHECK(end.lines[0] == "last but one");
        CHECK(end.lines[1] == "last");
        CHECK(end.is_cut);
    }
    must(host.unmount_volume(contract_serial));
}

TEST_CASE("a stamp that finds no room says that it is the volume's, and leaves the old one") {
    World world;
    auto& host = *world.host;
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(host.mount_volume(contract_serial, contract_uuid));
    must(host.write_stamp({contract_id, "fake", "1.0", false}, {}));
    const auto filler = std::string{agent::volume_folder} + "/filler";
    {
        const UniqueFd fd{::open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
        REQUIRE(fd);
        off_t end = 0; // taken, not written: the disk below need not have it
        for (const off_t size : {off_t{16} << 20U, off_t{1} << 20U, off_t{4096}}) {
            while (::fallocate(fd.get(), 0, end, size) == 0) {
                end += size;
            }
        }
        (void)::fsync(fd.get());
    }
    const auto full = must(host.inspect_volume(contract_serial));
    CHECK(full.used_bytes == full.size_bytes - full.free_bytes);
    CHECK(full.used_bytes > full.size_bytes / 100 * 98); // its log and its tables count, too
    CHECK(refusal(host.write_stamp({contract_id, "fake", "1.0", true}, {})) == Code::volume_full);
    CHECK_FALSE(must(host.read_stamp())->sealed);
    fs::remove(filler);
    must(host.write_stamp({contract_id, "fake", "1.0", true}, {}));
    CHECK(must(host.read_stamp())->sealed);
    must(host.unmount_volume(contract_serial));
}

TEST_CASE("a mounted xfs grows to its device") {
    World world;
    auto& host = *world.host;
    (void)finish(must(host.spawn_mkfs("op-1", {contract_serial, "xfs", contract_uuid, false})));
    must(host.mount_volume(contract_serial, contract_uuid));
    const auto before = must(host.inspect_volume(contract_serial));
    world.volume.grow(2 * volume_bytes);
    (void)finish(must(host.spawn_grow("op-2", contract_serial)));
    const auto after = must(host.inspect_volume(contract_serial));
    CHECK(after.size_bytes == 2 * volume_bytes);
    CHECK(after.filesystem_bytes > before.filesystem_bytes + volume_bytes / 2);
    must(host.unmount_volume(contract_serial));
}

TEST_CASE("the packet filter is replaced as a whole, or the caller is told what is missing") {
    World world;
    const auto set = world.host->set_firewall({"10.1.0.0/16"}, 3306);
    if (!set) {
        WARN("this machine has no working nftables: " << set.error().to_string());
        CHECK((set.error().id() == Code::host_lacks || set.error().id() == Code::job_failed));
        return;
    }
    must(world.host->set_firewall({"10.2.0.0/16"}, 3306));
    check_owner("/run/jackdaw/firewall.nft", 0, 0, 0600);
    const auto rules = test::read_text("/run/jackdaw/firewall.nft");
    CHECK(rules.find("10.2.0.0/16") != std::string::npos);
    CHECK(rules.find("10.1.0.0/16") == std::string::npos);
    CHECK_FALSE(world.host->set_firewall({"10.2.0.0/16; drop"}, 3306));
    CHECK_FALSE(world.host->set_firewall({}, 0));
}

TEST_CASE("the agent drops every right of root and cannot take one back") {
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const bool dropped = static_cast<bool>(agent::drop_rights());
        const bool safe =
            ::getuid() == 47412 && ::setuid(0) != 0 && ::open("/etc/shadow", O_RDONLY) < 0;
        ::_exit(dropped && safe ? 0 : 1);
    }
    CHECK(test::wait_exit(child) == 0);
}

TEST_CASE("a host outlives a killed agent until its verb is done, and the next one waits for it") {
    World world;
    (void)must(world.host->machine_file()); // it has the lock
    auto second = must(agent::fork_host());
    auto next = std::make_unique<agent::HostClient>(std::move(second.socket));
    CHECK(must(world.host->machine_file()).instance_id == contract_id);
    CHECK_FALSE(next->has_ended());
    world.host.reset();
    CHECK(test::wait_exit(world.pid) == 0);
    CHECK(must(next->machine_file()).instance_id == contract_id);
    world.pid = second.pid;
    world.host = std::move(next);
}

TEST_CASE("garbage ends the host, and the agent sees that at once") {
    World world;
    world.stop();
    const auto forked = must(agent::fork_host());
    REQUIRE(::send(forked.socket.get(), "garbage", 7, MSG_NOSIGNAL) == 7);
    CHECK(test::wait_exit(forked.pid) == 0);
    char byte = 0;
    CHECK(::recv(forked.socket.get(), &byte, 1, 0) == 0);
    world.start();
}
