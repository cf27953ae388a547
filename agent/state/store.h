#pragma once
// The agent's durable memory: identity, journal, instance, gossip, documents, in one LMDB file.
//
// LMDB trusts its file: a truncated one ends the process by SIGBUS, an empty one is an empty
// database, altered bytes go unnoticed (all measured). So this class trusts nothing it has not
// looked at:
//   lock         an own flock: the second agent gets E-STATE-LOCKED
//   initialised  a marker file; with it a missing or empty state.mdb is E-STATE-MISSING. It also
//   holds the
//                number of the last commit, so that a file gone back in time is noticed
//   walk.h       every page and record looked at before LMDB maps the file, in a child process
//   whose crash
//                counts as E-STATE-CORRUPT, too
//   state.mdb    preallocated to its full size: a full root disk cannot stop the journal
//   state.mdb.copy   one good copy a day, for restore_state()

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

struct MDB_env;
struct MDB_txn;

namespace jackdaw::agent {

/// A key's first byte in the file: values are kept for ever. 0 is the store's own header.
enum class Table : std::uint8_t {
    meta = 1,
    operations = 2,
    instance = 3,
    gossip = 4,
    documents = 5,
    identity = 6,
    topology = 7,
    events = 8,
};

/// Put (with a value) or delete (without; deleting what is not there is ok).
struct Change {
    Table table = Table::meta;
    std::string key;
    std::optional<std::string> value;
};

struct StateRecord {
    std::string key;
    std::string value;
};

inline constexpr std::size_t state_key_max_bytes = 400;
inline constexpr std::size_t state_value_max_bytes = std::size_t{1} << 20;
inline constexpr std::size_t state_changes_max = 4096; ///< of one commit
inline constexpr std::size_t state_scan_max = 16384;   ///< records of one scan

struct StateOptions {
    std::string folder; ///< exists, owned by the agent
    /// The file's final size, a multiple of the page size; the file keeps the larger of this and
    /// what it has.
    std::size_t map_bytes = std::size_t{64} << 20;
    /// Make an empty store where none ever was; without it that is E-STATE-MISSING.
    bool initialise_if_absent = true;
    /// Told once, by the thread whose commit it was and before that commit returns: the disk failed
    /// half-way, and the process must end. It may not use the store. May be empty.
    std::function<void(const Error&)> on_lost{};
};

/// Thread-safe after open(). Readers run beside each other; a commit runs alone and blocks until it
/// is durable.
class StateStore {
public:
    /// Forks once (the walk), so call it before the process has threads. Errors: E-STATE-LOCKED
    /// (names the holder's pid), E-STATE-MISSING, E-STATE-CORRUPT, E-STATE-NEWER, E-DISK-FULL; none
    /// of them changes a file.
    [[nodiscard]] static Result<std::unique_ptr<StateStore>> open(StateOptions options);
    /// E-STATE-LOCKED when a living agent has this folder now; ok also for a folder that is not
    /// there yet. For a clear word early: open() is what keeps the folder.
    [[nodiscard]] static Result<void> check_free(const std::string& folder);
    ~StateStore();
    StateStore(const StateStore&) = delete;
    StateStore& operator=(const StateStore&) = delete;

    /// All of them or none, durable (fdatasync) when it returns. `invalid`: a key or value beyond
    /// its bounds. E-DISK-FULL: the map is full, and deleting still works, or the disk is; nothing
    /// changed. `unavailable`: the disk failed, the outcome is unknown, on_lost was told, and every
    /// later commit is refused; a store that is opened anew is whole.
    [[nodiscard]] Result<void> commit(const std::vector<Change>& changes);
    /// nullopt when there is none; E-STATE-CORRUPT when the record's checksum is wrong.
    [[nodiscard]] Result<std::optional<std::string>> get(Table table, std::string_view key) const;
    /// In key order, strictly behind `after` ("": from the first), at most `limit` and
    /// state_scan_max.
    [[nodiscard]] Result<std::vector<StateRecord>> scan(Table table, std::string_view after,
                                                        std::size_t limit) const;

    /// Makes the good copy when the last one is a day old by this wall clock (or lies a day in the
    /// future, or is not there); true when it did. Takes some milliseconds; a commit waits
    /// meanwhile. A failure leaves the earlier copy as it was.
    [[nodiscard]] Result<bool> copy_if_due(std::int64_t wall_ms);

private:
    StateStore(UniqueFd lock, UniqueFd marker, std::string folder)
        : lock_{std::move(lock)}, marker_{std::move(marker)}, folder_{std::move(folder)} {}
    Result<void> start(std::size_t map_bytes);
    Result<void> apply(MDB_txn* txn, const std::vector<Change>& changes);
    Result<void> commit_once(const std::vector<Change>& changes);
    Result<void> make_copy();

    UniqueFd lock_;
    UniqueFd marker_;
    std::string folder_;
    std::function<void(const Error&)> on_lost_; ///< see StateOptions
    MDB_env* env_ = nullptr;
    unsigned dbi_ = 0;
    std::size_t map_bytes_ = 0;
    std::atomic<std::int64_t> copy_tried_ms_{0}; ///< wall clock of a copy that failed, or 0
    std::atomic<bool> poisoned_{false};          ///< a write to the disk failed half-way
    mutable std::mutex guard_; ///< in place of LMDB's own locks (MDB_NOLOCK): one process only
};

/// Puts the last good copy in the place of state.mdb, which is kept as state.mdb.damaged-1 (older
/// ones move up to -3). Looks through the copy first. E-STATE-LOCKED, E-STATE-MISSING (there is no
/// copy), E-STATE-CORRUPT (the copy is damaged, too): then nothing was changed.
[[nodiscard]] Result<void> restore_state(const std::string& folder);

} // namespace jackdaw::agent
