#pragma once
// The few forms of msgpack that gossip's datagrams use, read and written without allocating.
// (The specification: github.com/msgpack/msgpack/blob/master/spec.md.)
//
// Why not the library: it builds a tree of objects per message, and gossip must take a datagram in
// a few microseconds. Writes the shortest form; reads any form of the same value.

#include <cstdint>
#include <span>
#include <string_view>

namespace jackdaw::proto {

/// Bytes of an unsigned number in its shortest form.
[[nodiscard]] constexpr std::size_t msgpack_bytes(std::uint64_t value) noexcept {
    return value < 0x80             ? 1
           : value <= 0xFF          ? 2
           : value <= 0xFFFF        ? 3
           : value <= 0xFFFF'FFFFUL ? 5
                                    : 9;
}
/// Bytes in front of an array's items.
[[nodiscard]] constexpr std::size_t msgpack_array_bytes(std::size_t count) noexcept {
    return count < 16 ? 1 : count <= 0xFFFF ? 3 : 5;
}
/// Bytes of a bin of `size` bytes, its head counted.
[[nodiscard]] constexpr std::size_t msgpack_bin_bytes(std::size_t size) noexcept {
    return (size <= 0xFF ? 2 : size <= 0xFFFF ? 3 : 5) + size;
}
[[nodiscard]] constexpr std::size_t msgpack_str_bytes(std::size_t size) noexcept {
    return (size < 32 ? 1 : size <= 0xFF ? 2 : size <= 0xFFFF ? 3 : 5) + size;
}

/// Appends to a given piece of memory. The caller counts beforehand: writing past the end is a bug
/// and asserts.
class MsgpackWriter {
public:
    explicit MsgpackWriter(std::span<char> out) noexcept : out_{out} {}

    void uint(std::uint64_t value) noexcept;
    void array(std::size_t count) noexcept;
    void bin(std::string_view bytes) noexcept;
    void str(std::string_view text) noexcept;
    /// Bytes that are msgpack already.
    void raw(std::string_view bytes) noexcept;

    [[nodiscard]] std::size_t size() const noexcept { return at_; }
    [[nodiscard]] std::size_t room() const noexcept { return out_.size() - at_; }
    [[nodiscard]] std::string_view written() const noexcept { return {out_.data(), at_}; }
    /// Drops what was written behind `size`.
    void cut(std::size_t size) noexcept;
    /// Opens a gap of `count` bytes at `at`; what is behind moves.
    void open_gap(std::size_t at, std::size_t count) noexcept;
    [[nodiscard]] char* data() noexcept { return out_.data(); }

private:
    void big_endian(std::uint64_t value, std::size_t bytes) noexcept;
    void byte(std::uint64_t value) noexcept;

    std::span<char> out_;
    std::size_t at_ = 0;
};

/// Takes values off the front. After anything that is not what was asked for is_bad() is true, and
/// every read gives 0 or nothing: look once, at the end.
class MsgpackReader {
public:
    explicit MsgpackReader(std::string_view bytes) noexcept : bytes_{bytes} {}

    [[nodiscard]] bool is_bad() const noexcept { return bad_; }
    [[nodiscard]] bool at_end() const noexcept { return at_ == bytes_.size(); }
    void fail() noexcept { bad_ = true; }

    /// An unsigned number of at most `max`.
    [[nodiscard]] std::uint64_t uint(std::uint64_t max) noexcept;
    /// The number of items that follow; never more than there are bytes left.
    [[nodiscard]] std::size_t array() noexcept;
    [[nodiscard]] std::string_view bin(std::size_t size_max) noexcept;
    /// UTF-8 without control characters.
    [[nodiscard]] std::string_view str(std::size_t size_max) noexcept;
    /// One value of any form, nested at most `depth` deep.
    void skip(unsigned depth) noexcept;

private:
    [[nodiscard]] std::uint8_t byte() noexcept;
    [[nodiscard]] std::uint64_t big_endian(std::size_t bytes) noexcept;
    [[nodiscard]] std::string_view take(std::uint64_t size) noexcept;

    std::string_view bytes_;
    std::size_t at_ = 0;
    bool bad_ = false;
};

/// The fields of one array, of which a writer of another version has more or fewer: missing ones
/// take their default, unknown ones at the end are skipped.
class MsgpackFields {
public:
    /// `depth`: how deep what is skipped may nest.
    MsgpackFields(MsgpackReader& in, unsigned depth) noexcept
        : in_{in}, left_{in.array()}, depth_{depth} {}

    [[nodiscard]] bool next() noexcept { return left_ != 0 && (--left_, true); }
    [[nodiscard]] std::uint64_t uint(std::uint64_t max) noexcept {
        return next() ? in_.uint(max) : 0;
    }
    template <class T>
    void into(T& value, std::uint64_t max = static_cast<T>(~T{})) noexcept {
        value = static_cast<T>(uint(max));
    }
    [[nodiscard]] std::string_view bin(std::size_t size_max) noexcept {
        return next() ? in_.bin(size_max) : std::string_view{};
    }
    [[nodiscard]] std::string_view str(std::size_t size_max) noexcept {
        return next() ? in_.str(size_max) : std::string_view{};
    }
    /// Call after the last known field.
    void skip_rest() noexcept;

private:
    MsgpackReader& in_;
    std::size_t left_;
    unsigned depth_;
};

/// Well-formed UTF-8 (RFC 3629) without control characters (C0, DEL, C1).
[[nodiscard]] bool is_plain_utf8(std::string_view text) noexcept;

} // namespace jackdaw::proto
