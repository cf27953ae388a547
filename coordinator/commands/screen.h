#pragma once
// The whole terminal, for a view that lives: drawn over in place, without echo, and as it was
// before however the program ends.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::cli {

class Screen {
public:
    Screen() = default;
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    virtual ~Screen() = default;

    /// As many lines as fit, from the top; what is too wide is cut by the terminal. Texts are
    /// printable() or carry styles of ours. False: the terminal is gone.
    virtual bool draw(const std::vector<std::string>& lines) = 0;

    enum class Wake : std::uint8_t { time, key, resized, gone };
    struct Input {
        Wake wake = Wake::time;
        char key = 0; ///< '<' and '>' for the arrows to the left and right
    };
    /// The next key, a new size, or neither within `span`.
    [[nodiscard]] virtual Input wait(std::chrono::milliseconds span) = 0;
};

/// Takes the terminal on descriptors 0 and 1; one at a time. `unavailable` when it cannot be set.
/// Signals that end the program restore it first, from the handler itself, also while the program
/// waits for somebody else; an interrupt ends with status 130. A stop by the person (Ctrl-Z) gives
/// it back, and takes it again when the program goes on.
[[nodiscard]] Result<std::unique_ptr<Screen>> take_screen();

} // namespace jackdaw::cli
