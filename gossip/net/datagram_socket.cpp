#include "gossip/net/datagram_socket.h"

#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "proto/wire/gossip_codec.h"

namespace jackdaw::gossip {
namespace {

constexpr std::size_t bytes_max = proto::gossip_datagram_bytes_max;
/// Of one call: a flood of ICMP must not keep us from the datagrams.
constexpr std::size_t errors_at_once_max = 64;

union SocketName {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

bool is_link_local(const in6_addr& ip) {
    return IN6_IS_ADDR_LINKLOCAL(&ip) != 0;
}

socklen_t write_name(const NetAddress& from, std::uint32_t scope, SocketName& name) {
    name = {};
    if (from.ip_bytes == 4) {
        name.v4.sin_family = AF_INET;
        name.v4.sin_port = htons(from.port);
        std::memcpy(&name.v4.sin_addr, from.ip.data(), 4);
        return sizeof name.v4;
    }
    name.v6.sin6_family = AF_INET6;
    name.v6.sin6_port = htons(from.port);
    std::memcpy(&name.v6.sin6_addr, from.ip.data(), 16);
    name.v6.sin6_scope_id = is_link_local(name.v6.sin6_addr) ? scope : 0;
    return sizeof name.v6;
}

NetAddress read_name(const SocketName& name) {
    NetAddress address;
    if (name.any.sa_family == AF_INET) {
        address.ip_bytes = 4;
        address.port = ntohs(name.v4.sin_port);
        std::memcpy(address.ip.data(), &name.v4.sin_addr, 4);
    } else if (name.any.sa_family == AF_INET6) {
        address.ip_bytes = 16;
        address.port = ntohs(name.v6.sin6_port);
        std::memcpy(address.ip.data(), &name.v6.sin6_addr, 16);
    }
    return address;
}

std::error_code last_error() {
    return {errno, std::system_category()};
}

Error failed(std::string_view doing) {
    const auto cause = last_error();
    return Error{Errc::unavailable, fmt::format("{}: {}", doing, cause.message()), cause};
}

bool set(int fd, int level, int option, int value) {
    return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// Beyond net.core.rmem_max only with CAP_NET_ADMIN; without it up to that.
std::size_t ask_for_buffer(int fd, int bytes) {
    if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)) {
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, bytes); // never fails: it gives what it may
    }
    int got = 0;
    socklen_t size = sizeof got;
    return ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size) == 0 ? static_cast<std::size_t>(got)
                                                                     : 0;
}

} // namespace

struct DatagramSocket::Buffers {
    using Bytes = std::array<std::array<char, bytes_max>, batch_max>;
    struct Side {
        Bytes bytes;
        std::array<SocketName, batch_max> names;
        std::array<iovec, batch_max> places;
        std::array<mmsghdr, batch_max> heads;

        /// The bytes are left alone: places that are never used cost no memory.
        Side() : names{}, places{}, heads{} {
            for (std::size_t i = 0; i < batch_max; ++i) {
                places[i] = {bytes[i].data(), bytes_max};
                heads[i].msg_hdr.msg_name = &names[i];
                heads[i].msg_hdr.msg_namelen = sizeof names[i];
                heads[i].msg_hdr.msg_iov = &places[i];
                heads[i].msg_hdr.msg_iovlen = 1;
            }
        }
    };
    Side in;
    Side out;
    std::array<Received, batch_max> received{};
    std::array<NetAddress, refused_max> refused{};
};

DatagramSocket::DatagramSocket(UniqueFd bound)
    : socket_{std::move(bound)}, buffers_{std::make_unique<Buffers>()} {}
DatagramSocket::DatagramSocket(DatagramSocket&&) noexcept = default;
DatagramSocket& DatagramSocket::operator=(DatagramSocket&&) noexcept = default;
DatagramSocket::~DatagramSocket() = default;

