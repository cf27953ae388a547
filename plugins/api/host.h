#pragma once
// What a driver may say to and know of its machine, as plain data. A driver never forks, never
// opens a file of the machine and never logs: it returns these values, the agent hands them to
// `jackdaw-host`, and guards run them.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace jackdaw::plugins {

/// One step of ending a process: send the signal, wait that long, go on with the next. After the
/// last one the guard kills whatever is left, so the sum is the budget of a stop.
struct StopStep {
    int signal = 0;
    std::chrono::seconds wait{};
};

struct Limits {
    std::uint64_t open_files = 0; ///< RLIMIT_NOFILE; 0: leave it. Clamped to the hard limit.
    std::uint64_t locked_memory_bytes = 0; ///< RLIMIT_MEMLOCK; 0: leave it. Clamped likewise.
    int oom_score_adj = 200;               ///< raised by the child itself, after the guard
};

/// A process that lives until it is stopped. Paths are absolute, inside the machine.
struct LaunchSpec {
    std::vector<std::string>
        argv; ///< argv[0] is a root-owned program of the image; never a secret in it
    std::vector<std::string> environment; ///< "NAME=value"; nothing is inherited
    std::string working_folder;
    Limits limits;
    std::vector<StopStep> stop; ///< e.g. {SIGTERM, 600 s}
    std::chrono::seconds ready_within{
        600}; ///< a start that shows no sign of life by then has failed
};

/// A process that ends by itself: initialise, check, dump. It succeeded only if it exited with 0.
struct Job {
    std::string name; ///< as in the root-owned list beside the plug-in: "mariadb-install-db"
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string working_folder;
    std::chrono::seconds limit{600};
};

/// A file that the agent renders where root writes and the database's user reads.
struct RenderedFile {
    std::string name; ///< a plain file name below the configuration folder
    std::string content;
    friend bool operator==(const RenderedFile&, const RenderedFile&) = default;
};

/// What the machine has, for computing defaults.
struct MachineFacts {
    std::uint64_t memory_bytes = 0; ///< after the machine's own limit
    unsigned cores = 1;
    std::string hostname;
    std::uint64_t volume_bytes = 0; ///< size of the data volume; 0: not known yet
    /// Free on it at the last look, for what is refused; never for what render() computes.
    std::optional<std::uint64_t> volume_free_bytes{};
};

/// Where one instance lives in its machine, and what it shall be.
struct Place {
    std::string instance_id;
    std::string data_folder;       ///< on the volume, owned by the database's user
    std::string config_folder;     ///< root-owned, read by the database's user
    std::string run_folder;        ///< sockets; owned by the database's user
    std::string os_user = "mysql"; ///< name of the database's uid in the image's passwd
    std::string admin_user =
        "jackdawd"; ///< the agent's OS user: the account of the engine that bears its name
    std::string bind_address = "0.0.0.0";
    std::uint16_t port = 0;
    MachineFacts machine;
    std::string log_folder;                        ///< on the volume, owned by the database's user
    std::map<std::string, std::string> parameters; ///< the instance's own settings
};

} // namespace jackdaw::plugins
