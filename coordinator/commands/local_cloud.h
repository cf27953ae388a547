#pragma once
// The local provider and the image folders as commands have them.

#include <memory>
#include <string>

#include "coordinator/commands/session.h"

namespace jackdaw::cli {

[[nodiscard]] std::unique_ptr<Cloud> make_local_cloud(const Folders& folders,
                                                      const std::string& fleet);

/// Images below `folders`; they are baked by packaging/image, which is looked for beside this
/// program and in the source tree that it was built in.
[[nodiscard]] std::unique_ptr<Images> make_local_images(const Folders& folders);

} // namespace jackdaw::cli
