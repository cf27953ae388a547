#include "proto/wire/member_status.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "proto/base/ids.h"
#include "proto/wire/msgpack_plain.h"

namespace jackdaw::proto {
namespace {

constexpr std::uint8_t schema = 1;
constexpr std::size_t fields = 18;
constexpr std::uint64_t tells_upkeep_bit = 1, needs_restart_bit = 2;
constexpr std::uint64_t time_s_max = 253'402'300'799; ///< the year 9999 has four digits
constexpr std::size_t uuid_bytes = 16;
/// By number on the wire: only ever appended to.
constexpr std::array<std::string_view, 8> states{"",         "building", "running",  "stopped",
                                                 "degraded", "failed",   "deleting", "unreachable"};
// The worst of it: the array and the numbers, then the texts and bins with their heads.
static_assert(3 + 1 + 9 + 2 + 2 + 9 + 3 * 2 + 5 + 25 + 5 + 17 + 18 + 20 + 1 + 9 + 5 + 5 <=
              gossip_status_bytes_max);

std::uint32_t version_number(std::string_view text) {
    std::array<std::uint32_t, 3> part{};
    const auto* at = text.data();
    const auto* const end = text.data() + text.size();
    for (std::size_t i = 0; i < part.size(); ++i) {
        const auto [next, ec] = std::from_chars(at, end, part[i]);
        const bool goes_on = i < 2 ? next != end && *next == '.' : next == end;
        if (ec != std::errc{} || !goes_on || part[i] > (i == 0 ? 0xFFU : 0xFFFU)) {
            return 0;
        }
        at = next + 1;
    }
    return part[0] << 24U | part[1] << 12U | part[2];
}

std::string version_text(std::uint32_t number) {
    return number == 0
               ? std::string{}
               : fmt::format("{}.{}.{}", number >> 24U, number >> 12U & 0xFFFU, number & 0xFFFU);
}

std::string uuid_to_bytes(std::string_view text) {
    if (!is_uuid(text)) {
        return {};
    }
    std::string digits{text};
    std::erase(digits, '-');
    return from_hex(digits).value_or(std::string{});
}

std::string uuid_from_bytes(std::string_view bytes) {
    auto text = to_hex(std::as_bytes(std::span{bytes}));
    for (const std::size_t at : {8U, 13U, 18U, 23U}) {
        text.insert(at, 1, '-');
    }
    return text;
}

std::string address_to_bytes(const NetAddress& address) {
    std::string bytes(reinterpret_cast<const char*>(address.ip.data()), address.ip_bytes);
    if (address.is_set()) {
        bytes += static_cast<char>(address.port >> 8U);
        bytes += static_cast<char>(address.port & 0xFFU);
    }
    return bytes;
}

/// False for another size.
bool address_from_bytes(std::string_view bytes, NetAddress& into) {
    if (bytes.empty()) {
        return true;
    }
    const auto size = bytes.size() - 2;
    if (bytes.size() != 6 && bytes.size() != 18) {
        return false;
    }
    std::memcpy(into.ip.data(), bytes.data(), size);
    into.ip_bytes = static_cast<std::uint8_t>(size);
    into.port = static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[size]) << 8U |
                                           static_cast<unsigned char>(bytes[size + 1]));
    return true;
}

bool is_printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

} // namespace

std::string encode_member_status(const MemberStatus& status) {
    std::array<char, gossip_status_bytes_max> buffer{};
    MsgpackWriter out{buffer};
    const auto* const state = std::ranges::find(states, status.db_state);
    out.array(fields);
    out.uint(schema);
    out.uint(status.cluster);
    out.uint(status.role);
    out.uint(state == states.end() ? 0 : static_cast<std::uint64_t>(state - states.begin()));
    out.uint(status.epoch);
    out.uint(status.lag_class);
    out.uint(status.load_class);
    out.uint(status.disk_class);
    out.uint(version_number(status.agent_version));
    const auto text = [&out](std::string_view value, std::size_t bytes_max) {
        out.str(is_printable(value) ? value.substr(0, bytes_max) : std::string_view{});
    };
    text(status.db_version, db_version_bytes_max);
    out.uint(status.alerts);
    text(status.datastore, datastore_name_bytes_max);
    out.bin(uuid_to_bytes(status.instance_id));
    out.bin(address_to_bytes(status.address));
    out.uint((status.tells_upkeep ? tells_upkeep_bit : 0) |
             (status.needs_restart ? needs_restart_bit : 0));
    out.uint(status.maintenance_until_s);
    out.uint(status.key_version);
    out.uint(status.key_id);
    return std::string{out.written()};
}

