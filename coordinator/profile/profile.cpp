#include "coordinator/profile/profile.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <system_error>

#include <fmt/format.h>
#include <sodium.h>

#include "coordinator/profile/files.h"
#include "proto/base/ids.h"
#include "proto/wire/gossip_codec.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {
namespace {

namespace fs = std::filesystem;
using proto::Json;

constexpr std::size_t fleets_max = 1000;

std::string hex(std::string_view bytes) {
    return to_hex(std::as_bytes(std::span{bytes}));
}

Result<std::string> bytes_at(const Json& json, std::string_view key, std::size_t size) {
    JACKDAW_TRY(auto text, proto::string_at(json, key, "", 256));
    auto bytes = from_hex(text);
    wipe(text);
    if (!bytes || bytes->size() != size) {
        return Error{Errc::corrupt, fmt::format("'{}' must be {} bytes in hex", key, size)};
    }
    return bytes;
}

/// As parse_flavor() reads it: what has no limit is not named.
std::string words_of(const FlavorWords& flavor) {
    std::string text;
    if (flavor.cpu_millis != 0) {
        text = fmt::format("cpu={:.3f}", flavor.cpu_millis / 1000.0);
    }
    if (flavor.memory_bytes != 0) {
        text += fmt::format("{}mem={}", text.empty() ? "" : ",", flavor.memory_bytes);
    }
    return text;
}

std::string trimmed_line(std::string text) {
    text.erase(std::min(text.find_first_of("\r\n"), text.size()));
    return text;
}

} // namespace

Folders folders_from(const Variable& variable) {
    const auto home = variable("HOME").value_or("/root");
    const auto base = [&](const char* name, const char* below_home) {
        const auto set = variable(name);
        return fs::path{set && set->starts_with('/') ? *set : home + "/" + below_home} / "jackdaw";
    };
    Folders folders;
    folders.config = base("XDG_CONFIG_HOME", ".config");
    folders.state = base("XDG_STATE_HOME", ".local/state");
    folders.data = base("XDG_DATA_HOME", ".local/share");
    return folders;
}

Result<OperatorKeys> make_operator_keys() {
    if (::sodium_init() < 0) {
        return Error{Errc::internal, "libsodium does not start"};
    }
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> sign_public{};
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> sign_secret{};
    std::array<unsigned char, crypto_box_PUBLICKEYBYTES> noise_public{};
    std::array<unsigned char, crypto_box_SECRETKEYBYTES> noise_secret{};
    ::crypto_sign_keypair(sign_public.data(), sign_secret.data());
    ::crypto_box_keypair(noise_public.data(), noise_secret.data()); // X25519
    OperatorKeys keys;
    keys.sign_public.assign(sign_public.begin(), sign_public.end());
    keys.noise_public.assign(noise_public.begin(), noise_public.end());
    keys.sign_secret = Secret{std::string(sign_secret.begin(), sign_secret.end())};
    keys.noise_secret = Secret{std::string(noise_secret.begin(), noise_secret.end())};
    ::sodium_memzero(sign_secret.data(), sign_secret.size());
    ::sodium_memzero(noise_secret.data(), noise_secret.size());
    return keys;
}

Result<void> add_gossip_key(proto::GossipRing& ring, std::uint32_t version) {
    proto::SealKey key{};
    ::randombytes_buf(key.data(), key.size());
    auto added = ring.add(version, key);
    ::sodium_memzero(key.data(), key.size());
    return added;
}

Secret make_gossip_ring() {
    proto::GossipRing ring;
    while (ring.fleet == proto::FleetId{}) {
        ::randombytes_buf(&ring.fleet, sizeof ring.fleet);
    }
    [[maybe_unused]] const auto first = add_gossip_key(ring, 1);
    assert(first);
    return proto::gossip_ring_text(ring);
}

std::string sign_forget(const OperatorKeys& keys, proto::FleetId fleet, std::uint64_t member,
                        std::uint64_t incarnation) {
    std::array<char, 32> body{};
    const std::string_view text{body.data(),
                                proto::encode_left_body(proto::NodeId{member}, incarnation, body)};
    const auto words = proto::to_sign(proto::SignedAs::forget, fleet, text);
    std::string signature(crypto_sign_BYTES, '\0');
    ::crypto_sign_detached(
        reinterpret_cast<unsigned char*>(signature.data()), nullptr,
        reinterpret_cast<const unsigned char*>(words.data()), words.size(),
        reinterpret_cast<const unsigned char*>(keys.sign_secret.reveal().data()));
    return signature;
}

