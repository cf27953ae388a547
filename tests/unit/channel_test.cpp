// The channel without its sockets: messages as bytes, and frames under the seal.
#include <random>
#include <span>

#include <catch2/catch.hpp>

#include "proto/base/ids.h"
#include "proto/noise/session.h"
#include "proto/wire/channel_codec.h"

using namespace jackdaw;
using namespace jackdaw::proto;
using noise::CipherState;
using noise::FrameOpener;
using noise::FrameSealer;

namespace {

std::string hex(std::string_view bytes) {
    return to_hex(std::as_bytes(std::span{bytes}));
}

ChannelMessage request_of() {
    ChannelMessage message;
    message.kind = ChannelKind::request;
    message.id = 300;
    message.method = "PUT";
    message.path = "/v1/instance";
    message.body = "{}";
    message.deadline_ms = 60000;
    message.idempotency_key = "k1";
    return message;
}

ChannelMessage response_of() {
    ChannelMessage message;
    message.kind = ChannelKind::response;
    message.id = 300;
    message.status = 202;
    message.body = "{\"id\":1}";
    return message;
}

noise::Key key_of(std::uint8_t value) {
    noise::Key key;
    key.fill(value);
    return key;
}

std::string bytes_of(std::size_t size, std::uint32_t seed) {
    std::mt19937 random{seed};
    std::string bytes(size, '\0');
    for (auto& c : bytes) {
        c = static_cast<char>(random());
    }
    return bytes;
}

} // namespace

TEST_CASE("channel codec: messages come back, and their bytes never change", "[channel]") {
    CHECK(hex(encode(request_of())) ==
          "9a010101cd012ca3505554ac2f76312f696e7374616e6365c4027b7d00cdea60a26b31");
    CHECK(hex(encode(response_of())) == "9a010102cd012ca0a0c4087b226964223a317dccca00a0");
    CHECK(*decode_channel(encode(request_of())) == request_of());
    CHECK(*decode_channel(encode(response_of())) == response_of());
    for (const auto kind : {ChannelKind::event, ChannelKind::end, ChannelKind::cancel}) {
        ChannelMessage message;
        message.kind = kind;
        message.id = 7;
        message.method = kind == ChannelKind::event ? "operation" : "";
        CHECK(*decode_channel(encode(message)) == message);
    }
}

TEST_CASE("channel codec: versions N and N-1 understand each other", "[channel]") {
    auto newer = encode(request_of()) + '\x07';
    newer[0] = static_cast<char>(newer[0] + 1); // one field more
    newer[1] = 2;                               // version 2 that version 1 can read
    CHECK(*decode_channel(newer) == request_of());
    newer[2] = 2;
    const auto refused = decode_channel(newer);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().id() == Code::protocol);
    CHECK_THAT(refused.error().message(), Catch::Contains("version 2"));
}

TEST_CASE("channel codec: cut, grown, foreign or oversize bytes are refused", "[channel]") {
    const auto bytes = encode(request_of());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_channel(std::string_view{bytes}.substr(0, size)));
    }
    CHECK_FALSE(decode_channel(bytes + '\0'));
    CHECK_FALSE(decode_channel("GET / HTTP/1.1\r\n\r\n"));
    auto message = request_of();
    message.kind = static_cast<ChannelKind>(6);
    CHECK_FALSE(decode_channel(encode(message)));
    message = request_of();
    message.body.assign(channel_body_bytes_max + 1, 'x');
    CHECK_FALSE(decode_channel(encode(message)));
    // An array and a string that claim four billion elements and bring none.
    CHECK_FALSE(decode_channel(std::string_view{"\xdd\xff\xff\xff\xff", 5}));
    CHECK_FALSE(decode_channel(std::string_view{"\x9a\x01\x01\x01\x01\xdb\xff\xff\xff\xff", 10}));
}

TEST_CASE("frames: messages of every size arrive whole and in order, however they are cut up",
          "[channel]") {
    FrameSealer sealer{CipherState{key_of(3)}};
    FrameOpener opener{CipherState{key_of(3)}};
    const std::size_t edge = noise::frame_plain_bytes_max;
    std::vector<std::string> sent;
    std::string wire;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, edge - 1, edge, edge + 1, 3 * edge, std::size_t{5}}) {
        sent.push_back(bytes_of(size, static_cast<std::uint32_t>(size)));
        wire += *sealer.seal(sent.back());
    }
    std::mt19937 random{1};
    std::vector<std::string> got;
    for (std::string_view rest{wire}; !rest.empty();) {
        const auto part = rest.substr(0, 1 + random() % 40000);
        rest.remove_prefix(part.size());
        REQUIRE(opener.feed(part));
        while (auto whole = opener.poll_message()) {
            got.push_back(*std::move(whole));
        }
    }
    CHECK(got == sent);
}

TEST_CASE("frames: one over 16 MiB is neither sent nor put together", "[channel]") {
    FrameSealer sealer{CipherState{key_of(3)}};
    CHECK(sealer.seal(std::string(noise::channel_message_bytes_max + 1, 'x')).error().code() ==
          Errc::invalid);
    CHECK(sealer.seal(std::string(noise::channel_message_bytes_max, 'x')));

    // A peer that never sets the last flag: frames sealed by hand.
    CipherState hand{key_of(4)};
    FrameOpener opener{CipherState{key_of(4)}};
    const std::string plain(noise::frame_plain_bytes_max + 1, '\0');
    std::size_t taken = 0;
    Result<void> fed;
    while (fed && taken <= noise::channel_message_bytes_max + plain.size()) {
        const auto sealed = *hand.encrypt({}, plain);
        std::string frame{static_cast<char>(sealed.size() >> 8U), static_cast<char>(sealed.size())};
        fed = opener.feed(frame + sealed);
        taken += plain.size();
    }
    REQUIRE_FALSE(fed);
    CHECK(fed.error().code() == Errc::exhausted);
}

TEST_CASE("frames: an altered bit, a repeated or a missing frame ends the session", "[channel]") {
    FrameSealer sealer{CipherState{key_of(3)}};
    const auto first = *sealer.seal("first");
    const auto second = *sealer.seal("second");
    for (std::size_t bit = 16; bit < first.size() * 8; ++bit) {
        auto altered = first;
        altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << (bit % 8)));
        FrameOpener opener{CipherState{key_of(3)}};
        CHECK_FALSE(opener.feed(altered));
    }
    FrameOpener repeated{CipherState{key_of(3)}};
    REQUIRE(repeated.feed(first));
    CHECK_FALSE(repeated.feed(first));
    FrameOpener missing{CipherState{key_of(3)}};
    CHECK_FALSE(missing.feed(second));
    FrameOpener empty{CipherState{key_of(3)}};
    CHECK_FALSE(empty.feed(std::string_view{"\0\x10", 2})); // no room for more than a tag
}

TEST_CASE("frames: both ends change keys at the same frame", "[channel]") {
    FrameSealer sealer{CipherState{key_of(5)}};
    FrameOpener opener{CipherState{key_of(5)}};
    CipherState without_rekey{key_of(5)};
    std::string last;
    for (std::uint64_t frame = 0; frame <= noise::frames_per_key; ++frame) {
        last = *sealer.seal("x");
        const auto fed = opener.feed(last);
        REQUIRE(fed);
        const auto whole = opener.poll_message();
        REQUIRE(whole);
        if (frame < noise::frames_per_key) {
            REQUIRE(without_rekey.decrypt({}, std::string_view{last}.substr(2)));
        }
    }
    CHECK_FALSE(without_rekey.decrypt({}, std::string_view{last}.substr(2)));
}
