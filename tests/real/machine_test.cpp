// Local machines, made for real: in a network namespace of this test's own, with a stand-in for the
// first process.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/local/layout.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/run_program.h"
#include "tests/real/machine_world.h"

using namespace jackdaw;
using namespace jackdaw::cloud;
using namespace jackdaw::test;

TEST_CASE("a machine has an address that its fleet's host reaches, and is gone without a trace "
          "when deleted") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const Machine machine = world.make("a");
    CHECK(machine.state == MachineState::on);
    CHECK(machine.wanted_on);
    CHECK(greets(machine.address, patience_ms));

    REQUIRE_OK(world.provider().delete_machine("a"));
    const auto volumes = world.provider().volumes();
    REQUIRE(volumes->size() == 1);
    CHECK(volumes->front().machine.empty());
    REQUIRE_OK(world.provider().delete_volume(volumes->front().id));
    CHECK(nothing_left(world));
    INFO(all_lines(world.leftovers()));
    CHECK(world.leftovers().empty());
    CHECK_FALSE(greets(machine.address, silence_ms));
    REQUIRE_OK(world.provider().delete_machine("a")); // absent is no error
}

TEST_CASE("a machine is a machine of its own inside") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    world.make("a");
    CHECK(inside(world, "a", "test \"$(cat /proc/sys/kernel/hostname)\" = a") == 0);
    CHECK(inside(world, "a",
                 "test \"$(cat /etc/hostname)\" = a && grep -q ' a.test a$' /etc/hosts") == 0);
    CHECK(inside(world, "a", "readlink /proc/1/exe | grep -qx /usr/lib/jackdaw/jackdaw-init") == 0);
    CHECK(inside(world, "a",
                 "! touch /usr/lib/jackdaw/x 2>/dev/null && ! touch /sys/x 2>/dev/null") == 0);
    CHECK(inside(world, "a", "test ! -e /dev/loop-control && touch /tmp/x /srv/x /etc/x") == 0);
    CHECK(inside(world, "a", "test -e /var/tmp/x") == 0); // no way to the host's disk
    CHECK(inside(world, "a", "head -c 65M /dev/zero 2>/dev/null > /tmp/filled") != 0);
    CHECK(inside(world, "a", "rm /tmp/filled") == 0);
    CHECK(inside(world, "a",
                 "mkdir /run/jackdaw/cgroup/below && rmdir /run/jackdaw/cgroup/below") == 0);
    CHECK(inside(world, "a", "test \"$(cat /proc/self/cgroup | tail -1)\" = 0::/") == 0);
    // No mount, and no root, of the host is seen.
    CHECK(inside(world, "a",
                 "! grep -q machine-test /proc/self/mountinfo || grep -q upperdir "
                 "/proc/self/mountinfo") == 0);
    CHECK(inside(world, "a",
                 "test $(stat -c %a /etc/jackdaw/config-drive/openstack/latest/user_data) = 600") ==
          0);
    CHECK(inside(world, "a",
                 "grep -q '\"instance_name\": \"a\"' "
                 "/etc/jackdaw/config-drive/openstack/latest/user_data") == 0);
    CHECK(inside(world, "a", "test -b /dev/disk/by-id/virtio-*") == 0);
    CHECK(inside(world, "a", "grep -q hidepid=2,gid=47412\\\\\\|hidepid=invisible /proc/mounts") ==
          0);
}

TEST_CASE("a command inside answers with its own status") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    world.make("a");
    CHECK(inside(world, "a", "exit 7") == 7);
    CHECK(inside(world, "a", "kill -9 $$") == 128 + 9);
    CHECK(*world.provider().run_inside("a", {"no-such-command"}) == 127);
    const char* const usual = std::getenv("PATH");
    const std::string path = usual == nullptr ? "" : usual;
    REQUIRE(::setenv("PATH", "/nowhere", 1) == 0); // the machine's own counts
    CHECK(*world.provider().run_inside("a", {"true"}) == 0);
    REQUIRE(::setenv("PATH", path.c_str(), 1) == 0);
    REQUIRE_OK(world.provider().power_off("a", budget));
    CHECK(world.provider().run_inside("a", {"true"}).error().id() == Code::machine_down);
    CHECK(world.provider().run_inside("b", {"true"}).error().code() == Errc::not_found);
}