Result<Profile> parse_profile(std::string_view text) {
    JACKDAW_TRY(const auto json, proto::parse_json(text));
    Profile profile;
    JACKDAW_TRY(profile.name, proto::string_at(json, "name", "", 64));
    JACKDAW_TRY(profile.provider, proto::string_at(json, "provider", "local", 64));
    JACKDAW_TRY(profile.subnet, proto::string_at(json, "subnet", "", 64));
    JACKDAW_TRY(profile.operator_key, proto::string_at(json, "operator_key", "", 64));
    JACKDAW_TRY(profile.created_at, proto::string_at(json, "created_at", "", 64));
    JACKDAW_TRY(profile.destroying, proto::bool_at(json, "destroying", false));
    if (const auto flavors = json.find("flavors"); flavors != json.end() && flavors->is_object()) {
        for (const auto& [flavor, words] : flavors->items()) {
            JACKDAW_TRY(const auto spelled, proto::string_at(*flavors, flavor, ""));
            JACKDAW_TRY(profile.flavors[flavor], parse_flavor(spelled));
        }
    }
    return profile;
}

Result<Profile> load_profile(const Folders& folders, const std::string& name) {
    JACKDAW_CHECK(check_label(name, "fleet"));
    auto text = read_small_file(folders.fleet(name) / "fleet.json");
    if (!text) {
        if (text.error().code() != Errc::not_found) {
            return std::move(text).error();
        }
        return Error{Code::no_profile, fmt::format("there is no profile of fleet '{}' here", name)}
            .with_hint(fmt::format(
                "`jackdaw fleet list` shows those that are; `jackdaw fleet init {}`", name));
    }
    const auto read = [&]() -> Result<Profile> {
        JACKDAW_TRY(auto profile, parse_profile(*text));
        if (profile.name != name) {
            return Error{Errc::corrupt, fmt::format("it names fleet '{}'", profile.name)};
        }
        return profile;
    };
    auto profile = read().while_doing(fmt::format("read the profile of fleet '{}'", name));
    if (!profile &&
        text->find(proto::api_version) == std::string::npos) { // cut short, or another's
        return std::move(profile).error().with_hint(fmt::format(
            "restore {0} from a copy; or remove it, and `jackdaw fleet init {1}` makes it "
            "again with the keys that are there",
            (folders.fleet(name) / "fleet.json").string(), name));
    }
    return profile;
}

Result<OperatorKeys> load_keys(const Folders& folders, const std::string& name) {
    JACKDAW_TRY(auto text, read_secret_file(folders.fleet(name) / "operator.key", 4096));
    auto keys = parse_keys(text);
    wipe(text);
    return keys;
}

Result<OperatorKeys> parse_keys(std::string_view text) {
    auto json = proto::parse_json(text);
    if (!json) {
        return Error{Errc::corrupt, "operator.key cannot be read"};
    }
    OperatorKeys keys;
    JACKDAW_TRY(auto sign, bytes_at(*json, "sign_secret", crypto_sign_SECRETKEYBYTES));
    JACKDAW_TRY(auto noise, bytes_at(*json, "noise_secret", crypto_box_SECRETKEYBYTES));
    keys.sign_public = sign.substr(32); // libsodium keeps it behind the seed
    keys.noise_public.resize(crypto_box_PUBLICKEYBYTES);
    ::crypto_scalarmult_base(reinterpret_cast<unsigned char*>(keys.noise_public.data()),
                             reinterpret_cast<const unsigned char*>(noise.data()));
    keys.sign_secret = Secret{std::move(sign)};
    keys.noise_secret = Secret{std::move(noise)};
    return keys;
}

Result<OperatorKeys> ensure_keys(const Folders& folders, const std::string& name) {
    const auto folder = folders.fleet(name);
    JACKDAW_CHECK(make_folders(folder, 0700));
    auto keys = load_keys(folders, name);
    if (!keys && keys.error().code() == Errc::not_found) {
        keys = make_operator_keys();
        if (keys) {
            auto text =
                fmt::format("{{\"sign_secret\":\"{}\",\"noise_secret\":\"{}\"}}\n",
                            hex(keys->sign_secret.reveal()), hex(keys->noise_secret.reveal()));
            auto written = write_durably(folder / "operator.key", text, 0600);
            wipe(text);
            JACKDAW_CHECK(std::move(written));
        }
    }
    if (!keys) {
        return keys;
    }
    JACKDAW_CHECK(write_durably(folder / "operator.pub",
                                fmt::format("{{\"sign_key\":\"{}\",\"noise_key\":\"{}\"}}\n",
                                            hex(keys->sign_public), hex(keys->noise_public)),
                                0644));
    if (const auto ring = load_gossip_ring(folders, name); !ring) {
        if (ring.error().code() != Errc::not_found) {
            return ring.error().clone();
        }
        const auto made = make_gossip_ring();
        JACKDAW_CHECK(write_durably(folder / "gossip.ring", made.reveal(), 0600));
    }
    return keys;
}

Result<Secret> load_gossip_ring(const Folders& folders, const std::string& name) {
    JACKDAW_TRY(auto text, read_secret_file(folders.fleet(name) / "gossip.ring", 4096));
    return Secret{std::move(text)};
}

