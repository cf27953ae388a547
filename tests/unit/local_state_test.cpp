// The local provider's files: written whole or not at all, read without trust.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>

#include "coordinator/cloud/local/cgroups.h"
#include "coordinator/cloud/local/doctor.h"
#include "coordinator/cloud/local/files.h"
#include "coordinator/cloud/local/images.h"
#include "coordinator/cloud/local/machine_power.h"
#include "coordinator/cloud/local/records.h"
#include "coordinator/cloud/local/run_program.h"
#include "coordinator/cloud/local/user_data.h"
#include "proto/wire/shapes_json.h"

using namespace jackdaw;
using namespace jackdaw::cloud;
using namespace jackdaw::cloud::local;

namespace {

/// Removed at the end of its test.
class Folder {
public:
    Folder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "jackdaw-local-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code failure;
        std::filesystem::remove_all(path_, failure);
    }
    [[nodiscard]] Path operator/(const std::string& name) const { return path_ / name; }
    [[nodiscard]] const Path& path() const { return path_; }

private:
    Path path_;
};

void put(const Path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream{file} << text;
}

MachineRecord some_machine() {
    MachineRecord record;
    record.spec.name = "db1";
    record.spec.id = "01900000-0000-7000-8000-000000000001";
    record.spec.image = "mariadb:10.11";
    record.spec.volume_id = "01900000-0000-7000-8000-000000000002";
    record.spec.flavor = {.cpu_millis = 1500, .memory_bytes = 1ULL << 30U};
    record.spec.address = "10.70.0.10";
    record.spec.seeds = {"10.70.0.11:7412"};
    record.spec.agent_folder = "/opt/programs";
    record.spec.root_disk_bytes = 1ULL << 28U;
    record.tags = {"prod", "operation", "machine"};
    record.image_digest = "abc";
    record.datastore = "mariadb";
    record.version = "10.11.14";
    record.wanted = true;
    record.created_at = "2026-11-24T10:51:00.000Z";
    record.warnings = {"no cpu limit"};
    return record;
}

} // namespace

TEST_CASE("a record comes back as it was written") {
    const Folder folder;
    const MachineRecord written = some_machine();
    REQUIRE(write_record(folder / "machine.json", written));
    const auto read = read_machine(folder / "machine.json");
    REQUIRE(read);
    CHECK(difference(written.spec, read->spec).empty());
    CHECK(read->spec.name == written.spec.name);
    CHECK(read->spec.address == written.spec.address);
    CHECK(read->spec.seeds == written.spec.seeds);
    CHECK(read->tags == written.tags);
    CHECK(read->image_digest == written.image_digest);
    CHECK(read->version == written.version);
    CHECK(read->wanted);
    CHECK_FALSE(read->made);
    CHECK(read->created_at == written.created_at);
    CHECK(read->warnings == written.warnings);

    const VolumeRecord volume{.id = "v",
                              .name = "n",
                              .size_bytes = 1ULL << 40U,
                              .kept = true,
                              .tags = written.tags,
                              .created_at = "now"};
    REQUIRE(write_record(folder / "volume.json", volume));
    const auto volume_read = read_volume(folder / "volume.json");
    CHECK(volume_read->size_bytes == volume.size_bytes);
    CHECK(volume_read->kept);
    CHECK(volume_read->tags == volume.tags);
}

TEST_CASE("a damaged record is corrupt and never a machine") {
    const Folder folder;
    const Path file = folder / "machine.json";
    CHECK(read_machine(file).error().code() == Errc::not_found);
    REQUIRE(write_record(file, some_machine()));
    const std::string whole = *read_file(file);
    for (std::size_t length = 0; length + 2 < whole.size(); length += 7) { // the last two are "}\n"
        put(file, whole.substr(0, length));
        INFO(length);
        CHECK(read_machine(file).error().code() == Errc::corrupt);
    }
    put(file, "{\"format\": 2}");
    CHECK(read_machine(file).error().code() == Errc::corrupt);
    put(file, std::string(state_file_bytes_max + 1, ' '));
    CHECK(read_machine(file).error().code() == Errc::exhausted);
    std::filesystem::remove(file);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0); // nobody will ever write to it
    CHECK(read_machine(file).error().code() == Errc::corrupt);
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    CHECK(read_machine(file).error().code() == Errc::corrupt);
}