TEST_CASE("a machine that was switched off keeps its files and its address") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const Machine machine = world.make("a");
    CHECK(inside(world, "a", "echo kept > /etc/kept") == 0);
    REQUIRE_OK(world.provider().power_off("a", budget));
    CHECK(world.provider().describe_machine("a")->state == MachineState::off);
    CHECK_FALSE(greets(machine.address, silence_ms));
    REQUIRE_OK(world.provider().power_off("a", budget)); // off already is no error

    const auto again = world.provider().power_on("a");
    REQUIRE_OK(world.provider().power_on("a")); // on already, too
    CHECK(again->address == machine.address);
    CHECK(greets(machine.address, patience_ms));
    CHECK(inside(world, "a", "grep -qx kept /etc/kept") == 0);
}

TEST_CASE("power-off ends a machine that does not want to end, and thaws a frozen one first") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    std::ofstream{world.programs() / "refuses"} << "";
    world.make("a");
    REQUIRE_OK(world.provider().power_off("a", std::chrono::milliseconds{50}));
    CHECK(world.provider().describe_machine("a")->state == MachineState::off);

    std::filesystem::remove(world.programs() / "refuses");
    REQUIRE_OK(world.provider().power_on("a"));
    REQUIRE_OK(world.provider().freeze("a"));
    REQUIRE_OK(world.provider().power_off("a", budget));
    CHECK(world.provider().describe_machine("a")->state == MachineState::off);
}

TEST_CASE("a frozen machine says nothing until it is thawed") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const Machine machine = world.make("a");
    CHECK(greets(machine.address, patience_ms));
    REQUIRE_OK(world.provider().freeze("a"));
    CHECK(world.provider().describe_machine("a")->state == MachineState::frozen);
    CHECK_FALSE(greets(machine.address, silence_ms));
    REQUIRE_OK(world.provider().thaw("a"));
    CHECK(greets(machine.address, patience_ms));
    REQUIRE_OK(world.provider().freeze("a"));
    REQUIRE_OK(world.provider().delete_machine("a"));
}

TEST_CASE("a power cut loses what was not synced and keeps what was, on the volume and on the "
          "root's own disk") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    const auto volume =
        provider.create_volume({.name = "a", .size_bytes = 320ULL << 20U}, MachineWorld::tags("v"));
    auto spec = world.spec("a", volume->id);
    spec.root_disk_bytes = 128ULL << 20U;
    REQUIRE_OK(provider.create_machine(spec, MachineWorld::tags("m")));
    const std::string mount =
        "mkdir -p /var/lib/jackdaw/volume && mount $(readlink -f /dev/disk/by-id/virtio-*) "
        "/var/lib/jackdaw/volume";
    REQUIRE(inside(world, "a", "mkfs.xfs -q $(readlink -f /dev/disk/by-id/virtio-*) && " + mount) ==
            0);
    const std::string both = "for folder in /var/lib/jackdaw/volume /etc; do ";
    REQUIRE(inside(world, "a", both + "echo synced > $folder/synced; done; sync") == 0);
    REQUIRE(inside(world, "a", both + "echo lost > $folder/lost; done") == 0);
    REQUIRE_OK(provider.power_off_crash("a"));
    CHECK(provider.describe_machine("a")->state == MachineState::off);
    CHECK_FALSE(provider.describe_machine("a")->wanted_on);
    REQUIRE_OK(provider.power_on("a"));
    REQUIRE(inside(world, "a", mount) == 0);
    for (const std::string folder : {"/var/lib/jackdaw/volume", "/etc"}) {
        CHECK(inside(world, "a", "grep -qx synced " + folder + "/synced") == 0);
        CHECK(inside(world, "a", "test ! -s " + folder + "/lost") == 0);
    }
}

TEST_CASE("a root disk of its own fills up without touching the host's") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto spec = world.spec("a");
    spec.root_disk_bytes = 64ULL << 20U;
    REQUIRE_OK(world.provider().create_machine(spec, MachineWorld::tags("m")));
    CHECK(inside(world, "a",
                 "! head -c 100M /dev/zero > /var/filler 2>/dev/null && test -s /var/filler") == 0);
}

