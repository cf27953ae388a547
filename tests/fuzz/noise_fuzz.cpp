// Arbitrary bytes at each state of the handshake, at the frames' opener as they come, and inside a
// true seal: what a stranger, and what a peer, can send.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/noise/session.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;
using namespace jackdaw::noise;

namespace {

Key filled(std::uint8_t value) {
    Key key;
    key.fill(value);
    return key;
}

KeyPair pair_of(std::uint8_t value) {
    return KeyPair::from_secret(filled(value));
}

Handshake side(bool initiator) {
    Handshake::Setup setup;
    setup.initiator = initiator;
    setup.prologue = "jackdaw channel v1";
    setup.own_static = pair_of(initiator ? 1 : 2);
    return Handshake{std::move(setup)};
}

/// Reads it where `honest` messages have gone before.
void handshake(std::size_t honest, std::string_view bytes) {
    auto initiator = side(true);
    auto responder = side(false);
    for (std::size_t number = 0;; ++number) {
        auto& writer = number % 2 == 0 ? initiator : responder;
        auto& reader = number % 2 == 0 ? responder : initiator;
        if (number == honest) {
            const bool last = number == 2;
            const bool taken = reader.read(bytes).has_value();
            require(reader.finished() == (taken && last));
            require(taken || !reader.write({}, pair_of(9))); // refused once, it is over
            return;
        }
        const auto wire = writer.write("payload", pair_of(static_cast<std::uint8_t>(3 + number)));
        require(wire && reader.read(*wire));
    }
}

void feed(FrameOpener& opener, std::string_view wire, std::size_t step) {
    while (!wire.empty()) {
        const auto part = wire.substr(0, step);
        wire.remove_prefix(part.size());
        if (!opener.feed(part)) {
            return;
        }
        while (const auto whole = opener.poll_message()) {
            require(whole->size() <= channel_message_bytes_max);
        }
    }
}

/// Each chunk becomes the inside of a true frame: flags, then data.
std::string sealed_frames(std::string_view bytes, std::size_t chunk) {
    CipherState cipher{filled(7)};
    std::string wire;
    while (!bytes.empty()) {
        const auto part = bytes.substr(0, chunk);
        bytes.remove_prefix(part.size());
        const auto sealed = cipher.encrypt({}, part);
        require(sealed.has_value());
        wire += static_cast<char>(sealed->size() >> 8U);
        wire += static_cast<char>(sealed->size());
        wire += *sealed;
    }
    return wire;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    const std::size_t step = 1 + data[0] / 8U;
    switch (data[0] % 5) {
    case 3: {
        FrameOpener opener{CipherState{filled(7)}};
        feed(opener, bytes, step);
        break;
    }
    case 4: {
        FrameOpener opener{CipherState{filled(7)}};
        feed(opener, sealed_frames(bytes, step), step * 7);
        break;
    }
    default: handshake(data[0] % 5, bytes);
    }
    return 0;
}
