#include "proto/noise/session.h"

#include <algorithm>

namespace jackdaw::noise {
namespace {

constexpr char flag_last = 1;

/// Counts a frame; true when the key must be changed behind it.
bool key_is_used_up(std::uint64_t& frames) {
    return ++frames % frames_per_key == 0;
}

} // namespace

Result<std::string> FrameSealer::seal(std::string_view message) {
    if (message.size() > channel_message_bytes_max) {
        return Error{Errc::invalid, "a message over 16 MiB"};
    }
    std::string wire;
    do {
        const auto part = message.substr(0, frame_plain_bytes_max);
        message.remove_prefix(part.size());
        std::string plain{message.empty() ? flag_last : '\0'};
        plain += part;
        JACKDAW_TRY(const auto sealed, cipher_.encrypt({}, plain));
        wire += static_cast<char>(sealed.size() >> 8U);
        wire += static_cast<char>(sealed.size());
        wire += sealed;
        if (key_is_used_up(frames_)) {
            cipher_.rekey();
        }
    } while (!message.empty());
    return wire;
}

Result<void> FrameOpener::feed(std::string_view bytes) {
    pending_ += bytes;
    std::string_view rest{pending_};
    while (rest.size() >= 2) {
        const auto size = static_cast<std::size_t>(static_cast<unsigned char>(rest[0])) << 8U |
                          static_cast<std::size_t>(static_cast<unsigned char>(rest[1]));
        if (size <= tag_bytes) {
            return Error{Code::protocol, "a frame too short for its seal"};
        }
        if (rest.size() - 2 < size) {
            break;
        }
        auto plain = cipher_.decrypt({}, rest.substr(2, size));
        if (!plain) {
            return std::move(plain).error();
        }
        rest.remove_prefix(2 + size);
        if (key_is_used_up(frames_)) {
            cipher_.rekey();
        }
        const char flags = plain->front();
        if ((flags & ~flag_last) != 0) {
            return Error{Code::protocol, "a frame with flags that are not known here"};
        }
        if (message_.size() + plain->size() - 1 > channel_message_bytes_max) {
            return Error{Errc::exhausted, "a message over 16 MiB"};
        }
        message_.append(*plain, 1);
        if ((flags & flag_last) != 0) {
            whole_.push_back(std::move(message_));
            message_.clear();
        }
    }
    pending_.erase(0, pending_.size() - rest.size());
    return ok();
}

std::optional<std::string> FrameOpener::poll_message() {
    if (whole_.empty()) {
        return std::nullopt;
    }
    auto next = std::move(whole_.front());
    whole_.pop_front();
    return next;
}

} // namespace jackdaw::noise
