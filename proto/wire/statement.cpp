#include "proto/wire/statement.h"

#include <cstring>
#include <span>
#include <tuple>

#include <fmt/format.h>
#include <msgpack.hpp>
#include <sodium.h>

#include "proto/base/ids.h"

namespace jackdaw::proto {
namespace {

constexpr std::string_view prefix{"jackdaw statement v1\0", 21};
constexpr std::uint8_t version = 1;
constexpr std::size_t name_bytes_max = 128;

Error bad(std::string_view why) {
    return Error{Code::bad_peer, std::string{why}};
}

void pack_bin(msgpack::packer<msgpack::sbuffer>& out, std::string_view bytes) {
    out.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    out.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
}

std::string_view view(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string body_of(const Statement& statement) {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out{buffer};
    out.pack_array(7);
    out.pack(version);
    out.pack(statement.fleet);
    out.pack(statement.instance_id);
    out.pack(statement.name);
    out.pack(static_cast<std::uint8_t>(statement.role));
    pack_bin(out, view(statement.sign_key));
    pack_bin(out, view(statement.noise_key));
    return {buffer.data(), buffer.size()};
}

std::string signed_text(std::string_view body) {
    return std::string{prefix}.append(body);
}

msgpack::object_handle unpack(std::string_view bytes) {
    const msgpack::unpack_limit limit{/*array=*/7,
                                      /*map=*/0,
                                      /*str=*/name_bytes_max,
                                      /*bin=*/statement_bytes_max,
                                      /*ext=*/0,
                                      /*depth=*/2};
    std::size_t offset = 0;
    auto handle = msgpack::unpack(bytes.data(), bytes.size(), offset, nullptr, nullptr, limit);
    if (offset != bytes.size()) {
        throw msgpack::type_error{}; // something stands behind it
    }
    return handle;
}

Result<PublicKey> key_from(const msgpack::object& object) {
    if (object.type != msgpack::type::BIN || object.via.bin.size != std::tuple_size_v<PublicKey>) {
        return bad("a statement's key has the wrong size");
    }
    PublicKey key;
    std::memcpy(key.data(), object.via.bin.ptr, key.size());
    return key;
}

} // namespace

Result<std::string> sign_statement(const Statement& statement, const SignSecret& operator_secret) {
    if (statement.fleet.size() > name_bytes_max || statement.name.size() > name_bytes_max ||
        statement.instance_id.size() > name_bytes_max) {
        return Error{Errc::invalid, "a name in a statement is too long"};
    }
    const auto body = body_of(statement);
    const auto text = signed_text(body);
    std::array<std::uint8_t, crypto_sign_BYTES> signature{};
    crypto_sign_detached(signature.data(), nullptr,
                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                         operator_secret.data());
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> out{buffer};
    out.pack_array(2);
    pack_bin(out, body);
    pack_bin(out, view(signature));
    return std::string{buffer.data(), buffer.size()};
}

Result<Statement> open_statement(std::string_view bytes, const PublicKey& operator_key) {
    if (bytes.empty() || bytes.size() > statement_bytes_max) {
        return bad("it shows no statement of an operator");
    }
    try {
        const auto outer = unpack(bytes);
        const auto& parts = outer.get();
        if (parts.type != msgpack::type::ARRAY || parts.via.array.size != 2 ||
            parts.via.array.ptr[0].type != msgpack::type::BIN ||
            parts.via.array.ptr[1].type != msgpack::type::BIN ||
            parts.via.array.ptr[1].via.bin.size != crypto_sign_BYTES) {
            return bad("what it shows is no statement");
        }
        const auto& raw = parts.via.array.ptr[0].via.bin;
        const std::string_view body{raw.ptr, raw.size};
        const auto text = signed_text(body);
        if (crypto_sign_verify_detached(
                reinterpret_cast<const unsigned char*>(parts.via.array.ptr[1].via.bin.ptr),
                reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                operator_key.data()) != 0) {
            return bad("its statement is not signed by this fleet's operator");
        }
        const auto inner = unpack(body);
        const auto& fields = inner.get();
        if (fields.type != msgpack::type::ARRAY || fields.via.array.size != 7 ||
            fields.via.array.ptr[0].as<std::uint8_t>() != version) {
            return bad("its statement has a version that is not known here");
        }
        const auto* const field = fields.via.array.ptr;
        Statement statement;
        statement.fleet = field[1].as<std::string>();
        statement.instance_id = field[2].as<std::string>();
        statement.name = field[3].as<std::string>();
        const auto role = field[4].as<std::uint8_t>();
        if (role < 1 || role > 3) {
            return bad("its statement names a role that is not known here");
        }
        statement.role = static_cast<PeerRole>(role);
        JACKDAW_TRY(statement.sign_key, key_from(field[5]));
        JACKDAW_TRY(statement.noise_key, key_from(field[6]));
        if (body_of(statement) != body) {
            return bad("its statement is not in canonical form");
        }
        return statement;
    } catch (const std::exception&) { // msgpack reports by throwing; it stops here
        return bad("what it shows is no statement");
    }
}

std::string Peer::text() const {
    const auto short_key = to_hex(std::as_bytes(std::span{statement.sign_key}.first(4)));
    const auto with_name = [&](const char* role) { // who has no name of their own is named so
        return statement.name == role || statement.name.empty()
                   ? fmt::format("{} {}", role, short_key)
                   : fmt::format("{} {} {}", role, statement.name, short_key);
    };
    switch (statement.role) {
    case PeerRole::agent: return fmt::format("agent {}", statement.name);
    case PeerRole::operator_: return with_name("operator");
    case PeerRole::viewer: return with_name("viewer");
    }
    return "?";
}

Result<Peer> judge_peer(std::string_view payload, const PublicKey& noise_static,
                        const TrustAnchor& anchor) {
    JACKDAW_TRY(auto statement, open_statement(payload, anchor.operator_key));
    if (statement.fleet != anchor.fleet) {
        return bad(
            fmt::format("it belongs to fleet '{}', not '{}'", statement.fleet, anchor.fleet));
    }
    if (sodium_memcmp(statement.noise_key.data(), noise_static.data(), noise_static.size()) != 0) {
        return bad("its statement is about another key than the channel's");
    }
    return Peer{std::move(statement)};
}

} // namespace jackdaw::proto