TEST_CASE("specs differ in what a machine is, not in where it came from") {
    const MachineSpec present = some_machine().spec;
    MachineSpec wanted = present;
    wanted.address.clear();
    wanted.seeds.clear();
    CHECK(difference(present, wanted).empty());
    wanted.address = "10.70.0.99";
    CHECK(difference(present, wanted).find("address") != std::string::npos);
    wanted = present;
    wanted.flavor.memory_bytes = 1;
    CHECK(difference(present, wanted).find("memory") != std::string::npos);
    wanted = present;
    wanted.id = "other";
    CHECK_FALSE(difference(present, wanted).empty());
}

TEST_CASE("a durable write replaces the file or leaves it, and no half of one beside it") {
    const Folder folder;
    REQUIRE(write_durable(folder / "file", "one"));
    REQUIRE(write_durable(folder / "file", "two", 0640));
    CHECK(*read_file(folder / "file") == "two");
    struct stat status{};
    REQUIRE(::stat((folder / "file").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0640U);
    std::filesystem::create_directory(folder / "folder");
    put(folder / "folder/occupied", "");
    CHECK_FALSE(write_durable(folder / "folder", "three")); // a rename over a folder is refused
    CHECK(*names_in(folder.path()) == std::vector<std::string>{"file", "folder"});
}

TEST_CASE("a lock has one holder, and none on what was removed meanwhile") {
    const Folder folder;
    std::filesystem::create_directory(folder / "machine");
    {
        const auto first = FileLock::take(folder / "machine", std::chrono::milliseconds{0});
        REQUIRE(first);
        CHECK(is_locked(folder / "machine"));
        CHECK(FileLock::take(folder / "machine", std::chrono::milliseconds{5}).error().code() ==
              Errc::busy);
    }
    CHECK_FALSE(is_locked(folder / "machine"));
    CHECK_FALSE(is_locked(folder / "absent"));
    CHECK(FileLock::take(folder / "absent", std::chrono::milliseconds{0}).error().code() ==
          Errc::not_found);
    REQUIRE(retire_tree(folder / "machine"));
    REQUIRE(retire_tree(folder / "machine")); // absent is no error
    CHECK(names_in(folder.path())->empty());
}

TEST_CASE("removing a tree does not follow a link out of it") {
    const Folder folder;
    put(folder / "outside/precious", "kept");
    std::filesystem::create_directory(folder / "tree");
    std::filesystem::create_directory_symlink(folder / "outside", folder / "tree/link");
    REQUIRE(remove_tree(folder / "tree"));
    CHECK(*read_file(folder / "outside/precious") == "kept");
}

TEST_CASE("an image is found by datastore, version or digest, the newest first") {
    const Folder folder;
    const auto add = [&](const std::string& digest, const std::string& version,
                         const std::string& day) {
        put(folder / (digest + "/image.json"), "{\"datastore\": \"mariadb\", \"version\": \"" +
                                                   version + "\", \"created_at\": \"2026-11-" +
                                                   day + "T00:00:00Z\"}");
        std::filesystem::create_directories(folder / (digest + "/root"));
    };
    CHECK(find_image(folder.path() / "absent", "mariadb").error().id() == Code::no_image);
    add("aaaaaaaa11", "10.11.14", "03");
    add("bbbbbbbb22", "10.11.15", "05");
    add("cccccccc33", "11.8.2", "04");
    add("cccccccc44", "10.110.1", "01");
    put(folder / ".new-5/image.json",
        "{\"datastore\": \"mariadb\", \"version\": \"99\"}"); // being made
    put(folder / "dddddddd55/image.json", "{");
    CHECK(list_images(folder.path())->size() == 4);
    CHECK(find_image(folder.path(), "mariadb")->digest == "bbbbbbbb22");
    CHECK(find_image(folder.path(), "mariadb")->memory_bytes_min == 0); // an older one
    CHECK(find_image(folder.path(), "mariadb:10.11")->digest == "bbbbbbbb22");
    CHECK(find_image(folder.path(), "mariadb:10.11.14")->digest == "aaaaaaaa11");
    CHECK(find_image(folder.path(), "aaaaaaaa")->digest == "aaaaaaaa11");
    for (const char* reference :
         {"mariadb:10.1", "mariadb:12", "postgresql", "aaaaaaa", "cccccccc", "", "../../etc"}) {
        INFO(reference);
        const auto missing = find_image(folder.path(), reference);
        REQUIRE_FALSE(missing);
        CHECK(missing.error().id() == Code::no_image);
    }
    CHECK(remove_image(folder.path(), "../outside").error().code() == Errc::invalid);
    put(folder / ".gone-of-a-killed-delete/root/file", "");
    REQUIRE(remove_image(folder.path(), "cccccccc33"));
    CHECK(list_images(folder.path())->size() == 3);
    CHECK_FALSE(std::filesystem::exists(folder / ".gone-of-a-killed-delete"));
    CHECK(std::filesystem::exists(folder / ".new-5/image.json")); // somebody is at it
}

TEST_CASE("an image tells how much memory its machines need") {
    const Folder folder;
    put(folder / "aaaaaaaa11/image.json",
        R"({"datastore": "mariadb", "version": "10.11.14", "memory_bytes_min": 268435456})");
    std::filesystem::create_directories(folder / "aaaaaaaa11/root");
    CHECK(find_image(folder.path(), "mariadb")->memory_bytes_min == 268435456);
}

TEST_CASE("the doctor's way out of an image that lacks files makes another one in its place") {
    const Folder folder;
    put(folder / "images/aaaaaaaa11/image.json",
        R"({"datastore": "mariadb", "version": "10.11.14"})");
    const auto root = folder / "images/aaaaaaaa11/root";
    std::filesystem::create_directories(root);
    std::filesystem::permissions(root, std::filesystem::perms{0755});
    const auto all = examine_host(folder.path(), folder / "images");
    REQUIRE(all);
    const auto image = std::find_if(all->begin(), all->end(), [](const Finding& one) {
        return one.name == "image mariadb:10.11.14 aaaaaaaa";
    });
    REQUIRE(image != all->end());
    CHECK(image->state == Finding::State::bad);
    if (::geteuid() == 0) { // else the folder is not root's, which is said first
        CHECK(image->mend ==
              "jackdaw image delete aaaaaaaa --yes && jackdaw image build mariadb:10.11.14");
    }
}

TEST_CASE("user-data says who the machine is, as JSON, and nothing secret") {
    const MachineRecord record = some_machine();
    const auto user = proto::parse_json(user_data(record.spec, record.tags));
    REQUIRE(user);
    CHECK(proto::string_at(*user, "fleet", "").value_or("") == "prod");
    CHECK(proto::string_at(*user, "instance_id", "").value_or("") == record.spec.id);
    CHECK(proto::string_at(*user, "instance_name", "").value_or("") == "db1");
    CHECK(proto::string_at(*user, "volume_serial", "").value_or("") ==
          record.spec.volume_id.substr(0, 20));
    CHECK(proto::string_at(*user, "address", "").value_or("") == "10.70.0.10");
    CHECK(user->size() ==
          6); // a new key is a decision: everybody on the machine's cloud can read it
    const auto meta = proto::parse_json(meta_data(record.spec, record.tags));
    REQUIRE(meta);
    CHECK((*meta)["meta"]["fleet"] == "prod");
    for (const auto& file : machine_files(record.spec, record.tags)) {
        CHECK((file.path.find("config-drive") == std::string::npos || file.mode == 0600));
    }
}

TEST_CASE("control groups are found where they are mounted, of either version") {
    const auto hybrid = parse_mounts(
        "29 23 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "30 23 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "31 23 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
    CHECK(hybrid.v2 == "/sys/fs/cgroup/unified");
    CHECK(hybrid.v1_cpu == "/sys/fs/cgroup/cpu");
    CHECK(hybrid.v1_memory == "/sys/fs/cgroup/memory");
    const auto unified =
        parse_mounts("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
    CHECK(unified.v2 == "/sys/fs/cgroup");
    CHECK(unified.v1_cpu.empty());
    CHECK(parse_mounts("31 23 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n").v2.empty());
    CHECK(parse_mounts("31 23 0:28 /below /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").v2.empty());
    CHECK(parse_mounts("29 23 0:26 / /c rw - cgroup cgroup rw,cpuset,name=cpu\n").v1_cpu.empty());
    CHECK(parse_mounts("garbage\n\n - \n - cgroup2\n").v2.empty());
    const Folder folder;
    CHECK_FALSE(has_controller(folder.path(), "memory"));
    put(folder / "cgroup.controllers", "cpuset io memory\n");
    CHECK(has_controller(folder.path(), "memory"));
    CHECK_FALSE(has_controller(folder.path(), "cpu"));
}

TEST_CASE("a machine's file systems in memory leave nearly all of its memory to the database") {
    for (const std::uint64_t mib : {256U, 1024U, 4096U, 65'536U}) {
        const auto in_memory = memory_folders(mib << 20U);
        for (const auto bytes : {in_memory.tmp_bytes, in_memory.shm_bytes, in_memory.run_bytes}) {
            CHECK(bytes >= std::uint64_t{2} << 20U);
        }
        CHECK(in_memory.tmp_bytes + in_memory.shm_bytes + 2 * in_memory.run_bytes <=
              (mib << 20U) / 12);
    }
    CHECK(memory_folders(64U << 20U).tmp_bytes == std::uint64_t{4} << 20U); // the smallest flavor
    CHECK(memory_folders(0).tmp_bytes == std::uint64_t{64} << 20U);         // without a limit
}

TEST_CASE("the doctor reads capabilities and file systems as the kernel writes them") {
    const std::string status = "Name:\tx\nCapEff:\t000001fffeffffff\nSeccomp:\t0\n";
    CHECK(has_capability(status, 21));
    CHECK_FALSE(has_capability(status, 24));
    CHECK_FALSE(has_capability("", 21));
    CHECK_FALSE(has_capability("CapEff:\tzz", 21));
    const std::string list = "nodev\tsysfs\n\text4\nnodev\toverlay\n";
    CHECK(lists_file_system(list, "overlay"));
    CHECK(lists_file_system(list, "ext4"));
    CHECK_FALSE(lists_file_system(list, "over"));
    CHECK_FALSE(lists_file_system("", "xfs"));
}

TEST_CASE("a host's program gets its input, is bounded in output and time, and inherits nothing") {
    using namespace std::chrono_literals;
    const std::string shell = find_program("sh");
    REQUIRE_FALSE(shell.empty());
    CHECK(find_program("no-such-program").empty());
    CHECK(*run_checked({shell, "-c", "cat; echo err >&2"}, "in\n", 10s) == "in\nerr\n");
    CHECK(run_program({shell, "-c", "exit 3"}, "", 10s)->status == 3);
    const auto failed = run_checked({shell, "-c", "echo one; echo two; exit 1"}, "", 10s);
    CHECK(failed.error().id() == Code::job_failed);
    CHECK(failed.error().message().ends_with(": two"));
    CHECK(run_program({shell, "-c", "head -c 100000 /dev/zero"}, "", 10s)->output.size() ==
          16U * 1024);
    CHECK(run_program({shell, "-c", "exec sleep 100"}, "", 50ms).error().code() == Errc::deadline);
    const int leak = ::fcntl(0, F_DUPFD, 100);
    const auto seen = run_checked({shell, "-c", "ls /proc/self/fd"}, "", 10s);
    ::close(leak);
    CHECK(seen->find("\n" + std::to_string(leak) + "\n") == std::string::npos);
    ::setenv("JACKDAW_TEST_LEAK", "1", 1);
    CHECK(run_program({shell, "-c", "test -z \"$JACKDAW_TEST_LEAK\""}, "", 10s)->status == 0);
}