TEST_CASE("a cut machine is silent to everybody or to one, and speaks again when healed") {
    SKIP_WITHOUT_MACHINES();
    if (local::find_program("nft").empty()) {
        WARN("skipped: the program nft is missing");
        return;
    }
    MachineWorld world;
    auto& provider = world.provider();
    const Machine a = world.make("a");
    const Machine b = world.make("b");
    const auto b_reaches_a = [&] {
        return inside(world, "b",
                      "timeout 1 bash -c 'read -r word < /dev/tcp/" + a.address + "/7412'") == 0;
    };
    REQUIRE(greets(a.address, patience_ms));
    REQUIRE(b_reaches_a());

    REQUIRE_OK(provider.cut("a", {}));
    CHECK_FALSE(greets(a.address, silence_ms));
    CHECK_FALSE(b_reaches_a());
    CHECK(greets(b.address, patience_ms));

    REQUIRE_OK(provider.cut("a", {.from = "b"})); // in place of the first
    CHECK(greets(a.address, patience_ms));
    CHECK_FALSE(b_reaches_a());

    REQUIRE_OK(provider.cut("a", {.one_way = true}));
    CHECK_FALSE(greets(a.address, silence_ms));
    REQUIRE_OK(provider.cut("a", {.percent = 1}));
    REQUIRE_OK(provider.heal("a"));
    CHECK(greets(a.address, patience_ms));
    CHECK(b_reaches_a());
    REQUIRE_OK(provider.heal("a")); // nothing to heal is no error

    REQUIRE_OK(provider.cut("a", {}));
    REQUIRE_OK(provider.power_off("a", budget)); // a cut ends with the power
    REQUIRE_OK(provider.power_on("a"));
    CHECK(greets(a.address, patience_ms));
    CHECK(provider.cut("a", {.percent = 0}).error().code() == Errc::invalid);
}

TEST_CASE("a volume grows under a running machine and never shrinks") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    const std::string id = world.make("a").volume_id;
    const auto size_inside = [&](std::uint64_t bytes) {
        return inside(world, "a",
                      "test $(blockdev --getsize64 /dev/disk/by-id/virtio-*) = " +
                          std::to_string(bytes)) == 0;
    };
    CHECK(size_inside(320ULL << 20U));
    REQUIRE_OK(provider.extend_volume(id, 400ULL << 20U));
    CHECK(size_inside(400ULL << 20U));
    REQUIRE_OK(provider.extend_volume(id, 400ULL << 20U));
    CHECK(provider.extend_volume(id, 350ULL << 20U).error().id() == Code::volume_shrink);
    CHECK(provider.create_volume({.name = "b", .size_bytes = 1}, {}).error().id() ==
          Code::volume_too_small);
    CHECK(provider.create_volume({.name = "b", .size_bytes = 1ULL << 49U}, {}).error().id() ==
          Code::disk_full);
    CHECK(provider.delete_volume(id).error().code() == Errc::busy);
    // The same size again promises nothing more, however much others were promised meanwhile.
    const auto large = provider.create_volume(
        {.name = "large", .size_bytes = 1ULL << 42U, .overcommit = true}, {});
    REQUIRE(large);
    REQUIRE_OK(provider.extend_volume(id, 400ULL << 20U));
    CHECK(provider.extend_volume(id, 410ULL << 20U).error().id() == Code::disk_full);
    REQUIRE_OK(provider.delete_volume(large->id));
}

TEST_CASE("a volume is not deleted while another coordinator may be giving it to a machine") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const auto volume =
        world.provider().create_volume({.name = "a", .size_bytes = 320ULL << 20U}, {});
    REQUIRE(volume);
    const local::Layout layout{world.state(), world.fleet()};
    auto giving = local::FileLock::take(layout.fleet_folder(), budget);
    REQUIRE(giving);
    Result<void> deleted;
    std::thread other{[&] {
        local::LocalProvider provider{{world.fleet(), world.state(), MachineWorld::image_root()}};
        deleted = provider.delete_volume(volume->id);
    }};
    std::this_thread::sleep_for(std::chrono::milliseconds{silence_ms});
    CHECK(std::filesystem::exists(layout.volume_image(volume->id)));
    {
        const auto given = *std::move(giving);
    }
    other.join();
    CHECK(deleted);
    CHECK_FALSE(std::filesystem::exists(layout.volume_image(volume->id)));
}

