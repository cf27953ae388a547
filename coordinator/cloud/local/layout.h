#pragma once
// Where a fleet's things are and what they are called. Names in the kernel derive from the fleet's
// tag, a hash of its state folder: two fleets of one name under two state roots never meet, and an
// orphan is known by its name. Pure.

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace jackdaw::cloud::local {

class Layout {
public:
    /// `state_root` absolute. The tag is 8 hex digits of BLAKE2b over "STATE_ROOT/FLEET".
    Layout(const std::filesystem::path& state_root, const std::string& fleet);

    [[nodiscard]] const std::filesystem::path& fleet_folder() const noexcept { return fleet_; }
    [[nodiscard]] std::filesystem::path network_file() const { return fleet_ / "network.json"; }
    [[nodiscard]] std::filesystem::path machines() const { return fleet_ / "machines"; }
    [[nodiscard]] std::filesystem::path machine(std::string_view name) const;
    [[nodiscard]] std::filesystem::path machine_file(std::string_view name) const;
    [[nodiscard]] std::filesystem::path machine_lock(std::string_view name) const;
    [[nodiscard]] std::filesystem::path volumes() const { return fleet_ / "volumes"; }
    [[nodiscard]] std::filesystem::path volume_file(std::string_view id) const;
    [[nodiscard]] std::filesystem::path volume_image(std::string_view id) const;

    [[nodiscard]] const std::string& tag() const noexcept { return tag_; }
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    /// "jk0123abcd-br": at most 15 bytes (IFNAMSIZ), and no prefix that systemd-networkd has a rule
    /// for.
    [[nodiscard]] std::string bridge() const { return "jk" + tag_ + "-br"; }
    /// "jk0123abcd-17" for the machine whose address ends in 17.
    [[nodiscard]] std::string veth(std::uint32_t address) const;
    /// The last byte of the address in a veth's or a rule table's name of this fleet.
    [[nodiscard]] std::optional<std::uint32_t> host_of(std::string_view veth_name) const;
    /// Locally administered (IEEE 802 bit 1 of the first byte), from the tag and the address.
    [[nodiscard]] std::array<std::uint8_t, 6> mac(std::uint32_t address) const;
    /// Of nftables, family netdev. The same form as the veth's, so that host_of() reads it.
    [[nodiscard]] std::string rule_table(std::uint32_t address) const { return veth(address); }
    [[nodiscard]] std::string cgroup() const { return "jackdaw-" + tag_; }

private:
    std::filesystem::path fleet_;
    std::uint64_t seed_ = 0;
    std::string tag_;
};

} // namespace jackdaw::cloud::local
