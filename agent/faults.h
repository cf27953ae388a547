#pragma once
// Where the kill tests aim: a file in the state folder, read by builds with JACKDAW_FAULTS only.
// Lines:
//
//   kill ACTION STEP POINT      end this process by SIGKILL there, once (the line goes first)
//   pause ACTION STEP POINT MS  wait there, once, so that a test can act meanwhile
//   wall SECONDS                read by the clock (proto/runtime/clock.h), stays
//
// ACTION, STEP and POINT may be "*". POINT: begin, effect, done, undo. Of gossip's records (ACTION
// "gossip", STEP "boot" or "reserve"): begin and done, before and after one is durable.

#include <string>
#include <string_view>

namespace jackdaw::agent {

class FaultFile {
public:
    explicit FaultFile(std::string path) : path_{std::move(path)} {}
    /// Called at every point by the life thread, and by the pool for gossip's records; without the
    /// file, or in a packaged build, nothing happens. Two that come at once may both take a line.
    void at(std::string_view action, std::string_view step, std::string_view point) const;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    std::string path_;
};

} // namespace jackdaw::agent
