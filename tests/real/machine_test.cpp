// Local machines, made for real: in a network namespace of this test's own, with a stand-in for the
// first process.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>

#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/local/layout.h"
#include "coordinator/cloud/local/run_program.h"
#include "tests/real/machine_world.h"

using namespace jackdaw;
using namespace jackdaw::cloud;
using jackdaw::test::greets;
using jackdaw::test::MachineWorld;

namespace {

constexpr int patience_ms =
    10'000; ///< bounds what must succeed; nothing is asserted about how long it takes
constexpr int silence_ms = 300; ///< how long something is waited for that must not come
constexpr std::chrono::seconds budget{10};

#define REQUIRE_OK(...)                                                                            \
    do {                                                                                           \
        auto result_ = (__VA_ARGS__);                                                              \
        INFO((result_ ? std::string{} : result_.error().to_debug_string()));                       \
        REQUIRE(result_);                                                                          \
    } while (false)

#define SKIP_WITHOUT_MACHINES()                                                                    \
    if (const auto why = test::machines_impossible(); !why.empty()) {                              \
        WARN("skipped: " + why);                                                                   \
        return;                                                                                    \
    }                                                                                              \
    static_assert(true)

bool nothing_left(const MachineWorld& world) {
    // Loop devices clear themselves, and cgroups empty, a moment after the last process.
    return local::wait_until(std::chrono::seconds{5}, [&] { return world.leftovers().empty(); });
}

std::string all_lines(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) {
        text += line + "\n";
    }
    return text;
}

GcRequest nobody_owns() {
    GcRequest request;
    request.owned = [](const Tags&, bool) { return false; };
    return request;
}

int inside(MachineWorld& world, const std::string& name, const std::string& script) {
    const auto status = world.provider().run_inside(name, {"/bin/sh", "-c", script});
    INFO((status ? "" : status.error().to_debug_string()));
    REQUIRE(status);
    return *status;
}

} // namespace

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
    CHECK(inside(world, "a", "test ! -e /dev/loop-control && touch /tmp/x /root/x /etc/x") == 0);
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
    for (const std::string folder : {"/var/lib/jackdaw/volume", "/etc"}) {
        REQUIRE(inside(world, "a",
                       "echo synced > " + folder + "/synced && sync && echo lost > " + folder +
                           "/lost") == 0);
    }
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
    CHECK(provider.machines()->size() == 1); // the refused ones left nothing
    CHECK(world.provider().delete_image(machine.image_digest).error().id() == Code::image_used);
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
    CHECK(provider.agent_identity("a", std::chrono::milliseconds{100}).error().code() ==
          Errc::deadline);
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

TEST_CASE("fleet up starts what was on, and only that") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    auto& provider = world.provider();
    const Machine a = world.make("a");
    world.make("b");
    REQUIRE_OK(provider.power_off("b", budget));
    // As a reboot does: the processes are gone without anybody having said so.
    const auto first = provider.first_process("a");
    REQUIRE(first);
    REQUIRE(::kill(*first, SIGKILL) == 0);
    REQUIRE(local::wait_until(std::chrono::seconds{5}, [&] {
        return provider.describe_machine("a")->state == MachineState::off;
    }));
    const auto started = provider.fleet_up();
    REQUIRE(started);
    CHECK(*started == std::vector<std::string>{"a"});
    CHECK(greets(a.address, patience_ms));
    CHECK(provider.describe_machine("b")->state == MachineState::off);
}

TEST_CASE("gc finds nothing in a healthy fleet") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const Machine a = world.make("a");
    world.make("b");
    REQUIRE_OK(world.provider().power_off("b", budget));
    const auto loose =
        world.provider().create_volume({.name = "kept", .size_bytes = 320ULL << 20U}, {});
    REQUIRE_OK(world.provider().keep_volume(loose->id));
    const auto items = world.provider().collect_garbage({});
    REQUIRE(items);
    CHECK(items->empty());
    CHECK(greets(a.address, patience_ms));
    CHECK(world.provider().volumes()->size() == 3);
}

TEST_CASE("make apart", "[.apart]") {
    local::LocalProvider provider{test::told_settings()};
    const auto volume =
        provider.create_volume({.name = "a", .size_bytes = 320ULL << 20U}, MachineWorld::tags("v"));
    REQUIRE_OK(provider.describe_volume(volume->id));
    MachineSpec spec;
    spec.name = "a";
    spec.id = "01900000-0000-7000-8000-00000000000a";
    spec.image = "fake";
    spec.volume_id = volume->id;
    spec.agent_folder = test::told_programs();
    REQUIRE_OK(provider.create_machine(spec, MachineWorld::tags("m")));
}

