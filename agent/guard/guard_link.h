#pragma once
// The agent's end of one guard: what it guards, how it ended, and the order to stop it. The real
// one (guard_client.h) speaks the guard's fixed-size protocol over its SEQPACKET socket; fakes come
// from FakeHost. Used by one thread (the life thread).

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "proto/base/error.h"

namespace jackdaw::agent {

enum class GuardPhase : std::uint8_t { running, stopping, ended };

struct GuardStatus {
    GuardPhase phase = GuardPhase::running;
    std::int64_t child_pid = 0;           ///< inside the machine
    std::int64_t started_boottime_ns = 0; ///< CLOCK_BOOTTIME
    std::int64_t ended_boottime_ns = 0;   ///< 0 until ended
    std::int64_t cpu_us = 0;              ///< user + system of the reaped tree; 0 until ended
    std::optional<int> exit_status;       ///< 0..255 when it exited by itself
    int signal = 0;                       ///< when a signal ended it

    /// The only success there is (ARCHITECTURE.md): ended by itself with status 0.
    [[nodiscard]] bool succeeded() const noexcept {
        return phase == GuardPhase::ended && exit_status == 0;
    }
};

enum class StopKind : std::uint8_t {
    clean, ///< the LaunchSpec's signals and times
    kill,  ///< at once
};

class GuardLink {
public:
    virtual ~GuardLink() = default;

    /// A descriptor that polls readable when the guard has something to say or has died; for
    /// poll(2).
    [[nodiscard]] virtual int poll_fd() const noexcept = 0;
    /// E-GUARD-DIED when it has died: then its processes are being killed, the outcome is
    /// unknown.
    virtual Result<GuardStatus> status() = 0;
    /// Returns at once; the end shows in status().
    virtual Result<void> request_stop(StopKind kind) = 0;
    /// The last bytes that the child and its children wrote, at most 32 KiB.
    virtual Result<std::string> output() = 0;
    /// Tells a guard whose child has ended that its end is known; it exits. No effect before the
    /// end.
    virtual Result<void> release() = 0;
    /// Waits until `ended`, the guard's death (`unavailable`), `cancel_fd` readable (`cancelled`;
    /// -1: none), or the limit (`deadline`; the process goes on).
    virtual Result<GuardStatus> wait_end(std::chrono::milliseconds limit, int cancel_fd) = 0;
};

} // namespace jackdaw::agent
