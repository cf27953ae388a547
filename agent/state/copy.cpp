// The daily good copy, and the way back to it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <mutex>

#include <fmt/format.h>
#include <lmdb.h>
#include <sodium.h>

#include "agent/state/folder.h"
#include "agent/state/store.h"
#include "agent/state/walk.h"

namespace jackdaw::agent {
namespace {

constexpr std::int64_t day_ms = 24LL * 3600 * 1000;
constexpr std::int64_t retry_ms = 3600LL * 1000; ///< after a copy that failed (a full disk)
constexpr const char* copied_at_key = "copied_at_ms";

std::int64_t number_of(const std::optional<std::string>& text) {
    std::int64_t value = 0;
    if (text) {
        std::from_chars(text->data(), text->data() + text->size(), value);
    }
    return value;
}

Result<UniqueFd> make_file(const std::string& path) {
    (void)::unlink(path.c_str());
    UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) {
        return state::disk_error(fmt::format("make {}", path), errno);
    }
    return fd;
}

Result<void> copy_bytes(int from, int to, std::uint64_t bytes) {
    std::string block(std::size_t{64} << 10, '\0');
    std::uint64_t done = 0;
    while (done < bytes) {
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), bytes - done));
        const auto got = ::pread(from, block.data(), want, static_cast<off_t>(done));
        if (got <= 0) {
            return state::disk_error("read the good copy", got == 0 ? EIO : errno);
        }
        for (ssize_t written = 0; written < got;) {
            const auto put =
                ::write(to, block.data() + written, static_cast<std::size_t>(got - written));
            if (put < 0) {
                return state::disk_error("write the restored state", errno);
            }
            written += put;
        }
        done += static_cast<std::uint64_t>(got);
    }
    if (::fsync(to) != 0) {
        return state::disk_error("sync the restored state", errno);
    }
    return ok();
}

/// damaged-1 becomes -2, -2 becomes -3 (an older -3 goes); then the present file is linked as -1.
Result<void> keep_damaged(const std::string& folder) {
    const auto name = [&](int n) {
        return state::path_in(folder, fmt::format("{}.damaged-{}", state::file_name, n));
    };
    JACKDAW_TRY(const auto size, state::size_of(folder, state::file_name));
    if (!size) {
        return ok();
    }
    for (int n = state::damaged_kept_max - 1; n >= 1; --n) {
        if (::rename(name(n).c_str(), name(n + 1).c_str()) != 0 && errno != ENOENT) {
            return state::disk_error("move an older damaged state", errno);
        }
    }
    if (::link(state::path_in(folder, state::file_name).c_str(), name(1).c_str()) != 0) {
        return state::disk_error("keep the damaged state", errno);
    }
    return ok();
}

} // namespace

Result<void> StateStore::make_copy() {
    const auto path = state::path_in(folder_, state::copy_new_name);
    JACKDAW_TRY(const auto fd, make_file(path));
    auto made = [&]() -> Result<void> {
        {
            const std::lock_guard alone{guard_};
            if (const int rc = ::mdb_env_copyfd(env_, fd.get()); rc != 0) {
                return state::disk_error("copy the agent's state", rc > 0 ? rc : EIO);
            }
        }
        if (::fsync(fd.get()) != 0) {
            return state::disk_error("sync the copy of the agent's state", errno);
        }
        JACKDAW_TRY(const auto sound, state::walk_state(fd.get()));
        (void)sound;
        return state::rename_durably(folder_, state::copy_new_name, state::copy_name);
    }();
    if (!made) {
        (void)::unlink(path.c_str());
    }
    return made;
}

Result<bool> StateStore::copy_if_due(std::int64_t wall_ms) {
    JACKDAW_TRY(const auto last, get(Table::meta, copied_at_key));
    JACKDAW_TRY(const auto size, state::size_of(folder_, state::copy_name));
    const auto since = wall_ms - number_of(last);
    const bool due = !size || !last || since >= day_ms || since <= -day_ms;
    const auto tried = wall_ms - copy_tried_ms_.load();
    const bool too_soon = copy_tried_ms_.load() != 0 && tried < retry_ms && tried > -retry_ms;
    if (!due || too_soon) {
        return false;
    }
    copy_tried_ms_ = wall_ms;
    JACKDAW_CHECK(make_copy().while_doing("make the daily copy of the agent's state"));
    copy_tried_ms_ = 0;
    JACKDAW_CHECK(commit({Change{Table::meta, copied_at_key, std::to_string(wall_ms)}}));
    return true;
}

Result<void> restore_state(const std::string& folder) {
    if (::sodium_init() < 0) {
        return Error{Errc::internal, "libsodium does not start"};
    }
    JACKDAW_TRY(const auto lock, state::lock_folder(folder));
    const auto copy_path = state::path_in(folder, state::copy_name);
    const UniqueFd copy{::open(copy_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!copy) {
        if (errno == ENOENT) {
            return Error{Code::state_missing, fmt::format("there is no good copy {}", copy_path)};
        }
        return state::disk_error(fmt::format("open {}", copy_path), errno);
    }
    JACKDAW_TRY(const auto report,
                state::walk_state_apart(copy.get()).while_doing("look through the good copy"));
    const auto fresh_path = state::path_in(folder, state::new_name);
    {
        JACKDAW_TRY(const auto fresh, make_file(fresh_path));
        if (auto copied = copy_bytes(copy.get(), fresh.get(), report.used_bytes); !copied) {
            (void)::unlink(fresh_path.c_str());
            return copied;
        }
    }
    // The lower number first: with the old file still in place it only notices less.
    JACKDAW_CHECK(state::write_marker(folder, report.transaction));
    JACKDAW_CHECK(keep_damaged(folder));
    return state::rename_durably(folder, state::new_name, state::file_name);
}

} // namespace jackdaw::agent
