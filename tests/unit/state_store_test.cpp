// The agent's durable memory: what it promises, and what it does with a damaged file.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/state/store.h"
#include "agent/state/walk.h"
#include "tests/unit/state_folder.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using jackdaw::testing::small_map;
using jackdaw::testing::StateFolder;

namespace {

/// Numbers of the disk's next failures, 0: none. Of LMDB's two descriptors the one of the meta
/// pages has O_DSYNC.
std::atomic<int> next_sync_fails{0};
std::atomic<int> next_meta_fails{0};

} // namespace

// In place of libc's, for LMDB, too: the disk under a real file.
extern "C" ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
    if ((::fcntl(fd, F_GETFL) & O_DSYNC) != 0) {
        if (const int number = next_meta_fails.exchange(0); number != 0) {
            errno = number;
            return -1;
        }
    }
    return ::syscall(SYS_pwrite64, fd, bytes, size, at);
}

extern "C" int fdatasync(int fd) {
    if (const int number = next_sync_fails.exchange(0); number != 0) {
        errno = number;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace {

std::unique_ptr<StateStore> opened(const StateFolder& folder) {
    auto store = StateStore::open({folder.path(), small_map, true});
    if (!store) {
        FAIL(store.error().to_string());
    }
    return std::move(*store);
}

Change put(std::string key, std::string value, Table table = Table::operations) {
    return Change{table, std::move(key), std::move(value)};
}

Code code_of_open(const StateFolder& folder) {
    auto store = StateStore::open({folder.path(), small_map, true});
    REQUIRE_FALSE(store);
    return store.error().id();
}

} // namespace

TEST_CASE("what was committed is there for the next store, table by table") {
    const StateFolder folder;
    {
        auto store = opened(folder);
        REQUIRE(store->commit({put("b", "2"), put("a", "1"), put("a", "x", Table::gossip)}));
        REQUIRE(store->commit({put("big", std::string(300'000, 'v')), put("", "empty key")}));
        REQUIRE(store->commit({Change{Table::operations, "b", std::nullopt},
                               Change{Table::operations, "never", std::nullopt}}));
    }
    auto store = opened(folder);
    CHECK(**store->get(Table::operations, "a") == "1");
    CHECK(**store->get(Table::gossip, "a") == "x");
    CHECK((*store->get(Table::operations, "big"))->size() == 300'000);
    CHECK_FALSE(store->get(Table::operations, "b")->has_value());
    const auto all = store->scan(Table::operations, "", 10);
    REQUIRE(all->size() == 3);
    CHECK((*all)[0].key.empty());
    CHECK((*all)[1].key == "a");
    CHECK(store->scan(Table::operations, "a", 10)->size() == 1);
    CHECK(store->scan(Table::operations, "", 1)->size() == 1);
    CHECK(store->scan(Table::topology, "", 10)->empty());
}

TEST_CASE("a record beyond its bounds is refused and nothing of its commit is kept") {
    const StateFolder folder;
    auto store = opened(folder);
    const auto big =
        store->commit({put("a", "1"), put("k", std::string(state_value_max_bytes + 1, 'x'))});
    REQUIRE_FALSE(big);
    CHECK(big.error().code() == Errc::invalid);
    CHECK_FALSE(store->commit({put(std::string(state_key_max_bytes + 1, 'k'), "v")}));
    CHECK_FALSE(store->get(Table::operations, "a")->has_value());
    CHECK(store->commit({put("k", std::string(state_value_max_bytes, 'x'))}));
}

TEST_CASE("a second opener is refused and told who holds the folder") {
    const StateFolder folder;
    auto store = opened(folder);
    auto second = StateStore::open({folder.path(), small_map, true});
    REQUIRE_FALSE(second);
    CHECK(second.error().id() == Code::state_locked);
    CHECK(second.error().message().find(std::to_string(::getpid())) != std::string::npos);
    store.reset();
    CHECK(opened(folder));
}

TEST_CASE("where nothing ever was, only an opener that may initialise makes a store") {
    const StateFolder folder;
    auto refused = StateStore::open({folder.path(), small_map, false});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().id() == Code::state_missing);
    CHECK(opened(folder));
    CHECK(StateStore::open({folder.path(), small_map, false}));
}

TEST_CASE("a state that was initialised once is never started empty") {
    const StateFolder folder;
    opened(folder).reset();
    SECTION("missing") {
        std::filesystem::remove(folder.file());
    }
    SECTION("empty") {
        std::filesystem::resize_file(folder.file(), 0);
    }
    CHECK(code_of_open(folder) == Code::state_missing);
    CHECK(code_of_open(folder) == Code::state_missing);
}

TEST_CASE("a marker that never came is written by the next start, with the state kept") {
    const StateFolder folder;
    REQUIRE(opened(folder)->commit({put("a", "1")}));
    std::filesystem::remove(folder.path() + "/initialised");
    CHECK(**opened(folder)->get(Table::operations, "a") == "1");
    CHECK(std::filesystem::exists(folder.path() + "/initialised"));
}

TEST_CASE("a state that went back in time is refused") {
    const StateFolder folder;
    auto store = opened(folder);
    REQUIRE(store->commit({put("a", "1")}));
    store.reset();
    const auto old = folder.read();
    REQUIRE(opened(folder)->commit({put("a", "2")}));
    folder.write(old);
    CHECK(code_of_open(folder) == Code::state_corrupt);
}

TEST_CASE("a state of a newer format is refused politely and left alone") {
    const StateFolder folder;
    opened(folder).reset();
    folder.rewrite_format(99);
    const auto before = folder.read();
    CHECK(code_of_open(folder) == Code::state_newer);
    CHECK(folder.read() == before);
}

TEST_CASE("ten thousand records are walked and scanned") {
    const StateFolder folder;
    {
        auto store = opened(folder);
        for (int batch = 0; batch < 10; ++batch) {
            std::vector<Change> changes;
            for (int i = 0; i < 1000; ++i) {
                changes.push_back(
                    put(fmt::format("{:08}", batch * 1000 + i), std::string(40, 'r')));
            }
            REQUIRE(store->commit(changes));
        }
    }
    auto store = opened(folder);
    CHECK(store->scan(Table::operations, "", 20'000)->size() == 10'000);
    CHECK(store->scan(Table::operations, "00008999", 20'000)->size() == 1000);
}

TEST_CASE("readers and a writer on many threads see whole commits only") {
    const StateFolder folder;
    auto store = opened(folder);
    REQUIRE(store->commit({put("a", "0"), put("b", "0")}));
    std::atomic<bool> done{false};
    std::atomic<int> torn{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            while (!done) {
                const auto both = store->scan(Table::operations, "", 2);
                torn += !both || (*both)[0].value != (*both)[1].value ? 1 : 0;
                std::this_thread::yield();
            }
        });
    }
    bool written = true;
    for (int i = 1; i <= 60; ++i) {
        written =
            written && store->commit({put("a", std::to_string(i)), put("b", std::to_string(i))});
    }
    done = true;
    for (auto& reader : readers) {
        reader.join();
    }
    CHECK(written);
    CHECK(torn == 0);
}

TEST_CASE("a full map says so, keeps what it has, and deleting makes room again") {
    const StateFolder folder;
    auto store = StateStore::open({folder.path(), std::size_t{1} << 20, true}).value_or(nullptr);
    REQUIRE(store);
    int kept = 0;
    Result<void> last;
    while (kept < 100'000 &&
           (last = store->commit({put(fmt::format("{:06}", kept), std::string(20'000, 'f'))}))) {
        ++kept;
    }
    REQUIRE_FALSE(last);
    CHECK(last.error().id() == Code::disk_full);
    CHECK(store->scan(Table::operations, "", 100'000)->size() == static_cast<std::size_t>(kept));
    for (int i = 0; i < kept; ++i) {
        REQUIRE(store->commit({Change{Table::operations, fmt::format("{:06}", i), std::nullopt}}));
    }
    CHECK(store->commit({put("again", std::string(20'000, 'f'))}));
    store.reset();
    CHECK((*opened(folder)->get(Table::operations, "again"))->size() == 20'000);
}

TEST_CASE("a disk without room at a commit's sync is told, and the next commit goes on") {
    const StateFolder folder;
    int lost = 0;
    auto opened_so = StateStore::open({folder.path(), small_map, true, [&](auto&) { ++lost; }});
    REQUIRE(opened_so);
    auto& store = *opened_so;
    next_sync_fails = GENERATE(ENOSPC, EDQUOT, ENOMEM);
    const auto refused = store->commit({put("a", "1")});
    REQUIRE(next_sync_fails == 0);
    REQUIRE_FALSE(refused);
    CHECK_FALSE(store->get(Table::operations, "a")->has_value());
    CHECK(store->commit({put("a", "2")}));
    CHECK(lost == 0);
    store.reset();
    CHECK(**opened(folder)->get(Table::operations, "a") == "2");
}

TEST_CASE("a commit that fails half-way ends the store, says so once, and the next one is whole") {
    const StateFolder folder;
    std::vector<std::string> told;
    StateOptions options{folder.path(), small_map};
    options.on_lost = [&](const Error& error) { told.push_back(error.to_string()); };
    auto opened_so = StateStore::open(std::move(options));
    REQUIRE(opened_so);
    auto& store = *opened_so;
    REQUIRE(store->commit({put("a", "before")}));
    bool dead = true; // for LMDB, too, which then answers no reader
    SECTION("the meta page, without room: the number that is harmless elsewhere") {
        next_meta_fails = GENERATE(ENOSPC, EDQUOT, ENOMEM);
    }
    SECTION("the meta page, on a broken disk") {
        next_meta_fails = EIO;
    }
    SECTION("the sync, on a broken disk") {
        next_sync_fails = EIO;
        dead = false;
    }
    const auto failed = [&](const Result<void>& done) {
        REQUIRE_FALSE(done);
        CHECK(done.error().code() == Errc::unavailable);
        CHECK(done.error().id() == Code::unavailable); // nothing deletes anything to make room
        CHECK(done.error().hint().find("starts again by itself") != std::string::npos);
    };
    failed(store->commit({put("a", "lost"), put("b", "lost")}));
    REQUIRE(told.size() == 1);
    CHECK(told[0].find("the agent ends") != std::string::npos);
    failed(store->commit({put("a", "later")}));
    failed(store->commit({Change{Table::operations, "a", std::nullopt}}));
    CHECK(told.size() == 1);
    if (dead) {
        const auto got = store->get(Table::operations, "a");
        REQUIRE_FALSE(got);
        CHECK(got.error().id() == Code::unavailable);
        CHECK(got.error().hint().find("--restore-state") == std::string::npos);
        CHECK_FALSE(store->scan(Table::operations, "", 10));
        const auto copied = store->copy_if_due(1'800'000'000'000);
        REQUIRE_FALSE(copied);
        CHECK(copied.error().id() == Code::unavailable);
    }
    store.reset();
    store = opened(folder);
    CHECK(**store->get(Table::operations, "a") == "before");
    CHECK_FALSE(store->get(Table::operations, "b")->has_value());
    CHECK(store->commit({put("a", "again")}));
}

TEST_CASE("one good copy a day, whichever way the wall clock jumps") {
    const StateFolder folder;
    constexpr std::int64_t hour = 3600 * 1000;
    constexpr std::int64_t start = 1'800'000'000'000;
    auto store = opened(folder);
    CHECK(*store->copy_if_due(start));
    CHECK_FALSE(*store->copy_if_due(start + hour));
    CHECK_FALSE(*store->copy_if_due(start - hour));
    CHECK_FALSE(*store->copy_if_due(start + 24 * hour - 1));
    CHECK(*store->copy_if_due(start + 24 * hour));
    CHECK(*store->copy_if_due(start - 24 * hour)); // the clock was wrong by a day before
    std::filesystem::remove(folder.path() + "/state.mdb.copy");
    CHECK(*store->copy_if_due(start - 23 * hour));
}

TEST_CASE("restoring brings the good copy back and keeps three damaged files") {
    const StateFolder folder;
    {
        auto store = opened(folder);
        REQUIRE(store->commit({put("a", "kept")}));
        REQUIRE(store->copy_if_due(1'800'000'000'000));
        REQUIRE(store->commit({put("b", "after the copy")}));
        auto locked = restore_state(folder.path());
        REQUIRE_FALSE(locked);
        CHECK(locked.error().id() == Code::state_locked);
    }
    for (int round = 0; round < 5; ++round) {
        folder.write(fmt::format("damaged {}", round));
        CHECK(code_of_open(folder) == Code::state_corrupt);
        const auto restored = restore_state(folder.path());
        if (!restored) {
            FAIL(restored.error().to_string());
        }
        auto store = opened(folder);
        CHECK(**store->get(Table::operations, "a") == "kept");
        CHECK_FALSE(store->get(Table::operations, "b")->has_value());
        REQUIRE(store->commit({put("c", "goes on")}));
    }
    CHECK(folder.read("state.mdb.damaged-1") == "damaged 4");
    CHECK(folder.read("state.mdb.damaged-3") == "damaged 2");
    CHECK_FALSE(std::filesystem::exists(folder.path() + "/state.mdb.damaged-4"));
}

TEST_CASE("a copy that is missing or damaged is not restored and nothing is changed") {
    const StateFolder folder;
    {
        auto store = opened(folder);
        REQUIRE(store->copy_if_due(1'800'000'000'000));
    }
    folder.write("damaged");
    SECTION("damaged") {
        folder.write("not LMDB", "state.mdb.copy");
        const auto restored = restore_state(folder.path());
        REQUIRE_FALSE(restored);
        CHECK(restored.error().id() == Code::state_corrupt);
    }
    SECTION("missing") {
        std::filesystem::remove(folder.path() + "/state.mdb.copy");
        const auto restored = restore_state(folder.path());
        REQUIRE_FALSE(restored);
        CHECK(restored.error().id() == Code::state_missing);
    }
    CHECK(folder.read() == "damaged");
}
