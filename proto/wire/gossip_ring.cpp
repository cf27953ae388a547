#include "proto/wire/gossip_ring.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include <fmt/format.h>
#include <sodium.h>

#include "proto/base/ids.h"

namespace jackdaw::proto {
namespace {

constexpr std::string_view fleet_word = "fleet ";

Error bad_line(std::size_t number) {
    return Error{Errc::corrupt,
                 fmt::format("line {} of the gossip ring is no 'VERSION HEX64'", number)};
}

/// Into `key`, so that no copy stays on the stack.
Result<std::uint32_t> parse_key(std::string_view line, std::size_t number, SealKey& key) {
    std::uint32_t version = 0;
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), version);
    const auto digits = static_cast<std::size_t>(end - line.data());
    if (ec != std::errc{} || version == 0 || line.size() != digits + 1 + 2 * key.size() ||
        *end != ' ') {
        return bad_line(number);
    }
    auto bytes = from_hex(line.substr(digits + 1));
    if (!bytes) { // its own message might quote the key
        return bad_line(number);
    }
    std::memcpy(key.data(), bytes->data(), key.size());
    wipe(*bytes);
    return version;
}

Result<FleetId> parse_fleet(std::string_view hex, std::size_t number) {
    std::uint64_t id = 0;
    const auto [end, ec] = std::from_chars(hex.data(), hex.data() + hex.size(), id, 16);
    if (hex.size() != 16 || ec != std::errc{} || end != hex.data() + hex.size() || id == 0) {
        return Error{Errc::corrupt,
                     fmt::format("line {} of the gossip ring is no 'fleet HEX16'", number)};
    }
    return FleetId{id};
}

} // namespace

GossipRing& GossipRing::operator=(GossipRing&& other) noexcept {
    fleet = other.fleet;
    keys_.swap(other.keys_); // ours are wiped with the other
    return *this;
}

GossipRing::~GossipRing() {
    sodium_memzero(keys_.data(), keys_.size() * sizeof(Keys::value_type));
}

std::uint32_t GossipRing::newest() const noexcept {
    std::uint32_t newest = 0;
    for (const auto& [version, key] : keys_) {
        newest = std::max(newest, version);
    }
    return newest;
}

Result<void> GossipRing::add(std::uint32_t version, const SealKey& key) {
    const auto same = [&](const auto& held) { return held.first == version; };
    if (std::ranges::any_of(keys_, same)) {
        return Error{Errc::conflict, fmt::format("the gossip ring has a key {} already", version)};
    }
    if (keys_.size() == SealRing::keys_max) {
        return Error{Errc::exhausted, "a gossip ring has at most 4 keys"}.with_hint(
            "`jackdaw key remove` the oldest");
    }
    keys_.emplace_back(version, key);
    return ok();
}

bool GossipRing::seal_with(std::uint32_t version) noexcept {
    const auto at = std::ranges::find(keys_, version, &Keys::value_type::first);
    if (at == keys_.end()) {
        return false;
    }
    std::rotate(keys_.begin(), at, at + 1);
    return true;
}

void GossipRing::take_out(std::size_t at) noexcept {
    std::rotate(keys_.begin() + static_cast<std::ptrdiff_t>(at),
                keys_.begin() + static_cast<std::ptrdiff_t>(at) + 1, keys_.end());
    sodium_memzero(&keys_.back(), sizeof keys_.back());
    keys_.pop_back();
}

Result<GossipRing> parse_gossip_ring(std::string_view text, std::string_view fleet_name) {
    GossipRing ring;
    if (text.size() > ring_text_bytes_max) {
        return Error{Errc::corrupt, "the gossip ring is too long"};
    }
    SealKey key{};
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        if (line.starts_with(fleet_word)) {
            if (ring.fleet != FleetId{}) {
                return Error{Errc::corrupt, "two fleets in one gossip ring"};
            }
            JACKDAW_TRY(ring.fleet, parse_fleet(line.substr(fleet_word.size()), number));
            continue;
        }
        const auto version = parse_key(line, number, key);
        auto added = version ? ring.add(*version, key) : Result<void>{version.error().clone()};
        sodium_memzero(key.data(), key.size());
        if (!added) {
            return Error{Errc::corrupt, added.error().message()};
        }
    }
    if (ring.keys().empty()) {
        return Error{Errc::corrupt, "a gossip ring without a key"};
    }
    if (ring.fleet == FleetId{}) {
        ring.fleet = fleet_id_of_name(fleet_name);
    }
    if (const auto sealing = SealRing::make(ring.fleet, ring.keys()); !sealing) {
        return Error{Errc::corrupt, sealing.error().message()};
    }
    return ring;
}

Secret gossip_ring_text(const GossipRing& ring) {
    std::string text;
    text.reserve(ring_text_bytes_max); // never moved
    text += fmt::format("fleet {:016x}\n", static_cast<std::uint64_t>(ring.fleet));
    for (const auto& [version, key] : ring.keys()) {
        auto hex = to_hex(std::as_bytes(std::span{key}));
        text += fmt::format("{} ", version);
        text += hex;
        text += '\n';
        wipe(hex);
    }
    return Secret{std::move(text)};
}

FleetId fleet_id_of_name(std::string_view name) {
    constexpr std::string_view prefix{"jackdaw fleet id v1\0", 20};
    std::string text{prefix};
    text += name;
    std::array<unsigned char, crypto_generichash_BYTES_MIN> digest{};
    static_assert(crypto_generichash_BYTES_MIN >= 8);
    crypto_generichash(digest.data(), digest.size(),
                       reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr,
                       0);
    std::uint64_t id = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        id = id << 8U | digest[i];
    }
    return FleetId{id == 0 ? 1 : id};
}

} // namespace jackdaw::proto
