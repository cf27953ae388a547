#include "agent/host/host_volume.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "agent/host/host_files.h"
#include "agent/host/machine_file.h"
#include "proto/base/ids.h"

namespace jackdaw::agent::host {
namespace {

constexpr const char* intent_folder = "/var/lib/jackdaw";
constexpr const char* intent_name = "mkfs-intent"; ///< what we are about to format
constexpr const char* own_name = "volume-own";     ///< what we formatted or stamped
constexpr std::size_t intent_max_bytes = 256;

struct ProbeFree {
    void operator()(blkid_probe probe) const { ::blkid_free_probe(probe); }
};

std::string value_of(blkid_probe probe, const char* name) {
    const char* value = nullptr;
    return ::blkid_probe_lookup_value(probe, name, &value, nullptr) == 0 && value != nullptr
               ? std::string{value}
               : std::string{};
}

Result<bool> first_bytes_zero(int fd, std::uint64_t size) {
    std::string block(std::size_t{256} << 10, '\0');
    for (std::uint64_t at = 0; at < std::min(size, blank_bytes);) {
        const auto got = ::pread(fd, block.data(), block.size(), static_cast<off_t>(at));
        if (got < 0) {
            return file_error("read the volume's first bytes", errno);
        }
        if (got == 0) {
            break;
        }
        if (std::any_of(block.begin(), block.begin() + got, [](char c) { return c != '\0'; })) {
            return false;
        }
        at += static_cast<std::uint64_t>(got);
    }
    return true;
}

/// The device that is mounted on the volume folder, or 0.
Result<dev_t> mounted_device() {
    struct stat here{};
    struct stat parent{};
    const std::string folder{volume_folder};
    if (::lstat(folder.c_str(), &here) != 0) {
        if (errno == ENOENT) {
            return dev_t{0};
        }
        return file_error("look at the mount point", errno);
    }
    if (::lstat(folder.substr(0, folder.rfind('/')).c_str(), &parent) != 0) {
        return file_error("look at the mount point's folder", errno);
    }
    return here.st_dev == parent.st_dev ? dev_t{0} : here.st_dev;
}

Result<dev_t> device_number(const std::string& node) {
    struct stat info{};
    if (::stat(node.c_str(), &info) != 0) {
        return file_error(fmt::format("look at {}", node), errno);
    }
    return info.st_rdev;
}

Result<void> mount_node(const VolumeInfo& info, unsigned long flags, const char* options) {
    if (::mount(info.device.c_str(), std::string{volume_folder}.c_str(), info.filesystem.c_str(),
                flags | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, options) != 0) {
        return file_error(fmt::format("mount {}", info.device), errno);
    }
    return ok();
}

Result<void> unmount_node() {
    if (::umount2(std::string{volume_folder}.c_str(), UMOUNT_NOFOLLOW) != 0) {
        return file_error("unmount the volume", errno);
    }
    return ok();
}

std::string intent_text(const std::string& serial, const std::string& uuid) {
    return fmt::format("serial={}\nuuid={}\n", serial, uuid);
}

} // namespace

Result<void> on_volume(Result<void> done) {
    if (!done && done.error().id() == Code::disk_full) {
        return std::move(done).error().with_id(Code::volume_full);
    }
    return done;
}

Result<VolumeInfo> probe_device(int fd, bool look_for_zeros) {
    VolumeInfo info;
    const std::unique_ptr<std::remove_pointer_t<blkid_probe>, ProbeFree> probe{::blkid_new_probe()};
    if (probe == nullptr || ::blkid_probe_set_device(probe.get(), fd, 0, 0) != 0) {
        return Error{Errc::unavailable, "libblkid cannot look at the volume"};
    }
    info.size_bytes = static_cast<std::uint64_t>(::blkid_probe_get_size(probe.get()));
    // A signature with a wrong checksum is still somebody's.
    ::blkid_probe_enable_superblocks(probe.get(), 1);
    ::blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID |
                                                         BLKID_SUBLKS_USAGE | BLKID_SUBLKS_BADCSUM |
                                                         BLKID_SUBLKS_MAGIC);
    ::blkid_probe_enable_partitions(probe.get(), 1);
    ::blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_MAGIC);
    const int found = ::blkid_do_safeprobe(probe.get());
    if (found == -2) {
        info.filesystem = "ambivalent";
        return info;
    }
    if (found < 0) {
        return Error{Errc::unavailable, "libblkid cannot read the volume"};
    }
    if (found == 0) {
        info.filesystem = value_of(probe.get(), "TYPE");
        info.uuid = value_of(probe.get(), "UUID");
        if (info.filesystem.empty()) {
            info.filesystem = value_of(probe.get(), "PTTYPE");
        }
        if (info.filesystem.empty()) {
            info.filesystem = "unknown";
        }
        return info;
    }
    if (look_for_zeros) {
        JACKDAW_TRY(info.blank, first_bytes_zero(fd, info.size_bytes));
        info.filesystem = info.blank ? "" : "unknown";
    }
    return info;
}

