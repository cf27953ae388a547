#include "proto/wire/channel_codec.h"

#include <fmt/format.h>
#include <msgpack.hpp>

namespace jackdaw::proto {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint8_t compat_version = 1;
constexpr std::uint32_t fields_min = 10;
constexpr std::uint32_t fields_max = 32; ///< room for what later versions add

} // namespace

std::string encode(const ChannelMessage& message) {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out{buffer};
    out.pack_array(fields_min);
    out.pack(version);
    out.pack(compat_version);
    out.pack(static_cast<std::uint8_t>(message.kind));
    out.pack(message.id);
    out.pack(message.method);
    out.pack(message.path);
    out.pack_bin(static_cast<std::uint32_t>(message.body.size()));
    out.pack_bin_body(message.body.data(), static_cast<std::uint32_t>(message.body.size()));
    out.pack(message.status);
    out.pack(message.deadline_ms);
    out.pack(message.idempotency_key);
    return {buffer.data(), buffer.size()};
}

Result<ChannelMessage> decode_channel(std::string_view bytes) {
    const msgpack::unpack_limit limit{
        /*array=*/fields_max,           /*map=*/fields_max, /*str=*/1U << 17U,
        /*bin=*/channel_body_bytes_max, /*ext=*/0,          /*depth=*/4};
    try {
        std::size_t offset = 0;
        const auto handle =
            msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, limit);
        const auto& object = handle.get();
        if (offset != bytes.size() || object.type != msgpack::type::ARRAY ||
            object.via.array.size < fields_min) {
            return Error{Code::protocol, "a channel message of another shape"};
        }
        const auto* const field = object.via.array.ptr;
        if (field[1].as<std::uint8_t>() > version) {
            return Error{
                Code::protocol,
                fmt::format("the peer speaks version {} of the channel and asks for at least {}; "
                            "this is {}",
                            field[0].as<std::uint8_t>(), field[1].as<std::uint8_t>(), version)};
        }
        ChannelMessage message;
        const auto kind = field[2].as<std::uint8_t>();
        if (kind < 1 || kind > 5 || field[6].type != msgpack::type::BIN) {
            return Error{Code::protocol, "a channel message of a kind that is not known here"};
        }
        message.kind = static_cast<ChannelKind>(kind);
        message.id = field[3].as<std::uint32_t>();
        message.method = field[4].as<std::string>();
        message.path = field[5].as<std::string>();
        message.body.assign(field[6].via.bin.ptr, field[6].via.bin.size);
        message.status = field[7].as<std::uint32_t>();
        message.deadline_ms = field[8].as<std::uint64_t>();
        message.idempotency_key = field[9].as<std::string>();
        return message;
    } catch (const std::exception&) { // msgpack reports by throwing; it stops here
        return Error{Code::protocol, "what came is no channel message"};
    }
}

} // namespace jackdaw::proto
