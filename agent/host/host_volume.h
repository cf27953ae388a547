#pragma once
// The volume: found by the machine file's serial only, looked at, mounted, stamped. Part of
// jackdaw-host.

#include <optional>
#include <string>

#include "agent/host/host.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent::host {

inline constexpr std::uint64_t blank_bytes = std::uint64_t{4} << 20; ///< that must be zero
inline constexpr std::string_view stamp_name = ".jackdaw-stamp";

class Volume {
public:
    explicit Volume(const MachineFile& machine) : machine_{&machine} {}

    [[nodiscard]] Result<VolumeInfo> inspect(const std::string& serial) const;
    /// The device's node, held exclusively for the moment: `busy` when it is mounted or a mkfs has
    /// it. Also checks that what stands on it may be formatted over, and makes the intent durable.
    [[nodiscard]] Result<std::string> prepare_mkfs(const Mkfs& mkfs) const;
    /// Read-only, and without a replay of its log, unless we formatted it or its stamp names the
    /// machine file's instance: write_stamp() then makes it writable.
    [[nodiscard]] Result<void> mount(const std::string& serial, const std::string& uuid) const;
    [[nodiscard]] Result<void> unmount(const std::string& serial) const;
    /// The mounted folder; `conflict` when nothing is mounted there.
    [[nodiscard]] Result<UniqueFd> mounted() const;
    /// The node that is mounted, and its file system, for growing it.
    [[nodiscard]] Result<VolumeInfo> mounted_info(const std::string& serial) const;

    [[nodiscard]] Result<std::optional<VolumeStamp>> read_stamp() const;
    [[nodiscard]] Result<void> write_stamp(const VolumeStamp& stamp,
                                           const std::string& take_over_id) const;
    [[nodiscard]] Result<void> erase_stamp() const;
    [[nodiscard]] Result<void> sync() const;

private:
    [[nodiscard]] Result<std::string> node(const std::string& serial) const;
    [[nodiscard]] Result<void> mount_own(const VolumeInfo& info) const;
    [[nodiscard]] Result<void> finish_mount() const;
    [[nodiscard]] Result<void> make_writable() const;

    const MachineFile* machine_;
};

/// What libblkid's low-level probe finds on an open device; `ambivalent`, `unknown` (non-zero bytes
/// without a signature) and a partition table's kind are names of file systems here, so that none
/// of them is blank.
[[nodiscard]] Result<VolumeInfo> probe_device(int fd, bool look_for_zeros);

/// What found no room on the volume is E-VOLUME-FULL; file_error() takes it for the root disk.
[[nodiscard]] Result<void> on_volume(Result<void> done);

[[nodiscard]] std::string format_stamp(const VolumeStamp& stamp);
/// `corrupt` when it is not exactly what format_stamp() writes.
[[nodiscard]] Result<VolumeStamp> parse_stamp(std::string_view text);

} // namespace jackdaw::agent::host
