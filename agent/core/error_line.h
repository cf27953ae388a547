#pragma once
// A failure in one line of text: what, and why.

#include <string>

#include "proto/messages/shapes.h"

namespace jackdaw::agent {

/// The messages of the table of codes are sentences, and a colon takes the place of their end.
[[nodiscard]] inline std::string line_of(const proto::ErrorShape& error) {
    auto line = error.message;
    if (line.ends_with('.')) {
        line.pop_back();
    }
    return error.cause.empty() ? line : line + ": " + error.cause;
}

} // namespace jackdaw::agent
