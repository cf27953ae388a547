#pragma once
// Small files that must survive a kill and a power cut.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::cli {

/// Whole content, at most `bytes_max`. `not_found` when there is none; a symbolic link is not
/// followed.
[[nodiscard]] Result<std::string> read_small_file(const std::filesystem::path& path,
                                                  std::size_t bytes_max = 1U << 20U);

/// Writes beside it, fsyncs, renames over it, fsyncs the folder: afterwards the old or the new
/// content is there, never a part. A failure leaves the old one.
[[nodiscard]] Result<void> write_durably(const std::filesystem::path& path, std::string_view bytes,
                                         mode_t mode);

/// Makes a folder and those above it; the last one with this mode. There already is no error.
[[nodiscard]] Result<void> make_folders(const std::filesystem::path& path, mode_t mode = 0700);

/// A file that holds a secret: as read_small_file(), and E-NOT-ALLOWED when another user owns it or
/// may read or write it.
[[nodiscard]] Result<std::string> read_secret_file(const std::filesystem::path& path,
                                                   std::size_t bytes_max);

/// What an operator names on the command line: also through links and out of a pipe or a terminal
/// (`<(command)`, /dev/stdin), until its end. `unavailable`
/// when nothing comes out of a pipe within a minute.
[[nodiscard]] Result<std::string> read_given_file(const std::filesystem::path& path,
                                                  std::size_t bytes_max);

/// An exclusive lock on a file, held until the descriptor closes. E-OPERATION-RUNNING if another
/// process has it.
[[nodiscard]] Result<UniqueFd> lock_file(const std::filesystem::path& path);

} // namespace jackdaw::cli
