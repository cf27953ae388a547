#include "proto/wire/msgpack_plain.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace jackdaw::proto {
namespace {

// First bytes of the forms, as the specification lists them.
constexpr std::uint8_t nil = 0xC0, never_used = 0xC1, false_ = 0xC2, true_ = 0xC3;
constexpr std::uint8_t bin8 = 0xC4, ext8 = 0xC7, float32 = 0xCA, float64 = 0xCB, uint8 = 0xCC;
constexpr std::uint8_t fixext1 = 0xD4, str8 = 0xD9, array16 = 0xDC, map16 = 0xDE;
constexpr std::uint8_t fixmap = 0x80, fixarray = 0x90, fixstr = 0xA0, negative = 0xE0;

} // namespace

void MsgpackWriter::byte(std::uint64_t value) noexcept {
    assert(at_ < out_.size() && "the caller counts what it writes");
    out_[at_++] = static_cast<char>(value);
}

void MsgpackWriter::big_endian(std::uint64_t value, std::size_t bytes) noexcept {
    for (std::size_t i = bytes; i-- > 0;) {
        byte(value >> (8 * i) & 0xFF);
    }
}

void MsgpackWriter::uint(std::uint64_t value) noexcept {
    switch (msgpack_bytes(value)) {
    case 1: byte(value); break;
    case 2: byte(uint8), big_endian(value, 1); break;
    case 3: byte(uint8 + 1), big_endian(value, 2); break;
    case 5: byte(uint8 + 2), big_endian(value, 4); break;
    default: byte(uint8 + 3), big_endian(value, 8); break;
    }
}

void MsgpackWriter::array(std::size_t count) noexcept {
    assert(count <= 0xFFFF);
    if (count < 16) {
        byte(fixarray | count);
    } else {
        byte(array16), big_endian(count, 2);
    }
}

void MsgpackWriter::bin(std::string_view bytes) noexcept {
    assert(bytes.size() <= 0xFFFF);
    if (bytes.size() <= 0xFF) {
        byte(bin8), big_endian(bytes.size(), 1);
    } else {
        byte(bin8 + 1), big_endian(bytes.size(), 2);
    }
    raw(bytes);
}

void MsgpackWriter::str(std::string_view text) noexcept {
    assert(text.size() <= 0xFF);
    if (text.size() < 32) {
        byte(fixstr | text.size());
    } else {
        byte(str8), big_endian(text.size(), 1);
    }
    raw(text);
}

