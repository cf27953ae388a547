// Whose volume it is decides what a create may do to it.
#include <catch2/catch.hpp>

#include "tests/unit/life_world.h"
#include "tests/unit/present.h"

using namespace jackdaw;
using jackdaw::testing::LifeWorld;
using jackdaw::testing::present;
using jackdaw::testing::test_spec;

namespace {

const std::string stranger = "018f3c1e-0000-7000-8000-0000000000ff";

/// Another instance's volume, with its complete data.
agent::FakeHost::Volume volume_of_another() {
    agent::FakeHost::Volume volume;
    volume.blank = false;
    volume.filesystem = "xfs";
    volume.uuid = "018f3c1e-0000-7000-8000-00000000f5f5";
    volume.filesystem_bytes = volume.size_bytes;
    volume.stamp = agent::VolumeStamp{stranger, "fake", "1.2.3", true};
    volume.data = agent::DataFolder::complete;
    return volume;
}

std::string failure_of(LifeWorld& world, const proto::InstanceSpec& spec) {
    const auto submitted = world.create(spec);
    if (!submitted) {
        return std::string{row_of(submitted.error().id()).name};
    }
    const auto operation = world.wait_ended(submitted->operation.id);
    return operation.error ? operation.error->code : operation.status;
}

void check_unchanged(const agent::FakeHost::Volume& before, const agent::FakeHost::Volume& now) {
    CHECK(now.blank == before.blank);
    CHECK(now.filesystem == before.filesystem);
    CHECK(now.uuid == before.uuid);
    CHECK_FALSE(now.mounted);
    CHECK(now.data == before.data);
    CHECK(now.data_generation == before.data_generation);
    CHECK(now.stamp.has_value() == before.stamp.has_value());
    if (now.stamp && before.stamp) {
        CHECK(now.stamp->instance_id == before.stamp->instance_id);
        CHECK(now.stamp->sealed == before.stamp->sealed);
    }
}

void abort_create(LifeWorld& world) {
    const auto id = world.life().operations(1).at(0).id;
    REQUIRE(world.life().abort(id));
    REQUIRE(world.wait_ended(id).status == "undone");
}

/// Creates up to the last step and aborts there.
void create_and_abort(LifeWorld& world, const proto::InstanceSpec& spec) {
    world.engine.hold("probe");
    const auto submitted = world.create(spec);
    REQUIRE(submitted);
    world.engine.wait_held();
    REQUIRE(world.life().abort(submitted->operation.id));
    world.engine.let_go();
    REQUIRE(world.wait_ended(submitted->operation.id).status == "undone");
}

} // namespace

TEST_CASE("a volume that holds somebody's file system is left as it is: E-VOLUME-NOT-BLANK") {
    LifeWorld world;
    auto volume = volume_of_another();
    volume.filesystem = GENERATE("ext4", "xfs", "LVM2_member", "");
    volume.uuid = volume.filesystem.empty() ? "" : volume.uuid;
    volume.stamp.reset();
    world.host.set_volume(volume);
    world.start_agent();
    INFO(volume.filesystem);
    CHECK(failure_of(world, test_spec()) == "E-VOLUME-NOT-BLANK");
    check_unchanged(volume, world.host.volume());
    abort_create(world);
    check_unchanged(volume, world.host.volume());
    CHECK(world.host.violations().empty());
}

TEST_CASE("a volume stamped for another instance is left as it is: E-VOLUME-FOREIGN") {
    LifeWorld world;
    const auto volume = volume_of_another();
    world.host.set_volume(volume);
    world.start_agent();
    auto spec = test_spec();
    spec.take_over_id = GENERATE("", "018f3c1e-0000-7000-8000-0000000000ee");
    CHECK(failure_of(world, spec) == "E-VOLUME-FOREIGN");
    check_unchanged(volume, world.host.volume());
    abort_create(world);
    check_unchanged(volume, world.host.volume());
}

TEST_CASE("an order to take over goes on and keeps the data") {
    LifeWorld world;
    const auto volume = volume_of_another();
    world.host.set_volume(volume);
    world.start_agent();
    auto spec = test_spec();
    spec.take_over_id = stranger;
    (void)world.must_create(spec);
    CHECK(world.host.volume().data_generation == volume.data_generation);
    CHECK(present(world.host.volume().stamp).instance_id == spec.id);
    CHECK(world.host.volume().uuid == volume.uuid);
    CHECK(world.host.violations().empty());
}

