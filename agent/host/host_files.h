#pragma once
// File work of a root process in a machine where the database's user is hostile: folders by
// descriptor, names beneath them, no symbolic links, no other file systems, what is opened is
// checked after opening.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::agent::host {

/// E-DISK-FULL for ENOSPC and EDQUOT, `busy` for EBUSY, else `unavailable`.
[[nodiscard]] Error file_error(std::string doing, int number);

/// An absolute path opened without following any symbolic link in it (openat2(2),
/// RESOLVE_NO_SYMLINKS).
[[nodiscard]] Result<UniqueFd> open_no_links(const std::string& path, int flags);
/// A name beneath a folder: no links, no mount point crossed (RESOLVE_BENEATH|NO_SYMLINKS|NO_XDEV).
[[nodiscard]] Result<UniqueFd> open_beneath(int folder, const std::string& name, int flags);

/// A regular file of root's with one link, at most `max` bytes; nullopt when there is none.
[[nodiscard]] Result<std::optional<std::string>> read_root_file(int folder, const std::string& name,
                                                                std::size_t max);
/// The same, opened.
[[nodiscard]] Result<std::optional<UniqueFd>> open_root_file(int folder, const std::string& name);

/// Makes or takes over the folder and gives it owner and mode; one that is there must be a folder.
[[nodiscard]] Result<void> ensure_folder(const std::string& path, uid_t uid, gid_t gid,
                                         mode_t mode);
[[nodiscard]] Result<void> ensure_folder_at(int parent, const std::string& name, uid_t uid,
                                            gid_t gid, mode_t mode);

/// Writes a temporary file beside it and syncs it; nothing is replaced yet.
[[nodiscard]] Result<void> write_new_file(int folder, const std::string& name,
                                          std::string_view bytes, mode_t mode);
[[nodiscard]] Result<void> rename_at(int folder, const std::string& from, const std::string& to);
[[nodiscard]] Result<void> sync_fd(int fd, std::string_view what);
/// Both, then the folder synced: the file is the old or the new one, durable when it returns.
[[nodiscard]] Result<void> replace_file(int folder, const std::string& name, std::string_view bytes,
                                        mode_t mode);

/// Removes everything inside a folder, which stays; never leaves its file system nor follows a
/// link. `exhausted` beyond a depth of 256.
[[nodiscard]] Result<void> empty_folder(int folder);

/// Whether the path and every folder on the way belong to root and can be written by nobody else;
/// links on the way are resolved first. `not_allowed` names what does not.
[[nodiscard]] Result<void> check_root_owned(const std::string& path, bool executable);

} // namespace jackdaw::agent::host
