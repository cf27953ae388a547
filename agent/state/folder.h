#pragma once
// The files of a state folder beside LMDB's own: lock, marker, and how they are made durable.

#include <cstdint>
#include <optional>
#include <string>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent::state {

inline constexpr const char* file_name = "state.mdb";
inline constexpr const char* new_name = "state.mdb.new";
inline constexpr const char* copy_name = "state.mdb.copy";
inline constexpr const char* copy_new_name = "state.mdb.copy.new";
inline constexpr const char* marker_name = "initialised";
inline constexpr const char* lock_name = "lock";
inline constexpr int damaged_kept_max = 3; ///< state.mdb.damaged-1 (the newest) to -3

[[nodiscard]] std::string path_in(const std::string& folder, std::string_view name);

/// E-DISK-FULL for ENOSPC and EDQUOT, else `unavailable`; with the number.
[[nodiscard]] Error disk_error(std::string doing, int number);
/// `unavailable`: of a store that only a new process can use, for nobody knows what its disk holds.
[[nodiscard]] Error lost_error(std::string_view doing, std::string_view why);

/// The lock of the whole folder, held while the descriptor is open. E-STATE-LOCKED names the
/// holder.
[[nodiscard]] Result<UniqueFd> lock_folder(const std::string& folder);

[[nodiscard]] Result<void> sync_folder(const std::string& folder);
[[nodiscard]] Result<void> rename_durably(const std::string& folder, const char* from,
                                          const char* to);

/// Size in bytes; nullopt when there is no such file.
[[nodiscard]] Result<std::optional<std::uint64_t>> size_of(const std::string& folder,
                                                           const char* name);

/// The marker's number of the last commit; 0 when it stands there but cannot be read, nullopt
/// without one.
[[nodiscard]] Result<std::optional<std::uint64_t>> read_marker(const std::string& folder);
/// Replaces the marker, durable.
[[nodiscard]] Result<void> write_marker(const std::string& folder, std::uint64_t transaction);
[[nodiscard]] Result<UniqueFd> open_marker(const std::string& folder);
/// Overwrites the number in place. Not synced on purpose: an older number only notices less, and a
/// failure here must not fail a commit that is durable already.
void note_commit(int marker, std::uint64_t transaction) noexcept;

} // namespace jackdaw::agent::state