TEST_CASE("an order to take over does not reach data of another datastore") {
    LifeWorld world;
    auto volume = volume_of_another();
    auto stamp = present(volume.stamp);
    stamp.datastore = "another";
    volume.stamp = stamp;
    world.host.set_volume(volume);
    world.start_agent();
    auto spec = test_spec();
    spec.take_over_id = stranger;
    CHECK(failure_of(world, spec) == "E-VOLUME-FOREIGN");
    CHECK(present(world.host.volume().stamp).instance_id == stranger);
}

TEST_CASE("an aborted take-over loses no data, however often it is tried") {
    LifeWorld world;
    const auto volume = volume_of_another();
    world.host.set_volume(volume);
    world.start_agent();
    auto spec = test_spec();
    spec.take_over_id = stranger;
    for (int i = 0; i < 3; ++i) {
        create_and_abort(world, spec);
        CHECK(world.host.volume().data == agent::DataFolder::complete);
        CHECK(world.host.volume().data_generation == volume.data_generation);
    }
    (void)world.must_create(spec);
    CHECK(world.host.volume().data_generation == volume.data_generation);
    CHECK(world.host.violations().empty());
}

TEST_CASE("what a delete kept is found by the next create, and its abort does not discard it") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto generation = world.host.volume().data_generation;
    (void)world.must_do("instance.delete", agent::Json{{"keep_volume", true}});
    create_and_abort(world, test_spec());
    CHECK(world.host.volume().data_generation == generation);
    (void)world.must_create();
    CHECK(world.host.volume().data_generation == generation);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a delete that keeps nothing leaves a volume that the next create fills anew") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto generation = world.host.volume().data_generation;
    (void)world.must_do("instance.delete");
    CHECK_FALSE(world.host.volume().stamp);
    (void)world.must_create();
    CHECK(world.host.volume().data_generation != generation);
    CHECK(world.host.violations().empty());
}

TEST_CASE("a delete of an instance whose volume is gone ends all the same") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.host.fail_next("inspect_volume", Error{Code::volume_missing, "no such device"});
    (void)world.must_do("instance.delete");
    CHECK(world.life().spec() == nullptr);
    CHECK(world.host.volume().stamp); // nobody takes it for blank
}

TEST_CASE("a delete that is aborted gives the volume its stamp back as it was") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    const auto before = present(world.host.volume().stamp);
    world.host.fail_next("unmount_volume", Error{Errc::busy, "somebody is in it"});
    const auto submitted = world.submit("instance.delete");
    REQUIRE(submitted);
    const auto& id = submitted->operation.id;
    REQUIRE(world.wait_ended(id).status == "failed");
    CHECK_FALSE(world.host.volume().stamp);
    REQUIRE(world.life().abort(id));
    CHECK(world.wait_ended(id).status == "undone");
    const auto after = present(world.host.volume().stamp);
    CHECK(after.instance_id == before.instance_id);
    CHECK(after.version == before.version);
    CHECK(after.sealed == before.sealed);
    (void)world.wait_status("running");
    CHECK(world.host.violations().empty());
}

TEST_CASE("a delete that failed is not gone on with once the instance is protected") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    world.host.fail_next("unmount_volume", Error{Errc::busy, "somebody is in it"});
    const auto submitted = world.submit("instance.delete", agent::Json{{"keep_volume", true}});
    REQUIRE(submitted);
    const auto& id = submitted->operation.id;
    REQUIRE(world.wait_ended(id).status == "failed");
    (void)world.must_do("instance.protect", agent::Json{{"protect", true}});
    const auto resumed = world.life().resume(id);
    REQUIRE_FALSE(resumed);
    CHECK(resumed.error().id() == Code::protected_);
    REQUIRE(world.life().spec() != nullptr);
    REQUIRE(world.life().abort(id)); // what it did is taken back all the same
    CHECK(world.wait_ended(id).status == "undone");
    (void)world.wait_status("running");
}

