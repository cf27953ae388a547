#include "coordinator/cloud/local/subnet.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace jackdaw::cloud::local {
namespace {

constexpr std::uint32_t pool_base =
    0x0A400000; // 10.64.0.0/10: clear of Docker's 172.17 and of 10.0
constexpr std::uint32_t pool_subnets = 1U << 14U;

std::uint32_t mask_of(std::uint8_t length) noexcept {
    return length == 0 ? 0 : ~std::uint32_t{0} << (32U - length);
}

std::optional<std::uint32_t> small_number(std::string_view text, std::uint32_t max) {
    std::uint32_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || failure != std::errc{} || end != text.data() + text.size() || value > max ||
        (text.size() > 1 && text.front() == '0')) {
        return std::nullopt;
    }
    return value;
}

} // namespace

Result<std::uint32_t> parse_address(std::string_view text) {
    const std::string whole{text.substr(0, 64)};
    std::uint32_t address = 0;
    for (int part = 0; part < 4; ++part) {
        const std::size_t dot = part < 3 ? text.find('.') : text.size();
        const auto value =
            dot == std::string_view::npos ? std::nullopt : small_number(text.substr(0, dot), 255);
        if (!value) {
            return Error{Errc::invalid, fmt::format("'{}' is not an IPv4 address", whole)};
        }
        address = (address << 8U) | *value;
        text.remove_prefix(std::min(dot + 1, text.size()));
    }
    return address;
}

Result<Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    JACKDAW_TRY(const std::uint32_t address, parse_address(text.substr(0, slash)));
    if (slash == std::string_view::npos) {
        return Prefix{.address = address, .length = 32};
    }
    const auto length = small_number(text.substr(slash + 1), 32);
    if (!length) {
        return Error{Errc::invalid, fmt::format("'{}' is not an IPv4 network", text.substr(0, 64))};
    }
    const Prefix prefix{.address = address, .length = static_cast<std::uint8_t>(*length)};
    if ((address & ~mask_of(prefix.length)) != 0) {
        return Error{Errc::invalid, fmt::format("'{}' has bits behind its prefix", text)};
    }
    return prefix;
}

std::string format_address(std::uint32_t address) {
    return fmt::format("{}.{}.{}.{}", address >> 24U, (address >> 16U) & 255U,
                       (address >> 8U) & 255U, address & 255U);
}

std::string format_prefix(const Prefix& prefix) {
    return fmt::format("{}/{}", format_address(prefix.address), prefix.length);
}

Prefix network_of(const Prefix& address) noexcept {
    return {.address = address.address & mask_of(address.length), .length = address.length};
}

bool overlap(const Prefix& a, const Prefix& b) noexcept {
    const std::uint32_t mask = mask_of(std::min(a.length, b.length));
    return (a.address & mask) == (b.address & mask);
}

bool is_for_hosts(const Prefix& network) noexcept {
    constexpr std::array<Prefix, 4> others{Prefix{0x00000000, 8}, Prefix{0x7f000000, 8},
                                           Prefix{0xa9fe0000, 16}, Prefix{0xe0000000, 3}};
    return std::ranges::none_of(others,
                                [&](const Prefix& other) { return overlap(network, other); });
}

Result<Prefix> choose_subnet(std::uint64_t seed, std::span<const Prefix> used) {
    for (std::uint32_t attempt = 0; attempt < pool_subnets; ++attempt) {
        const auto index = static_cast<std::uint32_t>((seed + attempt) % pool_subnets);
        const Prefix subnet{.address = pool_base + (index << 8U), .length = fleet_prefix_length};
        if (std::none_of(used.begin(), used.end(), [&](const Prefix& other) {
                return other.length > 0 && overlap(subnet, other);
            })) {
            return subnet;
        }
    }
    return Error{Code::no_subnet, "every /24 of 10.64.0.0/10 is in use on this host"};
}

Result<std::uint32_t> choose_address(const Prefix& subnet, std::span<const std::uint32_t> taken) {
    for (std::uint32_t host = first_machine_host; host <= last_machine_host; ++host) {
        if (std::find(taken.begin(), taken.end(), subnet.address + host) == taken.end()) {
            return subnet.address + host;
        }
    }
    return Error{Errc::exhausted,
                 "the fleet's network " + format_prefix(subnet) + " has no free address"};
}

} // namespace jackdaw::cloud::local