TEST_CASE("a name is one machine's; the same create again is the same machine") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    const Machine machine = world.make("a");
    const auto again =
        provider.create_machine(world.spec("a", machine.volume_id), MachineWorld::tags("again"));
    REQUIRE_OK(provider.describe_machine("a"));
    CHECK(again->address == machine.address);
    auto other = world.spec("a", machine.volume_id);
    other.flavor.cpu_millis = 500;
    CHECK(provider.create_machine(other, MachineWorld::tags("m")).error().id() == Code::name_taken);
    CHECK(provider.create_machine(world.spec("b", machine.volume_id), MachineWorld::tags("m"))
              .error()
              .code() == Errc::busy);
    other = world.spec("c");
    other.image = "no-such:1";
    CHECK(provider.create_machine(other, MachineWorld::tags("m")).error().id() == Code::no_image);
    other = world.spec("c");
    other.flavor.memory_bytes = 1ULL << 50U; // more than the host has
    CHECK(provider.create_machine(other, MachineWorld::tags("m")).error().code() == Errc::invalid);
    CHECK(provider.machines()->size() == 1); // the refused ones left nothing
    const auto volumes = provider.volumes()->size();
    REQUIRE_OK(provider.check_volume_type(""));
    CHECK(provider.check_volume_type("ssd").error().code() == Errc::invalid); // it has none
    CHECK(provider
              .create_volume({.name = "d", .size_bytes = 320ULL << 20U, .type = "ssd"},
                             MachineWorld::tags("d"))
              .error()
              .code() == Errc::invalid);
    CHECK(provider.volumes()->size() == volumes);
    CHECK(world.provider().delete_image(machine.image_digest).error().id() == Code::image_used);
}

TEST_CASE(
    "a machine whose record is damaged hides no other, is not collected, and can be deleted") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    const Machine damaged = world.make("a");
    const Machine whole = world.make("b");
    const auto file = world.state() / world.fleet() / "machines" / "a" / "machine.json";
    REQUIRE(std::filesystem::exists(file));
    std::ofstream{file} << "{";

    const auto all = provider.machines();
    REQUIRE_OK(provider.machines());
    REQUIRE(all->size() == 2);
    CHECK(all->front().state == MachineState::damaged);
    CHECK(all->back().state == MachineState::on);
    REQUIRE_OK(provider.power_off("b", budget));
    REQUIRE_OK(provider.power_on("b"));
    REQUIRE_OK(provider.fleet_up());
    CHECK(provider.power_on("a").error().code() == Errc::corrupt);
    // Its address and its volume must not be given away a second time.
    CHECK(provider.create_machine(world.spec("c"), MachineWorld::tags("m")).error().code() ==
          Errc::corrupt);
    CHECK(provider.delete_volume(damaged.volume_id).error().code() == Errc::busy);
    GcRequest request;
    request.owned = [](const Tags&, bool) { return false; }; // the records alone speak for it
    request.owned_volumes.insert(whole.volume_id);
    const auto items = provider.collect_garbage(request);
    REQUIRE(items);
    CHECK(greets(damaged.address, patience_ms)); // untouched all the time

    REQUIRE_OK(provider.delete_machine("a"));
    REQUIRE_OK(provider.delete_volume(damaged.volume_id));
    CHECK_FALSE(greets(damaged.address, silence_ms));
    REQUIRE_OK(world.provider().create_machine(world.spec("c"), MachineWorld::tags("m")));
}

TEST_CASE("limits hold, or are said to be missing") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto spec = world.spec("a");
    spec.flavor = {.cpu_millis = 500, .memory_bytes = 64ULL << 20U};
    const auto machine = world.provider().create_machine(spec, MachineWorld::tags("m"));
    INFO((machine ? "" : machine.error().to_debug_string()));
    REQUIRE(machine);
    if (machine->warnings.empty()) {
        CHECK(inside(world, "a", "head -c 200M /dev/zero | tail -c 199M > /dev/null") != 0);
    } else {
        CHECK(machine->warnings.front().find("limit") != std::string::npos);
    }
}

