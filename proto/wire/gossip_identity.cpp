#include "proto/wire/gossip_identity.h"

#include <cassert>

#include <sodium.h>

namespace jackdaw::proto {
namespace {

constexpr std::size_t values_max = 4;

void put(std::uint64_t value, unsigned char* into) noexcept {
    for (int i = 7; i >= 0; --i) {
        *into++ = static_cast<unsigned char>(value >> (8 * i) & 0xFF);
    }
}

} // namespace

NodeId node_id_of(std::string_view public_key) noexcept {
    std::array<unsigned char, 32> digest{};
    crypto_generichash(digest.data(), digest.size(),
                       reinterpret_cast<const unsigned char*>(public_key.data()), public_key.size(),
                       nullptr, 0);
    std::uint64_t id = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        id = id << 8U | digest[i];
    }
    return NodeId{id};
}

ViewKey::ViewKey(FleetId fleet) noexcept {
    std::array<unsigned char, 12> text{0, 0, 0, 0, 0, 0, 0, 0, 'v', 'i', 'e', 'w'};
    put(static_cast<std::uint64_t>(fleet), text.data());
    static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8);
    crypto_generichash(key_.data(), key_.size(), text.data(), text.size(), nullptr, 0);
}

std::uint64_t ViewKey::hash_all(std::span<const std::uint64_t> values) const noexcept {
    assert(values.size() <= values_max);
    std::array<unsigned char, 8 * values_max> text{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        put(values[i], text.data() + 8 * i);
    }
    std::array<unsigned char, 8> hash{};
    crypto_shorthash(hash.data(), text.data(), 8 * values.size(), key_.data());
    std::uint64_t result = 0;
    for (std::size_t i = 8; i-- > 0;) {
        result = result << 8U | hash[i];
    }
    return result;
}

std::string to_sign(SignedAs what, FleetId fleet, std::string_view body) {
    using namespace std::string_view_literals;
    static constexpr std::array prefixes{"jackdaw alive v1\0"sv, "jackdaw left v1\0"sv,
                                         "jackdaw forget v1\0"sv};
    std::string text{prefixes[static_cast<std::size_t>(what)]};
    std::array<unsigned char, 8> id{};
    put(static_cast<std::uint64_t>(fleet), id.data());
    text.append(reinterpret_cast<const char*>(id.data()), id.size());
    return text.append(body);
}

} // namespace jackdaw::proto
