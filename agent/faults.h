#pragma once
// Where the kill tests aim: a file in the state folder, read by builds with JACKDAW_FAULTS only.
// Lines:
//
//   kill ACTION STEP POINT     end this process by SIGKILL there, once (the line is taken out
//   first) pause ACTION STEP POINT MS wait there, once, so that a test can act meanwhile wall
//   SECONDS               read by the clock (proto/runtime/clock.h), stays
//
// ACTION, STEP and POINT may be "*". POINT: begin, effect, done, undo.

#include <string>
#include <string_view>

namespace jackdaw::agent {

class FaultFile {
public:
    explicit FaultFile(std::string path) : path_{std::move(path)} {}
    /// Called by the life thread at every point; without the file, or in a packaged build, nothing
    /// happens.
    void at(std::string_view action, std::string_view step, std::string_view point) const;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

} // namespace jackdaw::agent
