// LocalProvider: volumes. A volume is a sparse file and its record; the record comes first and goes
// last.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "coordinator/cloud/local/doctor.h"
#include "coordinator/cloud/local/fault_points.h"
#include "coordinator/cloud/local/local_provider.h"
#include "coordinator/cloud/local/loop_device.h"
#include "coordinator/cloud/local/machine_power.h"
#include "coordinator/cloud/local/records.h"
#include "proto/base/ids.h"
#include "proto/base/size.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::chrono::milliseconds volumes_lock_wait{30'000};
constexpr std::chrono::milliseconds fleet_lock_wait{30'000};
constexpr std::uint64_t volume_bytes_min = 320ULL << 20U; ///< mkfs.xfs refuses less than 300 MiB
constexpr std::uint64_t volume_bytes_max = 1ULL << 50U;   ///< ext4's own limit of a file is 16 TiB

/// Bytes of the file and bytes it takes on disk; zeros when it is not there yet.
struct Extent {
    std::uint64_t size = 0;
    std::uint64_t allocated = 0;
};

Extent extent_of(const Path& file) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) {
        return {};
    }
    return {static_cast<std::uint64_t>(status.st_size),
            static_cast<std::uint64_t>(status.st_blocks) * 512};
}

Result<void> check_size(std::uint64_t size_bytes) {
    if (size_bytes < volume_bytes_min) {
        return Error{Code::volume_too_small,
                     format_size(size_bytes) + " is less than a file system needs"};
    }
    if (size_bytes > volume_bytes_max) {
        return Error{Errc::invalid, "a volume has at most " + format_size(volume_bytes_max)};
    }
    return ok();
}

/// Never shrinks it.
Result<void> grow_file(const Path& file, std::uint64_t size_bytes) {
    const UniqueFd fd{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) {
        return os_error("open " + file.string(), errno);
    }
    if (extent_of(file).size < size_bytes &&
        ::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) {
        return os_error("size " + file.string(), errno);
    }
    return ::fsync(fd.get()) == 0 ? ok() : Result<void>{os_error("sync " + file.string(), errno)};
}

Result<void> unlink_file(const Path& file) {
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
        return os_error("remove " + file.string(), errno);
    }
    return ok();
}

Error no_such_volume(const std::string& id) {
    return Error{Errc::not_found, "there is no volume '" + id.substr(0, 80) + "'"};
}

} // namespace

Result<FileLock> LocalProvider::lock_volumes() const {
    JACKDAW_CHECK(make_folders(layout_.volumes()));
    return FileLock::take(layout_.volumes(), volumes_lock_wait);
}

Result<std::vector<VolumeRecord>> LocalProvider::volume_records() const {
    JACKDAW_TRY(const auto names, names_in(layout_.volumes()));
    std::set<std::string> ids; // its record is written first, and removed last
    for (const auto& name : names) {
        const Path file{name};
        if ((file.extension() == ".json" || file.extension() == ".img") &&
            is_uuid(file.stem().string())) {
            ids.insert(file.stem().string());
        }
    }
    std::vector<VolumeRecord> all;
    for (const auto& id : ids) {
        auto record = read_volume(layout_.volume_file(id));
        if (record && record->id == id) {
            all.push_back(std::move(*record));
        } else { // no reason to lose sight of the others
            VolumeRecord damaged;
            damaged.id = id;
            damaged.damaged = true;
            all.push_back(std::move(damaged));
        }
    }
    return all;
}

Result<void> LocalProvider::check_volume_type(const std::string& type) {
    if (type.empty()) {
        return ok();
    }
    return Error{Errc::invalid,
                 fmt::format("--volume-type '{}': the local provider has no types of volume",
                             type.substr(0, 80))}
        .with_hint("leave it out: each volume is a file on this host's disk");
}

Result<void> LocalProvider::check_room(std::uint64_t more_bytes, bool overcommit) {
    return require_space(more_bytes, overcommit);
}