Result<DatagramSocket> DatagramSocket::open(const NetAddress& at, std::uint32_t scope) {
    if (!at.is_set()) {
        return Error{Errc::invalid, "a gossip socket without an address"};
    }
    const int family = at.ip_bytes == 4 ? AF_INET : AF_INET6;
    UniqueFd socket{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
        return failed("make a gossip socket");
    }
    // An IPv4 peer has its own socket and one form of its address.
    if (family == AF_INET6 && !set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
        return failed("keep IPv4 off the IPv6 gossip socket");
    }
    SocketName name;
    const auto size = write_name(at, scope, name);
    if (::bind(socket.get(), &name.any, size) != 0) {
        return failed(fmt::format("bind the gossip socket to port {}", at.port));
    }
    return adopt(std::move(socket));
}

Result<DatagramSocket> DatagramSocket::adopt(UniqueFd bound) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(bound.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM) {
        return Error{Errc::invalid, "what was given as gossip's socket is no datagram socket"};
    }
    DatagramSocket socket{std::move(bound)};
    JACKDAW_CHECK(socket.configure());
    return socket;
}

Result<void> DatagramSocket::configure() {
    SocketName name{};
    socklen_t size = sizeof name;
    if (::getsockname(socket_.get(), &name.any, &size) != 0) {
        return failed("ask for the gossip socket's address");
    }
    address_ = read_name(name);
    if (!address_.is_set() || address_.port == 0) {
        return Error{Errc::invalid, "what was given as gossip's socket is not bound to a UDP port"};
    }
    const int fd = socket_.get();
    if (address_.ip_bytes == 4) {
        if (!set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) ||
            !set(fd, IPPROTO_IP, IP_RECVERR, 1)) {
            return failed("set up the IPv4 gossip socket");
        }
    } else {
        scope_ = name.v6.sin6_scope_id;
        if (!set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) ||
            !set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1) || !set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1)) {
            return failed("set up the IPv6 gossip socket");
        }
    }
    buffer_bytes_ = ask_for_buffer(fd, receive_buffer_asked_bytes);
    (void)take_lost(); // one that was handed over may have lost some before us
    counters_.lost = 0;
    return ok();
}

// --- Receiving ----------------------------------------------------------------------------------

DatagramSocket::Batch DatagramSocket::read() {
    auto& heads = buffers_->in.heads;
    for (std::size_t attempt = 0; attempt < errors_at_once_max; ++attempt) {
        const int got = ::recvmmsg(socket_.get(), heads.data(), batch_max, MSG_DONTWAIT, nullptr);
        if (got > 0) {
            read_something_ = true;
            return take(static_cast<std::size_t>(got));
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            // Woken for nothing: only the error queue can be why, and it wakes until it is empty.
            if (!std::exchange(read_something_, false)) {
                (void)read_errors();
            }
            return {};
        }
        // An ICMP error of some peer stands before the datagrams; the call took it.
        if (errno != EINTR && read_errors() == 0) {
            break;
        }
    }
    ++counters_.reads_failed;
    return {{}, 0, true};
}

DatagramSocket::Batch DatagramSocket::take(std::size_t count) {
    std::size_t good = 0;
    for (std::size_t i = 0; i < count; ++i) {
        auto& head = buffers_->in.heads[i];
        if ((head.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
            ++counters_.too_long;
        } else if (!is_answerable(i)) {
            ++counters_.unanswerable;
        } else {
            buffers_->received[good++] = {read_name(buffers_->in.names[i]),
                                          {buffers_->in.bytes[i].data(), head.msg_len}};
            counters_.received_bytes += head.msg_len;
        }
        head.msg_hdr.msg_namelen = sizeof(SocketName);
    }
    counters_.received += good;
    return {std::span{buffers_->received}.first(good), count, false};
}

bool DatagramSocket::is_answerable(std::size_t index) const noexcept {
    const auto& name = buffers_->in.names[index];
    if (name.any.sa_family == AF_INET) {
        return name.v4.sin_port != 0;
    }
    return name.v6.sin6_port != 0 &&
           (!is_link_local(name.v6.sin6_addr) || name.v6.sin6_scope_id == scope_);
}

std::uint64_t DatagramSocket::take_lost() {
    std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, info.data(), &size) != 0 ||
        size < (SK_MEMINFO_DROPS + 1) * sizeof info[0]) {
        return 0; // a kernel before 4.12
    }
    const auto lost = info[SK_MEMINFO_DROPS] - std::exchange(kernel_lost_, info[SK_MEMINFO_DROPS]);
    counters_.lost += lost;
    return lost;
}

