#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "plugins/api/abi.h"
#include "plugins/api/loader.h"

using namespace jackdaw;
namespace fs = std::filesystem;

namespace {

/// A folder of our own with copies of drivers in it, gone afterwards.
struct Folder {
    Folder() {
        std::string name = (fs::temp_directory_path() / "jackdaw-loader-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
        ::chmod(path.c_str(), 0755);
    }
    ~Folder() { fs::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string add(const std::string& from, const std::string& datastore) const {
        const auto to = path + "/libjackdaw-" + datastore + ".so";
        fs::copy_file(from, to);
        ::chmod(to.c_str(), 0644);
        return to;
    }
    [[nodiscard]] Result<plugins::LoadedDriver> load(const std::string& datastore) const {
        return plugins::load_driver(path, datastore, ::geteuid());
    }
    std::string path;
};

const std::string staged = std::string{JACKDAW_STAGE_FOLDER} + "/plugins/libjackdaw-";

} // namespace

TEST_CASE("each driver of the build loads, names itself and makes a datastore") {
    for (const std::string datastore : {"fake", "mariadb"}) {
        const Folder folder;
        folder.add(staged + datastore + ".so", datastore);
        const auto loaded = folder.load(datastore);
        INFO((loaded ? std::string{} : loaded.error().to_string()));
        REQUIRE(loaded.has_value());
        REQUIRE(loaded->make()->name() == datastore);
        REQUIRE(folder.load(datastore)->driver == loaded->driver); // once in memory
    }
}

TEST_CASE("a driver of another build is refused, and both ABI lines are told") {
    const Folder folder;
    folder.add(JACKDAW_OTHER_ABI_DRIVER, "other");
    const auto loaded = folder.load("other");
    REQUIRE_FALSE(loaded.has_value());
    REQUIRE(loaded.error().code() == Errc::unsupported);
    REQUIRE(loaded.error().message().find("an ABI of long ago") != std::string::npos);
    REQUIRE(loaded.error().message().find(plugins::abi_hash) != std::string::npos);
}

TEST_CASE("a driver under another's name is refused") {
    const Folder folder;
    folder.add(staged + "fake.so", "mariadb");
    const auto loaded = folder.load("mariadb");
    REQUIRE_FALSE(loaded.has_value());
    REQUIRE(loaded.error().message().find("another datastore") != std::string::npos);
}

TEST_CASE("what is no shared object, or lacks the symbol, is refused") {
    const Folder folder;
    std::ofstream{folder.path + "/libjackdaw-text.so"} << "not ELF";
    fs::create_directory(folder.path + "/libjackdaw-folder.so");
    for (const std::string name : {"text", "folder"}) {
        INFO(name);
        REQUIRE_FALSE(folder.load(name).has_value());
    }
    REQUIRE(folder.load("text").error().code() == Errc::unsupported);
}

TEST_CASE("a name that is no datastore's never becomes a path") {
    const Folder folder;
    for (const std::string& name :
         {std::string{}, std::string{"../fake"}, std::string{"Fake"}, std::string{"a b"},
          std::string(33, 'a'), std::string{"fa\0ke", 5}, std::string{"fake/"},
          std::string(65536, 'a')}) {
        REQUIRE_FALSE(plugins::is_datastore_name(name));
        const auto loaded = folder.load(name);
        REQUIRE_FALSE(loaded.has_value());
        REQUIRE(loaded.error().id() == Code::unknown_datastore);
        REQUIRE(loaded.error().message().size() < 200);
    }
}

TEST_CASE("an unknown datastore is told with those that there are") {
    const Folder folder;
    folder.add(staged + "fake.so", "fake");
    const auto loaded = folder.load("oracle");
    REQUIRE_FALSE(loaded.has_value());
    REQUIRE(loaded.error().id() == Code::unknown_datastore);
    REQUIRE(loaded.error().message().find("there are: fake") != std::string::npos);
}

TEST_CASE("a folder or file that others may change or own is refused") {
    const Folder folder;
    const auto file = folder.add(staged + "fake.so", "fake");
    REQUIRE(folder.load("fake").has_value());
    const auto refused = [&] {
        const auto loaded = folder.load("fake");
        return !loaded && loaded.error().code() == Errc::not_allowed;
    };
    for (const mode_t mode : {0664U, 0646U}) {
        REQUIRE(::chmod(file.c_str(), mode) == 0);
        CHECK(refused());
    }
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    for (const mode_t mode : {0775U, 0757U}) {
        REQUIRE(::chmod(folder.path.c_str(), mode) == 0);
        CHECK(refused());
    }
    REQUIRE(::chmod(folder.path.c_str(), 0755) == 0);
    REQUIRE(folder.load("fake").has_value());
    // Owned by another than the one who is named.
    const auto foreign = plugins::load_driver(folder.path, "fake", ::geteuid() + 1);
    REQUIRE_FALSE(foreign.has_value());
    REQUIRE(foreign.error().code() == Errc::not_allowed);
    // A link, even to a good one.
    fs::create_symlink(file, folder.path + "/libjackdaw-link.so");
    REQUIRE_FALSE(folder.load("link").has_value());
}

TEST_CASE("the drivers of a folder are listed by name, and nothing else is") {
    const Folder folder;
    for (const char* name :
         {"libjackdaw-b.so", "libjackdaw-a.so", "libjackdaw-.so", "libjackdaw-X.so",
          "libjackdaw-c.so.1", "fake.jobs", "libother-d.so"}) {
        std::ofstream{folder.path + "/" + name} << "";
    }
    const auto names = plugins::available_drivers(folder.path);
    REQUIRE(names.has_value());
    REQUIRE(*names == std::vector<std::string>{"a", "b"});
    REQUIRE_FALSE(plugins::available_drivers(folder.path + "/absent").has_value());
}