std::string LocalProvider::growth_trouble(std::string_view filesystem) {
    const auto status = read_file("/proc/self/status");
    return filesystem != "ext4" || (status && has_capability(*status, CAP_SYS_RESOURCE))
               ? ""
               : "this host gives no CAP_SYS_RESOURCE: a mounted ext4 volume cannot grow, XFS can";
}

Result<void> LocalProvider::require_space(std::uint64_t more_bytes, bool overcommit) const {
    struct statvfs disk{};
    const Path folder = existing(layout_.volumes()); // before the first volume there is none
    if (::statvfs(folder.c_str(), &disk) != 0) {
        return os_error("look at the free space below " + folder.string(), errno);
    }
    const std::uint64_t free_bytes = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    JACKDAW_TRY(const auto all, volume_records());
    std::uint64_t promised = more_bytes;
    for (const auto& record : all) {
        const Extent extent = extent_of(layout_.volume_image(record.id));
        promised += extent.size - std::min(extent.size, extent.allocated);
    }
    if (overcommit || promised <= free_bytes) {
        return ok();
    }
    return Error{Code::disk_full,
                 fmt::format("the volumes would promise {} and the host's disk has {} free",
                             format_size(promised), format_size(free_bytes))}
        .with_hint(
            "a smaller --volume, or free space: a full host disk is I/O errors in every machine");
}

Result<Volume> LocalProvider::seen(const VolumeRecord& record) const {
    JACKDAW_TRY(const auto all, records());
    const Extent extent = extent_of(layout_.volume_image(record.id));
    Volume volume;
    volume.id = record.id;
    volume.name = record.name;
    volume.serial = volume_serial(record.id);
    volume.size_bytes = record.size_bytes;
    volume.allocated_bytes = extent.allocated;
    volume.kept = record.kept;
    volume.damaged = record.damaged;
    if (record.damaged) {
        volume.size_bytes = extent.size;
    }
    volume.tags = record.tags;
    volume.created_at = record.created_at;
    for (const auto& machine : all) {
        if (machine.spec.volume_id == record.id ||
            (machine.damaged && machine.spec.name == record.name)) {
            volume.machine = machine.spec.name;
        }
    }
    return volume;
}

Result<Volume> LocalProvider::create_volume(const VolumeSpec& spec, const Tags& tags) {
    JACKDAW_CHECK(check_size(spec.size_bytes));
    JACKDAW_TRY(const auto lock, lock_volumes());
    JACKDAW_TRY(const auto all, volume_records());
    for (const auto& present : all) {
        if (tags.operation.empty() || present.tags != tags) {
            continue;
        }
        if (present.name != spec.name || present.size_bytes != spec.size_bytes) {
            return Error{Code::name_taken,
                         "this step made a volume of another name or size: " + present.id};
        }
        JACKDAW_CHECK(grow_file(layout_.volume_image(present.id), present.size_bytes));
        return seen(present);
    }
    JACKDAW_CHECK(check_volume_type(spec.type));
    JACKDAW_CHECK(require_space(spec.size_bytes, spec.overcommit));
    VolumeRecord record;
    JACKDAW_TRY(record.id, new_uuid());
    record.name = spec.name;
    record.size_bytes = spec.size_bytes;
    record.tags = tags;
    record.created_at = rfc3339(unix_ms());
    fault_point("before the volume's record");
    JACKDAW_CHECK(write_record(layout_.volume_file(record.id), record));
    fault_point("volume written down");
    JACKDAW_CHECK(grow_file(layout_.volume_image(record.id), record.size_bytes));
    fault_point("volume made");
    return seen(record);
}

Result<std::vector<Volume>> LocalProvider::volumes() {
    JACKDAW_TRY(const auto all, volume_records());
    std::vector<Volume> volumes;
    for (const auto& record : all) {
        JACKDAW_TRY(auto volume, seen(record));
        volumes.push_back(std::move(volume));
    }
    return volumes;
}

