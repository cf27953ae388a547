#pragma once
// What stands inside one record of state.mdb. Little endian; kept for ever but for the format
// number.
//
//   key    table (1 byte), then the caller's key
//   value  checksum (16 bytes, BLAKE2b-128 over key length, key and payload), then the payload
//
// The first record (key: one byte 0) is the header, rewritten by every commit:
//   payload  format u32, reserved u32, transaction u64 (LMDB's own), records u64 (without the
//   header),
//            sum 16 bytes: all records' checksums added up, so that a record that vanished is
//            missed

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jackdaw::agent::state {

inline constexpr std::uint32_t format_number = 1;
inline constexpr std::size_t checksum_size = 16;
inline constexpr std::size_t header_payload_size = 40;
inline constexpr std::string_view header_key{"\0", 1};

using Checksum = std::array<unsigned char, checksum_size>;

/// Of a whole key (table byte included) and its payload.
[[nodiscard]] Checksum checksum(std::string_view full_key, std::string_view payload);

/// An order-free sum of checksums, modulo 2^128.
struct Sum {
    std::uint64_t low = 0, high = 0;
    void add(const Checksum& value);
    void subtract(const Checksum& value);
    friend bool operator==(const Sum&, const Sum&) = default;
};

struct Header {
    std::uint32_t format = format_number;
    std::uint64_t transaction = 0;
    std::uint64_t records = 0;
    Sum sum;
};

[[nodiscard]] std::string encode(const Header& header);
/// nullopt when it is shorter than a header of any format.
[[nodiscard]] std::optional<Header> decode_header(std::string_view payload);

/// checksum + payload, as stored.
[[nodiscard]] std::string seal(std::string_view full_key, std::string_view payload);
/// The payload; nullopt when the checksum does not fit.
[[nodiscard]] std::optional<std::string_view> unseal(std::string_view full_key,
                                                     std::string_view stored);
/// The first bytes of a stored value; all zero when it is too short.
[[nodiscard]] Checksum stored_checksum(std::string_view stored);

} // namespace jackdaw::agent::state
