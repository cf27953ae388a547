// Arbitrary bytes at the decoder of channel messages; what passes must survive a round.

#include <cstdint>
#include <string_view>

#include "proto/wire/channel_codec.h"
#include "tests/fuzz/require.h"

using namespace jackdaw;
using jackdaw::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto message =
        proto::decode_channel(std::string_view{reinterpret_cast<const char*>(data), size});
    if (!message) {
        require(message.error().id() == Code::protocol);
        return 0;
    }
    require(message->body.size() <= proto::channel_body_bytes_max);
    const auto again = proto::decode_channel(proto::encode(*message));
    require(again && *again == *message);
    return 0;
}