TEST_CASE("delete apart", "[.apart]") {
    local::LocalProvider provider{test::told_settings()};
    REQUIRE_OK(provider.delete_machine("a"));
    const auto volumes = provider.volumes();
    for (const auto& volume : *volumes) {
        REQUIRE_OK(provider.delete_volume(volume.id));
    }
}

TEST_CASE("a coordinator killed at any point of a create leaves what gc finds, and the same create "
          "resumes") {
    SKIP_WITHOUT_MACHINES();
#ifdef JACKDAW_FAULTS
    MachineWorld world;
    auto& provider = world.provider();
    REQUIRE_OK(provider.ensure_network("")); // of `fleet init`
    int point = 0;
    for (bool finished = false; !finished; ++point) {
        REQUIRE(point < 200);
        INFO("point " << point + 1);
        // Killed, then collected: nothing is left, and what gc removes it says before.
        const int status = world.run_apart("make apart", point + 1);
        finished = status == 0;
        REQUIRE((finished || status == 128 + SIGKILL));
        auto dry = nobody_owns();
        dry.dry_run = true;
        const auto would = provider.collect_garbage(dry);
        const auto items = provider.collect_garbage(nobody_owns());
        REQUIRE_OK(provider.collect_garbage({}));
        REQUIRE(would->size() == items->size());
        INFO(all_lines(world.leftovers()));
        REQUIRE(nothing_left(world));
        // Killed, then the same again: one whole machine and one volume.
        if (!finished) {
            REQUIRE(world.run_apart("make apart", point + 1) == 128 + SIGKILL);
        }
        REQUIRE(world.run_apart("make apart", 0) == 0);
        const auto machines = provider.machines();
        REQUIRE(machines->size() == 1);
        CHECK(provider.volumes()->size() == 1);
        CHECK(machines->front().state == MachineState::on);
        CHECK(greets(machines->front().address, patience_ms));
        const auto healthy = provider.collect_garbage({});
        CHECK(healthy->empty());
        REQUIRE(world.run_apart("delete apart", 0) == 0);
        REQUIRE(nothing_left(world));
    }
    CHECK(point > 10); // the points are there at all
#else
    WARN("skipped: built without JACKDAW_FAULTS");
#endif
}

TEST_CASE("a coordinator killed at any point of a delete leaves what gc finds, and the same delete "
          "ends it") {
    SKIP_WITHOUT_MACHINES();
#ifdef JACKDAW_FAULTS
    MachineWorld world;
    int point = 0;
    for (bool finished = false; !finished; ++point) {
        REQUIRE(point < 100);
        INFO("point " << point + 1);
        REQUIRE(world.run_apart("make apart", 0) == 0);
        const int status = world.run_apart("delete apart", point + 1);
        finished = status == 0;
        REQUIRE((finished || status == 128 + SIGKILL));
        REQUIRE(world.run_apart("delete apart", 0) == 0);
        REQUIRE_OK(world.provider().collect_garbage(nobody_owns())); // halves of folders
        INFO(all_lines(world.leftovers()));
        REQUIRE(nothing_left(world));
    }
    CHECK(point > 4);
#else
    WARN("skipped: built without JACKDAW_FAULTS");
#endif
}

TEST_CASE("five machines at once get five addresses") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    std::vector<pid_t> children;
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            const auto volume =
                world.provider().create_volume({.name = name, .size_bytes = 320ULL << 20U},
                                               MachineWorld::tags(std::string{"v"} + name));
            const bool made = volume && world.provider().create_machine(
                                            world.spec(name, volume->id),
                                            MachineWorld::tags(std::string{"m"} + name));
            ::_exit(made ? 0 : 1);
        }
        children.push_back(pid);
    }
    for (const pid_t child : children) {
        int status = -1;
        ::waitpid(child, &status, 0);
        CHECK(status == 0);
    }
    const auto machines = world.provider().machines();
    REQUIRE(machines->size() == 5);
    std::vector<std::string> addresses;
    for (const auto& machine : *machines) {
        addresses.push_back(machine.address);
        CHECK(greets(machine.address, patience_ms));
    }
    std::sort(addresses.begin(), addresses.end());
    CHECK(std::unique(addresses.begin(), addresses.end()) == addresses.end());
}

TEST_CASE("the doctor finds this host fit and says so") {
    SKIP_WITHOUT_MACHINES();
    MachineWorld world;
    const auto findings = world.provider().doctor();
    REQUIRE(findings);
    CHECK(findings->size() > 8);
    for (const auto& finding : *findings) {
        INFO(finding.name << ": " << finding.cause);
        CHECK((finding.ok || finding.weight != Finding::Weight::required));
        CHECK((finding.ok || !finding.mend.empty()));
    }
}
