#pragma once
// IPv4 prefixes as text and numbers, and the choice of a /24 for a fleet. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::cloud::local {

struct Prefix {
    std::uint32_t address = 0; ///< host byte order
    std::uint8_t length = 0;   ///< 0 to 32
    friend bool operator==(const Prefix&, const Prefix&) = default;
};

inline constexpr std::uint8_t fleet_prefix_length = 24;
inline constexpr std::uint32_t gateway_host = 1; ///< the coordinator's end: the bridge
inline constexpr std::uint32_t first_machine_host = 10;
inline constexpr std::uint32_t last_machine_host = 254;

/// "10.1.2.0/24"; a bare address is a /32. `invalid` otherwise, or when bits stand behind the
/// prefix.
[[nodiscard]] Result<Prefix> parse_prefix(std::string_view text);
/// Dotted quad only: no leading zeros, no short forms.
[[nodiscard]] Result<std::uint32_t> parse_address(std::string_view text);
[[nodiscard]] std::string format_address(std::uint32_t address);
[[nodiscard]] std::string format_prefix(const Prefix& prefix);

/// The network that an address with its prefix length is in.
[[nodiscard]] Prefix network_of(const Prefix& address) noexcept;
[[nodiscard]] bool overlap(const Prefix& a, const Prefix& b) noexcept;

/// False for what no host may have as its address: "this network", loopback, link-local, multicast
/// and reserved (RFC 6890, table 1 to 16; RFC 5771).
[[nodiscard]] bool is_for_hosts(const Prefix& network) noexcept;

/// A /24 within 10.64.0.0/10 that meets none of `used`, begun at a place that `seed` picks (so that
/// two fleets seldom try the same one first). Prefixes of length 0 do not count. E-NO-SUBNET when
/// all 16,384 are taken.
[[nodiscard]] Result<Prefix> choose_subnet(std::uint64_t seed, std::span<const Prefix> used);

/// The lowest machine address of the subnet that is not in `taken`; `exhausted` when all 245 are.
[[nodiscard]] Result<std::uint32_t> choose_address(const Prefix& subnet,
                                                   std::span<const std::uint32_t> taken);

} // namespace jackdaw::cloud::local
