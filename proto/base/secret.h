#pragma once
// A value that must not be seen: it zeroes its memory when it goes, prints as "(secret)", and has
// no conversion that happens by accident.

#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/core.h>

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

/// Overwrites, in a way that the compiler keeps.
void wipe(std::string& bytes) noexcept;

} // namespace jackdaw

/// For fmt and spdlog: never the bytes.
template <>
struct fmt::formatter<jackdaw::Secret> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const jackdaw::Secret&, Context& context) const {
        return fmt::formatter<std::string_view>::format("(secret)", context);
    }
};
