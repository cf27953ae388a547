#pragma once
// What follows a finished handshake: messages of any size as sealed frames. Pure.
//
// A frame is 2 bytes of length (big-endian) and, behind it, at most 65,535 bytes: ChaChaPoly of one
// byte of flags and the data. Bit 0 of the flags: the last frame of its message; the others are
// zero. A message is frames of at most 16 MiB together; reassembly never holds more. Both
// directions rekey (Noise, section 11.3) after every 2^16 frames, so a key seals at most 4 GiB.

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
