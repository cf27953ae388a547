#pragma once
// What follows a finished handshake: messages of any size as sealed frames. Pure.
//
//   frame   = 2 bytes length (big-endian) + ChaChaPoly(1 byte flags + data), at most 65,535 bytes
//   behind the length flags   = bit 0: the last frame of its message; the others are zero message =
//   frames, at most 16 MiB together; reassembly never holds more both directions rekey (Noise
//   section 11.3) after every 2^16 frames, so a key seals at most 4 GiB

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "proto/noise/noise.h"

namespace jackdaw::noise {

inline constexpr std::size_t channel_message_bytes_max = 16U << 20U;
inline constexpr std::size_t frame_plain_bytes_max = message_bytes_max - tag_bytes - 1;
inline constexpr std::uint64_t frames_per_key = 1U << 16U;

class FrameSealer {
public:
    explicit FrameSealer(CipherState cipher) : cipher_{std::move(cipher)} {}
    /// All frames of one message, ready to be sent. `invalid` over 16 MiB.
    [[nodiscard]] Result<std::string> seal(std::string_view message);

private:
    CipherState cipher_;
    std::uint64_t frames_ = 0;
};

class FrameOpener {
public:
    explicit FrameOpener(CipherState cipher) : cipher_{std::move(cipher)} {}
    /// Takes bytes as they come. After an Error (`corrupt`, `exhausted`) the connection must be
    /// closed.
    [[nodiscard]] Result<void> feed(std::string_view bytes);
    /// The next whole message, in order.
    [[nodiscard]] std::optional<std::string> poll_message();

private:
    CipherState cipher_;
    std::uint64_t frames_ = 0;
    std::string pending_; ///< less than a frame between two calls of feed()
    std::string message_; ///< of frames so far
    std::deque<std::string> whole_;
};

} // namespace jackdaw::noise
