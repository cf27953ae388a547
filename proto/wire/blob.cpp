#include "proto/wire/blob.h"

#include <algorithm>
#include <span>

#include <msgpack.hpp>

#include "proto/base/ids.h"

namespace jackdaw::proto {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint32_t fields = 9;         ///< that every version has
constexpr std::uint8_t warnings_max = 0x7f; ///< one byte in msgpack
constexpr std::size_t uuid_bytes = 16;

struct Limits {
    static constexpr std::size_t name = 63, datastore = 16, version = 20, status = 12, address = 45,
                                 agent_version = 12;
};
// Array, version, id, port and warnings take 1 + 1 + 18 + 3 + 1; a text of up to 31 bytes one more,
// a longer two.
static_assert(24 + 65 + 17 + 21 + 13 + 47 + 13 <= member_blob_bytes_max);

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

/// Throws what msgpack throws for another type or a text that breaks a limit.
std::string text_from(const msgpack::object& object, std::size_t bytes_max) {
    auto text = object.as<std::string>();
    const auto printable = [](char c) { return c >= 0x20 && c < 0x7f; };
    if (object.type != msgpack::type::STR || text.size() > bytes_max ||
        !std::ranges::all_of(text, printable)) {
        throw msgpack::type_error{};
    }
    return text;
}

} // namespace

std::string encode_blob(const MemberBlob& blob) {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out{buffer};
    const auto text = [&out](std::string_view value, std::size_t bytes_max) {
        value = value.substr(0, bytes_max);
        out.pack_str(static_cast<std::uint32_t>(value.size()));
        out.pack_str_body(value.data(), static_cast<std::uint32_t>(value.size()));
    };
    const auto id = uuid_to_bytes(blob.instance_id);
    const auto warnings = static_cast<std::uint8_t>(blob.warnings & warnings_max);
    out.pack_array(warnings == 0 ? fields : fields + 1);
    out.pack(version);
    text(blob.name, Limits::name);
    out.pack_bin(static_cast<std::uint32_t>(id.size()));
    out.pack_bin_body(id.data(), static_cast<std::uint32_t>(id.size()));
    text(blob.datastore, Limits::datastore);
    text(blob.version, Limits::version);
    text(blob.status, Limits::status);
    text(blob.address, Limits::address);
    out.pack(blob.port);
    text(blob.agent_version, Limits::agent_version);
    if (warnings != 0) {
        out.pack(warnings);
    }
    return {buffer.data(), buffer.size()};
}

Result<MemberBlob> decode_blob(std::string_view bytes) {
    const auto bad = [] {
        return Error{Errc::corrupt, "what a member says of itself cannot be read"};
    };
    if (bytes.size() > member_blob_bytes_max) {
        return bad();
    }
    const msgpack::unpack_limit limit{/*array=*/32,
                                      /*map=*/0,
                                      /*str=*/member_blob_bytes_max,
                                      /*bin=*/member_blob_bytes_max,
                                      /*ext=*/0,
                                      /*depth=*/3};
    try {
        std::size_t offset = 0;
        const auto handle =
            msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, limit);
        const auto& object = handle.get();
        if (offset != bytes.size() || object.type != msgpack::type::ARRAY ||
            object.via.array.size < fields) {
            return bad();
        }
        const auto* const field = object.via.array.ptr;
        const auto& id = field[2];
        if (id.type != msgpack::type::BIN ||
            (id.via.bin.size != 0 && id.via.bin.size != uuid_bytes)) {
            return bad();
        }
        MemberBlob blob;
        blob.name = text_from(field[1], Limits::name);
        if (id.via.bin.size != 0) {
            blob.instance_id = uuid_from_bytes({id.via.bin.ptr, id.via.bin.size});
        }
        blob.datastore = text_from(field[3], Limits::datastore);
        blob.version = text_from(field[4], Limits::version);
        blob.status = text_from(field[5], Limits::status);
        blob.address = text_from(field[6], Limits::address);
        blob.port = field[7].as<std::uint16_t>();
        blob.agent_version = text_from(field[8], Limits::agent_version);
        if (object.via.array.size > fields) {
            blob.warnings = static_cast<std::uint8_t>(field[9].as<std::uint8_t>() & warnings_max);
        }
        return blob;
    } catch (const std::exception&) { // msgpack reports by throwing; it stops here
        return bad();
    }
}

} // namespace jackdaw::proto