// --- Errors of the network ----------------------------------------------------------------------

std::size_t DatagramSocket::read_errors() {
    std::size_t count = 0;
    for (; count < errors_at_once_max; ++count) {
        SocketName name{};
        alignas(cmsghdr) std::array<char, 256> control; // one error with the offender: 64 bytes
        msghdr message{};
        message.msg_name = &name;
        message.msg_namelen = sizeof name;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        if (::recvmsg(socket_.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            break;
        }
        take_error(message);
    }
    return count;
}

void DatagramSocket::take_error(msghdr& message) {
    for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        const bool is_error = (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
                              (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR);
        if (!is_error || part->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) {
            continue;
        }
        sock_extended_err error{};
        std::memcpy(&error, CMSG_DATA(part), sizeof error);
        if (error.ee_origin == SO_EE_ORIGIN_LOCAL) {
            continue; // the send that it is about told of it and was counted
        }
        if (error.ee_errno != ECONNREFUSED) {
            ++counters_.icmp_other;
            continue;
        }
        ++counters_.refused;
        const auto whom = read_name(*static_cast<const SocketName*>(message.msg_name));
        if (whom.is_set() && refused_count_ < refused_max) {
            buffers_->refused[(refused_first_ + refused_count_++) % refused_max] = whom;
        }
    }
}

std::optional<NetAddress> DatagramSocket::poll_refused() noexcept {
    if (refused_count_ == 0) {
        return std::nullopt;
    }
    const auto whom = buffers_->refused[refused_first_];
    refused_first_ = (refused_first_ + 1) % refused_max;
    --refused_count_;
    return whom;
}

// --- Sending ------------------------------------------------------------------------------------

std::span<char> DatagramSocket::slot() {
    if (queued_ == batch_max) {
        flush();
    }
    return buffers_->out.bytes[queued_];
}

void DatagramSocket::queue(const NetAddress& to, std::size_t bytes) {
    assert(queued_ < batch_max && bytes <= bytes_max && to.ip_bytes == address_.ip_bytes);
    auto& head = buffers_->out.heads[queued_].msg_hdr;
    head.msg_namelen = write_name(to, scope_, buffers_->out.names[queued_]);
    buffers_->out.places[queued_].iov_len = bytes;
    ++queued_;
}

void DatagramSocket::flush() {
    bool may_retry = true;
    for (std::size_t done = 0; done < queued_;) {
        const auto more = send_from(done, may_retry);
        may_retry = more != 0; // the same datagram is tried twice at most
        done += more;
    }
    queued_ = 0;
}

std::size_t DatagramSocket::send_from(std::size_t first, bool may_retry) {
    auto& heads = buffers_->out.heads;
    const auto left = queued_ - first;
    const int sent =
        ::sendmmsg(socket_.get(), &heads[first], static_cast<unsigned>(left), MSG_DONTWAIT);
    if (sent > 0) {
        counters_.sent += static_cast<std::uint64_t>(sent);
        for (std::size_t i = first; i < first + static_cast<std::size_t>(sent); ++i) {
            counters_.sent_bytes += heads[i].msg_len;
        }
        return static_cast<std::size_t>(sent);
    }
    const int why = errno;
    if (why == EAGAIN || why == EWOULDBLOCK) {
        counters_.send_full += left; // what is full for one is full for all
        return left;
    }
    const bool was_others = read_errors() > 0;
    if (why == EMSGSIZE) {
        ++counters_.send_too_big;
    } else if (why == ENOBUFS) {
        ++counters_.send_full;
    } else if (may_retry && (was_others || why == EINTR)) {
        return 0;
    } else {
        ++counters_.send_failed;
    }
    return 1;
}

} // namespace jackdaw::gossip
