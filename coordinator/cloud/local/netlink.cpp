#include "coordinator/cloud/local/netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cassert>
#include <cerrno>

#include "coordinator/cloud/local/files.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::size_t receive_bytes =
    64U * 1024; ///< more than the kernel puts into one dump message
constexpr std::size_t dump_objects_max = 65'536;
constexpr std::size_t stale_messages_max = 1024;
constexpr timeval answer_time{.tv_sec = 5, .tv_usec = 0}; ///< the kernel answers at once, or never

constexpr std::size_t aligned(std::size_t size) noexcept {
    return (size + NLMSG_ALIGNTO - 1) & ~std::size_t{NLMSG_ALIGNTO - 1};
}

template <class T>
T load(std::span<const std::byte> bytes) {
    T value{};
    if (bytes.size() >= sizeof value) {
        std::memcpy(&value, bytes.data(), sizeof value);
    }
    return value;
}

/// Takes the first message off `bytes`; false when what is left is no whole message.
bool next_message(std::span<const std::byte>& bytes, nlmsghdr& header,
                  std::span<const std::byte>& body) {
    if (bytes.size() < sizeof header) {
        return false;
    }
    header = load<nlmsghdr>(bytes);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) {
        return false;
    }
    body = bytes.subspan(sizeof header, header.nlmsg_len - sizeof header);
    bytes = bytes.subspan(std::min(aligned(header.nlmsg_len), bytes.size()));
    return true;
}

int error_number(std::span<const std::byte> body) {
    return -load<nlmsgerr>(body).error;
}

} // namespace

void NetlinkMessage::start(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    append(std::as_bytes(std::span{&header, 1}));
}

void NetlinkMessage::append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    bytes_.resize(aligned(bytes_.size()));
}

void NetlinkMessage::put(std::uint16_t type, std::span<const std::byte> value) {
    const rtattr head{.rta_len = static_cast<std::uint16_t>(sizeof(rtattr) + value.size()),
                      .rta_type = type};
    append(std::as_bytes(std::span{&head, 1}));
    append(value);
}

void NetlinkMessage::put(std::uint16_t type, std::string_view text) {
    const std::string with_nul{text};
    put(type, std::as_bytes(std::span{with_nul.c_str(), with_nul.size() + 1}));
}

void NetlinkMessage::put(std::uint16_t type, std::uint32_t value) {
    put(type, std::as_bytes(std::span{&value, 1}));
}

void NetlinkMessage::put(std::uint16_t type, std::uint8_t value) {
    put(type, std::as_bytes(std::span{&value, 1}));
}

std::size_t NetlinkMessage::begin(std::uint16_t type) {
    const std::size_t place = bytes_.size();
    put(type, std::span<const std::byte>{});
    return place;
}

void NetlinkMessage::end(std::size_t nest) {
    assert(nest + sizeof(rtattr) <= bytes_.size());
    const auto length = static_cast<std::uint16_t>(bytes_.size() - nest);
    std::memcpy(bytes_.data() + nest + offsetof(rtattr, rta_len), &length, sizeof length);
}

std::span<const std::byte> NetlinkMessage::finish(std::uint32_t sequence) {
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    return bytes_;
}

std::span<const std::byte> nested_attribute(std::span<const std::byte> attributes,
                                            std::uint16_t type) {
    while (attributes.size() >= sizeof(rtattr)) {
        const auto head = load<rtattr>(attributes);
        if (head.rta_len < sizeof head || head.rta_len > attributes.size()) {
            break;
        }
        if ((head.rta_type & NLA_TYPE_MASK) == type) {
            return attributes.subspan(sizeof head, head.rta_len - sizeof head);
        }
        attributes = attributes.subspan(std::min(aligned(head.rta_len), attributes.size()));
    }
    return {};
}

std::span<const std::byte> NetlinkObject::attribute(std::size_t head_size,
                                                    std::uint16_t attribute_type) const {
    const std::size_t skip = std::min(aligned(head_size), body.size());
    return nested_attribute(std::span{body}.subspan(skip), attribute_type);
}

std::uint32_t number_of(std::span<const std::byte> attribute) {
    return load<std::uint32_t>(attribute);
}

std::string text_of(std::span<const std::byte> attribute) {
    const std::string text{reinterpret_cast<const char*>(attribute.data()), attribute.size()};
    return text.substr(0, text.find('\0'));
}

Result<Netlink> Netlink::open() {
    UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    if (!fd ||
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &answer_time, sizeof answer_time) != 0) {
        return os_error("open a netlink socket", errno);
    }
    return Netlink{std::move(fd)};
}

Result<void> Netlink::send(NetlinkMessage& message, const std::string& what) {
    const auto bytes = message.finish(++sequence_);
    if (::send(fd_.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        return os_error(what, errno);
    }
    return ok();
}

Result<std::vector<std::byte>> Netlink::receive(const std::string& what) {
    std::vector<std::byte> bytes(receive_bytes);
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0) {
        return os_error(what + ": wait for the kernel's answer", errno);
    }
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
}

Result<void> Netlink::request(NetlinkMessage message, std::string what) {
    JACKDAW_CHECK(send(message, what));
    for (std::size_t read = 0; read < stale_messages_max; ++read) {
        JACKDAW_TRY(const auto bytes, receive(what));
        std::span<const std::byte> rest{bytes};
        std::span<const std::byte> body;
        nlmsghdr header{};
        while (next_message(rest, header, body)) {
            if (header.nlmsg_seq != sequence_ || header.nlmsg_type != NLMSG_ERROR) {
                continue;
            }
            if (const int number = error_number(body); number != 0) {
                return os_error(std::move(what), number);
            }
            return ok();
        }
    }
    return Error{Errc::internal, what + ": no acknowledgement among the kernel's answers"};
}

Result<std::vector<NetlinkObject>> Netlink::dump(NetlinkMessage message, std::string what) {
    JACKDAW_CHECK(send(message, what));
    std::vector<NetlinkObject> objects;
    while (objects.size() < dump_objects_max) {
        JACKDAW_TRY(const auto bytes, receive(what));
        std::span<const std::byte> rest{bytes};
        std::span<const std::byte> body;
        nlmsghdr header{};
        while (next_message(rest, header, body)) {
            if (header.nlmsg_seq != sequence_) {
                continue;
            }
            if (header.nlmsg_type == NLMSG_DONE) {
                return objects;
            }
            if (header.nlmsg_type == NLMSG_ERROR) {
                return os_error(std::move(what), error_number(body));
            }
            objects.push_back({header.nlmsg_type, {body.begin(), body.end()}});
        }
    }
    return Error{Errc::exhausted, what + ": more objects than expected"};
}

} // namespace jackdaw::cloud::local
