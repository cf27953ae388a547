#include "agent/identity/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <sodium.h>

#include "proto/base/ids.h"
#include "proto/base/secret.h"
#include "proto/base/unique_fd.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::agent {
namespace {

std::error_code last_error() {
    return {errno, std::system_category()};
}

/// nullopt when there is no such file.
Result<std::optional<std::string>> read_key(const std::string& path, std::size_t size) {
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (!file) {
        if (errno == ENOENT) {
            return std::optional<std::string>{};
        }
        return Error{Errc::corrupt, fmt::format("open {}", path), last_error()};
    }
    struct stat about{};
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_uid != ::geteuid() || (about.st_mode & 077) != 0 ||
        about.st_size != static_cast<off_t>(size)) {
        return Error{Errc::corrupt,
                     fmt::format("{} is not a key file of this agent (regular, 0400, {} bytes)",
                                 path, size)};
    }
    std::string bytes(size, '\0');
    if (::read(file.get(), bytes.data(), size) != static_cast<ssize_t>(size)) {
        return Error{Errc::corrupt, fmt::format("read {}", path), last_error()};
    }
    return std::optional<std::string>{std::move(bytes)};
}

/// Whole and durable, or not there: temporary file, fsync, rename, fsync of the folder.
Result<void> write_file(const std::string& folder, const std::string& name, std::string_view bytes,
                        mode_t mode) {
    const auto path = folder + "/" + name;
    const auto temporary = path + ".new";
    ::unlink(temporary.c_str());
    const UniqueFd file{
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)};
    if (!file ||
        ::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0 ||
        ::rename(temporary.c_str(), path.c_str()) != 0) {
        auto error = Error{errno == ENOSPC ? Errc::exhausted : Errc::unavailable,
                           fmt::format("write {}", path), last_error()};
        ::unlink(temporary.c_str());
        return error;
    }
    const UniqueFd directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory || ::fsync(directory.get()) != 0) {
        return Error{Errc::unavailable, fmt::format("sync {}", folder), last_error()};
    }
    return ok();
}

std::string_view view(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What others have been told of this agent; nullopt when there is no such file.
std::optional<std::string> read_told(const std::string& path) {
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (!file) {
        return std::nullopt;
    }
    std::string text(4096, '\0');
    const auto size = ::read(file.get(), text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

/// False when the public half is not that of the secret one.
bool take_sign_key(Identity& identity, std::string_view bytes) {
    std::memcpy(identity.sign_secret.data(), bytes.data(), identity.sign_secret.size());
    proto::SignSecret again{};
    crypto_sign_seed_keypair(identity.sign_key.data(), again.data(), identity.sign_secret.data());
    const bool same = sodium_memcmp(again.data(), identity.sign_secret.data(), again.size()) == 0;
    sodium_memzero(again.data(), again.size());
    return same;
}

} // namespace

Identity::~Identity() {
    sodium_memzero(sign_secret.data(), sign_secret.size());
}

std::array<unsigned char, 32> Identity::request_key() const {
    constexpr std::string_view purpose = "jackdaw: hashes of requests";
    std::array<unsigned char, 32> key{};
    static_assert(crypto_generichash_KEYBYTES_MAX >= sizeof sign_secret);
    crypto_generichash(key.data(), key.size(),
                       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                       reinterpret_cast<const unsigned char*>(sign_secret.data()),
                       sign_secret.size());
    return key;
}

std::uint64_t Identity::gossip_id() const {
    return std::stoull(node_id.substr(0, 16), nullptr, 16);
}

Result<Identity> Identity::load_or_make(const std::string& folder) {
    Identity identity;
    noise::Key noise_secret{};
    const auto told = read_told(folder + "/identity.pub");
    JACKDAW_TRY(auto sign, read_key(folder + "/sign.key", identity.sign_secret.size()));
    JACKDAW_TRY(auto noise, read_key(folder + "/noise.key", noise_secret.size()));
    // Written last: once it stands there, others may know both keys, and a new one would be a
    // stranger's. Before that a kill may have left the first key without the second.
    if ((told && !(sign && noise)) || (noise && !sign)) {
        return Error{Errc::corrupt, fmt::format("{} has lost {} of this agent's identity", folder,
                                                sign ? "noise.key" : "sign.key")};
    }
    if (!sign) {
        crypto_sign_keypair(identity.sign_key.data(), identity.sign_secret.data());
        JACKDAW_CHECK(write_file(folder, "sign.key", view(identity.sign_secret), 0400));
    } else {
        const auto good = take_sign_key(identity, *sign);
        wipe(*sign);
        if (!good) {
            return Error{
                Errc::corrupt,
                fmt::format("the two halves in {}/sign.key do not belong together", folder)};
        }
    }
    if (!noise) {
        randombytes_buf(noise_secret.data(), noise_secret.size());
        JACKDAW_CHECK(write_file(folder, "noise.key", view(noise_secret), 0400));
    } else {
        std::memcpy(noise_secret.data(), noise->data(), noise->size());
        wipe(*noise);
    }
    identity.noise = noise::KeyPair::from_secret(noise_secret);
    sodium_memzero(noise_secret.data(), noise_secret.size());
    std::array<std::uint8_t, 32> digest{};
    crypto_generichash(digest.data(), digest.size(), identity.sign_key.data(),
                       identity.sign_key.size(), nullptr, 0);
    identity.node_id = to_hex(std::as_bytes(std::span{digest}.first(16)));
    const auto open =
        proto::Json{{"node_id", identity.node_id},
                    {"sign_key", to_hex(std::as_bytes(std::span{identity.sign_key}))},
                    {"noise_key", to_hex(std::as_bytes(std::span{identity.noise.open}))}}
            .dump() +
        "\n";
    if (told != open) { // rarely, and then it costs two syncs of the disk
        JACKDAW_CHECK(write_file(folder, "identity.pub", open, 0444));
    }
    return identity;
}

} // namespace jackdaw::agent
