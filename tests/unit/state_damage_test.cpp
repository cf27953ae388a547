// state.mdb with any byte altered or cut anywhere: a clear error or the right data; never a crash,
// never an empty or an older state.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/state/store.h"
#include "agent/state/walk.h"
#include "proto/base/unique_fd.h"
#include "tests/unit/state_folder.h"

using namespace jackdaw;
using namespace jackdaw::agent;
using jackdaw::testing::small_map;
using jackdaw::testing::StateFolder;

namespace {

constexpr std::size_t page_size = 4096;

using Records = std::map<std::string, std::string>;

/// Small, but with branch pages, overflow pages and a free list.
Records fill(const StateFolder& folder) {
    auto store = StateStore::open({folder.path(), small_map, true});
    REQUIRE(store);
    Records expected;
    std::vector<Change> changes;
    for (int i = 0; i < 12; ++i) {
        const auto key = fmt::format("{:02}", i);
        expected[key] = std::string(static_cast<std::size_t>(i) * 80, static_cast<char>('a' + i));
        changes.push_back(Change{Table::operations, key, expected[key]});
    }
    REQUIRE((*store)->commit(changes));
    expected["big"] = std::string(5000, 'B');
    REQUIRE((*store)->commit({Change{Table::operations, "big", expected["big"]}}));
    REQUIRE((*store)->commit({Change{Table::operations, "03", std::nullopt}}));
    expected.erase("03");
    return expected;
}

/// Records as a store opened over the folder gives them, or why it does not.
Result<Records> records_of(const StateFolder& folder) {
    JACKDAW_TRY(const auto store, StateStore::open({folder.path(), small_map, true}));
    JACKDAW_TRY(const auto all, store->scan(Table::operations, "", 1000));
    Records records;
    for (const auto& record : all) {
        records[record.key] = record.value;
    }
    return records;
}

bool is_clear(const Error& error) {
    return error.id() == Code::state_corrupt || error.id() == Code::state_missing ||
           error.id() == Code::state_newer;
}

std::size_t used_bytes(const StateFolder& folder) {
    const UniqueFd fd{::open(folder.file().c_str(), O_RDONLY | O_CLOEXEC)};
    const auto report = state::walk_state(fd.get());
    REQUIRE(report);
    return static_cast<std::size_t>(report->used_bytes);
}

} // namespace

TEST_CASE("a state cut at any page, and in the middle of any, is refused or right") {
    const StateFolder folder;
    const auto expected = fill(folder);
    const auto whole = folder.read();
    const auto used = used_bytes(folder);
    for (std::size_t cut = 1; cut <= used + page_size; cut += page_size / 2) {
        const auto size = cut - cut % (page_size / 2);
        folder.write(std::string_view{whole}.substr(0, std::max<std::size_t>(size, 1)));
        const auto found = records_of(folder);
        INFO("cut at " << size << " of " << used);
        if (size < used) {
            REQUIRE_FALSE(found);
            CHECK(is_clear(found.error()));
        } else {
            REQUIRE(found);
            CHECK(*found == expected);
        }
    }
}

TEST_CASE("a state with any one byte altered is refused or right") {
    const StateFolder folder;
    const auto expected = fill(folder);
    const auto whole = folder.read();
    const auto used = used_bytes(folder);
    const UniqueFd fd{::open(folder.file().c_str(), O_RDWR | O_CLOEXEC)};
    REQUIRE(fd);
    std::size_t refused = 0;
    std::size_t sound = 0;
    const auto right = *state::walk_state(fd.get());
    for (std::size_t at = 0; at < used; ++at) {
        // Another bit each byte, so that all eight are tried in every kind of field.
        const char changed = static_cast<char>(whole[at] ^ static_cast<char>(1U << (at % 8)));
        (void)!::pwrite(fd.get(), &changed, 1, static_cast<off_t>(at));
        const auto walked = state::walk_state(fd.get());
        if (!walked) {
            ++refused;
            if (!is_clear(walked.error())) {
                FAIL(fmt::format("byte {}: {}", at, walked.error().to_string()));
            }
        } else if (walked->transaction != right.transaction || ++sound % 997 == 0) {
            // An older state, which only the marker tells from the right one; and a sample of those
            // bytes that mean nothing (free pages, the unused middle of a page): what a store reads
            // must be right.
            const auto found = records_of(folder);
            if (found ? *found != expected : !is_clear(found.error())) {
                FAIL(fmt::format("byte {} altered: {}", at,
                                 found ? "other records" : found.error().to_string()));
            }
        }
        (void)!::pwrite(fd.get(), &whole[at], 1, static_cast<off_t>(at));
    }
    CHECK(refused > 5000);
    CHECK(*records_of(folder) == expected);
}