TEST_CASE("an order to format reaches the volume that it names, and no other") {
    LifeWorld world;
    const auto volume = volume_of_another();
    world.host.set_volume(volume);
    world.start_agent();
    auto spec = test_spec();
    spec.format_serial = "vol-0002";
    CHECK(failure_of(world, spec) == "E-VOLUME-FOREIGN");
    check_unchanged(volume, world.host.volume());
    abort_create(world);
    spec.format_serial = spec.volume_serial;
    (void)world.must_create(spec);
    CHECK(world.host.volume().uuid != volume.uuid);
    CHECK(present(world.host.volume().stamp).instance_id == spec.id);
    CHECK(world.host.violations().empty());
}

TEST_CASE("an order for another volume does not switch off the proof of blankness") {
    LifeWorld world;
    world.start_agent();
    auto spec = test_spec();
    spec.format_serial = "vol-0002";
    const auto filled = volume_of_another();
    world.host.reset_calls();
    for (std::size_t call = 1; call < 20; ++call) { // somebody fills it just before mkfs
        world.host.before(call, [&world, &filled] {
            if (world.host.call_names().back() == "spawn_mkfs") {
                world.host.set_volume(filled);
            }
        });
    }
    CHECK(failure_of(world, spec) == "E-VOLUME-NOT-BLANK");
    CHECK(world.host.volume().uuid == filled.uuid);
}

TEST_CASE("a volume that is too small for the datastore or the spec is refused") {
    LifeWorld world;
    world.start_agent();
    auto spec = test_spec();
    spec.volume_size_bytes = (std::uint64_t{320} << 20) - 1;
    CHECK(failure_of(world, spec) == "E-VOLUME-TOO-SMALL");
    CHECK(world.life().spec() == nullptr);
    spec.volume_size_bytes = std::uint64_t{2} << 30;
    CHECK(failure_of(world, spec) == "E-VOLUME-MISSING");
    CHECK(world.host.volume().blank);
}

TEST_CASE("a create waits for its volume: attached, the resumed one ends done") {
    LifeWorld world;
    agent::FakeHost::Volume volume;
    volume.attached = false;
    world.host.set_volume(volume);
    world.start_agent();
    CHECK(failure_of(world, test_spec()) == "E-VOLUME-MISSING");
    volume.attached = true;
    world.host.set_volume(volume);
    const auto id = world.life().operations(1).at(0).id;
    REQUIRE(world.life().resume(id));
    CHECK(world.wait_ended(id).status == "done");
}

TEST_CASE("a started instance does not take another file system than its own") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.stop");
    auto volume = world.host.volume();
    volume.mounted = false;
    volume.uuid = "018f3c1e-0000-7000-8000-00000000f5f5";
    world.host.set_volume(volume);
    const auto submitted = world.submit("instance.start");
    REQUIRE(submitted);
    const auto operation = world.wait_ended(submitted->operation.id);
    CHECK(operation.status == "failed");
    CHECK(present(operation.error).code == "E-VOLUME-FOREIGN");
    CHECK_FALSE(world.host.database_running());
    CHECK(world.host.violations().empty());
}

TEST_CASE("a half-made data folder or an unsealed stamp is never started") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    (void)world.must_do("instance.stop");
    auto volume = world.host.volume();
    auto stamp = present(volume.stamp);
    stamp.sealed = false;
    volume.stamp = stamp;
    world.host.set_volume(volume);
    const auto submitted = world.submit("instance.start");
    REQUIRE(submitted);
    CHECK(present(world.wait_ended(submitted->operation.id).error).code == "E-VOLUME-FOREIGN");
    CHECK_FALSE(world.host.database_running());
    CHECK(world.host.violations().empty());
}

TEST_CASE("a grown volume is recorded with its new size") {
    LifeWorld world;
    world.start_agent();
    (void)world.must_create();
    auto volume = world.host.volume();
    volume.size_bytes *= 2;
    world.host.set_volume(volume);
    (void)world.must_do("volume.grow", agent::Json{{"size_bytes", volume.size_bytes}});
    CHECK(world.host.volume().filesystem_bytes == volume.size_bytes);
    CHECK(world.life().spec()->volume_size_bytes == volume.size_bytes);
    const auto submitted = world.submit("volume.grow", {{"size_bytes", volume.size_bytes * 2}});
    REQUIRE(submitted); // the device was not extended first
    CHECK(present(world.wait_ended(submitted->operation.id).error).code == "E-VOLUME-MISSING");
}
