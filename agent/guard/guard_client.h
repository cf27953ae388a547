#pragma once
// The agent's end of a guard's SEQPACKET protocol (proto/machine/guard_protocol.h).

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/guard/guard_link.h"
#include "proto/base/unique_fd.h"
#include "proto/machine/guard_protocol.h"

namespace jackdaw::agent {

/// Each question is answered within `answer_limit` or is `unavailable`: a guard does nothing long,
/// so one that is silent is dead or its machine is frozen.
class GuardClient final : public GuardLink {
public:
    static constexpr std::chrono::seconds answer_limit{5};

    explicit GuardClient(UniqueFd socket);

    /// Gives the connection up to somebody else, who asks for the status first.
    [[nodiscard]] UniqueFd take() && { return std::move(socket_); }

    [[nodiscard]] int poll_fd() const noexcept override { return socket_.get(); }
    /// A guard whose child could not be started has `ended` without a status; output() then says
    /// why.
    Result<GuardStatus> status() override;
    Result<void> request_stop(StopKind kind) override;
    Result<std::string> output() override;
    Result<void> release() override;
    Result<GuardStatus> wait_end(std::chrono::milliseconds limit, int cancel_fd) override;

private:
    using Buffer = std::array<char, sizeof(jackdaw_guard_output)>;

    Result<int> receive(int wait_ms);
    Result<std::uint32_t> send(std::uint16_t type, std::uint32_t argument);
    Result<int> ask(std::uint16_t type, std::uint32_t argument, int answer);
    void note(const jackdaw_guard_status& status);
    void drain();
    Error died(const char* doing) const;

    UniqueFd socket_;
    std::uint32_t sequence_ = 0;
    std::unique_ptr<Buffer> buffer_; ///< 32 KiB, the last message
    GuardStatus last_;
    std::string start_failure_; ///< why the child never ran
};

} // namespace jackdaw::agent
