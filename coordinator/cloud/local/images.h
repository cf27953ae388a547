#pragma once
// Image folders: IMAGES/DIGEST/{image.json,root/}. Made whole by packaging/image and renamed into
// place, never changed afterwards: machines have them as the lower folder of an overlay, where a
// change is undefined.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::cloud::local {

struct Image {
    std::string datastore; ///< "mariadb"
    std::string version;   ///< "10.11.14"
    std::string digest;    ///< name of the folder
    std::string recipe_digest;
    std::string created_at;
    std::uint64_t size_bytes = 0;
    std::uint64_t memory_bytes_min = 0; ///< of its machines; 0: an older image, which tells none
    std::string programs; ///< digest of the Jackdaw programs baked in; "none" when there are none
    std::filesystem::path root;
};

/// Oldest first. A folder without a readable image.json (one that is being made) is passed over; a
/// missing image folder is an empty list.
[[nodiscard]] Result<std::vector<Image>> list_images(const std::filesystem::path& image_root);

/// The newest image for "mariadb", "mariadb:10.11" (also matches 10.11.14, never 10.110), or the
/// one with this digest or a unique beginning of at least 8 characters of it. E-NO-IMAGE
/// otherwise.
[[nodiscard]] Result<Image> find_image(const std::filesystem::path& image_root,
                                       const std::string& reference);

/// Does this version satisfy what was asked: equal, or it goes on after a dot? Everything satisfies
/// "".
[[nodiscard]] bool version_matches(std::string_view wanted, std::string_view version) noexcept;

/// Removes the folder of this digest by rename, then for good, and what a removal that was cut
/// short has left. The caller has checked that nothing uses it.
[[nodiscard]] Result<void> remove_image(const std::filesystem::path& image_root,
                                        const std::string& digest);

/// Runs the image recipe `program` (packaging/image) with the caller's descriptors 0 to 2, so that
/// its progress is seen, and waits for it. E-JOB-FAILED with its status.
[[nodiscard]] Result<void> build_image(const std::filesystem::path& program,
                                       const std::vector<std::string>& arguments);

} // namespace jackdaw::cloud::local
