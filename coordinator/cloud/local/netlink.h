#pragma once
// rtnetlink (rtnetlink(7)): requests, their acknowledgements, and dumps. No program is forked for
// it, since a forked one would go on after its coordinator was killed.

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "proto/base/error.h"
#include "proto/base/unique_fd.h"

namespace jackdaw::cloud::local {

/// One request being written: header, the family's own struct, attributes.
class NetlinkMessage {
public:
    template <class Body>
    NetlinkMessage(std::uint16_t type, std::uint16_t flags, const Body& body) {
        static_assert(std::is_trivially_copyable_v<Body>);
        start(type, flags);
        append(std::as_bytes(std::span{&body, 1}));
    }

    void put(std::uint16_t type, std::span<const std::byte> value);
    void put(std::uint16_t type, std::string_view text); ///< with its NUL
    void put(std::uint16_t type, std::uint32_t value);
    void put(std::uint16_t type, std::uint8_t value);
    /// Attributes until end() are inside this one; `body` of a fixed struct first, if any.
    [[nodiscard]] std::size_t begin(std::uint16_t type);
    void end(std::size_t nest);
    void append(std::span<const std::byte> bytes);

    [[nodiscard]] std::span<const std::byte> finish(std::uint32_t sequence);

private:
    void start(std::uint16_t type, std::uint16_t flags);
    std::vector<std::byte> bytes_;
};

/// One object of a dump.
struct NetlinkObject {
    std::uint16_t type = 0;
    std::vector<std::byte> body; ///< the family's struct, then attributes

    template <class Body>
    [[nodiscard]] Body head() const {
        static_assert(std::is_trivially_copyable_v<Body>);
        Body head{};
        if (body.size() >= sizeof head) {
            std::memcpy(&head, body.data(), sizeof head);
        }
        return head;
    }
    /// The attribute of this type behind a struct of `head_size` bytes; empty when absent. Views
    /// the object.
    [[nodiscard]] std::span<const std::byte> attribute(std::size_t head_size,
                                                       std::uint16_t attribute_type) const;
};

/// An attribute inside a nested one.
[[nodiscard]] std::span<const std::byte> nested_attribute(std::span<const std::byte> attributes,
                                                          std::uint16_t type);
[[nodiscard]] std::uint32_t number_of(std::span<const std::byte> attribute);
[[nodiscard]] std::string text_of(std::span<const std::byte> attribute);

/// A socket in the caller's network namespace. Not thread-safe.
class Netlink {
public:
    [[nodiscard]] static Result<Netlink> open();

    /// Sends it and waits for the acknowledgement. The Error's cause() is the kernel's errno.
    [[nodiscard]] Result<void> request(NetlinkMessage message, std::string what);
    /// All objects of a dump request, at most 65,536.
    [[nodiscard]] Result<std::vector<NetlinkObject>> dump(NetlinkMessage message, std::string what);

private:
    explicit Netlink(UniqueFd fd) noexcept : fd_{std::move(fd)} {}
    [[nodiscard]] Result<void> send(NetlinkMessage& message, const std::string& what);
    [[nodiscard]] Result<std::vector<std::byte>> receive(const std::string& what);

    UniqueFd fd_;
    std::uint32_t sequence_ = 0;
};

} // namespace jackdaw::cloud::local