Result<std::string> Volume::node(const std::string& serial) const {
    if (!is_serial(serial) || serial != machine_->volume_serial) {
        return Error{Errc::not_allowed,
                     fmt::format("the machine file names volume '{}', not this one",
                                 machine_->volume_serial)};
    }
    const auto link = fmt::format("/dev/disk/by-id/virtio-{}", serial);
    std::string real(PATH_MAX, '\0');
    if (::realpath(link.c_str(), real.data()) == nullptr) {
        return Error{Code::volume_missing, fmt::format("there is no {}", link)};
    }
    real.resize(::strnlen(real.c_str(), PATH_MAX));
    struct stat info{};
    if (::stat(real.c_str(), &info) != 0 || !S_ISBLK(info.st_mode)) {
        return Error{Code::volume_missing, fmt::format("{} is no block device", link)};
    }
    return real;
}

Result<VolumeInfo> Volume::inspect(const std::string& given) const {
    const auto serial = volume_serial(given);
    JACKDAW_TRY(const auto path, node(serial));
    const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    if (!fd) {
        const bool gone = errno == ENXIO || errno == ENODEV || errno == ENOENT;
        return gone ? Error{Code::volume_missing, fmt::format("{} has no device behind it", path)}
                    : file_error(fmt::format("open {}", path), errno);
    }
    JACKDAW_TRY(const auto here, mounted_device());
    JACKDAW_TRY(const auto device, device_number(path));
    const bool is_mounted = here != 0 && here == device;
    JACKDAW_TRY(auto info, probe_device(fd.get(), !is_mounted));
    info.device = path;
    info.mounted = is_mounted;
    std::uint64_t size = 0;
    if (::ioctl(fd.get(), BLKGETSIZE64, &size) == 0) {
        info.size_bytes = size;
    }
    struct statvfs room{};
    if (is_mounted && ::statvfs(std::string{volume_folder}.c_str(), &room) == 0) {
        info.filesystem_bytes = std::uint64_t{room.f_blocks} * room.f_frsize;
        info.free_bytes = std::uint64_t{room.f_bavail} * room.f_frsize;
        info.used_bytes = info.size_bytes - std::min(info.size_bytes, info.free_bytes);
    }
    return info;
}

Result<std::string> Volume::prepare_mkfs(const Mkfs& mkfs) const {
    const auto serial = volume_serial(mkfs.serial);
    if ((mkfs.filesystem != "xfs" && mkfs.filesystem != "ext4") || !is_uuid(mkfs.uuid)) {
        return Error{Errc::invalid, "a file system is xfs or ext4, with a UUID of its own"};
    }
    JACKDAW_TRY(const auto path, node(serial));
    // O_EXCL on a block device without O_CREAT: not while it is mounted or a mkfs holds it
    // (open(2)).
    const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)};
    if (!fd) {
        return file_error(fmt::format("take {} for formatting", path), errno);
    }
    JACKDAW_TRY(const auto info, probe_device(fd.get(), true));
    JACKDAW_TRY(const auto folder, open_no_links(intent_folder, O_RDONLY | O_DIRECTORY));
    JACKDAW_TRY(const auto intent, read_root_file(folder.get(), intent_name, intent_max_bytes));
    const auto ours = intent_text(serial, mkfs.uuid);
    // A mkfs killed in the middle leaves bytes without a signature, or ours. Both are ours only if
    // blankness was proven before it began, this very UUID was written down then, and nothing has
    // been mounted since (mount() removes the intent): what was in use once is never formatted
    // again.
    const bool unsigned_bytes = info.filesystem == "unknown" && info.uuid.empty();
    const bool again = intent == ours && (unsigned_bytes || info.uuid == mkfs.uuid);
    if (!info.blank && !mkfs.overwrite && !again) {
        return Error{Code::volume_not_blank,
                     fmt::format("it holds {} {}", info.filesystem, info.uuid)};
    }
    if (intent != ours) {
        JACKDAW_CHECK(replace_file(folder.get(), intent_name, ours, 0600));
    }
    return path;
}

