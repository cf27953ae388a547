#include "agent/state/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <mutex>

#include <fmt/format.h>
#include <lmdb.h>
#include <sodium.h>

#include "agent/state/folder.h"
#include "agent/state/format.h"
#include "agent/state/walk.h"

namespace jackdaw::agent {
namespace {

// NOLOCK: folder/lock keeps other processes out, guard_ orders the threads of this one.
constexpr unsigned env_flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD;

/// Kept back from commits that add something, so that a full map can still be emptied.
std::size_t reserve_of(std::size_t map_bytes) {
    return std::min(std::size_t{1} << 20, map_bytes / 8);
}

MDB_val as_val(std::string_view bytes) {
    return MDB_val{bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view as_view(const MDB_val& value) {
    return {static_cast<const char*>(value.mv_data), value.mv_size};
}

std::string full_key(Table table, std::string_view key) {
    std::string full;
    full.reserve(key.size() + 1);
    full.push_back(static_cast<char>(table));
    full.append(key);
    return full;
}

Error store_error(const char* doing, int rc) {
    if (rc == MDB_MAP_FULL) {
        return Error{Code::disk_full,
                     "the agent's state has reached its size; old records must go"};
    }
    if (rc == MDB_PANIC) {
        return state::lost_error(doing, ::mdb_strerror(rc));
    }
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID) {
        return Error{Code::state_corrupt, fmt::format("{}: {}", doing, ::mdb_strerror(rc))};
    }
    if (rc > 0) {
        return state::disk_error(doing, rc);
    }
    return Error{Errc::internal, fmt::format("{}: {}", doing, ::mdb_strerror(rc))};
}

struct EnvClose {
    void operator()(MDB_env* env) const { ::mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, EnvClose>;

struct TxnAbort {
    void operator()(MDB_txn* txn) const { ::mdb_txn_abort(txn); }
};
using Txn = std::unique_ptr<MDB_txn, TxnAbort>;

struct CursorClose {
    void operator()(MDB_cursor* cursor) const { ::mdb_cursor_close(cursor); }
};
using Cursor = std::unique_ptr<MDB_cursor, CursorClose>;

Result<Env> open_env(const std::string& path, std::size_t map_bytes) {
    MDB_env* raw = nullptr;
    if (const int rc = ::mdb_env_create(&raw); rc != 0) {
        return store_error("make an LMDB environment", rc);
    }
    Env env{raw};
    int rc = ::mdb_env_set_mapsize(raw, map_bytes);
    if (rc == 0) {
        rc = ::mdb_env_open(raw, path.c_str(), env_flags, 0600);
    }
    if (rc != 0) {
        return store_error("open the agent's state", rc);
    }
    return env;
}

Result<Txn> begin(MDB_env* env, unsigned flags) {
    MDB_txn* raw = nullptr;
    if (const int rc = ::mdb_txn_begin(env, nullptr, flags, &raw); rc != 0) {
        return store_error("begin with the agent's state", rc);
    }
    return Txn{raw};
}

/// After a meta page that could not be written, whatever the number was (an ENOSPC that fdatasync
/// told comes a second time by the descriptor of the meta pages). LMDB tells it at the next begin
/// alone.
bool is_dead(MDB_env* env) {
    MDB_txn* raw = nullptr;
    const int rc = ::mdb_txn_begin(env, nullptr, MDB_RDONLY, &raw);
    const Txn txn{rc == 0 ? raw : nullptr};
    return rc == MDB_PANIC;
}

Result<void> put(MDB_txn* txn, unsigned dbi, std::string_view key, std::string_view payload) {
    const auto stored = state::seal(key, payload);
    auto key_val = as_val(key);
    auto value_val = as_val(stored);
    if (const int rc = ::mdb_put(txn, dbi, &key_val, &value_val, 0); rc != 0) {
        return store_error("write a record", rc);
    }
    return ok();
}

Result<void> preallocate(MDB_env* env, std::size_t map_bytes) {
    int fd = -1;
    if (const int rc = ::mdb_env_get_fd(env, &fd); rc != 0) {
        return store_error("find the state's descriptor", rc);
    }
    if (const int number = ::posix_fallocate(fd, 0, static_cast<off_t>(map_bytes)); number != 0) {
        return state::disk_error("reserve the space of the agent's state", number);
    }
    if (::fsync(fd) != 0) {
        return state::disk_error("sync the agent's state", errno);
    }
    return ok();
}

/// An empty store under another name, complete and durable, then renamed: a state.mdb is never half
/// made.
Result<void> initialise(const std::string& folder, std::size_t map_bytes) {
    const auto path = state::path_in(folder, state::new_name);
    (void)::unlink(path.c_str());
    auto made = [&]() -> Result<void> {
        JACKDAW_TRY(const auto env, open_env(path, map_bytes));
        JACKDAW_TRY(auto txn, begin(env.get(), 0));
        MDB_dbi dbi = 0;
        if (const int rc = ::mdb_dbi_open(txn.get(), nullptr, 0, &dbi); rc != 0) {
            return store_error("open the records", rc);
        }
        state::Header header;
        header.transaction = ::mdb_txn_id(txn.get());
        JACKDAW_CHECK(put(txn.get(), dbi, state::header_key, state::encode(header)));
        if (const int rc = ::mdb_txn_commit(txn.release()); rc != 0) {
            return store_error("commit the first record", rc);
        }
        return preallocate(env.get(), map_bytes);
    }();
    if (!made) {
        (void)::unlink(path.c_str());
        return std::move(made).while_doing("make the agent's state");
    }
    return state::rename_durably(folder, state::new_name, state::file_name);
}

/// Checks marker and file against each other; true when there is something to open.
Result<bool> look(const StateOptions& options) {
    JACKDAW_TRY(const auto marker, state::read_marker(options.folder));
    JACKDAW_TRY(const auto size, state::size_of(options.folder, state::file_name));
    if (size.value_or(0) > 0) {
        return true;
    }
    if (marker) {
        return Error{Code::state_missing,
                     fmt::format("{}/{} is {}, and it was initialised once", options.folder,
                                 state::file_name, size ? "empty" : "missing")};
    }
    if (!options.initialise_if_absent) {
        return Error{Code::state_missing, fmt::format("{} was never initialised", options.folder)};
    }
    return false;
}

Result<std::uint64_t> check(const std::string& folder) {
    const auto path = state::path_in(folder, state::file_name);
    const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!fd) {
        return state::disk_error(fmt::format("open {}", path), errno);
    }
    JACKDAW_TRY(const auto report, state::walk_state_apart(fd.get()));
    JACKDAW_TRY(const auto marker, state::read_marker(folder));
    if (marker && *marker > report.transaction) {
        return Error{Code::state_corrupt,
                     fmt::format("it stands at commit {}, but commit {} was made",
                                 report.transaction, *marker)};
    }
    if (!marker) { // made and renamed, then the machine went down
        JACKDAW_CHECK(state::write_marker(folder, report.transaction));
    }
    return report.transaction;
}

} // namespace

Result<std::unique_ptr<StateStore>> StateStore::open(StateOptions options) {
    if (::sodium_init() < 0) {
        return Error{Errc::internal, "libsodium does not start"};
    }
    JACKDAW_TRY(auto lock, state::lock_folder(options.folder));
    JACKDAW_TRY(const bool present, look(options));
    if (!present) {
        JACKDAW_CHECK(initialise(options.folder, options.map_bytes));
    }
    JACKDAW_TRY(const auto transaction,
                check(options.folder).while_doing("look through the agent's state"));
    (void)transaction;
    JACKDAW_TRY(auto marker, state::open_marker(options.folder));
    std::unique_ptr<StateStore> store{
        new StateStore{std::move(lock), std::move(marker), std::move(options.folder)}};
    store->on_lost_ = std::move(options.on_lost);
    JACKDAW_CHECK(store->start(options.map_bytes));
    return store;
}

Result<void> StateStore::check_free(const std::string& folder) {
    JACKDAW_TRY(const auto lock, state::size_of(folder, state::lock_name));
    if (lock) {
        JACKDAW_CHECK(state::lock_folder(folder));
    }
    return ok();
}

Result<void> StateStore::start(std::size_t map_bytes) {
    JACKDAW_TRY(const auto size, state::size_of(folder_, state::file_name));
    map_bytes_ = std::max(map_bytes, static_cast<std::size_t>(size.value_or(0)));
    map_bytes_ -= map_bytes_ % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    JACKDAW_TRY(auto env, open_env(state::path_in(folder_, state::file_name),
                                   map_bytes_ - reserve_of(map_bytes_)));
    if (size.value_or(0) < map_bytes_) {
        // A machine that went down before, or a restored copy. On a full disk the journal still
        // goes on in the pages it has, so this is not the moment to refuse.
        (void)preallocate(env.get(), map_bytes_);
    }
    JACKDAW_TRY(const auto txn, begin(env.get(), MDB_RDONLY));
    if (const int rc = ::mdb_dbi_open(txn.get(), nullptr, 0, &dbi_); rc != 0) {
        return store_error("open the records", rc);
    }
    env_ = env.release();
    return ok();
}

StateStore::~StateStore() {
    if (env_ != nullptr) {
        ::mdb_env_close(env_);
    }
}

Result<void> StateStore::apply(MDB_txn* txn, const std::vector<Change>& changes) {
    auto key_val = as_val(state::header_key);
    MDB_val found{};
    if (const int rc = ::mdb_get(txn, dbi_, &key_val, &found); rc != 0) {
        return store_error("read the header", rc);
    }
    const auto payload = state::unseal(state::header_key, as_view(found));
    auto header = payload ? state::decode_header(*payload) : std::nullopt;
    if (!header) {
        return Error{Code::state_corrupt, "the header's checksum does not fit"};
    }
    for (const auto& change : changes) {
        const auto key = full_key(change.table, change.key);
        key_val = as_val(key);
        const int rc = ::mdb_get(txn, dbi_, &key_val, &found);
        if (rc == 0) {
            header->sum.subtract(state::stored_checksum(as_view(found)));
            --header->records;
        } else if (rc != MDB_NOTFOUND) {
            return store_error("read a record", rc);
        }
        if (change.value) {
            header->sum.add(state::checksum(key, *change.value));
            ++header->records;
            JACKDAW_CHECK(put(txn, dbi_, key, *change.value));
        } else if (rc == 0) {
            if (const int deleted = ::mdb_del(txn, dbi_, &key_val, nullptr); deleted != 0) {
                return store_error("delete a record", deleted);
            }
        }
    }
    header->transaction = ::mdb_txn_id(txn);
    return put(txn, dbi_, state::header_key, state::encode(*header));
}

Result<void> StateStore::commit_once(const std::vector<Change>& changes) {
    JACKDAW_TRY(auto txn, begin(env_, 0));
    JACKDAW_CHECK(apply(txn.get(), changes));
    const auto transaction = ::mdb_txn_id(txn.get());
    const int rc = ::mdb_txn_commit(txn.release());
    if (rc == 0) {
        state::note_commit(marker_.get(), transaction);
        return ok();
    }
    const bool passes = rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == ENOMEM;
    if (!passes || is_dead(env_)) {
        // After a failed write or sync the kernel may have dropped our pages: what stands on the
        // disk is not known to this process any more.
        poisoned_ = true;
        return state::lost_error("commit to the agent's state", ::mdb_strerror(rc));
    }
    return store_error("commit to the agent's state", rc);
}

Result<void> StateStore::commit(const std::vector<Change>& changes) {
    if (changes.size() > state_changes_max) {
        return Error{Errc::invalid, fmt::format("a commit of {} changes", changes.size())};
    }
    bool adds = false;
    for (const auto& change : changes) {
        if (change.key.size() > state_key_max_bytes || change.table < Table::meta ||
            (change.value && change.value->size() > state_value_max_bytes)) {
            return Error{Errc::invalid,
                         fmt::format("a record with a key of {} and a value of {} bytes",
                                     change.key.size(), change.value ? change.value->size() : 0)};
        }
        adds = adds || change.value;
    }
    std::unique_lock alone{guard_};
    if (poisoned_) {
        return state::lost_error("commit to the agent's state",
                                 "an earlier commit failed half-way");
    }
    auto done = commit_once(changes);
    if (!done && !adds && done.error().id() == Code::disk_full) {
        // Nothing but deletions: they may use what is kept back.
        if (::mdb_env_set_mapsize(env_, map_bytes_) == 0) {
            done = commit_once(changes);
            (void)::mdb_env_set_mapsize(env_, map_bytes_ - reserve_of(map_bytes_));
        }
    }
    const bool lost = poisoned_;
    alone.unlock();
    if (lost && on_lost_) {
        on_lost_(done.error());
    }
    return done;
}

Result<std::optional<std::string>> StateStore::get(Table table, std::string_view key) const {
    if (key.size() > state_key_max_bytes) {
        return std::optional<std::string>{};
    }
    const auto full = full_key(table, key);
    const std::lock_guard alone{guard_};
    JACKDAW_TRY(const auto txn, begin(env_, MDB_RDONLY));
    auto key_val = as_val(full);
    MDB_val found{};
    const int rc = ::mdb_get(txn.get(), dbi_, &key_val, &found);
    if (rc == MDB_NOTFOUND) {
        return std::optional<std::string>{};
    }
    if (rc != 0) {
        return store_error("read a record", rc);
    }
    const auto payload = state::unseal(full, as_view(found));
    if (!payload) {
        return Error{Code::state_corrupt, "a record's checksum does not fit its bytes"};
    }
    return std::optional{std::string{*payload}};
}

Result<std::vector<StateRecord>> StateStore::scan(Table table, std::string_view after,
                                                  std::size_t limit) const {
    limit = std::min(limit, state_scan_max);
    const auto from = full_key(table, after.substr(0, state_key_max_bytes));
    const std::lock_guard alone{guard_};
    JACKDAW_TRY(const auto txn, begin(env_, MDB_RDONLY));
    MDB_cursor* raw = nullptr;
    if (const int rc = ::mdb_cursor_open(txn.get(), dbi_, &raw); rc != 0) {
        return store_error("scan the records", rc);
    }
    const Cursor cursor{raw};
    std::vector<StateRecord> records;
    auto key = as_val(from);
    MDB_val value{};
    int rc = ::mdb_cursor_get(raw, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && records.size() < limit) {
        const auto full = as_view(key);
        if (full.empty() || full.front() != from.front()) {
            break;
        }
        const auto payload = state::unseal(full, as_view(value));
        if (!payload) {
            return Error{Code::state_corrupt, "a record's checksum does not fit its bytes"};
        }
        if (after.empty() || full.substr(1) != after) {
            records.push_back({std::string{full.substr(1)}, std::string{*payload}});
        }
        rc = ::mdb_cursor_get(raw, &key, &value, MDB_NEXT);
    }
    if (rc != 0 && rc != MDB_NOTFOUND) {
        return store_error("scan the records", rc);
    }
    return records;
}

} // namespace jackdaw::agent
