// The operator's files: where they lie, who may read them, what half of them is worth.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include <catch2/catch.hpp>

#include "coordinator/profile/files.h"
#include "coordinator/profile/op_journal.h"
#include "coordinator/profile/profile.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using namespace jackdaw::cli;

namespace {

Folders folders_in(const std::filesystem::path& root) {
    Folders folders;
    folders.config = root / "config";
    folders.state = root / "state";
    folders.settings_file = root / "jackdaw.toml";
    return folders;
}

unsigned mode_of(const std::filesystem::path& path) {
    struct stat about{};
    REQUIRE(::stat(path.c_str(), &about) == 0);
    return about.st_mode & 07777U;
}

} // namespace

TEST_CASE("folders follow XDG, and a relative variable does not count") {
    const auto of = [](std::map<std::string, std::string> set) {
        return folders_from([set](const char* name) -> std::optional<std::string> {
            const auto at = set.find(name);
            return at != set.end() ? std::optional{at->second} : std::nullopt;
        });
    };
    CHECK(of({{"HOME", "/h"}}).config == "/h/.config/jackdaw");
    CHECK(of({{"HOME", "/h"}, {"XDG_CONFIG_HOME", "/c"}}).config == "/c/jackdaw");
    CHECK(of({{"HOME", "/h"}, {"XDG_STATE_HOME", "rel"}}).state == "/h/.local/state/jackdaw");
}

TEST_CASE("secret files are for their owner alone, and what was read is what was made") {
    const test::TemporaryFolder folder;
    const auto folders = folders_in(folder.path());
    const auto made = ensure_keys(folders, "f1");
    REQUIRE(made);
    CHECK(mode_of(folders.fleet("f1") / "operator.key") == 0600);
    CHECK(mode_of(folders.fleet("f1") / "gossip.ring") == 0600);
    const auto again =
        ensure_keys(folders, "f1"); // an init that was cut off goes on with the same keys
    REQUIRE(again);
    CHECK(again->sign_secret.reveal() == made->sign_secret.reveal());
    CHECK(again->sign_public == made->sign_public);
    CHECK(again->noise_public == made->noise_public);
    const auto ring = load_gossip_ring(folders, "f1");
    REQUIRE(ring);
    const auto read = read_gossip_ring(folders, "f1");
    REQUIRE(read);
    CHECK(read->keys().size() == 1);
    CHECK(gossip_ring_text(*read).reveal() == ring->reveal());
    CHECK(profile_names(folders).empty()); // keys without fleet.json are no fleet
    CHECK(load_profile(folders, "f1").error().id() == Code::no_profile);
}

TEST_CASE("a profile is read as it was saved, and goes whole") {
    const test::TemporaryFolder folder;
    const auto folders = folders_in(folder.path());
    REQUIRE(ensure_keys(folders, "f1"));
    Profile profile;
    profile.name = "f1";
    profile.subnet = "10.9.0.0/24";
    profile.flavors["small"] = {500, 1ULL << 29U};
    profile.flavors["slow"] = {1001, 0}; // what has no limit is not named
    profile.flavors["slim"] = {0, 1ULL << 29U};
    REQUIRE(save_profile(folders, profile));
    REQUIRE(set_default_fleet(folders, "f1"));
    const auto read = load_profile(folders, "f1");
    REQUIRE(read);
    CHECK(read->subnet == "10.9.0.0/24");
    CHECK(read->flavors.at("small").cpu_millis == 500);
    CHECK(read->flavors.at("small").memory_bytes == 1ULL << 29U);
    CHECK(read->flavors == profile.flavors);
    CHECK(default_fleet(folders) == "f1");
    CHECK(check_stays(*read));
    profile.destroying = true;
    REQUIRE(save_profile(folders, profile));
    CHECK(check_stays(*load_profile(folders, "f1")).error().code() == Errc::conflict);
    // Whatever a removal that was cut short left: fleet.json is there until the rest is gone.
    std::filesystem::remove(folders.fleet("f1") / "operator.key");
    CHECK(profile_names(folders).size() == 1);
    REQUIRE(remove_profile(folders, "f1"));
    CHECK_FALSE(default_fleet(folders));
    CHECK_FALSE(std::filesystem::exists(folders.fleet("f1")));
    REQUIRE(remove_profile(folders, "f1")); // absent is no error
}

TEST_CASE("a key that others can reach is refused, and told how to be mended") {
    const test::TemporaryFolder folder;
    const auto folders = folders_in(folder.path());
    REQUIRE(ensure_keys(folders, "f1"));
    for (const char* name : {"operator.key", "gossip.ring"}) {
        const auto path = folders.fleet("f1") / name;
        for (const mode_t mode : {0666U, 0640U, 0604U, 0602U}) {
            REQUIRE(::chmod(path.c_str(), mode) == 0);
            const auto refused = ensure_keys(folders, "f1");
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code() == Errc::not_allowed);
            CHECK(refused.error().hint().find("chmod") != std::string::npos);
        }
        REQUIRE(::chmod(path.c_str(), 0600) == 0);
        CHECK(ensure_keys(folders, "f1"));
    }
}

