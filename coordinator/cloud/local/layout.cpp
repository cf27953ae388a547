#include "coordinator/cloud/local/layout.h"

#include <charconv>

#include <fmt/format.h>
#include <sodium.h>

namespace jackdaw::cloud::local {

Layout::Layout(const std::filesystem::path& state_root, const std::string& fleet)
    : fleet_{state_root / fleet} {
    std::array<unsigned char, crypto_generichash_BYTES_MIN> hash{};
    const std::string& path = fleet_.native();
    crypto_generichash(hash.data(), hash.size(),
                       reinterpret_cast<const unsigned char*>(path.data()), path.size(), nullptr,
                       0);
    for (std::size_t i = 0; i < 4; ++i) {
        seed_ = (seed_ << 8U) | hash[i];
    }
    tag_ = fmt::format("{:08x}", seed_);
}

std::filesystem::path Layout::machine(std::string_view name) const {
    return machines() / name;
}

std::filesystem::path Layout::machine_file(std::string_view name) const {
    return machine(name) / "machine.json";
}

std::filesystem::path Layout::machine_lock(std::string_view name) const {
    return machine(name) / "lock";
}

std::filesystem::path Layout::volume_file(std::string_view id) const {
    return volumes() / fmt::format("{}.json", id);
}

std::filesystem::path Layout::volume_image(std::string_view id) const {
    return volumes() / fmt::format("{}.img", id);
}

std::string Layout::veth(std::uint32_t address) const {
    return fmt::format("jk{}-{}", tag_, address & 255U);
}

std::optional<std::uint32_t> Layout::host_of(std::string_view veth_name) const {
    const std::string prefix = fmt::format("jk{}-", tag_);
    if (!veth_name.starts_with(prefix)) {
        return std::nullopt;
    }
    veth_name.remove_prefix(prefix.size());
    const std::string digits{veth_name};
    std::uint32_t host = 0;
    const char* last = digits.c_str() + digits.size();
    const auto [end, failure] = std::from_chars(digits.c_str(), last, host);
    if (digits.empty() || failure != std::errc{} || end != last || host > 255) {
        return std::nullopt;
    }
    return host;
}

std::array<std::uint8_t, 6> Layout::mac(std::uint32_t address) const {
    return {0x02,
            static_cast<std::uint8_t>(seed_ >> 24U),
            static_cast<std::uint8_t>(seed_ >> 16U),
            static_cast<std::uint8_t>(seed_ >> 8U),
            static_cast<std::uint8_t>(seed_),
            static_cast<std::uint8_t>(address)};
}

} // namespace jackdaw::cloud::local
