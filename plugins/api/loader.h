#pragma once
// Finds, judges and loads the shared object of a datastore. What it loads runs with the agent's
// rights, so the order is: name, owner and mode, then dlopen, then the ABI line, and only then a
// C++ object.

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/api/datastore.h"
#include "proto/base/error.h"

namespace jackdaw::plugins {

/// A driver in memory. It stays there until the process ends: code that is never unmapped can never
/// be called after it is gone. Copies are cheap and all mean the same object.
struct LoadedDriver {
    std::string datastore; ///< "mariadb"
    std::string path;      ///< of the shared object
    const JackdawDriver* driver = nullptr;

    [[nodiscard]] std::unique_ptr<Datastore> make() const { return driver->make(); }
};

/// Loads FOLDER/libjackdaw-DATASTORE.so; loading it twice is cheap. The folder and the file must
/// belong to `owner` (root; only tests name another) and must be writable by nobody else.
///
/// The program must be linked with jackdaw_hosts_drivers() (plugins/CMakeLists.txt): drivers take
/// jackdaw::Error and its like from it. Blocking (reads a file); safe on any thread.
///
/// Errors: E-UNKNOWN-DATASTORE (a name that cannot be one, or no such file), `not_allowed` (owner
/// or mode), `unsupported` (does not load, lacks its symbol, or was built with another ABI: both
/// ABI lines are in the message).
[[nodiscard]] Result<LoadedDriver> load_driver(const std::string& folder,
                                               std::string_view datastore, uid_t owner = 0);

/// Names of the drivers in that folder, sorted, at most 64; nothing is loaded or judged.
/// `unavailable` when the folder cannot be read.
[[nodiscard]] Result<std::vector<std::string>> available_drivers(const std::string& folder);

/// [a-z0-9]{1,32}: the name becomes part of a path.
[[nodiscard]] bool is_datastore_name(std::string_view name) noexcept;

} // namespace jackdaw::plugins
