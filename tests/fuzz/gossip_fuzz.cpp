// Arbitrary bytes at what reads gossip's datagrams: the codec, the seal, and the core behind them
// with its asserts on, as a member that holds the key could send them.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "gossip/core/swim/swim.h"
#include "proto/wire/gossip_seal.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

namespace {

constexpr proto::FleetId fleet{7};
/// Missing fields grow an item from 2 bytes to 5 at most: what is longer might not fit any more.
constexpr std::size_t rewritten_max = 450;

/// What was read, written again.
std::string encode(const proto::Datagram& datagram) {
    std::array<char, proto::gossip_plain_bytes_max> out{};
    proto::GossipWriter writer{out};
    writer.begin(datagram.header, datagram.body);
    for (const auto& item : datagram.news) {
        require(writer.add(item));
    }
    return {out.data(), writer.finish()};
}

void run_codec(std::string_view bytes) {
    proto::Datagram read;
    if (proto::decode_gossip(bytes, read) != proto::Decoded::ok || !read.body.known) {
        return;
    }
    if (bytes.size() > rewritten_max) {
        return;
    }
    const auto again = encode(read); // in the shortest form, with what was missing as its default
    proto::Datagram twice;
    require(proto::decode_gossip(again, twice) == proto::Decoded::ok);
    require(twice.header == read.header && twice.body == read.body);
    require(twice.news.size() == read.news.size());
    require(encode(twice) == again);
}

void run_seal(std::string_view bytes) {
    static const auto ring = [] {
        const std::array<std::pair<std::uint32_t, proto::SealKey>, 1> keys{{{1, {}}}};
        return proto::SealRing::make(fleet, keys);
    }();
    std::array<char, proto::gossip_datagram_bytes_max> out{};
    std::string_view plain;
    if (ring->open(bytes, out, plain) == proto::SealRing::Opened::ok) {
        require(plain.size() + proto::gossip_seal_bytes == bytes.size());
    }
    if (bytes.size() <= proto::gossip_plain_bytes_max) {
        std::array<char, proto::gossip_datagram_bytes_max> sealed{};
        const auto size = ring->seal({}, bytes, sealed);
        require(ring->open({sealed.data(), size}, out, plain) == proto::SealRing::Opened::ok);
        require(plain == bytes);
    }
}

/// What an agent asks of its core now and then.
void command(swim::Swim& core, Instant now, std::uint8_t what, std::size_t which) {
    static const std::string operator_key(proto::public_key_bytes, '\0');
    static const std::string signature(proto::signature_bytes, '\0');
    switch (which % 8) {
    case 1: core.leave(now); break;
    case 2: core.set_name(now, what > 128 ? "other" : "me"); break;
    case 3: core.set_ring(now, what, what / 2U); break;
    case 4: core.set_address(now, {{10, 0, 1, what}, 1, 4}); break;
    case 5: (void)core.set_operators({proto::PublicKey{}}); break;
    case 6: {
        const auto& entry = core.view().live_at(what % core.view().live());
        (void)core.forget(now, entry.id(), entry.incarnation, operator_key, signature);
        break;
    }
    default: core.lost_input(now, 1);
    }
}

/// Calls taken from the bytes: one that says which, then what it needs.
void run_core(std::string_view bytes) {
    swim::Commons commons{fleet};
    swim::Limits limits;
    limits.members = 6;
    limits.dead = 3;
    limits.tombstones = 3;
    limits.why = 10;
    limits.unverified = 4;
    limits.events = 8;
    limits.news_hints = 4;
    swim::Identity identity;
    identity.key.fill(1);
    identity.name = "me";
    identity.address = {{10, 0, 0, 1}, 1, 4};
    identity.fleet = fleet;
    identity.unix_s = 100;
    // Every signature is good: what a fuzzer cannot sign it could not try.
    swim::Crypto crypto{[](std::string_view) { return proto::Signature{}; },
                        [](std::string_view, std::string_view, std::string_view) { return true; }};
    Instant now{std::chrono::seconds{100}};
    swim::Swim core{swim::Config::lan(), limits, identity, {}, crypto, 3, now, commons};
    while (bytes.size() >= 2) {
        const auto what = static_cast<std::uint8_t>(bytes[0]);
        const std::size_t size = static_cast<std::uint8_t>(bytes[1]);
        bytes.remove_prefix(2);
        const auto piece = bytes.substr(0, std::min(bytes.size(), 4 * size));
        bytes.remove_prefix(piece.size());
        now += std::chrono::milliseconds{what};
        const swim::NetAddress from{{10, 0, 0, what}, 1, 4};
        switch (what % 8) {
        case 0: core.tick(now); break;
        case 1: command(core, now, what, size); break;
        case 2: core.unreachable(now, from); break;
        case 3: (void)core.set_status(now, std::string{piece}, what > 128); break;
        case 4: core.hint(now, what, size, size); break;
        case 5: core.join(now, std::array{from}); break;
        default: core.receive(now, from, piece);
        }
        while (const auto record = core.poll_persist()) {
            core.persisted(now, *record);
        }
        while (const auto out = core.poll_send()) {
            run_codec(out->bytes);
        }
        while (core.poll_event()) {
        }
        require(core.view().live() <= limits.members && core.view().dead() <= limits.dead);
        require(core.self().state == proto::Standing::alive);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    run_codec(bytes);
    run_seal(bytes);
    run_core(bytes);
    return 0;
}
