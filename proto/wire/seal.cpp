#include "proto/wire/seal.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <sodium.h>

#include "proto/base/ids.h"
#include "proto/base/secret.h"

namespace jackdaw::proto {
namespace {

constexpr char magic = 0x4A;
constexpr char suite = 1;
constexpr std::size_t nonce_at = 6;
constexpr std::size_t clear_bytes = nonce_at + std::tuple_size_v<SealNonce>;
constexpr std::size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(clear_bytes + tag_bytes == seal_bytes);
static_assert(std::tuple_size_v<SealNonce> == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string associated(std::string_view clear, const FleetTag& fleet) {
    return std::string{clear}.append(reinterpret_cast<const char*>(fleet.data()), fleet.size());
}

Error bad_line(std::size_t number) {
    return Error{Errc::corrupt, fmt::format("line {} of the gossip ring is no 'ID HEX64'", number)};
}

/// Into `entry`, so that no copy of a key stays on the stack.
Result<void> parse_line(std::string_view line, std::size_t number, KeyRing::Entry& entry) {
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), entry.id);
    const auto id_size = static_cast<std::size_t>(end - line.data());
    if (ec != std::errc{} || line.size() != id_size + 1 + 2 * entry.key.size() || *end != ' ') {
        return bad_line(number);
    }
    auto key = from_hex(line.substr(id_size + 1));
    if (!key) { // its own message might quote the key
        return bad_line(number);
    }
    std::memcpy(entry.key.data(), key->data(), entry.key.size());
    wipe(*key);
    return ok();
}

void wipe_keys(std::vector<KeyRing::Entry>& entries) noexcept {
    sodium_memzero(entries.data(), entries.size() * sizeof(KeyRing::Entry));
}

struct WipedEntries : std::vector<KeyRing::Entry> {
    WipedEntries() { reserve(KeyRing::keys_max); } // never moved: no copy of a key stays behind
    WipedEntries(const WipedEntries&) = delete;
    WipedEntries& operator=(const WipedEntries&) = delete;
    ~WipedEntries() { wipe_keys(*this); }
};

} // namespace

FleetTag fleet_tag(std::string_view fleet) {
    std::array<std::uint8_t, 32> digest{};
    crypto_generichash(digest.data(), digest.size(), bytes(fleet), fleet.size(), nullptr, 0);
    FleetTag tag{};
    std::copy_n(digest.begin(), tag.size(), tag.begin());
    return tag;
}

KeyRing::~KeyRing() {
    wipe_keys(entries_);
}

Result<KeyRing> parse_ring(std::string_view text) {
    WipedEntries entries;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        if (entries.size() == KeyRing::keys_max) {
            return Error{Errc::corrupt, "a gossip ring with more than 4 keys"};
        }
        auto& entry = entries.emplace_back();
        JACKDAW_CHECK(parse_line(line, number, entry));
        if (std::ranges::count(entries, entry.id, &KeyRing::Entry::id) > 1) {
            return Error{Errc::corrupt,
                         fmt::format("key {} is twice in the gossip ring", entry.id)};
        }
    }
    if (entries.empty()) {
        return Error{Errc::corrupt, "a gossip ring without a key"};
    }
    return KeyRing{std::vector<KeyRing::Entry>{std::move(entries)}};
}

std::string seal(const KeyRing& ring, const FleetTag& fleet, const SealNonce& nonce,
                 std::string_view plain) {
    const auto& key = ring.entries().front();
    std::string datagram{magic, suite};
    for (int shift = 24; shift >= 0; shift -= 8) {
        datagram += static_cast<char>(key.id >> shift);
    }
    datagram.append(reinterpret_cast<const char*>(nonce.data()), nonce.size());
    const auto aad = associated(datagram, fleet);
    datagram.resize(clear_bytes + plain.size() + tag_bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        reinterpret_cast<unsigned char*>(datagram.data()) + clear_bytes, nullptr, bytes(plain),
        plain.size(), bytes(aad), aad.size(), nullptr, nonce.data(), key.key.data());
    return datagram;
}

Result<std::string> unseal(const KeyRing& ring, const FleetTag& fleet, std::string_view datagram) {
    if (datagram.size() < seal_bytes || datagram[0] != magic || datagram[1] != suite) {
        return Error{Errc::corrupt, "no datagram of gossip"};
    }
    std::uint32_t id = 0;
    for (std::size_t i = 2; i < nonce_at; ++i) {
        id = id << 8U | static_cast<unsigned char>(datagram[i]);
    }
    const auto key = std::ranges::find(ring.entries(), id, &KeyRing::Entry::id);
    if (key == ring.entries().end()) {
        return Error{Errc::not_found, "sealed with a key that is not in the ring"};
    }
    const auto aad = associated(datagram.substr(0, clear_bytes), fleet);
    const auto sealed = datagram.substr(clear_bytes);
    std::string plain(sealed.size() - tag_bytes, '\0');
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            reinterpret_cast<unsigned char*>(plain.data()), nullptr, nullptr, bytes(sealed),
            sealed.size(), bytes(aad), aad.size(), bytes(datagram) + nonce_at,
            key->key.data()) != 0) {
        return Error{Errc::corrupt, "a datagram whose seal is broken"};
    }
    return plain;
}

} // namespace jackdaw::proto