Result<void> Volume::mount(const std::string& given, const std::string& uuid) const {
    JACKDAW_TRY(const auto info, inspect(given));
    if (uuid.empty() || info.uuid != uuid ||
        (info.filesystem != "xfs" && info.filesystem != "ext4")) {
        return Error{Code::volume_foreign,
                     fmt::format("the volume carries {} '{}', not '{}'",
                                 info.filesystem.empty() ? "no file system" : info.filesystem,
                                 info.uuid, uuid)};
    }
    JACKDAW_TRY(const auto folder, open_no_links(intent_folder, O_RDONLY | O_DIRECTORY));
    JACKDAW_TRY(const auto intent, read_root_file(folder.get(), intent_name, intent_max_bytes));
    JACKDAW_TRY(const auto own, read_root_file(folder.get(), own_name, intent_max_bytes));
    const auto this_one = intent_text(volume_serial(given), uuid);
    const bool known = intent == this_one || own == this_one;
    if (!info.mounted) {
        JACKDAW_TRY(const auto other, mounted_device());
        if (other != 0) {
            return Error{Errc::conflict, "something else is mounted in the volume's place"};
        }
        JACKDAW_CHECK(ensure_folder(std::string{volume_folder}, 0, 0, 0755));
        if (known) {
            return mount_own(info);
        }
        // Perhaps somebody else's: not a byte of it changes (no log is replayed) before its stamp
        // was seen, or write_stamp() was ordered to replace that.
        JACKDAW_CHECK(
            mount_node(info, MS_RDONLY, info.filesystem == "xfs" ? "norecovery" : "noload"));
    }
    // Also of one that is mounted: a host may have been killed behind any of these steps.
    const auto stamp = read_stamp();
    if (!known && (!stamp || !*stamp || (*stamp)->instance_id != machine_->instance_id)) {
        return ok();
    }
    JACKDAW_CHECK(make_writable());
    return finish_mount();
}

Result<void> Volume::mount_own(const VolumeInfo& info) const {
    JACKDAW_TRY(const auto folder, open_no_links(intent_folder, O_RDONLY | O_DIRECTORY));
    const auto this_one = intent_text(machine_->volume_serial, info.uuid);
    JACKDAW_TRY(const auto own, read_root_file(folder.get(), own_name, intent_max_bytes));
    if (own != this_one) {
        JACKDAW_CHECK(replace_file(folder.get(), own_name, this_one, 0600));
    }
    JACKDAW_CHECK(mount_node(info, 0, nullptr));
    return finish_mount();
}

/// What belongs to a mount of our own and can be done again.
Result<void> Volume::finish_mount() const {
    // Whoever made the file system, its top folder is root's.
    JACKDAW_CHECK(ensure_folder(std::string{volume_folder}, 0, 0, 0755));
    JACKDAW_TRY(const auto folder, open_no_links(intent_folder, O_RDONLY | O_DIRECTORY));
    // From here on the signature itself says whose it is, and nothing formats it again.
    if (::unlinkat(folder.get(), intent_name, 0) != 0 && errno != ENOENT) {
        return file_error("forget what was to be formatted", errno);
    }
    return ok();
}

Result<void> Volume::make_writable() const {
    struct statvfs mount{};
    if (::statvfs(std::string{volume_folder}.c_str(), &mount) != 0) {
        return file_error("look at the mounted volume", errno);
    }
    if ((mount.f_flag & ST_RDONLY) == 0) {
        return ok();
    }
    JACKDAW_TRY(const auto info, mounted_info(machine_->volume_serial));
    JACKDAW_CHECK(unmount_node()); // a mount without its log's recovery cannot become another
    return mount_own(info);
}

Result<void> Volume::unmount(const std::string& given) const {
    JACKDAW_TRY(const auto here, mounted_device());
    if (here == 0) {
        return ok();
    }
    JACKDAW_TRY(const auto info, inspect(given));
    if (!info.mounted) {
        return Error{Errc::conflict, "something else is mounted in the volume's place"};
    }
    return unmount_node();
}

Result<UniqueFd> Volume::mounted() const {
    JACKDAW_TRY(const auto path, node(machine_->volume_serial));
    JACKDAW_TRY(const auto here, mounted_device());
    JACKDAW_TRY(const auto device, device_number(path));
    if (here == 0 || here != device) {
        return Error{Errc::conflict, "the volume is not mounted"};
    }
    return open_no_links(std::string{volume_folder}, O_RDONLY | O_DIRECTORY);
}

Result<VolumeInfo> Volume::mounted_info(const std::string& serial) const {
    JACKDAW_TRY(auto info, inspect(serial));
    if (!info.mounted) {
        return Error{Errc::conflict, "the volume is not mounted"};
    }
    return info;
}

Result<void> Volume::sync() const {
    JACKDAW_TRY(const auto folder, mounted());
    if (::syncfs(folder.get()) != 0) {
        return file_error("sync the volume", errno);
    }
    return ok();
}

} // namespace jackdaw::agent::host