std::optional<MemberStatus> decode_member_status(std::string_view bytes) {
    MemberStatus status;
    MsgpackReader in{bytes};
    MsgpackFields field{in, 4};
    if (bytes.size() > gossip_status_bytes_max || field.uint(0xFF) != schema || in.is_bad()) {
        return std::nullopt;
    }
    field.into(status.cluster);
    field.into(status.role);
    const auto state = field.uint(0xFF);
    status.db_state = state < states.size() ? states[state] : "unknown";
    field.into(status.epoch);
    field.into(status.lag_class);
    field.into(status.load_class);
    field.into(status.disk_class);
    status.agent_version = version_text(static_cast<std::uint32_t>(field.uint(0xFFFF'FFFFU)));
    status.db_version = field.str(db_version_bytes_max);
    field.into(status.alerts);
    status.datastore = field.str(datastore_name_bytes_max);
    const auto id = field.bin(uuid_bytes);
    const auto address = field.bin(18);
    const auto upkeep = field.uint(0xFF);
    status.tells_upkeep = (upkeep & tells_upkeep_bit) != 0;
    status.needs_restart = (upkeep & needs_restart_bit) != 0;
    field.into(status.maintenance_until_s, time_s_max);
    field.into(status.key_version);
    field.into(status.key_id);
    field.skip_rest();
    if (in.is_bad() || !in.at_end() || (!id.empty() && id.size() != uuid_bytes) ||
        !is_printable(status.db_version) || !is_printable(status.datastore) ||
        !address_from_bytes(address, status.address)) {
        return std::nullopt;
    }
    status.instance_id = id.empty() ? std::string{} : uuid_from_bytes(id);
    return status;
}

bool is_urgent(const MemberStatus& before, const MemberStatus& after) {
    auto same = after;
    same.lag_class = before.lag_class;
    same.load_class = before.load_class;
    same.disk_class = before.disk_class;
    return same != before;
}

std::uint8_t eighth_of(std::uint64_t part, std::uint64_t whole, std::uint8_t before) noexcept {
    if (whole == 0) {
        return 0;
    }
    const auto fill = static_cast<double>(part) / static_cast<double>(whole);
    const auto now = static_cast<std::uint8_t>(std::clamp(fill * 8, 0.0, 7.0));
    constexpr double margin = 1.0 / 64;
    const bool is_near = fill > before / 8.0 - margin && fill < (before + 1) / 8.0 + margin;
    return is_near ? before : now;
}

std::string text_of(const NetAddress& address) {
    if (!address.is_set()) {
        return {};
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool is_v6 = address.ip_bytes == 16;
    ::inet_ntop(is_v6 ? AF_INET6 : AF_INET, address.ip.data(), text.data(), text.size());
    return is_v6 ? fmt::format("[{}]:{}", text.data(), address.port)
                 : fmt::format("{}:{}", text.data(), address.port);
}

std::optional<NetAddress> net_address(const std::string& host, std::uint16_t port) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        return net_address(host.substr(1, host.size() - 2), port);
    }
    NetAddress address;
    address.port = port;
    if (::inet_pton(AF_INET, host.c_str(), address.ip.data()) == 1) {
        address.ip_bytes = 4;
    } else if (::inet_pton(AF_INET6, host.c_str(), address.ip.data()) == 1) {
        address.ip_bytes = 16;
        // An IPv4 address in IPv6's words (RFC 4291, section 2.5.5.2): a peer has one form.
        constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
        if (std::equal(mapped.begin(), mapped.end(), address.ip.begin())) {
            std::copy(address.ip.begin() + mapped.size(), address.ip.end(), address.ip.begin());
            std::fill(address.ip.begin() + 4, address.ip.end(), std::uint8_t{0});
            address.ip_bytes = 4;
        }
    } else {
        return std::nullopt;
    }
    return address;
}

} // namespace jackdaw::proto
