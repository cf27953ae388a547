#pragma once
// Identifiers that several programs agree on, as text and as bytes. No clock and no randomness
// of their own: the caller hands both in.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/base/error.h"

namespace jackdaw {

/// A UUIDv7 (RFC 9562, section 5.7) as text of 36 characters: 48 bits of Unix milliseconds,
/// then random bits. Sorts by time of making.
[[nodiscard]] std::string make_uuid7(std::int64_t unix_ms, std::span<const std::byte, 10> random);
/// Is it a UUID in the text form with lower-case digits?
[[nodiscard]] bool is_uuid(std::string_view text) noexcept;

[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);
/// `invalid` for an odd length or another character than 0-9a-f.
[[nodiscard]] Result<std::string> from_hex(std::string_view text);

/// What udev names a virtio disk by: at most 20 characters of the volume's id, since virtio-blk
/// cuts there (virtio 1.1, section 5.2.6.1: VIRTIO_BLK_T_GET_ID). Every user of a serial cuts it
/// here.
[[nodiscard]] std::string volume_serial(std::string_view volume_id);

/// RFC 3339 in UTC with milliseconds: "2026-11-24T10:51:00.123Z".
[[nodiscard]] std::string rfc3339(std::int64_t unix_ms);

/// An instance's or fleet's name: 1 to 63 of a-z 0-9 and '-', a letter first, no '-' at the end (a
/// DNS label, RFC 1035 section 2.3.1). E-BAD-NAME otherwise; `what` names the kind in the message.
[[nodiscard]] Result<void> check_label(std::string_view name, std::string_view what);

} // namespace jackdaw