Result<Volume> LocalProvider::describe_volume(const std::string& id) {
    if (!is_uuid(id)) {
        return no_such_volume(id);
    }
    auto record = read_volume(layout_.volume_file(id));
    if (!record) {
        return record.error().code() == Errc::not_found ? no_such_volume(id)
                                                        : std::move(record).error();
    }
    return seen(*record);
}

Result<Volume> LocalProvider::extend_volume(const std::string& id, std::uint64_t size_bytes) {
    JACKDAW_CHECK(check_size(size_bytes));
    JACKDAW_TRY(const auto lock, lock_volumes());
    JACKDAW_CHECK(without_value(describe_volume(id)));
    JACKDAW_TRY(auto record, read_volume(layout_.volume_file(id)));
    const Path image = layout_.volume_image(id);
    // A crash may have left the file larger than its record says.
    const std::uint64_t present = std::max(record.size_bytes, extent_of(image).size);
    if (size_bytes < present) {
        return Error{Code::volume_shrink, fmt::format("the volume has {}", format_size(present))};
    }
    if (size_bytes > present) { // what was promised already needs no room again
        JACKDAW_CHECK(require_space(size_bytes - present, false));
    }
    JACKDAW_CHECK(grow_file(image, size_bytes));
    fault_point("volume's file grown");
    record.size_bytes = size_bytes;
    JACKDAW_CHECK(write_record(layout_.volume_file(id), record));
    fault_point("volume's size written down");
    JACKDAW_TRY(const auto device, find_loop(image));
    if (device) {
        JACKDAW_CHECK(refresh_capacity(*device));
    }
    return seen(record);
}

Result<void> LocalProvider::keep_volume(const std::string& id, bool kept) {
    JACKDAW_TRY(const auto lock, lock_volumes());
    JACKDAW_CHECK(without_value(describe_volume(id)));
    JACKDAW_TRY(auto record, read_volume(layout_.volume_file(id)));
    record.kept = kept;
    return write_record(layout_.volume_file(id), record);
}

Result<void> LocalProvider::delete_volume(const std::string& id) {
    JACKDAW_TRY(const auto lock, lock_volumes());
    // Nobody gives it to a machine between the look and its end.
    JACKDAW_TRY(const auto fleet, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    JACKDAW_TRY(const auto all, volumes());
    const auto volume = std::ranges::find(all, id, &Volume::id);
    if (volume == all.end()) {
        return ok();
    }
    if (!volume->machine.empty()) {
        return Error{Errc::busy, "volume " + id + " is attached to machine " + volume->machine};
    }
    if (is_locked(layout_.volume_image(id))) {
        return Error{Errc::busy, "volume " + id + " is in use by a machine that runs"}.with_hint(
            "`jackdaw machine list`");
    }
    fault_point("before the volume's file goes");
    JACKDAW_CHECK(unlink_file(layout_.volume_image(id)));
    fault_point("volume's file removed");
    return unlink_file(layout_.volume_file(id));
}

Result<void> LocalProvider::attach_volume(const std::string& machine,
                                          const std::string& volume_id) {
    JACKDAW_TRY(const auto machine_lock, lock_machine(machine));
    JACKDAW_TRY(auto record, record_of(machine));
    if (record.spec.volume_id == volume_id) {
        return ok();
    }
    JACKDAW_TRY(const auto lock, FileLock::take(layout_.fleet_folder(), fleet_lock_wait));
    JACKDAW_TRY(const Volume volume, describe_volume(volume_id));
    JACKDAW_TRY(const auto power, power_of(machine));
    if (!record.spec.volume_id.empty() || !volume.machine.empty() || power.is_on()) {
        return Error{Errc::busy,
                     "a volume without a machine is attached to a machine without a volume, and "
                     "which is off"};
    }
    record.spec.volume_id = volume_id;
    return write_record(layout_.machine_file(machine), record);
}

} // namespace jackdaw::cloud::local