TEST_CASE("pages of noise, and pages swapped, are refused") {
    const StateFolder folder;
    (void)fill(folder);
    const auto whole = folder.read();
    const auto pages = used_bytes(folder) / page_size;
    for (std::size_t page = 0; page < pages; ++page) {
        auto noisy = whole;
        for (std::size_t i = 0; i < page_size; ++i) {
            noisy[page * page_size + i] = static_cast<char>(i * 131 + page * 17 + 7);
        }
        folder.write(noisy);
        const auto found = records_of(folder);
        // A free page may hold anything.
        CHECK((found || is_clear(found.error())));
        auto swapped = whole;
        const auto other = (page + 1) % pages;
        swapped.replace(page * page_size, page_size, whole, other * page_size, page_size);
        swapped.replace(other * page_size, page_size, whole, page * page_size, page_size);
        folder.write(swapped);
        const auto after_swap = records_of(folder);
        CHECK((after_swap || is_clear(after_swap.error())));
    }
}

TEST_CASE("a full disk does not stop the journal") {
    if (::geteuid() != 0) {
        WARN("skipped: mounting a small file system takes root");
        return;
    }
    const StateFolder mount_point;
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) { // a mount namespace of its own; exit status tells which promise broke
        const auto folder = mount_point.path();
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=8m") != 0) {
            ::_exit(90);
        }
        auto store = StateStore::open({folder, small_map, true});
        if (!store) {
            ::_exit(1);
        }
        const UniqueFd filler{
            ::open((folder + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
        const std::string block(64 << 10, 'x');
        while (::write(filler.get(), block.data(), block.size()) > 0) {
        }
        for (int i = 0; i < 300; ++i) {
            if (!(*store)->commit({Change{Table::operations, fmt::format("{}", i % 50),
                                          std::string(2000, 'j')}})) {
                ::_exit(2);
            }
        }
        const auto copied = (*store)->copy_if_due(1'800'000'000'000);
        if (copied || copied.error().id() != Code::disk_full) {
            ::_exit(3);
        }
        store->reset();
        auto again = StateStore::open({folder, small_map, true});
        ::_exit(again && (*again)->scan(Table::operations, "", 1000)->size() == 50 ? 0 : 4);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 90) {
        WARN("skipped: this kernel gives no mount namespace with a tmpfs");
        return;
    }
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("an empty store is not made on a full disk, and nothing is left of the try") {
    if (::geteuid() != 0) {
        WARN("skipped: mounting a small file system takes root");
        return;
    }
    const StateFolder mount_point;
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const auto folder = mount_point.path();
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=2m") != 0) {
            ::_exit(90);
        }
        auto store = StateStore::open({folder, small_map, true});
        const bool told = !store && store.error().id() == Code::disk_full;
        ::_exit(told && ::access((folder + "/state.mdb").c_str(), F_OK) != 0 &&
                        ::access((folder + "/initialised").c_str(), F_OK) != 0
                    ? 0
                    : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WEXITSTATUS(status) == 90) {
        WARN("skipped: this kernel gives no mount namespace with a tmpfs");
        return;
    }
    CHECK(status == 0);
}