TEST_CASE("what a machine's start could not have is told until a start that could") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    world.make("a");
    const local::Layout layout{world.state(), world.fleet()};
    auto record = local::read_machine(layout.machine_file("a"));
    REQUIRE(record);
    record->warnings = {"no cpu limit"};
    REQUIRE_OK(local::write_record(layout.machine_file("a"), *record));
    REQUIRE_OK(world.provider().power_off("a", budget));
    CHECK(world.provider().describe_machine("a")->warnings == record->warnings);
    REQUIRE_OK(world.provider().power_on("a")); // it asks for no limit
    CHECK(world.provider().describe_machine("a")->warnings.empty());
}

TEST_CASE("the hand-over's files arrive, the statement last; the agent's keys are read, and "
          "nothing else for them") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    world.make("a");
    FleetFiles files;
    files.statement = "signed";
    files.operator_key = "key";
    files.gossip_ring = Secret{"ring"};
    files.seeds = "10.0.0.1:7412\n";
    REQUIRE_OK(provider.deliver("a", files));
    REQUIRE_OK(provider.deliver("a", files));
    CHECK(inside(world, "a",
                 "cd /etc/jackdaw/fleet && test $(cat statement) = signed -a $(cat gossip_ring) = "
                 "ring && "
                 "test $(stat -c %a-%U gossip_ring) = 600-root && test $(stat -c %a-%g .) = "
                 "750-47412") == 0);

    const std::string state = "/var/lib/jackdaw/state";
    CHECK(inside(world, "a",
                 "mkdir -p " + state + " && ln -sf /etc/shadow " + state + "/identity.pub") == 0);
    const auto late = provider.agent_identity("a", std::chrono::milliseconds{100});
    CHECK(late.error().code() == Errc::deadline);
    CHECK(late.error().hint().find("shell a -- tail -n 20 /var/log/jackdaw/agent.log") !=
          std::string::npos);
    CHECK(inside(world, "a",
                 "rm " + state + "/identity.pub && mkfifo " + state +
                     "/identity.pub && chown 47412 " + state + "/identity.pub") == 0);
    CHECK(provider.agent_identity("a", std::chrono::milliseconds{100}).error().code() ==
          Errc::deadline);
    CHECK(inside(world, "a",
                 "rm " + state + "/identity.pub && echo '{\"node_id\":\"00\"}' > " + state +
                     "/identity.pub && chown 47412 " + state + "/identity.pub") == 0);
    const auto identity = provider.agent_identity("a", budget);
    REQUIRE(identity);
    CHECK(*identity == "{\"node_id\":\"00\"}\n");
    REQUIRE_OK(provider.power_off("a", budget));
    CHECK(provider.deliver("a", files).error().id() == Code::machine_down);
}

TEST_CASE("the real first process holds lock and volume as long as the machine lives, and ends it "
          "when asked") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    std::filesystem::copy_file(std::filesystem::path{JACKDAW_STAGE_FOLDER} / "jackdaw-init",
                               world.programs() / "jackdaw-init",
                               std::filesystem::copy_options::overwrite_existing);
    const Machine machine = world.make("a");
    const local::Layout layout{world.state(), "test"};
    CHECK(inside(world, "a", "tr '\\0' ' ' < /proc/1/cmdline | grep -q -- --hold-fd") == 0);
    CHECK(local::is_locked(layout.machine_lock("a")));
    CHECK(local::is_locked(layout.volume_image(machine.volume_id)));
    REQUIRE_OK(provider.power_off("a", budget));
    CHECK_FALSE(local::is_locked(layout.machine_lock("a")));
    CHECK_FALSE(local::is_locked(layout.volume_image(machine.volume_id)));
    REQUIRE_OK(provider.power_on("a"));
    REQUIRE_OK(provider.power_off_crash("a"));
}

TEST_CASE("the doctor finds this host fit and says so") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const auto findings = world.provider().doctor();
    REQUIRE(findings);
    CHECK(findings->size() > 8);
    for (const auto& finding : *findings) {
        INFO(finding.name << ": " << finding.cause);
        CHECK((finding.state == Finding::State::ok || finding.weight != Finding::Weight::error));
        CHECK((finding.state == Finding::State::ok || !finding.mend.empty()));
    }
}
