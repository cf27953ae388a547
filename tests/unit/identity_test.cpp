// An agent's two keys on disk.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include <catch2/catch.hpp>

#include "agent/identity/identity.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using agent::Identity;

namespace {

std::string read(const std::filesystem::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::filesystem::path& path, const std::string& bytes, mode_t mode) {
    std::filesystem::remove(path);
    std::ofstream{path, std::ios::binary} << bytes;
    ::chmod(path.c_str(), mode);
}

mode_t mode_of(const std::filesystem::path& path) {
    struct stat about{};
    REQUIRE(::lstat(path.c_str(), &about) == 0);
    return about.st_mode & 07777;
}

} // namespace

TEST_CASE("identity: made once, then the same for ever, and only its public half is told",
          "[identity]") {
    const test::TemporaryFolder folder;
    const auto made = Identity::load_or_make(folder.path());
    REQUIRE(made);
    CHECK(mode_of(folder.path() / "sign.key") == 0400);
    CHECK(mode_of(folder.path() / "noise.key") == 0400);
    const auto told = read(folder.path() / "identity.pub");
    const auto again = Identity::load_or_make(folder.path());
    REQUIRE(again);
    CHECK(again->node_id == made->node_id);
    CHECK(again->sign_secret == made->sign_secret);
    CHECK(again->noise.secret == made->noise.secret);
    CHECK(read(folder.path() / "identity.pub") == told);

    const auto json = nlohmann::json::parse(told);
    CHECK(json.at("node_id") == made->node_id);
    CHECK(made->node_id.size() == 32);
    CHECK(json.at("sign_key").get<std::string>().size() == 64);
    CHECK(json.at("noise_key").get<std::string>().size() == 64);
    CHECK(json.size() == 3);
    CHECK(made->gossip_id() == std::stoull(made->node_id.substr(0, 16), nullptr, 16));
}

TEST_CASE("identity: a kill between the two keys is made good", "[identity]") {
    const test::TemporaryFolder folder;
    const auto made = Identity::load_or_make(folder.path());
    REQUIRE(made);
    std::filesystem::remove(folder.path() / "noise.key");
    std::filesystem::remove(folder.path() / "identity.pub");
    write(folder.path() / "noise.key.new", "half", 0400);
    const auto again = Identity::load_or_make(folder.path());
    REQUIRE(again);
    CHECK(again->node_id == made->node_id);
    CHECK(again->noise.open != made->noise.open);
}

TEST_CASE("identity: a damaged or foreign key is refused, and nothing is made over it",
          "[identity]") {
    const test::TemporaryFolder folder;
    const auto sign = folder.path() / "sign.key";
    const auto noise = folder.path() / "noise.key";
    REQUIRE(Identity::load_or_make(folder.path()));
    const auto sign_bytes = read(sign);
    const auto noise_bytes = read(noise);

    SECTION("readable by others") {
        ::chmod(sign.c_str(), 0444);
    }
    SECTION("cut") {
        write(sign, sign_bytes.substr(0, 63), 0400);
    }
    SECTION("grown") {
        write(noise, noise_bytes + "x", 0400);
    }
    SECTION("empty") {
        write(noise, "", 0400);
    }
    SECTION("the halves of the signing key do not belong together") {
        auto altered = sign_bytes;
        altered[0] = static_cast<char>(altered[0] ^ 1);
        write(sign, altered, 0400);
    }
    SECTION("one key is gone though others know it") {
        std::filesystem::remove(noise);
    }
    SECTION("both are gone though others know them") {
        std::filesystem::remove(noise);
        std::filesystem::remove(sign);
    }
    SECTION("a symbolic link") {
        write(folder.path() / "elsewhere", noise_bytes, 0400);
        std::filesystem::remove(noise);
        std::filesystem::create_symlink("elsewhere", noise);
    }
    SECTION("a fifo") {
        std::filesystem::remove(noise);
        REQUIRE(::mkfifo(noise.c_str(), 0400) == 0);
    }
    SECTION("a folder") {
        std::filesystem::remove(noise);
        std::filesystem::create_directory(noise);
    }
    if (::geteuid() == 0) { // only root can make a file of somebody else's
        SECTION("another owner") {
            REQUIRE(::chown(sign.c_str(), 65534, 65534) == 0);
        }
    }

    std::string before;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        before += entry.path().filename().string() + "\n";
    }
    const auto refused = Identity::load_or_make(folder.path());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Errc::corrupt);
    CHECK_THAT(refused.error().message(), Catch::Contains(folder.path().string()));
    std::string after;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        after += entry.path().filename().string() + "\n";
    }
    CHECK(after == before);
}
