// Steps about the volume: find, format, mount, stamp, grow.
#include <array>

#include <fmt/format.h>
#include <sodium.h>

#include "agent/life/steps.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::agent::steps {
namespace {

constexpr std::chrono::seconds mkfs_limit{600};
constexpr std::chrono::seconds grow_limit{600};

bool argument_is(const StepContext& context, const char* key) {
    const auto at = context.arguments().find(key);
    return at != context.arguments().end() && at->is_boolean() && at->get<bool>();
}

/// The operator gave this volume, by its serial, to be formatted over.
bool format_ordered(const proto::InstanceSpec& spec) {
    return !spec.format_serial.empty() &&
           volume_serial(spec.format_serial) == volume_serial(spec.volume_serial);
}

std::string random_uuid(const runtime::Clock& clock) {
    std::array<std::byte, 10> random{};
    randombytes_buf(random.data(), random.size());
    return make_uuid7(clock.wall_ms(), random);
}

Error not_blank(const VolumeInfo& info) {
    return Error{Code::volume_not_blank,
                 fmt::format("it holds {}", info.filesystem.empty()
                                                ? std::string{"bytes of no known kind"}
                                                : info.filesystem + " " + info.uuid)};
}

} // namespace

Result<void> find_volume(StepContext& context) {
    const auto spec = context.spec();
    JACKDAW_TRY(const auto info, context.host.inspect_volume(spec.volume_serial));
    auto facts = context.state.facts();
    const bool known = !facts.filesystem_uuid.empty() && info.uuid == facts.filesystem_uuid;
    if (facts.created) {
        if (!known) {
            return Error{Code::volume_foreign,
                         fmt::format("the volume carries {} '{}', this instance's is '{}'",
                                     info.filesystem.empty() ? "no file system" : info.filesystem,
                                     info.uuid, facts.filesystem_uuid)};
        }
        return ok();
    }
    if (info.mounted && known) {
        return ok();
    }
    if (spec.volume_size_bytes != 0 && info.size_bytes < spec.volume_size_bytes) {
        return Error{Code::volume_missing, fmt::format("the volume has {}, the spec asks for {}",
                                                       format_size(info.size_bytes),
                                                       format_size(spec.volume_size_bytes))};
    }
    if (info.blank || format_ordered(spec)) {
        if (!facts.filesystem_is_ours || !known) {
            // Chosen and made durable before mkfs, so that a killed mkfs is known as ours.
            facts.filesystem_uuid = random_uuid(context.clock);
            facts.filesystem_is_ours = true;
            facts.filesystem_made = false;
            JACKDAW_CHECK(context.state.set_facts(facts));
        }
        return context.set_argument("format", true);
    }
    if (known && facts.filesystem_is_ours) {
        // Made by an earlier try; a mkfs that was cut off left its uuid on half a file system.
        return context.set_argument("format", !facts.filesystem_made);
    }
    if (facts.filesystem_is_ours && info.uuid.empty()) {
        return not_blank(info);
    }
    if (info.filesystem != "xfs" && info.filesystem != "ext4") {
        return not_blank(info);
    }
    // Somebody's file system. Whose, only its stamp can tell: `volume.stamp` decides, and refuses.
    facts.filesystem_uuid = info.uuid;
    facts.filesystem_is_ours = false;
    JACKDAW_CHECK(context.state.set_facts(facts));
    return context.set_argument("format", false);
}

Result<void> format_volume(StepContext& context) {
    if (!argument_is(context, "format")) {
        return ok();
    }
    const auto spec = context.spec();
    auto facts = context.state.facts();
    JACKDAW_TRY(const auto info, context.host.inspect_volume(spec.volume_serial));
    if (info.mounted && info.uuid == facts.filesystem_uuid) {
        return ok(); // an earlier agent came further than its journal says
    }
    Mkfs mkfs;
    mkfs.serial = spec.volume_serial;
    mkfs.filesystem = spec.filesystem;
    mkfs.uuid = facts.filesystem_uuid;
    mkfs.overwrite = format_ordered(spec);
    if (facts.filesystem_made) {
        facts.filesystem_made = false;
        JACKDAW_CHECK(context.state.set_facts(facts));
    }
    JobRun run;
    run.limit = mkfs_limit;
    run.spawn = [&] { return context.host.spawn_mkfs(context.job_guard(), mkfs); };
    JACKDAW_TRY(const auto end, run_job(context, "volume.format", run));
    (void)end;
    facts.filesystem_made = true;
    return context.state.set_facts(std::move(facts));
}

Result<void> mount_volume(StepContext& context) {
    return context.host.mount_volume(context.spec().volume_serial,
                                     context.state.facts().filesystem_uuid);
}

Result<bool> reach_own_volume(StepContext& context) {
    JACKDAW_TRY(const auto info, context.host.inspect_volume(context.spec().volume_serial));
    if (info.mounted) {
        return true;
    }
    const auto facts = context.state.facts();
    if (!facts.filesystem_is_ours || !facts.filesystem_made || info.uuid != facts.filesystem_uuid) {
        return false;
    }
    JACKDAW_CHECK(mount_volume(context));
    return true;
}

Result<void> unmount_volume(StepContext& context) {
    return context.host.unmount_volume(context.spec().volume_serial);
}