TEST_CASE("a damaged profile or key is an error, never a new one") {
    const test::TemporaryFolder folder;
    const auto folders = folders_in(folder.path());
    REQUIRE(ensure_keys(folders, "f1"));
    std::ofstream{folders.fleet("f1") / "operator.key"} << "{\"sign_secret\":\"00\"}";
    CHECK(ensure_keys(folders, "f1").error().code() == Errc::corrupt);
    std::ofstream{folders.fleet("f1") / "fleet.json"} << "{";
    CHECK_FALSE(load_profile(folders, "f1"));
    std::ofstream{folders.fleet("f1") / "fleet.json"} << R"({"name":"f2"})";
    CHECK(load_profile(folders, "f1").error().code() == Errc::corrupt);
}

TEST_CASE("settings are key = \"value\" lines; anything else is passed over") {
    const test::TemporaryFolder folder;
    const auto folders = folders_in(folder.path());
    CHECK(load_settings(folders).empty());
    std::ofstream{folders.settings_file}
        << "# fleet = \"no\"\n[x]\nfleet = \"f1\"\noutput=\"json\"\nbroken = \n= \"\n\"a\" = b";
    const auto settings = load_settings(folders);
    CHECK(settings.size() == 2);
    CHECK(settings.at("fleet") == "f1");
    CHECK(settings.at("output") == "json");
}

TEST_CASE("small files are bounded and never followed through a link") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "a";
    REQUIRE(write_durably(path, "12345", 0640));
    CHECK(mode_of(path) == 0640);
    CHECK(read_small_file(path).value_or("") == "12345");
    CHECK_FALSE(read_small_file(path, 4));
    std::filesystem::create_symlink(path, folder.path() / "link");
    CHECK_FALSE(read_small_file(folder.path() / "link"));
    CHECK_FALSE(read_small_file(folder.path()));
    CHECK(read_small_file(folder.path() / "none").error().code() == Errc::not_found);

    // What an operator names may be a link or a pipe: `--password-file <(command)`.
    CHECK(read_given_file(folder.path() / "link", 5).value_or("") == "12345");
    CHECK_FALSE(read_given_file(folder.path() / "link", 4));
    CHECK_FALSE(read_given_file(folder.path(), 100));
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    REQUIRE(::write(ends[1], "secret\n", 7) == 7);
    ::close(ends[1]);
    CHECK(read_given_file("/dev/fd/" + std::to_string(ends[0]), 100).value_or("") == "secret\n");
    ::close(ends[0]);
}

TEST_CASE("on a full disk a delete can be journalled, and nothing else") {
    if (::geteuid() != 0) {
        WARN("skipped: mounting a small file system takes root");
        return;
    }
    const test::TemporaryFolder mount_point;
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) { // a mount namespace of its own; exit status tells which promise broke
        const auto folder = mount_point.path();
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") != 0) {
            ::_exit(90);
        }
        const OpJournal journal{folder / "ops"};
        CreateRequest request;
        request.name = "db1";
        request.datastore = "mariadb";
        const auto record =
            begin_create(request, "f1", "01890000-0000-7000-8000-000000000001", "i1", "t", "uid 0");
        if (!journal.save(record)) {
            ::_exit(1);
        }
        const auto filler = folder / "filler";
        const auto fill = [&] {
            const UniqueFd fd{
                ::open(filler.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
            const std::string block(4096, 'x');
            while (::write(fd.get(), block.data(), block.size()) > 0) {
            }
        };
        for (int turn = 0; turn < 4; ++turn) { // somebody else takes what is left of each part
            fill();
            const auto saved = journal.save(record);
            if (saved || saved.error().id() != Code::disk_full) {
                ::_exit(2);
            }
            if (!journal.save_deletion(record)) {
                ::_exit(3);
            }
        }
        fill();
        const auto beyond = journal.save_deletion(record);
        if (beyond || beyond.error().id() != Code::disk_full || journal.load_all().size() != 1) {
            ::_exit(4);
        }
        (void)::unlink(filler.c_str());
        if (!journal.save(record)) { // kept back anew
            ::_exit(5);
        }
        fill();
        ::_exit(!journal.save(record) && journal.save_deletion(record) ? 0 : 6);
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

TEST_CASE("the journal keeps records newest first, passes over what is damaged, and one process "
          "has a name") {
    const test::TemporaryFolder folder;
    const OpJournal journal{folder.path() / "ops"};
    CreateRequest request;
    request.name = "db1";
    request.datastore = "mariadb";
    const std::string first = "01890000-0000-7000-8000-000000000001";
    const std::string second = "01890000-0000-7000-8000-000000000002";
    REQUIRE(journal.save(begin_create(request, "f1", first, "i1", "t", "uid 0")));
    REQUIRE(journal.save(begin_create(request, "f1", second, "i2", "t", "uid 0")));
    std::ofstream{folder.path() / "ops" / "01890000-0000-7000-8000-000000000003.json"} << "{";
    REQUIRE(journal.load_all().size() == 2);
    CHECK(journal.newest_of("db1")->operation.id == second);
    CHECK(journal.find(first)->instance_id == "i1");
    CHECK_FALSE(journal.find("../../etc/passwd"));
    CHECK_FALSE(journal.newest_of("db2"));
    const auto held = journal.lock("db1");
    REQUIRE(held);
    CHECK(journal.lock("db1").error().id() == Code::operation_running);
    CHECK(journal.lock("db2"));
}