void MsgpackWriter::raw(std::string_view bytes) noexcept {
    assert(bytes.size() <= room() && "the caller counts what it writes");
    std::ranges::copy(bytes, out_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ += bytes.size();
}

void MsgpackWriter::cut(std::size_t size) noexcept {
    assert(size <= at_);
    at_ = size;
}

void MsgpackWriter::open_gap(std::size_t at, std::size_t count) noexcept {
    assert(at <= at_ && count <= room());
    std::memmove(out_.data() + at + count, out_.data() + at, at_ - at);
    at_ += count;
}

std::uint8_t MsgpackReader::byte() noexcept {
    if (bad_ || at_ == bytes_.size()) {
        bad_ = true;
        return nil;
    }
    return static_cast<std::uint8_t>(bytes_[at_++]);
}

std::uint64_t MsgpackReader::big_endian(std::size_t bytes) noexcept {
    if (bad_ || bytes_.size() - at_ < bytes) {
        bad_ = true;
        return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
        value = value << 8U | static_cast<std::uint8_t>(bytes_[at_++]);
    }
    return value;
}

std::string_view MsgpackReader::take(std::uint64_t size) noexcept {
    if (bad_ || size > bytes_.size() - at_) {
        bad_ = true;
        return {};
    }
    const auto found = bytes_.substr(at_, size);
    at_ += size;
    return found;
}

std::uint64_t MsgpackReader::uint(std::uint64_t max) noexcept {
    const auto form = byte();
    std::uint64_t value = form;
    if (form >= uint8 && form <= uint8 + 3) {
        value = big_endian(std::size_t{1} << (form - uint8));
    } else if (form >= fixmap) {
        bad_ = true;
    }
    bad_ = bad_ || value > max;
    return bad_ ? 0 : value;
}

std::size_t MsgpackReader::array() noexcept {
    const auto form = byte();
    std::uint64_t count = 0;
    if ((form & 0xF0U) == fixarray) {
        count = form & 0x0FU;
    } else if (form == array16 || form == array16 + 1) {
        count = big_endian(form == array16 ? 2 : 4);
    } else {
        bad_ = true;
    }
    // Each item has a byte at least: a count is never a promise that the datagram cannot keep.
    bad_ = bad_ || count > bytes_.size() - at_;
    return bad_ ? 0 : count;
}

std::string_view MsgpackReader::bin(std::size_t size_max) noexcept {
    const auto form = byte();
    if (form < bin8 || form > bin8 + 2) {
        bad_ = true;
        return {};
    }
    const auto size = big_endian(std::size_t{1} << (form - bin8));
    bad_ = bad_ || size > size_max;
    return take(size);
}

std::string_view MsgpackReader::str(std::size_t size_max) noexcept {
    const auto form = byte();
    std::uint64_t size = 0;
    if ((form & 0xE0U) == fixstr) {
        size = form & 0x1FU;
    } else if (form >= str8 && form <= str8 + 2) {
        size = big_endian(std::size_t{1} << (form - str8));
    } else {
        bad_ = true;
    }
    bad_ = bad_ || size > size_max;
    const auto text = take(size);
    bad_ = bad_ || !is_plain_utf8(text);
    return bad_ ? std::string_view{} : text;
}

void MsgpackReader::skip(unsigned depth) noexcept {
    const auto form = byte();
    std::uint64_t children = 0;
    if (bad_ || form < fixmap || form >= negative || form == nil || form == false_ ||
        form == true_) {
        return;
    }
    if (form < fixarray) {
        children = 2 * (form & 0x0FU);
    } else if (form < fixstr) {
        children = form & 0x0FU;
    } else if (form < nil) {
        (void)take(form & 0x1FU);
    } else if (form == never_used) {
        bad_ = true;
    } else if (form < ext8) {
        (void)take(big_endian(std::size_t{1} << (form - bin8)));
    } else if (form < float32) {
        const auto size = big_endian(std::size_t{1} << (form - ext8));
        (void)take(size + 1);
    } else if (form <= float64) {
        (void)take(form == float32 ? 4 : 8);
    } else if (form < fixext1) {
        (void)take(std::size_t{1} << ((form - uint8) & 3U));
    } else if (form < str8) {
        (void)take((std::size_t{1} << (form - fixext1)) + 1);
    } else if (form < array16) {
        (void)take(big_endian(std::size_t{1} << (form - str8)));
    } else {
        const bool is_map = form >= map16;
        children = big_endian((form & 1U) == 0 ? 2 : 4) * (is_map ? 2 : 1);
    }
    if (children == 0) {
        return;
    }
    bad_ = bad_ || depth == 0 || children > bytes_.size() - at_;
    for (std::uint64_t i = 0; i < children && !bad_; ++i) {
        skip(depth - 1);
    }
}

void MsgpackFields::skip_rest() noexcept {
    while (next() && !in_.is_bad()) {
        in_.skip(depth_);
    }
}

bool is_plain_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const auto first = static_cast<std::uint8_t>(text[at++]);
        if (first < 0x80) {
            if (first < 0x20 || first == 0x7F) {
                return false;
            }
            continue;
        }
        const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || text.size() - at < more) {
            return false;
        }
        std::uint32_t point = first & (0x3FU >> more);
        for (std::size_t i = 0; i < more; ++i) {
            const auto next = static_cast<std::uint8_t>(text[at++]);
            if ((next & 0xC0U) != 0x80) {
                return false;
            }
            point = point << 6U | (next & 0x3FU);
        }
        const bool overlong = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
        const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (overlong || surrogate || point > 0x10FFFF || point < 0xA0) {
            return false;
        }
    }
    return true;
}

} // namespace jackdaw::proto
