#pragma once
// Small files that are on the disk when the call returns, and the data folder's layout.

#include <string>
#include <string_view>

namespace jackdaw::fake {

inline constexpr int exit_half_made = 65;     ///< the data folder is not complete
inline constexpr int exit_started_twice = 66; ///< another one holds the data folder

/// Makes the data folder: five parts, an empty journal, a start counter, and `complete` last, each
/// fsynced with its folder. Refuses a folder that is not empty. The process's exit status.
int initialise(const std::string& folder, const struct Options& options);

/// Has the folder everything that initialise() writes, with the right content?
[[nodiscard]] bool is_complete(const std::string& folder);

/// Writes a new file, durably; false when it exists or does not fit.
bool write_new(const std::string& path, std::string_view content);
/// Replaces a file, durably.
bool replace(const std::string& folder, const std::string& name, std::string_view content);
/// Up to 4 KiB; empty when it cannot be read.
[[nodiscard]] std::string read_small(const std::string& path);
bool sync_folder(const std::string& folder);

} // namespace jackdaw::fake