Result<void> stamp_volume(StepContext& context) {
    const auto spec = context.spec();
    JACKDAW_TRY(const auto present, context.host.inspect_volume(spec.volume_serial));
    if (!present.mounted) { // an earlier try refused it; by now an operator may have ordered more
        JACKDAW_CHECK(mount_volume(context));
    }
    JACKDAW_TRY(const auto stamp, context.host.read_stamp());
    if (stamp && stamp->instance_id == spec.id) {
        // Sealed before this create came to its seal: kept by a delete or taken over by an earlier
        // try, and not ours to discard when this create is aborted.
        return stamp->sealed ? context.set_argument("taken_over", spec.id) : ok();
    }
    if (!stamp && !context.state.facts().filesystem_is_ours) {
        JACKDAW_CHECK(context.host.unmount_volume(spec.volume_serial));
        JACKDAW_TRY(const auto info, context.host.inspect_volume(spec.volume_serial));
        return not_blank(info);
    }
    if (stamp && stamp->instance_id != spec.take_over_id) {
        JACKDAW_CHECK(context.host.unmount_volume(spec.volume_serial));
        return Error{Code::volume_foreign,
                     fmt::format("it is stamped for instance {}", stamp->instance_id)};
    }
    VolumeStamp ours;
    ours.instance_id = spec.id;
    ours.datastore = spec.datastore;
    ours.version = spec.version;
    if (stamp) {
        if (stamp->datastore != spec.datastore) {
            return Error{Code::volume_foreign,
                         fmt::format("it holds {} data, not {}", stamp->datastore, spec.datastore)};
        }
        ours.sealed = stamp->sealed;
        ours.version = stamp->version;
        // What was taken over is not ours to discard when this create is aborted.
        JACKDAW_CHECK(context.set_argument("taken_over", stamp->instance_id));
    }
    return context.host.write_stamp(ours, spec.take_over_id);
}

Result<void> erase_stamp(StepContext& context) {
    if (context.arguments().contains("taken_over")) {
        return ok(); // unstamped, nobody could take over what it holds any more
    }
    JACKDAW_TRY(const bool reached, reach_own_volume(context));
    if (!reached) {
        return ok(); // refused as somebody else's, and unmounted then
    }
    JACKDAW_TRY(const auto stamp, context.host.read_stamp());
    if (!stamp || stamp->instance_id != context.spec().id) {
        return ok();
    }
    return context.host.erase_stamp();
}

Result<void> release_stamp(StepContext& context) {
    if (argument_is(context, "keep_volume")) {
        return ok();
    }
    const auto spec = context.spec();
    auto looked = context.host.inspect_volume(spec.volume_serial);
    if (!looked && looked.error().id() == Code::volume_missing) {
        return ok(); // gone, with its stamp on it
    }
    JACKDAW_TRY(const auto info, std::move(looked));
    // A boot in between has left it unmounted. One that cannot be mounted, or whose file system is
    // another's, holds no stamp that anybody could read, and must not keep the delete from ending.
    if (!info.mounted && (info.uuid != context.state.facts().filesystem_uuid ||
                          !context.host.mount_volume(spec.volume_serial, info.uuid))) {
        return ok();
    }
    JACKDAW_TRY(const auto stamp, context.host.read_stamp());
    if (!stamp || stamp->instance_id != spec.id) {
        return ok();
    }
    JACKDAW_CHECK(context.set_argument("stamp_version", stamp->version));
    JACKDAW_CHECK(context.set_argument("stamp_sealed", stamp->sealed));
    return context.host.erase_stamp();
}

Result<void> restore_stamp(StepContext& context) {
    const auto sealed = context.arguments().find("stamp_sealed");
    if (sealed == context.arguments().end()) {
        return ok();
    }
    VolumeStamp stamp;
    stamp.instance_id = context.spec().id;
    stamp.datastore = context.spec().datastore;
    JACKDAW_TRY(stamp.version,
                proto::string_at(context.arguments(), "stamp_version", context.spec().version));
    stamp.sealed = sealed->is_boolean() && sealed->get<bool>();
    return context.host.write_stamp(stamp, {});
}

Result<void> rescan_volume(StepContext& context) {
    const auto wanted = context.arguments().find("size_bytes");
    JACKDAW_TRY(const auto info, context.host.inspect_volume(context.spec().volume_serial));
    const auto size = wanted != context.arguments().end() && wanted->is_number_unsigned()
                          ? wanted->get<std::uint64_t>()
                          : 0;
    if (info.size_bytes < size) {
        return Error{Code::volume_missing,
                     fmt::format("the device still has {}, not {}", format_size(info.size_bytes),
                                 format_size(size))}
            .with_hint("extend the volume first, then `jackdaw op resume`");
    }
    return ok();
}

Result<void> grow_filesystem(StepContext& context) {
    const auto serial = context.spec().volume_serial;
    JACKDAW_CHECK(context.host.mount_volume(serial, context.state.facts().filesystem_uuid));
    JACKDAW_CHECK(context.set_argument("begun", true));
    JobRun run;
    run.limit = grow_limit;
    run.spawn = [&] { return context.host.spawn_grow(context.job_guard(), serial); };
    JACKDAW_TRY(const auto end, run_job(context, "filesystem.grow", run));
    (void)end;
    return ok();
}

Result<void> cannot_shrink(StepContext& context) {
    if (!context.arguments().contains("begun")) {
        return ok();
    }
    return Error{Code::volume_shrink, "the file system has grown and does not shrink again"};
}

Result<void> record_size(StepContext& context) {
    JACKDAW_TRY(const auto info, context.host.inspect_volume(context.spec().volume_serial));
    auto spec = context.spec();
    spec.volume_size_bytes = info.size_bytes;
    JACKDAW_CHECK(context.state.set_spec(std::move(spec)));
    return context.need_driver(); // what is computed from the size, and judged by it, follows
}

} // namespace jackdaw::agent::steps