Result<proto::GossipRing> read_gossip_ring(const Folders& folders, const std::string& name) {
    JACKDAW_TRY(const auto text, load_gossip_ring(folders, name));
    return proto::parse_gossip_ring(text.reveal(), name);
}

Result<void> save_gossip_ring(const Folders& folders, const std::string& name,
                              const proto::GossipRing& ring) {
    const auto text = proto::gossip_ring_text(ring);
    return write_durably(folders.fleet(name) / "gossip.ring", text.reveal(), 0600);
}

Result<void> save_profile(const Folders& folders, const Profile& profile) {
    Json flavors = Json::object();
    for (const auto& [name, flavor] : profile.flavors) {
        flavors[name] = words_of(flavor);
    }
    Json json{{"apiVersion", proto::api_version},
              {"kind", "Fleet"},
              {"name", profile.name},
              {"provider", profile.provider},
              {"subnet", profile.subnet},
              {"operator_key", profile.operator_key},
              {"created_at", profile.created_at},
              {"flavors", std::move(flavors)}};
    if (profile.destroying) {
        json["destroying"] = true;
    }
    return write_durably(folders.fleet(profile.name) / "fleet.json", json.dump(2) + "\n", 0644);
}

Result<void> remove_profile(const Folders& folders, const std::string& name) {
    const auto folder = folders.fleet(name);
    std::error_code failure;
    if (default_fleet(folders) == name) {
        fs::remove(folders.config / "default", failure);
    }
    if (!fs::exists(folder, failure)) {
        return ok();
    }
    std::vector<fs::path> others;
    for (fs::directory_iterator entry{folder, failure}, end; !failure && entry != end;
         entry.increment(failure)) {
        if (entry->path().filename() != "fleet.json") {
            others.push_back(entry->path());
        }
    }
    for (auto other = others.begin(); !failure && other != others.end(); ++other) {
        fs::remove_all(*other, failure);
    }
    if (!failure) {
        fs::remove_all(folder, failure);
    }
    return failure ? Result<void>{Error{Errc::internal, "remove " + folder.string(), failure}}
                   : ok();
}

Result<UniqueFd> lock_fleet(const Folders& folders, const std::string& name) {
    JACKDAW_CHECK(load_profile(folders, name)); // no folder is made of one that is gone
    return lock_file(folders.fleet(name) / "lock");
}

Result<void> check_stays(const Profile& profile) {
    if (profile.destroying) {
        return Error{Errc::conflict, fmt::format("fleet '{}' is being destroyed", profile.name)}
            .with_hint(fmt::format("`jackdaw fleet destroy {}` ends that", profile.name));
    }
    return ok();
}

Result<void> check_readable(const Folders& folders) {
    std::error_code failure;
    const fs::directory_iterator entries{folders.config / "fleets", failure};
    if (failure && failure != std::errc::no_such_file_or_directory) {
        return Error{Errc::not_allowed, "list " + (folders.config / "fleets").string(), failure};
    }
    return ok();
}

std::vector<std::string> profile_names(const Folders& folders) {
    std::vector<std::string> names;
    std::error_code failure;
    for (fs::directory_iterator entry{folders.config / "fleets", failure}, end;
         !failure && entry != end && names.size() < fleets_max; entry.increment(failure)) {
        if (fs::exists(entry->path() / "fleet.json", failure)) {
            names.push_back(entry->path().filename().string());
        }
    }
    std::ranges::sort(names);
    return names;
}

std::optional<std::string> default_fleet(const Folders& folders) {
    auto text = read_small_file(folders.config / "default", 256);
    if (!text) {
        return std::nullopt;
    }
    auto name = trimmed_line(*std::move(text));
    return check_label(name, "fleet") ? std::optional{std::move(name)} : std::nullopt;
}

Result<void> set_default_fleet(const Folders& folders, const std::string& name) {
    JACKDAW_CHECK(make_folders(folders.config, 0700));
    return write_durably(folders.config / "default", name + "\n", 0644);
}

std::map<std::string, std::string> load_settings(const Folders& folders) {
    const auto text = read_small_file(folders.settings_file, 64 * 1024);
    return text ? parse_settings(*text) : std::map<std::string, std::string>{};
}

std::map<std::string, std::string> parse_settings(std::string_view rest) {
    std::map<std::string, std::string> settings;
    while (!rest.empty()) { // a line less each time
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto equals = line.find('=');
        const auto open = line.find('"');
        const auto close = line.rfind('"');
        if (equals == std::string_view::npos || open == std::string_view::npos || open <= equals ||
            close <= open || line.starts_with('#')) {
            continue;
        }
        auto key = line.substr(0, equals);
        key.remove_suffix(key.size() - std::min(key.find_last_not_of(" \t") + 1, key.size()));
        settings[std::string{key}] = line.substr(open + 1, close - open - 1);
    }
    return settings;
}

} // namespace jackdaw::cli
