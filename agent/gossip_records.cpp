#include "agent/gossip_records.h"

#include <algorithm>
#include <cstring>

namespace jackdaw::agent {
namespace {

constexpr std::string_view reserve_key = "reserve";
constexpr std::string_view boot_key = "boot";
constexpr std::string_view addresses_key = "addresses";
constexpr std::string_view ring_key = "ring";
constexpr std::string_view first_form_key = "incarnation"; ///< of the first form of gossip: it goes
constexpr std::size_t addresses_max = 256;

template <class Number>
std::string big_endian(Number number) {
    std::string bytes;
    for (auto shift = static_cast<int>(8 * sizeof number); shift > 0;) {
        shift -= 8;
        bytes += static_cast<char>(static_cast<std::uint64_t>(number) >> shift & 0xFFU);
    }
    return bytes;
}

Error unreadable(std::string_view key) {
    return Error{Errc::corrupt, "gossip's record '" + std::string{key} + "' cannot be read"};
}

template <class Number>
Result<Number> number_at(const StateStore& store, std::string_view key) {
    JACKDAW_TRY(const auto bytes, store.get(Table::gossip, key));
    Number number = 0;
    if (bytes && bytes->size() != sizeof number) {
        return unreadable(key);
    }
    for (const auto byte : bytes.value_or(std::string{})) {
        number = static_cast<Number>(number << 8U | static_cast<unsigned char>(byte));
    }
    return number;
}

} // namespace

std::vector<Change> changes_of(const swim::Persist& record) {
    using Kind = swim::Persist::Kind;
    switch (record.kind) {
    case Kind::reserve:
        return {{Table::gossip, std::string{reserve_key}, big_endian(record.incarnation)}};
    case Kind::boot:
        return {{Table::gossip, std::string{boot_key}, big_endian(record.boot)},
                {Table::gossip, std::string{first_form_key}, std::nullopt}};
    case Kind::addresses:
        return {{Table::gossip, std::string{addresses_key}, encode_addresses(record.addresses)}};
    }
    return {};
}

Result<swim::Snapshot> load_snapshot(const StateStore& store) {
    swim::Snapshot kept;
    JACKDAW_TRY(kept.incarnation_reserved, number_at<std::uint64_t>(store, reserve_key));
    JACKDAW_TRY(kept.boot, number_at<std::uint32_t>(store, boot_key));
    JACKDAW_TRY(const auto addresses, store.get(Table::gossip, addresses_key));
    if (addresses) {
        JACKDAW_TRY(kept.addresses, decode_addresses(*addresses));
    }
    return kept;
}

std::string encode_addresses(const std::vector<swim::NetAddress>& addresses) {
    std::string bytes;
    for (const auto& one : addresses) {
        bytes += static_cast<char>(one.ip_bytes);
        bytes.append(reinterpret_cast<const char*>(one.ip.data()), one.ip_bytes);
        bytes += big_endian(one.port);
    }
    return bytes;
}

Result<std::vector<swim::NetAddress>> decode_addresses(std::string_view bytes) {
    std::vector<swim::NetAddress> all;
    while (!bytes.empty()) {
        const auto ip_bytes = static_cast<std::size_t>(bytes.front());
        if ((ip_bytes != 4 && ip_bytes != 16) || bytes.size() < ip_bytes + 3 ||
            all.size() == addresses_max) {
            return unreadable(addresses_key);
        }
        auto& one = all.emplace_back();
        one.ip_bytes = static_cast<std::uint8_t>(ip_bytes);
        std::memcpy(one.ip.data(), bytes.data() + 1, ip_bytes);
        one.port =
            static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[ip_bytes + 1]) << 8U |
                                       static_cast<unsigned char>(bytes[ip_bytes + 2]));
        bytes.remove_prefix(ip_bytes + 3);
    }
    return all;
}

Change keep_ring(const Secret& text) {
    return {Table::gossip, std::string{ring_key}, std::string{text.reveal()}};
}

Result<std::optional<Secret>> load_ring(const StateStore& store) {
    JACKDAW_TRY(auto text, store.get(Table::gossip, ring_key));
    return text ? std::optional{Secret{*std::move(text)}} : std::nullopt;
}

} // namespace jackdaw::agent
