#include "agent/state/format.h"

#include <cstring>

#include <sodium.h>

namespace jackdaw::agent::state {
namespace {

template <class Integer>
void put(std::string& out, Integer value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
        out.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
    }
}

template <class Integer>
Integer take(std::string_view bytes, std::size_t at) {
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) {
        value |= static_cast<Integer>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    }
    return value;
}

Sum as_sum(const Checksum& value) {
    const std::string_view bytes{reinterpret_cast<const char*>(value.data()), value.size()};
    return Sum{take<std::uint64_t>(bytes, 0), take<std::uint64_t>(bytes, 8)};
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

} // namespace

Checksum checksum(std::string_view full_key, std::string_view payload) {
    std::string length;
    put(length, static_cast<std::uint32_t>(full_key.size()));
    Checksum sum{};
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, nullptr, 0, sum.size());
    crypto_generichash_update(&hash, bytes_of(length), length.size());
    crypto_generichash_update(&hash, bytes_of(full_key), full_key.size());
    crypto_generichash_update(&hash, bytes_of(payload), payload.size());
    crypto_generichash_final(&hash, sum.data(), sum.size());
    return sum;
}

void Sum::add(const Checksum& value) {
    const auto other = as_sum(value);
    low += other.low;
    high += other.high + (low < other.low ? 1 : 0);
}

void Sum::subtract(const Checksum& value) {
    const auto other = as_sum(value);
    high -= other.high + (low < other.low ? 1 : 0);
    low -= other.low;
}

std::string encode(const Header& header) {
    std::string out;
    out.reserve(header_payload_size);
    put(out, header.format);
    put(out, std::uint32_t{0});
    put(out, header.transaction);
    put(out, header.records);
    put(out, header.sum.low);
    put(out, header.sum.high);
    return out;
}

std::optional<Header> decode_header(std::string_view payload) {
    if (payload.size() < header_payload_size) {
        return std::nullopt;
    }
    Header header;
    header.format = take<std::uint32_t>(payload, 0);
    header.transaction = take<std::uint64_t>(payload, 8);
    header.records = take<std::uint64_t>(payload, 16);
    header.sum.low = take<std::uint64_t>(payload, 24);
    header.sum.high = take<std::uint64_t>(payload, 32);
    return header;
}

std::string seal(std::string_view full_key, std::string_view payload) {
    const auto sum = checksum(full_key, payload);
    std::string out;
    out.reserve(sum.size() + payload.size());
    out.append(reinterpret_cast<const char*>(sum.data()), sum.size());
    out.append(payload);
    return out;
}

Checksum stored_checksum(std::string_view stored) {
    Checksum sum{};
    if (stored.size() >= sum.size()) {
        std::memcpy(sum.data(), stored.data(), sum.size());
    }
    return sum;
}

std::optional<std::string_view> unseal(std::string_view full_key, std::string_view stored) {
    if (stored.size() < checksum_size) {
        return std::nullopt;
    }
    const auto payload = stored.substr(checksum_size);
    if (checksum(full_key, payload) != stored_checksum(stored)) {
        return std::nullopt;
    }
    return payload;
}

} // namespace jackdaw::agent::state
