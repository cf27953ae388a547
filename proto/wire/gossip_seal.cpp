#include "proto/wire/gossip_seal.h"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>
#include <sodium.h>

namespace jackdaw::proto {
namespace {

constexpr char magic = 0x4A;
constexpr char suite = 1;
constexpr std::size_t nonce_at = 6;
constexpr std::size_t clear_bytes = nonce_at + std::tuple_size_v<SealNonce>;
constexpr std::size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::uint64_t keep_old_s = 24ULL * 3600;
static_assert(clear_bytes + tag_bytes == gossip_seal_bytes);

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::array<unsigned char, clear_bytes + 8> associated(std::string_view clear,
                                                      const std::array<char, 8>& fleet) {
    std::array<unsigned char, clear_bytes + 8> all{};
    std::ranges::copy(clear, all.begin());
    std::ranges::copy(fleet, all.begin() + clear_bytes);
    return all;
}

} // namespace

std::uint32_t key_id(const SealKey& key) noexcept {
    std::array<unsigned char, 32> digest{};
    crypto_generichash(digest.data(), digest.size(), key.data(), key.size(), nullptr, 0);
    std::uint32_t id = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        id = id << 8U | digest[i];
    }
    return id;
}

std::string key_id_text(std::uint32_t id) {
    return fmt::format("{:08x}", id);
}

std::uint32_t key_id_of(std::string_view datagram) noexcept {
    std::uint32_t id = 0;
    for (std::size_t i = 2; i < nonce_at && datagram.size() >= nonce_at; ++i) {
        id = id << 8U | static_cast<unsigned char>(datagram[i]);
    }
    return id;
}

Result<SealRing> SealRing::make(FleetId fleet,
                                std::span<const std::pair<std::uint32_t, SealKey>> keys) {
    if (keys.empty() || keys.size() > keys_max) {
        return Error{Errc::invalid, fmt::format("a gossip ring of {} keys; it has 1 to {}",
                                                keys.size(), keys_max)};
    }
    SealRing ring;
    ring.keys_.reserve(keys_max);
    for (int i = 0; i < 8; ++i) {
        ring.fleet_[static_cast<std::size_t>(i)] =
            static_cast<char>(static_cast<std::uint64_t>(fleet) >> (56 - 8 * i) & 0xFF);
    }
    for (const auto& [version, key] : keys) {
        const auto id = key_id(key);
        if (version == 0 || std::ranges::count(ring.keys_, version, &Key::version) != 0) {
            return Error{Errc::invalid,
                         fmt::format("version {} is none, or twice in the gossip ring", version)};
        }
        if (std::ranges::count(ring.keys_, id, &Key::id) != 0) {
            return Error{Errc::conflict,
                         "two keys of one id in the gossip ring; make another for one of them"};
        }
        auto& held = ring.keys_.emplace_back(); // in its place: a temporary would leave a copy
        held.version = version;
        held.id = id;
        held.key = key;
    }
    return ring;
}

SealRing& SealRing::operator=(SealRing&& other) noexcept {
    fleet_ = other.fleet_;
    keys_.swap(other.keys_); // ours are wiped with the other
    return *this;
}

SealRing::~SealRing() {
    sodium_memzero(keys_.data(), keys_.size() * sizeof(Key));
}

std::uint32_t SealRing::newest() const noexcept {
    return std::ranges::max_element(keys_, {}, &Key::version)->version;
}

std::uint32_t SealRing::newest_id() const noexcept {
    return std::ranges::max_element(keys_, {}, &Key::version)->id;
}

std::vector<std::uint32_t> SealRing::versions() const {
    std::vector<std::uint32_t> all;
    all.reserve(keys_.size());
    std::ranges::transform(keys_, std::back_inserter(all), &Key::version);
    return all;
}

std::size_t SealRing::seal(const SealNonce& nonce, std::string_view plain,
                           std::span<char> out) const {
    const auto size = plain.size() + gossip_seal_bytes;
    assert(out.size() >= size);
    const auto& key = keys_.front();
    out[0] = magic;
    out[1] = suite;
    for (std::size_t i = 0; i < 4; ++i) {
        out[2 + i] = static_cast<char>(key.id >> (24 - 8 * i) & 0xFFU);
    }
    std::ranges::copy(nonce, reinterpret_cast<unsigned char*>(out.data()) + nonce_at);
    const auto aad = associated({out.data(), clear_bytes}, fleet_);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        reinterpret_cast<unsigned char*>(out.data()) + clear_bytes, nullptr, bytes(plain),
        plain.size(), aad.data(), aad.size(), nullptr, nonce.data(), key.key.data());
    return size;
}

SealRing::Opened SealRing::open(std::string_view datagram, std::span<char> out,
                                std::string_view& plain) const {
    if (datagram.size() < gossip_seal_bytes || datagram.size() > gossip_datagram_bytes_max ||
        datagram[0] != magic || datagram[1] != suite) {
        return Opened::broken;
    }
    const auto key = std::ranges::find(keys_, key_id_of(datagram), &Key::id);
    if (key == keys_.end()) {
        return Opened::unknown_key;
    }
    const auto aad = associated(datagram.substr(0, clear_bytes), fleet_);
    const auto sealed = datagram.substr(clear_bytes);
    assert(out.size() >= sealed.size() - tag_bytes);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            reinterpret_cast<unsigned char*>(out.data()), nullptr, nullptr, bytes(sealed),
            sealed.size(), aad.data(), aad.size(), bytes(datagram) + nonce_at,
            key->key.data()) != 0) {
        return Opened::broken;
    }
    plain = {out.data(), sealed.size() - tag_bytes};
    return Opened::ok;
}

RingStep next_ring_step(const SealRing& ring, const RingSeen& seen,
                        std::uint64_t since_all_seal_s) noexcept {
    if (ring.sealing() != ring.newest()) {
        return seen.one_newest ? RingStep::use : RingStep::nothing;
    }
    const bool has_older = ring.versions().size() > 1;
    return has_older && seen.sealing_min >= ring.sealing() && since_all_seal_s >= keep_old_s
               ? RingStep::remove
               : RingStep::nothing;
}

std::uint64_t AllSeal::look(const SealRing& ring, const RingSeen& seen,
                            std::uint64_t now_s) noexcept {
    const auto sealing = seen.sealing_min >= ring.sealing() ? ring.sealing() : 0U;
    if (sealing == 0 || sealing != sealing_) {
        sealing_ = sealing;
        since_s_ = now_s;
    }
    return now_s - since_s_;
}

} // namespace jackdaw::proto
