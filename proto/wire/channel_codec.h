#pragma once
// Channel messages as msgpack: [version, compat version, kind, id, method, path, body, status,
// deadline, key]. A reader refuses a compat version above its own and ignores fields behind those
// it knows, so versions N and N-1 work together.

#include <string>
#include <string_view>

#include "proto/base/error.h"
#include "proto/messages/channel.h"

namespace jackdaw::proto {

/// Of a body that a reader takes. encode() does not look: who sends refuses a longer one.
inline constexpr std::size_t channel_body_bytes_max = 4U << 20U;

[[nodiscard]] std::string encode(const ChannelMessage& message);
/// E-PROTOCOL for anything else; trusts no length.
[[nodiscard]] Result<ChannelMessage> decode_channel(std::string_view bytes);

} // namespace jackdaw::proto
