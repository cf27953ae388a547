#pragma once
// A value that must not be seen: it zeroes its memory when it goes, prints as "(secret)", and has no
// conversion that happens by accident.

#include <cstddef>
#include <string>
#include <string_view>

namespace jackdaw {

/// Move-only owner of secret bytes (a password, a key). Not thread-safe.
class Secret {
public:
    Secret() = default;
    /// Takes a copy and wipes the string that was handed in.
    explicit Secret(std::string&& clear);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    [[nodiscard]] bool empty() const noexcept { return clear_.empty(); }
    /// The only way to the bytes; the name is what a reviewer greps for.
    [[nodiscard]] std::string_view reveal() const noexcept { return clear_; }
    [[nodiscard]] Secret copy() const;

private:
    void wipe() noexcept;
    std::string clear_;
};

/// For fmt and spdlog: never the bytes.
inline std::string_view format_as(const Secret&) noexcept {
    return "(secret)";
}

/// Overwrites, in a way that the compiler keeps.
void wipe(std::string& bytes) noexcept;

} // namespace jackdaw
